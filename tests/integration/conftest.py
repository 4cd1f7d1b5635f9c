"""A simulated Google with one account, a gateway before it and a session with the gateway, for whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import IMPATIENT, NO_LIMITS, Served, served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path)) as running:
        yield running


@pytest.fixture
async def http(gate: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(gate.url) as session:
        yield session


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways give Google up soon: for tests in which it falls silent."""
    for name, seconds in IMPATIENT.items():
        monkeypatch.setitem(NO_LIMITS, name, seconds)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookups wait as long as a stalled disk may take: what is given up after two seconds is another conversation."""
    monkeypatch.setattr("gemgate.gateway.conversations.STORE_TIMEOUT", 30)
    monkeypatch.setattr("gemgate.web.stored_answers.STORE_TIMEOUT", 30)
