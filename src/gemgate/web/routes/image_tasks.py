"""Asynchronous calls for images: how a task stands, once, after a while, or as it goes; and giving it up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response

from gemgate.batches import Batch
from gemgate.dialects import gemini, image_tasks, openai_images, simple
from gemgate.dialects.image_tasks import ImageTask
from gemgate.dialects.openai_images import ImagesCall
from gemgate.dialects.rows import JSON, SSE
from gemgate.dialects.simple import SimpleImagesCall
from gemgate.errors import GatewayError
from gemgate.jobs.image_calls import request_of
from gemgate.jobs.payloads import loads
from gemgate.web import sse
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.image_calls import Outcome, apart, calls_of, write_openai, write_simple
from gemgate.web.json_response import large_json_response, paced, sse_pieces
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()

PATH = image_tasks.TASKS_PATH + "/{task_id}"
LONGEST_WAIT = 300
"""Seconds of a long poll; a proxy may allow less."""
HEARTBEAT = b": still painting\n\n"


@operation(
    router,
    "GET",
    PATH,
    "images.tasks.get",
    group="images",
    answers="pictures.PictureTask",
    produces=(JSON, SSE),
    query={"wait": "integer"},
)
async def get(context: NodeContext) -> Response:
    """How a task stands; `?wait=SECONDS` (300 at most) answers when it has ended, or then.

    With `Accept: text/event-stream` as events until its end. The result is the answer that the call would have had.
    """
    calls, task_id = calls_of(context), context.request.path_params["task_id"]
    batch = await calls.get(context.caller, task_id)
    seconds = whole_number(context.request, "wait", 0, least=0, most=LONGEST_WAIT)
    if "text/event-stream" in context.request.headers.get("accept", ""):
        return await sse.answer(context.request, _events(context, batch), lambda: HEARTBEAT, sse.Opened(), {})
    if seconds:
        ended = context.service.jobs.wait(task_id, seconds, lambda now: _task(context, now).has_ended)
        await cancel_on_disconnect(context.request.receive, ended)
        batch = await calls.get(context.caller, task_id)
    return large_json_response(await _view(context, batch))


@operation(router, "DELETE", PATH, "images.tasks.cancel", group="images", answers="pictures.PictureTask")
async def cancel(context: NodeContext) -> Response:
    """Give a task up: what is made stays, and one that has ended is not changed."""
    batch = await calls_of(context).get(context.caller, context.request.path_params["task_id"])
    batch = await context.service.jobs.cancel(batch)
    return large_json_response(await _view(context, batch))


async def _events(context: NodeContext, batch: Batch) -> AsyncGenerator[bytes, None]:
    """An event whenever the task stands otherwise; the last one has the result."""
    shown: ImageTask | None = None
    async for _ in context.service.jobs.watch(batch.id):
        found = await context.service.jobs.store.get(None, batch.id)
        if found is None:
            return
        task = _task(context, found)
        if task == shown:
            continue
        shown = task
        async for piece in paced(sse_pieces(await _view(context, found), image_tasks.event_name(task))):
            yield piece
        if task.has_ended:
            return


def _task(context: NodeContext, batch: Batch) -> ImageTask:
    return image_tasks.task_of(batch, context.base_url, context.service.jobs.standstill(batch))


async def _view(context: NodeContext, batch: Batch) -> dict[str, Any]:
    """The task's object, with what came of it once it has ended."""
    calls, task, language = calls_of(context), _task(context, batch), context.caller.language
    if not task.has_ended:
        return image_tasks.write_task(task, language)
    tasks = await calls.tasks(batch)
    outcomes = calls.outcomes(tasks)
    if not task.made:
        return image_tasks.write_task(task, language, error=_error(context, batch, outcomes))
    about, request = loads(batch.metadata), request_of(batch, tasks)
    if not about["as_url"]:
        outcomes = [await calls.with_bytes(one) for one in outcomes]
    result: Any
    match about["shape"]:
        case "openai":
            result = write_openai(context, ImagesCall(request, about["as_url"]), outcomes, batch.created_at)
        case "gemini":
            result = gemini.write_prediction(apart(outcomes)[0])
        case _:
            result = write_simple(context, SimpleImagesCall(request, about["as_url"]), outcomes, batch.model)
    return image_tasks.write_task(task, language, result)


def _error(context: NodeContext, batch: Batch, outcomes: list[Outcome]) -> dict[str, Any] | None:
    """Why there is no image, in the dialect of the call; of several the first that may have cost a generation."""
    errors = [one for one in outcomes if isinstance(one, GatewayError)]
    if not errors or batch.state == "cancelled":
        return None
    error = min(errors, key=lambda one: one.generated == "no")
    envelopes = {"openai": openai_images.envelope, "gemini": gemini.envelope, "simple": simple.envelope}
    return envelopes[loads(batch.metadata)["shape"]](error, context.caller.language, context.request_id)[1]
