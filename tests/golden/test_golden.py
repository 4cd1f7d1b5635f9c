"""Events in, bytes out: what every dialect writes, to the byte.

After a wanted change `GOLDEN=write` writes the files anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gemgate.chat import ChatRequest, Event, Message, ResponseFormat, Text, Tool, ToolChoice, fold
from gemgate.dialects import anthropic, gemini, interactions, openai_audio, openai_chat, responses, simple, table
from gemgate.dialects.rows import Act, Dialect
from gemgate.dialects.wire import read
from gemgate.errors import Broken
from gemgate.files import Inline
from gemgate.prompting import turns
from gemgate.prompting.compose import compose
from tests.support.chat_events import ANSWERS, meta, sent

HERE = Path(__file__).parent
BODY = read(responses.ResponsesRequest, {"input": "hi", "reasoning": {"summary": "auto"}})
ASKED = read(interactions.InteractionRequest, {"input": "hi", "generation_config": {"thinking_summaries": "auto"}})
SPOKEN = openai_audio.read_form(
    openai_audio.TranscriptionRequest, [("model", "whisper-1")], [("file", Inline(b"fLaC"))]
)

WRITERS: dict[str, Callable[[], Any]] = {
    "openai_chat": lambda: openai_chat.ChunkWriter(meta("chatcmpl-"), "gemini-2.5-flash", include_usage=True),
    "responses": lambda: responses.EventWriter(meta("resp_"), BODY, "gemini-2.5-flash"),
    "openai_audio": openai_audio.EventWriter,
    "anthropic": lambda: anthropic.EventWriter(meta("msg_"), "gemini-2.5-flash", prompt_tokens=11),
    "gemini": lambda: gemini.ChunkWriter(meta(""), "gemini-2.5-flash", inline_images=True),
    "interactions": lambda: interactions.EventWriter(meta("int_"), ASKED, "gemini-2.5-flash"),
    "gemini_array": lambda: gemini.ArrayWriter(meta(""), "gemini-2.5-flash"),
}
WHOLES: dict[str, Callable[[list[Event]], dict[str, Any]]] = {
    "openai_chat": lambda events: openai_chat.write([fold(events)], meta("chatcmpl-"), "gemini-2.5-flash"),
    "responses": lambda events: responses.write(fold(events), meta("resp_"), BODY, "gemini-2.5-flash"),
    "openai_audio": lambda events: openai_audio.write(fold(events), SPOKEN),
    "anthropic": lambda events: anthropic.write(fold(events), meta("msg_"), "gemini-2.5-flash"),
    "gemini": lambda events: gemini.write([fold(events)], meta(""), "gemini-2.5-flash", inline_images=True),
    "interactions": lambda events: interactions.write(fold(events), meta("int_"), ASKED, "gemini-2.5-flash"),
    "simple": lambda events: simple.write_generate(fold(events), "gemini-2.5-flash"),
}


def agrees(path: Path, text: bytes) -> None:
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    assert path.read_bytes() == text


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("dialect", WRITERS)
def test_a_stream_is_written_to_the_byte(dialect: str, answer: str) -> None:
    writer = WRITERS[dialect]()
    body = b"".join(writer.event(0, event) for event in ANSWERS[answer]) + writer.close()
    agrees(HERE / dialect / f"{answer.replace(' ', '_')}.stream", body)


@pytest.mark.parametrize("dialect", WRITERS)
def test_a_stream_that_fails_is_written_to_the_byte(dialect: str) -> None:
    writer = WRITERS[dialect]()
    body = b"".join(writer.event(0, event) for event in ANSWERS["text"][:-1])
    body += writer.fail(Broken("Google broke off", "Google 中断了回答"), "zh-CN", "req_1")
    agrees(HERE / dialect / "failed.stream", body)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("dialect", WHOLES)
def test_a_whole_answer_is_written_to_the_byte(dialect: str, answer: str) -> None:
    text = json.dumps(sent(WHOLES[dialect](ANSWERS[answer])), ensure_ascii=False, indent=2) + "\n"
    agrees(HERE / dialect / f"{answer.replace(' ', '_')}.json", text.encode())


SEARCHING = read(responses.ResponsesRequest, {"input": "hi", "tools": [{"type": "web_search"}]})
SEARCHES = read(interactions.InteractionRequest, {"input": "hi", "tools": [{"type": "google_search"}]})
OFFERED: dict[str, tuple[Callable[[], Any], Callable[[list[Event]], dict[str, Any]]]] = {
    "responses": (
        lambda: responses.EventWriter(meta("resp_"), SEARCHING, "m"),
        lambda events: responses.write(fold(events), meta("resp_"), SEARCHING, "m"),
    ),
    "anthropic": (
        lambda: anthropic.EventWriter(meta("msg_"), "m", searches=True),
        lambda events: anthropic.write(fold(events), meta("msg_"), "m", searches=True),
    ),
    "interactions": (
        lambda: interactions.EventWriter(meta("int_"), SEARCHES, "m"),
        lambda events: interactions.write(fold(events), meta("int_"), SEARCHES, "m"),
    ),
}


@pytest.mark.parametrize("dialect", OFFERED)
def test_a_search_is_told_as_a_call_of_the_tool_that_was_offered(dialect: str) -> None:
    begin, whole = OFFERED[dialect]
    writer, events = begin(), ANSWERS["sources"]
    body = b"".join(writer.event(0, event) for event in events) + writer.close()
    agrees(HERE / dialect / "searched.stream", body)
    text = json.dumps(sent(whole(events)), ensure_ascii=False, indent=2) + "\n"
    agrees(HERE / dialect / "searched.json", text.encode())


def without_golden_files(dialects: Iterable[Dialect]) -> list[str]:
    """Rows of the table that answer in words, and what of their answers no golden file holds."""
    missing = []
    for dialect in dialects:
        chats = [row for row in dialect.operations if row.act is Act.CHAT]
        kinds = {"json" for row in chats if row.write} | {"stream" for row in chats if row.writer}
        for kind in sorted(kinds):
            wanted = {f"{answer.replace(' ', '_')}.{kind}" for answer in ANSWERS}
            if not wanted <= {path.name for path in (HERE / dialect.name).glob(f"*.{kind}")}:
                missing.append(f"{dialect.name}: {kind}")
    return missing


def test_every_dialect_of_the_table_has_its_golden_files() -> None:
    assert without_golden_files(table.ALL) == []


def test_a_row_without_golden_files_is_named() -> None:
    unheld = replace(table.ANTHROPIC, name="a_new_one")
    assert without_golden_files([*table.ALL, unheld]) == ["a_new_one: json", "a_new_one: stream"]


def test_a_prompt_with_tools_and_a_format_is_written_to_the_byte() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    request = ChatRequest(
        (Message("system", (Text("Be brief."),)), Message("user", (Text("Weather in Paris?"),))),
        tools=(Tool("get_weather", "The weather of a city.", schema),),
        tool_choice=ToolChoice("required", parallel=False),
        response_format=ResponseFormat("json_schema", schema, "answer", strict=True),
    )
    turn = turns.parser_for(request, lambda: "zq7f3k2m9xbd", lambda n: f"call_{n}")
    composed = compose(request.messages, instructions=turn.instructions, reminder=turn.reminder, sentinel=turn.sentinel)
    agrees(HERE / "prompts" / "tools_and_format.txt", composed.text.encode() + b"\n")
