"""Files in a prompt: which shape of reference counts, and which files the model gets to see (docs/google-wire.md 8).

The service is strict without a word: a file whose type and name do not fit what was uploaded is simply not there.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from gemgate_simulator.encode import sniffed
from gemgate_simulator.script import Upload

MOST_FILES = 10
NOT_ACCEPTED, NOT_PROVED = 1003, 1100
"""Stream codes: a reference that is none (any more); files from somebody who may not refer to any."""

_DAY = 24 * 3600


@dataclass(slots=True)
class FileHabits:
    """How the service takes files. short: what becomes of `[[ref], name]`, which reports disagree on.

    token_seconds: after so many seconds a page's token is too old for files, though text still passes; 0 = never.
    processed: every file wants one more call of the page's, ProcessFile, before a prompt may refer to it (8.2).
    """

    short: Literal["ignored", "refused", "taken"] = "ignored"
    token_seconds: float = 0.0
    processed: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """One file of a prompt. mime and kind: as the long shape says them; the short one has none."""

    id: str
    name: str
    mime: str = ""
    kind: int = 0

    @property
    def short(self) -> bool:
        return not self.kind


def read(entry: Any) -> Reference | None:
    """One entry of the files in slot 0; None when it has neither shape."""
    match entry:
        case [[str(ref)], str(name)]:
            return Reference(ref, name)
        case [[str(ref), int(kind), None, str(mime)], str(name), None, None, None, None, None, None, [0]]:
            return Reference(ref, name, mime, kind)
        case [[str(ref), int(kind), None, str(mime), str()], str(name), None, None, None, None, None, None, [0]]:
            return Reference(ref, name, mime, kind)  # a browser's capture has an upper-case uuid there
        case _:
            return None


def seen(reference: Reference, upload: Upload, habits: FileHabits) -> Upload | None:
    """The file as the model sees it, None when it is dropped without a word."""
    if reference.short:
        return replace(upload, name=reference.name) if habits.short == "taken" else None
    mime = reference.mime
    by_name = _SOUNDS.get(PurePath(reference.name).suffix.lower()) or mimetypes.guess_type(reference.name)[0]
    shown = sniffed(upload.data) or _heard(upload.data)
    fits = reference.kind == _kind(mime) and by_name in (None, mime) and shown in (None, mime)
    if mime.startswith("audio/"):
        fits = (
            fits and by_name is not None and shown is not None
        )  # bytes that are no sound, or a name without an ending
    return replace(upload, name=reference.name, mime=mime) if fits else None


_SOUNDS = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
"""What a browser says of a file with such an ending; the tables of Python and of systems differ among each other."""


def _heard(data: bytes) -> str | None:
    """The type of a recording by its first bytes, None when they show nothing."""
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "audio/wav"
    if data.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa")):
        return "audio/mpeg"
    if data[4:8] == b"ftyp":
        return "video/mp4" if b"vide" in data else "audio/mp4"
    starts = {b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"\x1aE\xdf\xa3": "video/webm"}
    return next((mime for start, mime in starts.items() if data.startswith(start)), None)


def _kind(mime: str) -> int:
    return {"image": 1, "video": 2}.get(mime.partition("/")[0], 3)


def is_over(upload: Upload, now: float) -> bool:
    """Whether its day is over (`ttl_1d` in its id)."""
    return now - upload.time > _DAY
