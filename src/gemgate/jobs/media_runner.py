"""Makes one video or piece of music: asks once, lets go of the account, and looks into the chat until its files are
there.

What must survive is the id of the chat, which the journal has as soon as Google names it. From then on nothing is sent
again: every later run only reads. A prompt that left and whose chat was never named counts as lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import aclosing, suppress
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, Final, cast

from gemgate.batches import Batch, Checkpoint, Claim, Deferred, Done, JobStatus
from gemgate.caller import Caller
from gemgate.catalog import MEDIA_CARDS, ModelCard
from gemgate.errors import Broken, GatewayError, Interrupted, NoAccount, Stalled, their_words
from gemgate.findings import Media
from gemgate.frozen import frozen
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.media_outcome import WORDS, media_in, media_refusal, no_access, refused
from gemgate.gateway.prompt_request import Continuation, PromptContent, PromptRequest
from gemgate.imaging import media_files
from gemgate.jobs.held_chats import HeldChats
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.payloads import dump_sources, dumps, load_sources, loads
from gemgate.jobs.rules import JobRules
from gemgate.media import ENDINGS, MediaFile, MediaKind, MediaRequest, MusicRequest, VideoRequest
from gemgate.pool.account import Account
from gemgate.ports.blobs import BlobStore
from gemgate.ports.jobs import JobStore
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import Completed, MediaSource, Thread

FOLDERS: Final[dict[MediaKind, str]] = {"video": "videos/", "music": "music/"}
"""Where their files stand in the store."""
_ANY_LENGTH: Final = 1 << 40
_READ: Final = 1 << 20
_LOOKED_AT: Final = 200
"""Videos of one key under way among which one of the same chat is looked for."""
OPEN: Final[tuple[JobStatus, ...]] = ("queued", "processing")
_LEFT: Final = 6 * 3600.0
"""Seconds after which a file that came in part is nobody's any more: its process was killed."""


@frozen
class Chat:
    """Where the chat of a video or music stands. turns: of its whole length, this one included."""

    account: str
    identity: str
    offer: str
    thread: tuple[str | None, ...]
    turns: int = 1

    @classmethod
    def of(cls, value: dict[str, Any]) -> Chat:
        return cls(**{**value, "thread": tuple(value["thread"])})

    @property
    def rid(self) -> str:
        return (self.thread[1] if len(self.thread) > 1 else "") or ""


@frozen
class MediaSpec:
    """What a task is asked for; `source`: the chat of the video that it changes."""

    request: MediaRequest
    source: Chat | None = None

    def dump(self) -> str:
        request = self.request
        given: dict[str, Any] = {"references": dump_sources(request.references)}
        match request:
            case VideoRequest():
                given |= {"aspect": request.aspect, "remixed": request.remixed}
                given |= {"source": asdict(self.source) if self.source else None}
            case MusicRequest():
                given |= {"length": request.length, "instrumental": request.instrumental}
        return dumps(given)

    @classmethod
    def load(cls, kind: MediaKind, prompt: str, text: str) -> MediaSpec:
        value = loads(text)
        references = load_sources(value["references"])
        if kind == "music":
            return cls(MusicRequest(prompt, value["length"], value["instrumental"], references))
        request = VideoRequest(prompt, value["aspect"], references, value["remixed"])
        return cls(request, Chat.of(value["source"]) if value["source"] else None)


def kind_of(batch: Batch) -> MediaKind:
    """Of a batch that is a video or music."""
    return cast("MediaKind", batch.kind)


def card_of(batch: Batch) -> ModelCard:
    """What it is asked of."""
    return next(card for card in MEDIA_CARDS if card.id == batch.model)


def key_of(batch_id: str, kind: MediaKind, mime: str) -> str:
    """Where its file of this type stands in the store."""
    return f"{FOLDERS[kind]}{batch_id}.{ENDINGS[mime]}"


@frozen
class _Left:
    """What a run found or left: the chat, since when it is waited for, and what it says."""

    chat: Chat
    since: float
    media: tuple[Media, ...] = ()
    text: str = field(default="", repr=False)

    def checkpoint(self) -> Checkpoint:
        kept = json.dumps({"chat": asdict(self.chat), "since": self.since})
        return Checkpoint(self.chat.account, self.chat.identity, self.chat.thread[0] or "", kept)


@frozen
class MediaRunner:
    """`folder`: where files lie while they come."""

    gateway: Gateway
    attachments: Attachments
    blobs: BlobStore
    clock: Clock
    observer: Observer
    rules: JobRules
    folder: Path
    store: JobStore

    async def forget(self, batch: Batch) -> None:
        """The files of one that is forgotten go with it."""
        await self.blobs.delete([key_of(batch.id, kind_of(batch), mime) for mime in ENDINGS])

    async def run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        """The facts of the stored files, or when to look again. GatewayError says why there are none."""
        kind = kind_of(claim.batch)
        try:
            return await self._run(claim, journal)
        except NoAccount:
            raise
        except GatewayError as error:
            final = error.code == f"{kind}_no_access" and not self._chats(kind).others_may
            told = no_access(kind, error) if final else error
            self.observer.emit(TelemetryEvent("media.failed", data={"media": kind, "kind": told.kind}))
            if final:
                raise told from None
            raise

    def _chats(self, kind: MediaKind) -> HeldChats:
        return HeldChats(self.gateway.pool, kind, WORDS[kind].zh)

    async def _run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        kind = kind_of(claim.batch)
        spec = MediaSpec.load(kind, claim.task.prompt, claim.batch.defaults)
        earlier = journal.earlier
        if not earlier.account:
            if spec.source is not None and (other := await self._ahead(claim.batch)):
                return _in_turn(self.rules.media_look, other)
            left = await self._asked(claim, journal, spec)
        elif earlier.cid:
            left = await self._looked(claim, spec, earlier)
        else:
            raise _interrupted(kind)
        await journal.note(left.checkpoint())
        if left.media:
            return await self._kept(claim, left, left.media)
        waited = self.clock.now() - left.since
        if waited > self.rules.media_patience:
            raise _late(kind, self.rules.media_patience, left.text)
        return Deferred(
            self.rules.media_look + waited / 20, False, f"{kind}_in_progress",
            f"Google is making the {WORDS[kind].one}", f"Google 正在生成{WORDS[kind].zh}", journal.checkpoint,
        )  # fmt: skip

    async def _ahead(self, batch: Batch) -> str:
        """Id of an older video that is being made in the same chat, "" for none: of two at once neither could be told
        from the other, and at Google the second takes the place of the first.
        """
        root = _about(batch).get("root")
        for status in OPEN:
            others, _ = await self.store.latest(batch.tenant, ("video",), _LOOKED_AT, status=status)
            for one in others:
                older = (one.created_at, one.id) < (batch.created_at, batch.id)
                if older and root in (one.id, _about(one).get("root")):
                    return one.id
        return ""

    async def _asked(self, claim: Claim, journal: TaskJournal, spec: MediaSpec) -> _Left:
        """Send the prompt, once."""
        caller = Caller(
            tenant=claim.batch.tenant, client=claim.batch.kind, request_id=_about(claim.batch)["request_id"]
        )
        uploads = await self.attachments.load(spec.request.references, caller, images_only=True)
        content = PromptContent(spec.request.prompt, tuple(uploads))
        source, card = spec.source, card_of(claim.batch)

        everything = self._chats(spec.request.kind).turn(content, source.account if source else None)
        continues = None
        if source is not None:
            thread = Thread(source.thread, source.turns)
            continues = Continuation(source.account, source.identity, source.offer, thread)
        request = PromptRequest(
            card, caller, (card.capability, "upload") if uploads else (card.capability,), everything,
            continues=continues, replay=_ANY_LENGTH if continues else 0,
            exact=True, making=spec.request, journal=journal,
        )  # fmt: skip
        try:
            return await self._answered(request, spec)
        except GatewayError as error:
            sent = journal.checkpoint
            if error.generated == "maybe" and sent is not None and not sent.cid:
                raise Interrupted(error.en, error.zh, code=error.code, generated="maybe", quoted=error.quoted) from None
            raise

    async def _answered(self, request: PromptRequest, spec: MediaSpec) -> _Left:
        """What Google says to the prompt, and where its chat stands."""
        left: _Left | None = None
        async with aclosing(self.gateway.send(request)) as pieces:
            async for attempt, piece in pieces:
                if isinstance(piece, Completed):
                    turns = spec.source.turns + 1 if spec.source else 1
                    lease, thread = attempt.lease, piece.thread.metadata
                    chat = Chat(lease.account_name, attempt.identity, lease.model.id, thread, turns)
                    media = media_in(spec.request.kind, piece.findings)
                    left = _Left(chat, self.clock.now(), media, piece.text)
        if left is None:
            raise Broken("Google's answer ended without a word", "Google 的回答没有内容", generated="maybe")
        return left

    async def _looked(self, claim: Claim, spec: MediaSpec, earlier: Checkpoint) -> _Left:
        """What the chat holds by now; nothing is sent."""
        account = self._chats(spec.request.kind).account(earlier.account, earlier.identity)
        left = self._left(claim, spec, earlier, account)
        pieces = await account.upstream.read_chat(earlier.cid)
        said = next((piece for piece in pieces or () if isinstance(piece, Completed)), None)
        turn = said.thread.metadata[1] if said is not None else None
        if said is None or (left.chat.rid and turn != left.chat.rid) or (spec.source and turn == spec.source.rid):
            return left  # another turn: ours is not stored yet
        thread = left.chat.thread if left.chat.rid else said.thread.metadata
        chat = Chat(left.chat.account, left.chat.identity, left.chat.offer, thread, left.chat.turns)
        kind = spec.request.kind
        media = media_in(kind, said.findings)
        if not media and media_refusal(kind, said.text) is not None:
            raise refused(kind, said.text)
        return _Left(chat, left.since, media, said.text)

    def _left(self, claim: Claim, spec: MediaSpec, earlier: Checkpoint, account: Account) -> _Left:
        if earlier.image:
            kept = json.loads(earlier.image)
            return _Left(Chat.of(kept["chat"]), kept["since"])
        offer = card_of(claim.batch).offer(account.models)
        turns = spec.source.turns + 1 if spec.source else 1
        chat = Chat(earlier.account, earlier.identity, offer.id if offer else "", (earlier.cid,), turns)
        return _Left(chat, self.clock.now())  # when it left is not known: it may have waited long for an account

    async def _kept(self, claim: Claim, left: _Left, media: tuple[Media, ...]) -> Done:
        """Fetch the files, measure them, store them."""
        kind = kind_of(claim.batch)
        account = self._chats(kind).account(left.chat.account, left.chat.identity)
        if not isinstance(account.upstream, MediaSource):
            raise self._chats(kind).away(account.name)
        began = self.clock.monotonic()
        await asyncio.to_thread(_made_ready, self.folder, self.clock.now() - _LEFT)
        files: dict[str, MediaFile] = {}
        try:
            for one in media:
                file = await self._stored(claim, account.upstream, one)
                files.setdefault(file.mime, file)
        except GatewayError as error:
            raise error.with_(generated="maybe") from None
        told: dict[str, str | int | float | bool | None] = {
            "media": kind,
            "bytes": sum(file.nbytes for file in files.values()),
            "seconds": round(self.clock.monotonic() - began, 4),
        }
        self.observer.emit(TelemetryEvent("media.delivered", data=told))
        result = dumps({"files": [asdict(file) for file in files.values()], "chat": asdict(left.chat)})
        return Done(result, sum(file.nbytes for file in files.values()))

    async def _stored(self, claim: Claim, source: MediaSource, media: Media) -> MediaFile:
        """One file: fetched to disk, measured, and stored as what it is. Its storing is over before this returns,
        whatever happens: who then forgets the batch knows what there is.
        """
        kind = kind_of(claim.batch)
        path = self.folder / f"{claim.task.id}.{claim.task.attempt}.part"
        try:
            size = await source.fetch_media(media, path)
            file = await asyncio.to_thread(_measured, kind, path, size)
            storing = asyncio.ensure_future(
                self.blobs.put_file(key_of(claim.batch.id, kind, file.mime), path, file.mime)
            )
            try:
                await asyncio.shield(storing)
            finally:
                await asyncio.wait({storing})
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return file


def _made_ready(folder: Path, before: float) -> None:
    """The folder, without what killed processes left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()


def _measured(kind: MediaKind, path: Path, size: int) -> MediaFile:
    """What the file itself says; Broken when it is not whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ):
            digest.update(piece)

        def read(at: int, count: int) -> bytes:
            file.seek(at)
            return file.read(count)

        try:
            facts = media_files.measure(read, size)
            if kind == "video" and not facts.width:
                raise media_files.DamagedMedia("It has no picture track", "其中没有画面")
        except media_files.DamagedMedia as error:
            raise Broken(
                f"The {WORDS[kind].one} came damaged: {error.text.en}",
                f"{WORDS[kind].zh}文件已损坏：{error.text.zh}",
                generated="maybe",
                code=f"{kind}_damaged",
            ) from None
    return replace(facts, sha256=digest.hexdigest())


def _about(batch: Batch) -> dict[str, Any]:
    about: dict[str, Any] = loads(batch.metadata)
    return about


def _in_turn(after: float, other: str) -> Deferred:
    return Deferred(
        after, False, "video_in_turn",
        f"The video {other}, which goes on in the same chat, is made first",
        f"同一对话中的视频 {other} 会先完成",
    )  # fmt: skip


def _interrupted(kind: MediaKind) -> Interrupted:
    words = WORDS[kind]
    return Interrupted(
        f"The gateway stopped in the moment that the {words.one} was asked for, and Google had not named its chat yet: "
        "it is not asked for again, because it may be made",
        f"网关在请求{words.zh}的瞬间停止，Google 尚未返回对话编号；由于{words.zh}可能已在生成，不会重复请求",
        generated="maybe",
        code=f"{kind}_interrupted",
    )


def _late(kind: MediaKind, seconds: float, said: str) -> Stalled:
    """What Google said last need be no refusal: it says at once that it is making one."""
    words, shown = WORDS[kind], their_words(said)
    return Stalled(
        f"Google made no {words.one} within {seconds:g} seconds" + (f"; its last words: {shown}" if shown else ""),
        f"Google 在 {seconds:g} 秒内没有完成{words.zh}" + (f"；最后的回答：{shown}" if shown else ""),
        generated="maybe",
        code=f"{kind}_timeout",
        quoted=shown,
    )
