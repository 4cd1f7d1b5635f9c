"""Agents send their calls back as they ran them, not as they got them: the chat goes on all the same."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gemgate_simulator import Simulator
from gemgate_simulator.script import Prompt
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
STEPS, EDITS = 25, 8
SYSTEM = "You tend a garden of notes.\n" + "Keep every rule of the house. " * 2000
"""As long as what agents begin with."""
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("line", "place", "before", "after")}
    | {"replace_all": {"type": "boolean", "default": False}},
}
TOOLS = {"Shell": "Runs one line.", "Change": "Changes words at a place.", "Put": "Writes words to a place."}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("", _worker)
        yield simulator


def step_of(number: int) -> tuple[str, dict[str, Any]]:
    """What the model calls in a step; every third is one of the kinds that clients rewrite."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("Change", {"place": f"bed-{number}", "before": "weeds", "after": f"roses {number}"}),
        ("Shell", {"line": f"cd /garden && water --bed {number}"}),
        ("Put", {"place": f"bed-{number}", "after": f"one {number}  \ntwo \n"}),
    ]
    if number % 3 or number // 3 > EDITS - 1:
        return "Shell", {"line": f"look --bed {number}"}
    return kinds[number // 3 % 3]


def _worker(prompt: Prompt) -> str:
    number = len(prompt.history)
    if number == STEPS:
        return "The garden is done."
    told = prompt.history[0].prompt if prompt.history else prompt.text
    word = re.search(r"zq[b-z2-9]{10}", told)
    assert word is not None
    name, arguments = step_of(number)
    return f"{word[0]} toolcall {name}\n```json\n{json.dumps(arguments)}\n```\n{word[0]} toolend"


def rewritten(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as an agent keeps them."""
    match name:
        case "Change":
            return {**arguments, "replace_all": False}
        case "Put":
            return {**arguments, "after": re.sub(r" +$", "", arguments["after"], flags=re.MULTILINE).strip()}
        case _:
            return {**arguments, "line": arguments["line"].removeprefix("cd /garden && ")}


def outcome(number: int) -> str:
    return f"step {number}: " + f"all is well in bed {number}. " * 40


class Agent:
    """A loop that calls, runs and sends everything back, by the names of one dialect."""

    def __init__(self, gate: Served, way: str) -> None:
        self.http = httpx2.AsyncClient(base_url=gate.url, timeout=30)
        self.way = way
        self.history: list[dict[str, Any]] = []
        self.reuse: list[str] = []
        self.edits = 0

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        response = await self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        self.reuse.append(response.headers["x-gemgate-conversation"])
        return response.json()

    def kept(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        changed = rewritten(name, arguments)
        self.edits += changed != arguments
        return changed

    async def step(self, number: int) -> bool:
        """One turn; whether the model called."""
        calling: bool = await getattr(self, f"_{self.way}")(number)
        return calling

    async def _anthropic(self, number: int) -> bool:
        if not number:
            self.history.append({"role": "user", "content": "Tend the garden.\n\n"})
        elif number == 1:
            self.history[0] = {"role": "user", "content": [{"type": "text", "text": "Tend the garden."}]}
        tools = [{"name": name, "description": text, "input_schema": SCHEMA} for name, text in TOOLS.items()]
        body = {"model": MODEL, "max_tokens": 500, "system": SYSTEM, "tools": tools, "messages": self.history}
        content = (await self.ask("/v1/messages", body))["content"]
        calls = [block for block in content if block["type"] == "tool_use"]
        for call in calls:
            call["input"] = self.kept(call["name"], call["input"])
        self.history.append({"role": "assistant", "content": content})
        results = [{"type": "tool_result", "tool_use_id": c["id"], "content": outcome(number)} for c in calls]
        self.history.append({"role": "user", "content": results})
        return bool(calls)

    async def _chat(self, number: int) -> bool:
        if not number:
            self.history += [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Tend the garden."}]
        functions = [{"name": name, "description": text, "parameters": SCHEMA} for name, text in TOOLS.items()]
        tools = [{"type": "function", "function": function} for function in functions]
        answer = await self.ask("/v1/chat/completions", {"model": MODEL, "tools": tools, "messages": self.history})
        message = answer["choices"][0]["message"]
        self.history.append(message)
        calls = message.get("tool_calls") or []
        for call in calls:
            function = call["function"]
            function["arguments"] = json.dumps(self.kept(function["name"], json.loads(function["arguments"])))
            self.history.append({"role": "tool", "tool_call_id": call["id"], "content": outcome(number)})
        return bool(calls)

    async def _gemini(self, number: int) -> bool:
        if not number:
            self.history.append({"role": "user", "parts": [{"text": "Tend the garden."}]})
        functions = [
            {"name": name, "description": text, "parametersJsonSchema": SCHEMA} for name, text in TOOLS.items()
        ]
        body = {
            "contents": self.history,
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "tools": [{"functionDeclarations": functions}],
        }
        answer = await self.ask(f"/v1beta/models/{MODEL}:generateContent", body)
        content = answer["candidates"][0]["content"]
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        results = []
        for call in calls:
            call["args"] = self.kept(call["name"], call["args"])
            results.append({"name": call["name"], "id": call["id"], "response": {"output": outcome(number)}})
        self.history.append(content)
        self.history.append({"role": "user", "parts": [{"functionResponse": result} for result in results]})
        return bool(calls)


@pytest.mark.parametrize("way", ["anthropic", "chat", "gemini"])
async def test_a_session_whose_calls_are_rewritten_is_one_chat(sim: Simulator, tmp_path: Path, way: str) -> None:
    async with served(settings_for(sim, tmp_path)) as gate:
        agent = Agent(gate, way)
        for number in range(STEPS + 1):
            assert await agent.step(number) == (number < STEPS)
    assert agent.edits == EDITS
    assert agent.reuse == ["miss", *["hit"] * STEPS]
    assert sim.record.generations == STEPS + 1
    assert not sim.record.violations
    sent = [call.prompt for call in sim.record.calls]
    assert len({call.cid for call in sim.record.calls}) == 1
    new = len(sent[0]) + sum(len(outcome(number)) for number in range(STEPS))
    assert sum(map(len, sent)) <= 1.1 * new
    assert all(outcome(number).strip() in prompt for number, prompt in enumerate(sent[1:]))
