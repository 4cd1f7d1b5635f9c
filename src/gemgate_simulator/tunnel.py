"""The door of the simulator: an HTTP CONNECT proxy on loopback that ends TLS itself for Google's hosts.

A connection begins in plain text. `CONNECT host:443` turns it into TLS with a leaf of the throw-away CA and then into
HTTP/2 or HTTP/1.1; a plain request for a path (not an absolute URL) is the control API's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from gemgate_simulator.certificates import Authority
from gemgate_simulator.exchange import Service
from gemgate_simulator.http1 import Http1
from gemgate_simulator.http2 import Http2

SERVED = ("google.com", "*.google.com", "*.googleapis.com", "*.googleusercontent.com")
"""The names TLS ends for; everything else is refused."""

_MOST_HEAD = 16 << 10
_RECORD = 64 << 10


def served(host: str) -> bool:
    """Whether the tunnel answers for `host`."""
    return any(host == name or (name[0] == "*" and host.endswith(name[1:])) for name in SERVED)


class Speaker(Protocol):
    """HTTP/1.1 or HTTP/2 on top of a link."""

    def receive(self, data: bytes) -> None: ...

    def lost(self) -> None: ...

    def goodbye(self) -> None: ...


class ProxyConnection(asyncio.Protocol):
    """One TCP connection. `open_doors` holds every live one, so that a stop can close them."""

    def __init__(
        self,
        *,
        authority: Authority,
        google: Service,
        control: Service,
        numbers: Iterator[int],
        open_doors: set[ProxyConnection],
        refused: Callable[[str], None],
    ) -> None:
        self._authority = authority
        self._google = google
        self._control = control
        self._number = next(numbers)
        self._open_doors = open_doors
        self._refused = refused
        self._head = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._shaken = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._speaker: Speaker | None = None
        self._host = ""
        self._corked = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open_doors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._open_doors.discard(self)
        self._writable.set()
        if self._speaker:
            self._speaker.lost()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._tls:
            self._incoming.write(data)
            self._decrypt()
        elif self._speaker:
            self._speaker.receive(data)
        else:
            self._head += data
            self._greet()

    def _greet(self) -> None:
        """The first request of the connection: CONNECT, or plain HTTP for the control API."""
        if not b"CONNECT ".startswith(self._head[:8]) and not self._head.startswith(b"CONNECT "):
            self._speaker = Http1(self, self._control, self._number, None)
            self._speaker.receive(bytes(self._head))
            return
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > _MOST_HEAD:
                self._transport.abort()
            return
        host, _, port = head.split(b" ", 2)[1].decode("latin-1").rpartition(":")
        self._host = host.lower()
        if port != "443" or not served(self._host):
            self._refused(self._host)
            self._transport.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()
            return
        self._tls = self._authority.context(self._host).wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if rest:
            self.data_received(rest)

    def _decrypt(self) -> None:
        self._corked = True
        try:
            if not self._shaken:
                self._handshake()
            while self._shaken and self._tls and (clear := self._tls.read(_RECORD)):
                assert self._speaker is not None
                self._speaker.receive(clear)
            if self._shaken:
                self.close()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._transport.close()  # the client does not trust our CA, or broke TLS: nobody is left to tell
        finally:
            self._corked = False
            self._flush()

    def _handshake(self) -> None:
        assert self._tls is not None
        self._tls.do_handshake()
        self._shaken = True
        speaker = Http2 if self._tls.selected_alpn_protocol() == "h2" else Http1
        self._speaker = speaker(self, self._google, self._number, self._host)

    def _flush(self) -> None:
        if self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def write(self, data: bytes) -> None:
        """Send `data` to the client, encrypted once the tunnel stands."""
        if self._tls is None:
            self._transport.write(data)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            return
        if not self._corked:
            self._flush()

    async def drain(self) -> None:
        """Wait until the client has read enough; other streams get their turn meanwhile."""
        await self._writable.wait()
        await asyncio.sleep(0)

    def close(self) -> None:
        """FIN, after what was written."""
        if self._tls is not None and self._shaken:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()  # ours goes out; that the peer's has not come yet is the error
            self._flush()
        self._transport.close()

    def reset(self) -> None:
        """RST, whatever was written."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stop(self) -> None:
        """The server goes away."""
        if self._speaker:
            self._speaker.goodbye()
        self._transport.abort()
