"""How much of what Google made one key may have here: pictures, videos and music together.

Nobody's are thrown away for newer ones: they cost a generation each, and are what the key is for. What would be more is
refused before Google is asked, until some are deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from sqlalchemy import select, update

from gemgate.errors import NoRoom, StorageDown
from gemgate.media import MediaKind
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import batch, media_total

SECONDS = 1.5
"""How long a call waits for the total."""


class MediaShare:
    """most: bytes that one key may have, 0 = any number.

    A job that brought a video or music counts with its words, and in this share alone (`kept_words`): its row is what
    leads to the file.
    """

    def __init__(self, database: Database, most: int = 0) -> None:
        self._database = database
        self.most = most

    async def check(self, tenant: str) -> None:
        if not self.most:
            return
        with suppress(StorageDown, TimeoutError):
            async with asyncio.timeout(SECONDS):
                held = await self.held(tenant)
            if held >= self.most:
                raise _full(self.most, held)

    async def held(self, tenant: str) -> int:
        """Bytes of a key's media, as they are counted (`media_total`)."""
        query = select(media_total.c.bytes).where(media_total.c.tenant == tenant)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    async def unmeasured(self, limit: int) -> Sequence[tuple[str, MediaKind]]:
        """Ids and kinds of jobs that brought files before their bytes were counted."""
        query = (
            select(batch.c.id, batch.c.kind)
            .where(batch.c.kind.in_(("video", "music")), batch.c.done > 0, batch.c.media_bytes == 0)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [(row.id, cast("MediaKind", row.kind)) for row in await connection.execute(query)]

    async def measured(self, batch_id: str, nbytes: int) -> None:
        """The files of a job are so large."""
        async with self._database.writing() as connection:
            await connection.execute(update(batch).where(batch.c.id == batch_id).values(media_bytes=nbytes))


def _full(most: int, held: int) -> NoRoom:
    may, now = f"{most / 1e6:g}", f"{held / 1e6:.1f}"
    return NoRoom(
        f"Pictures, videos and music of one key may be {may} MB together (MEDIA_PER_KEY_MB), and {now} MB are here: "
        "delete some",
        f"单个密钥的图片、视频与音乐总量上限为 {may} MB（MEDIA_PER_KEY_MB），现有 {now} MB，请先删除一些",
        code="media_full",
    )
