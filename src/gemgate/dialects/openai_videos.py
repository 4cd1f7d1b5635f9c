"""OpenAI videos: what a call asks for, and the `video` object (docs/videos.md).

Google decides how long and how large a video is: `seconds`, `model` and most of `size` are wishes, and those that
change nothing are named. What a finished video is stands in its own file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from gemgate.catalog import VIDEO
from gemgate.dialects.image_options import references_of
from gemgate.dialects.openai import envelope, error_code
from gemgate.dialects.wire import Body, read, waiting
from gemgate.errors import BadRequest
from gemgate.files import Inline, Source, Stored
from gemgate.media import Aspect, MadeMedia, MediaCall, VideoRequest

if TYPE_CHECKING:
    from gemgate.dialects.shapes import openai as shapes

UNKNOWN: Final = "unknown"
REFERENCE: Final = "input_reference"
_SIZE: Final = re.compile(r"(\d{2,5})x(\d{2,5})")
_HONOURED: Final = ("1280x720", "720x1280")

__all__ = [
    "CreateRequest",
    "RemixRequest",
    "envelope",
    "read_create",
    "read_form",
    "read_remix",
    "references",
    "write",
    "write_deleted",
    "write_list",
]


class CreateRequest(Body):
    """Body of POST /v1/videos, as JSON or as a form."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)
    model: str | None = None
    seconds: str | int | None = None
    size: str | None = None
    input_reference: Any = None


class RemixRequest(Body):
    """Body of POST /v1/videos/{id}/remix."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)


def read_create(body: CreateRequest) -> MediaCall:
    """The words of a call. BadRequest for a size that is none, and for a reference that is no image."""
    return _call(body, references(body.input_reference))


def read_form(fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, Inline]]) -> MediaCall:
    """The same of a multipart form, as the SDK sends it."""
    given: dict[str, Any] = {}
    nested: dict[str, str] = {}
    for name, value in fields:
        inside = re.fullmatch(rf"{REFERENCE}\[(\w+)\]", name)
        (nested if inside else given)[inside[1] if inside else name] = value
    body = read(CreateRequest, given)
    sent = tuple(file for name, file in files if name == REFERENCE)
    if any(not file.data for file in sent):
        raise BadRequest(f"{REFERENCE} is empty", f"{REFERENCE} 为空", param=REFERENCE)
    return _call(body, (*sent, *references(nested or body.input_reference)))


def read_remix(video_id: str, body: RemixRequest) -> MediaCall:
    """The next turn of a video's chat."""
    return MediaCall(VideoRequest(body.prompt, remixed=video_id), VIDEO.id, {})


def _call(body: CreateRequest, references: tuple[Source, ...]) -> MediaCall:
    if len(references) > 1:
        raise BadRequest(f"At most one {REFERENCE}", f"最多一个 {REFERENCE}", param=REFERENCE)
    wished: dict[str, str] = {}
    ignored: list[str] = []
    if body.model and body.model.strip().lower() != VIDEO.id:
        ignored.append("model")
    if body.seconds not in (None, ""):
        wished["seconds"] = str(body.seconds)[:20]
        ignored.append("seconds")
    aspect: Aspect = "16:9"
    if body.size and body.size.strip().lower() != "auto":
        found = _SIZE.fullmatch(body.size.strip().lower())
        if not found:
            raise BadRequest("size is WIDTHxHEIGHT, such as 1280x720", "size 应为 宽x高，如 1280x720", param="size")
        wished["size"] = found[0]
        aspect = "9:16" if int(found[2]) > int(found[1]) else "16:9"
        if found[0] not in _HONOURED:
            ignored.append("size")
    return MediaCall(VideoRequest(body.prompt, aspect, references), VIDEO.id, wished, tuple(ignored))


def references(value: Any) -> tuple[Source, ...]:
    """An image by link, as a data URL, or by the id of a file."""
    if value in (None, ""):
        return ()
    if isinstance(value, Mapping) and isinstance(value.get("file_id"), str):
        return (Stored(value["file_id"], place=f"{REFERENCE}.file_id"),)
    if isinstance(value, Mapping) and "image_url" in value:
        value = value["image_url"]
    try:
        return references_of({"image": value})
    except BadRequest as error:
        raise BadRequest(error.en, error.zh, param=REFERENCE, code=error.code) from None


def write(video: MadeMedia, language: str) -> shapes.Video:
    """The `video` object; what was measured of its file stands beside OpenAI's fields."""
    facts, wished = video.files[0] if video.files else None, video.wished or {}
    answer: shapes.Video = {
        "id": video.id,
        "object": "video",
        "status": video.status,
        "progress": 100 if video.status == "completed" else 0,
        "created_at": int(video.created_at),
        "completed_at": int(video.completed_at) if video.status in ("completed", "failed") else None,
        "expires_at": None,
        "model": video.model,
        "prompt": video.prompt,
        "remixed_from_video_id": video.remixed or None,
        "seconds": f"{facts.seconds:g}" if facts else wished.get("seconds", UNKNOWN),
        "size": f"{facts.width}x{facts.height}" if facts else wished.get("size", UNKNOWN),
        "error": None,
    }
    answer = {**answer, **waiting(video.standstill, language)}
    if facts is not None:
        answer |= {
            "width": facts.width,
            "height": facts.height,
            "bytes": facts.nbytes,
            "container": facts.container,
            "codec": facts.codec,
            "sha256": facts.sha256,
        }
    if video.error is not None:
        answer["error"] = {"code": error_code(video.error) or video.error.kind, "message": video.error.text(language)}
    return answer


def write_list(videos: Sequence[MadeMedia], language: str, *, more: bool) -> shapes.Videos:
    """A page of them."""
    return {
        "object": "list",
        "data": [write(video, language) for video in videos],
        "first_id": videos[0].id if videos else None,
        "last_id": videos[-1].id if videos else None,
        "has_more": more,
    }


def write_deleted(video_id: str) -> shapes.DeletedVideo:
    return {"id": video_id, "object": "video.deleted", "deleted": True}
