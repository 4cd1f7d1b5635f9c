"""The library's client with its hazards disarmed, one override per hazard (docs/gemini-webapi.md 11; docs/adr/0002).

Only this file subclasses the library. `HardenedClient` signs in, runs RPCs and uploads; StreamGenerate itself is
`generation.py`, because the library's own carries the retries, the difflib deltas and the closing in one function.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
from curl_cffi import ffi, lib
from curl_cffi.aio import CURL_POLL_NONE, CURL_SOCKET_TIMEOUT
from curl_cffi.const import CurlMOpt, CurlOpt
from curl_cffi.requests import AsyncSession, Response
from gemini_webapi import GeminiClient
from gemini_webapi import exceptions as library
from gemini_webapi.constants import GRPC, Endpoint, Headers
from gemini_webapi.types import RPCData
from gemini_webapi.utils import extract_json_from_response, get_nested_value

from gemgate.accounts import PSID, PSIDCC, PSIDTS, Cookies, Gem, GoogleAccount, Renewal, Rotated, UsageReport
from gemgate.errors import GatewayError, LocalText
from gemgate.ports.upstream import ImageRef
from gemgate.upstreams import failures
from gemgate.upstreams.web import errors, logs, quota
from gemgate.upstreams.web.handles import Handles
from gemgate.upstreams.web.page import Page
from gemgate.upstreams.web.seat import Seat

logs.loaded()

FIRST = Seat()
RPC_SECONDS = 20.0
SESSION_SECONDS = 60.0
"""The session's own limit for what has no limit of its own (uploads and downloads of images)."""
_REJECTED = 7
_NO_RECORD = (5, 1096)
_NONE = (None,) * 5
LOOK_SECONDS = 1.0
"""Between two looks whether libcurl has told us everything, while something runs; its own calls come at once."""
IDLE_CONNECTION_SECONDS = 60
"""One idle for longer is not used again, and closed: the fewer idle ones, the fewer that die under a prompt."""
_CLOSE_IDLE = 1
"""CURLMNWC_CLEAR_CONNS of CURLMOPT_NETWORK_CHANGED (libcurl 8.16)."""


def own_cookie_folder() -> Path:
    """Point the library's cookie cache at a private, empty folder of this process (it is read at every use).

    We never let it write; this keeps cached cookies of other programs, or of the library used beside us in one process,
    from being found and tried first.
    """
    folder = os.environ.get("GEMINI_COOKIE_PATH", "")
    if not Path(folder).name.startswith("gemgate-no-cache-"):
        folder = tempfile.mkdtemp(prefix="gemgate-no-cache-")
        os.environ["GEMINI_COOKIE_PATH"] = folder
    for cached in Path(folder).glob(".cached_cookies_*"):
        cached.unlink(missing_ok=True)
    return Path(folder)


class HardenedClient(GeminiClient):
    """A signed-in session that nothing but `shut` closes. token: the last good one, for a page that comes without.

    seat: which of the accounts of these cookies. had_chats: whether the account is known to have chats; a session that
    shows none of them is looked at again after `phantom_seconds`.
    """

    def __init__(
        self,
        cookies: Cookies,
        *,
        proxy: str | None,
        ca_file: str | None,
        lanes: int,
        token: str = "",
        seat: Seat = FIRST,
        had_chats: bool = False,
        phantom_seconds: float = 60.0,
    ) -> None:
        own_cookie_folder()
        more = {"verify": ca_file} if ca_file else {}
        super().__init__(cookies.psid, cookies.psidts or None, proxy=proxy, **more)
        if cookies.psidcc:
            self._cookies.set(PSIDCC, cookies.psidcc, domain=".google.com", secure=True)
        self._others, self._bound = cookies.others, cookies.bound
        for other in cookies.others:
            self._cookies.set(other.name, other.value, domain=other.domain, path=other.path, secure=True)
        self._lanes = lanes
        self._seat = seat
        self._had_chats = had_chats
        self.sees_chats = False
        self._phantom_seconds = phantom_seconds
        self._status_told = self._page_named = False
        self._old_token = token
        self._google: GoogleAccount | None = None
        self._loading = asyncio.Lock()
        self._pair_rotates = True
        self._rotates_other_way = True
        """Whether the way that is not gone now is still to be tried."""
        self._open = False
        self.gem_list: tuple[Gem, ...] = ()
        self._handles: Handles | None = None
        self._page_facts: tuple[str | None, ...] = ()
        self.auto_refresh = False

    async def sign_in(self) -> None:
        """One sign-in attempt; GatewayError unless it ends as the account's own, available session."""
        try:
            await self.init(timeout=SESSION_SECONDS, auto_refresh=False)
        except library.AuthError as error:
            raise await self._why_refused() or errors.of_exception(error, sent=False) from None
        except errors.FAILURES as error:
            away = errors.may_be_elsewhere(error)
            raise (await self._why_refused() if away else None) or errors.of_exception(error, sent=False) from None
        # Hazard: another account's cached cookies, or a browser's, are tried as well. Only the given ones count.
        if not self._cookie_source.startswith("Base Cookies"):
            raise await self._why_refused() or errors.signed_out(
                LocalText("only foreign cookies were accepted", "被接受的是其他账号的 Cookie")
            )
        if problem := errors.of_account(self.account_status, named=self._page_named):
            completed = self._cookie_source != "Base Cookies"
            raise (completed and await self._why_refused()) or problem
        if not self.list_models():
            raise errors.drift(LocalText("no models in the account's status", "账号状态中没有模型"), "no")
        await self._check_alive()
        with suppress(GatewayError, *errors.FAILURES):
            await self.own_gems()  # an account without them is one all the same
        self._open = True
        # Hazard: ten requests at once and no more; the pool is made anew for as many as we ever send.
        session = self.session
        session.max_clients = max(self._lanes + 8, 16)
        session.init_pool()  # type: ignore[no-untyped-call]
        # Streams that share an HTTP/2 connection die together when it does: each call gets a connection of its own,
        # and idle ones are used again (docs/adr/0003).
        _set_multi(session, CurlMOpt.PIPELINING, 0)
        _set_multi(session, CurlMOpt.MAXCONNECTS, session.max_clients)
        _look_seldom(session)
        session.curl_options = cast("Any", {CurlOpt.MAXAGE_CONN: IDLE_CONNECTION_SECONDS})

    @property
    def session(self) -> AsyncSession[Response]:
        if self.client is None:
            raise failures.broken(LocalText("session is closed", "会话已关闭"), "no")
        return cast("AsyncSession[Response]", self.client)

    @property
    def handles(self) -> Handles:
        """What prompts go out by."""
        if self._handles is None:
            self._handles = Handles(self.session, self._seat)
        return self._handles

    async def _init_rpc(self) -> None:
        """Hazard: ten RPCs one after the other at sign-in; one says all that is needed.

        It also leaves `_recent_chats` None, which would otherwise grow by one with every generation. Hazard: a page
        without a token is taken for a guest's. Only the account's status tells who is signed in: it is asked with the
        page's token, else with the last good one, else with none (docs/google-wire.md 5.1).
        """
        if self._seat:  # the page that the library has loaded is the first account's, in its own language
            self._seat.take(self.session)
            self.access_token = None
            await self.reload(self.session_id)
        self._page_named = bool(self.access_token)
        old = self._old_token if self._cookie_source.startswith("Base Cookies") else ""
        given = [self.access_token] if self.access_token else [old, ""] if old else [""]
        for token in given:
            self.access_token = token
            try:
                await self._fetch_user_status()
            except GatewayError as error:
                if error.remedy != "reload":
                    raise
            else:
                return
        raise errors.no_token()

    async def _why_refused(self) -> GatewayError | None:
        """What stands in place of the app for these cookies, where that is something that can be named."""
        async with AsyncSession[Response](
            proxy=self.proxy,
            verify=self.kwargs.get("verify", True),
            cookies=self._cookies,
            impersonate=self.impersonate,
        ) as session:
            try:
                page = await session.get(Endpoint.INIT, headers=Headers.GEMINI.value, timeout=RPC_SECONDS)
            except errors.FAILURES:
                return None
        return errors.of_start_page(page.status_code, str(page.url), page.text)

    async def reload(self, seen: str | None) -> None:
        """Load the page anew, once for everybody who found the page `seen` (its f.sid) too old. GatewayError.

        A page without a token leaves the one before in use: it goes on counting for a while.
        """
        async with self._loading:
            if self.session_id != seen:
                return
            try:
                page = await self.session.get(
                    Endpoint.INIT,
                    params={"hl": self._seat.language} if self._seat.language else None,
                    headers=Headers.GEMINI.value,
                    timeout=RPC_SECONDS,
                )
            except errors.FAILURES as error:
                raise errors.of_exception(error, sent=False) from None
            if page.status_code != 200:
                raise errors.of_status(page.status_code, generated_if_unsure="no")
            found = extract_page(page.text)
            if "FdrFJe" not in found and (problem := errors.of_start_page(200, str(page.url), page.text)):
                raise problem
            if "FdrFJe" not in found:
                raise errors.signed_out(
                    LocalText("Google gave no page for these cookies", "Google 未为这些 Cookie 返回页面")
                )
            if not self._seat.arrived(str(page.url)):
                raise errors.no_such_number(self._seat.number)
            self._google = GoogleAccount.of(found.get("S06Grb", ""), found.get("oPEP7c", ""))
            self.session_id, self.build_label = found["FdrFJe"], found.get("cfb2h") or self.build_label
            self.access_token = found.get("SNlM0e") or self.access_token
            self.language = self._seat.language or found.get("TuX5cc") or self.language
            self.push_id = found.get("qKIAYe") or self.push_id

    async def whose(self) -> GoogleAccount:
        """Whose the session is, as Google's page says; the library does not keep the page that it has loaded."""
        if self._google is None:
            await self.reload(self.session_id)
        return self._google or GoogleAccount()

    async def _batch_execute(
        self, payloads: list[RPCData], source_path: str = "/app", close_on_error: bool = False, **kwargs: Any
    ) -> Response:
        """Hazard: a failed RPC closes the client and its retry waits for a lock that init itself holds, for ever."""
        kwargs.setdefault("timeout", RPC_SECONDS)
        for fresh in (not self._open, True):  # with a fresh page once more; at sign-in the page is fresh
            page = self.session_id
            try:
                done = await super()._batch_execute(
                    payloads, self._seat.root + source_path, close_on_error=False, current_retry=0, **kwargs
                )
            except library.APIError as error:
                if not _OLD_PAGE.search(str(error)):
                    raise
                if fresh:
                    raise errors.page_expired(str(error)) from None
                await self.reload(page)
            else:
                return cast("Response", done)
        raise AssertionError

    async def rpc(self, rpcid: GRPC, payload: object, source_path: str = "/app", timeout: float = RPC_SECONDS) -> Any:
        """One RPC; the decoded body of its part, or None when the answer holds none.

        SignedOut when Google rejects it with code 7 (the library notices that for some RPCs only).
        """
        body, _ = await self.ask(rpcid, payload, source_path, timeout)
        return body

    async def last_turn(self, cid: str) -> tuple[Any, bool]:
        """The newest turn of a conversation, None when there is none (yet); and whether Google says that there is no
        record of it at all (docs/google-wire.md 4.1, 9.2).
        """
        body, code = await self.ask(GRPC.LIST_CONVERSATION_TURNS, [cid, 1, None, 1, [1], [4], None, 1])
        return get_nested_value(body, [0, 0]), code in _NO_RECORD

    async def stop_answer(self, rpcid: str, cid: str, rid: str) -> None:
        """Ask for the end of an answer that is being made; its stream then ends by itself, and what was said is stored
        (docs/google-wire.md 7.2). GatewayError.
        """
        try:
            await self.ask(rpcid, [[cid, rid], [""]])
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False) from None

    async def ask(
        self, rpcid: str, payload: object, source_path: str = "/app", timeout: float = RPC_SECONDS
    ) -> tuple[Any, int]:
        """The decoded body and the code of an RPC's part, 0 for none: the library's own, else the gRPC status.

        A body of None: there is no such record. Broken when it was refused, Drift when no part answers at all
        (docs/google-wire.md 7.1).
        """
        asked = [RPCData.model_construct(rpcid=cast("GRPC", rpcid), payload=orjson.dumps(payload).decode())]
        response = await self._batch_execute(asked, source_path, timeout=timeout)
        for part in extract_json_from_response(response.text):
            if get_nested_value(part, [1]) != rpcid:
                continue
            status = get_nested_value(part, [5, 0]) or 0
            if status == _REJECTED:
                raise errors.signed_out(
                    LocalText(f"{rpcid} rejected with code {_REJECTED}", f"{rpcid} 被拒绝，代码 {_REJECTED}")
                )
            body = get_nested_value(part, [2])
            code = get_nested_value(part, [5, 2, 0, 1, 0]) or status
            code = code if isinstance(code, int) else 0
            if isinstance(body, str):
                return orjson.loads(body), code
            if code and code not in _NO_RECORD:
                raise failures.broken(
                    LocalText(f"{rpcid} was refused, code {code}", f"{rpcid} 被拒绝，代码 {code}"), "no"
                )
            return None, code
        raise errors.drift(LocalText(f"an answer without a part for {rpcid}", f"回答中没有 {rpcid} 的部分"), "no")

    async def rpc_parts(self, rpcid: GRPC, payload: object, source_path: str = "/app") -> list[Any]:
        """One RPC; every part of its answer as it came, refusals too."""
        asked = [RPCData(rpcid=rpcid, payload=orjson.dumps(payload).decode())]
        try:
            response = await self._batch_execute(asked, source_path)
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False) from None
        return list(extract_json_from_response(response.text))

    async def check_status(self) -> None:
        """Ask Google how the account stands; GatewayError unless it is available."""
        await self._fetch_user_status()
        if problem := errors.of_account(self.account_status):
            raise problem
        await self._check_alive()

    def _parse_rpc_results(self, response_text: str, target_id: str) -> Iterator[Any]:
        """Hazard: an account whose status is not told counts as available (docs/google-wire.md 5.3)."""
        for body in super()._parse_rpc_results(response_text, target_id):
            if target_id == GRPC.GET_USER_STATUS:
                self._status_told = get_nested_value(body, [14]) is not None
            yield body

    async def _check_alive(self) -> None:
        """Where Google does not say how the account stands, one of its chats does: none of those that it is known to
        have make a phantom of the session. Broken.
        """
        if self._status_told:
            return
        for pinned in (0, 1):
            listed = await self.rpc(GRPC.LIST_CONVERSATIONS, [1, None, [pinned, None, 1]])
            if get_nested_value(listed, [2, 0, 0]):
                self.sees_chats = True
                return
        if self._had_chats or self.sees_chats:
            raise errors.phantom(self._phantom_seconds)

    async def full_size_address(self, ref: ImageRef, seconds: float) -> str:
        """Where the original of a generated image begins (c8o8Fe, docs/google-wire.md 3.4): asked for with the token
        of its own row and the prompt it was made from. Broken when Google names none.
        """
        image = [[*_NONE[:3], [*_NONE[:5], ref.token]], [ref.image_id, 0], None, [19, ref.prompt], *_NONE[:5], ""]
        asked = [image, [ref.rid, ref.rcid, ref.cid, None, ""], 1, 0, 1]
        try:
            body = await self.rpc(GRPC.DOWNLOAD_GENERATED_IMAGE, asked, timeout=seconds)
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False) from None
        address = get_nested_value(body, [0])
        if not isinstance(address, str) or not address:
            raise failures.broken(LocalText("the full-size route gave no address", "原图接口没有给出地址"), "no")
        return address

    async def usage_report(self) -> UsageReport:
        """Google's usage windows (jSf9Qc); asked for on a timer, never inside a call."""
        return quota.report(await self.rpc(GRPC.GET_USAGE_INFO, [], "/usage"))

    async def own_gems(self) -> tuple[Gem, ...]:
        """The account's gems. Hazard: the library's calls close the client when one fails."""
        rows = get_nested_value(await self.rpc(GRPC.LIST_BOTS, [2, [self.language], 0]), [2], [])
        found = []
        for row in rows if isinstance(rows, list) else ():
            gem_id, name = get_nested_value(row, [0]), get_nested_value(row, [1, 0])
            if isinstance(gem_id, str) and isinstance(name, str) and name.strip():
                prompt, about = get_nested_value(row, [2, 0]), get_nested_value(row, [1, 1])
                found.append(Gem(gem_id, name, prompt or "", about or ""))
        self.gem_list = tuple(found)
        return self.gem_list

    async def save_gem(self, gem: Gem) -> str:
        """Make a gem, or change the one with its id; the id. Broken when Google gives none."""
        row: list[Any] = [gem.name, gem.description, gem.prompt, *[None] * 5, 0, None, 1, None, None, None, []]
        if gem.id:
            await self.rpc(GRPC.UPDATE_BOT_METADATA, [gem.id, [*row, 0]])
            return gem.id
        made = get_nested_value(await self.rpc(GRPC.CREATE_BOT, [row]), [0])
        if not isinstance(made, str):
            raise failures.broken(
                LocalText("a gem was asked for and Google gave no id", "请求了 Gem，但 Google 未给出编号"), "no"
            )
        return made

    async def remove_gem(self, gem_id: str) -> None:
        await self.rpc(GRPC.DELETE_BOT, [gem_id])

    async def close(self, delay: float = 0) -> None:
        """Hazard: any failing call closes the session under its neighbours. Only `shut` does."""

    async def shut(self) -> None:
        """Really close; nothing is written to a cookie cache."""
        self._running = False
        session, self.client = self.client, None
        if session is not None:
            await session.close()
        if self._handles is not None:
            self._handles.close()

    async def rotate(self) -> Rotated:
        """Ask once for a new 1PSIDTS: with the two cookies that name the session, or with all of them.

        Which of the two is heard differs by account (docs/google-wire.md 5.4): the way that worked is gone again, and
        the other one the next time after a way that did not. Both at once would be too often.
        The library's own rotation writes a cache file with the secret in its name.
        """
        before = self.current_cookies()
        status = await self._ask_rotation(before if self._pair_rotates else None)
        if self.current_cookies().psidts != before.psidts:
            self._rotates_other_way = True
            return Rotated("renewed", self.current_cookies())
        if status == 429:
            raise errors.rotated_too_often()
        if status not in (200, 401, 403):
            raise errors.of_status(status, generated_if_unsure="no")
        other, self._rotates_other_way = self._rotates_other_way, False
        self._pair_rotates = not self._pair_rotates
        renewal: Renewal = "withheld" if status == 200 else "refused"
        return Rotated(renewal, self.current_cookies(), other_way=other)

    async def _ask_rotation(self, only: Cookies | None) -> int:
        """The HTTP status; what Google set is in the session's jar. only: nothing but these go out, else the jar."""
        headers, data = Headers.ROTATE_COOKIES.value, '[000,"-0000000000000000000"]'
        try:
            if only is None:
                answer = await self.session.post(
                    Endpoint.ROTATE_COOKIES, headers=headers, data=data, timeout=RPC_SECONDS
                )
                return int(answer.status_code)
            verify = self.kwargs.get("verify", True)
            pair = {PSID: only.psid, PSIDTS: only.psidts}
            async with AsyncSession[Response](proxy=self.proxy, verify=verify, impersonate=self.impersonate) as alone:
                for name, value in pair.items():
                    if value:
                        alone.cookies.set(name, value, domain=".google.com", secure=True)
                answer = await alone.post(Endpoint.ROTATE_COOKIES, headers=headers, data=data, timeout=RPC_SECONDS)
                for cookie in alone.cookies.jar:
                    if cookie.value != pair.get(cookie.name) and cookie.value:
                        self.session.cookies.set(cookie.name, cookie.value, domain=cookie.domain, secure=True)
                return int(answer.status_code)
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False) from None

    def current_cookies(self) -> Cookies:
        """The cookies as the jar holds them now: the three, and of the others those that were given, each with the
        value that it has now. What a page deletes or adds is not taken over (docs/google-wire.md 5.2).
        """
        jar = {c.name: c.value for c in self.session.cookies.jar if c.domain.lstrip(".") == "google.com"}
        held = {(c.name, c.domain, c.path): c.value for c in self.session.cookies.jar}
        others = tuple(
            replace(other, value=held.get((other.name, other.domain, other.path)) or other.value)
            for other in self._others
        )
        return Cookies(jar.get(PSID) or "", jar.get(PSIDTS) or "", jar.get(PSIDCC) or "", others, self._bound)

    @property
    def page(self) -> Page:
        """The one that is loaded; made anew when the library or a reload has changed anything of it."""
        facts = self.language, self.build_label, self.session_id, self.access_token
        if facts != self._page_facts:
            self._page_facts, self._page = facts, Page(*facts)
        return self._page

    def request_id(self) -> int:
        """The next `_reqid`, shared with the library's own RPCs."""
        number: int = self._reqid
        self._reqid += 100000
        return number

    @property
    def session_uuid(self) -> str:
        return str(self._sessionid)


_PAGE = re.compile(r'"(SNlM0e|cfb2h|FdrFJe|TuX5cc|qKIAYe|S06Grb|oPEP7c)":\s*"(.*?)"')
_OLD_PAGE = re.compile(r"status code (?:400|405)\b")
"""A refused RPC has no body here; a page too old is what both mean for requests that are well formed."""


def extract_page(page: str) -> dict[str, str]:
    """What /app tells its client, as far as it is there: token, build, session, language, push id, and whose it is."""
    return {name: value for name, value in _PAGE.findall(page) if value}


def _set_multi(session: AsyncSession[Response], option: CurlMOpt, value: int) -> None:
    """Set a number on the session's multi handle; curl_cffi 0.16's own setter hands over a pointer to it instead."""
    multi = session.acurl._curlm  # noqa: SLF001 - there is no public way to the handle
    lib.curl_multi_setopt(multi, option, ffi.cast("void *", value))


def _look_seldom(session: AsyncSession[Response]) -> None:
    """Hazard: every session asks libcurl ten times a second, for ever, whether a call of its own was missed.

    Nor does libcurl close what it keeps before it wants a connection again: here it does while the session is idle.
    """
    acurl = session.acurl
    now = acurl.loop.time

    async def look() -> None:
        used = now()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if acurl._curl2future:  # noqa: SLF001 - what runs; there is no public way to it
                acurl.process_data(CURL_SOCKET_TIMEOUT, CURL_POLL_NONE)
                used = now()
            elif now() - used > IDLE_CONNECTION_SECONDS:
                _set_multi(session, CurlMOpt.NETWORK_CHANGED, _CLOSE_IDLE)
                used = now()

    acurl._timeout_checker.cancel()  # noqa: SLF001 - ended by the library together with the session, as this one is
    acurl._timeout_checker = acurl.loop.create_task(look())  # noqa: SLF001
