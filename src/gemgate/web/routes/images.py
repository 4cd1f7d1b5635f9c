"""Routes that make images, and the route that shows stored ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from email.utils import formatdate, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

from gemgate.dialects import openai_images, simple, wire
from gemgate.dialects.openai_images import ImagesCall
from gemgate.dialects.simple import SimpleImagesCall
from gemgate.errors import GatewayError, NotFound, Unauthorized, forget_frames
from gemgate.files import mime_of
from gemgate.gateway.own_images import IMAGE_PATH
from gemgate.images import GeneratedImage, ImageRequest
from gemgate.jobs.image_calls import ImageCallOrder
from gemgate.policy.model_rank import named
from gemgate.ports.blobs import BlobFacts
from gemgate.telemetry.logs import get_logger
from gemgate.web import ranges, sse
from gemgate.web.context import NodeContext
from gemgate.web.image_calls import (
    Outcome,
    accepted,
    apart,
    awaited,
    begin,
    durable_order,
    leave,
    usage_of,
    write_openai,
    write_simple,
)
from gemgate.web.json_response import large_json_response, paced, sse_pieces
from gemgate.web.operation import CACHED, PICTURES, RANGED, Router, operation, serves
from gemgate.web.request_body import read_form, read_with
from gemgate.web.sse import Opened
from gemgate.web.unmet import unmet

router = Router()

HEARTBEAT = b": still painting\n\n"


@serves(router, "images.generations", durable=True)
async def generations(context: NodeContext) -> Response:
    """Pictures from a prompt, in OpenAI's shape; with a picture to start from it is an edit, also as a form."""
    limit = context.service.settings.max_body_bytes
    if context.request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(context.request, limit)
        return await _openai_answer(context, openai_images.read_generations_form(form.fields, form.files))
    call = await read_with(
        context.request,
        limit,
        lambda b: openai_images.read_generations(wire.read(openai_images.GenerationsRequest, wire.parse_json(b))),
    )
    return await _openai_answer(context, call)


@serves(router, "images.edits", durable=True)
async def edits(context: NodeContext) -> Response:
    """An image edited in words: multipart as the SDK sends it, OpenAI's JSON, or the simple JSON.

    The error takes the form of the body (docs/decisions.md 17).
    """
    limit = context.service.settings.max_body_bytes
    context.request.scope["gemgate.envelope"] = openai_images.envelope
    if context.request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(context.request, limit)
        return await _openai_answer(context, openai_images.read_edits_form(form.fields, form.files))

    def read(body: bytes) -> ImagesCall | SimpleImagesCall:
        value = wire.parse_json(body)
        if openai_images.is_simple_edit(value):
            context.request.scope["gemgate.envelope"] = simple.envelope
            return simple.read_images(wire.read(simple.EditImageRequest, value))
        return openai_images.read_edits(wire.read(openai_images.EditsRequest, value))

    call = await read_with(context.request, limit, read)
    if isinstance(call, SimpleImagesCall):
        return await _simple_answer(context, call)
    return await _openai_answer(context, call)


@serves(router, "generate-images", durable=True)
async def generate_images(context: NodeContext) -> Response:
    """Pictures from a prompt, or an edit when `image` is given."""
    limit = context.service.settings.max_body_bytes
    call = await read_with(
        context.request,
        limit,
        lambda b: simple.read_images(wire.read(simple.GenerateImagesRequest, wire.parse_json(b))),
    )
    return await _simple_answer(context, call)


async def _openai_answer(context: NodeContext, wanted: ImagesCall) -> Response:
    unmet(context, wanted.ignored)
    order = durable_order(
        context,
        wanted.request,
        "openai",
        as_url=wanted.as_url,
        later=wanted.respond_async,
        stream=wanted.stream,
        webhook=wanted.webhook,
    )
    if order is not None and not order.awaited:
        return await accepted(context, order)
    if wanted.stream:
        opened = Opened()
        events = _events(context, wanted, order, opened)
        return await sse.answer(context.request, events, lambda: None, opened, {})
    outcomes, _ = await _made(context, wanted.request, order)
    return large_json_response(write_openai(context, wanted, outcomes, context.service.clock.now()))


async def _events(
    context: NodeContext, wanted: ImagesCall, order: ImageCallOrder | None, opened: Opened
) -> AsyncGenerator[bytes, None]:
    """Each image as soon as it is there, then what failed beside them; when nothing succeeds that is an error, raised
    while the stream is not opened and told in it afterwards.

    Heartbeats are written here: one between the pieces of an image would end up inside it.
    """
    meta = context.meta("")
    outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
    work, _, presence = await begin(context, wanted.request, order, outcomes.put_nowait)
    making = asyncio.ensure_future(work)
    making.add_done_callback(lambda _: outcomes.put_nowait(None))
    failures: list[GatewayError] = []
    try:
        while True:
            patience = sse.HEARTBEAT_SECONDS if opened.yes else sse.OPEN_SECONDS
            try:
                async with asyncio.timeout(patience):
                    result = await outcomes.get()
            except TimeoutError:
                opened.yes = True
                yield HEARTBEAT
                continue
            if result is None:
                break
            if isinstance(result, GatewayError):
                failures.append(result)
                continue
            opened.yes = True
            shown, usage = usage_of(wanted, 1)
            name, event = openai_images.write_event(result, wanted, meta, usage, image_tokens=shown)
            async for piece in paced(sse_pieces(event, name)):
                yield piece
        for error in _told(making, failures, opened):
            context.failed(error, in_band=True)
            yield openai_images.write_failure(error, context.caller.language, context.request_id)
    finally:
        await leave(context, making, presence)


def _told(
    making: asyncio.Future[list[GeneratedImage | GatewayError]], failures: list[GatewayError], opened: Opened
) -> list[GatewayError]:
    """What a stream that is open still has to tell: what failed beside images, or why there are none."""
    error = making.exception()
    if error is None:
        return failures
    if not opened.yes:
        raise error
    if not isinstance(error, GatewayError):
        get_logger().error("stream.failed", exc_info=error)
    forget_frames(error)
    if isinstance(error, GatewayError):
        return [error]
    return [sse.internal_error(error)]


async def _simple_answer(context: NodeContext, wanted: SimpleImagesCall) -> Response:
    unmet(context, wanted.ignored)
    order = durable_order(
        context, wanted.request, "simple", as_url=wanted.as_url, later=wanted.respond_async, webhook=wanted.webhook
    )
    if order is not None and not order.awaited:
        return await accepted(context, order)
    outcomes, model = await _made(context, wanted.request, order)
    return large_json_response(write_simple(context, wanted, outcomes, model))


async def _made(
    context: NodeContext, wanted: ImageRequest, order: ImageCallOrder | None
) -> tuple[Sequence[Outcome], str]:
    """What became of each image, and the model that was asked, as it is called."""
    work, model, presence = await begin(context, wanted, order)
    outcomes = await awaited(context, work, presence)
    images, _ = apart(outcomes)
    context.headers["x-gemgate-served-model"] = ", ".join(dict.fromkeys(named(image.painter) for image in images))
    return outcomes, model


FOREVER = "public, max-age=31536000, immutable"


async def stored(context: NodeContext) -> Response:
    """Open on loopback, else with a client key or a signed link (docs/decisions.md 12).

    Names never change their bytes.
    """
    name = context.request.path_params["name"]
    await _check_link(context)
    if not IMAGE_PATH.fullmatch(name) or ".." in name:
        raise _no_image(name)
    store, key = context.service.blobs, "images/" + name
    facts = await store.stat(key)
    if facts is None:
        raise _no_image(name)
    headers = _headers(facts)
    if _is_known(context.request, facts, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return await ranges.answer(context.request, store, facts, headers, mime_of(name))


operation(
    router,
    "GET",
    "/images/{name:path}",
    "images.stored",
    group="any",
    level="open",
    produces=PICTURES,
    also=CACHED + RANGED,
    summary="A stored picture",
)(stored)


async def _check_link(context: NodeContext) -> None:
    """Unauthorized without a signature that holds, unless the image is the caller's or the caller an admin."""
    if await context.service.own_images.may_see(
        context.request.path_params["name"], context.request.url.query, context.caller
    ):
        return
    raise Unauthorized(
        "This link is not signed, or it has expired; ask for the picture again, or send an API key",
        "该链接未签名或已过期，请重新获取链接，或提供 API 密钥",
        code="link_expired",
    )


def _no_image(name: str) -> NotFound:
    return NotFound(f"There is no picture {name[:120]}", f"图片 {name[:120]} 不存在", code="picture_not_found")


def _headers(facts: BlobFacts) -> dict[str, str]:
    return {
        "etag": f'"{facts.etag}"',
        "last-modified": formatdate(facts.modified, usegmt=True),
        "cache-control": FOREVER,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'",
    }


def _is_known(request: Request, facts: BlobFacts, etag: str) -> bool:
    """Whether the caller has these very bytes (RFC 9110, 13.1)."""
    if tags := request.headers.get("if-none-match"):
        return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in tags.split(","))
    try:
        return parsedate_to_datetime(request.headers["if-modified-since"]).timestamp() >= int(facts.modified)
    except (KeyError, ValueError, TypeError, OverflowError):
        return False
