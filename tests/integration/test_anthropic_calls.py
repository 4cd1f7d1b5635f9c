"""What Anthropic's clients ask beside plain messages: warming a cache, tools of Anthropic's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
ASKED: list[Any] = [{"role": "user", "content": "Which tide is it in Brest?"}]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("Brest", "It is low tide.")
        yield simulator


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cache_is_warmed_without_a_generation(sim: Simulator, gate: Served, stream: bool) -> None:
    body = {"model": MODEL, "max_tokens": 0, "messages": ASKED, "stream": stream, "top_k": 3}
    async with httpx2.AsyncClient(base_url=gate.url) as http:
        response = await http.post("/v1/messages", json=body)
    assert response.status_code == 200
    assert response.headers["x-gemgate-ignored"] == "top_k"
    if stream:
        told = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
        assert [event["type"] for event in told] == ["message_start", "message_delta", "message_stop"]
        assert told[1]["delta"]["stop_reason"] == "max_tokens"
    else:
        message = response.json()
        assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
        assert message["usage"]["input_tokens"] > 0
    assert sim.record.generations == sim.record.received == 0


async def test_a_search_of_anthropic_s_is_left_to_google(sim: Simulator, gate: Served) -> None:
    client = anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0)
    tools: list[Any] = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]
    raw = await client.messages.with_raw_response.create(
        model=MODEL,
        max_tokens=50,
        messages=ASKED,
        tools=tools,
        tool_choice={"type": "tool", "name": "web_search"},
    )
    message = await raw.parse()
    assert message.content[0].text == "It is low tide."  # type: ignore[union-attr]
    assert raw.headers["x-gemgate-ignored"] == "max_tokens, tools.web_search.max_uses"
    assert "Search the web" in sim.record.calls[-1].prompt
    counted = await client.messages.with_raw_response.count_tokens(model=MODEL, messages=ASKED, tools=tools)
    assert (await counted.parse()).input_tokens > 0
    assert counted.headers["x-gemgate-ignored"] == "tools.web_search.max_uses"
    history: list[Any] = [
        *ASKED,
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tides"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "Low."},
            ],
        },
        {"role": "user", "content": "And tomorrow, in Brest?"},
    ]
    answer = await client.messages.create(model=MODEL, max_tokens=50, messages=history, tools=tools)
    assert answer.content[0].text == "It is low tide."  # type: ignore[union-attr]
    assert "tides" in sim.record.calls[-1].prompt
    assert sim.record.generations == 2
