"""Faults of plain answers: an answer goes in, what the client gets instead comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from gemgate_simulator.exchange import Break, Later, Response, Step, page
from gemgate_simulator.frames import PLAIN
from gemgate_simulator.pages import SIGN_IN, captcha
from gemgate_simulator.script import Fault
from gemgate_simulator.streaming import garbage, silence


def apply_fault(answer: Callable[[], Response], fault: Fault) -> Response:
    """What comes of `answer` under the fault. A refused request is not carried out; one whose answer is lost was."""
    match fault.kind:
        case "status":
            assert fault.status is not None
            return page(fault.status, f"<h1>Error {fault.status}</h1>")
        case "captcha":
            return captcha()
        case "garbage":
            return Response(200, (("content-type", "text/html; charset=utf-8"),), garbage(PLAIN))
        case "html":
            return page(200, f'<!doctype html><title>Google</title><a href="{SIGN_IN}">Sign in to continue</a>')
        case "expired":
            return page(403, "<title>Error 403 (Forbidden)!!1</title><p>That's an error. This link has expired.")
    response = answer()
    match fault.kind:
        case "slow_headers":
            response.delay = 30.0 if fault.seconds is None else fault.seconds
            return response
        case "close" | "stall" | "trickle" | "truncated" | "wrong_type" | "empty":
            body = response.body
            if isinstance(body, Later):
                return replace(response, body=Later(lambda: _bent(body.make(), fault)))
            return _bent(response, fault)
        case kind:
            return Response(body=Break(kind))


def _bent(response: Response, fault: Fault) -> Response:
    """The answer itself, spoilt."""
    body = response.body
    assert isinstance(body, bytes)
    match fault.kind:
        case "empty":
            return replace(response, status=200, body=b"")
        case "wrong_type":
            headers = [header for header in response.headers if header[0] != "content-type"]
            return replace(response, headers=(("content-type", "application/octet-stream"), *headers))
        case "truncated":
            return replace(response, body=_truncated(body), length=len(body))
        case kind:
            return replace(response, body=_BROKEN[kind](body, fault))


async def _truncated(body: bytes) -> AsyncGenerator[Step, None]:
    yield body[: len(body) // 2]
    yield Break.RESET_STREAM  # the neighbours on the connection are not meant


async def _close(body: bytes, fault: Fault) -> AsyncGenerator[Step, None]:
    yield body[: len(body) // 2]
    if fault.torn:
        yield Break.HANGUP


async def _stall(body: bytes, fault: Fault) -> AsyncGenerator[Step, None]:
    yield body[: len(body) // 2]
    await silence(fault.seconds)
    yield body[len(body) // 2 :]


async def _trickle(body: bytes, fault: Fault) -> AsyncGenerator[Step, None]:
    for place in range(len(body)):
        yield body[place : place + 1]
        await asyncio.sleep(fault.seconds or 1.0)


_BROKEN: dict[str, Callable[[bytes, Fault], AsyncGenerator[Step, None]]] = {
    "close": _close,
    "stall": _stall,
    "trickle": _trickle,
}
