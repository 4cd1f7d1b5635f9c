"""Code that Google ran for an answer, told as calls of the tool that was offered for it, by every official SDK, both
streamed and whole; where no such tool was offered, it stands in the text alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from gemgate_simulator import Answer, Simulator
from gemgate_simulator.text_dressing import dressed
from gemgate_simulator.web_results import cited
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
CODE, PRINTED = "print(1 < 2)", "True"
TEXT = f"```python\n{CODE}\n```\n```text\n{PRINTED}\n```\nIt is so."
PAGES = [("https://example.org/tides", "How tides work", "The moon pulls.")]

Runs = list[tuple[str, str]]


@pytest.fixture
def scripted(sim: Simulator) -> Simulator:
    raw = dressed("It is so.", ran=CODE, printed=PRINTED)
    sim.google.reply("sum", Answer(raw=(raw[:30], raw[:90], raw)))
    sim.google.reply(
        "both", Answer(raw=(dressed("It [cite: 1] is so.", ran=CODE, printed=PRINTED),), rich=cited(PAGES))
    )
    sim.google.reply("go on", "Gladly.")
    return sim


async def responses(url: str, ask: str, *, stream: bool, offered: bool) -> tuple[str, Runs]:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="x", max_retries=0) as client:
        tools: Any = [{"type": "code_interpreter", "container": {"type": "auto"}}] if offered else []
        asked: Any = {"role": "user", "content": ask}
        wanted: Any = {"model": MODEL, "input": [asked], "tools": tools, "include": ["code_interpreter_call.outputs"]}
        if stream:
            async with client.responses.stream(**wanted) as events:
                seen = [event async for event in events]
                response: Any = await events.get_final_response()
            code = [event.code for event in seen if event.type == "response.code_interpreter_call_code.done"]
            deltas = "".join(event.delta for event in seen if event.type == "response.code_interpreter_call_code.delta")
            assert (code, deltas) == (([CODE], CODE) if offered else ([], ""))
        else:
            raw = await client.responses.with_raw_response.create(**wanted)
            assert "x-gemgate-ignored" not in raw.headers
            response = raw.parse()
        calls = [item for item in response.output if item.type == "code_interpreter_call"]
        items = [item.model_dump(exclude_none=True) for item in response.output]
        again = await client.responses.create(
            model=MODEL, tools=tools, input=[asked, *items, {"role": "user", "content": "go on"}]
        )
        assert again.output_text == "Gladly."
        return response.output_text, [(call.code, "".join(out.logs for out in call.outputs)) for call in calls]


async def messages(url: str, ask: str, *, stream: bool, offered: bool) -> tuple[str, Runs]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0) as client:
        tools: Any = [{"type": "code_execution_20250522", "name": "code_execution"}] if offered else []
        asked: Any = {"role": "user", "content": ask}
        wanted: Any = {"model": MODEL, "max_tokens": 999, "messages": [asked], "tools": tools}
        if stream:
            async with client.messages.stream(**wanted) as events:
                message: Any = await events.get_final_message()
        else:
            message = await client.messages.create(**wanted)
        uses = [block for block in message.content if block.type == "server_tool_use"]
        results = [block for block in message.content if block.type == "code_execution_tool_result"]
        assert [use.id for use in uses] == [result.tool_use_id for result in results]
        turns: Any = [asked, {"role": "assistant", "content": [b.model_dump() for b in message.content]}]
        again = await client.messages.create(**{**wanted, "messages": [*turns, {"role": "user", "content": "go on"}]})
        assert again.content[0].text == "Gladly."
        text = "".join(block.text for block in message.content if block.type == "text")
        return text, [(use.input["code"], got.content.stdout) for use, got in zip(uses, results, strict=True)]


async def gemini(url: str, ask: str, *, stream: bool, offered: bool) -> tuple[str, Runs]:
    options = types.HttpOptions(base_url=url, retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(api_key="x", http_options=options)
    config = types.GenerateContentConfig(
        tools=[types.Tool(code_execution=types.ToolCodeExecution())] if offered else None
    )
    asked = types.Content(role="user", parts=[types.Part(text=ask)])
    parts: list[types.Part] = []
    if stream:
        async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents=asked, config=config):
            parts += chunk.candidates[0].content.parts or []  # type: ignore[index,union-attr]
    else:
        whole = await client.aio.models.generate_content(model=MODEL, contents=asked, config=config)
        parts = whole.candidates[0].content.parts or []  # type: ignore[index,union-attr]
    text = "".join(part.text or "" for part in parts)
    said = types.Content(role="model", parts=[types.Part(text=text), *(part for part in parts if not part.text)])
    more = types.Content(role="user", parts=[types.Part(text="go on")])
    again = await client.aio.models.generate_content(model=MODEL, contents=[asked, said, more], config=config)
    assert again.text == "Gladly."
    code = [part.executable_code.code or "" for part in parts if part.executable_code]
    results = [part.code_execution_result.output or "" for part in parts if part.code_execution_result]
    return text, list(zip(code, results, strict=True))


async def interactions(url: str, ask: str, *, stream: bool, offered: bool) -> tuple[str, Runs]:
    options = types.HttpOptions(base_url=url, retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(api_key="x", http_options=options)
    tools: Any = [{"type": "code_execution"}] if offered else []
    made: Any = client.aio.interactions
    if stream:
        steps: list[Any] = []
        texts: list[str] = []
        async for event in await made.create(model=MODEL, input=ask, tools=tools, stream=True):
            if event.event_type == "step.start":
                steps.append(event.step)
            elif event.event_type == "step.delta" and event.delta.type == "text":
                texts.append(event.delta.text)
        text = "".join(texts)
    else:
        interaction = await made.create(model=MODEL, input=ask, tools=tools)
        steps = interaction.steps
        text = "".join(one.text for step in steps if step.type == "model_output" for one in step.content)
        sent = [step.model_dump(exclude_none=True) for step in steps]
        user = {"type": "user_input", "content": [{"type": "text", "text": ask}]}
        more = {"type": "user_input", "content": [{"type": "text", "text": "go on"}]}
        again = await made.create(model=MODEL, input=[user, *sent, more], tools=tools)
        assert again.steps[-1].content[0].text == "Gladly."
    calls = [step for step in steps if step.type == "code_execution_call"]
    results = [step for step in steps if step.type == "code_execution_result"]
    assert [call.id for call in calls] == [result.call_id for result in results]
    return text, [(call.arguments.code, result.result) for call, result in zip(calls, results, strict=True)]


JUDGES: dict[str, Callable[..., Awaitable[tuple[str, Runs]]]] = {
    "responses": responses, "messages": messages, "gemini": gemini, "interactions": interactions,
}  # fmt: skip


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("judge", JUDGES)
async def test_code_that_was_run_is_a_call_of_the_tool_that_was_offered(
    gate: Served, scripted: Simulator, judge: str, stream: bool, offered: bool
) -> None:
    text, runs = await JUDGES[judge](gate.url, "sum", stream=stream, offered=offered)
    assert text == TEXT, "the text is the same for everybody"
    assert runs == ([(CODE, PRINTED)] if offered else [])
    if not stream:  # a streamed answer has its end before its chat is stored
        chats = {call.cid for call in scripted.record.calls}
        assert len(chats) == 1, "what comes back says nothing that the chat does not know"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("judge", JUDGES)
async def test_beside_sources_both_are_told(gate: Served, scripted: Simulator, judge: str, stream: bool) -> None:
    text, runs = await JUDGES[judge](gate.url, "both", stream=stream, offered=True)
    assert (text, runs) == (TEXT, [(CODE, PRINTED)])


async def test_a_choice_of_none_and_another_tool_are_no_offer(
    gate: Served, scripted: Simulator, http: aiohttp.ClientSession
) -> None:
    for more in ({"tool_choice": "none"}, {"tools": [{"type": "web_search"}]}):
        body = {"model": MODEL, "input": "sum", "tools": [{"type": "code_interpreter", "container": "cntr_x"}], **more}
        async with http.post("/v1/responses", json=body) as answer:
            told = await answer.json()
            assert [item["type"] for item in told["output"]] == ["message"]
            ignored = answer.headers.get("x-gemgate-ignored", "")
            assert ("tools.code_interpreter.container" in ignored) == ("tool_choice" in more)


async def test_in_the_background_it_is_kept(gate: Served, scripted: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="x", max_retries=0) as client:
        tools: Any = [{"type": "code_interpreter", "container": {"type": "auto"}}]
        found: Any = await client.responses.create(model=MODEL, input="sum", tools=tools, background=True)
        for _ in range(600):
            if found.status == "completed":
                break
            found = await client.responses.retrieve(found.id)
        assert [item.type for item in found.output] == ["message", "code_interpreter_call"]
