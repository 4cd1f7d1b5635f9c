"""Music in our own shape, after that of OpenAI's videos: what a call asks for, and the `music` object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, StrictBool

from gemgate.catalog import MUSIC, resolve
from gemgate.dialects.openai import error_code
from gemgate.dialects.openai_videos import REFERENCE, references
from gemgate.dialects.wire import Body, waiting
from gemgate.errors import BadRequest
from gemgate.media import ENDINGS, MadeMedia, MediaCall, MediaFile, MusicRequest, SongLength

if TYPE_CHECKING:
    from gemgate.dialects.shapes import simple as shapes

__all__ = [
    "PATH",
    "CreateMusicRequest",
    "file_of",
    "read_create",
    "write",
    "write_deleted",
    "write_file",
    "write_list",
]

PATH: Final = "/v1/music"


class CreateMusicRequest(Body):
    """Body of POST /v1/music. length: `short` is about 30 seconds. instrumental: nobody sings."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)
    model: str | None = None
    length: SongLength = "standard"
    instrumental: StrictBool = False
    input_reference: Any = None


def read_create(body: CreateMusicRequest) -> MediaCall:
    """The words of a call. ModelNotFound; BadRequest for a model without music, and a reference that is no image."""
    card = resolve(body.model, ()) if body.model else MUSIC
    if card.kind != "music":
        raise BadRequest(
            f"{card.id} makes no music; ask lyria-3 or lyria-3-pro",
            f"{card.id} 不能生成音乐；请使用 lyria-3 或 lyria-3-pro",
            param="model",
        )
    images = references(body.input_reference)
    if len(images) > 1:
        raise BadRequest(f"At most one {REFERENCE}", f"最多一个 {REFERENCE}", param=REFERENCE)
    request = MusicRequest(body.prompt, body.length, body.instrumental, images)
    return MediaCall(request, card.id, {"length": body.length, "instrumental": str(body.instrumental).lower()})


def file_of(music: MadeMedia, ending: str) -> MediaFile:
    """The file with this ending, the sound for ""; BadRequest for one that there is not."""
    found = {ENDINGS[file.mime]: file for file in music.files}
    if not ending:
        return music.files[0]
    if ending not in found:
        there = ", ".join(found)
        raise BadRequest(f"format is one of {there}", f"format 只能是 {there} 之一", param="format")
    return found[ending]


def write(music: MadeMedia, language: str, base_url: str) -> shapes.Music:
    """The `music` object; its files are told by what they say themselves."""
    wished = music.wished or {}
    answer: shapes.Music = {
        "id": music.id,
        "object": "music",
        "status": music.status,
        "progress": 100 if music.status == "completed" else 0,
        "created_at": int(music.created_at),
        "completed_at": int(music.completed_at) if music.status in ("completed", "failed") else None,
        "model": music.model,
        "prompt": music.prompt,
        "length": "short" if wished.get("length") == "short" else "standard",
        "instrumental": wished.get("instrumental") == "true",
        "seconds": music.files[0].seconds if music.files else None,
        "files": [write_file(music.id, PATH, file, base_url) for file in music.files],
        "error": None,
    }
    answer = {**answer, **waiting(music.standstill, language)}
    if music.error is not None:
        answer["error"] = {"code": error_code(music.error) or music.error.kind, "message": music.error.text(language)}
    return answer


def write_file(media_id: str, path: str, file: MediaFile, base_url: str) -> shapes.MediaFileFacts:
    """A stored file with its measured facts, and where it is served."""
    ending = ENDINGS[file.mime]
    more = f"?format={ending}" if path == PATH else ""
    facts: shapes.MediaFileFacts = {
        "name": f"{media_id}.{ending}",
        "url": f"{base_url}{path}/{media_id}/content{more}",
        "mime_type": file.mime,
        "bytes": file.nbytes,
        "sha256": file.sha256,
        "seconds": file.seconds,
        "container": file.container,
        "codec": file.codec,
    }
    if file.width:
        facts["width"] = file.width
    if file.height:
        facts["height"] = file.height
    if file.sample_rate:
        facts["sample_rate"] = file.sample_rate
    if file.channels:
        facts["channels"] = file.channels
    return facts


def write_list(music: Sequence[MadeMedia], language: str, base_url: str, *, more: bool) -> shapes.MusicList:
    """A page of them."""
    return {
        "object": "list",
        "data": [write(one, language, base_url) for one in music],
        "first_id": music[0].id if music else None,
        "last_id": music[-1].id if music else None,
        "has_more": more,
    }


def write_deleted(music_id: str) -> shapes.DeletedMusic:
    return {"id": music_id, "object": "music.deleted", "deleted": True}
