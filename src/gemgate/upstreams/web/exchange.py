"""One StreamGenerate POST in the library's session: sent once, read as it comes, dropped at once.

Two hazards of the plain `session.stream()` end here (docs/gemini-webapi.md 1 and 9, docs/adr/0003):
* libcurl re-sends a POST by itself when a reused connection dies before the first response byte. The body is handed
  out by a read callback that cannot rewind, so libcurl has to report the failure instead.
* Leaving a stream waits for its natural end. Here leaving cancels the transfer, which takes the handle out of libcurl.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from curl_cffi import CurlECode, CurlError
from curl_cffi.requests.exceptions import code2error

from gemgate.upstreams.web.handles import Handle, Handles

_HEAD = 2000


class SilentUpstreamError(Exception):
    """No byte came within the given seconds."""


class OneTimeBody:
    """A request body that can be read once. `taken` tells whether libcurl asked for any of it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self.taken = False

    def read(self, size: int) -> bytes:
        self.taken = True
        piece = self._body[self._at : self._at + size]
        self._at += len(piece)
        return piece


class Exchange:
    """Use as `async with Exchange(handles, ...) as exchange`, then `read` until None.

    After the end `status` is the HTTP status. Any failure of the transfer is raised by `read` as curl_cffi's
    RequestException; `sent` tells whether the prompt can have left this machine.
    """

    def __init__(
        self,
        handles: Handles,
        *,
        query: str,
        headers: dict[str, str],
        body: bytes,
        timeout: float,
    ) -> None:
        self._handles = handles
        self._body = OneTimeBody(body)
        self._length, self._query, self._headers, self._timeout = len(body), query, headers, timeout
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[bool] | None = None
        self._handle: Handle | None = None
        self._transfer: asyncio.Future[None] | None = None
        self._handed_over = False
        self.status = 0
        self.location = ""
        self.head = b""
        """How the body begins, for refusals that have to be read."""

    @property
    def sent(self) -> bool:
        """Whether libcurl took any of the body; False means that nothing can have been processed."""
        return self._body.taken

    def _received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        if len(self.head) < _HEAD:
            self.head += chunk[: _HEAD - len(self.head)]
        self._wake(news=True)

    def _wake(self, *, news: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(news)

    async def __aenter__(self) -> Exchange:
        handle = self._handles.take()
        try:
            self._transfer = handle.begin(
                self._query, self._headers, self._length, self._body.read, self._received, self._timeout
            )
        except BaseException:
            handle.close()
            raise
        self._handle = handle
        self._transfer.add_done_callback(self._ended)
        return self

    def _ended(self, transfer: asyncio.Future[None]) -> None:
        """The transfer is over, well or badly: another prompt may have the handle."""
        assert self._handle is not None
        handle, self._handle = self._handle, None
        if not transfer.cancelled():
            self.status, self.location = handle.status_and_location()
        self._handles.give_back(handle, sound=not transfer.cancelled() and transfer.exception() is None)
        self._wake(news=True)

    async def __aexit__(self, *_: object) -> None:
        if not self._handed_over:
            self.drop()

    @property
    def is_over(self) -> bool:
        """Whether the transfer has ended, well or badly."""
        return self._transfer is not None and self._handle is None

    def hand_over(self) -> None:
        """Leaving the `async with` leaves the transfer running: whoever takes it over drops it."""
        self._handed_over = True

    def drop(self) -> None:
        """End the transfer now, whatever it is at."""
        transfer = self._transfer
        assert transfer is not None
        if self._handle is not None and not transfer.done() and not self._handles.closed:
            self._handle.abandon()

    async def read(self, timeout: float) -> bytes | None:
        """Everything that came since the last call, at least one byte; None at the end of the answer.

        SilentUpstreamError when nothing comes for `timeout` seconds; RequestException when the transfer failed.
        """
        while not self._chunks:
            if self.is_over:
                self._check()
                return None
            if not await self._news(timeout):
                raise SilentUpstreamError
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data

    async def _news(self, timeout: float) -> bool:
        """Whether something came, or the end did, within so many seconds."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout, partial(self._wake, news=False))
        try:
            return await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _check(self) -> None:
        assert self._transfer is not None
        error = self._transfer.exception()  # raised, it would hold the frame that holds us and, by the transfer, itself
        if isinstance(error, CurlError):
            code = cast("CurlECode", error.code)
            raise code2error(code, str(error))(str(error), code) from error
        if error is not None:
            raise error
