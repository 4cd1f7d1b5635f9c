"""OpenAI's videos: asked for, watched, listed, fetched, changed, deleted."""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import openai_videos, wire
from gemgate.dialects.openai_videos import CreateRequest, RemixRequest
from gemgate.errors import BadRequest
from gemgate.media import MadeMedia
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.media_routes import LIST_QUERY, jobs_of, looked_at, page, served, submitted
from gemgate.web.operation import RANGED, Router, operation
from gemgate.web.request_body import read_form, read_with

router = Router()

PATH = "/v1/videos"
ONE = PATH + "/{video_id}"


@operation(router, "POST", PATH, "videos.create", group="images", answers="openai.Video", body=CreateRequest)
async def create(context: NodeContext) -> Response:
    """A video from a prompt, which is made in the background; a form or JSON, with an image to start from."""
    limit = context.service.settings.max_body_bytes
    if context.request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(context.request, limit)
        return _shown(context, await submitted(context, openai_videos.read_form(form.fields, form.files)))
    call = await read_with(
        context.request, limit, lambda b: openai_videos.read_create(wire.read(CreateRequest, wire.parse_json(b)))
    )
    return _shown(context, await submitted(context, call))


@operation(router, "POST", ONE + "/remix", "videos.remix", group="images", answers="openai.Video", body=RemixRequest)
async def remix(context: NodeContext) -> Response:
    """A finished video changed in words: the next turn of its chat."""
    video_id = context.request.path_params["video_id"]
    call = await read_with(
        context.request,
        context.service.settings.max_body_bytes,
        lambda b: openai_videos.read_remix(video_id, wire.read(RemixRequest, wire.parse_json(b))),
    )
    return _shown(context, await submitted(context, call))


@operation(router, "GET", PATH, "videos.list", group="images", answers="openai.Videos", query=LIST_QUERY)
async def listing(context: NodeContext) -> Response:
    """The caller's videos, the newest first, a page at a time."""
    found, more = await page(context, "video")
    return json_response(openai_videos.write_list(found, context.caller.language, more=more))


@operation(router, "GET", ONE, "videos.get", group="images", answers="openai.Video", query={"wait": "integer"})
async def one(context: NodeContext) -> Response:
    """How a video stands, and what was measured of it once it is here; `?wait=SECONDS` (300 at most) waits for that."""
    return _shown(context, await looked_at(context, "video", context.request.path_params["video_id"]))


@operation(router, "DELETE", ONE, "videos.delete", group="images", answers="openai.DeletedVideo")
async def delete(context: NodeContext) -> Response:
    """Forget a video and its file; one that is being made is given up."""
    video_id = context.request.path_params["video_id"]
    await jobs_of(context, "video").delete(context.caller, video_id)
    return json_response(openai_videos.write_deleted(video_id))


@operation(
    router,
    "GET",
    ONE + "/content",
    "videos.content",
    group="images",
    produces=("video/mp4",),
    also=RANGED,
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
    made = await jobs_of(context, "video").stored(context.caller, context.request.path_params["video_id"])
    return await served(context, made, made.files[0])


def _shown(context: NodeContext, video: MadeMedia) -> Response:
    return json_response(openai_videos.write(video, context.caller.language))
