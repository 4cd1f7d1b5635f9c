"""Documents and images of the web stand behind the text in every dialect, streamed and whole; sources do where the
dialect has no shape of its own for them.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Answer, Canvas, Simulator, web_results
from gemgate_simulator.text_dressing import cut, dressed
from gemgate_simulator.web_results import cited, grounded, imaged, listed
from tests.support.serving import Served

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
        case "simple":
            return "/v1/generate", {"model": MODEL, "prompt": text}
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
        case "simple":
            return str(event["text"])
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
    rich = cited(PAGES) | imaged([("https://example.org/t.png", "a tide")])
    sim.google.reply("tides", "The moon does it.", canvas=(program, prose), rich=rich, chars=6)
    expected = (
        "The moon does it."
        "\n\n## Tide table\n\n`tides.py`\n\n```python\nprint('a < b')\n```"
        "\n\n## An essay\n\n# Tides\n\nThey come & go."
        "\n\n![a tide](https://example.org/t.png)"
    )
    assert await answer(http, dialect, "tides?", stream=stream) == expected
    assert sim.record.generations == 1


@pytest.mark.parametrize("rich", [cited(PAGES), listed(PAGES), grounded(PAGES), cited(PAGES) | listed(PAGES)])
async def test_each_spelling_of_sources_is_read_once_and_without_own_hosts(
    sim: Simulator, http: aiohttp.ClientSession, rich: dict[int, Any]
) -> None:
    sim.google.reply("tides", "The moon does it [cite: 1, 2].", rich=rich)
    assert await answer(http, "simple", "tides?", stream=False) == "The moon does it." + LIST


async def test_sources_of_no_text_stand_behind_what_there_is(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """An annotation needs words: without any the sources are the answer's text themselves."""
    sim.google.reply("tides", Answer(raw=("",), rich=cited(PAGES)))
    assert await answer(http, "responses", "tides?", stream=False) == LIST.lstrip()


async def test_cited_words_that_the_caller_did_not_get_lose_their_place_only(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    """An answer that was begun by the caller is told from there on."""
    sim.google.reply("tides", "Oh, the moon [cite: 1] and then the sun [cite: 2].", rich=cited(PAGES))
    path, body = asked("chat", "tides?", stream=False)
    body["messages"].append({"role": "assistant", "content": "Oh, the moon"})
    async with http.post(path, json=body) as response:
        message = (await response.json())["choices"][0]["message"]
    notes = [note["url_citation"] for note in message["annotations"]]
    words = [message["content"][note["start_index"] : note["end_index"]] for note in notes]
    assert (message["content"], words) == (" and then the sun.", ["and then the sun", ""])
    assert [note["url"] for note in notes] == [PAGES[1][0], PAGES[0][0]]


@pytest.mark.parametrize(
    ("beside", "told"),
    [({}, "(sources: 2); it was told"), ({"canvas": (Canvas("A", "b"),)}, "documents: 1); not all of it was told")],
    ids=["sources", "a document"],
)
async def test_nothing_is_put_behind_json(
    sim: Simulator, http: aiohttp.ClientSession, beside: dict[str, Any], told: str
) -> None:
    sim.google.reply("tides", Answer('{"a": 1}', rich=cited(PAGES), **beside))
    path, body = asked("chat", "tides?", stream=False)
    async with http.post(path, json={**body, "response_format": {"type": "json_object"}}) as response:
        message = (await response.json())["choices"][0]["message"]
        request_id = response.headers["x-request-id"]
    assert json.loads(message["content"]) == {"a": 1}
    assert [note["url_citation"]["url"] for note in message["annotations"]] == [page[0] for page in PAGES]
    async with http.get(f"/api/requests/{request_id}") as response:
        assert told in str((await response.json())["story"])


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
async def test_a_image_stands_behind_the_words_streamed_and_whole_alike(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    def painted(_: object) -> Answer:
        return Answer(WORDS, chars=5, rich={7: [[sim.google.gallery.add(PNG).item()]]})

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
    "a plan of a research": (web_results.research_plan("Bees", ["read", "compare"]), {"rich 56"}),
    "a research under way": (web_results.research_task(PAGES, over=False), {"rich 57", "rich 58", "rich 70"}),
    "a film of another make": ({59: [["a new form"]]}, {"rich 60"}),
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
    task = web_results.research_task(PAGES, over=True)
    sim.google.reply("bees", lambda prompt: Answer("Done.", rich=task, canvas=(report,)))
    async with http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "bees"}]}) as answer:
        message = (await answer.json())["choices"][0]["message"]
    assert "They fly." in message["content"]
    assert [note["url_citation"]["url"] for note in message["annotations"]] == [page[0] for page in PAGES]


@pytest.mark.parametrize("fails", ["", "refused", "too large", "too slow"])
async def test_an_image_that_only_the_account_can_fetch_is_stored_as_it_came(
    sim: Simulator, http: aiohttp.ClientSession, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = sim.google.gallery.add(PNG)
    link = picture.link("preview")
    sim.google.reply("tides", "Look.", rich=imaged([(link, "a tide"), ("https://example.org/t.png", "free")]))
    match fails:
        case "refused":
            sim.google.fault("preview", "status", status=404)
        case "too large":
            monkeypatch.setattr("gemgate.upstreams.web.image_download.FOUND_MAX_BYTES", len(PNG) - 1)
        case "too slow":
            picture.delay = 30.0
            monkeypatch.setattr("gemgate.gateway.answer.FETCH_SECONDS", 0.2)
    path, body = asked("chat", "tides?", stream=False)
    async with http.post(path, json=body) as response:
        message = (await response.json())["choices"][0]["message"]
        request_id = response.headers["x-request-id"]
    assert "![free](https://example.org/t.png)" in message["content"]
    async with http.get(f"/api/requests/{request_id}") as response:
        facts = (await response.json())["pictures"]
    if fails:
        assert f"![a tide]({link})" in message["content"]
        assert [bool(image["failed"]) for image in facts] == [True]
        return
    (image,) = message["images"]
    async with http.get(image["image_url"]["url"]) as response:
        assert await response.read() == PNG
    assert [(image["source"], image["bytes"], image["logo"]) for image in facts] == [("web", len(PNG), "kept")]


@pytest.mark.parametrize(
    ("choice", "said"), [("none", "Do not search the web"), ("required", "Search the web"), ("auto", "")]
)
async def test_a_search_is_forbidden_or_demanded_in_words_in_every_turn(
    sim: Simulator, http: aiohttp.ClientSession, choice: str, said: str
) -> None:
    turns: list[dict[str, Any]] = []
    for _ in range(2):
        turns.append({"role": "user", "content": "tides?"})
        body = {"model": MODEL, "messages": turns, "tools": [{"type": "web_search"}], "tool_choice": choice}
        async with http.post("/v1/chat/completions", json=body) as response:
            assert "x-gemgate-ignored" not in response.headers
            turns.append((await response.json())["choices"][0]["message"])
    assert len({call.cid for call in sim.record.calls}) == 1
    for call in sim.record.calls:
        assert said in call.prompt
        assert said or "earch the web" not in call.prompt


@pytest.mark.parametrize("fails", [False, True])
async def test_an_image_in_a_document_that_only_the_account_can_fetch_is_stored_too(
    sim: Simulator, http: aiohttp.ClientSession, fails: bool
) -> None:
    """The document keeps its links; what fails, or is no image of the account's, is a link in it and nothing else."""
    link = sim.google.gallery.add(PNG).link("preview")
    shown = f"# Tides\n\n![a tide]({link}) ![again]({link})\n\n![free](https://example.org/t.png)"
    shown += " ![](https://[x) ![](https://℀)"
    sim.google.reply("tides", "Look.", canvas=(Canvas("An essay", shown),))
    if fails:
        sim.google.fault("preview", "status", status=404)
    path, body = asked("chat", "tides?", stream=False)
    async with http.post(path, json=body) as response:
        message = (await response.json())["choices"][0]["message"]
    assert message["content"].startswith(f"Look.\n\n## An essay\n\n{shown}")
    assert message["content"].count(link) == 2
    images = message.get("images") or []
    assert len(images) == (0 if fails else 1)
    for image in images:
        async with http.get(image["image_url"]["url"]) as response:
            assert await response.read() == PNG
    assert sim.record.generations == 1
