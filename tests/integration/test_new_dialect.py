"""A dialect is its codec and one row of the table: a throw-away one is served by everything that reads the table."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.catalog import ModelCard
from gemgate.chat import ChatRequest, Event, Message, Text, TextDelta
from gemgate.dialects import table, wire
from gemgate.dialects.rows import Act, Dialect, Operation, ReadContext
from gemgate.dialects.writing import Answering
from gemgate.errors import GatewayError
from gemgate.web import document as documents
from gemgate.web.operation import Router, operation
from gemgate.web.relay import call_info
from gemgate.web.relay.call_info import Defaults
from gemgate.web.relay.routes import all_routes
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

# The codec: what would be dialects/telegram.py.


class TelegramRequest(wire.Body):
    """Body of POST /telegram/send."""

    words: str
    stream: bool = False


def read(body: TelegramRequest, _: ReadContext) -> ChatRequest:
    return ChatRequest((Message("user", (Text(body.words),)),), stream=body.stream)


def error_body(error: GatewayError, language: str, request_id: str) -> tuple[int, Any]:
    return wire.status_of(error), {"stop": error.text(language), "id": request_id}


class Ticker:
    """Writes a stream."""

    heartbeat: bytes | None = b"\n"
    media_type = "text/x-telegram"

    def event(self, _: int, event: Event) -> bytes:
        return event.text.encode() if isinstance(event, TextDelta) else b""

    def close(self) -> bytes:
        return b" STOP"

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        return json.dumps(error_body(error, language, request_id)[1]).encode()


def writer(_: Any, __: Answering) -> Ticker:
    return Ticker()


# The row.

TELEGRAM = Dialect(
    name="telegram",
    family="telegram",
    prefixes=re.compile(r"/telegram(/|$)"),
    error_body=error_body,
    stream_error=lambda error, language, request_id: b"STOP",
    operations=(
        Operation(
            method="POST",
            path="/telegram/send",
            name="telegram.send",
            group="chat",
            act=Act.CHAT,
            body=TelegramRequest,
            summary="A telegram",
            read=read,
            write=lambda replies, _, call: {"answer": replies[0].text, "by": call.model},
            writer=writer,
        ),
    ),
)

ADMIN = "admin-key-of-this-test"


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Served]:
    monkeypatch.setattr(table, "ALL", (TELEGRAM, *table.ALL))
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.reply("hello", "Good day.")
        async with served(settings_for(sim, tmp_path, admin_key=ADMIN)) as running:
            yield running


async def test_it_answers_whole_and_as_it_comes_and_tells_errors(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        async with http.post("/telegram/send", json={"words": "hello"}) as answer:
            assert answer.status == 200
            whole = await answer.json()
            assert whole["answer"] == "Good day."
            assert whole["by"]
        async with http.post("/telegram/send", json={"words": "hello", "stream": True}) as answer:
            assert answer.headers["content-type"].startswith("text/x-telegram")
            assert await answer.text() == "Good day. STOP"
        async with http.post("/telegram/send", json={"words": 3}) as answer:
            assert answer.status == 400
            assert set(await answer.json()) == {"stop", "id"}
        async with http.get("/metrics", headers={"x-api-key": ADMIN}) as answer:
            assert 'operation="telegram.send"' in await answer.text()


async def test_a_scoped_key_opens_it_by_its_group_only(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        for group, status in (("chat", 200), ("images", 403)):
            wanted = {"name": f"for-{group}", "operations": [group]}
            async with http.post("/api/keys", json=wanted, headers={"x-api-key": ADMIN}) as answer:
                key = (await answer.json())["key"]
            async with http.post("/telegram/send", json={"words": "hello"}, headers={"x-api-key": key}) as answer:
                assert answer.status == status


def test_the_relay_and_the_document_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ALL", (TELEGRAM, *table.ALL))
    route = all_routes().find("POST", "/telegram/send")
    assert (route.name, route.group, route.act) == ("telegram.send", "chat", Act.CHAT)
    assert call_info.needs_body(route)
    known = call_info.read(route, b'{"words": "hello"}', "", Defaults("gemini-2.5-flash", "", ()))
    assert isinstance(known.card, ModelCard)
    assert known.counted
    assert known.trace.tips, "a fleet could not bring it back to the node that knows its conversation"
    document = documents.openapi_document.__wrapped__()
    assert document["paths"]["/telegram/send"]["post"]["summary"] == "A telegram"
    assert "TelegramRequest" in document["components"]["schemas"]


def test_no_operation_is_open_because_somebody_forgot() -> None:
    fields = {field.name: getattr(table.OPENAI.operations[0], field.name) for field in dataclasses.fields(Operation)}
    del fields["group"]
    with pytest.raises(TypeError, match="group"):
        Operation(**fields)
    with pytest.raises(TypeError, match="group"):
        operation(Router(), "GET", "/x", "x")  # type: ignore[call-arg]
