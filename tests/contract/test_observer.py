"""The promises of `ports.Observer`: whatever happens may be told at any moment, and telling changes nothing."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gemgate
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.ports.runtime import Observer, TelemetryEvent
from gemgate.telemetry import LogObserver, Metrics, Observers, RecentRequests
from gemgate.telemetry.series import CallSeries
from gemgate.telemetry.usage import UsageLedger
from gemgate.testing import Facts, FakeClock
from gemgate.web.interim import PromptSentNotifier


def heartbeat() -> Heartbeat:
    nothing: Any = SimpleNamespace()
    return Heartbeat(nothing, nothing, nothing, clock=FakeClock(), observer=Facts())


def ledger() -> UsageLedger:
    nothing: Any = SimpleNamespace()
    return UsageLedger(nothing, FakeClock().now)


OBSERVERS: dict[str, Callable[[], Observer]] = {
    "log": LogObserver,
    "metrics": Metrics,
    "recent requests": RecentRequests,
    "series": lambda: CallSeries(FakeClock().now),
    "usage": ledger,
    "prompt sent": PromptSentNotifier,
    "heartbeat": heartbeat,
    "all of them": lambda: Observers([LogObserver(), Metrics(), RecentRequests(), Facts()]),
    "double": Facts,
}


@pytest.fixture(params=OBSERVERS.values(), ids=OBSERVERS)
def observer(request: pytest.FixtureRequest) -> Observer:
    return request.param()  # type: ignore[no-any-return]


ODD = {"text": "a\x1b[31m\n猫\u202e", "number": 3, "part": 0.5, "yes": True, "nothing": None, "name": "x", "event": "y"}


@pytest.mark.parametrize("request_id", ["", "req-1"])
def test_what_nobody_knows_is_no_error(observer: Observer, request_id: str) -> None:
    observer.emit(TelemetryEvent("something.new", request_id, dict(ODD)))
    observer.emit(TelemetryEvent("", request_id, {}))


def test_a_told_event_stays_as_it_is(observer: Observer) -> None:
    event = TelemetryEvent("something.new", "req-1", dict(ODD))
    before = copy.deepcopy(event)
    observer.emit(event)
    assert event == before


def test_events_of_a_request_that_nobody_began_are_no_error(observer: Observer) -> None:
    for name in ("stream.opened", "stream.closed", "request.begun", "request.begun"):
        observer.emit(TelemetryEvent(name, "req-2", {"operation": "chat.completions", "method": "POST"}))


def test_no_observer_of_the_source_is_left_out(observer: Observer) -> None:
    source = Path(gemgate.__file__).parent
    found = {
        name
        for path in source.rglob("*.py")
        for name in re.findall(
            r"(?ms)^class (\w+)[^\n]*:\n(?:(?!^class ).)*?^    def emit\(self, fact", path.read_text()
        )
    }
    covered = {type(make()).__name__ for make in OBSERVERS.values()}
    assert found - {"Observer"} == covered
