"""Faults of plain answers: an answer goes in, what the client gets instead comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from gemgate.simulator.exchange import Break, Response, Step, page
from gemgate.simulator.frames import PLAIN
from gemgate.simulator.pages import captcha
from gemgate.simulator.script import Fault
from gemgate.simulator.streaming import garbage, silence


def spoil(answer: Callable[[], Response], fault: Fault) -> Response:
    """What comes of `answer` under the fault. A refused request is not carried out; one whose answer is lost was."""
    match fault.kind:
        case "status":
            assert fault.status is not None
            return page(fault.status, f"<h1>Error {fault.status}</h1>")
        case "captcha":
            return captcha()
        case "garbage":
            return Response(200, (("content-type", "text/html; charset=utf-8"),), garbage(PLAIN))
    response = answer()
    match fault.kind:
        case "empty":
            return Response(200, response.headers, b"")
        case "slow_headers":
            response.delay = 30.0 if fault.seconds is None else fault.seconds
            return response
        case "close" | "stall" | "trickle":
            body = response.body
            assert isinstance(body, bytes)
            return Response(response.status, response.headers, _BROKEN[fault.kind](body, fault))
        case kind:
            return Response(body=Break(kind))


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
