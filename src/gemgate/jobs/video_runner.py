"""Makes one video: asks once, lets go of the account, and looks into the chat until the file is there.

What must survive is the id of the chat, which the journal has as soon as Google names it. From then on nothing is sent
again: every later run only reads. A prompt that left and whose chat was never named counts as lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from gemgate.accounts import Walls
from gemgate.batches import Batch, Checkpoint, Claim, Deferred, Done
from gemgate.caller import Caller
from gemgate.catalog import VIDEO
from gemgate.errors import Broken, GatewayError, Interrupted, NoAccount, Stalled
from gemgate.findings import Media
from gemgate.gateway.answer import within_walls
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.prompt_request import Continuation, PromptContent, PromptRequest
from gemgate.gateway.video_outcome import film_in, no_access, refused, video_refusal
from gemgate.imaging import mp4
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.payloads import dump_sources, dumps, load_sources, loads
from gemgate.jobs.rules import JobRules
from gemgate.pool.account import Account
from gemgate.ports.blobs import BlobStore
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import Completed, MediaSource, Thread
from gemgate.videos import VideoFacts, VideoRequest

VIDEOS: Final = "videos/"
"""Where their files stand in the store."""
MIME: Final = "video/mp4"
_ANY_LENGTH: Final = 1 << 40
_READ: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Chat:
    """Where the chat of a video stands. turns: of its whole length, this one included."""

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


@dataclass(frozen=True, slots=True)
class VideoSpec:
    """What a task is asked for; `source`: the chat of the video that it changes."""

    request: VideoRequest
    source: Chat | None = None

    def dump(self) -> str:
        request = self.request
        return dumps(
            {
                "aspect": request.aspect,
                "references": dump_sources(request.references),
                "remixed": request.remixed,
                "source": asdict(self.source) if self.source else None,
            }
        )

    @classmethod
    def load(cls, prompt: str, text: str) -> VideoSpec:
        value = loads(text)
        request = VideoRequest(prompt, value["aspect"], load_sources(value["references"]), value["remixed"])
        return cls(request, Chat.of(value["source"]) if value["source"] else None)


def key_of(video_id: str) -> str:
    """Where its file stands in the store."""
    return f"{VIDEOS}{video_id}.mp4"


@dataclass(frozen=True, slots=True)
class _Left:
    """What a run found or left: the chat, since when it is waited for, and what it says."""

    chat: Chat
    since: float
    media: Media | None = None
    text: str = field(default="", repr=False)

    def checkpoint(self) -> Checkpoint:
        kept = json.dumps({"chat": asdict(self.chat), "since": self.since})
        return Checkpoint(self.chat.account, self.chat.identity, self.chat.thread[0] or "", kept)


@dataclass(frozen=True, slots=True)
class VideoRunner:
    """`folder`: where files lie while they come."""

    gateway: Gateway
    attachments: Attachments
    blobs: BlobStore
    clock: Clock
    observer: Observer
    rules: JobRules
    folder: Path

    async def run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        """The facts of the stored file, or when to look again. GatewayError says why there is no video."""
        try:
            return await self._run(claim, journal)
        except NoAccount:
            raise
        except GatewayError as error:
            final = error.code == "video_no_access" and not self._others_may()
            told = no_access(error) if final else error
            self.observer.emit(TelemetryEvent("video.failed", data={"kind": told.kind}))
            if final:
                raise told from None
            raise

    def _others_may(self) -> bool:
        """Whether another account could be asked, now or once it is signed in."""
        states = [account.status("video") for account in self.gateway.pool.accounts]
        return any(status.usable or status.state == "starting" for status in states)

    async def _run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        spec = VideoSpec.load(claim.task.prompt, claim.batch.defaults)
        earlier = journal.earlier
        if not earlier.account:
            left = await self._asked(claim, journal, spec)
        elif earlier.cid:
            left = await self._looked(claim, spec, earlier)
        else:
            raise _interrupted()
        await journal.note(left.checkpoint())
        if left.media is not None:
            return await self._kept(claim.batch, left, left.media)
        waited = self.clock.now() - left.since
        if waited > self.rules.video_patience:
            if left.text:
                raise refused(left.text)
            raise _late(self.rules.video_patience)
        return Deferred(
            self.rules.video_look + waited / 20, False, "video_in_progress",
            "Google is making the video", "Google 正在生成视频", journal.checkpoint,
        )  # fmt: skip

    async def _asked(self, claim: Claim, journal: TaskJournal, spec: VideoSpec) -> _Left:
        """Send the prompt, once."""
        caller = Caller(tenant=claim.batch.tenant, client="video", request_id=_about(claim.batch)["request_id"])
        uploads = await self.attachments.load(spec.request.references, caller, images_only=True)
        content = PromptContent(spec.request.prompt, tuple(uploads))
        source = spec.source

        async def everything(continued: bool, walls: Walls) -> PromptContent:
            if source is not None and not continued:
                raise _without_its_account(source.account)
            return within_walls(content, walls)

        continues = None
        if source is not None:
            thread = Thread(source.thread, source.turns)
            continues = Continuation(source.account, source.identity, source.offer, thread)
        request = PromptRequest(
            VIDEO, caller, ("video", "upload") if uploads else ("video",), everything,
            continues=continues, replay=_ANY_LENGTH if continues else 0,
            exact=True, video=spec.request.aspect, journal=journal,
        )  # fmt: skip
        try:
            return await self._answered(request, source)
        except GatewayError as error:
            sent = journal.checkpoint
            if error.generated == "maybe" and sent is not None and not sent.cid:
                raise Interrupted(error.en, error.zh, code=error.code, generated="maybe", quoted=error.quoted) from None
            raise

    async def _answered(self, request: PromptRequest, source: Chat | None) -> _Left:
        """What Google says to the prompt, and where its chat stands."""
        left: _Left | None = None
        async with aclosing(self.gateway.send(request)) as pieces:
            async for attempt, piece in pieces:
                if isinstance(piece, Completed):
                    turns = source.turns + 1 if source else 1
                    lease, thread = attempt.lease, piece.thread.metadata
                    chat = Chat(lease.account_name, attempt.identity, lease.model.id, thread, turns)
                    left = _Left(chat, self.clock.now(), film_in(piece.findings), piece.text)
        if left is None:
            raise Broken("Google's answer ended without a word", "Google 的回答没有内容", generated="maybe")
        return left

    async def _looked(self, claim: Claim, spec: VideoSpec, earlier: Checkpoint) -> _Left:
        """What the chat holds by now; nothing is sent."""
        account = self._account(earlier)
        left = self._left(claim, spec, earlier, account)
        pieces = await account.upstream.read_chat(earlier.cid)
        said = next((piece for piece in pieces or () if isinstance(piece, Completed)), None)
        if said is None or (spec.source is not None and said.thread.metadata[1] == spec.source.rid):
            return left  # the turn before: ours is not stored yet
        thread = left.chat.thread if left.chat.rid else said.thread.metadata
        chat = Chat(left.chat.account, left.chat.identity, left.chat.offer, thread, left.chat.turns)
        media = film_in(said.findings)
        if media is None and video_refusal(said.text) is not None:
            raise refused(said.text)
        return _Left(chat, left.since, media, said.text)

    def _account(self, earlier: Checkpoint) -> Account:
        """The account that has the chat, signed in as it was. NoAccount until it is there."""
        account = self.gateway.pool.account(earlier.account)
        if account is None or not account.is_open:
            raise _without_its_account(earlier.account)
        if account.identity != earlier.identity:
            raise Broken(
                f"The account {earlier.account} is another Google account now: the video's chat cannot be read",
                f"账号 {earlier.account} 已换成其他 Google 账号，无法读取该视频的对话",
                generated="maybe",
                code="video_lost",
            )
        return account

    def _left(self, claim: Claim, spec: VideoSpec, earlier: Checkpoint, account: Account) -> _Left:
        if earlier.image:
            kept = json.loads(earlier.image)
            return _Left(Chat.of(kept["chat"]), kept["since"])
        offer = VIDEO.offer(account.models)
        turns = spec.source.turns + 1 if spec.source else 1
        chat = Chat(earlier.account, earlier.identity, offer.id if offer else "", (earlier.cid,), turns)
        return _Left(chat, claim.batch.started_at or self.clock.now())

    async def _kept(self, batch: Batch, left: _Left, media: Media) -> Done:
        """Fetch the file, measure it, store it."""
        account = self._account(left.checkpoint())
        if not isinstance(account.upstream, MediaSource):
            raise _without_its_account(account.name)
        began = self.clock.monotonic()
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        path = self.folder / f"{batch.id}.part"
        try:
            size = await account.upstream.fetch_media(media, path)
            facts = await asyncio.to_thread(_measured, path, size)
            await self.blobs.put_file(key_of(batch.id), path, MIME)
        except GatewayError as error:
            raise error.with_(generated="maybe") from None
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        seconds = round(self.clock.monotonic() - began, 4)
        self.observer.emit(TelemetryEvent("video.delivered", data={"bytes": facts.nbytes, "seconds": seconds}))
        return Done(dumps({"facts": asdict(facts), "chat": asdict(left.chat)}))


def _measured(path: Path, size: int) -> VideoFacts:
    """What the file itself says; Broken when it is not whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ):
            digest.update(piece)

        def read(at: int, count: int) -> bytes:
            file.seek(at)
            return file.read(count)

        try:
            movie = mp4.measure(read, size)
        except mp4.DamagedMovie as error:
            raise Broken(
                f"The video came damaged: {error}", f"视频文件已损坏：{error}", generated="maybe", code="video_damaged"
            ) from None
    return VideoFacts(**asdict(movie), sha256=digest.hexdigest())


def _about(batch: Batch) -> dict[str, Any]:
    about: dict[str, Any] = loads(batch.metadata)
    return about


def _interrupted() -> Interrupted:
    return Interrupted(
        "The gateway stopped in the moment that the video was asked for, and Google had not named its chat yet: it is "
        "not asked for again, because it may be made",
        "网关在请求视频的瞬间停止，Google 尚未返回对话编号；由于视频可能已在生成，不会重复请求",
        generated="maybe",
        code="video_interrupted",
    )


def _late(seconds: float) -> Stalled:
    return Stalled(
        f"Google made no video within {seconds:g} seconds",
        f"Google 在 {seconds:g} 秒内没有完成视频",
        generated="maybe",
        code="video_timeout",
    )


def _without_its_account(name: str) -> NoAccount:
    return NoAccount(
        f"The account {name}, which has the video's chat, is not signed in",
        f"持有该视频对话的账号 {name} 尚未登录",
        retry_after=5.0,
        code="no_account",
    )
