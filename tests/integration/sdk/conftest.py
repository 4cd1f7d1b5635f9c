"""A gateway over one simulated account for every judge; what it did is checked when the judge is done."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from gemgate_simulator import Simulator


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "PNG")
    return file.getvalue()
