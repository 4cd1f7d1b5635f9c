"""A gateway over one simulated account for every judge; what it did is checked when the judge is done."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from gemgate.simulator import Simulator
from tests.serving import Served, served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path)) as running:
        yield running


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "PNG")
    return file.getvalue()
