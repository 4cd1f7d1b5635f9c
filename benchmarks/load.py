"""The lightest client of the gateway that still checks what it gets: HTTP/1.1 by hand, connections kept.

An SDK would cost as much as the gateway does, on the same cores.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

import httptools
import orjson

_FIRST_TEXT = re.compile(rb'"content":"[^"]')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the text, and perf_counter() when the first of it was here (for streams; else when all was)."""

    text: str
    first: float


class Client:
    """Posts chat completions to one gateway, over as many kept-alive connections as there are calls at once."""

    def __init__(self, url: str, model: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._model = model
        self._idle: list[_Connection] = []

    async def converse(self, prompts: Sequence[str], *, stream: bool) -> Answer:
        """The turns of one conversation; the answer to the last of them."""
        messages: list[dict[str, str]] = []
        for prompt in prompts:
            messages.append({"role": "user", "content": prompt})
            answer = await self.chat(messages, stream=stream)
            messages.append({"role": "assistant", "content": answer.text})
        return answer

    async def chat(self, messages: Sequence[dict[str, str]], *, stream: bool) -> Answer:
        """One completion; RuntimeError for every answer that is not a whole 200."""
        body = {"model": self._model, "messages": messages, "stream": stream}
        self._idle = [one for one in self._idle if one.open]  # the others were idle too long for the server
        connection = self._idle.pop() if self._idle else await self._connect()
        status, data, first = await connection.post("/v1/chat/completions", orjson.dumps(body))
        self._idle.append(connection)
        if status != 200:
            raise RuntimeError(f"the gateway answered {status}: {data[:300]!r}")
        return Answer(_streamed(data) if stream else _whole(data), first)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser
    _done: asyncio.Future[tuple[int, bytes, float]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    async def post(self, path: str, body: bytes) -> tuple[int, bytes, float]:
        """Status, body, and perf_counter() at the first text."""
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._first = 0.0
        self._done = asyncio.get_running_loop().create_future()
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        return await self._done

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        if not self._first and _FIRST_TEXT.search(data):
            self._first = perf_counter()
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._done.set_result((self._parser.get_status_code(), b"".join(self._body), self._first))

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "_done") and not self._done.done():
            self._done.set_exception(RuntimeError(f"the gateway closed the connection ({error})"))


def _whole(data: bytes) -> str:
    return str(orjson.loads(data)["choices"][0]["message"]["content"])


def _streamed(data: bytes) -> str:
    *events, last = data.removesuffix(b"\n\n").split(b"\n\n")
    if last != b"data: [DONE]":
        raise RuntimeError(f"the stream ended with {last[:300]!r}")
    deltas = [orjson.loads(event[6:])["choices"][0]["delta"] for event in events if event.startswith(b"data: {")]
    return "".join(delta.get("content") or "" for delta in deltas)
