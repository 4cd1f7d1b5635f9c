"""Gemini's files: the start of a resumable upload, file objects, listings (docs/client-contracts.md 5)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gemgate.dialects.gemini.answer import page_of
from gemgate.dialects.gemini.contents import Wire
from gemgate.dialects.wire import rfc3339
from gemgate.digits import whole
from gemgate.files import StoredFile
from gemgate.frozen import frozen

if TYPE_CHECKING:
    from gemgate.dialects.shapes import gemini as shapes

FAR_AWAY = 4_102_444_800
"""2100-01-01: the expiration of a file that is kept for ever; the SDK wants a date."""


class FileBody(Wire):
    mime_type: str | None = None
    display_name: str | None = None
    name: str | None = None
    size_bytes: int | None = None


class UploadRequest(Wire):
    """Body of the start of an upload; `file` may be empty or missing."""

    file: FileBody | None = None


@frozen
class UploadStart:
    """What the start of an upload announces; `size` None when it does not say."""

    name: str
    mime: str
    size: int | None


def read_upload(
    body: UploadRequest, *, header_name: str = "", header_type: str = "", header_length: str = ""
) -> UploadStart:
    """The announcement from the body and the X-Goog-Upload-Header-* values, headers first."""
    file = body.file or FileBody()
    announced = whole(header_length)
    size = file.size_bytes if announced is None else announced
    name = file.display_name or header_name or "upload"
    return UploadStart(name, (header_type or file.mime_type or "").lower(), size)


def write_file(file: StoredFile, base_url: str, version: str) -> shapes.GoogleFile:
    """A file object; its uri is what `fileData.fileUri` takes back. `base_url` ends before `/v1beta`."""
    expires = file.expires_at or FAR_AWAY
    name = f"files/{file.id.removeprefix('file-')}"
    return {
        "name": name,
        "displayName": file.name,
        "mimeType": file.mime,
        "sizeBytes": str(file.bytes),
        "createTime": rfc3339(file.created_at),
        "updateTime": rfc3339(file.created_at),
        "expirationTime": rfc3339(expires),
        "sha256Hash": _sha256(file.sha256),
        "uri": f"{base_url}/{version}/{name}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }


def _sha256(text: str) -> str:
    """Google writes the hash as base64 of its bytes; ours is kept in hex."""
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode()
    except (binascii.Error, ValueError):
        return ""


def write_uploaded(file: StoredFile, base_url: str, version: str) -> shapes.UploadAnswer:
    """The answer to the last piece of an upload."""
    return {"file": write_file(file, base_url, version)}


def write_files(
    files: Sequence[StoredFile], base_url: str, version: str, *, page_size: int = 10, page_token: str = ""
) -> dict[str, Any]:
    """One page of GET files."""
    page, token = page_of(files, page_size, page_token)
    listing: dict[str, Any] = {"files": [write_file(file, base_url, version) for file in page]}
    return {**listing, "nextPageToken": token} if token else listing
