"""Ctrl-C while a command's work runs: cancelled, then not waited for, then not asked any more."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gemgate.cli.interruption import interruptible
from gemgate.cli.terminal import run
from gemgate.errors import GatewayError

LONG = 60.0


@pytest.fixture
def elsewhere() -> Iterator[list[int]]:
    """How often Ctrl-C has reached who hears it outside of `run`."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGINT, before)


def ended_by(work: Any) -> int:
    with pytest.raises(typer.Exit) as ended:
        run(work)
    return ended.value.exit_code


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_work_is_cancelled_and_tidies_up(elsewhere: list[int]) -> None:
    tidied = []

    async def work() -> None:
        try:
            press()
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    assert ended_by(work()) == 130
    assert (tidied, elsewhere) == ([True], [])
    press()
    assert elsewhere == [signal.SIGINT], "afterwards it is heard as before"


def test_work_that_takes_no_notice_has_been_interrupted_all_the_same() -> None:
    async def work() -> str:
        press()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return "done"
        return "slept"

    assert ended_by(work()) == 130


def test_what_fails_because_of_it_is_not_told(capfd: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        press()
        try:
            await asyncio.sleep(LONG)
        finally:
            raise GatewayError("it was cut off", "中断")

    assert ended_by(work()) == 130
    assert capfd.readouterr() == ("", "")


def test_the_second_does_not_wait_for_the_tidying_and_the_third_for_nothing(elsewhere: list[int]) -> None:
    heard = []

    async def work() -> None:
        try:
            press()
            await asyncio.sleep(LONG)
        finally:
            try:
                press()
                await asyncio.sleep(LONG)
            finally:
                heard.append(len(elsewhere))
                press()
                heard.append(len(elsewhere))

    assert ended_by(work()) == 130
    assert heard == [0, 1]


def test_who_ignores_it_goes_on_ignoring_it() -> None:
    async def work() -> str:
        press()
        await asyncio.sleep(0)
        return "done"

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run(work()) == "done"
        with interruptible():
            press()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_question_that_blocks_the_work_is_left_at_once(elsewhere: list[int]) -> None:
    async def work() -> None:
        with interruptible():
            press()
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert elsewhere == []
