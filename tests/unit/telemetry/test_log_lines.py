"""A line of the log for each call, with what an operator asks of it; a page that polls writes none."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from gemgate.ports.runtime import TelemetryEvent
from gemgate.telemetry import LogObserver, Observers, RecentRequests


class Lines:
    def __init__(self) -> None:
        self.told: list[tuple[int, str, dict[str, Any]]] = []

    def log(self, level: int, name: str, **data: Any) -> None:
        self.told.append((level, name, data))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    monkeypatch.setattr(logging.getLogger("gemgate"), "level", logging.INFO)
    return Lines()


def observed(lines: Lines, events: list[TelemetryEvent], size: int) -> None:
    log: Any = LogObserver()
    log._log = lines
    observers = Observers([RecentRequests(size, ended=[log.ended]), log])
    for event in events:
        observers.emit(event)


def request(operation: str, method: str, *more: TelemetryEvent, status: int = 200) -> list[TelemetryEvent]:
    begun = TelemetryEvent("request.begun", "req_1", {"method": method})
    over = {"operation": operation, "status": status, "seconds": 0.6178380849996756, "path": "", "added": 0.01}
    return [begun, *more, TelemetryEvent("request.done", "req_1", over)]


ADMITTED = TelemetryEvent(
    "call.admitted", "req_1", {"asked": "gpt-5", "model": "gemini-3.0-pro", "tenant": "t", "client": "dev"}
)


@pytest.mark.parametrize("size", [0, 500])
def test_a_call_is_one_line_with_whose_it_was_and_what_it_asked(lines: Lines, size: int) -> None:
    observed(lines, request("chat.completions", "POST", ADMITTED), size)
    ((level, name, data),) = lines.told
    assert (level, name) == (20, "request.done")
    assert data["seconds"] == 0.618
    assert (data["method"], data["model"], data["client"]) == ("POST", "gemini-3.0-pro", "dev")
    assert "path" not in data
    assert "account" not in data, "no account was asked"


def test_looking_writes_nothing_and_a_refusal_does(lines: Lines) -> None:
    observed(lines, request("requests.list", "GET"), 500)
    assert lines.told == []
    observed(lines, request("requests.list", "GET", status=403), 500)
    assert [data["status"] for _, _, data in lines.told] == [403]


def test_a_sentence_stands_once_and_a_moment_is_a_clock_s(lines: Lines) -> None:
    why = {"kind": "no_account", "why": "No account", "why_zh": "没有账号", "until": 1795898102.2619722}
    observed(lines, [TelemetryEvent("request.failed", "req_1", why)], 500)
    ((_, _, data),) = lines.told
    assert data["until"] == "2026-11-28T20:35:02+00:00"
    assert "why_zh" not in data


def test_an_event_that_nobody_began_is_told_as_it_is(lines: Lines) -> None:
    observed(lines, [TelemetryEvent("request.done", "req_9", {"operation": "x", "until": float("inf")})], 500)
    assert [name for _, name, _ in lines.told] == ["request.done"]


def test_a_node_that_lives_is_no_warning(lines: Lines) -> None:
    events = [TelemetryEvent("node.alive", data={"node": "w1", "alive": alive}) for alive in (True, False)]
    observed(lines, events, 500)
    assert [level for level, _, _ in lines.told] == [20, 30]
