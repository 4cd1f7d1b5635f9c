"""A caller who leaves, and answers that break off: the turn is stored or known to be lost, never asked for twice."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from gemgate.chat import TextDelta
from gemgate.errors import Broken, Stalled
from gemgate_simulator import Simulator
from tests.integration.upstream.conftest import FAR, SignIn, answered, joined, pieces, prompt
from tests.support.patience import AT_ONCE, until

WORDS = "one two three four five six seven eight nine ten"


async def left_after_a_word(upstream: Any, text: str) -> None:
    async with aclosing(upstream.stream(prompt(upstream, text))) as stream:
        async for piece in stream:
            if isinstance(piece, TextDelta):
                return


async def test_a_caller_who_leaves_stops_the_answer_and_what_was_said_is_stored(
    sim: Simulator, signed_in: SignIn
) -> None:
    upstream = await signed_in(sim)
    sim.google.reply("count", WORDS, chars=4, pace=0.1)
    await left_after_a_word(upstream, "count")
    await until(lambda: not sim.record.open_streams)
    (call,) = sim.record.calls
    assert (sim.record.requests_of("NkpXw"), call.outcome) == (1, "complete")
    found = await upstream.read_chat(call.cid)
    assert found is not None
    text = answered(found).text
    assert text
    assert WORDS.startswith(text)
    assert text != WORDS
    assert sim.record.generations == 1
    assert not sim.record.violations


async def test_a_bare_close_loses_the_turn(sim2: Simulator, signed_in: SignIn) -> None:
    """What the service does to those who just hang up: here as the upstream is closed under its stream."""
    upstream = await signed_in(sim2)
    other = await signed_in(sim2)
    sim2.google.reply("count", WORDS, chars=4, pace=0.1)
    task = asyncio.create_task(pieces(upstream, "count"))
    await until(lambda: sim2.record.calls and sim2.record.calls[0].frames > 2)
    await upstream.close()
    task.cancel()
    await until(lambda: not sim2.record.open_streams)
    assert not await other.has_chat(sim2.record.calls[0].cid)


@pytest.mark.parametrize("late", [0.0, 1.5])
async def test_an_answer_whose_connection_broke_is_read_back_when_it_is_stored_late(
    sim2: Simulator, signed_in: SignIn, late: float
) -> None:
    sim2.google.world.switches.stored_after = late
    upstream = await signed_in(sim2)
    sim2.google.reply("count", WORDS, chars=4)
    sim2.google.fault("generate", "reset", after_frames=3)
    assert joined(await pieces(upstream, "count")) == WORDS
    assert (sim2.record.generations, sim2.record.requests_of("hNvQHb") > 1) == (1, late > 0)


async def test_a_turn_that_is_not_stored_is_given_up_soon(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2)
    sim2.google.reply("count", WORDS, chars=4)
    sim2.google.fault("generate", "reset", after_frames=3, finished=False)
    sim2.google.world.switches.early_end = "discards"
    with pytest.raises(Broken):
        async with asyncio.timeout(AT_ONCE):
            await pieces(upstream, "count")
    assert sim2.record.generations == 1


async def test_a_silence_that_is_too_long_is_left_open_so_that_the_turn_is_stored(
    sim2: Simulator, signed_in: SignIn
) -> None:
    upstream = await signed_in(sim2, deadlines=replace(FAR, idle=1.0))
    sim2.google.reply("count", WORDS, chars=4)
    sim2.google.fault("generate", "stall", after_frames=3, seconds=3.0)
    assert joined(await pieces(upstream, "count")) == WORDS
    assert sim2.record.generations == 1
    assert sim2.record.requests_of("NkpXw") == 0


async def test_a_silence_without_end_is_an_error(sim2: Simulator, signed_in: SignIn) -> None:
    upstream = await signed_in(sim2, deadlines=replace(FAR, idle=0.5, total=3))
    sim2.google.reply("count", WORDS, chars=4)
    sim2.google.fault("generate", "stall", after_frames=3)
    with pytest.raises(Stalled):
        await pieces(upstream, "count")
    assert sim2.record.generations == 1
