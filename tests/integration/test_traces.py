"""Traces reach a collector as OTLP over HTTP: one per call, under the caller's own span, and without a secret word."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gemgate.errors import SettingsError
from gemgate.telemetry import traces
from gemgate_simulator import Simulator
from tests.support.patience import PATIENCE
from tests.support.serving import served, settings_for

CANARY = "xylophone-canary-4712"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """An OTLP/HTTP collector that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.raw = b""

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        data = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        self.raw += data
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(body=b"", content_type="application/x-protobuf")


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def test_a_call_is_a_trace_under_the_caller_s_span(tmp_path: Path) -> None:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Simulator(("alice",)) as sim:
            sim.google.fault("generate", "code", code=1013, match="doomed")
            settings = settings_for(sim, tmp_path, otel_exporter_otlp_endpoint=endpoint)
            async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
                parent = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
                for said, status in ((f"hello {CANARY}", 200), ("doomed", 502)):
                    body = {"messages": [{"role": "user", "content": said}]}
                    async with http.post("/v1/chat/completions", json=body, headers=parent) as answer:
                        assert answer.status == status
                        request_id = answer.headers["x-request-id"]
                    parent = {"traceparent": "nonsense"}
                async with http.post("/v1/images/generations", json={"prompt": "a boat"}) as answer:
                    assert answer.status == 200
            secrets = [*sim.google.cookies("alice").values(), CANARY]
    finally:
        await runner.cleanup()
    calls = [span for span in collector.spans if span.kind == 2]
    assert [span.name for span in calls] == [
        "POST chat.completions", "POST chat.completions", "POST images.generations"
    ]  # fmt: skip
    first, second, painted = calls
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, SPAN)
    assert second.trace_id.hex() != TRACE
    assert not second.parent_span_id
    told = attributes(second)
    assert told["gemgate.request_id"] == request_id
    assert (told["http.response.status_code"], told["error.type"]) == (502, "upstream")
    within = {span.name: span for span in collector.spans if span.parent_span_id == first.span_id}
    prompt = within["chat gemini-3-flash-preview"]
    assert attributes(prompt)["gemgate.account"] == "default"
    assert first.start_time_unix_nano <= prompt.start_time_unix_nano < prompt.end_time_unix_nano
    assert prompt.end_time_unix_nano <= first.end_time_unix_nano
    image = next(span for span in collector.spans if span.parent_span_id == painted.span_id and span.kind == 1)
    assert attributes(image)["gemgate.picture.source"] == "full_size"
    assert all(secret.encode() not in collector.raw for secret in secrets)


async def test_a_collector_that_is_away_costs_no_call(tmp_path: Path) -> None:
    async with Simulator(("alice",)) as sim:
        settings = settings_for(sim, tmp_path, otel_exporter_otlp_endpoint="http://127.0.0.1:9")
        async with asyncio.timeout(PATIENCE):
            async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
                body = {"messages": [{"role": "user", "content": "hello"}]}
                async with http.post("/v1/chat/completions", json=body) as answer:
                    assert answer.status == 200


async def test_without_the_extra_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"'\.\[otel\]' in the checkout"):
        async with traces.exported("http://127.0.0.1:9", version="0", node="n"):
            pass
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        async with served(settings_for(None, tmp_path, otel_exporter_otlp_endpoint="http://127.0.0.1:9")):
            pass
