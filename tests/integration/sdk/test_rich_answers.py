"""An answer with everything at once reaches every official SDK whole, streamed and not: nothing of it is lost.

Each judge tells what it read in the same words: the text, which words lean on which page, and what a search found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from gemgate_simulator import Answer, Canvas, Simulator
from gemgate_simulator.text_dressing import dressed
from gemgate_simulator.web_results import cited, filmed, imaged, sung
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
PAGES = [
    ("https://example.org/tides", "How tides work", "The moon pulls."),
    ("https://example.com/moon(1)", "The [moon]", "It is far."),
    ("https://example.net/sea", "The sea", "It is wet."),
]
SAID = "The tide [cite: 1] turns.\n* 月亮 pulls it [cite: 1, 2].\nSo be it."
TEXT = (
    "```python\nprint(1 < 2)\n```\n```text\nTrue\n```\nThe tide turns.\n* 月亮 pulls it.\nSo be it."
    "\n\n## Tide table\n\n`tides.py`\n\n```python\nhigh = 3\n```"
    "\n\n![a tide](https://example.org/t.png)"
)
LINKS = {"video.mp4", "song.mp3", "song.mp4"}
LEANS = [
    (PAGES[0][0], PAGES[0][1], "The tide"),
    (PAGES[0][0], PAGES[0][1], "月亮 pulls it"),
    (PAGES[1][0], PAGES[1][1], "月亮 pulls it"),
    (PAGES[2][0], PAGES[2][1], ""),
]
URLS = [page[0] for page in PAGES]


@dataclass(frozen=True, slots=True)
class Read:
    """What an SDK read. leans: address, title, and the words that lean on them. searched: what a search found."""

    text: str
    leans: list[tuple[str, str | None, str]]
    searched: list[str]


def scripted(sim: Simulator) -> None:
    raw = dressed(SAID, ran="print(1 < 2)", printed="True", asks_next=("Why?",))
    rich = cited(PAGES) | imaged([("https://example.org/t.png", "a tide")]) | filmed("$t") | sung("$t")
    canvas = (Canvas("Tide table", "```python\nhigh = 3\n```", "tides.py", "python"),)
    sim.google.reply("tides", Answer(raw=(raw[:40], raw[:150], raw), rich={98: ["new"], **rich}, canvas=canvas))
    sim.google.reply("go on", "Gladly.")


async def chat(url: str, *, stream: bool, history: list[Any]) -> Read:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="x", max_retries=0) as client:
        wanted: Any = {"model": MODEL, "messages": [*history, {"role": "user", "content": "tides"}]}
        if stream:
            async with client.chat.completions.stream(**wanted) as events:
                message: Any = (await events.get_final_completion()).choices[0].message
        else:
            message = (await client.chat.completions.create(**wanted)).choices[0].message
        notes = [note.url_citation for note in map(_annotation, message.annotations)]
        text = message.content
        history += [*wanted["messages"], message.model_dump(exclude_none=True)]
        again = await client.chat.completions.create(
            model=MODEL, messages=[*history[-2:], {"role": "user", "content": "go on"}]
        )
        assert again.choices[0].message.content == "Gladly."
        return Read(text, [(n.url, n.title, text[n.start_index : n.end_index]) for n in notes], [])


def _annotation(note: Any) -> Any:
    return openai.types.chat.chat_completion_message.Annotation.model_validate(
        note if isinstance(note, dict) else note.model_dump()
    )


async def responses(url: str, *, stream: bool, history: list[Any]) -> Read:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="x", max_retries=0) as client:
        asked: Any = {"role": "user", "content": "tides"}
        wanted: Any = {"model": MODEL, "input": [asked], "tools": [{"type": "web_search"}]}
        if stream:
            async with client.responses.stream(**wanted) as events:
                seen = [event async for event in events]
                response: Any = await events.get_final_response()
            added = [event.annotation for event in seen if event.type == "response.output_text.annotation.added"]
            assert [note["url"] if isinstance(note, dict) else note.url for note in added] == [
                lean[0] for lean in LEANS
            ]
        else:
            response = await client.responses.create(**wanted)
        message, call = response.output
        part = message.content[0]
        items = [item.model_dump(exclude_none=True) for item in response.output]
        again = await client.responses.create(
            model=MODEL, tools=wanted["tools"], input=[asked, *items, {"role": "user", "content": "go on"}]
        )
        assert again.output_text == "Gladly."
        leans = [(n.url, n.title, part.text[n.start_index : n.end_index]) for n in part.annotations]
        return Read(part.text, leans, [source.url for source in call.action.sources])


async def messages(url: str, *, stream: bool, history: list[Any]) -> Read:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0) as client:
        asked: Any = {"role": "user", "content": "tides"}
        tools: Any = [{"type": "web_search_20250305", "name": "web_search"}]
        wanted: Any = {"model": MODEL, "max_tokens": 999, "messages": [asked], "tools": tools}
        if stream:
            async with client.messages.stream(**wanted) as events:
                message: Any = await events.get_final_message()
        else:
            message = await client.messages.create(**wanted)
        text, use, result = message.content
        assert (use.name, use.id) == ("web_search", result.tool_use_id)
        turns: Any = [asked, {"role": "assistant", "content": [b.model_dump() for b in message.content]}]
        again = await client.messages.create(**{**wanted, "messages": [*turns, {"role": "user", "content": "go on"}]})
        assert again.content[0].text == "Gladly."
        # Anthropic's citations belong to a block of text, not to some of its words
        leans = [(note.url, note.title, note.cited_text) for note in text.citations]
        return Read(text.text, leans, [found.url for found in result.content])


async def gemini(url: str, *, stream: bool, history: list[Any]) -> Read:
    client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=url))
    tools: Any = [types.Tool(google_search=types.GoogleSearch())]
    talk = client.aio.chats.create(model=MODEL, config=types.GenerateContentConfig(tools=tools))
    if stream:
        chunks = [chunk async for chunk in await talk.send_message_stream("tides")]
        text, last = "".join(chunk.text or "" for chunk in chunks), chunks[-1]
    else:
        last = await talk.send_message("tides")
        text = last.text or ""
    grounding: Any = last.candidates[0].grounding_metadata  # type: ignore[index]
    assert (await talk.send_message("go on")).text == "Gladly."
    await client.aio.aclose()
    leans = []
    for support in grounding.grounding_supports:
        place = support.segment
        words = text.encode()[place.start_index : place.end_index].decode()
        assert words == place.text
        webs = [grounding.grounding_chunks[n].web for n in support.grounding_chunk_indices]
        leans += [(web.uri, web.title, words) for web in webs]
    return Read(text, leans, [chunk.web.uri for chunk in grounding.grounding_chunks])


async def interactions(url: str, *, stream: bool, history: list[Any]) -> Read:
    client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=url))
    wanted: Any = {"model": MODEL, "input": "tides", "tools": [{"type": "google_search"}]}
    if stream:
        events: list[Any] = [event async for event in await client.aio.interactions.create(**wanted, stream=True)]
        deltas = [event.delta for event in events if event.event_type == "step.delta"]
        text = "".join(delta.text for delta in deltas if delta.type == "text")
        (notes,) = (delta.annotations for delta in deltas if delta.type == "text_annotation_delta")
        steps = [event.step for event in events if event.event_type == "step.start"]
        name = events[0].interaction.id
    else:
        told: Any = await client.aio.interactions.create(**wanted)
        steps, name = told.steps, told.id
        ((text, notes),) = ((content.text, content.annotations) for content in steps[0].content)
    stored: Any = await client.aio.interactions.get(id=name)
    assert [note.url for note in stored.steps[0].content[0].annotations] == [note.url for note in notes]
    again: Any = await client.aio.interactions.create(model=MODEL, input="go on", previous_interaction_id=name)
    assert again.steps[0].content[0].text == "Gladly."
    await client.aio.aclose()
    result: Any = steps[2]
    leans = [(n.url, n.title, text.encode()[n.start_index : n.end_index].decode()) for n in notes]
    return Read(text, leans, [found.model_dump()["url"] for found in result.result])


JUDGES: dict[str, Callable[..., Awaitable[Read]]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "gemini": gemini,
    "interactions": interactions,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", JUDGES)
async def test_nothing_of_an_answer_is_lost(sim: Simulator, gate: Served, dialect: str, stream: bool) -> None:
    scripted(sim)
    read = await JUDGES[dialect](gate.url, stream=stream, history=[])
    assert read.text.startswith(TEXT)
    assert {name for name in LINKS if f"[{name}]" in read.text} == LINKS
    assert "Sources" not in read.text, "what has a shape of its own is not told twice"
    match dialect:
        case "messages":
            assert read.leans == [(url, title, snippet) for url, title, snippet in PAGES]
        case "gemini":
            assert read.leans == LEANS[:-1]
        case _:
            assert read.leans == LEANS
    assert read.searched == ([] if dialect == "chat" else URLS)
    assert len({call.cid for call in sim.record.calls}) == 1, "the chat goes on where it stands"
    assert sim.record.generations == 2
