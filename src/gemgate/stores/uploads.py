"""Uploads that come in pieces: begun with a key, continued by whoever knows their id, bounded in size, number and age.

They live in the memory of one process: an upload that is cut off begins anew, as Google's own clients do.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from gemgate.errors import BadRequest, Busy, NotFound, TooLarge
from gemgate.ports.runtime import Clock

LIFETIME = 3600.0
"""Seconds that an upload may take."""

MAX_OPEN, MAX_OPEN_OF_ONE = 64, 16


@dataclass(slots=True)
class OpenUpload:
    """A file on its way; `size` is what was announced, or None."""

    owner: str
    name: str
    mime: str
    size: int | None
    since: float
    data: bytearray = field(default_factory=bytearray, repr=False)


class ResumableUploads:
    """`max_bytes` bounds a single file, two of them the open uploads of one owner, four of them all."""

    def __init__(self, *, clock: Clock, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._open: dict[str, OpenUpload] = {}

    def begin(self, owner: str, name: str, mime: str, size: int | None) -> str:
        """The unguessable id of a new upload. TooLarge when it announces too much, Busy when too many are open."""
        if size is not None and size > self._max_bytes:
            raise self._too_large()
        now = self._clock.now()
        self._open = {key: upload for key, upload in self._open.items() if upload.since > now - LIFETIME}
        theirs = sum(upload.owner == owner for upload in self._open.values())
        if len(self._open) >= MAX_OPEN or theirs >= MAX_OPEN_OF_ONE:
            raise _too_many()
        upload_id = secrets.token_urlsafe(32)
        self._open[upload_id] = OpenUpload(owner, name, mime, size, now)
        return upload_id

    def find(self, upload_id: str) -> OpenUpload:
        """NotFound when it never was, is over, or took too long."""
        upload = self._open.get(upload_id)
        if upload is None or upload.since <= self._clock.now() - LIFETIME:
            raise NotFound(
                "There is no such upload; begin it anew", "该上传不存在，请重新开始", code="upload_not_found"
            )
        return upload

    def add(self, upload: OpenUpload, offset: int | None, data: bytes) -> None:
        """Append a piece; BadRequest unless it goes on where the last one ended, TooLarge beyond the bounds."""
        if offset is not None and offset != len(upload.data):
            raise BadRequest(
                f"The piece begins at {offset}, but {len(upload.data)} bytes are here",
                f"分片从 {offset} 开始，但已收到 {len(upload.data)} 字节",
                code="wrong_offset",
            )
        if len(upload.data) + len(data) > self._max_bytes:
            raise self._too_large()
        held = [(other.owner, len(other.data)) for other in self._open.values()]
        theirs = sum(size for owner, size in held if owner == upload.owner)
        if sum(size for _, size in held) + len(data) > 4 * self._max_bytes or theirs + len(data) > 2 * self._max_bytes:
            raise _too_many()
        upload.data += data

    def finish(self, upload_id: str) -> OpenUpload:
        """Take a complete upload out. BadRequest when it is shorter than announced."""
        upload = self.find(upload_id)
        if upload.size is not None and upload.size != len(upload.data):
            raise BadRequest(
                f"{upload.size} bytes were announced, {len(upload.data)} came",
                f"声明了 {upload.size} 字节，实际收到 {len(upload.data)} 字节",
                code="wrong_size",
            )
        del self._open[upload_id]
        return upload

    def cancel(self, upload_id: str) -> None:
        self._open.pop(upload_id, None)

    def _too_large(self) -> TooLarge:
        limit = self._max_bytes / 1_000_000
        return TooLarge(
            f"The file is larger than {limit:g} MB (MAX_BODY_MB)",
            f"文件超过 {limit:g} MB（MAX_BODY_MB）",
            code="request_too_large",
        )


def _too_many() -> Busy:
    return Busy(
        "Too many uploads are open; finish or cancel them first",
        "未完成的上传过多，请先完成或取消",
        retry_after=60.0,
    )
