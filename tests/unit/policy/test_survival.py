"""Kaplan and Meier's curve against the textbook, and what must hold of every curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.session_forecast import score
from gemgate.policy.survival import Curve, kaplan_meier, left
from gemgate.ports.accounts import SessionRecord

REMISSIONS = [(6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0),
              (19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]  # fmt: skip
"""Weeks of remission under 6-mercaptopurine, 0 = censored: the leukaemia trial that textbooks compute by hand."""
TEXTBOOK = [
    (6, 21, 3, 0.8571, 0.0764, 0.6197, 0.9516),
    (7, 17, 1, 0.8067, 0.0869, 0.5631, 0.9228),
    (10, 15, 1, 0.7529, 0.0963, 0.5032, 0.8894),
    (13, 12, 1, 0.6902, 0.1068, 0.4316, 0.8491),
    (16, 11, 1, 0.6275, 0.1141, 0.3675, 0.8049),
    (22, 7, 1, 0.5378, 0.1282, 0.2678, 0.7468),
    (23, 6, 1, 0.4482, 0.1346, 0.1881, 0.6801),
]
"""Age, at risk, deaths, share alive, Greenwood's standard error, log-log 95 % interval."""
SPANS = st.lists(st.tuples(st.floats(0.001, 1e7), st.booleans()), max_size=60)


def test_the_textbook_curve_with_its_errors_and_intervals() -> None:
    curve = kaplan_meier((float(weeks), bool(died)) for weeks, died in REMISSIONS)
    assert (curve.n, curve.deaths, curve.seen, curve.median) == (21, 9, 35.0, 23.0)
    assert len(curve.steps) == len(TEXTBOOK)
    for step, (age, at_risk, deaths, *shares) in zip(curve.steps, TEXTBOOK, strict=True):
        assert (step.age, step.at_risk, step.deaths) == (age, at_risk, deaths)
        assert [step.alive, step.error, step.low, step.high] == pytest.approx(shares, abs=6e-5)
    assert curve.median_interval == (13.0, None)


def test_without_censoring_it_is_the_share_that_lives_and_its_binomial_error() -> None:
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    curve = kaplan_meier((float(weeks), True) for weeks in placebo)
    assert curve.median == 8.0
    for step in curve.steps:
        share = sum(weeks > step.age for weeks in placebo) / 21
        assert step.alive == pytest.approx(share)
        assert step.error == pytest.approx(math.sqrt(share * (1 - share) / 21))


@given(SPANS)
def test_every_curve_falls_and_stays_within_its_interval(spans: list[tuple[float, bool]]) -> None:
    curve = kaplan_meier(spans)
    assert curve.n == len(spans)
    assert sum(step.deaths for step in curve.steps) == curve.deaths == sum(died for _, died in spans)
    before = 1.0
    for step in curve.steps:
        assert 0.0 <= step.alive < before
        assert -1e-9 <= step.low <= step.alive + 1e-9
        assert step.alive - 1e-9 <= step.high <= 1.0
        before = step.alive
    for age in (0.0, 1.0, 1e8):
        at_most = [step.alive for step in curve.steps if step.age <= age]
        assert curve.alive(age) == (at_most[-1] if at_most else 1.0)


@given(SPANS)
def test_one_more_that_lives_long_never_brings_the_end_nearer(spans: list[tuple[float, bool]]) -> None:
    curve, longer = kaplan_meier(spans), kaplan_meier([*spans, (2e7, False)])
    assert longer.quantile(0.5) is None or longer.quantile(0.5) >= (curve.quantile(0.5) or 0)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60), st.integers(1, 40))
def test_what_is_left_is_the_curve_given_that_age(spans: list[tuple[int, bool]], age: int) -> None:
    rest: Curve = left(spans, age)
    whole = kaplan_meier(spans)
    assert rest.n == sum(seconds > age for seconds, _ in spans)
    for step in rest.steps:
        assert step.alive == pytest.approx(whole.alive(step.age + age) / whole.alive(age))


def _lives(*hours: float, every: float = 30.0) -> list[SessionRecord]:
    return [
        SessionRecord("a", n * every * 3600, n * every * 3600, (n * every + length) * 3600, died=True)
        for n, length in enumerate(hours)
    ]


def test_forecasts_of_what_always_comes_alike_score_well_and_of_noise_do_not() -> None:
    steady = score(_lives(*[16.0] * 12), horizon=6 * 3600, now=1e7)
    noisy = score(_lives(*[2.0, 28.0, 5.0, 25.0, 1.0, 29.0, 3.0, 27.0, 8.0, 22.0] * 2), horizon=6 * 3600, now=1e7)
    assert steady is not None
    assert noisy is not None
    assert steady.brier < 0.01 < noisy.brier
    assert steady.base > 0.05  # there was something to know


def test_a_forecast_is_judged_by_what_was_known_at_its_time() -> None:
    """Lives of the future say nothing: with three before it only the fourth can be asked about."""
    assert score(_lives(20.0, 20.0, 20.0), horizon=3600, now=1e7) is None
    assert score(_lives(20.0, 20.0, 20.0, 20.0), horizon=20 * 3600, now=1e7) is not None


def test_what_was_replaced_in_its_horizon_is_not_judged() -> None:
    lives = [*_lives(*[20.0] * 5), SessionRecord("a", 6e6, 6e6, 6e6 + 60, died=False)]
    asked = score(lives, horizon=6 * 3600, now=1e7)
    without = score(lives[:5], horizon=6 * 3600, now=1e7)
    assert asked == without
