"""What reads a caller's or a model's text costs at most in proportion to its length (docs/threats.md, "Cost of input").

Every hostile text is doubled from 1 kB to 1 MB. Seconds of this thread's processor time are compared, so that a busy
machine does not matter, and a step that looks bad is measured again before it counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gemgate.telemetry.logs import masked
from gemgate.web.relay import reading

SMALLEST, LARGEST = 1_000, 1_024_000
FACTOR = 2.5
NOISE = 0.004
"""Seconds below which a step says nothing."""
RETRIES = 6

Work = Callable[[Any], object]


def _seconds(work: Work, text: Any) -> float:
    start = time.thread_time()
    work(text)
    return time.thread_time() - start


def worst_step(work: Work, make: Callable[[int], Any], largest: int = LARGEST) -> tuple[float, int]:
    """The largest factor by which a doubling made the work longer, and the size at which it did; ends at the first
    that is beyond `FACTOR`."""
    worst, at, size = 0.0, SMALLEST, SMALLEST
    before = _seconds(work, make(size))
    while size < largest:
        size *= 2
        small, large = make(size // 2), make(size)
        after = _seconds(work, large)
        for _ in range(RETRIES):
            if after < NOISE or after <= FACTOR * before:
                break
            before = max(before, _seconds(work, small))
            after = min(after, _seconds(work, large))
        if after >= NOISE and after / before > worst:
            worst, at = after / before, size
        if worst > FACTOR:
            break
        before = after
    return worst, at


def repeated(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


LOG_UNITS = [
    "w", "w://", "://a:", "a:b@", " ", '"', "key=", "key = ", "bearer ", "api-key:", 'secret"', "SID=",
    "__Secure-1PSID", "sidts-", "AKEy", "é", "a.", ";",
]  # fmt: skip

KEYED = 'name="model"\r\n'


def _log(text: str) -> object:
    return masked(text, ("hunter2-hunter2",))


def _unbounded_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patterns themselves, without the cut that would hide what they cost."""
    monkeypatch.setattr("gemgate.telemetry.logs.LONGEST", 1 << 30, raising=False)


@pytest.mark.parametrize("unit", LOG_UNITS)
def test_masking_a_log_line_is_linear(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _unbounded_log(monkeypatch)
    worst, at = worst_step(_log, repeated(unit))
    assert worst <= FACTOR, f"doubled to {at}"


@pytest.mark.parametrize("unit", [KEYED, KEYED + "a\r\n", "a\r\n", "\r\n", KEYED + "a" * 600 + "\r\n", 'name="model"'])
def test_finding_the_model_in_a_form_is_linear(unit: str) -> None:
    def find(body: bytes) -> object:
        return reading._FORM_MODEL.search(body)

    worst, at = worst_step(find, lambda size: b"--X\r\n" + repeated(unit)(size).encode())
    assert worst <= FACTOR, f"doubled to {at}"
