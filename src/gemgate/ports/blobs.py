"""Bytes by key: a folder, or an object store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from gemgate.errors import StorageDown
from gemgate.frozen import frozen


@frozen
class BlobFacts:
    """What is known of a stored object; `modified` in epoch seconds."""

    key: str
    size: int
    modified: float
    etag: str


@frozen
class Blob:
    """A stored object with its bytes."""

    facts: BlobFacts
    data: bytes = field(repr=False)


class BlobStore(Protocol):
    """Pictures and uploads as whole objects under keys with slashes. StorageDown when it cannot be reached."""

    @property
    def trouble(self) -> StorageDown | None:
        """Why objects cannot be put where they belong, None when they can."""
        ...

    @property
    def full(self) -> bool:
        """Whether an object can be put nowhere at all now."""
        ...

    async def probe(self) -> None:
        """Find out whether a store in trouble takes objects again."""
        ...

    async def put(self, key: str, data: bytes, mime: str, *, replace: bool = True) -> bool:
        """Store the bytes atomically: a reader sees all or nothing. False when `replace` is off and the key exists."""
        ...

    async def put_file(self, key: str, path: Path, mime: str) -> None:
        """Store a file of this machine without having all of it in memory."""
        ...

    async def get(self, key: str) -> Blob:
        """The whole object; NotFound."""
        ...

    def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, which is not included, piece by piece; NotFound before the first.

        0 <= start < end <= size, and None is the size.
        """
        ...

    async def stat(self, key: str) -> BlobFacts | None: ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget these objects; missing ones are no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobFacts]: ...

    def url(self, key: str, seconds: int) -> str | None:
        """An address at which anybody can get the object for `seconds`; None when only we can serve it."""
        ...

    @property
    def waiting(self) -> int:
        """Objects that stand on this machine only, until a store that is away comes back."""
        ...

    def is_spooled(self, key: str) -> bool:
        """Whether the object is one of those that wait."""
        ...
