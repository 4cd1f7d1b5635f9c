"""The input file of an OpenAI batch on its way into the database: read piece by piece, checked, and spooled on disk.

However long it is, a page of its lines stands in memory. It is parsed in a thread, and only lines of a file without
errors become tasks.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import BinaryIO

from gemgate.batches import TaskDraft, TaskPages
from gemgate.dialects import wire
from gemgate.dialects.openai_batches import BatchLine, Endpoint, LineError, LineReader
from gemgate.jobs.payloads import loads

PAGE = 100
"""Lines that become tasks together."""
PIECE = 1 << 18
"""Bytes that are parsed at a time."""


class LineFile:
    """The calls of one file, for as long as `spooled` lasts. models: all that they name, the first line's first."""

    def __init__(self, endpoint: Endpoint, spool: BinaryIO) -> None:
        self.endpoint = endpoint
        self.models: dict[str, None] = {}
        self._reader = LineReader(endpoint)
        self._spool = spool

    @property
    def errors(self) -> Sequence[LineError]:
        return self._reader.errors

    @property
    def tasks(self) -> TaskPages:
        return TaskPages(self._reader.count, self._pages)

    def feed(self, piece: bytes) -> None:
        """Blocks: call it in a thread."""
        self._keep(self._reader.feed(piece))

    def close(self) -> None:
        """The last line ends here."""
        self._keep(self._reader.close())

    def _keep(self, lines: Sequence[BatchLine]) -> None:
        if self.errors:
            return  # nothing of it will be run
        for line in lines:
            self.models[str(line.body.get("model") or "")] = None
            self._spool.write(wire.dumps({"custom_id": line.custom_id, "body": line.body}) + b"\n")

    async def _pages(self) -> AsyncGenerator[Sequence[TaskDraft], None]:
        await asyncio.to_thread(self._spool.seek, 0)
        while page := await asyncio.to_thread(self._page):
            yield page

    def _page(self) -> list[TaskDraft]:
        shows_prompt = self.endpoint.startswith("/v1/images/")
        return [_draft(raw, shows_prompt=shows_prompt) for raw in islice(iter(self._spool.readline, b""), PAGE)]


def _draft(raw: bytes, *, shows_prompt: bool) -> TaskDraft:
    payload = raw.rstrip(b"\n").decode()
    prompt = loads(payload)["body"].get("prompt") if shows_prompt else ""
    return TaskDraft(prompt if isinstance(prompt, str) else "", payload)


@asynccontextmanager
async def spooled(pieces: AsyncIterator[bytes], endpoint: Endpoint) -> AsyncIterator[LineFile]:
    """The file with these bytes, read to its end; gone when the block ends."""
    spool = await asyncio.to_thread(tempfile.TemporaryFile)
    try:
        lines = LineFile(endpoint, spool)
        async for piece in pieces:
            for start in range(0, len(piece), PIECE):
                await asyncio.to_thread(lines.feed, piece[start : start + PIECE])
        await asyncio.to_thread(lines.close)
        yield lines
    finally:
        await asyncio.to_thread(spool.close)
