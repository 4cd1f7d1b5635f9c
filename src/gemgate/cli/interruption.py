"""Ctrl-C where something has to be tidied up. Everywhere else it ends the process at once (`gemgate.__main__`)."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import typer

from gemgate.errors import GatewayError

T = TypeVar("T")

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""
PATIENT = 2
"""So often Ctrl-C cancels what runs: the work, and then its tidying up."""


@contextmanager
def _heard_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Who hears Ctrl-C as long as the block lasts; nobody where it was ignored before, or outside the main thread."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield
        return
    try:
        signal.signal(signal.SIGINT, handler)
    except ValueError:  # another thread has no say in it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """A block in which Ctrl-C is a KeyboardInterrupt: it asks a person, shows a bar, or waits for a program."""
    with _heard_by(signal.default_int_handler):
        yield


class Interruption:
    """Of asynchronous work: the first Ctrl-C cancels it, so that it tidies up; the second does not wait for all
    of that. One more, or the second when the work has ended, ends the process as Ctrl-C does elsewhere.
    """

    def __init__(self) -> None:
        self._times = 0
        self._work: asyncio.Task[Any] | None = None
        self._elsewhere = signal.getsignal(signal.SIGINT)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """As long as the block lasts, which ends the command with 130 when there was one, however the work took it."""
        try:
            with _heard_by(self._hear):
                yield
        except (asyncio.CancelledError, GatewayError, typer.Exit, typer.Abort):
            if not self._times:
                raise
        finally:
            logging.disable(logging.NOTSET)
        if self._times:
            raise typer.Exit(INTERRUPTED)

    async def cancels(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, as that which is cancelled."""
        self._work = asyncio.current_task()
        return await work

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._times += 1
        if self._times == PATIENT:
            logging.disable()  # what is cut off while it closes is no error
        if self._work is not None and not self._work.done() and self._times <= PATIENT:
            self._work.cancel()
            self._work.get_loop().call_soon_threadsafe(lambda: None)  # it may be waiting for its sockets
        elif (self._work is None or self._times > 1) and callable(self._elsewhere):
            self._elsewhere(number, frame)
