"""Whole answers that take long: their head and white space go ahead, and every client reads the JSON behind them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
import requests
from google import genai
from google.genai import types
from PIL import Image

from gemgate.dialects.interactions.answer import NOT_REPEATED
from gemgate_simulator import Painting, Simulator
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for

pytestmark = pytest.mark.usefixtures("quick_blanks")

SOON = 0.3
FAST = {"first_byte_timeout_seconds": 30, "idle_timeout_seconds": 30, "keepalive_seconds": SOON}
TEXT, IMAGE = "gemini-3-flash-preview", "gemini-2.5-flash-image"
TURN = [{"role": "user", "content": "a red fox"}]
CONTENTS = [{"role": "user", "parts": [{"text": "a red fox"}]}]


def dot() -> bytes:
    """A small image."""
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    return data.getvalue()


DATA_URL = "data:image/png;base64," + base64.b64encode(dot()).decode()
CHATS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": TEXT, "messages": TURN}),
    "responses": ("/v1/responses", {"model": TEXT, "input": "a red fox"}),
    "messages": ("/v1/messages", {"model": TEXT, "max_tokens": 99, "messages": TURN}),
    "gemini": (f"/v1beta/models/{TEXT}:generateContent", {"contents": CONTENTS}),
    "interactions": ("/v1beta/interactions", {"model": TEXT, "input": "a red fox", "store": False}),
    "simple": ("/v1/generate", {"model": TEXT, "prompt": "a red fox"}),
}
IMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "generations": ("/v1/images/generations", {"model": IMAGE, "prompt": "a red fox"}),
    "edits": (
        "/v1/images/edits",
        {"model": IMAGE, "prompt": "a red fox", "response_format": "url", "images": [{"image_url": DATA_URL}]},
    ),
    "predict": (f"/v1beta/models/{IMAGE}:predict", {"instances": [{"prompt": "a red fox"}]}),
    "generate-images": ("/v1/generate-images", {"model": IMAGE, "prompt": "a red fox"}),
    "chat image": ("/v1/chat/completions", {"model": IMAGE, "messages": TURN}),
}
CALLS = CHATS | IMAGES


@pytest.fixture
def quick_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemgate.web.keepalive.BLANK_SECONDS", 0.2)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        simulator.google.reply("fox", "late words", delay=1.2)
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, **FAST)) as gateway:
        yield gateway


async def story(gate: Served, request_id: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(gate.url) as http, http.get(f"/api/requests/{request_id}") as told:
        return await told.json()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CALLS)
async def test_the_head_and_white_space_go_ahead_of_the_json(gate: Served, sim: Simulator, name: str) -> None:
    if name in IMAGES:
        sim.google.reply("fox", "here", image=Painting(), delay=1.2)
    path, body = CALLS[name]
    async with aiohttp.ClientSession(gate.url) as http, http.post(path, json=body) as answer:
        assert gate.service.pool.accounts[0].busy == 1, "it is still being made"
        assert answer.status == 200
        headers = answer.headers
        read = await answer.read()
    assert headers["content-type"] == "application/json"
    assert headers["transfer-encoding"] == "chunked"
    assert headers["x-gemgate-keepalive"] == "1"
    assert not {"content-length", "x-gemgate-served-model", "x-gemgate-attempts"} & {one.lower() for one in headers}
    blanks = len(read) - len(read.lstrip())
    assert read[:blanks] == b" " * blanks
    assert 3 <= blanks <= 20
    assert json.loads(read).get("error") is None
    assert (b"late words" in read) == (name in CHATS)
    assert sim.record.generations == 1
    told = await story(gate, headers["x-request-id"])
    assert (told["status"], told["error"], told["kept_alive"], told["in_band"]) == (200, None, True, False)
    assert any("KEEPALIVE_SECONDS" in sentence["en"] for sentence in told["story"])


async def test_what_is_quick_or_never_kept_waiting_is_as_it_was(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("quick", "at once")
    never = settings_for(sim, tmp_path, **{**FAST, "keepalive_seconds": 0})
    async with served(never) as gate, aiohttp.ClientSession(gate.url) as http:
        for words in ("quick", "a red fox"):
            body = {"model": TEXT, "messages": [{"role": "user", "content": words}]}
            async with http.post("/v1/chat/completions", json=body) as answer:
                assert "x-gemgate-keepalive" not in answer.headers
                assert int(answer.headers["content-length"]) == len(await answer.read())
                assert answer.headers["x-gemgate-served-model"]


ERRORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "chat": lambda told: told["error"]["status"],
    "responses": lambda told: told["error"]["status"],
    "messages": lambda told: told["error"]["status"],
    "gemini": lambda told: told["error"]["code"],
    "interactions": lambda told: told["error"]["status"],
    "simple": lambda told: told["status"],
    "generations": lambda told: told["error"]["status"],
    "edits": lambda told: told["error"]["status"],
    "predict": lambda told: told["error"]["code"],
    "generate-images": lambda told: told["status"],
    "chat image": lambda told: told["error"]["status"],
}


@pytest.mark.parametrize("name", CALLS)
async def test_an_error_behind_white_space_has_its_status_inside(sim: Simulator, tmp_path: Path, name: str) -> None:
    """Google is silent for longer than it may be: a 504 of which nobody knows whether something was generated."""
    sim.google.reply("fox", "late words", delay=8)
    path, body = CALLS[name]
    async with served(settings_for(sim, tmp_path, **{**FAST, "first_byte_timeout_seconds": 1})) as gate:
        async with aiohttp.ClientSession(gate.url) as http, http.post(path, json=body) as answer:
            assert (answer.status, answer.headers["x-gemgate-keepalive"]) == (200, "1")
            read = await answer.read()
            request_id = answer.headers["x-request-id"]
        told = await story(gate, request_id)
        async with aiohttp.ClientSession(gate.url) as http, http.get("/metrics") as metrics:
            counted = await metrics.text()
    assert read.startswith(b" ")
    problem = json.loads(read)
    assert ERRORS[name](problem) == (NOT_REPEATED if name == "interactions" else 504), problem
    if name == "gemini":
        assert problem["error"]["status"] == "DEADLINE_EXCEEDED"
    assert (told["status"], told["in_band"], told["kept_alive"]) == (200, True, True)
    assert told["error"] is not None
    assert "gemgate_answers_kept_alive_total 1.0" in counted
    assert sim.record.received == 1, "what may have been generated is not asked for again"


async def test_an_error_before_the_head_keeps_its_status(gate: Served) -> None:
    body = {"model": "no-such-model", "messages": TURN}
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 404
        assert "status" not in (await answer.json())["error"]


async def test_another_account_takes_over_while_only_blanks_went_out(sim: Simulator, tmp_path: Path) -> None:
    sim.google.fault("generate", "code", code=1037)
    lines = []
    for name in ("alice", "bob"):
        (tmp_path / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
        lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{tmp_path}/{name}.json"\n')
    (tmp_path / "accounts.toml").write_text("".join(lines))
    more = {**FAST, "keepalive_seconds": 0.001, "proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file}
    async with served(settings_for(None, tmp_path, **more)) as gate, aiohttp.ClientSession(gate.url) as http:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        async with http.post("/v1/chat/completions", json=CHATS["chat"][1]) as answer:
            assert answer.headers["x-gemgate-keepalive"] == "1"
            read = await answer.read()
        told = await story(gate, answer.headers["x-request-id"])
    assert json.loads(read)["choices"][0]["message"]["content"] == "late words"
    assert (sim.record.received, sim.record.generations) == (2, 1)
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["failed", "answered"]


@pytest.mark.parametrize("name", ["chat", "generations"])
async def test_who_leaves_during_the_blanks_stops_all(sim: Simulator, tmp_path: Path, name: str) -> None:
    sim.google.reply("fox", "late words", delay=15)
    path, body = CALLS[name]
    async with served(settings_for(sim, tmp_path, **FAST, abandoned="cancel")) as gate:
        async with aiohttp.ClientSession(gate.url) as http, http.post(path, json=body) as answer:
            request_id = answer.headers["x-request-id"]
            assert await answer.content.readexactly(2) == b"  "
            assert gate.service.pool.accounts[0].busy == 1
        await until(lambda: gate.service.pool.accounts[0].busy == 0)
        told = await story(gate, request_id)
    assert (told["status"], told["kept_alive"], told["error"]) == (499, True, None)
    assert sim.record.received == 1


def by_requests(url: str, body: Any) -> Any:
    return requests.post(url, json=body, timeout=20).json()


def by_httpx(url: str, body: Any) -> Any:
    return httpx2.post(url, json=body, timeout=20).json()


def by_urllib(url: str, body: Any) -> Any:
    sent = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(sent, timeout=20) as answer:
        return json.load(answer)


def by_fetch(url: str, body: Any) -> Any:
    """Node's fetch, which is the browsers'."""
    node = shutil.which("node")
    assert node, "node is needed"
    script = """
        const [url, body] = process.argv.slice(1);
        const headers = {"content-type": "application/json"};
        const answer = await fetch(url, {method: "POST", body, headers});
        console.log(JSON.stringify(await answer.json()));
    """
    command = [node, "--input-type=module", "-e", script, url, json.dumps(body)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)


JAVA = """
import java.net.URI;
import java.net.http.*;
import java.time.Duration;

class Ask {
    public static void main(String[] given) throws Exception {
        var call = HttpRequest.newBuilder(URI.create(given[0])).timeout(Duration.ofSeconds(20))
            .header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(given[1])).build();
        var answer = HttpClient.newHttpClient().send(call, HttpResponse.BodyHandlers.ofString());
        System.out.write((answer.statusCode() + "\\n" + answer.body()).getBytes("UTF-8"));
        System.out.flush();
    }
}
"""


def by_java(url: str, body: Any) -> Any:
    """`java.net.http`, which asks for HTTP/2 by an upgrade; its JSON libraries skip white space, as JSON has it."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Ask.java"
        source.write_text(JAVA, "utf-8")
        command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", str(source), url, json.dumps(body)]
        said = subprocess.run(command, check=True, capture_output=True, timeout=60, env={}).stdout.decode()
    status, _, text = said.partition("\n")
    assert status == "200", said
    assert text.startswith("  "), "it came as white space ahead"
    return json.loads(text)


WANTS_HTTP_2 = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


async def test_a_wish_for_http_2_is_ignored_and_the_connection_goes_on(gate: Served) -> None:
    """However the body is framed and in whatever pieces it comes; the next calls are on the same connection."""
    body = json.dumps({"model": TEXT, "messages": TURN}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{WANTS_HTTP_2}"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"
    framed = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks
    plain = f"GET /health HTTP/1.1\r\nHost: localhost\r\n{WANTS_HTTP_2}\r\n".encode()
    reader, writer = await asyncio.open_connection(*gate.url.removeprefix("http://").split(":"))
    try:
        for sent in (framed, chunked, plain, framed + plain):
            for start in range(0, len(sent), 50):
                writer.write(sent[start : start + 50])
                await writer.drain()
                await asyncio.sleep(0.001)
            for _ in range(sent.count(b"HTTP/1.1")):
                async with asyncio.timeout(PATIENCE):
                    status = await reader.readline()
                    said = (await reader.readuntil(b"\r\n\r\n")).lower()
                    assert status == b"HTTP/1.1 200 OK\r\n", said
                    assert b"connection: close" not in said
                    if b"chunked" in said:
                        await reader.readuntil(b"0\r\n\r\n")
                    else:
                        await reader.readexactly(int(said.split(b"content-length: ")[1].split(b"\r\n")[0]))
    finally:
        writer.close()


@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_urllib, by_fetch, by_java])
async def test_http_clients_read_it(gate: Served, sim: Simulator, ask: Callable[[str, Any], Any]) -> None:
    path, body = CHATS["chat"]
    told = await asyncio.to_thread(ask, gate.url + path, body)
    assert told["choices"][0]["message"]["content"] == "late words"
    assert sim.record.generations == 1


async def test_the_openai_sdk_reads_it(gate: Served, sim: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="x", max_retries=0) as client:
        raw = await client.chat.completions.with_raw_response.create(**CHATS["chat"][1])
        assert raw.headers["x-gemgate-keepalive"] == "1"
        assert raw.parse().choices[0].message.content == "late words"
        assert (await client.responses.create(**CHATS["responses"][1])).output_text == "late words"
        sim.google.reply("fox", "here", image=Painting(), delay=1.2)
        made = await client.images.generate(model=IMAGE, prompt="a red fox")
        assert made.data
        assert base64.b64decode(made.data[0].b64_json or "")[:4] == b"\x89PNG"
        edited = await client.images.edit(model=IMAGE, prompt="a red fox", image=("dot.png", dot(), "image/png"))
        assert edited.data
        assert edited.data[0].b64_json
    assert sim.record.generations == 4


async def test_the_anthropic_sdk_reads_it(gate: Served, sim: Simulator) -> None:
    async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0) as client:
        message = await client.messages.create(model=TEXT, max_tokens=99, messages=TURN)  # type: ignore[arg-type]
    assert "late words" in str(message.content)
    assert sim.record.generations == 1


async def test_the_google_sdk_reads_it(gate: Served, sim: Simulator) -> None:
    client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=gate.url))
    try:
        answer = await client.aio.models.generate_content(model=TEXT, contents="a red fox")
        assert answer.text == "late words"
        sim.google.reply("fox", "here", image=Painting(), delay=1.2)
        made = await client.aio.models.generate_content(model=IMAGE, contents="a red fox")
        assert made.parts
        assert made.parts[-1].inline_data
    finally:
        await client.aio.aclose()
    assert sim.record.generations == 2


async def test_sdks_raise_nothing_for_an_error_behind_white_space(sim: Simulator, tmp_path: Path) -> None:
    """What docs/proxies.md tells of them: there is no status to raise for, and the error can be read."""
    sim.google.reply("fox", "late words", delay=8)
    async with served(settings_for(sim, tmp_path, **{**FAST, "first_byte_timeout_seconds": 1})) as gate:
        google = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=gate.url))
        gemini = await google.aio.models.generate_content(model=TEXT, contents="a red fox")
        await google.aio.aclose()
        async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="x", max_retries=0) as client:
            chat = await client.chat.completions.create(**CHATS["chat"][1])
        async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0) as other:
            message: Any = await other.messages.create(model=TEXT, max_tokens=99, messages=TURN)  # type: ignore[arg-type]
    assert not gemini.candidates
    assert not chat.choices
    assert chat.model_extra
    assert chat.model_extra["error"]["status"] == 504
    assert (message.type, message.error["status"]) == ("error", 504)
    assert sim.record.received == 3
