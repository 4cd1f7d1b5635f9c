"""Whatever a node answers, the others' answers are told beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.telemetry.metric_specs import SPANS
from gemgate.telemetry.series import SUMS, series_json
from gemgate.web.relay import aggregate
from gemgate.web.relay.aggregate import Gathered, Tell

NOW = 1_800_000_000.0
LANES = {"max": 2, "busy": 0}
ACCOUNTS = [
    {"name": name, "state": state, "why": "", "until": None, "cooldowns": [{"capability": "image"}], "lanes": LANES}
    for name, state in (("ann", "ready"), ("ben", "cooling"))
]
POINT = {"at": 1_800_000_000, **dict.fromkeys(SUMS, 1), "spread": [0] * (len(SPANS) + 1)}
HONEST: dict[str, Any] = {
    "accounts": ACCOUNTS,
    "waiting": 0,
    "gems": [{"id": "g", "name": "gem"}],
    "problems": {"ann": "resting"},
    "degraded": ["a proxy is slow"],
    "requests": {"ended": 1, "failed": 0, "under_way": 0},
    "started_at": NOW,
    "since": NOW,
    "points": [POINT],
}
ROWS = {"requests": [{"time": 1.0}, {"time": 2.0}]}


def _series(gathered: Gathered) -> dict[str, Any]:
    since = max((0 + told["since"] for told in gathered.answers.values()), default=NOW)
    return series_json("hour", NOW, since, [one for told in gathered.answers.values() for one in told["points"]])


TELLS: list[tuple[Tell, dict[str, Any]]] = [
    (aggregate.accounts_of, HONEST),
    (aggregate.gems_of, HONEST),
    (lambda gathered: aggregate.overview_of(gathered, [], NOW), HONEST),
    (_series, HONEST),
    (aggregate.requests_of, HONEST | ROWS),
]
NUMBERS = st.sampled_from([0, -1, 1.5, 1e308, -1e308, 2**53, 2**63, 2**64 - 1, True])
OTHER = st.recursive(
    st.none() | NUMBERS | st.sampled_from(["", "x", "\ud7ff", "ready", "image", "needs_login"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "at", "x"]), inner),
    max_leaves=5,
)


def places(value: Any) -> Iterator[Callable[[Any], None]]:
    """Ways to put something in the place of each part of a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield lambda new, key=key: value.__setitem__(key, new)  # type: ignore[misc]
        yield from places(value[key])


@given(st.data(), st.integers(0, len(TELLS) - 1))
@settings(max_examples=300, deadline=None)
def test_what_can_be_told_of_each_can_be_told_of_all(data: st.DataObject, which: int) -> None:
    tell, honest = TELLS[which]
    answers = {"good": honest}
    for name in ("one", "two"):
        lying = copy.deepcopy(honest)
        for put in data.draw(st.lists(st.sampled_from(list(places(lying))), max_size=3)):
            put(data.draw(OTHER))
        answers[name] = lying
    read = {name: aggregate.readable(name, answer, tell) for name, answer in answers.items()}
    believed = {name: answer for name, answer in read.items() if isinstance(answer, dict)}
    assert "good" in believed
    orjson.dumps(tell(Gathered(believed, {})))


@pytest.mark.parametrize("answer", [[], "x", None, 1, {}, {"accounts": ["x"], "waiting": 0}, {"waiting": 2**63}])
@pytest.mark.parametrize("which", range(len(TELLS)))
def test_another_kind_of_answer_is_silence(answer: Any, which: int) -> None:
    assert "of another kind" in aggregate.readable("w1", answer, TELLS[which][0])


def test_an_answer_too_deep_to_be_passed_on_is_silence() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = [deep]
    answer = {"gems": [{"deep": deep}], "problems": {}}
    assert isinstance(aggregate.readable("w1", answer, aggregate.gems_of), str)
