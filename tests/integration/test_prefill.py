"""Conversations that end with the assistant's own words, and those that hold a system message only."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator

MODEL = "gemini-3-flash-preview"


Turns = list[tuple[str, str]]


def body(dialect: str, turns: Turns, **more: Any) -> tuple[str, dict[str, Any]]:
    if dialect == "gemini":
        contents = [{"role": {"assistant": "model"}.get(role, role), "parts": [{"text": text}]} for role, text in turns]
        return f"/v1beta/models/{MODEL}:generateContent", {"contents": contents, **more}
    messages = [{"role": role, "content": text} for role, text in turns]
    match dialect:
        case "chat":
            return "/v1/chat/completions", {"model": MODEL, "messages": messages, **more}
        case "responses":
            return "/v1/responses", {"model": MODEL, "input": messages, **more}
        case _:
            return "/v1/messages", {"model": MODEL, "max_tokens": 99, "messages": messages, **more}


def said(dialect: str, answer: dict[str, Any]) -> str:
    match dialect:
        case "chat":
            return str(answer["choices"][0]["message"]["content"])
        case "responses":
            return str(answer["output"][-1]["content"][0]["text"])
        case "anthropic":
            return str(answer["content"][0]["text"])
        case _:
            return str(answer["candidates"][0]["content"]["parts"][0]["text"])


async def ask(http: aiohttp.ClientSession, dialect: str, turns: Turns, **more: Any) -> tuple[str, str]:
    """The answer's text, and how the conversation was gone on with."""
    path, sent = body(dialect, turns, **more)
    async with http.post(path, json=sent) as answer:
        assert answer.status == 200, await answer.text()
        return said(dialect, await answer.json()), answer.headers["x-gemgate-conversation"]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("dialect", ["chat", "responses", "anthropic", "gemini"])
async def test_a_begun_answer_is_gone_on_with(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str, repeats: bool
) -> None:
    begun = "red, green,"
    sim.google.reply("Three colours", f"{begun} blue" if repeats else " blue")
    sim.google.reply("And now", "done")
    turns = [("user", "Three colours"), ("assistant", begun)]
    rest, _ = await ask(http, dialect, turns)
    assert (begun + rest).replace(",  ", ", ") == "red, green, blue"
    prompt = sim.record.calls[-1].prompt
    assert prompt.index(begun) < prompt.index("exactly where it stops")
    assert "Write the assistant's next message" not in prompt
    later = [("user", "Three colours"), ("assistant", begun + rest), ("user", "And now")]
    assert await ask(http, dialect, later) == ("done", "hit")
    assert sim.record.calls[-1].prompt == "And now"
    third = [*later, ("assistant", "done"), ("user", "Three colours again"), ("assistant", begun)]
    rest, reuse = await ask(http, dialect, third)
    assert reuse == "hit"
    assert begun in sim.record.calls[-1].prompt
    assert "exactly where it stops" in sim.record.calls[-1].prompt
    assert sim.record.generations == 3


@pytest.mark.parametrize("reply", ['"a": 1}', '{"a": 1}', '```json\n{"a": 1}\n```'])
async def test_begun_json_is_one_value_with_its_beginning(
    sim: Simulator, http: aiohttp.ClientSession, reply: str
) -> None:
    sim.google.reply("a as JSON", reply)
    turns = [("user", "a as JSON"), ("assistant", "{")]
    rest, _ = await ask(http, "chat", turns, response_format={"type": "json_object"})
    assert "{" + rest == '{"a": 1}'
    assert sim.record.generations == 1


async def test_a_lone_system_message_is_answered_where_the_original_answers(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    assert (await ask(http, "chat", [("system", "Say hello")]))[0] == "hello"
    assert (await ask(http, "responses", [("developer", "Say hello")]))[0] == "hello"
    assert [call.prompt for call in sim.record.calls] == ["Say hello"] * 2
    for path, sent in (
        ("/v1/messages", {"model": MODEL, "max_tokens": 9, "system": "Say hello", "messages": []}),
        (f"/v1beta/models/{MODEL}:generateContent", {"systemInstruction": {"parts": [{"text": "x"}]}, "contents": []}),
        ("/v1/responses", {"model": MODEL, "instructions": "Say hello", "input": []}),
    ):
        async with http.post(path, json=sent) as answer:
            assert answer.status == 400, path
    assert sim.record.generations == 2


async def test_parallel_results_keep_their_numbers_in_a_chat_that_goes_on(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "The weather in Paris and in Rome"}]
    sent = {"model": MODEL, "messages": messages, "tools": [tool], "tool_choice": "required"}
    sim.google.reply(
        "Paris and in Rome",
        lambda prompt: "\n\n".join(
            f'{word} toolcall get_weather\n```json\n{{"n": {n}}}\n```\n{word} toolend'
            for n in (1, 2)
            for word in [prompt.text.split("`")[[p.startswith("zq") for p in prompt.text.split("`")].index(True)][:12]]
        ),
        times=1,
    )
    async with http.post("/v1/chat/completions", json=sent) as answer:
        told = (await answer.json())["choices"][0]["message"]
    first, second = told["tool_calls"]
    messages += [told, *({"role": "tool", "tool_call_id": c["id"], "content": c["id"]} for c in (second, first))]
    sim.google.reply("", "fine")
    async with http.post("/v1/chat/completions", json={**sent, "tool_choice": "auto"}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["x-gemgate-conversation"] == "hit"
    prompt = sim.record.calls[-1].prompt
    at = [prompt.index(mark) for mark in ("(call 2)", second["id"], "(call 1)", first["id"])]
    assert at == sorted(at)
