"""OpenAI's videos: asked for, watched, listed, fetched, changed, deleted."""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import image_tasks, openai_videos, wire
from gemgate.dialects.openai_videos import CreateRequest, RemixRequest, Video, VideoCall
from gemgate.errors import BadRequest
from gemgate.jobs.batches import Submitter
from gemgate.jobs.video_runner import MIME
from gemgate.jobs.videos import Videos, video_not_found
from gemgate.web import ranges
from gemgate.web.answers import unmet
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_form, read_with, whole_number

router = Router()

PATH = "/v1/videos"
ONE = PATH + "/{video_id}"
LONGEST_WAIT = 300
"""Seconds of a long poll; a proxy may allow less."""


@operation(router, "POST", PATH, "videos.create", group="images", body=CreateRequest)
async def create(context: NodeContext) -> Response:
    """A video from a prompt, which is made in the background; a form or JSON, with an image to start from."""
    limit = context.service.settings.max_body_bytes
    if context.request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(context.request, limit)
        return await _submitted(context, openai_videos.read_form(form.fields, form.files))
    call = await read_with(
        context.request, limit, lambda b: openai_videos.read_create(wire.read(CreateRequest, wire.parse_json(b)))
    )
    return await _submitted(context, call)


@operation(router, "POST", ONE + "/remix", "videos.remix", group="images", body=RemixRequest)
async def remix(context: NodeContext) -> Response:
    """A finished video changed in words: the next turn of its chat."""
    video_id = context.request.path_params["video_id"]
    call = await read_with(
        context.request,
        context.service.settings.max_body_bytes,
        lambda b: openai_videos.read_remix(video_id, wire.read(RemixRequest, wire.parse_json(b))),
    )
    return await _submitted(context, call)


async def _submitted(context: NodeContext, call: VideoCall) -> Response:
    unmet(context, call.ignored)
    key = image_tasks.read_idempotency_key(context.request.headers.get("idempotency-key"))
    if not key:
        context.note("task.entering")  # a fleet's gateway must not have another node enter it as well
    submitter = Submitter(context.caller, context.base_url)
    video = await _videos(context).submit(call, key, submitter, admitted=context.admitted)
    context.note("request.task", id=video.id)
    return _shown(context, video)


@operation(
    router,
    "GET",
    PATH,
    "videos.list",
    group="images",
    query={"after": "string", "limit": "integer", "order": "string"},
)
async def listing(context: NodeContext) -> Response:
    """The caller's videos, the newest first, a page at a time."""
    query = context.request.query_params
    limit = whole_number(context.request, "limit", 20, least=1, most=100)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("order is asc or desc", "order 只能是 asc 或 desc", param="order")
    after = query.get("after") or None
    found, more = await _videos(context).page(context.caller, after=after, limit=limit, oldest_first=order == "asc")
    return json_response(openai_videos.write_list(found, context.caller.language, more=more))


@operation(router, "GET", ONE, "videos.get", group="images", query={"wait": "integer"})
async def one(context: NodeContext) -> Response:
    """How a video stands, and what was measured of it once it is here; `?wait=SECONDS` (300 at most) waits for that."""
    video_id = context.request.path_params["video_id"]
    seconds = whole_number(context.request, "wait", 0, least=0, most=LONGEST_WAIT)
    if not seconds:
        return _shown(context, await _videos(context).get(context.caller, video_id))
    waiting = _videos(context).wait(context.caller, video_id, seconds)
    return _shown(context, await cancel_on_disconnect(context.request.receive, waiting))


@operation(router, "DELETE", ONE, "videos.delete", group="images")
async def delete(context: NodeContext) -> Response:
    """Forget a video and its file; one that is being made is given up."""
    video_id = context.request.path_params["video_id"]
    await _videos(context).delete(context.caller, video_id)
    return json_response(openai_videos.write_deleted(video_id))


@operation(
    router,
    "GET",
    ONE + "/content",
    "videos.content",
    group="images",
    produces="video/mp4",
    query={"variant": "string"},
)
async def content(context: NodeContext) -> Response:
    """The file of a finished video, whole or by Range."""
    if context.request.query_params.get("variant", "video") != "video":
        raise BadRequest(
            "Only the variant video is kept; Google's previews are not",
            "仅保留 variant=video，不提供预览图",
            param="variant",
            code="unsupported_parameter",
        )
    key, video = await _videos(context).stored(context.caller, context.request.path_params["video_id"])
    store = context.service.blobs
    facts = await store.stat(key)
    if facts is None:
        raise video_not_found(video.id)
    headers = {
        "etag": f'"{facts.etag}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f'attachment; filename="{video.id}.mp4"',
        "x-content-type-options": "nosniff",
    }
    return await ranges.answer(context.request, store, facts, headers, MIME)


def _videos(context: NodeContext) -> Videos:
    return Videos(context.service.jobs, context.service.blobs)


def _shown(context: NodeContext, video: Video) -> Response:
    return json_response(openai_videos.write(video, context.caller.language))
