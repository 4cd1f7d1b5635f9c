"""One StreamGenerate POST on the library's session: sent once, read as it comes, dropped at once.

Two hazards of the plain `session.stream()` end here (protocol.md 1 and 9, docs/adr/0003):
* libcurl re-sends a POST by itself when a reused connection dies before the first response byte. The body is handed
  out by a read callback that cannot rewind, so libcurl has to report the failure instead.
* Leaving a stream waits for its natural end. Here leaving cancels the transfer, which takes the handle out of libcurl.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from curl_cffi.requests import AsyncSession, Response
from curl_cffi.requests.exceptions import RequestException

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
    """Use as `async with Exchange(session, url, ...) as exchange`, then `read` until None.

    After the end `status` is the HTTP status. Any failure of the transfer is raised by `read` as curl_cffi's
    RequestException; `sent` tells whether the prompt can have left this machine.
    """

    def __init__(
        self,
        session: AsyncSession[Response],
        url: str,
        *,
        params: dict[str, Any],
        headers: dict[str, str],
        body: bytes,
        timeout: float,
    ) -> None:
        self._body = OneTimeBody(body)
        self._chunks: list[bytes] = []
        self._news = asyncio.Event()
        self._request = session.request(
            "POST",
            url,
            params=params,
            headers={**headers, "Content-Length": str(len(body))},
            content=self._body,  # type: ignore[arg-type]  # a reader without seek: that is the point
            content_callback=self._received,
            timeout=timeout,
            allow_redirects=False,  # the body cannot be sent twice, and where Google sends us says what is wrong
        )
        self._transfer: asyncio.Task[Response] | None = None
        self._handed_over = False
        self.status = 0
        self.location = ""
        self.head = b""
        """How the body begins, for refusals that have to be read."""

    @property
    def sent(self) -> bool:
        """Whether libcurl took any of the body; False means that nothing can have been processed."""
        return self._body.taken

    def _received(self, chunk: bytes) -> int:
        self._chunks.append(chunk)
        if len(self.head) < _HEAD:
            self.head += chunk[: _HEAD - len(self.head)]
        self._news.set()
        return len(chunk)

    async def __aenter__(self) -> Exchange:
        self._transfer = asyncio.ensure_future(self._request)
        self._transfer.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._handed_over:
            await self.drop()

    @property
    def is_over(self) -> bool:
        """Whether the transfer has ended, well or badly."""
        return self._transfer is not None and self._transfer.done()

    def hand_over(self) -> None:
        """Leaving the `async with` leaves the transfer running: whoever takes it over drops it."""
        self._handed_over = True

    async def drop(self) -> None:
        """End the transfer now, whatever it is at."""
        transfer = self._transfer
        assert transfer is not None
        if not transfer.done():
            transfer.cancel()
        with suppress(asyncio.CancelledError, RequestException):
            await transfer

    async def read(self, timeout: float) -> bytes | None:
        """Everything that came since the last call, at least one byte; None at the end of the answer.

        SilentUpstreamError when nothing comes for `timeout` seconds; RequestException when the transfer failed.
        """
        transfer = self._transfer
        assert transfer is not None
        while not self._chunks:
            if transfer.done():
                self.status = transfer.result().status_code
                self.location = transfer.result().headers.get("location") or ""
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait()
            except TimeoutError:
                raise SilentUpstreamError from None
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data
