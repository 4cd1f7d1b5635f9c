"""Reference images of an order, stored for its tasks and their retries."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from gemgate.caller import Caller
from gemgate.errors import BadRequest, ClientError, GatewayError, NotFound
from gemgate.files import Link, Source, Stored, StoredFile
from gemgate.gateway.attachments import Attachments
from gemgate.ports.files import FileStore
from gemgate.ports.runtime import Clock

KEPT = 30 * 24 * 3600.0
"""Seconds that they are kept."""


@dataclass(slots=True)
class References:
    """Those of one order of the caller's. None of them stays when the block of the order ends with an error: whoever is
    refused, and tries again and again, would fill the store.
    """

    files: FileStore
    attachments: Attachments
    clock: Clock
    caller: Caller
    _stored: dict[str, StoredFile] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for file in self._stored.values():
                with suppress(GatewayError):
                    await self.files.delete(file)

    async def all(self, sources: Iterable[Source], param: str) -> tuple[Source, ...]:
        """Where they can be had when the tasks run. NotFound, BadRequest for `param`."""
        try:
            return tuple([await self.one(source) for source in sources])
        except NotFound:
            raise
        except ClientError as error:
            raise BadRequest(error.en, error.zh, param=error.param or param, code=error.code) from None

    async def one(self, source: Source) -> Stored | Link:
        """The same of one; the same bytes are stored once."""
        if isinstance(source, Link) and not self.attachments.is_own(source, self.caller):
            return source
        (upload,) = await self.attachments.load([source], self.caller, images_only=True)
        if isinstance(source, Stored):
            return source
        if upload.sha256 not in self._stored:
            now = self.clock.now()
            file = StoredFile(
                id=f"file-{secrets.token_hex(16)}",
                owner=self.caller.tenant,
                name=upload.name,
                mime=upload.mime,
                bytes=len(upload.data),
                sha256=upload.sha256,
                purpose="vision",
                created_at=now,
                expires_at=now + KEPT,
            )
            await self.files.add(file, upload.data)
            self._stored[upload.sha256] = file
        return Stored(self._stored[upload.sha256].id)
