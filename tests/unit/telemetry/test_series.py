"""Calls over time: sums by step, bounded, and the same whether one node counted or several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemgate.ports.runtime import TelemetryEvent
from gemgate.telemetry import Observers
from gemgate.telemetry.metric_specs import SPANS
from gemgate.telemetry.request_record import RequestRecord
from gemgate.telemetry.series import BOUNDS, STEPS, SUMS, CallSeries, series_json

CALL = st.tuples(
    st.floats(0, 40_000),  # seconds since the call before
    st.sampled_from([200, 429, 502]),
    st.floats(0, 900),
    st.integers(0, 10_000),
)


class Clock:
    """Epoch seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.moment = 1_800_000_000.0

    def now(self) -> float:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += seconds


def record(clock: Clock, status: int, seconds: float, tokens: int, model: str = "m") -> RequestRecord:
    made = RequestRecord("r", 1, clock.now() - seconds)
    made.model, made.status, made.seconds, made.prompt_tokens, made.output_tokens = model, status, seconds, tokens, 1
    return made


@given(st.lists(CALL, max_size=60), st.integers(1, 3))
def test_every_call_counts_once_and_several_nodes_are_as_one(
    calls: list[tuple[float, int, float, int]], count: int
) -> None:
    clock = Clock()
    nodes, alone = [CallSeries(clock.now) for _ in range(count)], CallSeries(clock.now)
    for number, (gap, status, seconds, tokens) in enumerate(calls):
        clock.advance(gap)
        for series in (nodes[number % count], alone):
            series.ended(record(clock, status, seconds, tokens))
            Observers([series]).emit(TelemetryEvent("image.delivered"))
    for name, (step, most) in STEPS.items():
        one = series_json(name, clock.now(), 0.0, alone.points(name))
        all_of_them = series_json(name, clock.now(), 0.0, [point for node in nodes for point in node.points(name)])
        assert one == all_of_them
        points = one["points"]
        assert [point["at"] for point in points] == sorted({point["at"] for point in points})
        assert all(point["at"] % step == 0 and point["at"] > clock.now() - step * most for point in points)
        assert all(sum(point["spread"]) == point["calls"] == point["images"] for point in points)
        assert len(points) <= most
        if sum(gap for gap, *_ in calls[1:]) < step * (most - 1):
            assert sum(point["calls"] for point in points) == len(calls)
            assert sum(point["failed"] for point in points) == sum(status >= 400 for _, status, _, _ in calls)
            assert sum(point["prompt_tokens"] for point in points) == sum(tokens for *_, tokens in calls)


def test_what_is_kept_is_bounded_and_looking_on_is_no_call() -> None:
    clock = Clock()
    series = CallSeries(clock.now)
    for _ in range(1000):
        clock.advance(60.0)
        series.ended(record(clock, 200, 0.1, 5))
    assert len(series.points("minute")) <= STEPS["minute"][1]
    before = series.points("hour")
    series.ended(record(clock, 200, 0.1, 5, model=""))
    assert series.points("hour") == before
    assert set(SUMS) < before[0].keys()


def test_a_duration_stands_below_its_bound() -> None:
    clock = Clock()
    series = CallSeries(clock.now)
    for seconds in (0.0, SPANS[0], 1.0, 10_000.0):
        series.ended(record(clock, 200, seconds, 0))
    (point,) = series.points("minute")
    assert len(point["spread"]) == BOUNDS == len(SPANS) + 1
    assert (point["spread"][0], point["spread"][SPANS.index(1.28)], point["spread"][-1]) == (2, 1, 1)
