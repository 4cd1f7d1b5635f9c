"""Doubles for tests, ours and yours: a clock that is turned by hand, an upstream that follows a script."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gemgate.accounts import AccountModel, Cookies, GoogleAccount, Kind, Rotated, SignInResult, UsageReport
from gemgate.chat import TextDelta
from gemgate.errors import GatewayError, NotFound, StorageDown
from gemgate.ports.blobs import Blob, BlobFacts, BlobStore
from gemgate.ports.conversations import Conversation, ConversationStore
from gemgate.ports.gallery import ALL_IMAGES, Gallery, GalleryImage, ImageSearch
from gemgate.ports.runtime import EVERY, Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import (
    Accept,
    Completed,
    Fetched,
    ImageReady,
    ImageRef,
    Prompt,
    Started,
    Thread,
    Upload,
    Upstream,
    UpstreamEvent,
)

FLASH = AccountModel("aa", "gemini-flash", "Flash", aliases=("flash",))
PRO = AccountModel("bb", "gemini-pro", "Pro", aliases=("pro",))


class FakeClock:
    """Time stands still until `advance`; sleepers wake in their order."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass and everything run that they wake."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now = end


async def settle(rounds: int = 20) -> None:
    """Give every ready task its turns."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class Facts:
    """An observer that keeps what it is told, and listens for everything."""

    def __init__(self) -> None:
        self.facts: list[TelemetryEvent] = []
        self.listeners = {EVERY: self.emit}

    def emit(self, fact: TelemetryEvent) -> None:
        self.facts.append(fact)

    def named(self, name: str) -> list[TelemetryEvent]:
        return [fact for fact in self.facts if fact.name == name]


Line = str | bytes | GatewayError | Callable[[Prompt], "str | bytes | GatewayError"]
"""What is said to a prompt: text, an image's bytes, or an error."""


class ScriptedUpstream:
    """Says the next line of its script for each prompt, or raises it; the last line is repeated.

    `opening` is raised by `open` as long as it is set. `prompts` keeps what was sent.
    """

    kind: Kind = "web"

    def __init__(self, *lines: Line, offers: Sequence[AccountModel] = (FLASH, PRO)) -> None:
        self.lines = list(lines) or ["ok"]
        self.offers = tuple(offers)
        self.opening: GatewayError | None = None
        self.google: dict[str, GoogleAccount] = {}
        """Whom it names for a session, by the session's 1PSID."""
        self.opened_with: list[Cookies | None] = []
        self.prompts: list[Prompt] = []
        self.gate: asyncio.Event | None = None
        self.closed = False
        self.uploads: dict[str, Upload] = {}
        self.under_way = 0
        self._images: dict[str, bytes] = {}

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        self.opened_with.append(cookies)
        await asyncio.sleep(0)
        if self.opening is not None:
            raise self.opening
        if accept is not None:
            accept(self.google.get(cookies.psid if cookies else "", GoogleAccount()))
        return SignInResult(self.offers)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        self.prompts.append(prompt)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        self.under_way += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            said = line(prompt) if callable(line) else line
            if isinstance(said, GatewayError):
                raise said
            number = len(self.prompts)
            cid = f"c_{number}"
            yield Started(cid)
            if isinstance(said, bytes):
                self._images[cid] = said
                yield ImageReady(ImageRef("", cid, cid, f"r_{number}", f"rc_{number}"))
                said = ""
            else:
                yield TextDelta(said)
            yield Completed(Thread((cid, f"r_{number}", f"rc_{number}")), said)
        finally:
            self.under_way -= 1

    async def upload(self, upload: Upload) -> str:
        handle = f"/uploads/{upload.sha256}"
        self.uploads[handle] = upload
        return handle

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        return Fetched(self._images[ref.image_id], "image/png", "full_size")

    async def read_chat(self, cid: str) -> list[UpstreamEvent] | None:
        return None

    async def has_chat(self, cid: str) -> bool:
        return True

    async def delete_chat(self, cid: str) -> None:
        return None

    async def ping(self) -> SignInResult:
        return await self.open(None)

    async def rotate(self) -> Rotated:
        return Rotated("renewed", Cookies("rotated"))

    async def usage(self) -> UsageReport:
        return UsageReport()

    async def close(self) -> None:
        self.closed = True


class MemoryConversations:
    """A conversation store that forgets with its process."""

    per_key = 0

    def __init__(self) -> None:
        self.rows: dict[str, Conversation] = {}
        self.leases: dict[str, tuple[str, float]] = {}

    async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
        own = [row for row in self.rows.values() if row.tenant == tenant and row.tip in tips]
        return max(own, key=lambda row: row.length, default=None)

    async def get(self, tenant: str | None, conversation_id: str) -> Conversation | None:
        row = self.rows.get(conversation_id)
        return row if row is not None and tenant in (None, row.tenant) else None

    async def lease(self, conversation_id: str, owner: str, now: float, seconds: float) -> bool:
        holder, until = self.leases.get(conversation_id, ("", 0.0))
        if conversation_id not in self.rows or (until > now and holder != owner):
            return False
        self.leases[conversation_id] = (owner, now + seconds)
        return True

    async def release(self, conversation_id: str, owner: str) -> None:
        if self.leases.get(conversation_id, ("", 0.0))[0] == owner:
            del self.leases[conversation_id]

    def save_soon(self, conversation: Conversation) -> bool:
        return False

    async def save(self, conversation: Conversation, *, anew: bool = True) -> None:
        held = self.rows.get(conversation.id)
        if held is None and not anew:
            return
        if held is None or held.tenant == conversation.tenant:
            created = held.created_at if held else conversation.created_at
            self.rows[conversation.id] = replace(conversation, created_at=created)
            self.leases.pop(conversation.id, None)

    async def forget(self, conversation_id: str) -> None:
        self.rows.pop(conversation_id, None)
        self.leases.pop(conversation_id, None)

    async def latest(self, tenant: str | None, limit: int, offset: int = 0) -> tuple[Sequence[Conversation], int]:
        own = [row for row in self.rows.values() if tenant in (None, row.tenant)]
        own.sort(key=lambda row: (-row.updated_at, row.id))
        return own[offset : offset + limit], len(own)

    async def worded(self, tenant: str, words: Sequence[str], limit: int, offset: int = 0) -> Sequence[Conversation]:
        own = [row for row in (await self.latest(tenant, len(self.rows)))[0] if row.named and row.transcript]
        written = [json.dumps(word, ensure_ascii=False)[1:-1].lower() for word in words]
        found = [row for row in own if all(word in row.transcript.lower() for word in written)]
        return found[offset : offset + limit]

    async def due(self, now: float, limit: int) -> Sequence[Conversation]:
        free = [row for row in self.rows.values() if self.leases.get(row.id, ("", 0.0))[1] <= now]
        return sorted((r for r in free if 0 < r.delete_at <= now), key=lambda r: r.delete_at)[:limit]

    async def put_off(self, conversation_id: str, moment: float) -> None:
        row = self.rows.get(conversation_id)
        if row is not None and 0 < row.delete_at < moment:
            self.rows[conversation_id] = replace(row, delete_at=moment)

    async def forget_before(self, moment: float) -> int:
        old = [row.id for row in self.rows.values() if row.updated_at < moment and not row.delete_at]
        for conversation_id in old:
            await self.forget(conversation_id)
        return len(old)

    async def forget_beyond(self) -> int:
        return 0

    async def has_room(self, tenant: str) -> bool:
        return True

    async def count(self) -> int:
        return len(self.rows)


class MemoryBlobs:
    """A blob store that forgets with its process."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.trouble: StorageDown | None = None
        self.full = False

    async def probe(self) -> None:
        return None

    async def put(self, key: str, data: bytes, mime: str, *, replace: bool = True) -> bool:
        if not replace and key in self.blobs:
            return False
        self.blobs[key] = data
        return True

    async def put_file(self, key: str, path: Path, mime: str) -> None:
        await self.put(key, await asyncio.to_thread(path.read_bytes), mime)

    async def get(self, key: str) -> Blob:
        if key not in self.blobs:
            raise NotFound(key, code="blob_not_found")
        return Blob(self._facts(key), self.blobs[key])

    async def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        yield (await self.get(key)).data[start:end]

    async def stat(self, key: str) -> BlobFacts | None:
        return self._facts(key) if key in self.blobs else None

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.blobs.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        folder = prefix.rstrip("/") + "/" if prefix else ""
        for key in sorted(self.blobs):
            if key.startswith(folder):
                yield self._facts(key)

    def url(self, key: str, seconds: int) -> str | None:
        return None

    @property
    def waiting(self) -> int:
        return 0

    def is_spooled(self, key: str) -> bool:
        return False

    def _facts(self, key: str) -> BlobFacts:
        return BlobFacts(key, len(self.blobs[key]), 0.0, hashlib.sha256(self.blobs[key]).hexdigest())


class MemoryGallery:
    """A gallery that forgets with its process."""

    def __init__(self) -> None:
        self.images: dict[str, GalleryImage] = {}

    async def remember(self, image: GalleryImage) -> None:
        self.images.setdefault(image.image.name, image)

    async def find(self, name: str) -> GalleryImage | None:
        return self.images.get(name)

    async def forget(self, names: Sequence[str]) -> None:
        for name in names:
            self.images.pop(name, None)

    async def older_than(self, moment: float, limit: int) -> Sequence[str]:
        return [one.image.name for one in sorted(self._of(None), key=_made) if one.created_at < moment][:limit]

    async def count(self) -> int:
        return len(self.images)

    async def page(
        self,
        tenant: str | None,
        limit: int,
        *,
        after: GalleryImage | None = None,
        offset: int = 0,
        search: ImageSearch = ALL_IMAGES,
    ) -> Sequence[GalleryImage]:
        own = sorted(self._of(tenant, search), key=_made, reverse=True)
        return [one for one in own if after is None or _made(one) < _made(after)][offset : offset + limit]

    async def amount(self, tenant: str | None, search: ImageSearch = ALL_IMAGES) -> int:
        return len(self._of(tenant, search))

    async def by_handle(self, handle: str) -> GalleryImage | None:
        return next((one for one in self.images.values() if one.handle == handle), None)

    async def with_bytes(self, digests: Sequence[str], tenant: str | None) -> Sequence[GalleryImage]:
        return sorted((one for one in self._of(tenant) if one.image.sha256 in digests), key=_made)

    async def made_from(self, sha256: str, tenant: str | None) -> Sequence[GalleryImage]:
        return sorted((one for one in self._of(tenant) if sha256 in one.references), key=_made)

    def _of(self, tenant: str | None, search: ImageSearch = ALL_IMAGES) -> list[GalleryImage]:
        own = [one for one in self.images.values() if tenant in (None, one.tenant)]
        return [one for one in own if _wanted(one, search)]


def _wanted(one: GalleryImage, search: ImageSearch) -> bool:
    least, most = search.sides or (0, sys.maxsize)
    return (
        search.batch in ("", one.batch)
        and search.model in ("", one.image.model)
        and least <= max(one.image.width, one.image.height) < most
        and all(word.lower() in one.image.prompt.lower() for word in search.words)
    )


def _made(image: GalleryImage) -> tuple[float, str]:
    return image.created_at, image.image.name


if TYPE_CHECKING:  # mypy holds each double against its port; tests/contract holds it to what the port promises
    _CLOCK: Clock = FakeClock()
    _OBSERVER: Observer = Facts()
    _UPSTREAM: Upstream = ScriptedUpstream()
    _CONVERSATIONS: ConversationStore = MemoryConversations()
    _BLOBS: BlobStore = MemoryBlobs()
    _GALLERY: Gallery = MemoryGallery()
