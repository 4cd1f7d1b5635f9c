"""The Model Context Protocol, judged by the official client: over HTTP in both of its forms, and over stdin."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from gemgate.imaging import measure, tag_provenance
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from gemgate_simulator import Painting, Simulator
from gemgate_simulator.web_results import listed
from tests.support.batch_calls import QUICK
from tests.support.image_files import png
from tests.support.image_kinds import paint
from tests.support.serving import Served, served, settings_for

TOOLS = {
    *("ask", "search_web", "read_file"),
    *("make_image", "edit_image", "clean_image"),
    *("start_job", "job", "cancel_job"),
}
BOTH = pytest.mark.parametrize("mode", ["legacy", "auto"])
"""The handshake of earlier versions, and what the library does by itself."""


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.images(cheap=True)
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, api_key="agent:sesame", concurrency=8), job_rules=QUICK) as running:
        yield running


@asynccontextmanager
async def client_of(gate: Served, key: str = "sesame", mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{gate.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def called(client: Client, tool: str, **arguments: Any) -> list[Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return list(answer.content)


@BOTH
async def test_all_tools_are_listed_and_one_answers(sim: Simulator, gate: Served, mode: str) -> None:
    sim.google.reply("colour", "It is blue.")
    async with client_of(gate, mode=mode) as client:
        listed = (await client.list_tools()).tools
        assert {tool.name for tool in listed} == TOOLS
        assert all(tool.description and "ctx" not in tool.input_schema["properties"] for tool in listed)
        (text,) = await called(client, "ask", prompt="what colour is the sky?", system="be short")
    assert text.text == "It is blue."
    assert sim.record.generations == 1


async def test_the_web_is_searched_with_its_sources(sim: Simulator, gate: Served) -> None:
    page = ("https://example.org/tides", "How tides work", "The moon pulls.")
    sim.google.reply("tides", "The moon does it.", rich=listed([page]))
    async with client_of(gate) as client:
        (text,) = await called(client, "search_web", query="why are there tides?")
    assert text.text.startswith("The moon does it.")
    assert text.text.count("https://example.org/tides") == 1


async def test_a_file_is_read_where_it_may_be(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    sim.google.reply("says", "It says hello.")
    note = "data:text/plain;base64," + base64.b64encode(b"hello").decode()
    async with client_of(gate) as client:
        (text,) = await called(client, "read_file", file=note, question="what says it?")
        refused = await client.call_tool("read_file", {"file": str(tmp_path / "note.txt"), "question": "says?"})
    assert text.text == "It says hello."
    assert refused.is_error
    assert "only gemgate mcp reads paths" in refused.content[0].text
    assert sim.record.generations == 1


async def test_images_are_made_changed_and_shown_small(sim: Simulator, gate: Served) -> None:
    sim.google.reply("fox", "", image=Painting(size=(640, 400)))
    async with client_of(gate) as client:
        link, facts, preview = await called(client, "make_image", prompt="draw a fox", size="640x400")
        edited = await called(client, "edit_image", images=[str(link.uri)], prompt="the fox at night")
    assert json.loads(facts.text)["width"] == 640
    small = measure(base64.b64decode(preview.data))
    assert (small.mime, small.width) == ("image/webp", 320) == (preview.mime_type, 320)
    assert [part.type for part in edited] == ["resource_link", "text", "image"]
    assert sim.record.generations == 2


async def test_a_logo_comes_off_and_the_provenance_stays(gate: Served) -> None:
    marked = png(draw(paint("leaves", 81, 300, 320), V1_SMALL))
    async with client_of(gate) as client:
        sent = "data:image/png;base64," + base64.b64encode(marked).decode()
        told, image = await called(client, "clean_image", image=sent)
        again = await called(client, "clean_image", image=f"data:image/png;base64,{image.data}")
    assert json.loads(told.text) == {"logo": "removed"}
    assert tag_provenance(base64.b64decode(image.data), changed=True).provenance == "kept"
    assert [json.loads(part.text) for part in again] == [{"logo": "absent"}]


async def test_a_picture_is_read_as_everywhere_and_a_message_is_bounded(gate: Served) -> None:
    """A body of percent signs held the event loop for seconds: no other route reads such a `data:` URL either."""
    async with client_of(gate) as client:
        refused = await client.call_tool("clean_image", {"image": "data:image/png,%89PNG"})
        assert refused.is_error
        assert "not base64" in refused.content[0].text
    async with httpx2.AsyncClient(headers={"authorization": "Bearer sesame"}) as http:
        body = b'{"jsonrpc": "2.0", "method": "' + b"x" * 16_000_000 + b'"}'
        assert (await http.post(f"{gate.url}/mcp", content=body)).status_code == 413


async def test_what_can_be_no_address_is_refused_as_that(gate: Served, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(gate) as client:
        for place in (
            "http://[:::",
            "/images/" + "a" * 100_000,
            "/images/\0",
            "http://\uff0f/images/x",
            "//[/images/x",
        ):
            refused = await client.call_tool("clean_image", {"image": place})
            assert refused.is_error
            assert ": " in refused.content[0].text, place
        for job in ("x" * 100_000, "\0", "../../health", "//[", "\ufdfa" * 1_000):
            for name in ("job", "cancel_job"):
                refused = await client.call_tool(name, {"job_id": job})
                assert refused.is_error
                assert ": " in refused.content[0].text, job
    assert not [line for line in caplog.records if "unexpected" in line.getMessage()]


async def test_jobs_are_started_watched_and_given_up(sim: Simulator, gate: Served) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=0.3)
    sim.google.reply("poem", "Roses are red.", delay=0.3)
    sim.google.reply("slow", "late", delay=20)
    async with client_of(gate) as client:
        (begun,) = await called(client, "start_job", kind="image", prompt="draw a cat")
        told, *shown = await called(client, "job", job_id=json.loads(begun.text)["id"], wait_seconds=20)
        assert json.loads(told.text)["status"] == "completed"
        assert [part.type for part in shown] == ["resource_link", "text", "image"]

        (begun,) = await called(client, "start_job", kind="answer", prompt="a poem")
        answer = json.loads(begun.text)
        (now,) = await called(client, "job", job_id=answer["id"])
        assert json.loads(now.text)["status"] in ("queued", "in_progress")
        told, words = await called(client, "job", job_id=answer["id"], wait_seconds=20)
        assert (json.loads(told.text)["status"], words.text) == ("completed", "Roses are red.")

        (begun,) = await called(client, "start_job", kind="image", prompt="a slow one")
        (gone,) = await called(client, "cancel_job", job_id=json.loads(begun.text)["id"])
        assert json.loads(gone.text)["status"] == "cancelled"


async def test_keys_and_their_scopes_are_those_of_every_call(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="agent:sesame", admin_key="a" * 32, rate_limit_per_hour=1)
    async with served(settings) as gate:
        async with httpx2.AsyncClient() as http:
            wrong = await http.post(f"{gate.url}/mcp", json={}, headers={"authorization": "Bearer wrong"})
            assert (wrong.status_code, wrong.json()["detail"][:7]) == (401, "The API")
            admin = {"authorization": "Bearer " + "a" * 32}
            only_chat = {"name": "reader", "operations": ["chat"]}
            made = await http.post(f"{gate.url}/api/keys", json=only_chat, headers=admin)
        async with client_of(gate, key=made.json()["key"]) as client:
            image = await client.call_tool("make_image", {"prompt": "draw a fox"})
            assert image.is_error
            assert "not for images" in image.content[0].text
            await called(client, "ask", prompt="hello")
            limited = await client.call_tool("ask", {"prompt": "hello"})
            assert limited.is_error
    assert sim.record.generations == 1


async def test_an_agent_on_this_machine_speaks_to_the_command(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    """Over standard input: local files are read, and a cleaned one is written beside the original."""
    sim.google.reply("says", "It says hello.")
    (tmp_path / "note.txt").write_text("hello")
    marked = png(draw(paint("leaves", 81, 300, 320), V1_SMALL))
    (tmp_path / "marked.png").write_bytes(marked)
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "gemgate", "mcp", "--url", gate.url, "--key", "sesame"],
        env={**os.environ, "DATA_DIR": str(tmp_path / "other")},
    )
    async with Client(stdio_client(command)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        (text,) = await called(client, "read_file", file=str(tmp_path / "note.txt"), question="what says it?")
        (told,) = await called(client, "clean_image", image=str(tmp_path / "marked.png"))
        missing = await client.call_tool("read_file", {"file": str(tmp_path / "none.txt"), "question": "?"})
    assert text.text == "It says hello."
    assert json.loads(told.text) == {"logo": "removed", "written": str(tmp_path / "marked-clean.png")}
    assert (tmp_path / "marked.png").read_bytes() == marked
    assert missing.is_error
    assert "No such file" in missing.content[0].text
