"""Whatever else stands in a history, a conversation that a dialect accepts is answered, with one generation.

Unknown parts, calls, items, roles, tools and fields are strewn in, at every depth, and known ones without their sense;
what asks for something and is not served is named. Whole and as a stream.
"""

from __future__ import annotations

import asyncio
import copy
import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

MODEL = "gemini-3-flash-preview"
EXAMPLES = 25
KEYS = st.sampled_from(["a", "text", "id", "name", "content", "role", "data", "input", "call_id", "output", "status"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
THINGS = st.dictionaries(KEYS, JUNK, max_size=4)
NAMES = st.from_regex(r"x_[a-z]{3,8}", fullmatch=True)
OPENAI_KINDS = (
    *("text", "input_text", "output_text", "image_url", "input_image", "input_file", "file", "input_audio", "refusal"),
    *("reasoning", "thinking", "function_call", "function_call_output", "custom_tool_call", "local_shell_call"),
    *("shell_call_output", "apply_patch_call", "tool_search_output", "web_search_call", "mcp_call", "compaction"),
    *("item_reference", "message", "image_generation_call", "code_interpreter_call"),
)
ANTHROPIC_KINDS = (
    *("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"),
    *("server_tool_use", "web_search_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload"),
    *("tool_reference", "compaction", "bash_code_execution_tool_result"),
)
GEMINI_KINDS = (
    *("text", "inlineData", "inline_data", "fileData", "functionCall", "functionResponse", "executableCode"),
    *("codeExecutionResult", "toolCall", "toolResponse", "thought", "thoughtSignature", "videoMetadata"),
)
INTERACTIONS_KINDS = (
    *("text", "image", "audio", "video", "document", "user_input", "model_output", "thought", "function_call"),
    *("function_result", "google_search_call", "google_search_result", "code_execution_result", "mcp_server_tool_call"),
)
"""Kinds that are known, with whatever stands in them."""


@dataclass(frozen=True, slots=True)
class Strewn:
    """What is strewn: things of an unknown kind with their places, fields of the body, tools by their types."""

    parts: list[tuple[int, str, dict[str, Any]]]
    messages: list[tuple[int, str, dict[str, Any]]]
    fields: dict[str, Any]
    tools: list[str]
    known: list[tuple[int, int, dict[str, Any], Any]]

    def blocks(self, kinds: tuple[str, ...]) -> list[tuple[int, str, dict[str, Any], Any]]:
        """Where blocks of known kinds stand, and what in them."""
        return [(at, kinds[number % len(kinds)], thing, junk) for at, number, thing, junk in self.known]


STREWN = st.builds(
    Strewn,
    parts=st.lists(st.tuples(st.integers(0, 3), NAMES, THINGS), max_size=4),
    messages=st.lists(st.tuples(st.integers(0, 3), NAMES, THINGS), max_size=3),
    fields=st.dictionaries(NAMES, JUNK, max_size=3),
    tools=st.lists(NAMES, max_size=2, unique=True),
    known=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), THINGS, JUNK), max_size=4),
)


def chat(strewn: Strewn) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi."}], "tool_calls": []},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
    ]
    for at, kind, thing in strewn.parts:
        told[at]["content"].append({**thing, "type": kind})
        told[2]["tool_calls"].append({**thing, "type": kind, "id": at})
        told[at][kind] = thing
    for at, kind, thing, junk in strewn.blocks(OPENAI_KINDS):
        told[at]["content"].append({**thing, "type": kind, kind: junk})
        told[2]["tool_calls"].append({**thing, "type": "function", "function": junk})
    for at, kind, thing in strewn.messages:
        told.insert(at, {**thing, "role": kind, "content": thing.get("content")})
    return {"messages": [*told, {"role": "user", "content": "Go on."}]}


def items(strewn: Strewn) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "42"}]},
    ]
    for at, kind, thing in strewn.parts:
        place = told[at].get("content") or told[at].get("output")
        if isinstance(place, list):
            place.append({**thing, "type": kind})
        told[at][kind] = thing
    for at, kind, thing, junk in strewn.blocks(OPENAI_KINDS):
        place = told[at].get("content") or told[at].get("output")
        if isinstance(place, list):
            place.append({**thing, "type": kind, kind: junk})
        if kind not in ("message", "item_reference"):
            told.insert(len(told) - 4 + at, {**thing, "type": kind, kind: junk})
    for at, kind, thing in strewn.messages:
        told.insert(at, {**thing, "type": kind})
    return {"input": [*told, {"role": "user", "content": "Go on."}], "store": False}


FORTY_TWO = {"type": "text", "text": "42"}


def messages(strewn: Strewn) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [FORTY_TWO.copy()]}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
    ]
    for at, kind, thing in strewn.parts:
        told[at]["content"].append({**thing, "type": kind})
        told[at][kind] = thing
    for at, kind, thing, junk in strewn.blocks(ANTHROPIC_KINDS):
        told[at]["content"].append({**thing, "type": kind, "source": junk, "content": thing.get("content", junk)})
        told[2]["content"][0]["content"].append({**thing, "type": kind, "source": junk})
    return {"messages": [*told, {"role": "user", "content": "Go on."}], "max_tokens": 99}


def contents(strewn: Strewn) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"n": 42}}}]},
        {"role": "model", "parts": [{"text": "Hi."}]},
    ]
    for at, kind, thing in strewn.parts:
        told[at]["parts"].append({kind: thing})
        told[at][kind] = thing
    for at, kind, thing, junk in strewn.blocks(GEMINI_KINDS):
        told[at]["parts"].append({**thing, kind: junk})
        told[2]["parts"][0]["functionResponse"].setdefault("parts", []).append({kind: junk})
    for at, kind, thing in strewn.messages:
        told.insert(at, {**thing, "role": kind, "parts": thing.get("content")})
    return {"contents": [*told, {"role": "user", "parts": [{"text": "Go on."}]}]}


def steps(strewn: Strewn) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"type": "user_input", "content": [{"type": "text", "text": "Hello"}]},
        {"type": "function_call", "id": "c1", "name": "f", "arguments": {}},
        {"type": "function_result", "call_id": "c1", "result": [{"type": "text", "text": "42"}]},
        {"type": "model_output", "content": [{"type": "text", "text": "Hi."}]},
    ]
    for at, kind, thing in strewn.parts:
        place = told[at].get("content") or told[at].get("result")
        if isinstance(place, list):
            place.append({**thing, "type": kind})
        told[at][kind] = thing
    for at, kind, thing, junk in strewn.blocks(INTERACTIONS_KINDS):
        place = told[at].get("content") or told[at].get("result")
        if isinstance(place, list):
            place.append({**thing, "type": kind, kind: junk})
        told.insert(len(told) - 4 + at, {**thing, "type": kind, "content": junk, "result": junk})
    for at, kind, thing in strewn.messages:
        told.insert(at, {**thing, "type": kind})
    return {"input": [*told, {"type": "user_input", "content": "Go on."}], "store": False}


def of_openai(names: list[str]) -> list[dict[str, Any]]:
    return [{"type": name, "n": 1} for name in names]


def of_google(names: list[str]) -> list[dict[str, Any]]:
    return [{name: {}} for name in names]


DIALECTS: dict[str, tuple[str, Callable[[Strewn], dict[str, Any]], Callable[[list[str]], list[dict[str, Any]]]]] = {
    "chat": ("/v1/chat/completions", chat, of_openai),
    "responses": ("/v1/responses", items, of_openai),
    "messages": ("/v1/messages", messages, of_openai),
    "gemini": (f"/v1beta/models/{MODEL}:generateContent", contents, of_google),
    "interactions": ("/v1beta/interactions", steps, of_openai),
}


STREAMED = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
ENDS = {
    "chat": "data: [DONE]",
    "responses": "event: response.completed",
    "messages": "event: message_stop",
    "gemini": '"finishReason":"STOP"',
    "interactions": "event: interaction.completed",
}


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match.group(1).upper(), name)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_strewn_history_is_answered(dialect: str, stream: bool, tmp_path: Path) -> None:
    path, build, tools = DIALECTS[dialect]
    if stream and dialect == "gemini":
        path = STREAMED
    streamed = {"stream": True} if stream and dialect != "gemini" else {}
    async with Simulator(accounts=("alice",)) as sim, served(settings_for(sim, tmp_path)) as gate:
        sim.google.reply("", "Fine.")

        def everything() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", urlsplit(gate.url).port, timeout=20)

            @given(strewn=STREWN)
            @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
            def ask(strewn: Strewn) -> None:
                body = {"model": MODEL, **build(copy.deepcopy(strewn)), **strewn.fields, **streamed}
                if strewn.tools:
                    body["tools"] = tools(strewn.tools)
                before = sim.record.generations
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
                answer = connection.getresponse()
                said = answer.read()
                connection.close()  # a kept one may end while examples are made
                assert answer.status == 200, said
                assert (ENDS[dialect] if stream else "Fine.") in said.decode()
                assert sim.record.generations == before + 1
                assert sim.record.calls[-1].prompt.endswith("Go on.")
                named = {camel(name) for name in answer.headers.get("x-gemgate-ignored", "").split(", ")}
                wishes = [name for name, value in strewn.fields.items() if value not in (None, "", [], {})]
                wishes += [f"tools.{name}" for name in strewn.tools]
                assert {camel(name) for name in wishes} <= named

            ask()

        await asyncio.to_thread(everything)
        assert not sim.record.violations
