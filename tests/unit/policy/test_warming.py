"""A new way out is not hurried, and an account keeps to its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.token_bucket import Bucket
from gemgate.policy.warming import WARM_SECONDS, burst_at, way_to_go

WAYS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


@given(st.floats(-1e6, 1e7), st.integers(1, 50), st.integers(1, 200))
def test_it_grows_from_the_first_burst_to_the_whole(age: float, first: int, full: int) -> None:
    now = burst_at(age, first=first, full=full)
    assert min(first, full) <= now <= full
    assert burst_at(age + 3600, first=first, full=full) >= now
    assert burst_at(WARM_SECONDS, first=first, full=full) == full


def test_a_bucket_of_a_new_way_out_holds_back_what_a_warm_one_lets_go() -> None:
    bucket = Bucket(10, 40)
    bucket.allow(burst_at(0.0, first=10, full=40))
    assert [bucket.reserve(0.0) for _ in range(11)] == [0.0] * 10 + [6.0]
    bucket.allow(40)
    assert bucket.wait(0.0) == 0.0  # what was borrowed counts on, and there is more to borrow


@given(WAYS, st.data())
def test_the_last_way_is_kept_as_long_as_it_can_be_used(ways: list[str], data: st.DataObject) -> None:
    usable = data.draw(st.lists(st.booleans(), min_size=len(ways), max_size=len(ways)))
    last = data.draw(st.sampled_from([*ways, "", "gone"]))
    chosen = way_to_go(ways, usable, last)
    good = [way for way, can in zip(ways, usable, strict=True) if can]
    assert chosen in ways
    if last in good:
        assert chosen == last
    elif good:
        assert chosen == good[0]
    elif last in ways:
        assert chosen == last
