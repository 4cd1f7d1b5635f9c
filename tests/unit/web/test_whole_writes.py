"""A head and the first of its body are one write; a head that waits for its body is not kept back."""

from __future__ import annotations

import asyncio
from typing import Any

from gemgate.web.whole_writes import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")  # as uvloop says
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


def way() -> tuple[HeadWithBody, Wire]:
    wire: Any = Wire()
    return HeadWithBody(wire), wire


async def test_a_head_and_its_body_are_one_write() -> None:
    answer, wire = way()
    answer.write(HEAD)
    answer.write(b"body")
    answer.write(b"more")
    await asyncio.sleep(0)
    assert wire.written == [HEAD + b"body", b"more"]


async def test_a_head_whose_body_is_late_goes_alone() -> None:
    answer, wire = way()
    answer.write(HEAD)
    await asyncio.sleep(0)
    assert wire.written == [HEAD]
    answer.write(b"body")
    assert wire.written == [HEAD, b"body"]


async def test_a_body_without_anything_takes_the_head_along() -> None:
    answer, wire = way()
    answer.write(HEAD)
    answer.write(b"")
    assert wire.written == [HEAD]


async def test_a_head_goes_before_the_connection_is_closed() -> None:
    answer, wire = way()
    answer.write(HEAD)
    answer.close()
    assert (wire.written, wire.closed) == ([HEAD], True)


async def test_what_is_no_answer_yet_waits_for_nothing() -> None:
    answer, wire = way()
    answer.write(CONTINUE)
    assert wire.written == [CONTINUE]
    answer.write(HEAD)
    answer.write(b"body")
    assert wire.written == [CONTINUE, HEAD + b"body"]


async def test_nothing_is_told_to_who_has_left() -> None:
    answer, wire = way()
    answer.write(HEAD)
    wire.closed = True
    await asyncio.sleep(0)
    answer.write(b"body")
    assert wire.written == []
