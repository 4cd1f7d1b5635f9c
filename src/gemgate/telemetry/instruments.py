"""The numbers behind the metrics of facts: plain sums, which the Prometheus library only writes out.

Its own counters lock and check each addition, and a chat takes twenty. Here the event loop adds; who reads may be in a
thread.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import metrics as library
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gemgate.telemetry.metric_specs import MetricSpec

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Row:
    """One series. value: of a counter or gauge, and the sum of a histogram, whose `counts` are of what came up to each
    of its bounds but not to the one before; the last have no bound. since: epoch seconds.
    """

    __slots__ = ("bounds", "counts", "since", "value")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.value = 0.0
        self.since = time.time()
        self.bounds = bounds
        self.counts = [0.0] * (len(bounds) + 1)


class Instruments(Collector):
    """Those of `specs`. Labels come in the order of their metric's; a series is there once it was counted, one without
    labels from the beginning.
    """

    def __init__(self, specs: Iterable[MetricSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._rows = _Rows(self._specs)
        for spec in self._specs.values():
            if not spec.labels:
                self._rows[spec.name, ()]

    def count(self, name: str, *labels: Any) -> None:
        """One more of what a counter or a gauge tells."""
        self._rows[name, labels].value += 1

    def add(self, name: str, amount: float) -> None:
        """To one without labels."""
        self._rows[name, ()].value += amount

    def observe(self, name: str, amount: float, *labels: Any) -> None:
        """A time or a size for a histogram."""
        row = self._rows[name, labels]
        row.value += amount
        row.counts[bisect_left(row.bounds, amount)] += 1

    def collect(self) -> Iterator[Family]:
        """Every metric as it stands, also one that was never counted."""
        rows: dict[str, list[tuple[list[str], Row]]] = {name: [] for name in self._specs}
        for (name, labels), row in list(self._rows.items()):  # copied at once: the event loop goes on counting
            rows[name].append(([str(label) for label in labels], row))
        for spec in self._specs.values():
            yield _family(spec, rows[spec.name])


class _Rows(dict[tuple[str, tuple[Any, ...]], Row]):
    """Those there are, by the name of their metric and their labels."""

    def __init__(self, specs: dict[str, MetricSpec]) -> None:
        super().__init__()
        self._specs = specs

    def __missing__(self, key: tuple[str, tuple[Any, ...]]) -> Row:
        spec = self._specs[key[0]]
        if len(key[1]) != len(spec.labels):
            raise ValueError(f"{spec.name} has the labels {spec.labels}")
        row = self[key] = Row(spec.buckets if spec.kind == "histogram" else ())
        return row


def _family(spec: MetricSpec, rows: list[tuple[list[str], Row]]) -> Family:
    shows_since = library._use_created  # noqa: SLF001 - PROMETHEUS_DISABLE_CREATED_SERIES, which the library reads
    match spec.kind:
        case "counter":
            counter = CounterMetricFamily(spec.name, spec.about, labels=spec.labels)
            for labels, row in rows:
                counter.add_metric(labels, row.value, row.since if shows_since else None)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(spec.name, spec.about, labels=spec.labels)
            for labels, row in rows:
                gauge.add_metric(labels, row.value)
            return gauge
        case "histogram":
            histogram = HistogramMetricFamily(spec.name, spec.about, labels=spec.labels)
            for labels, row in rows:
                histogram.add_metric(labels, _buckets(row), row.value)
                if shows_since:
                    told = dict(zip(spec.labels, labels, strict=True))
                    histogram.add_sample(f"{spec.name}_created", told, row.since)
            return histogram


def _buckets(row: Row) -> list[tuple[str, float]]:
    """As they are shown: each holds those before it."""
    buckets, total = [], 0.0
    for bound, count in zip((*row.bounds, math.inf), row.counts[:], strict=True):
        total += count
        buckets.append((floatToGoString(bound), total))  # type: ignore[no-untyped-call]
    return buckets
