"""Who takes a call, who waits, what is said when nobody can, and that no prompt is sent twice without need."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import replace

import pytest
from tests.support.patience import PATIENCE
from tests.support.scripted_gateway import CALLER, CARD, ScriptedGateway

from gemgate.batches import Batch
from gemgate.caller import Caller
from gemgate.chat import ChatRequest, Ended, Message, Text, TextDelta, fold
from gemgate.errors import (
    Blocked,
    Broken,
    GatewayError,
    ModelNotFound,
    NoAccount,
    RateLimited,
    SignedOut,
    Spent,
    Unreachable,
)
from gemgate.jobs.batches import Jobs
from gemgate.policy.token_bucket import Bucket
from gemgate.pool.account import Account
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.telemetry import SystemClock
from gemgate.testing import (
    FLASH,
    ScriptedUpstream,
    settle,
)


def spent(**more: float) -> Spent:
    return Spent("limit reached", **more)


async def test_calls_go_to_the_least_busy_account() -> None:
    one, two = ScriptedUpstream(), ScriptedUpstream()
    state = await ScriptedGateway(one, two).signed_in()
    one.gate = two.gate = asyncio.Event()
    calls = [asyncio.create_task(state.chat()) for _ in range(4)]
    await settle()
    assert (len(one.prompts), len(two.prompts)) == (2, 2)
    one.gate.set()
    await asyncio.gather(*calls)
    assert [m.busy for m in state.accounts] == [0, 0]


async def test_calls_go_to_the_way_out_that_may_be_used_now() -> None:
    one, two = ScriptedUpstream(), ScriptedUpstream()
    state = await ScriptedGateway(one, two).signed_in()
    state.accounts[0].egress.pace = Bucket(1.0)
    for _ in range(4):
        await asyncio.wait_for(state.chat(), PATIENCE)  # the clock stands still: none of them waits for the slow way
    assert (len(one.prompts), len(two.prompts)) == (1, 3)


async def test_a_third_call_waits_for_a_lane_and_is_served_in_its_turn() -> None:
    upstream = ScriptedUpstream(lambda prompt: prompt.text)
    state = await ScriptedGateway(upstream).signed_in()
    upstream.gate = asyncio.Event()
    calls = [asyncio.create_task(state.chat(str(i))) for i in range(5)]
    await settle()
    assert len(upstream.prompts) == 2
    assert state.pool.waiting == 3
    assert state.accounts[0].status().state == "busy"
    upstream.gate.set()
    await asyncio.gather(*calls)
    assert [p.text for p in upstream.prompts] == list("01234")


async def test_a_waiting_caller_who_leaves_leaves_nothing_behind() -> None:
    upstream = ScriptedUpstream()
    state = await ScriptedGateway(upstream, lanes=1).signed_in()
    upstream.gate = asyncio.Event()
    first, second, third = (asyncio.create_task(state.chat(name)) for name in ("1", "2", "3"))
    await settle()
    second.cancel()
    await settle()
    assert state.pool.waiting == 1
    upstream.gate.set()
    await asyncio.gather(first, third)
    assert [p.text for p in upstream.prompts] == ["1", "3"]
    assert state.accounts[0].busy == 0


async def test_a_caller_cancelled_in_the_moment_of_its_turn_gives_the_lane_back() -> None:
    upstream = ScriptedUpstream()
    state = await ScriptedGateway(upstream, lanes=1).signed_in()
    upstream.gate = asyncio.Event()
    first, second = asyncio.create_task(state.chat("1")), asyncio.create_task(state.chat("2"))
    await settle()
    hand_over = state.accounts[0].changed

    def hand_over_and_cancel() -> None:
        hand_over()
        if not second.done():
            assert state.pool.waiting == 0
            second.cancel()

    state.accounts[0].changed = hand_over_and_cancel
    upstream.gate.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    await settle()
    assert [p.text for p in upstream.prompts] == ["1"]
    assert state.accounts[0].busy == 0
    assert (await state.chat("3"))[-1].reason == "stop"


@pytest.mark.parametrize(
    "error", [spent(), SignedOut("dead"), Blocked("ip"), Unreachable("no way")], ids=lambda e: type(e).__name__
)
async def test_what_certainly_was_not_processed_moves_to_another_account(error: GatewayError) -> None:
    one, two = ScriptedUpstream(error), ScriptedUpstream("from two")
    one.opening = None
    state = await ScriptedGateway(one, two).signed_in()
    if isinstance(error, SignedOut):
        one.opening = error
    state.accounts[1].last_used = 1e12
    events = await state.chat()
    assert fold(events).text == "from two"
    assert events[0].account == "b"
    assert events[0].attempts == 2
    assert len(one.prompts) == 1


async def test_what_may_have_been_processed_is_never_sent_again() -> None:
    one, two = ScriptedUpstream(Broken("reset", generated="maybe")), ScriptedUpstream("two")
    state = await ScriptedGateway(one, two).signed_in()
    state.accounts[1].last_used = 1e12
    with pytest.raises(Broken):
        await state.chat()
    assert len(two.prompts) == 0


async def test_ten_calls_whose_session_died_share_one_sign_in() -> None:
    dead = SignedOut("401")
    upstream = ScriptedUpstream(*([dead] * 10), "back")
    state = await ScriptedGateway(upstream, lanes=10).signed_in()
    upstream.gate = asyncio.Event()
    calls = [asyncio.create_task(state.chat()) for _ in range(10)]
    await settle()
    upstream.gate.set()
    answers = await asyncio.gather(*calls)
    assert len(upstream.opened_with) == 2
    assert {fold(events).text for events in answers} == {"back"}
    assert len(upstream.prompts) == 20


async def test_a_session_refused_right_after_signing_in_needs_a_login() -> None:
    upstream = ScriptedUpstream(SignedOut("401"))
    state = await ScriptedGateway(upstream).signed_in()
    with pytest.raises(NoAccount) as caught:
        await state.chat()
    assert caught.value.code == "cookie_expired"
    assert not caught.value.quota
    assert state.accounts[0].status().state == "needs_login"
    assert len(upstream.prompts) == 2


async def test_a_spent_account_cools_only_for_what_was_spent() -> None:
    upstream = ScriptedUpstream(spent(), "fine")
    state = await ScriptedGateway(upstream).signed_in()
    with pytest.raises(NoAccount) as caught:
        await state.chat(model="gemini-2.5-pro")
    assert caught.value.quota
    assert caught.value.retry_after == pytest.approx(3600)
    flash = asyncio.create_task(state.chat(model="gemini-2.5-flash"))
    await state.clock.advance(3)  # the pace after a 429
    assert fold(await flash).text == "fine"
    with pytest.raises(NoAccount):
        await state.chat(model="gemini-2.5-pro")
    await state.clock.advance(3601)
    assert fold(await state.chat(model="gemini-2.5-pro")).text == "fine"


async def test_after_a_rest_one_call_probes_and_the_others_wait_for_it() -> None:
    upstream = ScriptedUpstream(spent(), "fine")
    state = await ScriptedGateway(upstream).signed_in()
    with pytest.raises(NoAccount):
        await state.chat()
    await state.clock.advance(3601)
    upstream.gate = asyncio.Event()
    probe = asyncio.create_task(state.chat("probe"))
    await settle()
    with pytest.raises(NoAccount):
        await state.chat("too early")
    upstream.gate.set()
    await probe
    await state.clock.advance(3)  # the pace after a 429
    assert fold(await state.chat("later")).text == "fine"
    assert [p.text for p in upstream.prompts] == ["hi", "probe", "later"]


async def test_a_block_of_the_address_closes_every_account_behind_it() -> None:
    one, two = ScriptedUpstream(Blocked("1060")), ScriptedUpstream("two")
    state = await ScriptedGateway(one, two, one_address=True).signed_in()
    state.accounts[1].last_used = 1e12
    with pytest.raises(NoAccount) as caught:
        await state.chat()
    assert caught.value.code == "ip_blocked"
    assert not caught.value.quota
    assert two.prompts == []
    assert {m.status().state for m in state.accounts} == {"blocked"}


async def test_the_error_says_which_accounts_there_are_and_why() -> None:
    one, two, three = ScriptedUpstream(), ScriptedUpstream(spent()), ScriptedUpstream()
    state = await ScriptedGateway(one, two, three).signed_in()
    state.accounts[0].pause(True)
    three.opening = SignedOut("cookies refused")
    with pytest.raises(SignedOut):
        await state.accounts[2].sign_in()
    with pytest.raises(NoAccount) as caught:
        await state.chat()
    text = caught.value.en
    assert "a: paused" in text
    assert "b: cooling for text (limit" in text
    assert "c: needs_login (cookies refused)" in text
    assert "已手动暂停" in caught.value.zh
    assert caught.value.quota  # b thaws by itself


async def test_no_account_at_all_says_how_to_add_one() -> None:
    with pytest.raises(NoAccount, match="SECURE_1PSID"):
        await ScriptedGateway().chat()


async def test_a_model_that_no_account_has_is_named_with_what_there_is() -> None:
    state = await ScriptedGateway(ScriptedUpstream(offers=[FLASH])).signed_in()
    with pytest.raises(ModelNotFound, match="gemini-flash"):
        await state.chat(model="gemini-2.5-pro")


async def test_another_list_of_models_counts_with_the_next_call() -> None:
    state = await ScriptedGateway(ScriptedUpstream("one", "two", offers=[FLASH])).signed_in()
    await state.chat()
    renamed = replace(FLASH, id="ffffffffffffffff")
    state.accounts[0].models = (renamed,)
    async with state.pool.lease(CARD) as lease:
        assert lease.model is renamed
    state.accounts[0].models = ()
    with pytest.raises(ModelNotFound):
        await state.chat()


async def test_of_a_single_account_nobody_asks_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Account, "left_for", lambda self, needs: asked.append(self.name))
    one = await ScriptedGateway(ScriptedUpstream("hello")).signed_in()
    await one.chat()
    assert not asked
    two = await ScriptedGateway(ScriptedUpstream("hello"), ScriptedUpstream("hello")).signed_in()
    await two.chat()
    assert asked == ["a", "b"]


async def test_a_caller_waits_for_an_account_that_is_still_signing_in() -> None:
    upstream = ScriptedUpstream("hello")
    state = ScriptedGateway(upstream)
    call = asyncio.create_task(state.chat())
    await settle()
    assert not call.done()
    await state.accounts[0].sign_in()
    assert fold(await call).text == "hello"


async def test_a_caller_who_waits_in_vain_is_told_at_once() -> None:
    upstream = ScriptedUpstream()
    upstream.opening = SignedOut("dead on arrival")
    state = ScriptedGateway(upstream)
    call = asyncio.create_task(state.chat())
    await settle()
    with pytest.raises(SignedOut):
        await state.accounts[0].sign_in()
    with pytest.raises(NoAccount, match="dead on arrival"):
        await call


async def test_what_an_account_remembers_of_an_error_holds_nothing_of_the_call() -> None:
    house = await ScriptedGateway(ScriptedUpstream(spent())).signed_in()
    with pytest.raises(GatewayError) as caught:
        await house.chat()
    kept = house.accounts[0].last_error
    assert kept is not None
    assert kept is not caught.value
    assert (kept.kind, kept.en, kept.__traceback__) == ("spent", "limit reached", None)


async def test_leaving_an_answer_is_not_held_against_the_account() -> None:
    state = await ScriptedGateway(ScriptedUpstream("long")).signed_in()
    for _ in range(5):
        request = ChatRequest((Message("user", (Text("hi"),)),), stream=True)
        admission = await state.gateway.admit(None, CALLER)
        async with aclosing(state.gateway.chat(request, admission)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
    assert state.accounts[0].status().state == "ready"
    assert state.accounts[0].busy == 0


async def test_events_begin_once_and_end_once() -> None:
    state = await ScriptedGateway(ScriptedUpstream("text")).signed_in()
    events = await state.chat()
    assert type(events[0]).__name__ == "Began"
    assert isinstance(events[-1], Ended)
    assert sum(type(e).__name__ in ("Began", "Ended") for e in events) == 2


async def test_the_model_rule_refuses_first_and_costs_nothing_of_the_hour() -> None:
    limiter = MovingWindowLimiter(per_hour=2, model_interval=5, clock=SystemClock())
    assert (await limiter.take(CALLER, "m1")).remaining == 1
    with pytest.raises(RateLimited, match=r"^The model m1 is called too often; try again in [1-5] seconds$") as caught:
        await limiter.take(CALLER, "m1")
    assert re.match("模型 m1 调用过于频繁，请等待 [1-5] 秒后重试$", caught.value.text("zh-CN"))
    assert (await limiter.take(CALLER, "m2")).remaining == 0
    with pytest.raises(RateLimited, match="2 calls an hour") as caught:
        await limiter.take(CALLER, "m3")
    assert 3000 < caught.value.retry_after <= 3600
    assert (await limiter.take(Caller(client="other", per_hour=9), "m1")).remaining == 8


async def test_a_single_call_is_not_given_up_while_its_account_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ScriptedGateway(ScriptedUpstream())
    batch = Batch("resp_1", "response", "key", 0.0, 1, 1, need="text_call", started_at=1.0)
    jobs = Jobs.__new__(Jobs)
    jobs.gateway, cancelled = state.gateway, list[Batch]()

    async def cancel(_: Jobs, one: Batch) -> Batch:
        cancelled.append(one)
        return one

    monkeypatch.setattr(Jobs, "cancel", cancel)
    assert state.pool.all_lanes("text") == 0
    await jobs.give_up_without_account(batch)
    assert cancelled == []
    state.accounts[0]._fail("needs_login", SignedOut("over"))
    with pytest.raises(NoAccount) as caught:
        await jobs.give_up_without_account(batch)
    assert (cancelled, caught.value.generated) == ([batch], "maybe"), "an earlier run may have sent it"
    with pytest.raises(NoAccount) as caught:
        await jobs.give_up_without_account(replace(batch, started_at=0.0))
    assert caught.value.generated == "no"
