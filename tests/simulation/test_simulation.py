"""Seeds: every promise holds whatever goes wrong, and a seed always tells the same story."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from random import Random

import pytest

from tests.simulation.loop import Spinning, VirtualLoop
from tests.simulation.run import simulate
from tests.simulation.shrink import report

SEEDS = 200
SOAKED = 10_000
WHOSE_STORY = 42


def failing(seeds: range) -> list[str]:
    return [text for seed in seeds if (text := report(seed))]


@pytest.mark.timeout(600)
def test_two_hundred_seeds_keep_every_promise() -> None:
    began = time.perf_counter()
    wrong = failing(range(SEEDS))
    print(f"{SEEDS} seeds, {SEEDS / (time.perf_counter() - began):.1f} per second")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_ten_thousand_seeds_keep_every_promise() -> None:
    began = time.perf_counter()
    parts = [range(first, first + 250) for first in range(0, SOAKED, 250)]
    with ProcessPoolExecutor() as processes:
        wrong = [text for part in processes.map(failing, parts) for text in part]
    print(f"{SOAKED} seeds, {SOAKED / (time.perf_counter() - began):.1f} per second")
    assert not wrong, "\n\n".join(wrong[:10])


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    code = f"from tests.simulation.run import simulate; print(simulate({WHOSE_STORY}).digest)"
    told = set()
    for salt in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": salt}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told.add(run.stdout.strip())
    outcome = simulate(WHOSE_STORY)
    assert outcome.generations, "a seed in which nothing happens shows nothing"
    assert told == {outcome.digest}


def test_who_spins_while_no_time_passes_is_named() -> None:
    async def restless() -> None:
        while True:
            await asyncio.sleep(0)

    async def live() -> None:
        await asyncio.sleep(1.0)
        async with asyncio.timeout(1.0):
            await asyncio.create_task(restless(), name="the restless one")

    loop = VirtualLoop(Random(1))
    with pytest.raises(Spinning, match=r"at 1\.000 s: .*the restless one"):
        loop.run_until_complete(live())
    loop.run_until_complete(asyncio.wait([task for task in asyncio.all_tasks(loop) if task.cancel()]))
    loop.close()


def test_the_end_of_a_fault_is_met_whatever_its_sum() -> None:
    """Its process was halted until 63.123 s, and the clock stood a billionth before that for ever."""
    assert not simulate(55367).wrong


@pytest.mark.parametrize("seed", [63579, 62928])
def test_a_process_that_was_halted_while_google_named_a_chat_does_not_ask_twice(seed: int) -> None:
    """It noted nothing of what it heard as it woke, for its lease was over; of the other seed another had the task."""
    assert not simulate(seed).wrong
