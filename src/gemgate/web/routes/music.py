"""Music in our own shape: asked for, watched, listed, fetched, deleted."""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import simple_music, wire
from gemgate.dialects.simple_music import PATH, CreateMusicRequest
from gemgate.media import MadeMedia
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.media_routes import LIST_QUERY, jobs_of, looked_at, page, served, submitted
from gemgate.web.operation import RANGED, Router, operation
from gemgate.web.request_body import read_with

router = Router()

ONE = PATH + "/{music_id}"


@operation(router, "POST", PATH, "music.create", group="images", answers="simple.Music", body=CreateMusicRequest)
async def create(context: NodeContext) -> Response:
    """Music from a prompt, which is made in the background."""
    call = await read_with(
        context.request,
        context.service.settings.max_body_bytes,
        lambda b: simple_music.read_create(wire.read(CreateMusicRequest, wire.parse_json(b))),
    )
    return _shown(context, await submitted(context, call))


@operation(router, "GET", PATH, "music.list", group="images", answers="simple.MusicList", query=LIST_QUERY)
async def listing(context: NodeContext) -> Response:
    """The caller's music, the newest first, a page at a time."""
    found, more = await page(context, "music")
    return json_response(simple_music.write_list(found, context.caller.language, context.base_url, more=more))


@operation(router, "GET", ONE, "music.get", group="images", answers="simple.Music", query={"wait": "integer"})
async def one(context: NodeContext) -> Response:
    """How it stands, and what was measured of its files once they are here; `?wait=SECONDS` (300 at most) waits."""
    return _shown(context, await looked_at(context, "music", context.request.path_params["music_id"]))


@operation(router, "DELETE", ONE, "music.delete", group="images", answers="simple.DeletedMusic")
async def delete(context: NodeContext) -> Response:
    """Forget it with its files; music that is being made is given up."""
    music_id = context.request.path_params["music_id"]
    await jobs_of(context, "music").delete(context.caller, music_id)
    return json_response(simple_music.write_deleted(music_id))


@operation(
    router,
    "GET",
    ONE + "/content",
    "music.content",
    group="images",
    produces=("audio/mpeg", "video/mp4"),
    also=RANGED,
    query={"format": "string"},
)
async def content(context: NodeContext) -> Response:
    """A file of finished music, whole or by Range: the sound, or with `format=mp4` the film of it."""
    made = await jobs_of(context, "music").stored(context.caller, context.request.path_params["music_id"])
    return await served(context, made, simple_music.file_of(made, context.request.query_params.get("format", "")))


def _shown(context: NodeContext, music: MadeMedia) -> Response:
    return json_response(simple_music.write(music, context.caller.language, context.base_url))
