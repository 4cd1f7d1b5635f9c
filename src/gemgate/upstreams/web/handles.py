"""libcurl handles that stay prepared for prompts.

The library sets some thirty options for every request and resets the handle behind it. Here it does so once for each
handle; a prompt then sets what is its own: address, headers, length, and the cookies where the jar has changed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from http.cookiejar import Cookie
from typing import Any, cast

from curl_cffi import Curl, CurlInfo, CurlOpt, ffi, lib
from curl_cffi.requests import AsyncSession, Response
from curl_cffi.requests.exceptions import SessionClosed
from curl_cffi.requests.utils import set_curl_options
from gemini_webapi.constants import Endpoint

from gemgate.upstreams.web.seat import Seat


def _held(session: AsyncSession[Response]) -> list[Cookie]:
    """The cookies of a session's jar, as they stand there; its own iterator takes a generator for each."""
    by_domain: dict[str, dict[str, dict[str, Cookie]]] = session.cookies.jar._cookies  # type: ignore[attr-defined]  # noqa: SLF001
    return [cookie for paths in by_domain.values() for names in paths.values() for cookie in names.values()]


def _nothing(_size: int) -> bytes:
    return b""


class Handle:
    """One prompt after the other to the address that generates."""

    def __init__(self, session: AsyncSession[Response], seat: Seat) -> None:
        self._session = session
        self._address = seat.address(Endpoint.GENERATE)
        self._headers = seat.headers(Endpoint.GENERATE)
        self._curl = Curl(cacert=session.acurl._cacert, debug=session.debug)  # noqa: SLF001
        self._cookies = _held(session)
        self._timeout = 0.0
        self.idle_since = 0.0
        self._read: Callable[[int], bytes] = _nothing
        self._receive: Callable[[bytes], object] = len
        self._request, *_ = set_curl_options(
            self._curl,
            "POST",
            self._address,
            params_list=[None, None],
            content=cast("Any", self),
            headers_list=[None, None],
            cookies_list=[session.cookies, None],
            allow_redirects=False,  # the body cannot be sent twice, and where Google sends us says what is wrong
            proxies_list=[session.proxies, None],
            verify_list=[session.verify, None],
            accept_encoding="gzip, deflate, br",
            content_callback=self._received,
            impersonate=session.impersonate,
            default_headers=session.default_headers,
            http_version=session.http_version,
            curl_options=session.curl_options,
        )
        for option in (CurlOpt.HEADERFUNCTION, CurlOpt.HEADERDATA):  # nobody reads the head of an answer line by line
            self._set(option, ffi.NULL)

    def begin(
        self,
        query: str,
        headers: Mapping[str, str],
        length: int,
        read: Callable[[int], bytes],
        received: Callable[[bytes], object],
        timeout: float,
    ) -> asyncio.Future[None]:
        """Send a prompt; done when its answer has ended. read: its body, which cannot be read again."""
        self._read, self._receive = read, received
        self._set(CurlOpt.URL, f"{self._address}?{query}".encode())
        lines = [f"{name}: {value}".encode() for name, value in {**headers, **self._headers}.items()]
        self._set_headers([*lines, b"Content-Length: %d" % length, b"Expect: "])
        self._set(CurlOpt.INFILESIZE_LARGE, ffi.new("int64_t*", length))
        if timeout != self._timeout:
            self._set(CurlOpt.TIMEOUT_MS, ffi.new("long*", int(timeout * 1000)))
            self._timeout = timeout
        self._take_cookies()
        return cast("asyncio.Future[None]", self._session.acurl.add_handle(self._curl))

    def _set(self, option: CurlOpt, value: object) -> None:
        """As `Curl.setopt`, for a value that is C's already: that looks for the kind of every option anew."""
        done = lib._curl_easy_setopt(self._curl._curl, option, value)  # noqa: SLF001
        if done:
            self._curl._check_error(done, "setopt", option)  # noqa: SLF001

    def _set_headers(self, lines: list[bytes]) -> None:
        """These in place of those of the last prompt, which the library would add to."""
        head = ffi.NULL
        for line in lines:
            head = lib.curl_slist_append(head, line)
        self._set(CurlOpt.HTTPHEADER, head)
        lib.curl_slist_free_all(self._curl._headers)  # noqa: SLF001
        self._curl._headers = head  # noqa: SLF001 - freed by the library with the handle

    def _take_cookies(self) -> None:
        """Those of the jar, unless it has not changed: a cookie that is set is a new object there."""
        if (held := _held(self._session)) == self._cookies:
            return
        self._curl.setopt(CurlOpt.COOKIELIST, "ALL")  # forget all
        for morsel in self._session.cookies.get_cookies_for_curl(self._request):
            self._curl.setopt(CurlOpt.COOKIELIST, morsel.to_curl_format())  # type: ignore[no-untyped-call]
        self._cookies = held

    def read(self, size: int) -> bytes:
        """The library's name for what libcurl calls to get the body; without `seek` it cannot rewind."""
        return self._read(size)

    def _received(self, chunk: bytes) -> int:
        self._receive(chunk)
        return len(chunk)

    def status_and_location(self) -> tuple[int, str]:
        """Behind an answer: its status, and where Google sends us. What it set is in the jar now."""
        if changes := self._curl.getinfo(CurlInfo.COOKIECHANGES):
            self._session.cookies.update_cookies_from_curl_changes(cast("list[bytes]", changes))
        number = ffi.new("long*")
        lib.curl_easy_getinfo(self._curl._curl, CurlInfo.RESPONSE_CODE, number)  # noqa: SLF001 - as `_set`
        status = int(number[0])
        elsewhere = self._curl.getinfo(CurlInfo.REDIRECT_URL) if 300 <= status < 400 else b""
        return status, cast("bytes", elsewhere).decode("latin-1")

    def idle(self) -> None:
        """Keep nothing of the last prompt."""
        self._read, self._receive = _nothing, len

    def abandon(self) -> None:
        """Take a transfer out of libcurl, whatever it is at; its future is cancelled."""
        self._session.acurl.remove_handle(self._curl)

    def close(self) -> None:
        self.idle()
        self._curl.close()


IDLE_SECONDS = 60.0
"""After which a handle that nobody took is closed: one moment's crowd would be in memory for ever."""


class Handles:
    """Those of one session. As many are kept as were used at once within a minute; the last that came goes first."""

    def __init__(self, session: AsyncSession[Response], seat: Seat) -> None:
        self._session = session
        self._seat = seat
        self._idle: deque[Handle] = deque()
        self._now = asyncio.get_running_loop().time
        self.closed = False

    def take(self) -> Handle:
        """SessionClosed when it is."""
        if self.closed:
            raise SessionClosed("the session is closed")
        return self._idle.pop() if self._idle else Handle(self._session, self._seat)

    def give_back(self, handle: Handle, *, sound: bool) -> None:
        """sound: its last transfer ended by itself; any other is not trusted with the next prompt."""
        if sound and not self.closed:
            handle.idle()
            handle.idle_since = now = self._now()
            self._idle.append(handle)
            while self._idle[0].idle_since < now - IDLE_SECONDS:
                self._idle.popleft().close()
        else:
            handle.close()

    def close(self) -> None:
        """Behind the session's own end, which ends its transfers."""
        self.closed = True
        while self._idle:
            self._idle.pop().close()
