"""Time, randomness and telemetry, handed in so that tests can turn them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

from gemgate.frozen import frozen


class Clock(Protocol):
    """Time as a collaborator, so that tests can turn it."""

    def now(self) -> float:
        """Epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds for measuring spans."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@frozen
class TelemetryEvent:
    """Something that happened to a request or an account; observers count, log and keep it, and change nothing in it.

    name:  dotted, e.g. "request.done", "attempt.failed", "account.state"; data: plain values, never a secret.
    """

    name: str
    request_id: str = ""
    data: dict[str, str | int | float | bool | None] = field(default_factory=dict)


class Observer(Protocol):
    """Whom facts are told."""

    def emit(self, fact: TelemetryEvent) -> None: ...


Listener = Callable[[TelemetryEvent], None]
"""Hears a fact."""
EVERY = "*"
"""Stands for the names of all facts that a table of listeners does not have."""


class Listening(Protocol):
    """Who hears facts, and which: the names of those, and under each its listener. Facts that it does not name cost it
    nothing.
    """

    @property
    def listeners(self) -> Mapping[str, Listener]: ...


Random = Callable[[], float]
"""A random number in [0, 1)."""
