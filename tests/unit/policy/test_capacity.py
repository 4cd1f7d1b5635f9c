"""Forecasts: what bounds them, what they do not know, and that they cost little."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.capacity import HORIZON, Budget, Capacity, Forecast, Source, forecast

NOW = 1_790_000_000.0


def of(*sources: Source, count: int = 100, seconds: float | None = 30.0, **more: object) -> Forecast:
    return forecast(Capacity(sources, seconds, **more), count, NOW)  # type: ignore[arg-type]


def test_lanes_bound_what_nothing_else_does() -> None:
    found = of(Source("a", 2), Source("b", 3))
    assert (found.ready_at, found.bound, found.unknown) == (NOW + 600, "concurrency", ())
    assert of(Source("a", 5), count=2).ready_at == NOW + 30, "one call is the least"
    assert of(Source("a", 5), lanes=1).ready_at == NOW + 3000
    assert of(Source("a", 5), count=0).ready_at == NOW


def test_the_pace_of_accounts_and_of_ways_out_bounds() -> None:
    assert of(Source("a", 50, per_minute=10)).ready_at == pytest.approx(NOW + 600)
    shared = of(Source("a", 50, "direct"), Source("b", 50, "direct"), paces={"direct": 10.0})
    assert (shared.ready_at, shared.bound) == (pytest.approx(NOW + 600), "pace")
    apart = of(Source("a", 50, "one"), Source("b", 50, "two"), paces={"one": 10.0, "two": 10.0})
    assert apart.ready_at == pytest.approx(NOW + 300)


def test_a_window_is_waited_for_and_named() -> None:
    window = Budget("5h", 40, 200, NOW + 7200, 5 * 3600)
    found = of(Source("a", 2, budgets=(window,)))
    assert found.ready_at == pytest.approx(NOW + 7200 + 60 * 15)
    assert (found.bound, found.window) == ("window", "5h")
    assert found.done_by(NOW + 300) == 20
    assert found.done_by(NOW + 7000) == 40
    assert found.done_by(NOW + 9e9) == 100
    assert found.done_by(NOW - 5) == 0


def test_a_rest_bounds_and_an_account_that_works_meanwhile_does_its_share() -> None:
    assert of(Source("a", 2, rests_until=NOW + 3600)).bound == "rest"
    both = of(Source("a", 2, rests_until=NOW + 300), Source("b", 2))
    assert both.ready_at == pytest.approx(NOW + 300 + 80 * 30 / 4)


def test_what_is_not_known_is_said() -> None:
    assert of(count=5) == Forecast(5, None, "no_account")
    unmeasured = of(Source("a", 1), seconds=None)
    assert (unmeasured.ready_at, unmeasured.unknown, unmeasured.done_by(NOW + 9e9)) == (None, ("seconds",), None)
    assert of(Source("a", 2), unknown=["cost", "cost"]).unknown == ("cost",)
    once = of(Source("a", 2, budgets=(Budget("action 6", 10, 25, NOW + 3600, None),)))
    assert (once.ready_at, once.unknown, once.beyond) == (None, ("refill",), False)
    far = of(Source("a", 1, budgets=(Budget("5h", 0, 1, NOW + 3600, 5 * 3600),)), count=10_000)
    assert (far.ready_at, far.beyond, far.bound) == (None, True, "window")


budgets = st.builds(
    Budget,
    st.sampled_from(["5h", "weekly", "action 6"]),
    st.floats(0, 500),
    st.floats(1, 500),
    st.one_of(st.none(), st.floats(NOW - 10, NOW + 500_000)),
    st.one_of(st.none(), st.floats(3600, 604_800)),
    st.floats(0, 0.01),
)
sources = st.builds(
    Source,
    st.just("a"),
    st.integers(1, 8),
    st.sampled_from(["", "one"]),
    st.sampled_from([0.0, 5.0, 60.0]),
    st.floats(0, NOW + 100_000),
    st.lists(budgets, max_size=3).map(tuple),
)


@given(st.lists(sources, min_size=1, max_size=5), st.integers(1, 2000), st.floats(1, 300))
def test_a_forecast_never_goes_back_and_more_work_is_never_done_sooner(
    there: list[Source], count: int, seconds: float
) -> None:
    capacity = Capacity(there, seconds, paces={"one": 10.0})
    less, more = forecast(capacity, count, NOW), forecast(capacity, count + 10, NOW)
    moments, done = [at for at, _ in less.curve], [made for _, made in less.curve]
    assert moments == sorted(moments)
    assert done == sorted(done)
    assert less.ready_at is None or NOW + seconds - 1e-3 <= less.ready_at <= NOW + HORIZON + seconds + 1
    if less.ready_at is not None and more.ready_at is not None:
        assert more.ready_at >= less.ready_at - 1e-3
    assert (less.ready_at is None) >= (less.beyond or "refill" in less.unknown)


def test_a_forecast_of_many_accounts_costs_little() -> None:
    there = [
        Source(
            f"a{n}",
            2,
            budgets=(Budget("5h", n, 40, NOW + 60 * n + 1, 18_000), Budget("weekly", 500, 2000, NOW + 9e4, 6e5)),
        )
        for n in range(20)
    ]
    began = time.process_time()
    forecast(Capacity(there, 60.0), 1_000_000, NOW)
    assert time.process_time() - began < 1.5
