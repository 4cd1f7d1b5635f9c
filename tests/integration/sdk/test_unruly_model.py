"""A model that breaks the tool grammar in every way of the corpus, through the whole gateway, judged by OpenAI's SDK.

The first answer to each prompt is an entry of the corpus in the wire spelling of the web app; asked to repair it, the
model obeys. Whatever comes, a caller gets text and valid calls, never protocol, at the price of one repair at most.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator

from gemgate_simulator import Simulator
from gemgate_simulator.script import Answer, Prompt
from gemgate_simulator.tool_following import read
from tests.support.serving import Served
from tests.support.tool_corpus import TOOLS, WRONG, Entry, corpus

PLACEHOLDER = "zq2222222222"
ENTRIES = corpus(PLACEHOLDER)
SCHEMAS = {tool.name: dict(tool.parameters) for tool in TOOLS}
PROTOCOL = re.compile(r"zq[b-z2-9]{10}|toolcall|toolend|toolresult", re.IGNORECASE)


def disobeys(entry: Entry, marker: str) -> Any:
    """A speaker that answers with the entry, in the code word of the prompt at hand."""

    def speak(prompt: Prompt) -> Answer:
        word = read(prompt).code_word
        assert word, prompt.text
        assert marker in prompt.text
        said = entry.output.replace(PLACEHOLDER, word).replace(PLACEHOLDER.upper(), word.upper())
        return Answer(raw=tuple(html.escape(said[:end], quote=False) for end in (*range(7, len(said), 7), len(said))))

    return speak


def declared() -> list[Any]:
    return [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": SCHEMAS[t.name]}}
        for t in TOOLS
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_whatever_a_model_writes_a_caller_gets_calls_or_text(gate: Served, sim: Simulator, stream: bool) -> None:
    entries = ENTRIES[0 if stream else 1 :: 2]  # each way of asking takes half of them
    calls = repairs = 0
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
        for entry in entries:
            marker = f"Weather in Paris? ({entry.id})"
            sim.google.reply(marker, disobeys(entry, marker), times=1)
            before = sim.record.generations
            broken = any(isinstance(item, dict) and "broken" in item for item in entry.expect)
            allowed: Any = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
                {"type": "function", "function": {"name": name}} for name in entry.allowed]}}  # fmt: skip
            asked: dict[str, Any] = {
                "model": "gemini-3-flash-preview",
                "messages": [{"role": "user", "content": marker}],
                "tools": declared(),
                "tool_choice": allowed if entry.allowed else "auto",
            }
            completion: Any
            if stream:
                async with client.chat.completions.stream(**asked) as events:
                    completion = await events.get_final_completion()
            else:
                completion = await client.chat.completions.create(**asked)
            message = completion.choices[0].message
            spent = sim.record.generations - before
            assert spent in ((1, 2) if broken else (1,)), (entry, message)
            repairs += spent - 1
            text = (message.content or "").replace(entry.output, "")
            if PLACEHOLDER in entry.output.lower() and WRONG not in entry.output:  # a wrong word is somebody's text
                assert not PROTOCOL.search(text), (entry, message)
            for call in message.tool_calls or []:
                calls += 1
                schema = SCHEMAS[call.function.name]
                assert not [*Draft202012Validator(schema).iter_errors(json.loads(call.function.arguments))], entry
            expected = [item["call"] for item in entry.expect if isinstance(item, dict) and "call" in item]
            made = [call.function.name for call in message.tool_calls or []]
            assert made[: len(expected)] == expected, (entry, message)
    assert calls >= 75
    assert repairs >= 5
    assert not sim.record.violations
