"""Uploaded files: facts in a row, bytes in the blob store. Nobody but their owner sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, insert, or_, select

from gemgate.errors import NoRoom, NotFound, TooLarge
from gemgate.files import StoredFile
from gemgate.ports.blobs import BlobStore
from gemgate.ports.runtime import Clock
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import stored_file as table

LEAST = 4096
"""Bytes that a file counts for at least: a block of a disk and a row, so that empty ones have an end as well."""


class SqlFileStore:
    """Expired files are gone for their owner at once, and for good when `sweep` comes by.

    per_owner: bytes that one owner may have here, 0 = any number.
    """

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock, per_owner: int = 0) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self.per_owner = per_owner

    async def add(self, file: StoredFile, data: bytes) -> None:
        """TooLarge when the owner's files would be more than they may be together."""
        await self._check_room(file)
        await self._blobs.put(_key(file.id), data, file.mime)
        await self._enter(file)

    async def add_from(self, file: StoredFile, path: Path) -> None:
        """TooLarge as `add`."""
        await self._check_room(file)
        await self._blobs.put_file(_key(file.id), path, file.mime)
        await self._enter(file)

    async def _check_room(self, file: StoredFile) -> None:
        """Before the bytes go anywhere."""
        async with self._database.reading() as connection:
            held = int((await connection.execute(self._held(file.owner))).scalar_one())  # a Decimal on PostgreSQL
        self._judge(held, file)

    async def _enter(self, file: StoredFile) -> None:
        """What came meanwhile counts as well."""
        try:
            async with self._database.writing() as connection:
                held = int((await connection.execute(self._held(file.owner))).scalar_one())  # a Decimal on PostgreSQL
                self._judge(held, file)
                await connection.execute(insert(table).values(asdict(file)))
        except TooLarge:
            await self._drop(file.id)
            raise

    def _held(self, owner: str) -> Select[Any]:
        counted = case((table.c.bytes < LEAST, LEAST), else_=table.c.bytes)
        return select(func.coalesce(func.sum(counted), 0)).where(table.c.owner == owner, self._alive())

    def _judge(self, held: int, file: StoredFile) -> None:
        if self.per_owner and held + max(file.bytes, LEAST) > self.per_owner:
            most, now = f"{self.per_owner / 1e6:g}", f"{held / 1e6:.1f}"
            raise NoRoom(
                f"Files of one key may be {most} MB together (FILES_PER_KEY_MB), and {now} MB are here: delete some",
                f"单个密钥的文件总量上限为 {most} MB（FILES_PER_KEY_MB），现有 {now} MB，请先删除一些",
                param="file",
                code="files_full",
            )

    async def get(self, file_id: str, owner: str) -> StoredFile | None:
        query = select(table).where(table.c.id == file_id, table.c.owner == owner, self._alive())
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _file(row) if row else None

    async def read(self, file: StoredFile) -> bytes:
        """The bytes; NotFound when somebody took them away."""
        return (await self._blobs.get(_key(file.id))).data

    def chunks(self, file: StoredFile) -> AsyncIterator[bytes]:
        return self._blobs.chunks(_key(file.id))

    async def list(self, owner: str, purpose: str | None = None) -> Sequence[StoredFile]:
        query = select(table).where(table.c.owner == owner, self._alive()).order_by(table.c.created_at.desc())
        if purpose is not None:
            query = query.where(table.c.purpose == purpose)
        async with self._database.reading() as connection:
            return [_file(row) for row in await connection.execute(query)]

    async def delete(self, file: StoredFile) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.id == file.id))
        await self._drop(file.id)

    async def sweep(self, made_before: float = 0.0) -> int:
        """Delete what has expired, and what is older than `made_before` (epoch seconds); how many."""
        now = self._clock.now()
        over = or_(
            (table.c.expires_at > 0) & (table.c.expires_at <= now),
            table.c.created_at < made_before,
        )
        async with self._database.writing() as connection:
            gone = (await connection.execute(delete(table).where(over).returning(table.c.id))).scalars().all()
        for file_id in gone:
            await self._drop(file_id)
        return len(gone)

    async def _drop(self, file_id: str) -> None:
        try:
            await self._blobs.delete([_key(file_id)])
        except NotFound:
            return

    def _alive(self) -> ColumnElement[bool]:
        return or_(table.c.expires_at == 0, table.c.expires_at > self._clock.now())


def _key(file_id: str) -> str:
    return f"uploads/{file_id}"


def _file(row: Row) -> StoredFile:  # type: ignore[type-arg]
    return StoredFile(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
