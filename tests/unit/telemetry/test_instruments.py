"""Our sums are shown as the Prometheus library shows its own."""

from __future__ import annotations

import time
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gemgate.telemetry.instruments import Instruments
from gemgate.telemetry.metric_specs import EVENT_METRICS, MetricSpec

SPECS = (
    MetricSpec("served", "counter", "Calls", ("operation", "status")),
    MetricSpec("moved", "counter", "Bytes"),
    MetricSpec("open", "gauge", "Streams"),
    MetricSpec("took", "histogram", "Seconds", ("operation",), (0.1, 1.0)),
    MetricSpec("lag", "histogram", "Seconds", (), (0.1, 1.0)),
    MetricSpec("unseen", "counter", "Nothing of it", ("why",)),
)
AMOUNTS = (0.0, 0.1, 0.10001, 0.3, 1.0, 1.5, 40)


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)


def library() -> dict[str, Any]:
    """The same metrics, as the library counts them; under "" their registry."""
    registry = CollectorRegistry()
    made: dict[str, Any] = {"": registry}
    for spec in SPECS:
        more: dict[str, Any] = {"buckets": spec.buckets} if spec.kind == "histogram" else {}
        kind = getattr(prometheus_client, spec.kind.capitalize())
        made[spec.name] = kind(spec.name, spec.about, spec.labels, registry=registry, **more)
    return made


def shown(instruments: Instruments) -> bytes:
    registry = CollectorRegistry()
    registry.register(instruments)
    return generate_latest(registry)


def test_every_kind_is_written_byte_for_byte_as_by_the_library() -> None:
    ours, theirs = Instruments(SPECS), library()
    assert shown(ours) == generate_latest(theirs[""])
    for operation, status in (("chat", 200), ('a "quoted" one', "404"), ("chat", 200)):
        ours.count("served", operation, status)
        theirs["served"].labels(operation, status).inc()
    ours.add("moved", 12.5)
    theirs["moved"].inc(12.5)
    ours.add("open", 2)
    ours.add("open", -1)
    theirs["open"].inc()
    for amount in AMOUNTS:
        ours.observe("took", amount, "chat")
        theirs["took"].labels("chat").observe(amount)
        ours.observe("lag", amount)
        theirs["lag"].observe(amount)
    assert shown(ours) == generate_latest(theirs[""])
    assert b"_created" in shown(ours)


def test_who_hides_the_moments_of_creation_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.metrics._use_created", False)
    ours, theirs = Instruments(SPECS), library()
    ours.observe("took", 1, "chat")
    theirs["took"].labels("chat").observe(1)
    assert shown(ours) == generate_latest(theirs[""])


def test_a_series_has_all_labels_of_its_metric() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Instruments(SPECS).count("served", "chat")


def test_what_is_counted_while_somebody_reads_breaks_no_reading() -> None:
    ours = Instruments(EVENT_METRICS)
    reading = ours.collect()
    next(reading)
    ours.count("gemgate_repairs", "json")
    assert {family.name for family in reading} > {"gemgate_repairs"}
