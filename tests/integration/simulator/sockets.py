"""Clients down at the socket, for what curl does not show: slow readers, sudden goodbyes, single HTTP/2 streams."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings

from gemgate_simulator import Simulator
from gemgate_simulator.exchange import Request
from tests.support.patience import PATIENCE


async def connect(
    sim: Simulator, host: str, protocol: str, limit: int = 1 << 16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A tunnel to `host` with TLS inside."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port, limit=limit)
    writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context(cafile=str(sim.ca_file))
    context.set_alpn_protocols([protocol])
    await writer.start_tls(context, server_hostname=host)
    return reader, writer


def as_http1(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"host: {request.host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines.append(f"content-length: {len(request.body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body


class H2Client:
    """An HTTP/2 client that reads only what it is told to and opens its windows only when asked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int = 65_535) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.local_settings = Settings(client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.status: dict[int, int] = {}
        self.body: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.broken: set[int] = set()
        self.terminated = False
        self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.writer.write(data)

    def send(self, request: Request) -> int:
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", request.method),
            (":scheme", "https"),
            (":authority", request.host),
            (":path", request.target),
            *request.headers.items(),
        ]
        self.h2.send_headers(stream, headers, end_stream=not request.body)
        if request.body:
            self.h2.send_data(stream, request.body, end_stream=True)
        self.flush()
        return stream

    def give_up(self, stream: int) -> None:
        self.h2.reset_stream(stream, 8)
        self.flush()

    def open_window(self, stream: int, size: int) -> None:
        self.h2.increment_flow_control_window(size, stream)
        self.flush()

    async def read(self) -> bool:
        """One read; False at the end of the connection."""
        data = await self.reader.read(1 << 16)
        if not data:
            return False
        for event in self.h2.receive_data(data):
            match event:
                case ResponseReceived():
                    self.status[event.stream_id] = int(dict(event.headers)[":status"])
                case DataReceived():
                    self.body[event.stream_id] += event.data
                case StreamEnded():
                    self.ended.add(event.stream_id)
                case StreamReset():
                    self.broken.add(event.stream_id)
                case ConnectionTerminated():
                    self.terminated = True
                case _:
                    pass
        self.flush()
        return True

    async def read_until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            while not condition() and await self.read():
                pass
        assert condition()
