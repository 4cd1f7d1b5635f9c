from __future__ import annotations

import pytest

from gemgate_simulator.google import Google


class Clock:
    """Epoch seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(clock: Clock) -> Google:
    return Google(("alice", "bob"), clock=clock)
