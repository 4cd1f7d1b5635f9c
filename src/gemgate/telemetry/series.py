"""Calls over time in memory, for the charts of the page: so many sums by minute, quarter of an hour and hour.

What it knows ends with the process. Moments are epoch seconds, the beginnings of whole steps in UTC, so that the
series of several nodes can be added up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gemgate.ports.runtime import TelemetryEvent
from gemgate.telemetry.metric_specs import SPANS
from gemgate.telemetry.request_record import RequestRecord

STEPS: Mapping[str, tuple[int, int]] = {"minute": (60, 180), "quarter": (900, 192), "hour": (3600, 744)}
"""Step -> its seconds, and how many of them are kept: three hours, two days, a month."""
SUMS = ("calls", "failed", "images", "prompt_tokens", "output_tokens")


@dataclass(slots=True)
class Interval:
    """What ended within one step. spread: how many calls took at most each of `SPANS` seconds, and how many longer."""

    calls: int = 0
    failed: int = 0
    images: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    spread: list[int] = field(default_factory=lambda: [0] * (len(SPANS) + 1))

    def to_json(self, at: int) -> dict[str, Any]:
        return {"at": at, **{name: getattr(self, name) for name in SUMS}, "spread": self.spread}


class CallSeries:
    """`ended` takes the records of requests that are over: those that asked for an answer count. Images count by their
    facts, for those of jobs belong to no request. now: epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, OrderedDict[int, Interval]] = {name: OrderedDict() for name in STEPS}
        self.listeners = {"image.delivered": self._image}

    def ended(self, record: RequestRecord) -> None:
        if not record.model:
            return
        failed, bucket = (record.status or 0) >= 400 or record.in_band, bisect_left(SPANS, record.seconds or 0.0)
        for interval in self._current():
            interval.calls += 1
            interval.failed += failed
            interval.prompt_tokens += record.prompt_tokens
            interval.output_tokens += record.output_tokens
            interval.spread[bucket] += 1

    def _image(self, _: TelemetryEvent) -> None:
        for interval in self._current():
            interval.images += 1

    def _current(self) -> Iterator[Interval]:
        """The present interval of each step; the oldest goes when one too many is begun."""
        now = self._now()
        for name, (step, most) in STEPS.items():
            kept, at = self._kept[name], int(now // step) * step
            interval = kept.get(at)
            if interval is None:
                interval = kept[at] = Interval()
                while len(kept) > most:
                    kept.popitem(last=False)
            yield interval

    def points(self, name: str) -> list[dict[str, Any]]:
        """The steps in which something ended, oldest first; none that is older than what is kept. name: of `STEPS`."""
        step, most = STEPS[name]
        oldest = self._now() - step * most
        return [interval.to_json(at) for at, interval in sorted(self._kept[name].items()) if at > oldest]


def series_json(name: str, now: float, started_at: float, points: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer of GET /api/series. since: what was before is not known. Points of one moment are added up."""
    summed: dict[int, dict[str, Any]] = {}
    for point in points:
        at = int(point["at"])
        known = summed.setdefault(at, {"at": at, **dict.fromkeys(SUMS, 0), "spread": [0] * BOUNDS})
        for one in SUMS:
            known[one] += point[one]
        known["spread"] = [a + b for a, b in zip(known["spread"], point["spread"], strict=True)]
    step, most = STEPS[name]
    return {
        "now": now,
        "step": step,
        "kept": most,
        "since": started_at,
        "bounds": SPANS,
        "points": [summed[at] for at in sorted(summed)],
    }


BOUNDS = len(SPANS) + 1
