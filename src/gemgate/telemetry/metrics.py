"""The Prometheus metrics: moved by facts, or read from the service when somebody asks. `meters` is their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from gemgate.dialects.table import gen_ai_operation
from gemgate.lazy_import import later
from gemgate.ports.runtime import Listener, TelemetryEvent
from gemgate.telemetry.gauges import Value
from gemgate.telemetry.instruments import Instruments
from gemgate.telemetry.metric_specs import EVENT_METRICS, GAUGES, PROVIDER
from gemgate.telemetry.request_record import RequestRecord

if TYPE_CHECKING:
    from prometheus_client import exposition
else:
    exposition = later("prometheus_client.exposition")

_OF_MEDIA = {"video": "gemgate_videos", "music": "gemgate_music"}


class Metrics:
    """Counts facts; `ended` takes the records of ended requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        told = Instruments(EVENT_METRICS)
        self.registry.register(told)
        self._add, self._count, self._observe = told.add, told.count, told.observe
        self.listeners: Mapping[str, Listener] = {
            "request.begun": lambda fact: self._add("gemgate_http_requests_active", 1),
            "request.done": self._done,
            "request.abandoned": self._abandoned,
            "stream.opened": lambda fact: self._add("gemgate_streams_open", 1),
            "stream.closed": lambda fact: self._add("gemgate_streams_open", -1),
            "limit.refused": lambda fact: self._count("gemgate_limiter_refusals", fact.data["rule"]),
            "lease.granted": self._granted,
            "attempt.sent": lambda fact: self._count("gemgate_prompts_sent", fact.data["account"]),
            "attempt.lowered": lambda fact: self._count(
                "gemgate_models_lowered", fact.data["account"], fact.data["cause"]
            ),
            "attempt.ended": self._ended,
            "answer.unknown": lambda fact: self._count("gemgate_wire_unknown", fact.data["field"]),
            "answer.kept_alive": lambda fact: self._add("gemgate_answers_kept_alive", 1),
            "answer.not_stored": lambda fact: self._add("gemgate_answers_not_stored", 1),
            "attempt.then": lambda fact: self._count("gemgate_failures_handled", fact.data["then"]),
            "image.delivered": self._delivered,
            "image.failed": lambda fact: self._count("gemgate_pictures_failed", fact.data["kind"]),
            "media.delivered": self._media,
            "media.failed": lambda fact: self._count(_OF_MEDIA[str(fact.data["media"])], fact.data["kind"]),
            "research.delivered": self._researched,
            "research.failed": lambda fact: self._count("gemgate_researches", fact.data["kind"]),
            "history.called": lambda fact: self._count(
                "gemgate_history_calls", fact.data["account"], fact.data["what"], fact.data["kind"]
            ),
            "account.state": self._account_state,
            "account.circuit": self._circuit,
            "address.circuit": self._address,
            "cookies.rotated": lambda fact: self._count("gemgate_cookie_rotations", fact.data["account"], "rotated"),
            "cookies.withheld": lambda fact: self._count(
                "gemgate_cookie_rotations", fact.data["account"], fact.data["renewal"]
            ),
            "cookies.refused": lambda fact: self._count("gemgate_cookie_rotations", fact.data["account"], "refused"),
            "cookies.pushed": lambda fact: self._count(
                "gemgate_cookie_pushes", fact.data["account"], fact.data["outcome"]
            ),
            "cookies.not_rotated": lambda fact: self._count("gemgate_cookie_rotations", fact.data["account"], "failed"),
            "loop.lag": self._lagged,
        }
        ProcessCollector(registry=self.registry)

    def text(self, reading: Iterable[Value] = ()) -> bytes:
        """Everything in Prometheus' text form, with what was just read for the metrics of `READ`."""
        status = CollectorRegistry()
        status.register(_Standing(reading))
        return exposition.generate_latest(self.registry) + exposition.generate_latest(status)

    def ended(self, record: RequestRecord) -> None:
        """A call for an answer is over: what the conventions want to know of it."""
        if not record.model:
            return
        operation = gen_ai_operation(record.operation)
        trouble = record.trouble.kind if record.trouble else "caller_left" if record.status == 499 else ""
        labels = (operation, PROVIDER, record.model)
        self._observe("gen_ai_server_request_duration_seconds", record.seconds or 0.0, *labels, trouble)
        if record.first_byte is not None:
            self._observe("gen_ai_server_time_to_first_token_seconds", record.first_byte, *labels)
        if record.prompt_tokens:
            self._observe("gen_ai_client_token_usage", record.prompt_tokens, *labels, "input")
            self._observe("gen_ai_client_token_usage", record.output_tokens, *labels, "output")

    def _done(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._add("gemgate_http_requests_active", -1)
        self._count("gemgate_http_requests", data["operation"], str(data["status"]))
        self._observe("gemgate_http_request_duration_seconds", data["seconds"], data["operation"])
        if (added := data.get("added")) is not None:
            self._observe("gemgate_overhead_seconds", added, data["operation"])

    def _account_state(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._count("gemgate_account_state_changes", data["account"], data["state"])
        if reason := data.get("reason"):
            self._count("gemgate_session_ends", data["account"], reason)

    def _abandoned(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        if data["outcome"] != "finishing":
            self._count("gemgate_abandoned_calls", data["outcome"])

    def _lagged(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._observe("gemgate_event_loop_lag_seconds", data["seconds"])

    def _granted(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._observe("gemgate_queue_seconds", data["queue"], "lane")
        self._observe("gemgate_queue_seconds", data["pace"], "pace")
        if data["attempt"] == 1:
            self._count("gemgate_conversations_reused", data["reuse"])
        if data["attempt"] == 1 and data["repair"]:
            self._count("gemgate_repairs", data["repair"])

    def _ended(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        outcome = data["kind"] or data["outcome"]
        self._count("gemgate_generations", data["account"], outcome, data["generated"])
        name = "gen_ai_client_operation_duration_seconds"
        labels = (data["purpose"], PROVIDER, data["model"], data["served"], data["kind"])
        self._observe(name, data["upstream"], *labels)
        if data["first"] is not None:  # who answered is told at the end only
            self._observe("gen_ai_client_operation_time_to_first_chunk_seconds", data["first"], *labels[:-1])

    def _delivered(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._count("gemgate_pictures", data["logo"], _size(str(data["size"])))
        self._add("gemgate_picture_downloaded_bytes", data["fetched_bytes"])
        self._add("gemgate_picture_stored_bytes", data["bytes"])
        for stage, name in (("download", "fetch_seconds"), ("work", "work_seconds"), ("store", "store_seconds")):
            self._observe("gemgate_picture_seconds", data[name], stage)

    def _media(self, fact: TelemetryEvent) -> None:
        """A video or music is here."""
        data: Mapping[str, Any] = fact.data
        kind = data["media"]
        self._count(_OF_MEDIA[kind], "delivered")
        self._add(f"gemgate_{kind}_bytes", data["bytes"])
        self._observe(f"gemgate_{kind}_fetch_seconds", data["seconds"])

    def _researched(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        self._count("gemgate_researches", data["what"])
        if data["what"] == "report":
            self._observe("gemgate_research_seconds", data["seconds"])

    def _circuit(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        if data["open"]:
            self._count("gemgate_circuit_openings", data["account"], data["capability"])

    def _address(self, fact: TelemetryEvent) -> None:
        data: Mapping[str, Any] = fact.data
        if data["open"]:
            self._add("gemgate_address_blocks", 1)


class _Standing(Collector):
    """What was read, as metric families; a metric without a value is not shown."""

    def __init__(self, reading: Iterable[Value]) -> None:
        self._families = {m.name: GaugeMetricFamily(m.name, m.about, labels=m.labels) for m in GAUGES}
        for name, labels, value in reading:
            self._families[name].add_metric(labels, value)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return [family for family in self._families.values() if family.samples]


def _size(size: str) -> str:
    """The class of an image's size by its long side, from WIDTHxHEIGHT."""
    long_side = max(int(side) for side in size.split("x"))
    return next((str(step) for step in (512, 1024, 2048, 4096) if long_side <= step), "larger")
