"""Sources, pictures of the web and documents reach every dialect as Markdown behind the text, streamed and whole."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import aiohttp
import pytest

from gemgate.simulator import Answer, Canvas, Simulator, found
from gemgate.simulator.dressing import cut, dressed
from gemgate.simulator.found import cited, grounded, listed, pictured
from tests.serving import Served

MODEL = "gemini-3-flash-preview"
PAGES = [
    ("https://example.org/tides", "How tides work", "The moon pulls."),
    ("https://example.com/moon(1)", "The [moon]", "It is far."),
]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkaGhgwAYaGHCAwSkBAMyIARAUbW44AAAAAElFTkSuQmCC"
)
LIST = "\n\n**Sources**\n\n1. [How tides work](https://example.org/tides)\n2. [The (moon)](https://example.com/moon%281%29)"


def asked(dialect: str, text: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    say = [{"role": "user", "content": text}]
    match dialect:
        case "chat":
            return "/v1/chat/completions", {"model": MODEL, "messages": say, "stream": stream}
        case "responses":
            return "/v1/responses", {"model": MODEL, "input": text, "stream": stream}
        case "anthropic":
            return "/v1/messages", {"model": MODEL, "max_tokens": 999, "messages": say, "stream": stream}
        case _:
            how = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{MODEL}:{how}", {"contents": [{"parts": [{"text": text}]}]}


def said(dialect: str, event: dict[str, Any]) -> str:
    """The text of a whole answer or of one event of a stream."""
    match dialect:
        case "chat":
            return "".join((c.get("delta") or c.get("message") or {}).get("content") or "" for c in event["choices"])
        case "responses" if "output" in event:
            return "".join(part["text"] for item in event["output"] for part in item.get("content", []))
        case "responses":
            return event["delta"] if event["type"] == "response.output_text.delta" else ""
        case "anthropic" if "content" in event:
            return "".join(block["text"] for block in event["content"])
        case "anthropic":
            return event.get("delta", {}).get("text", "")
        case _:
            return "".join(part.get("text", "") for c in event["candidates"] for part in c["content"]["parts"])


async def answer(http: aiohttp.ClientSession, dialect: str, text: str, *, stream: bool) -> str:
    path, body = asked(dialect, text, stream=stream)
    async with http.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        if not stream:
            return said(dialect, await response.json())
        lines = (await response.text()).splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(said(dialect, event) for event in events)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["chat", "responses", "anthropic", "gemini"])
async def test_everything_found_stands_behind_the_text(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str, stream: bool
) -> None:
    program = Canvas("Tide table", "```python\nprint('a < b')\n```", "tides.py", "python")
    prose = Canvas("An essay", "# Tides\n\nThey come & go.")
    rich = cited(PAGES) | pictured([("https://example.org/t.png", "a tide")])
    sim.google.reply("tides", "The moon does it.", canvas=(program, prose), rich=rich, chars=6)
    expected = (
        "The moon does it."
        "\n\n## Tide table\n\n`tides.py`\n\n```python\nprint('a < b')\n```"
        "\n\n## An essay\n\n# Tides\n\nThey come & go."
        "\n\n![a tide](https://example.org/t.png)" + LIST
    )
    assert await answer(http, dialect, "tides?", stream=stream) == expected
    assert sim.record.generations == 1


@pytest.mark.parametrize("rich", [cited(PAGES), listed(PAGES), grounded(PAGES), cited(PAGES) | listed(PAGES)])
@pytest.mark.parametrize("stream", [False, True])
async def test_each_spelling_of_sources_is_read_once_and_without_own_hosts(
    sim: Simulator, http: aiohttp.ClientSession, rich: dict[int, Any], stream: bool
) -> None:
    sim.google.reply("tides", "The moon does it [cite: 1, 2].", rich=rich)
    assert await answer(http, "chat", "tides?", stream=stream) == "The moon does it." + LIST


async def test_nothing_is_put_behind_json_or_a_call(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.google.reply("tides", '{"a": 1}', rich=cited(PAGES))
    path, body = asked("chat", "tides?", stream=False)
    async with http.post(path, json={**body, "response_format": {"type": "json_object"}}) as response:
        content = (await response.json())["choices"][0]["message"]["content"]
        request_id = response.headers["x-request-id"]
    assert json.loads(content) == {"a": 1}
    async with http.get(f"/api/requests/{request_id}") as response:
        told = await response.json()
    assert told["beside"] == {"sources": 2}
    assert "(sources: 2); not shown" in str(told["story"])


async def test_the_conversation_goes_on_behind_a_list_of_sources(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.google.reply("tides", "The moon does it.", rich=cited(PAGES))
    sim.google.reply("why", "Because.")
    first = await answer(http, "chat", "tides?", stream=False)
    history = [
        {"role": "user", "content": "tides?"},
        {"role": "assistant", "content": first},
        {"role": "user", "content": "why?"},
    ]
    async with http.post("/v1/chat/completions", json={"model": MODEL, "messages": history}) as response:
        assert response.status == 200
    assert len({call.cid for call in sim.record.calls}) == 1


async def test_what_is_not_known_is_counted_and_explained(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.google.reply("tides", "The moon does it.", rich={98: ["something new"], 43: None, **cited(PAGES)})
    path, body = asked("chat", "tides?", stream=False)
    async with http.post(path, json=body) as response:
        assert response.status == 200
        request_id = response.headers["x-request-id"]
    async with http.get("/metrics") as response:
        assert 'gemgate_wire_unknown_total{field="rich 99"} 1.0' in await response.text()
    async with http.get(f"/api/requests/{request_id}") as response:
        assert "rich 99" in await response.text()


WORDS = "Here is your picture of a lighthouse, as you wished for it.\n\nTell me whether the light should be brighter."


@pytest.mark.parametrize("dialect", ["chat", "responses", "anthropic", "gemini"])
async def test_a_picture_stands_behind_the_words_streamed_and_whole_alike(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    def painted(_: object) -> Answer:
        return Answer(WORDS, chars=5, rich={7: [[sim.google.gallery.hang(PNG).item()]]})

    sim.google.reply("lighthouse", painted)
    told = [re.sub(r"\(\S+\)", "()", await answer(http, dialect, "lighthouse!", stream=s)) for s in (False, True)]
    shown = "" if dialect == "responses" else "\n\n![lighthouse!]()"
    assert told == [WORDS + shown] * 2
    assert sim.record.generations == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("escaped", [False, True])
async def test_what_the_service_dresses_its_text_with_is_taken_off_and_its_questions_are_told(
    sim: Simulator, http: aiohttp.ClientSession, escaped: bool, stream: bool
) -> None:
    wire = dressed(
        "* a\n* b",
        asks_next=("Why is that?", "And at night & at sea?"),
        ran="print(1 < 2)",
        printed="True",
        cites=(1, 12),
        ends_list=True,
        slips=True,
        placeholder="card_content/0",
        tags_escaped=escaped,
    )
    sim.google.reply("tides", Answer(raw=cut(wire)))
    path, body = asked("chat", "tides?", stream=stream)
    async with http.post(path, json=body) as response:
        events = [await response.json()] if not stream else []
        lines = (await response.text()).splitlines()
    events = events or [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    shown = "```python\nprint(1 < 2)\n```\n```text\nTrue\n```\n* a\n* b"
    assert "".join(said("chat", event) for event in events) == shown
    assert events[-1]["suggestions"] == ["Why is that?", "And at night & at sea?"]


CARDS = {
    "a plan of a research": (found.research_plan("Bees", ["read", "compare"]), {"rich 56"}),
    "a research under way": (found.research_task(PAGES, over=False), {"rich 57", "rich 58", "rich 70"}),
    "a film": (found.filmed("$token"), {"rich 60"}),
}


@pytest.mark.parametrize("card", CARDS)
async def test_cards_that_are_not_asked_for_are_named_and_lose_no_words(
    gate: Served, sim: Simulator, http: aiohttp.ClientSession, card: str
) -> None:
    """Research and films (docs/google-wire.md 6.6, 6.8): nothing of them vanishes unseen."""
    rich, fields = CARDS[card]
    sim.google.reply("bees", lambda prompt: Answer("See below.", rich=rich))
    body = {"messages": [{"role": "user", "content": "bees"}]}
    async with http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200
        assert (await answer.json())["choices"][0]["message"]["content"].startswith("See below.")
        request_id = answer.headers["x-request-id"]
    async with http.get(f"/api/requests/{request_id}") as shown:
        assert fields <= set((await shown.json())["attempts"][0]["unknown"])
    async with http.get("/metrics") as answer:
        metrics = await answer.text()
    for field in fields:
        assert f'gemgate_wire_unknown_total{{field="{field}"}}' in metrics


async def test_the_report_of_a_research_reaches_the_caller(
    gate: Served, sim: Simulator, http: aiohttp.ClientSession
) -> None:
    report = Canvas("Bees", "# Bees\n\nThey fly.")
    task = found.research_task(PAGES, over=True)
    sim.google.reply("bees", lambda prompt: Answer("Done.", rich=task, canvas=(report,)))
    async with http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "bees"}]}) as answer:
        text = (await answer.json())["choices"][0]["message"]["content"]
    assert "They fly." in text
    assert LIST.strip() in text
