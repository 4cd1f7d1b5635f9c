"""Forecasts of a session's death: right where the past tells, silent where it does not."""

from __future__ import annotations

import math
import random

import pytest

from gemgate.policy.session_forecast import Forecast, forecast
from gemgate.ports.accounts import SessionRecord

NOW = 1_000_000.0
HOUR = 3600.0


def died(age: float, silence: float = 60.0) -> SessionRecord:
    """A session that died at `age`, `silence` seconds after its last renewal."""
    return SessionRecord("alice", NOW - 5e5, NOW - 5e5 + age - silence, NOW - 5e5 + age, died=True)


def replaced(age: float) -> SessionRecord:
    return SessionRecord("alice", NOW - 5e5, NOW - 5e5 + age, NOW - 5e5 + age, died=False)


def alive(age: float) -> SessionRecord:
    return SessionRecord("bob", NOW - age, NOW - 10)


def ask(lives: list[SessionRecord], *, age: float, silence: float = 60.0) -> Forecast | None:
    return forecast(lives, began_at=NOW - age, renewed_at=NOW - silence, now=NOW, overdue_after=1200)


@pytest.mark.parametrize("lives", [[], [died(HOUR)], [died(HOUR), died(HOUR), replaced(9 * HOUR), alive(9 * HOUR)]])
def test_a_few_deaths_tell_nothing(lives: list[SessionRecord]) -> None:
    assert ask(lives, age=60) is None


def test_sessions_that_always_live_two_hours_leave_what_is_left_of_them() -> None:
    lives = [died(2 * HOUR + jitter) for jitter in (-60, -30, 0, 30, 60)]
    for age in (0.0, 600.0, 1.9 * HOUR):
        found = ask(lives, age=age)
        assert found is not None
        assert found.seconds == pytest.approx(2 * HOUR - age)
        assert found.deaths == 5


def test_a_session_that_outlived_all_others_gets_no_forecast() -> None:
    assert ask([died(HOUR)] * 5, age=HOUR + 1) is None


def test_only_sessions_that_got_as_old_count() -> None:
    """Many die young; one that did not is measured by its peers."""
    lives = [died(600.0)] * 20 + [died(10 * HOUR)] * 5
    assert (found := ask(lives, age=60)) is not None
    assert found.seconds == pytest.approx(540)
    assert (found := ask(lives, age=HOUR)) is not None
    assert found.seconds == pytest.approx(9 * HOUR)


def test_sessions_that_did_not_die_count_as_long_as_they_were_seen() -> None:
    """Forgetting them would make every account look doomed."""
    deaths = [died(HOUR), died(2 * HOUR), died(3 * HOUR)]
    assert (found := ask(deaths, age=0)) is not None
    assert found.seconds == pytest.approx(2 * HOUR)
    assert (found := ask([*deaths, replaced(150 * HOUR), alive(100 * HOUR)], age=0)) is not None
    assert found.seconds == pytest.approx(3 * HOUR)
    assert ask([*deaths, *[alive(100 * HOUR)] * 4], age=0) is None
    assert (found := ask([*deaths, *[replaced(30.0)] * 9], age=60)) is not None
    assert found.seconds == pytest.approx(2 * HOUR - 60)


def test_a_missing_renewal_brings_the_end_near() -> None:
    """Sessions last for days while they are renewed, and half an hour without."""
    lives = [died(100 * HOUR + number, silence=1800) for number in range(5)]
    assert (found := ask(lives, age=HOUR, silence=600)) is not None
    assert found.seconds == pytest.approx(99 * HOUR, rel=1e-3)
    assert (found := ask(lives, age=HOUR, silence=1500)) is not None
    assert found.seconds == pytest.approx(300)


def test_the_present_session_is_no_evidence_about_itself() -> None:
    lives = [died(HOUR), died(HOUR), died(HOUR)]
    now = SessionRecord("alice", NOW - 60, NOW - 60)
    assert ask([*lives, now], age=60) == ask(lives, age=60)


def test_the_forecast_is_right_half_of_the_time() -> None:
    """Lives drawn from one distribution, asked at ages that do not depend on them: half end before their forecast."""
    dice = random.Random(7)
    spans = [HOUR * math.exp(dice.gauss(2, 0.5)) for _ in range(400)]
    lives, test = [died(span) for span in spans[:200]], spans[200:]
    early = asked = 0
    for span in test:
        age = 10 * HOUR * dice.random()
        if age < span and (found := ask(lives, age=age)) is not None:
            asked += 1
            early += span - age < found.seconds
    assert asked > 100
    assert 0.35 < early / asked < 0.65


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (10, "1 minute", "1 分钟"),
        (40 * 60, "40 minutes", "40 分钟"),
        (119 * 60, "119 minutes", "119 分钟"),
        (5 * HOUR, "5 hours", "5 小时"),
        (50 * HOUR, "2 days", "2 天"),
    ],
)
def test_it_is_said_in_round_words(seconds: float, en: str, zh: str) -> None:
    assert Forecast(seconds, 3).en == f"likely dies in about {en}"
    assert Forecast(seconds, 3).zh == f"预计约 {zh}后失效"
