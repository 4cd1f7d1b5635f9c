"""What a request says beside its body: how much of it there may be, and when it counts (docs/threats.md)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gemgate.web.auth.access import Access
from gemgate.web.bounded_heads import HEAD_BYTES, HEAD_FIELDS
from gemgate_simulator import Simulator
from tests.support.patience import PATIENCE
from tests.support.serving import Served, served, settings_for

BODY = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
KEY = b"Authorization: Bearer secret-a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n%b\r\n"
PIECE = b"a" * 65_536


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Served]:
    async with Simulator(accounts=("alice",)) as sim:
        settings = settings_for(sim, tmp_path, api_key="ann:secret-a", trusted_proxies="127.0.0.0/8")
        async with served(settings) as running:
            yield running


async def answered(gate: Served, *pieces: bytes) -> bytes:
    """What comes back until the other side ends, or has said a whole answer."""
    host, _, port = gate.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told = b""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            told = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    return told


def chunked(*, head: bytes = b"", trailer: bytes = b"") -> bytes:
    return CHUNKED % head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailer)


async def test_a_key_behind_the_body_is_none(gate: Served) -> None:
    assert b" 200 " in await answered(gate, chunked(head=KEY))
    assert b" 401 " in await answered(gate, chunked(trailer=KEY))
    assert b" 200 " in await answered(gate, chunked(head=KEY, trailer=b"X-Api-Key: wrong\r\nX-Checksum: 1\r\n"))


async def test_an_address_behind_the_body_is_none(gate: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy adds its line to the head, and passes on what a client writes behind the body."""
    seen: list[str] = []
    address = Access.address

    def noted(self: Access, connection: object) -> str:
        seen.append(address(self, connection))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(Access, "address", noted)
    proxied = KEY + b"X-Forwarded-For: 198.51.100.8\r\n"
    assert b" 200 " in await answered(gate, chunked(head=proxied, trailer=b"X-Forwarded-For: 203.0.113.9\r\n"))
    assert set(seen) == {"198.51.100.8"}


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: ",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"a",
        b"GET /",
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET /",
        CHUNKED % b"" + b"1;",
        CHUNKED % KEY + b"0\r\nX: ",
        b"",
    ],
    ids=["value", "name", "target", "behind others", "extension", "trailer", "nothing"],
)
async def test_a_line_without_an_end_is_not_read_on(gate: Served, begin: bytes) -> None:
    """Each piece of it was joined with all before it: 200 MB held every call up for the 20 s that a head may take."""
    began = time.thread_time()
    unit = PIECE if begin else b"\r\n" * 32_768
    told = await answered(gate, begin, *[unit] * 400)
    assert time.thread_time() - began < 1.0
    assert told == b"" or b" 431 " in told or b" 400 " in told or b" 200 " in told or b" 401 " in told


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"X: " + b"a" * (HEAD_BYTES - 100) + b"\r\n", b" 200 "),
        (b"X: " + b"a" * HEAD_BYTES + b"\r\n", b" 431 "),
        (b"X: a\r\n" * (HEAD_FIELDS - 1), b" 200 "),
        (b"X: a\r\n" * HEAD_FIELDS, b" 431 "),
        (b"X-Gemgate-Internal: a\r\nX: " + b"a" * HEAD_BYTES + b"\r\n", b" 200 "),
        (b"X-Gemgate-Internal: a\r\nX: " + b"a" * 2 * HEAD_BYTES + b"\r\n", b" 431 "),
        (b"X-Gemgate-Internal: a\r\n" + b"X: a\r\n" * HEAD_FIELDS, b" 200 "),
        (b"X-Gemgate-Internal: a\r\n" + b"X: a\r\n" * 2 * HEAD_FIELDS, b" 431 "),
        (b"Host: b\r\n", b" 400 "),
    ],
)
async def test_a_head_has_bounds(gate: Served, head: bytes, status: bytes) -> None:
    assert status in await answered(gate, b"GET /health HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n")


async def test_a_body_in_many_pieces_is_no_head(gate: Served) -> None:
    assert b" 200 " in await answered(
        gate, CHUNKED % KEY, *[b"1\r\n \r\n" * 20_000] * 3, chunked()[len(CHUNKED % b"") :]
    )


@pytest.mark.parametrize(("version", "status"), [(b"1.1", b" 400 "), (b"1.0", b" 200 ")])
async def test_a_request_without_a_host_is_an_old_ones(gate: Served, version: bytes, status: bytes) -> None:
    assert status in await answered(gate, b"GET /health HTTP/%s\r\n\r\n" % version)
