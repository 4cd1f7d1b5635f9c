"""An answer's head and its body leave in one piece, in order, and none is held for longer than a turn of the loop."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gemgate.web.joined_writes import MOST_HELD, JoinedWrites


class Wire(asyncio.Transport):
    """A transport that keeps the pieces in which it got its bytes."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5)})
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.pieces.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_head_and_body_go_out_together_after_the_turn() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)
    joined.write(b"head ")
    joined.write(b"")
    joined.write(b"body")
    assert wire.pieces == []
    await asyncio.sleep(0)
    assert wire.pieces == [b"head body"]
    joined.write(b"more")
    await asyncio.sleep(0)
    assert wire.pieces == [b"head body", b"more"]


async def test_closing_writes_first_and_what_is_no_write_is_the_transports() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)
    joined.write(b"last words")
    assert not joined.is_closing()
    joined.close()
    assert (wire.pieces, wire.closed, joined.is_closing()) == ([b"last words"], True, True)
    assert joined.get_extra_info("peername") == ("127.0.0.1", 5)
    await asyncio.sleep(0)
    assert wire.pieces == [b"last words"]


@given(st.lists(st.integers(0, 2 * MOST_HELD), max_size=12))
def test_bytes_keep_their_order_and_never_more_than_a_bound_of_them_waits(sizes: list[int]) -> None:
    async def written() -> None:
        wire = Wire()
        joined = JoinedWrites(cast("Any", wire))
        sent = b""
        for number, size in enumerate(sizes):
            data = bytes([number]) * size
            sent += data
            joined.write(data)
            assert len(sent) - sum(map(len, wire.pieces)) <= MOST_HELD
        await asyncio.sleep(0)
        assert b"".join(wire.pieces) == sent

    asyncio.run(written())
