"""An event loop whose time is a number: nothing sleeps, and whose turn it is follows from the seed.

When nobody is ready the clock jumps to the next timer. Callbacks that are ready at one moment run in an order that the
dice decide, so that no outcome rests on which of two tasks was woken first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any


class Stuck(Exception):
    """Nothing is ready and nothing is due: whoever still waits would wait for ever."""


class Spinning(Exception):
    """Somebody is ready again and again while no time passes: in a real process it would take a whole core."""


TURNS = 100_000
"""Of the loop at one moment. The seeds of the suite take some hundreds at most."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`calm` is called at every moment at which nobody has anything to do, before time moves on."""

    _ready: deque[Any]

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._selector = self
        self._random = dice
        self._virtual = 0.0
        self._turns = 0
        self.moments = 0
        self.calm: Callable[[], None] = lambda: None
        self.trouble: list[str] = []
        """What nobody caught."""
        self.set_exception_handler(self._uncaught)

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> list[object]:
        """The selector's part: instead of waiting, let the time pass."""
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self.calm()
            self._virtual += timeout
            self._turns = 0
            self.moments += 1
        elif len(self._ready) > 1:
            turns = list(self._ready)
            self._random.shuffle(turns)
            self._ready.clear()
            self._ready.extend(turns)
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            ready = (getattr(handle._callback, "__self__", handle) for handle in self._ready)
            raise Spinning(f"at {self._virtual:.3f} s: {', '.join(map(str, ready))}")
        return []

    def _process_events(self, events: list[object]) -> None:
        return None

    def _write_to_self(self) -> None:
        return None

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Threads would bring an order of their own: what is meant for one is done at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            future.set_exception(error)
        return future

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.trouble.append(f"{context.get('message')}: {context.get('exception')!r}")
