"""What the routes for images have in common: make images for who waits, or as a durable task; write their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.responses import Response

from gemgate.caller import Cost
from gemgate.chat import Usage
from gemgate.dialects import image_tasks, openai_images, simple
from gemgate.dialects.image_tasks import Shape
from gemgate.dialects.openai_images import ImagesCall
from gemgate.dialects.simple import SimpleImagesCall
from gemgate.errors import GatewayError
from gemgate.gateway.admission import Charge
from gemgate.gateway.presence import CallerPresence
from gemgate.images import GeneratedImage, ImageRequest
from gemgate.jobs.batches import Submitter
from gemgate.jobs.image_calls import ImageCallOrder, ImageCalls
from gemgate.prompting import tokens
from gemgate.web.completions import began, made_whole
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.unmet import unmet

Outcome = GeneratedImage | GatewayError
Making = Coroutine[Any, Any, list[Outcome]]


def calls_of(context: NodeContext) -> ImageCalls:
    """The durable calls of this node."""
    return ImageCalls(context.service.jobs, context.service.blobs)


def durable_order(
    context: NodeContext,
    request: ImageRequest,
    shape: Shape,
    *,
    as_url: bool,
    later: bool,
    stream: bool = False,
    webhook: tuple[str, str] = ("", ""),
) -> ImageCallOrder | None:
    """The call as a durable one, if it asks to be: asynchronous, or under an idempotency key. BadRequest.

    later: its body asks for a task. A stream prefers nothing: who reads one wants to be told as it comes.
    webhook: whom a task tells of its end.
    """
    headers = context.request.headers
    key = image_tasks.read_idempotency_key(headers.get("idempotency-key"))
    prefers = image_tasks.prefers_async(headers.getlist("prefer")) and not stream
    if prefers:
        context.headers["preference-applied"] = "respond-async"
    if not (later or prefers or key):
        unmet(context, ["webhook"] if webhook[0] else ())
        return None
    options = replace(request.options, model_policy=context.model_policy or request.options.model_policy)
    return ImageCallOrder(replace(request, options=options), shape, as_url, not (later or prefers), key, webhook)


async def accepted(context: NodeContext, order: ImageCallOrder) -> Response:
    """Enter the call and answer with its task, at once."""
    submitter = Submitter(context.caller, context.base_url)
    if not order.key:
        context.note("task.entering")  # a fleet's gateway must not have another node enter it as well
    batch = await calls_of(context).submit(order, submitter, admitted=context.admitted)
    context.note("request.task", id=batch.id)
    task = image_tasks.task_of(batch, context.base_url, context.service.jobs.standstill(batch))
    return json_response(image_tasks.write_task(task, context.caller.language), 202, {"location": task.poll})


async def awaited(context: NodeContext, work: Making, presence: CallerPresence | None) -> list[Outcome]:
    """What became of each image; ClientDisconnected when the caller goes first, whatever happens to the images."""
    making = asyncio.ensure_future(work)
    try:
        await made_whole(context, asyncio.wait({making}))
        return making.result()
    finally:
        await leave(context, making, presence)
        del making  # it holds its error, which holds this frame


async def leave(context: NodeContext, making: asyncio.Future[list[Outcome]], presence: CallerPresence | None) -> None:
    """Nobody waits for the images any more: those that may be under way at Google are finished and kept, if that is
    the setting (ABANDONED); else all ends. presence: None for a durable call, which goes on without us.
    """
    if making.done():
        return
    service = context.service
    if presence is not None and presence.sent and service.settings.abandoned == "finish":
        presence.left = True
        context.note("request.abandoned", outcome="finishing")
        making.add_done_callback(partial(_finished, context))
        service.finish(making)
        return
    making.cancel()
    await asyncio.wait({making})
    if presence is not None:
        context.note("request.abandoned", outcome="cancelled")


def _finished(context: NodeContext, making: asyncio.Future[list[Outcome]]) -> None:
    outcome = "cancelled" if making.cancelled() else "failed" if making.exception() else "finished"
    context.note("request.abandoned", outcome=outcome)


async def begin(
    context: NodeContext,
    wanted: ImageRequest,
    order: ImageCallOrder | None,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Making, str, CallerPresence | None]:
    """The making of the images, admitted and not begun, the model as it is called, and whether its caller is there,
    None where that does not matter; `done` hears of each outcome.
    """
    if order is not None:
        calls = calls_of(context)
        batch = await calls.submit(order, Submitter(context.caller, context.base_url), admitted=context.admitted)
        context.headers["x-gemgate-task"] = batch.id
        context.note("request.task", id=batch.id)
        return calls.results(batch, done), batch.model, None
    gateway = context.service.gateway
    policy = context.model_policy or wanted.options.model_policy
    admission = await gateway.admit_images(wanted.model, context.caller, policy, charge=Charge(Cost(images=wanted.n)))
    context.admitted(admission.quota)
    presence = CallerPresence()
    making = gateway.generate_images(wanted, admission, done=done, began=partial(began, context), journal=presence)
    return making, wanted.model or admission.card.id, presence


def usage_of(wanted: ImagesCall, made: int) -> tuple[int, Usage]:
    """Estimated tokens of the reference images, and of everything."""
    shown = tokens.IMAGE_TOKENS * len(wanted.request.references)
    return shown, Usage(tokens.estimate(wanted.request.prompt) + shown, tokens.IMAGE_TOKENS_OUT * made)


def write_openai(context: NodeContext, wanted: ImagesCall, outcomes: Sequence[Outcome], created: float) -> Any:
    """The ImagesResponse. created: epoch seconds."""
    images, failures = apart(outcomes)
    shown, usage = usage_of(wanted, len(images))
    meta = replace(context.meta(""), created=int(created))
    language = context.caller.language
    return openai_images.write(images, wanted, meta, usage, image_tokens=shown, failures=failures, language=language)


def write_simple(context: NodeContext, wanted: SimpleImagesCall, outcomes: Sequence[Outcome], model: str) -> Any:
    """The simple dialect's answer."""
    images, failures = apart(outcomes)
    language = context.caller.language
    return simple.write_images(images, wanted, context.meta(""), model, failures=failures, language=language)


def apart(outcomes: Sequence[Outcome]) -> tuple[list[GeneratedImage], list[GatewayError]]:
    """Images, and what failed beside them."""
    images = [one for one in outcomes if isinstance(one, GeneratedImage)]
    return images, [one for one in outcomes if isinstance(one, GatewayError)]
