"""Time, randomness and telemetry, handed in so that tests can turn them."""

from __future__ import annotations

from collections.abc import Callable
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
    """Something that happened to a request or an account; observers count, log and keep it.

    name:  dotted, e.g. "request.done", "attempt.failed", "account.state"; data: plain values, never a secret.
    """

    name: str
    request_id: str = ""
    data: dict[str, str | int | float | bool | None] = field(default_factory=dict)


class Observer(Protocol):
    def emit(self, fact: TelemetryEvent) -> None: ...


Random = Callable[[], float]
"""A random number in [0, 1)."""
