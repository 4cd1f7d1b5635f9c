"""What a node tells its gateway before it answers: from here on another node must not take the call."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gemgate.ports.runtime import TelemetryEvent
from gemgate.telemetry import Observers
from gemgate.web.interim import INTERIM, WANTED_HEADER, PromptSentNotifier


class Wire:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("fact", "told"), [("attempt.sent", INTERIM), ("task.entering", INTERIM), ("call.admitted", b"")]
)
def test_a_prompt_that_is_sent_and_a_task_that_is_entered_are_told(fact: str, told: bytes) -> None:
    wire, notices = Wire(), PromptSentNotifier()
    scope: Any = {"type": "http", "headers": [(WANTED_HEADER.encode(), b"1")], "gemgate.transport": wire}
    notices.expect("req_1", cast("Any", scope))
    observers = Observers([notices])
    observers.emit(TelemetryEvent(fact, "req_2", {}))
    assert wire.written == b""
    observers.emit(TelemetryEvent(fact, "req_1", {}))
    observers.emit(TelemetryEvent(fact, "req_1", {}))
    assert wire.written == told, "told once"
