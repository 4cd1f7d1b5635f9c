"""Every code has its rule of sending again, and none makes a second generation (docs/google-wire.md 4.1, 4.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import Served
from tests.support.talk import Talk


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        simulator.google.reply("turn", lambda prompt: f"reply to {prompt.text.split()[-1]}")
        yield simulator


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("code", [1003, 1099, 1155])
async def test_a_code_that_passes_is_tried_once_more(gate: Served, sim: Simulator, code: int, stream: bool) -> None:
    sim.google.fault("generate", "code", code=code)
    assert await Talk(gate.url).say("turn 1", stream=stream) == "reply to 1"
    assert (sim.record.received, sim.record.generations) == (2, 1)


@pytest.mark.parametrize("code", [1003, 1013, 1053, 1096, 1097, 1099, 1100, 1155, 4711])
async def test_a_code_that_stays_ends_as_an_error(gate: Served, sim: Simulator, code: int) -> None:
    sim.google.fault("generate", "code", code=code, times=-1)
    with pytest.raises(openai.APIStatusError):
        await Talk(gate.url).say("turn 1")
    twice = code in (1003, 1099, 1100, 1155)
    assert sim.record.received == (2 if twice else 1)
    assert sim.record.generations == (1 if code in (1013, 4711) else 0)


@pytest.mark.parametrize("code", [1096, 1097])
async def test_a_refused_follow_up_is_told_in_full_in_a_fresh_chat_once(
    gate: Served, sim: Simulator, code: int
) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    sim.google.fault("generate", "code", code=code)
    assert await talk.say("turn 2") == "reply to 2"
    assert talk.reuse == "replay"
    assert "turn 1" in sim.record.calls[-1].prompt
    assert (sim.record.received, sim.record.generations) == (3, 2)
    assert await talk.say("turn 3") == "reply to 3"
    assert talk.reuse == "hit"


async def test_a_chat_that_google_does_not_keep_is_told_in_full_every_turn(gate: Served, sim: Simulator) -> None:
    sim.google.account("alice").stores = False
    talk = Talk(gate.url)
    for number in range(1, 4):
        assert await talk.say(f"turn {number}", stream=bool(number % 2)) == f"reply to {number}"
        assert talk.reuse != "hit"
    assert "turn 1" in sim.record.calls[-1].prompt
    assert (sim.record.received, sim.record.generations) == (3, 3)
    assert "gemgate_answers_not_stored_total 3.0" in gate.service.metrics.text().decode()
    assert not sim.record.violations


@pytest.mark.parametrize("size", [10, 60_000], ids=["short", "long"])
@pytest.mark.parametrize("how", ["token", "build"])
async def test_an_old_page_is_loaded_again_and_the_prompt_sent_once_more(
    gate: Served, sim: Simulator, how: str, size: int
) -> None:
    talk = Talk(gate.url)
    await talk.say("turn 1")
    if how == "token":
        sim.google.account("alice").token_life = 600
        sim.google.advance(700)
    else:
        sim.google.world.build = "boq_assistant-bard-web-server_20261129.01_p0"
    inits = sim.record.requests_of("init")
    assert await talk.say("x" * size + " turn 2") == "reply to 2"
    assert talk.reuse == "hit"
    assert sim.record.requests_of("init") == inits + 1
    assert (sim.record.received, sim.record.generations) == (3, 2)
    assert await talk.say("turn 3") == "reply to 3"
    assert not sim.record.violations


async def test_a_page_that_stays_too_old_is_tried_once_and_shrinks_nothing(gate: Served, sim: Simulator) -> None:
    sim.google.account("alice").token_life = -1
    with pytest.raises(openai.APIStatusError) as caught:
        await Talk(gate.url).say("x" * 60_000)
    assert caught.value.status_code >= 500
    assert (sim.record.received, sim.record.generations) == (2, 0)
    sim.google.account("alice").token_life = None
    assert await Talk(gate.url).say("x" * 60_000 + " turn 2") == "reply to 2"


async def test_what_is_unknown_is_counted_and_explained(gate: Served, sim: Simulator) -> None:
    sim.google.reply("odd", "fine", codes=(4711,))
    raw = await Talk(gate.url).client.chat.completions.with_raw_response.create(
        model="gemini-3-flash-preview", messages=[{"role": "user", "content": "odd"}]
    )
    assert raw.parse().choices[0].message.content == "fine"
    assert 'gemgate_wire_unknown_total{field="code 4711"} 1.0' in gate.service.metrics.text().decode()
    record = gate.service.recent.get(raw.headers["x-request-id"])
    assert record is not None
    assert [attempt.unknown for attempt in record.attempts] == [["code 4711"]]


async def test_an_account_that_keeps_no_chats_is_looked_at_once(gate: Served, sim: Simulator) -> None:
    sim.google.account("alice").stores = False
    talk = Talk(gate.url)
    before = sim.record.requests_of("otAQ7b")
    for number in range(3):
        await talk.say(f"turn {number}")
    assert sim.record.requests_of("otAQ7b") == before + 1
    assert gate.service.pool.accounts[0].status().state == "ready"


@pytest.mark.parametrize("sign", ["not kept", "files refused"])
async def test_two_signs_make_a_guest(gate: Served, sim: Simulator, sign: str) -> None:
    """A session that answers like a guest's and is one by Google's own word takes no more calls."""
    await Talk(gate.url).say("turn 1")
    sim.google.account("alice").guest = True
    if sign == "not kept":
        assert await Talk(gate.url).say("turn 2") == "reply to 2"  # it was answered, and that stands
    else:
        part = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8="}}
        with pytest.raises(openai.APIStatusError):
            await Talk(gate.url).client.chat.completions.create(
                model="gemini-3-flash-preview",
                messages=[{"role": "user", "content": [{"type": "text", "text": "turn 2"}, part]}],
            )
        assert sim.record.generations == 1
    assert gate.service.pool.accounts[0].status().state == "needs_login"
