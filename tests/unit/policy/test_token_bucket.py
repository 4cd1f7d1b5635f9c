"""One way out: a burst, then evenly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.token_bucket import Bucket


def test_a_rested_address_hurries_and_then_slows_down() -> None:
    bucket = Bucket(10, 4)
    assert [bucket.reserve(100.0) for _ in range(6)] == pytest.approx([0, 0, 0, 0, 6, 12])
    assert bucket.reserve(100.0 + 18) == pytest.approx(0)
    assert bucket.reserve(10_000.0) == 0.0  # what was not used does not add up beyond the burst
    assert [bucket.reserve(10_000.0) for _ in range(4)] == pytest.approx([0, 0, 0, 6])


def test_what_was_not_used_is_given_back() -> None:
    bucket = Bucket(10, 1)
    assert bucket.reserve(0.0) == 0.0
    assert bucket.reserve(0.0) == pytest.approx(6)
    bucket.cancel()
    assert bucket.reserve(0.0) == pytest.approx(6)


def test_without_a_rate_nobody_waits() -> None:
    bucket = Bucket()
    assert [bucket.reserve(0.0) for _ in range(1000)] == [0.0] * 1000


@given(st.integers(1, 60), st.integers(1, 30), st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_no_window_holds_more_than_the_burst_and_the_rate(rate: int, burst: int, gaps: list[float]) -> None:
    bucket, now, starts = Bucket(rate, burst), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + bucket.reserve(now))
    for first, begin in enumerate(starts):
        for count, end in enumerate(starts[first:], 1):
            assert count <= burst + (end - begin) * rate / 60 + 1e-6
