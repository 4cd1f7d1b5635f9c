"""The words of files: where the bytes of an image or document come from, and what is known of a stored one.

`place`: where a source stands in the body of the call, for what is wrong with it; "" for one that a call did not bring.
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from gemgate.errors import NotFound, said
from gemgate.frozen import frozen


@frozen
class Inline:
    """Bytes that came with the request itself."""

    data: bytes = field(repr=False)
    mime: str = ""
    name: str = ""
    place: str = field(default="", compare=False)


LONGEST_LINK = 8_192
"""Characters of an address; no server of any fame takes more."""


@frozen
class Link:
    """A public http(s) address, still to be fetched through the guarded fetcher."""

    url: str
    mime: str = ""
    name: str = ""
    place: str = field(default="", compare=False)


@frozen
class Stored:
    """A file uploaded before; `id` is what the upload answered. asked: what the caller calls it, where that differs."""

    id: str
    mime: str = ""
    name: str = ""
    place: str = field(default="", compare=False)
    asked: str = field(default="", compare=False)


Source: TypeAlias = Inline | Link | Stored


@frozen
class StoredFile:
    """An uploaded file as it stands in the store; times in epoch seconds, `expires_at` 0 = never."""

    id: str
    owner: str
    name: str
    mime: str
    bytes: int
    sha256: str
    purpose: str
    created_at: float
    expires_at: float = 0.0


_MIMES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def mime_of(key: str) -> str:
    """The type of a stored image by its ending."""
    return _MIMES.get(key.rpartition(".")[2].lower(), "application/octet-stream")


def file_not_found(file_id: str) -> NotFound:
    """The error for a file that is not there, or not the caller's; by what the caller calls it."""
    return NotFound(
        f"There is no file {said(file_id)}", f"文件 {said(file_id)} 不存在", param="file_id", code="file_not_found"
    )
