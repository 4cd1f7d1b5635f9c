from __future__ import annotations

import pytest

from gemgate_simulator.google import Google
from tests.support.handmade_calls import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(clock: Clock) -> Google:
    return Google(("alice", "bob"), clock=clock)
