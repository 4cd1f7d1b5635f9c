"""Chats go on in their web conversation: only what is new goes up, nobody else's is touched, losses cost a replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from gemgate.errors import Broken
from gemgate.gateway.conversations import DELETED_AT_ONCE
from gemgate.ports.conversations import Conversation
from gemgate.ports.upstream import Prompt, Thread
from gemgate_simulator import Simulator
from tests.support.patience import PATIENT, until
from tests.support.serving import Served, served, settings_for
from tests.support.talk import Talk


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        simulator.google.reply("turn", lambda prompt: f"reply to {prompt.text.split()[-1]}")
        yield simulator


async def test_forty_turns_send_only_what_is_new(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    for number in range(40):
        assert await talk.say(f"turn number {number}", stream=bool(number % 2)) == f"reply to {number}"
        assert talk.reuse == ("hit" if number else "miss")
    assert sim.record.generations == 40
    assert not sim.record.violations
    sent = [call.prompt for call in sim.record.calls]
    assert sent[1] == "turn number 1"
    assert sent[39] == "turn number 39"
    assert len({call.cid for call in sim.record.calls}) == 1
    assert len(sim.record.calls[-1].prompt) <= len(sent[2]) + 1


async def test_two_keys_with_the_same_history_never_share_a_conversation(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="ann:a,ben:b")
    async with served(settings) as gate:
        ann, ben = Talk(gate.url, "a"), Talk(gate.url, "b")
        for talk in (ann, ben):
            await talk.say("turn 1")
        ben.messages = [dict(m) for m in ann.messages]
        await ann.say("turn 2")
        assert ann.reuse == "hit"
        await ben.say("turn 2")
        assert ben.reuse == "hit"  # in his own, which has the same history
        ann_cid, ben_cid = (call.cid for call in list(sim.record.calls)[-2:])
        assert ann_cid != ben_cid
    assert not sim.record.violations


async def test_an_edited_history_is_told_anew(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    await talk.say("turn 2")
    talk.messages[2]["content"] = "something the model never said"
    await talk.say("turn 3")
    assert talk.reuse in ("miss", "fork")
    assert "something the model never said" in sim.record.calls[-1].prompt
    assert not sim.record.violations


async def test_a_second_caller_on_the_same_history_tells_it_anew(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    sim.google.reply("branch", "slow answer of this branch", chars=5, pace=0.05)
    one, two = Talk(gate.url), Talk(gate.url)
    one.messages, two.messages = list(talk.messages), list(talk.messages)
    await asyncio.gather(one.say("branch one"), two.say("branch two"))
    assert sorted([one.reuse, two.reuse]) == ["fork", "hit"]
    assert not sim.record.violations
    assert sim.record.generations == 3
    await one.say("turn after one")
    await two.say("turn after two")
    assert (one.reuse, two.reuse) == ("hit", "hit")


async def test_a_conversation_deleted_by_its_owner_costs_a_replay(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    upstream = gate.service.pool.accounts[0].upstream
    await upstream.delete_chat(sim.record.calls[-1].cid)
    assert await talk.say("turn 2") == "reply to 2"
    assert talk.reuse == "replay"
    await talk.say("turn 3")
    assert talk.reuse == "hit"
    assert sim.record.generations == 3


async def test_a_failure_in_mid_answer_makes_the_next_turn_a_replay(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    sim.google.fault("generate", "code", code=1013)
    with pytest.raises(openai.InternalServerError):
        await talk.say("turn 2")
    assert await talk.say("turn 3") == "reply to 3"
    assert talk.reuse != "hit"
    assert not sim.record.violations


async def test_what_was_certainly_not_processed_leaves_the_conversation_as_it_is(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    sim.google.fault("generate", "status", status=401)
    await talk.say("turn 2")
    assert talk.reuse == "hit"
    assert len({call.cid for call in sim.record.calls if call.generated}) == 1


async def test_another_model_starts_another_conversation(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    await talk.say("turn 2", model="gemini-2.5-pro")
    assert talk.reuse == "miss"
    assert not sim.record.violations


async def test_temporary_history_keeps_nothing_at_google(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path, history="temporary")) as gate:
        talk = Talk(gate.url)
        await talk.say("turn 1")
        await talk.say("turn 2")
        assert talk.reuse == "miss"
    assert all(call.temporary for call in sim.record.calls)
    assert "turn 1" in sim.record.calls[-1].prompt


async def test_a_conversation_survives_a_restart(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path)
    async with served(settings) as gate:
        talk = Talk(gate.url)
        await talk.say("turn 1")
    async with served(settings) as gate:
        again = Talk(gate.url)
        again.messages = talk.messages
        await again.say("turn 2")
        assert again.reuse == "hit"
    assert not sim.record.violations


async def test_a_named_conversation_takes_only_what_is_new_or_all_of_it(gate: Served, sim: Simulator) -> None:
    talk = Talk(gate.url, system="")
    extra = {"extra_body": {"conversation_id": "holiday"}}
    await talk.say("turn 1", **extra)
    alone = Talk(gate.url, system="")
    await alone.say("turn 2", **extra)
    assert alone.reuse == "hit"
    assert sim.record.calls[-1].prompt == "turn 2"
    sim.google.expire("alice")
    sim.google.revive("alice")
    await alone.say("turn 3", **extra)
    assert len({call.cid for call in sim.record.calls}) == 1


@pytest.mark.parametrize("mode", ["tools", "json"])
async def test_tools_and_json_go_on_in_the_same_conversation(gate: Served, sim: Simulator, mode: str) -> None:
    talk = Talk(gate.url)
    if mode == "json":
        sim.google.reply("turn", '{"a": 1}')
        more: dict[str, Any] = {"response_format": {"type": "json_object"}}
    else:
        more = {
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        }
    for number in range(3):
        await talk.say(f"turn {number}", **more)
    assert talk.reuse == "hit"
    sent = [call.prompt for call in sim.record.calls]
    assert len(sent[1]) < len(sent[0])
    assert len(sent[2]) == len(sent[1])
    assert sim.record.generations == 3


async def test_history_delete_removes_our_chats_and_only_ours(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path, history="delete:1")) as gate:
        account = gate.service.pool.accounts[0]
        upstream = account.upstream
        async for _ in upstream.stream(Prompt("turn of the owner, in the browser", account.models[0])):
            pass
        owners = sim.record.calls[-1].cid
        talk = Talk(gate.url)
        await talk.say("turn 1")
        cid = sim.record.calls[-1].cid
        assert await upstream.has_chat(cid)
        async with aiohttp.ClientSession(gate.url) as http:
            for method in ("GET", "DELETE"):
                async with http.request(method, f"/conversations/{owners}") as answer:
                    assert answer.status == 404  # not one of ours: it has no name here
        await until(lambda: sim.record.requests_of("GzXR5e") == 1, PATIENT)
        assert not await upstream.has_chat(cid)
        await talk.say("turn 2")
        assert talk.reuse != "hit"
        await until(lambda: sim.record.requests_of("GzXR5e") == 2, PATIENT)
        assert await upstream.has_chat(owners)


async def test_chats_that_cannot_be_deleted_hold_no_other_up(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(settings_for(sim, tmp_path, history="delete:1")) as gate:
        account, store = gate.service.pool.accounts[0], gate.service.gateway.conversations.store
        deleted = type(account.upstream).delete_chat
        tried: list[str] = []

        async def refuse(upstream: Any, cid: str) -> None:
            tried.append(cid)
            if cid.startswith("c_stuck"):
                raise Broken("not now", "稍后再试")
            await deleted(upstream, cid)

        monkeypatch.setattr(type(account.upstream), "delete_chat", refuse)
        for number in range(DELETED_AT_ONCE + 5):
            thread = Thread((f"c_stuck{number}",))
            stuck = Conversation(
                f"stuck-{number}", "", "", 0, account.name, account.identity, "", thread, 1.0, 1.0, delete_at=1.0
            )
            await store.save(stuck)
        await Talk(gate.url).say("turn 1")
        cid = sim.record.calls[-1].cid
        await until(lambda: cid in tried, PATIENT)
        await until(lambda: sim.record.requests_of("GzXR5e") == 1, PATIENT)
        assert not await account.upstream.has_chat(cid)
        assert len(tried) == len(set(tried)), "what failed is not tried again at once"
        assert await store.get(None, "stuck-0") is not None, "it is tried again later"


async def test_conversations_are_listed_read_and_deleted_by_their_own_key_only(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path, api_key="ann:a,ben:b")) as gate:
        await Talk(gate.url, "a", system="").say("turn 1", extra_body={"conversation_id": "holiday"})
        await Talk(gate.url, "a").say("turn 1")
        cid = sim.record.calls[0].cid
        upstream = gate.service.pool.accounts[0].upstream
        async with aiohttp.ClientSession(gate.url) as http:

            async def ask(method: str, path: str, key: str) -> tuple[int, Any]:
                async with http.request(method, path, headers={"authorization": f"Bearer {key}"}) as answer:
                    return answer.status, await answer.json()

            status, listed = await ask("GET", "/conversations", "a")
            assert status == 200
            assert "holiday" in str(listed)
            assert "holiday" not in str(await ask("GET", "/conversations", "b"))
            assert (await ask("GET", "/conversations/holiday", "a"))[0] == 200
            for method in ("GET", "DELETE"):
                assert (await ask(method, "/conversations/holiday", "b"))[0] == 404
            assert await upstream.has_chat(cid)
            assert (await ask("DELETE", "/conversations/holiday", "a"))[0] == 200
            assert (await ask("GET", "/conversations/holiday", "a"))[0] == 404
        assert not await upstream.has_chat(cid)
        assert await upstream.has_chat(sim.record.calls[1].cid)
    assert not sim.record.violations


async def test_what_a_key_keeps_is_bounded_and_what_is_forgotten_is_said(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, chats_per_key_mb=0.02)

    async def ask(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        async with http.post(path, json=body) as answer:
            return answer.status, await answer.json()

    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        def turn(words: str, *before: str) -> dict[str, Any]:
            roles = ("user", "assistant")
            said = [{"role": roles[n % 2], "content": text} for n, text in enumerate((*before, words))]
            return {"messages": said, "conversation_id": "plans"}

        assert (await ask(http, "/v1/chat/completions", turn("turn 1")))[0] == 200
        await asyncio.sleep(1.1)  # answers have whole seconds
        made = []
        for number in range(12):
            status, told = await ask(http, "/v1/responses", {"input": f"turn {number} {'x' * 1500} {number}"})
            assert status == 200
            made.append(told["id"])
        found = []
        for one in made:
            async with http.get(f"/v1/responses/{one}") as answer:
                found.append(answer.status)
        assert found[-1] == 200
        gone = made[found.index(404)]
        status, told = await ask(http, "/v1/responses", {"input": "turn 2", "previous_response_id": gone})
        assert (status, told["error"]["code"]) == (400, "previous_response_not_found")
        assert (await ask(http, "/v1/responses", {"input": "turn 2", "previous_response_id": made[-1]}))[0] == 200
        before = sim.record.generations
        status, told = await ask(http, "/v1/chat/completions", turn("turn 2"))
        assert (status, told["error"]["code"]) == (404, "conversation_forgotten")
        assert sim.record.generations == before, "a history that is gone is not left out in silence"
        assert (await ask(http, "/v1/chat/completions", turn("turn 2", "turn 1", "reply to 1")))[0] == 200


@pytest.mark.parametrize("named", [True, False], ids=["named", "found by its history"])
async def test_a_conversation_that_is_deleted_while_it_is_answered_stays_deleted(
    sim: Simulator, tmp_path: Path, *, named: bool
) -> None:
    sim.google.reply("slowly", "word by word " * 40, chars=20, pace=0.05)
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "turn 1"}], "stream": True}
        body |= {"conversation_id": "plans"} if named else {}
        async with http.post("/v1/chat/completions", json={**body, "stream": False}) as answer:
            first = (await answer.json())["choices"][0]["message"]["content"]
        said = [{"role": "assistant", "content": first}, {"role": "user", "content": "slowly"}]
        async with http.get("/conversations") as answer:
            (known,) = (await answer.json())["conversations"]
        async with http.post("/v1/chat/completions", json={**body, "messages": body["messages"] + said}) as answer:
            async for line in answer.content:
                if b"word" in line:
                    break
            async with http.delete(f"/conversations/{known['conversation_id']}") as gone:
                assert gone.status == 200
            await answer.read()
        async with http.get("/conversations") as answer:
            assert not (await answer.json())["conversations"]
        upstream = gate.service.pool.accounts[0].upstream
        assert not await upstream.has_chat(sim.record.calls[-1].cid)
    assert sim.record.generations == 2


async def test_a_history_that_gets_a_name_on_its_way_is_kept_under_it(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:

        async def say(*said: str, **more: Any) -> str:
            roles = ("user", "assistant")
            messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)]
            async with http.post("/v1/chat/completions", json={"messages": messages, **more}) as answer:
                assert answer.status == 200
                return str((await answer.json())["choices"][0]["message"]["content"])

        first = await say("turn 1")
        await say("turn 1", first, "turn 2", conversation_id="plans")
        async with http.get("/conversations") as answer:
            assert [one["conversation_id"] for one in (await answer.json())["conversations"]] == ["plans"]
    assert len({call.cid for call in sim.record.calls}) == 1
