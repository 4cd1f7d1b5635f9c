"""The promises of `ports.Observer` and of who listens: whatever happens may be told at any moment, telling changes
nothing, and nobody is told what it did not name.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gemgate
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.ports.runtime import EVERY, Listening, Observer, TelemetryEvent
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


LISTENING: dict[str, Callable[[], Listening]] = {
    "log": LogObserver,
    "metrics": Metrics,
    "recent requests": RecentRequests,
    "series": lambda: CallSeries(FakeClock().now),
    "usage": ledger,
    "prompt sent": PromptSentNotifier,
    "heartbeat": heartbeat,
    "double": Facts,
}


@pytest.fixture(params=[*LISTENING, "all of them"])
def observer(request: pytest.FixtureRequest) -> Observer:
    names = LISTENING if request.param == "all of them" else [request.param]
    return Observers(LISTENING[name]() for name in names)


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
            r"(?ms)^class (\w+)[^\n]*:\n(?:(?!^class ).)*?^        self\.listeners\b", path.read_text()
        )
    }
    covered = {type(make()).__name__ for make in LISTENING.values()}
    assert found == covered


class Ear:
    """Listens for some facts, or with `EVERY` for all others too; `heard` is of all ears, in the order of telling."""

    def __init__(self, label: str, heard: list[str], *names: str) -> None:
        self.listeners = {name: lambda fact, name=name: heard.append(f"{label}:{name}={fact.name}") for name in names}


def test_a_fact_goes_to_who_named_it_in_their_order_and_the_rest_to_who_hears_every_other() -> None:
    heard: list[str] = []
    observers = Observers([Ear("first", heard, "a", "b"), Ear("all", heard, EVERY, "b")])
    observers.add(Ear("late", heard, "c", "a"))
    for name in ("a", "b", "c", "d"):
        observers.emit(TelemetryEvent(name))
    assert heard == ["first:a=a", "all:*=a", "late:a=a", "first:b=b", "all:b=b", "all:*=c", "late:c=c", "all:*=d"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
def test_the_log_listens_for_what_its_level_lets_through(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("gemgate"), "level", getattr(logging, level))
    wanted = LogObserver().listeners
    assert (EVERY in wanted) == (level == "DEBUG")
    assert {"attempt.spoke", "chat.tokens"}.isdisjoint(wanted)
    assert ("request.done" in wanted) == (level == "INFO")
    assert ("attempt.failed" in wanted) == (level != "DEBUG")
