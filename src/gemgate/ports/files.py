"""Files that callers handed over, each of its tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from gemgate.files import StoredFile


class FileStore(Protocol):
    """Uploaded files: bytes in the blob store, facts in the database; never seen by another owner."""

    async def add(self, file: StoredFile, data: bytes) -> None: ...

    async def add_from(self, file: StoredFile, path: Path) -> None:
        """The same for a file of this machine that may be large."""
        ...

    async def get(self, file_id: str, owner: str) -> StoredFile | None: ...

    async def read(self, file: StoredFile) -> bytes: ...

    def chunks(self, file: StoredFile) -> AsyncIterator[bytes]:
        """The bytes piece by piece."""
        ...

    async def list(self, owner: str, purpose: str | None = None) -> Sequence[StoredFile]:
        """Newest first."""
        ...

    async def delete(self, file: StoredFile) -> None: ...
