"""Twenty accounts that die at random: no call fails, no word is false, and foreseeable deaths are told of in time."""

from __future__ import annotations

import statistics

import pytest

from tests.simulation.lives import MIX, Report, World


def _check(world: World, report: Report, *, within: float) -> None:
    assert report.wrong_words == []
    assert report.failed == 0
    assert report.calls > 400
    assert report.deaths >= 15
    assert report.warned >= 0.9 * report.deaths, (report.warned, report.deaths)
    assert {"expired", "device_bound"} <= set(report.reasons)
    off = {}
    for name, said in report.medians.items():
        kind = world.kinds[name]
        lately = said[-max(1, len(said) // 4) :]
        if kind.foreseeable and len(said) >= 4:
            off[name] = statistics.median(lately) / kind.usual - 1
    assert off
    assert statistics.median(abs(part) for part in off.values()) < within, off


async def test_a_few_days_of_twenty_accounts() -> None:
    world = World(11, tick=600.0)
    _check(world, await world.run(3), within=0.2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_thirty_days_of_twenty_accounts(seed: int) -> None:
    assert len(MIX) == 20
    world = World(seed)
    _check(world, await world.run(30), within=0.2)
