"""Gemini's `models/{model}:predictLongRunning`, by which Google's SDKs ask for videos, and its operations.

An operation is a video's job under another name: `models/veo-x/operations/video_1`; its file is `files/video1`.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from gemgate.catalog import VIDEO, kind_of_model
from gemgate.dialects import wire
from gemgate.dialects.gemini.answer import envelope
from gemgate.dialects.gemini.predict import PredictImage
from gemgate.dialects.gemini.request import Wishes
from gemgate.dialects.openai import error_code
from gemgate.dialects.wire import inline_file
from gemgate.errors import BadRequest, ModelNotFound, NotFound, Refused
from gemgate.files import Inline
from gemgate.media import Aspect, MadeMedia, MediaCall, VideoRequest

PREFIX: Final = "video_"
"""How the ids of videos begin."""
_TYPES: Final = "type.googleapis.com/google.ai.generativelanguage.v1beta"
_CODES: Final = {
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}
"""google.rpc.Code: an operation's error has it as a number."""


class VideoInstance(Wishes):
    """video, last_frame, reference_images: forms that are not served; see `read_video`."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)
    image: PredictImage | None = None
    video: Any = None
    last_frame: Any = None
    reference_images: Any = None


class VideoParameters(Wishes):
    aspect_ratio: str | None = None
    sample_count: int | None = Field(default=None, ge=1, le=4)
    number_of_videos: int | None = Field(default=None, ge=1, le=4)


class PredictLongRunningRequest(Wishes):
    """Body of models/{model}:predictLongRunning, for videos."""

    instances: list[VideoInstance] = Field(min_length=1, max_length=1)
    parameters: VideoParameters | None = None


def read_video(body: PredictLongRunningRequest, model: str) -> MediaCall:
    """The words of a call. ModelNotFound for one without videos; BadRequest for several, or forms that are not read."""
    if kind_of_model(model) != "video":
        raise ModelNotFound(
            f"{model[:80]} makes no videos; ask veo-3.1-generate-preview or {VIDEO.id}, and other models by "
            ":generateContent",
            f"{model[:80]} 不能生成视频；请使用 veo-3.1-generate-preview 或 {VIDEO.id}，其他模型请用 :generateContent",
            param="model",
            code="model_not_found",
        )
    instance, parameters = body.instances[0], body.parameters or VideoParameters()
    for name, given in (
        ("video", instance.video),
        ("lastFrame", instance.last_frame),
        ("referenceImages", instance.reference_images),
    ):
        if given is not None:
            raise BadRequest(
                f"{name} is not read here; a video may start from one image, and POST /v1/videos/ID/remix changes one",
                f"这里不支持 {name}；视频可以从一张图片开始，修改视频请用 POST /v1/videos/ID/remix",
                param=f"instances[0].{name}",
                code="unsupported_parameter",
            )
    if (parameters.sample_count or parameters.number_of_videos or 1) > 1:
        raise BadRequest("One call makes one video", "每次调用只生成一个视频", param="parameters.sampleCount")
    aspect: Aspect = "9:16" if parameters.aspect_ratio == "9:16" else "16:9"
    wished = {"size": "720x1280" if aspect == "9:16" else "1280x720"} if parameters.aspect_ratio else {}
    heard = parameters.aspect_ratio in (None, "", "16:9", "9:16")
    unheard = (
        *(() if heard else ("parameters.aspectRatio",)),
        *wire.ignored(body),
        *wire.ignored(instance, prefix="instances[0]."),
        *wire.ignored(parameters, prefix="parameters."),
    )
    return MediaCall(VideoRequest(instance.prompt, aspect, _images(instance.image)), VIDEO.id, wished, unheard)


def _images(image: PredictImage | None) -> tuple[Inline, ...]:
    if image is None:
        return ()
    where = "instances[0].image.bytesBase64Encoded"
    if image.bytes_base64_encoded is None:
        raise BadRequest(f"{where} is missing", f"缺少 {where}", param=where)
    return (inline_file(image.bytes_base64_encoded, where, image.mime_type),)


def write_operation(video: MadeMedia, name: str, files: str, language: str) -> dict[str, Any]:
    """The operation as it stands. name: what it is called; files: the address that the names of files follow."""
    operation: dict[str, Any] = {
        "name": name,
        "metadata": {
            "@type": f"{_TYPES}.PredictLongRunningMetadata",
            "state": video.status,
            "createTime": wire.rfc3339(video.created_at),
            **wire.waiting(video.standstill, language),
        },
    }
    if video.error is not None:
        status, body = envelope(video.error, language, "")
        told = body["error"]
        reason = (error_code(video.error) or video.error.kind).upper()
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "gemgate"}
        code = 9 if isinstance(video.error, Refused) else _CODES.get(told["status"], 2 if status < 500 else 13)
        return operation | {
            "done": True,
            "error": {"code": code, "message": told["message"], "details": [*told["details"], info]},
        }
    if not video.files:
        return operation
    sample = {"video": {"uri": f"{files}/{file_name(video.id)}:download?alt=media", "encoding": video.files[0].mime}}
    return operation | {
        "done": True,
        "response": {
            "@type": f"{_TYPES}.PredictLongRunningResponse",
            "generateVideoResponse": {"generatedSamples": [sample]},
        },
    }


def file_name(video_id: str) -> str:
    """What this dialect calls a video's file: the SDK cuts it out of the uri by `[a-z0-9]+`."""
    return video_id.replace("_", "")


def video_of(name: str) -> str:
    """The id of the video whose file is called so. NotFound for any other file: uploads cannot be downloaded."""
    bare = PREFIX.rstrip("_")
    if not name.startswith(bare):
        raise NotFound(
            f"{name[:80]} is no generated file: only those can be downloaded",
            f"{name[:80]} 不是生成的文件，只有生成的文件可以下载",
            param="file",
            code="file_not_downloadable",
        )
    return PREFIX + name.removeprefix(PREFIX).removeprefix(bare)
