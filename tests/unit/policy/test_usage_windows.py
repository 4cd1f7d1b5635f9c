"""Which of Google's windows binds, what a call takes of one, and what is kept for people who wait."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.accounts import UsageReport, UsageWindow
from gemgate.policy.usage_windows import binding, costs, live, reserved
from gemgate.pool.usage import AccountUsage
from gemgate.ports.usage_windows import UsageReading

NOW = 1_790_000_000.0
FIVE = UsageWindow("5h", 0.5, NOW + 3600)
WEEK = UsageWindow("weekly", 0.8, NOW + 86_400)
CREDITS = UsageWindow("credits", 1.0, NOW + 86_400, 0)


def test_the_window_with_the_smallest_share_left_binds_and_credits_and_past_ones_do_not() -> None:
    assert binding([FIVE, WEEK, CREDITS], NOW) == WEEK
    assert binding([FIVE, WEEK, CREDITS], NOW + 3601) == WEEK
    assert binding([FIVE, WEEK, CREDITS], NOW + 86_401) is None
    assert live([UsageWindow("action 1", 0.1, None)], NOW + 1e9)


@pytest.mark.parametrize(
    ("left", "cost", "reserve", "kept"),
    [(0.5, 0.1, 0.1, False), (0.2, 0.1, 0.1, False), (0.19, 0.1, 0.1, True), (0.05, 0.0, 0.1, True),
     (0.0, 0.1, 0.0, False)],
)  # fmt: skip
def test_a_call_that_would_take_of_the_reserve_is_kept_back(
    left: float, cost: float, reserve: float, kept: bool
) -> None:
    assert reserved(left, cost, reserve) is kept


def series(steps: list[tuple[int, int]], text: float, image: float) -> list[UsageReading]:
    used = list(accumulate((t * text + i * image for t, i in steps), initial=0.0))
    found = [UsageReading("a", NOW, UsageWindow("5h", 0.0, NOW + 1e6))]
    for number, ((texts, images), now_used) in enumerate(zip(steps, used[1:], strict=True), 1):
        window = UsageWindow("5h", now_used, NOW + 1e6)
        found.append(UsageReading("a", NOW + number * 600, window, {"text": texts, "image": images}))
    return found


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=6, max_size=40),
    st.floats(0.0001, 0.002),
    st.floats(0.001, 0.01),
)
def test_what_calls_take_is_found_in_their_series(steps: list[tuple[int, int]], text: float, image: float) -> None:
    alone = [(10, 0), (0, 10), *steps]
    found = costs(series(alone, text, image))
    assert found["image"] == pytest.approx(image, rel=0.15, abs=2e-4)
    assert found["text"] == pytest.approx(text, rel=0.15, abs=2e-4)


def test_a_reset_between_two_readings_and_spans_without_calls_say_nothing_of_costs() -> None:
    before = series([(0, 10)] * 3, 0.0, 0.01)
    others = UsageReading("a", NOW + 2000, UsageWindow("5h", 0.9, NOW + 1e6))
    anew = UsageReading("a", NOW + 2600, UsageWindow("5h", 0.02, NOW + 2e6), {"image": 10})
    assert costs([*before, others, anew]) == {"image": pytest.approx(0.01)}
    assert costs(before[:1]) == {}
    assert costs(series([(0, 2), (0, 2)], 0.0, 0.01)) == {}, "too few to say"


def usage(*windows: UsageWindow) -> AccountUsage:
    made = AccountUsage("a")
    made.read(UsageReport(windows, "pro"), NOW)
    return made


def test_an_account_counts_its_own_calls_on_between_two_readings() -> None:
    made = usage(UsageWindow("5h", 0.1, NOW + 9000))
    for n in range(1, 4):
        for _ in range(10):
            made.answered("image")
        made.read(UsageReport((UsageWindow("5h", 0.1 + n * 0.1, NOW + 9000),)), NOW + n * 600)
    for _ in range(20):
        made.answered("image")
    standing = made.binding(["image"], NOW + 1900)
    assert standing is not None
    assert (standing.window.name, standing.left, standing.cost) == ("5h", pytest.approx(0.4), pytest.approx(0.01))
    assert made.held(["image"], 0, 0.1, NOW + 1900) is None
    assert made.held(["image"], 30, 0.1, NOW + 1900) is not None, "what is under way counts"
    assert made.held(["image"], 30, 0.0, NOW + 1900) is None
    assert made.binding(["image"], NOW + 9001) is None, "after its reset nothing is known until it is read"


def test_what_answers_tell_binds_the_calls_they_were_told_behind() -> None:
    made = usage(UsageWindow("5h", 0.1, NOW + 9000))
    made.told("text", [UsageWindow("action 6", 0.92, NOW + 9000, 2, 25, "hex")], NOW)
    assert made.binding(["text"], NOW).window.name == "action 6"  # type: ignore[union-attr]
    assert made.binding(["image"], NOW).window.name == "5h"  # type: ignore[union-attr]
    assert made.held(["text"], 0, 0.1, NOW) is not None
    made.told("image", [UsageWindow("action 6", 0.96, NOW + 9000, 1, 25, "hex")], NOW)
    assert made.binding(["text"], NOW).left == pytest.approx(0.04)  # type: ignore[union-attr]


def test_a_window_with_nothing_left_that_takes_calls_all_the_same_does_not_bind_them() -> None:
    made = usage(UsageWindow("5h", 0.1, NOW + 9000))
    empty = UsageWindow("action 5", 1.0, NOW + 9000, 0, 15, "hex")
    made.told("text", [empty], NOW)
    assert made.binding(["text"], NOW).left == 0  # type: ignore[union-attr]
    made.told("text", [empty], NOW + 1)
    assert made.binding(["text"], NOW).window.name == "5h"  # type: ignore[union-attr]
    made.told("text", [UsageWindow("action 5", 0.2, NOW + 99_000, 12, 15, "hex")], NOW + 9001)
    made.told("text", [UsageWindow("action 5", 1.0, NOW + 99_000, 0, 15, "hex")], NOW + 9002)
    assert made.binding(["text"], NOW + 9003).left == 0  # type: ignore[union-attr]


def test_the_series_has_what_changed_and_no_more() -> None:
    made = usage(UsageWindow("5h", 0.1, NOW + 9000))
    made.read(UsageReport((UsageWindow("5h", 0.1, NOW + 9000),)), NOW + 600)
    assert [one.at for one in made.unsaved()] == [NOW]
    made.read(UsageReport((UsageWindow("5h", 0.2, NOW + 9000),)), NOW + 1200)
    for n in range(100):
        made.told("text", [UsageWindow("action 1", n / 200, NOW + 9000, 200 - n, 200, "hex")], NOW + 1200 + n)
    kept = made.unsaved()
    assert [one.window.name for one in kept] == ["5h", "5h", "action 1", "action 1"]
    made.saved(kept)
    assert made.unsaved() == []


def test_a_series_goes_on_after_a_restart() -> None:
    made = AccountUsage("a")
    made.restore(series([(0, 10)] * 3, 0.0, 0.01))
    assert made.costs()["5h"]["image"] == pytest.approx(0.01)
    assert made.windows == (), "what stood is old: it is read anew"
