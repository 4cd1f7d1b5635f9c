"""A cookie account of the Gemini web app behind `ports.Upstream`.

Sessions are replaced, never repaired: signing in again opens a new one beside the old, which closes when its last
call is over. So a neighbour's failure, a refresh or a re-login never cuts a running stream, and an image can always
be fetched on the session that made it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeVar

from curl_cffi.requests.exceptions import RequestException
from gemini_webapi.constants import Endpoint
from gemini_webapi.utils import extract_json_from_response, upload_file
from gemini_webapi.utils import get_nested_value as at

from gemgate.accounts import AccountModel, Cookies, Gem, Kind, Rotated, SignInResult, UsageReport
from gemgate.catalog import gem_offers
from gemgate.errors import GatewayError, LocalText, Stalled
from gemgate.findings import Media
from gemgate.policy.model_rank import is_painter
from gemgate.ports.upstream import (
    Accept,
    Deadlines,
    Fetched,
    ImageReady,
    ImageRef,
    Prompt,
    SentFile,
    Started,
    Thread,
    Upload,
    UpstreamEvent,
)
from gemgate.research import ResearchBudget, ResearchState
from gemgate.upstreams import failures
from gemgate.upstreams.web import canary, errors, generation, image_download, media_download, research, served
from gemgate.upstreams.web.answer import Answer, is_working
from gemgate.upstreams.web.cancellation import leave
from gemgate.upstreams.web.client import RPC_SECONDS, HardenedClient
from gemgate.upstreams.web.exchange import Exchange, SilentUpstreamError
from gemgate.upstreams.web.facts import WireFacts, shipped
from gemgate.upstreams.web.file_names import fitting
from gemgate.upstreams.web.frames import FrameReader
from gemgate.upstreams.web.history import WebHistory
from gemgate.upstreams.web.logs import about
from gemgate.upstreams.web.seat import Seat

T = TypeVar("T")

SIGN_IN_SECONDS: Final = 45.0
PAINTER_SECONDS: Final = 5.0
"""How long a finished answer with images waits for the history to say who painted them."""
READ_BACK_AFTER: Final = (0.2, 0.8, 2.0, 4.0)
"""Seconds between looks at the history when an answer broke off, the last one again and again."""
PROCESS_FILE: Final = str(Endpoint.GENERATE).replace("StreamGenerate", "ProcessFile")
MOST_DOUBTS: Final = 3
"""Looks that find no record, or an answer cut short, before it counts as lost."""


class _Session:
    """A signed-in client and the number of calls that use it: `with session as client`, and it stays open meanwhile.

    closing: keeps what closes it behind its last call, where it is retired by then.
    """

    def __init__(self, client: HardenedClient, closing: set[asyncio.Task[None]]) -> None:
        self.client = client
        self.users = 0
        self.retired = False
        self._closing = closing

    def __enter__(self) -> HardenedClient:
        self.users += 1
        return self.client

    def __exit__(self, *_: object) -> None:
        self.users -= 1
        if self.retired and self.users == 0:
            closing = asyncio.create_task(self.settle())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def settle(self) -> None:
        if self.retired and self.users == 0:
            await self.client.shut()


class WebUpstream:
    """One account. `lanes` bounds nothing here; it only sizes the connection pool (the pool of accounts counts)."""

    kind: Kind = "web"

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        lanes: int = 2,
        deadlines: Deadlines | None = None,
        facts: WireFacts | None = None,
        number: int = 0,
        language: str = "",
        account: str = "",
    ) -> None:
        self._account = account
        self._proxy = proxy
        self._seat = Seat(number, language)
        self._ca_file = ca_file
        self._lanes = lanes
        self._deadlines = deadlines or Deadlines()
        self._session: _Session | None = None
        self._made_on: dict[str, _Session] = {}
        self._facts = facts or shipped()
        self._closing: set[asyncio.Task[None]] = set()
        self._token = ""
        """The last good token of a page: what counts for a while when a later page comes without one."""
        self._parting: set[asyncio.Task[None]] = set()
        self.history = WebHistory(self._using)

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        if cookies is None:
            raise errors.signed_out(LocalText("no cookies are set", "未设置 Cookie")).with_(reason="no_cookies")
        token = self._session.client.access_token if self._session is not None else None
        client = HardenedClient(
            cookies,
            proxy=self._proxy,
            ca_file=self._ca_file,
            lanes=self._lanes,
            token=token or self._token,
            seat=self._seat,
            had_chats=had_chats,
            phantom_seconds=self._facts.session.phantom_seconds,
        )
        try:
            with about(self._account):
                await _bounded(client.sign_in(), SIGN_IN_SECONDS, "sign-in")
            if accept is not None:
                accept(await _bounded(client.whose(), SIGN_IN_SECONDS, "sign-in"))
        except BaseException:
            await client.shut()
            raise
        self._token = client.access_token or self._token
        old, self._session = self._session, _Session(client, self._closing)
        if old is not None:
            old.retired = True
            await old.settle()
        return _opened(client)

    async def ping(self) -> SignInResult:
        with self._using() as client:
            with about(self._account):
                await self._call(client.check_status())
            return _opened(client)

    async def rotate(self) -> Rotated:
        with self._using() as client:
            return await client.rotate()

    async def watch_wire(self, facts: WireFacts) -> list[canary.Finding]:
        """What the canary's probes find on this account (docs/google-wire.md); sends up to five short prompts."""
        with self._using() as client:
            cookies = client.current_cookies()
        watch = await canary.observe(cookies, facts, proxy=self._proxy, ca_file=self._ca_file, seat=self._seat)
        return canary.judge(facts.canary, watch.seen)

    async def close(self) -> None:
        session, self._session = self._session, None
        for task in self._parting:
            task.cancel()
        await asyncio.gather(*self._parting, return_exceptions=True)
        if session is not None:
            await session.client.shut()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        session = self._session
        with self._using(session) as client:
            began = time.monotonic()
            answer = Answer(
                prompt.offer.name, prompt.thread, exact=prompt.exact, prompt=prompt.text, research=bool(prompt.research)
            )
            made: list[str] = []
            fresh = False
            try:
                while True:
                    page = client.session_id
                    try:
                        async with aclosing(self._generate(session, client, prompt, answer)) as parts:
                            async for pieces in parts:
                                for piece in pieces:
                                    if isinstance(piece, ImageReady) and session is not None:
                                        self._made_on[piece.ref.image_id] = session
                                        made.append(piece.ref.image_id)
                                    yield piece
                        return
                    except GatewayError as error:
                        if fresh or error.remedy != "reload" or error.generated != "no" or answer.spoke:
                            raise
                    # Google refused the old page, and made nothing of the prompt: once more with a fresh one
                    fresh = True
                    await client.reload(page)
                    answer.failure = None
            except GatewayError as error:
                if answer.complete:  # whatever breaks behind a whole answer, it stands
                    for piece in answer.finish():
                        yield piece
                    return
                if error.generated == "no" or prompt.temporary or not answer.cid:
                    raise
                rest = await self._read_back(client, answer, began + self._deadlines.total)
                if rest is None:
                    raise
                for piece in rest:
                    yield piece
            finally:
                for image_id in made:
                    self._made_on.pop(image_id, None)

    async def _generate(
        self, session: _Session | None, client: HardenedClient, prompt: Prompt, answer: Answer
    ) -> AsyncGenerator[list[UpstreamEvent], None]:
        """Send once and yield lists of pieces up to Answered; every failure is a GatewayError."""
        request = generation.build(client, prompt, self._facts)
        frames, silent = FrameReader(), answer.frames
        limits = self._deadlines
        over = time.monotonic() + limits.total
        slow = prompt.images or prompt.making or prompt.research
        idle = max(limits.idle, self._facts.pictures.idle_seconds) if slow else limits.idle
        exchange = Exchange(
            client.handles,
            query=request.query,
            headers=request.headers,
            body=request.body,
            timeout=limits.total + 10,
        )
        try:
            async with exchange:
                try:
                    while (
                        data := await self._next(exchange, frames, over, idle, heard=answer.frames > silent)
                    ) is not None:
                        if pieces := answer.feed(data):
                            yield pieces
                        if answer.failure is not None and b"xsrf" in exchange.head and not answer.spoke:
                            raise errors.page_expired("xsrf")
                        if answer.failure is not None:
                            raise answer.failure
                        if time.monotonic() > over:
                            raise failures.stalled("total", limits.total)
                except (GeneratorExit, asyncio.CancelledError):
                    turns = self._facts.turns
                    seconds = turns.unstored_seconds if prompt.temporary else turns.leave_seconds
                    self._leave(session, exchange, frames, answer, stop=turns.stop_rpc, seconds=seconds)
                    raise
                except Stalled:
                    if not prompt.temporary:
                        seconds = self._facts.turns.whole_seconds
                        self._leave(session, exchange, frames, answer, stop="", seconds=seconds)
                    raise
        except RequestException as error:
            raise errors.of_exception(error, sent=exchange.sent) from None
        if exchange.status != 200:
            if sent_to := errors.of_redirect(exchange.location):
                raise sent_to
            raise errors.of_generation(exchange.status, exchange.head, len(prompt.text))
        if frames.garbage:
            raise errors.of_page(frames.garbage)
        if not answer.complete:
            raise failures.broken(LocalText("the stream ended before the answer did", "流在回答结束之前中断"))
        client.sees_chats |= answer.stored and not prompt.temporary
        if answer.painted and not answer.painter and not prompt.temporary:
            await self._ask_painter(client, answer)
        yield answer.finish()

    async def _next(
        self, exchange: Exchange, frames: FrameReader, over: float, idle: float, *, heard: bool
    ) -> list[str] | None:
        """What came: whole frames, perhaps none; None at the end. Stalled when nothing comes for too long, or all of it
        takes too long.
        """
        heard = heard or bool(exchange.sent and frames.garbage)
        patience = idle if heard else self._deadlines.first_byte
        try:
            data = await exchange.read(min(patience, max(over - time.monotonic(), 0.0)))
        except SilentUpstreamError:
            if time.monotonic() >= over:
                raise failures.stalled("total", self._deadlines.total) from None
            stage = "between chunks" if heard else "first byte"
            raise failures.stalled(stage, patience, "maybe" if exchange.sent else "no") from None
        return None if data is None else frames.feed(data)

    def _leave(
        self,
        session: _Session | None,
        exchange: Exchange,
        frames: FrameReader,
        answer: Answer,
        *,
        stop: str,
        seconds: float,
    ) -> None:
        """Keep an unfinished answer's connection in the background, so long at most, until its turn is stored."""
        if session is None or not exchange.sent or exchange.is_over:
            return
        exchange.hand_over()

        async def parting() -> None:
            with self._using(session) as client:
                await leave(client, exchange, frames, answer, stop=stop, seconds=seconds)

        task = asyncio.create_task(parting())
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def _ask_painter(self, client: HardenedClient, answer: Answer) -> None:
        """Who made the images stands in the history alone where no progress line told it (3.1). Only reads."""
        try:
            async with asyncio.timeout(PAINTER_SECONDS):
                turn, _ = await self._call(client.last_turn(answer.cid))
        except (GatewayError, TimeoutError):
            return
        _signed(answer, turn)

    async def _read_back(self, client: HardenedClient, answer: Answer, until: float) -> list[UpstreamEvent] | None:
        """The rest of an answer that broke off, from the account's history; None when it is not there.

        Nothing is ever sent again: this only reads (docs/gemini-webapi.md 4, hNvQHb). A turn appears when its
        generation ends, so "not yet" is waited out, up to `until` (monotonic seconds) or as long as an answer takes;
        "no record" said twice is the end, and so is a turn that stands there cut short (docs/google-wire.md 9.2).
        """
        until = min(until, time.monotonic() + self._facts.turns.whole_seconds)
        doubts = 0
        for pause in chain(READ_BACK_AFTER, repeat(READ_BACK_AFTER[-1])):
            await asyncio.sleep(pause)
            try:
                turn, gone = await self._call(client.last_turn(answer.cid))
            except GatewayError:
                turn, gone = None, False
            candidate = at(turn, [3, 0, 0])
            if answer.rid and at(turn, [0, 1]) not in (None, answer.rid):
                candidate = None  # the turn before: ours is not there yet
            if at(candidate, [8, 0]) == 2:
                if answer.rcid and at(candidate, [0]) != answer.rcid:
                    return None
                _signed(answer, turn)
                return answer.candidate(candidate, final=True) + answer.finish()
            doubts += gone or (candidate is not None and not is_working(candidate))
            if doubts >= MOST_DOUBTS or time.monotonic() + pause > until:
                return None
        return None

    async def read_chat(self, cid: str) -> list[UpstreamEvent] | None:
        with self._using() as client:
            turn, _ = await self._call(client.last_turn(cid))
        candidate = at(turn, [3, 0, 0])
        if at(candidate, [8, 0]) != 2:
            return [Started(cid)] if is_working(candidate) else None
        answer = Answer("", Thread((cid, at(turn, [0, 1], ""))), exact=True, prompt=at(turn, [2, 0, 0], "") or "")
        answer.cid_confirmed = True
        _signed(answer, turn)
        return answer.candidate(candidate, final=True) + answer.finish()

    async def has_chat(self, cid: str) -> bool:
        with self._using() as client:
            return (await self._call(client.last_turn(cid)))[0] is not None

    async def delete_chat(self, cid: str) -> None:
        with self._using() as client:
            await self._call(client.delete_chat(cid))

    async def upload(self, upload: Upload) -> str:
        with self._using() as client:
            sending = upload_file(
                upload.data,
                client=client.session,
                push_id=client.push_id,
                filename=fitting(upload.name, upload.mime)[0],
            )
            handle = str(await self._call(sending))
            if self._facts.uploads.process_file:
                await self._shown(client, SentFile(handle, upload.name, upload.mime))
            return handle

    async def _shown(self, client: HardenedClient, file: SentFile) -> None:
        """With a fresh page once more when Google refused the old one."""
        page = client.session_id
        try:
            await self._call(self._processed(client, file))
        except GatewayError as error:
            if error.remedy != "reload":
                raise
            await client.reload(page)
            await self._call(self._processed(client, file))

    async def _processed(self, client: HardenedClient, file: SentFile) -> None:
        """Show the file as the page does (docs/google-wire.md 8.2). Broken when Google does not take it."""
        asked = generation.processing(client, file)
        answer = await client.session.post(
            f"{PROCESS_FILE}?{asked.query}", headers=asked.headers, data=asked.body, timeout=RPC_SECONDS
        )
        if errors.wants_page(answer.status_code, answer.content[:1000]):
            raise errors.page_expired(f"HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise errors.of_status(answer.status_code, generated_if_unsure="no")
        parts = extract_json_from_response(answer.text)
        if any(at(part, [5, 0]) for part in parts if at(part, [0]) == "wrb.fr"):
            raise failures.broken(LocalText("a file was uploaded and not taken", "文件已上传但未被接受"), "no")

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        with self._using(self._made_on.get(ref.image_id)) as client:
            return await image_download.fetch(client, ref, long_side)

    async def fetch_media(self, media: Media, path: Path) -> int:
        with self._using() as client:
            return await media_download.fetch(client.session, media, path, self._seat.number, self._facts.videos.opi)

    async def usage(self) -> UsageReport:
        with self._using() as client:
            return await self._call(client.usage_report())

    async def research_budget(self) -> ResearchBudget | None:
        rpcid = self._facts.research.budget_rpc
        with self._using() as client:
            return await self._call(research.budget(client, rpcid)) if rpcid else None

    async def read_research(self, cid: str) -> ResearchState | None:
        with self._using() as client:
            return await self._call(research.read(client, cid))

    async def find_chats(self, prompt: str, since: float) -> Sequence[str]:
        with self._using() as client:
            return await self._call(research.find(client, prompt, since))

    async def stop_chat(self, cid: str) -> None:
        with self._using() as client:
            await self._call(research.stop(client, self._facts.turns.stop_rpc, cid))

    async def gems(self) -> tuple[Gem, ...]:
        with self._using() as client:
            return await self._call(client.own_gems())

    async def save_gem(self, gem: Gem) -> str:
        with self._using() as client:
            return await self._call(client.save_gem(gem))

    async def delete_gem(self, gem_id: str) -> None:
        with self._using() as client:
            await self._call(client.remove_gem(gem_id))

    def _using(self, session: _Session | None = None) -> _Session:
        """What a call works on: the given session, or the current. SignedOut when there is none."""
        session = session or self._session
        if session is None:
            raise errors.signed_out(LocalText("the session is not open", "会话尚未打开"))
        return session

    async def _call(self, call: Awaitable[T]) -> T:
        """An RPC, upload or download: its failure as a GatewayError that generated nothing."""
        try:
            return await call
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False) from None


def _signed(answer: Answer, turn: Any) -> None:
    """Take over whom the history names for a turn: who painted where there are images, else who wrote."""
    if at(turn, [0, 0]) not in (None, answer.cid) or (answer.rcid and at(turn, [3, 0, 0, 0]) != answer.rcid):
        return
    name, model_id = served.of_turn(turn)
    if is_painter(name):
        answer.painter = answer.painter or name
    else:
        answer.named(name, model_id)


def _opened(client: HardenedClient) -> SignInResult:
    models = client.list_models() or []
    offers = tuple(
        AccountModel(m.model_id, m.model_name, m.display_name, m.description, tuple(m.aliases)) for m in models
    )
    offers += gem_offers(client.gem_list, offers)
    return SignInResult(offers, client.account_status.name, has_chats=client.sees_chats)


async def _bounded(call: Awaitable[T], seconds: float, stage: str) -> T:
    """Run a library call with a deadline that holds.

    A plain timeout cancels once, and the library may go on waiting (docs/gemini-webapi.md 9); here cancelling is
    repeated.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        raise failures.stalled(stage, seconds, "no")
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)
