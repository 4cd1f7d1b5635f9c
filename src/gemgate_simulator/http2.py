"""HTTP/2 on one connection, server side, over the h2 state machine: many streams, real flow control both ways."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from gemgate_simulator.exchange import Break, Outcome, Request, Response, Service, deliver
from gemgate_simulator.http1 import MOST_BODY, Link

MAX_CONCURRENT_STREAMS = 100
_WINDOW = 4 << 20
"""Bytes a client may send us unasked, per stream and per connection."""
_MOST_HEADERS = 64 << 10
_INLINE = 64 << 10


@dataclass(slots=True, eq=False)
class _Stream:
    id: int
    request: Request
    body: bytearray = field(default_factory=bytearray)
    early: bool = False
    response: Response | None = None
    task: asyncio.Task[None] | None = None
    room: asyncio.Event = field(default_factory=asyncio.Event)


class Http2:
    """Feeds `service` with the requests of one connection; `host` is the name the tunnel was opened for."""

    def __init__(self, link: Link, service: Service, connection: int, host: str | None) -> None:
        self._link = link
        self._service = service
        self._connection = connection
        self._host = host or ""
        self._seen = 0
        self._streams: dict[int, _Stream] = {}
        self._closed = False
        config = H2Configuration(
            client_side=False,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_CONCURRENT_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADERS,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._closed:
            return
        try:
            events = self._h2.receive_data(data)
            for event in events:
                self._on(event)
        except ProtocolError as error:
            self._service.misbehaved(f"HTTP/2 protocol error: {type(error).__name__}: {error}")
            self._flush()
            self.shut()
            self.lost()
            return
        self._flush()

    def lost(self) -> None:
        """The connection is gone: every answer under way stops now."""
        outcome: Outcome = "broken" if self._closed else "cancelled"
        self._closed = True
        for stream in list(self._streams.values()):
            self._cancel(stream, outcome)
        self._streams.clear()

    def goodbye(self) -> None:
        """The server is stopping."""
        if not self._closed:
            self._h2.close_connection()
            self._flush()

    def _on(self, event: Event) -> None:
        match event:
            case DataReceived():
                self._data(event)
            case RequestReceived():
                self._head(event)
            case StreamEnded(stream_id=int(stream_id)):
                self._whole(stream_id)
            case WindowUpdated(stream_id=stream_id):
                self._make_room(stream_id)
            case StreamReset(stream_id=int(stream_id)):
                if stream := self._streams.pop(stream_id, None):
                    self._cancel(stream)
            case ConnectionTerminated():
                self.lost()  # h2 lets nothing more be sent after a GOAWAY
                self._link.close()
            case _:
                pass  # settings, pings and priorities are answered by h2 itself

    def _head(self, event: RequestReceived) -> None:
        headers: dict[str, str] = {}
        for name, value in cast("list[tuple[str, str]]", event.headers):
            joined = headers[name] + ("; " if name == "cookie" else ", ") if name in headers else ""
            headers[name] = joined + value
        method, target = headers.pop(":method", ""), headers.pop(":path", "/")
        host = headers.pop(":authority", "") or headers.get("host", "")
        headers.pop(":scheme", None)
        host = host.partition(":")[0] or self._host
        request = Request(method, host, target, headers, "2", self._connection, self._seen)
        self._seen += 1
        stream = self._streams[event.stream_id] = _Stream(event.stream_id, request)
        if early := self._service.head(request):
            stream.early = True
            self._answer(stream, early)

    def _data(self, event: DataReceived) -> None:
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.early:
            return
        if len(stream.body) + len(event.data) > MOST_BODY:
            stream.early = True
            self._answer(stream, Response(413))
        else:
            stream.body += event.data

    def _whole(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.early:
            stream.request.body = bytes(stream.body)
            stream.body = bytearray()
            self._answer(stream, self._service.handle(stream.request))

    def _answer(self, stream: _Stream, response: Response) -> None:
        stream.response = response
        out = _Out(self, stream)
        body = response.body
        if stream.request.method == "HEAD" and isinstance(body, bytes):
            body = b""
        if isinstance(body, bytes) and len(body) <= min(_INLINE, self._room(stream.id)) and not response.delay:
            out.begin(response, None if stream.request.method == "HEAD" else len(body))
            self._put(stream.id, body, end=True)
            self._streams.pop(stream.id, None)
            response.ended("complete")
        else:
            stream.task = asyncio.create_task(self._deliver(stream, response, out))

    async def _deliver(self, stream: _Stream, response: Response, out: _Out) -> None:
        await deliver(response, out)
        self._streams.pop(stream.id, None)

    def _cancel(self, stream: _Stream, outcome: Outcome = "cancelled") -> None:
        if stream.task:
            stream.task.cancel()
        if stream.response:
            stream.response.ended(outcome)

    def _room(self, stream_id: int) -> int:
        return self._h2.local_flow_control_window(stream_id)

    def _put(self, stream_id: int, data: bytes, *, end: bool) -> None:
        """Frame `data`, which fits the window."""
        size = self._h2.max_outbound_frame_size
        for start in range(0, max(len(data), 1), size):
            piece = data[start : start + size]
            self._h2.send_data(stream_id, piece, end_stream=end and start + size >= len(data))

    def _make_room(self, stream_id: int | None) -> None:
        streams = self._streams.values() if not stream_id else filter(None, [self._streams.get(stream_id)])
        for stream in streams:
            stream.room.set()

    def _flush(self) -> None:
        if (data := self._h2.data_to_send()) and not self._closed:
            self._link.write(data)

    def begin(self, stream: _Stream, response: Response, length: int | None, *, end: bool = False) -> None:
        headers = [(":status", str(response.status)), *response.headers]
        if length is not None:
            headers.append(("content-length", str(length)))
        self._h2.send_headers(stream.id, headers, end_stream=end)

    async def write(self, stream: _Stream, data: bytes) -> None:
        """Send `data` as the peer's windows allow; a reader that does not read holds only this stream."""
        start = 0
        while start < len(data):
            room = min(self._room(stream.id), _INLINE)
            if room <= 0:
                stream.room.clear()
                self._flush()
                await stream.room.wait()
                continue
            self._put(stream.id, data[start : start + room], end=False)
            start += room
            self._flush()
            await self._link.drain()
        self._flush()

    def finish(self, stream: _Stream) -> None:
        self._h2.end_stream(stream.id)
        self._flush()

    def break_stream(self, stream: _Stream) -> None:
        self._h2.reset_stream(stream.id, ErrorCodes.INTERNAL_ERROR)
        self._flush()

    def shut(self, *, reset: bool = False) -> None:
        self._closed = True
        if reset:
            self._link.reset()
        else:
            self._link.close()


class _Out:
    """One answer being written; the outlet of exchange.py."""

    def __init__(self, connection: Http2, stream: _Stream) -> None:
        self._connection = connection
        self._stream = stream

    def begin(self, response: Response, length: int | None) -> None:
        self._connection.begin(self._stream, response, length)

    async def write(self, data: bytes) -> None:
        await self._connection.write(self._stream, data)

    def finish(self) -> None:
        self._connection.finish(self._stream)

    def break_off(self, how: Break) -> None:
        if how is Break.RESET_STREAM:
            self._connection.break_stream(self._stream)
        else:
            self._connection.shut(reset=how is Break.RESET)
