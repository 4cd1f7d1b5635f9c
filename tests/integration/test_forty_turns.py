"""Forty turns in each dialect, told by its own SDK: what goes up in turn 40 is as short as in turn 2.

Each client says its whole history in every turn, as chat clients do (the Responses one by `previous_response_id` too).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import served, settings_for

MODEL = "gemini-3-flash-preview"
SYSTEM = "Be kind, and answer in one line."
TURNS = 40
LOST = 20

pytestmark = pytest.mark.timeout(300)


class Talk:
    """One conversation of one SDK: `say` is a turn; `reuse` is what the gateway said of it."""

    def __init__(self, url: str, key: str, way: str) -> None:
        self.reuse: list[str] = []
        self.history: list[Any] = []
        self.previous: str | None = None
        self._say: Callable[[str, bool], Awaitable[str]] = getattr(self, "_" + way)
        http = httpx2.AsyncClient(event_hooks={"response": [self._note]}, timeout=30)
        if way in ("chat", "responses", "continued"):
            self.openai = openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=0, http_client=http)
        elif way == "anthropic":
            self.anthropic = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0, http_client=http)
        else:
            options = types.HttpOptions(base_url=url, httpx_async_client=http)
            self.gemini = genai.Client(api_key=key, http_options=options)

    async def _note(self, response: httpx2.Response) -> None:
        self.reuse.append(response.headers.get("x-gemgate-conversation", ""))

    async def say(self, text: str, *, stream: bool = False) -> str:
        return await self._say(text, stream)

    def follow(self, other: Talk) -> None:
        """Claim the history of another client as one's own."""
        self.history, self.previous = list(other.history), other.previous

    async def _chat(self, text: str, stream: bool) -> str:
        if not self.history:
            self.history.append({"role": "system", "content": SYSTEM})
        self.history.append({"role": "user", "content": text})
        asked: dict[str, Any] = {"model": MODEL, "messages": self.history}
        if stream:
            chunks = await self.openai.chat.completions.create(stream=True, **asked)
            said = "".join([c.choices[0].delta.content or "" async for c in chunks])
        else:
            said = (await self.openai.chat.completions.create(**asked)).choices[0].message.content or ""
        self.history.append({"role": "assistant", "content": said})
        return said

    async def _responses(self, text: str, stream: bool) -> str:
        self.history.append({"role": "user", "content": text})
        response = await self._respond(list(self.history), stream)
        self.history += [item.model_dump(exclude_none=True) for item in response.output]
        return str(response.output_text)

    async def _continued(self, text: str, stream: bool) -> str:
        response = await self._respond(text, stream, previous_response_id=self.previous)
        self.previous = response.id
        return str(response.output_text)

    async def _respond(self, given: Any, stream: bool, **more: Any) -> Any:
        asked: dict[str, Any] = {"model": MODEL, "instructions": SYSTEM, "input": given, **more}
        if not stream:
            return await self.openai.responses.create(**asked)
        events = await self.openai.responses.create(stream=True, **asked)
        return [event async for event in events][-1].response

    async def _anthropic(self, text: str, stream: bool) -> str:
        self.history.append({"role": "user", "content": text})
        asked: dict[str, Any] = {"model": MODEL, "max_tokens": 99, "system": SYSTEM, "messages": self.history}
        if stream:
            async with self.anthropic.messages.stream(**asked) as events:
                message = await events.get_final_message()
        else:
            message = await self.anthropic.messages.create(**asked)
        self.history.append({"role": "assistant", "content": message.content})
        return str(message.content[0].text)

    async def _gemini(self, text: str, stream: bool) -> str:
        self.history.append(types.Content(role="user", parts=[types.Part(text=text)]))
        config = types.GenerateContentConfig(system_instruction=SYSTEM)
        asked: dict[str, Any] = {"model": MODEL, "contents": self.history, "config": config}
        if stream:
            chunks = [chunk async for chunk in await self.gemini.aio.models.generate_content_stream(**asked)]
            said = "".join(chunk.text or "" for chunk in chunks)
        else:
            said = (await self.gemini.aio.models.generate_content(**asked)).text or ""
        self.history.append(types.Content(role="model", parts=[types.Part(text=said)]))
        return said


WAYS = ["chat", "responses", "continued", "anthropic", "gemini"]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        # Markdown, entities and blank lines: what comes back in the history must still be known again.
        simulator.google.reply(
            "turn", lambda prompt: f"reply to *{prompt.text.split()[-1]}* & <b>more</b>\n\n- one_two"
        )
        yield simulator


def said(number: int) -> str:
    return f"reply to *{number:02}* & <b>more</b>\n\n- one_two"


@pytest.mark.parametrize("way", WAYS)
async def test_turn_forty_sends_what_turn_two_did(sim: Simulator, tmp_path: Path, way: str) -> None:
    """Two keys with the same words, turn by turn: 80 generations, two conversations, no byte more at the end."""
    async with served(settings_for(sim, tmp_path, api_key="ann:a,ben:b")) as gate:
        ann, ben = Talk(gate.url, "a", way), Talk(gate.url, "b", way)
        for number in range(1, TURNS + 1):
            for talk in (ann, ben):
                assert await talk.say(f"turn number {number:02}", stream=bool(number % 2)) == said(number)
        for talk in (ann, ben):
            assert talk.reuse == ["miss", *["hit"] * (TURNS - 1)]
    assert sim.record.generations == sim.record.received == 2 * TURNS
    assert not sim.record.violations
    calls = list(sim.record.calls)
    by_key = [calls[0::2], calls[1::2]]
    assert [len({call.cid for call in mine}) for mine in by_key] == [1, 1]
    assert by_key[0][0].cid != by_key[1][0].cid
    for mine in by_key:
        sent = [call.prompt for call in mine]
        assert SYSTEM in sent[0]
        assert sent[1:] == [f"turn number {number:02}" for number in range(2, TURNS + 1)]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "continued"])  # another key's response id is refused
async def test_another_key_never_goes_on_in_a_conversation_it_knows_by_heart(
    sim: Simulator, tmp_path: Path, way: str
) -> None:
    async with served(settings_for(sim, tmp_path, api_key="ann:a,ben:b")) as gate:
        ann, thief = Talk(gate.url, "a", way), Talk(gate.url, "b", way)
        await ann.say("turn number 01")
        thief.follow(ann)
        assert await thief.say("turn number 02") == said(2)
        assert thief.reuse == ["miss"]
        assert await ann.say("turn number 02") == said(2)
        assert ann.reuse == ["miss", "hit"]
    first, second, third = list(sim.record.calls)
    assert first.cid == third.cid != second.cid
    assert "turn number 01" in second.prompt  # told anew, from what the caller itself sent
    assert not sim.record.violations


@pytest.mark.parametrize("way", WAYS)
async def test_an_account_lost_in_mid_conversation_costs_one_replay(sim: Simulator, tmp_path: Path, way: str) -> None:
    async with served(two_accounts(sim, tmp_path)) as gate:
        await until(lambda: sum(m.is_open for m in gate.service.pool.accounts) == 2)
        talk = Talk(gate.url, "any", way)
        for number in range(1, TURNS + 1):
            if number == LOST:
                first = sim.record.calls[-1].account
                sim.google.expire(first)
            assert await talk.say(f"turn number {number:02}", stream=bool(number % 2)) == said(number)
    assert talk.reuse == ["miss", *["hit"] * (LOST - 2), "replay", *["hit"] * (TURNS - LOST)]
    assert sim.record.generations == TURNS
    made = [call for call in sim.record.calls if call.generated]
    assert {call.account for call in made[: LOST - 1]} == {first}
    assert {call.account for call in made[LOST - 1 :]} == {"alice", "bob"} - {first}
    assert len({call.cid for call in made}) == 2
    replay = made[LOST - 1].prompt
    told = [f"turn number {number:02}" for number in range(1, LOST + 1)]
    assert sorted(told, key=replay.index) == told
    assert all(f"reply to *{number:02}*" in replay for number in range(1, LOST))
    assert made[-1].prompt == f"turn number {TURNS}"
    assert not sim.record.violations


def two_accounts(sim: Simulator, folder: Path) -> Any:
    """alice and bob from cookie files named in accounts.toml."""
    for name in ("alice", "bob"):
        (folder / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
    (folder / "accounts.toml").write_text(
        "\n".join(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n' for name in ("alice", "bob"))
    )
    proxy = {"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file}
    return settings_for(None, folder).model_copy(update=proxy)
