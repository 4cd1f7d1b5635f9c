"""OpenTelemetry traces, made from the record of a request once it is over: a span for it, for each prompt at Google,
and for each image. Names and attributes are those of the GenAI conventions where they have one.

Nothing of this runs while a request is served; the exporter sends from a thread of its own. Needs the extra `otel`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gemgate.dialects.table import gen_ai_operation
from gemgate.errors import SettingsError
from gemgate.telemetry.metric_specs import PROVIDER
from gemgate.telemetry.request_record import AttemptRecord, ImageFacts, RequestRecord

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C trace context: trace id, the caller's span, flags."""

Value = str | int | float | bool


@asynccontextmanager
async def exported(endpoint: str | None, *, version: str, node: str) -> AsyncIterator[Traces | None]:
    """What sends traces to an OTLP/HTTP collector at `endpoint` (its base address), and nothing without one.

    SettingsError says how to install what is missing. What has not been sent at the end is sent then, for 5 s at most.
    """
    if not endpoint:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        install = "pip install '.[otel]'"
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set: {install} in the checkout",
            f"设置了 OTEL_EXPORTER_OTLP_ENDPOINT：请在源码目录中运行 {install}",
        ) from None
    resource = Resource({"service.name": "gemgate", "service.version": version, "service.instance.id": node})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider)
    finally:
        await asyncio.to_thread(provider.shutdown)


class Traces:
    """Turns ended records into spans of `provider`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("gemgate")

    def ended(self, record: RequestRecord) -> None:
        """A request is over. Only those that asked for an answer, or were refused, are worth a trace."""
        if not record.is_call or record.seconds is None:
            return
        from opentelemetry import trace  # noqa: PLC0415

        end = record.began + record.seconds
        root = self._tracer.start_span(
            f"{record.method} {record.operation}",
            context=_parent(record.traceparent),
            kind=trace.SpanKind.SERVER,
            start_time=_ns(record.began),
            attributes=_of_record(record),
        )
        within = trace.set_span_in_context(root)
        for attempt in record.attempts:
            if attempt.sent_at:
                span = self._tracer.start_span(
                    f"{gen_ai_operation(record.operation)} {record.model}",
                    context=within,
                    kind=trace.SpanKind.CLIENT,
                    start_time=_ns(attempt.sent_at),
                    attributes=_of_attempt(record, attempt),
                )
                _close(span, attempt.trouble.kind if attempt.trouble else "", attempt.ended_at or end)
        for image in record.images:
            span = self._tracer.start_span(
                "picture",
                context=within,
                start_time=_ns(image.at - image.download - image.work - image.store),
                attributes=_of_image(image),
            )
            _close(span, image.failed, image.at)
        _close(root, record.trouble.kind if record.trouble else "", end)


def _parent(traceparent: str) -> Context | None:
    """The caller's span as a context; None for a trace of our own."""
    from opentelemetry import trace  # noqa: PLC0415

    if (found := TRACE_PARENT.fullmatch(traceparent)) is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    parent = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))


def _close(span: Span, trouble: str, at: float) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    if trouble:
        span.set_attribute("error.type", trouble)
        span.set_status(Status(StatusCode.ERROR))
    span.end(_ns(at))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _present(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def _of_record(record: RequestRecord) -> dict[str, Value]:
    last = record.last
    return _present(
        {
            "http.request.method": record.method,
            "http.response.status_code": record.status,
            "gen_ai.provider.name": PROVIDER if record.model else None,
            "gen_ai.operation.name": gen_ai_operation(record.operation) if record.model else None,
            "gen_ai.request.model": record.model,
            "gen_ai.response.model": next((a.served for a in reversed(record.attempts) if a.served), None),
            "gen_ai.usage.input_tokens": record.prompt_tokens or None,
            "gen_ai.usage.output_tokens": record.output_tokens or None,
            "gemgate.request_id": record.id,
            "gemgate.dialect": record.dialect,
            "gemgate.key": record.tenant,
            "gemgate.streamed": record.streamed,
            "gemgate.conversation": last.reuse if last else None,
            "gemgate.generations": record.generations,
        }
    )


def _of_attempt(record: RequestRecord, attempt: AttemptRecord) -> dict[str, Value]:
    return _present(
        {
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.operation.name": gen_ai_operation(record.operation),
            "gen_ai.request.model": record.model,
            "gen_ai.response.model": attempt.served,
            "gemgate.account": attempt.account,
            "gemgate.account.why": attempt.why,
            "gemgate.attempt": attempt.number,
            "gemgate.repair": attempt.repair,
            "gemgate.outcome": attempt.outcome,
            "gemgate.generated": attempt.generated,
            "gemgate.then": attempt.then,
            "gemgate.queue_seconds": attempt.queue + attempt.pace,
            "gemgate.first_byte_seconds": attempt.first_byte,
        }
    )


def _of_image(image: ImageFacts) -> dict[str, Value]:
    return _present(
        {
            "gemgate.picture.source": image.source,
            "gemgate.picture.size": image.size,
            "gemgate.picture.logo": image.logo,
            "gemgate.picture.bytes": image.nbytes or None,
            "gemgate.picture.download_seconds": image.download,
            "gemgate.picture.work_seconds": image.work,
            "gemgate.picture.store_seconds": image.store,
        }
    )
