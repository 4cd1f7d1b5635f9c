"""Gemini's videos: predictLongRunning, its operations, and the files that come of them."""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import gemini
from gemgate.dialects.table import GEMINI_PREFIXES
from gemgate.media import MadeMedia
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.media_routes import jobs_of, looked_at, served, submitted
from gemgate.web.operation import RANGED, Router, operation
from gemgate.web.request_body import model_reader, read_with

router = Router()


async def create(context: NodeContext) -> Response:
    """Gemini predictLongRunning, for videos: what `generate_videos` of Google's SDKs calls"""
    model = context.request.path_params["model"]
    reader = model_reader(gemini.PredictLongRunningRequest, lambda body: gemini.read_video(body, model))
    _, call = await read_with(context.request, context.service.settings.max_body_bytes, reader)
    video = await submitted(context, call)
    return _shown(context, video, f"models/{model.removeprefix('models/')}/operations/{video.id}")


async def get(context: NodeContext) -> Response:
    """How a video's operation stands; `?wait=SECONDS` (300 at most) waits for its end"""
    parameters = context.request.path_params
    model = parameters.get("model", "")
    name = f"models/{model}/operations/" if model else "operations/"
    return _shown(
        context, await looked_at(context, "video", parameters["operation_id"]), name + parameters["operation_id"]
    )


async def download(context: NodeContext) -> Response:
    """The file of a finished video, whole or by Range: what `files.download` of Google's SDKs calls"""
    video_id = gemini.video_of(context.request.path_params["file_id"])
    video = await jobs_of(context, "video").stored(context.caller, video_id)
    return await served(context, video, video.files[0])


def _shown(context: NodeContext, video: MadeMedia, name: str) -> Response:
    path = context.request.url.path
    version = "v1beta" if "/v1beta/" in path else "v1"
    prefix = "/gemini" if path.startswith("/gemini/") else ""
    files = f"{context.base_url}{prefix}/{version}/files"
    return json_response(gemini.write_operation(video, name, files, context.caller.language))


for _prefix in GEMINI_PREFIXES:
    _shown_there = _prefix == GEMINI_PREFIXES[0]
    operation(
        router,
        "POST",
        _prefix + "/models/{model:path}:predictLongRunning",
        "gemini.videos.create",
        group="images",
        answers="gemini.VideoOperation",
        body=gemini.PredictLongRunningRequest,
        documented=_shown_there,
    )(create)
    for _path in ("/models/{model}/operations/{operation_id}", "/operations/{operation_id}"):
        operation(
            router,
            "GET",
            _prefix + _path,
            "gemini.videos.get",
            group="images",
            answers="gemini.VideoOperation",
            query={"wait": "integer"},
            documented=_shown_there,
        )(get)
    operation(
        router,
        "GET",
        _prefix + "/files/{file_id}:download",
        "gemini.videos.content",
        group="images",
        produces=("video/mp4",),
        also=RANGED,
        query={"alt": "string"},
        documented=_shown_there,
    )(download)
