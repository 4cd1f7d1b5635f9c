"""Whole answers that take long: their head goes ahead, then white space, then the JSON, so that no proxy gives up.

White space may stand before any JSON text (RFC 8259, 2). What is told after the head can have no status of its own any
more: an error's status stands in its JSON, and headers that are known at the end only are missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from starlette.types import Message, Send

from gemgate.dialects.wire import dumps

BLANK = b" "
BLANK_SECONDS = 10.0
"""Between two blanks: proxies count the silence between two reads."""
HEADER = "x-gemgate-keepalive"
HEADERS = {
    "content-type": "application/json",
    "cache-control": "no-transform",
    "x-accel-buffering": "no",
    HEADER: "1",
}
"""Of a head that goes ahead. A proxy that compresses or collects the answer would keep the blanks to itself."""


class KeepAlive:
    """The way of one request's answer to its client. Until `begin` is called, and until `seconds` after it, everything
    passes as it is.

    opened: the head went ahead, so that the answer's own goes nowhere. status: of the answer itself, 0 until it begins.
    seconds: 0 for never. on_open: called when the head goes ahead.
    """

    def __init__(self, send: Send, seconds: float, on_open: Callable[[], None]) -> None:
        self.opened = False
        self.status = 0
        self._send = send
        self._seconds = seconds
        self._on_open = on_open
        self._turn: asyncio.Lock | None = None  # of who writes, once anything goes ahead
        self._timer: asyncio.TimerHandle | None = None
        self._blanks: asyncio.Task[None] | None = None
        self._refusal = b""

    @property
    def begun(self) -> bool:
        """Whether the answer itself has begun."""
        return self.status > 0

    def begin(self) -> None:
        """From here on the call generates, and its answer will be JSON that comes at once."""
        if self._seconds and self._timer is None and not self.begun:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._open)

    def close(self) -> None:
        """The request is over: nothing goes out any more, and nothing is held."""
        self._stop()
        self._send, self._on_open = _nowhere, _nothing

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._blanks is not None:
            self._blanks.cancel()
            self._blanks = None  # its end is an error whose frames hold us: we must not hold it

    async def send(self, message: Message) -> None:
        """ASGI's send, for the application."""
        if message["type"] == "http.response.start":
            if self._turn is None:
                self._begin_answer(message["status"])
            else:
                async with self._turn:  # a head or a blank that is being written is written to its end
                    self._begin_answer(message["status"])
            if self.opened:
                return
        elif self.opened and self.status >= 400:
            self._refusal += message.get("body", b"")
            if message.get("more_body"):
                return
            message = {**message, "body": with_status(self._refusal, self.status)}
        await self._send(message)

    def _begin_answer(self, status: int) -> None:
        self.status = status
        self._stop()

    def _open(self) -> None:
        self._turn = asyncio.Lock()
        self._blanks = asyncio.ensure_future(self._send_blanks(self._turn))

    async def _send_blanks(self, turn: asyncio.Lock) -> None:
        async with turn:
            if self.begun:
                return
            self.opened = True
            self._on_open()
            headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        while not self.begun:
            async with turn:
                await self._send({"type": "http.response.body", "body": BLANK, "more_body": True})
            await asyncio.sleep(BLANK_SECONDS)


async def _nowhere(message: Message) -> None:
    pass


def _nothing() -> None:
    pass


def with_status(body: bytes, status: int) -> bytes:
    """An error's JSON with the HTTP status that it could not have: Google's `code` is that, others get a `status`."""
    told: Any = None
    with suppress(orjson.JSONDecodeError):
        told = orjson.loads(body)
    if not isinstance(told, dict):  # a proxy's page from between a fleet's gateway and its node
        told = {"error": {"message": f"HTTP {status}"}}
    problem = told["error"] if isinstance(told.get("error"), dict) else told
    if problem.get("code") != status:
        problem["status"] = status
    return dumps(told)
