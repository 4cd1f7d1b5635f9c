"""What the service says about itself: log lines, counters, and the last requests in memory.

Observers receive facts (`ports.Fact`); no fact, line or label ever carries a cookie, a key or a prompt.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gemgate.ports import Fact, Observer

Plain = str | int | float | bool | None


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def system_dice() -> float:
    """A random number in [0, 1)."""
    return random.random()  # noqa: S311 - jitter, not a secret


class Observers:
    """Hands every fact to all of its observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def note(self, fact: Fact) -> None:
        for observer in self._observers:
            observer.note(fact)


class Metrics:
    """Prometheus counters; names follow OpenTelemetry's GenAI conventions where they exist."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        one = self.registry
        self.requests = Counter("gemgate_requests", "Answered HTTP requests", ["operation", "status"], registry=one)
        self.duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time of a request from its arrival to its last byte",
            ["gen_ai_operation_name"],
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
            registry=one,
        )
        self.first = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time to the first event of an answer",
            ["gen_ai_operation_name"],
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=one,
        )
        self.tokens = Counter(
            "gen_ai_client_token_usage",
            "Tokens, estimated",
            ["gen_ai_request_model", "gen_ai_token_type"],
            registry=one,
        )
        self.attempts = Counter("gemgate_prompts_sent", "Prompts sent to Google", ["account"], registry=one)
        self.failures = Counter(
            "gemgate_attempts_failed", "Prompts that failed", ["account", "kind", "generated"], registry=one
        )
        self.states = Counter(
            "gemgate_account_state_changes", "Account state changes", ["account", "state"], registry=one
        )
        self.active = Gauge("gemgate_requests_active", "Requests under way", registry=one)

    def note(self, fact: Fact) -> None:
        data = fact.data
        match fact.name:
            case "request.begun":
                self.active.inc()
            case "request.done":
                self.active.dec()
                operation = str(data["operation"])
                self.requests.labels(operation, str(data["status"])).inc()
                self.duration.labels(operation).observe(float(data["seconds"] or 0))
            case "request.first_event":
                self.first.labels(str(data["operation"])).observe(float(data["seconds"] or 0))
            case "chat.tokens":
                self.tokens.labels(str(data["model"]), "input").inc(float(data["prompt"] or 0))
                self.tokens.labels(str(data["model"]), "output").inc(float(data["completion"] or 0))
            case "attempt.sent":
                self.attempts.labels(str(data["account"])).inc()
            case "attempt.failed":
                self.failures.labels(str(data["account"]), str(data["kind"]), str(data["generated"])).inc()
            case "account.state":
                self.states.labels(str(data["account"]), str(data["state"])).inc()
            case _:
                pass


@dataclass(slots=True)
class Trace:
    """What is remembered of one request: when it came, and every fact about it with its time."""

    request_id: str
    began: float
    facts: list[tuple[float, str, dict[str, Plain]]] = field(default_factory=list)


class RecentRequests:
    """The last `size` requests, for the page and for `GET /api/requests/{id}`."""

    def __init__(self, size: int = 500, facts: int = 64) -> None:
        self._size = size
        self._facts = facts
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def note(self, fact: Fact) -> None:
        if not fact.request_id:
            return
        trace = self._traces.get(fact.request_id)
        if trace is None:
            trace = self._traces[fact.request_id] = Trace(fact.request_id, time.time())
            while len(self._traces) > self._size:
                self._traces.popitem(last=False)
        if len(trace.facts) < self._facts:
            trace.facts.append((time.time(), fact.name, fact.data))

    def get(self, request_id: str) -> Trace | None:
        return self._traces.get(request_id)

    def latest(self) -> Iterable[Trace]:
        return reversed(self._traces.values())


_LEVELS = {"request.done": logging.INFO, "attempt.failed": logging.WARNING, "account.state": logging.INFO}


class LogLines:
    """The facts an operator wants to read as they happen."""

    def __init__(self) -> None:
        self._log = structlog.stdlib.get_logger("gemgate")

    def note(self, fact: Fact) -> None:
        level = _LEVELS.get(fact.name, logging.DEBUG)
        if not logging.getLogger("gemgate").isEnabledFor(level):
            return
        data: dict[str, Any] = {**fact.data, "request_id": fact.request_id} if fact.request_id else dict(fact.data)
        self._log.log(level, fact.name, **data)


def set_up_logging(level: str, form: str) -> None:
    """Send our lines, uvicorn's warnings and the client library's warnings to stderr, one form for all."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gemgate").setLevel(level.upper())
