"""What goes ahead of an answer, and what becomes of the answer then."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from gemgate.web import keepalive
from gemgate.web.keepalive import KeepAlive, with_status


class Wire:
    """What the client reads; nothing is written while `free` is clear."""

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.body = b""
        self.ended = False
        self.free = asyncio.Event()
        self.free.set()

    async def send(self, message: Any) -> None:
        await self.free.wait()
        if message["type"] == "http.response.start":
            self.heads.append(message["status"])
        else:
            self.body += message["body"]
            self.ended = not message.get("more_body")


async def answer(answering: KeepAlive, status: int, *pieces: bytes) -> None:
    await answering.send({"type": "http.response.start", "status": status, "headers": []})
    for piece in pieces:
        await answering.send({"type": "http.response.body", "body": piece, "more_body": True})
    await answering.send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepalive, "BLANK_SECONDS", 0.01)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What goes, goes by itself."""
    gc.disable()
    yield
    gc.enable()


async def test_nothing_goes_ahead_of_what_is_quick_never_begun_or_never_kept_waiting() -> None:
    for seconds, begins in ((5.0, True), (0.001, False), (0.0, True)):
        wire = Wire()
        answering = KeepAlive(wire.send, seconds, lambda: pytest.fail("it goes ahead"))
        if begins:
            answering.begin()
        if seconds < 1:
            await asyncio.sleep(0.05)
        await answer(answering, 404, b"{}")
        assert (wire.heads, wire.body, wire.ended) == ([404], b"{}", True)


async def test_blanks_come_until_the_answer_and_never_inside_it() -> None:
    wire = Wire()
    told: list[str] = []
    answering = KeepAlive(wire.send, 0.001, lambda: told.append("opened"))
    answering.begin()
    answering.begin()
    while len(wire.body) < 4:
        await asyncio.sleep(0)
    await answering.send({"type": "http.response.start", "status": 200, "headers": []})
    blanks = len(wire.body)
    await answering.send({"type": "http.response.body", "body": b'{"a":', "more_body": True})
    await asyncio.sleep(0.05)
    await answering.send({"type": "http.response.body", "body": b"1}", "more_body": False})
    assert wire.heads == [200]
    assert wire.body == b" " * blanks + b'{"a":1}'
    assert told == ["opened"]
    assert (answering.opened, answering.status) == (True, 200)


async def test_an_answer_that_comes_while_the_head_is_being_written_waits_for_it() -> None:
    wire = Wire()
    wire.free.clear()
    answering = KeepAlive(wire.send, 0.001, lambda: None)
    answering.begin()
    while not answering.opened:
        await asyncio.sleep(0.001)
    answered = asyncio.ensure_future(answer(answering, 502, b'{"error":', b'{"code":"x"}}'))
    await asyncio.sleep(0.02)
    assert not answering.begun
    wire.free.set()
    await answered
    assert wire.heads == [200]
    assert json.loads(wire.body) == {"error": {"code": "x", "status": 502}}
    assert wire.ended


async def test_when_the_request_is_over_nothing_goes_out() -> None:
    wire = Wire()
    answering = KeepAlive(wire.send, 0.001, lambda: None)
    answering.begin()
    answering.close()
    await asyncio.sleep(0.03)
    await answer(answering, 499)
    assert (wire.heads, wire.body) == ([], b"")


@pytest.mark.parametrize("waits", [False, True], ids=["between two blanks", "while it is written"])
async def test_when_the_request_is_over_nothing_is_held(waits: bool, uncollected: None) -> None:
    wire = Wire()
    answering = KeepAlive(wire.send, 0.001, lambda: None)
    answering.begin()
    if waits:
        wire.free.clear()
    while not answering.opened or not (waits or wire.body):
        await asyncio.sleep(0.001)
    answering.close()
    await asyncio.sleep(0.01)
    held = weakref.ref(answering)
    del answering
    assert held() is None


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ({"error": {"message": "m", "code": None}}, {"error": {"message": "m", "code": None, "status": 503}}),
        ({"error": {"code": 503, "status": "UNAVAILABLE"}}, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
        ({"detail": "m", "code": "busy"}, {"detail": "m", "code": "busy", "status": 503}),
    ],
)
def test_the_status_stands_where_the_dialect_has_its_error(told: Any, meant: Any) -> None:
    assert json.loads(with_status(json.dumps(told).encode(), 503)) == meant


@pytest.mark.parametrize("body", [b"", b"<html>504</html>", b"[1]", b'"x"'])
def test_what_is_no_object_becomes_one(body: bytes) -> None:
    assert json.loads(with_status(body, 504))["error"] == {"message": "HTTP 504", "status": 504}
