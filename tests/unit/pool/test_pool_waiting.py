"""Who waits for which account, how long, who goes first, and when a fallback is used."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.scripted_gateway import CARD, ScriptedGateway, taken

from gemgate.errors import Busy, NoAccount, Spent
from gemgate.policy.circuit_breaker import Rules
from gemgate.pool import pool as pool_module
from gemgate.pool.account import Account
from gemgate.testing import ScriptedUpstream, settle


async def state(*names: str, lanes: int = 1) -> ScriptedGateway:
    made = ScriptedGateway(*(ScriptedUpstream() for _ in names), lanes=lanes)
    return await made.signed_in()


async def test_a_conversation_waits_for_its_account_a_moment_and_gets_it() -> None:
    home = await state("a", "b")
    first = await taken(home.pool, prefer="a")
    loyal = await taken(home.pool, prefer="a")
    assert (first.account, loyal.account) == ("a", "")
    await home.clock.advance(2.9)
    assert loyal.account == ""
    await first.leave()
    assert loyal.account == "a"
    await loyal.leave()


async def test_after_that_moment_it_goes_elsewhere() -> None:
    home = await state("a", "b")
    first = await taken(home.pool, prefer="a")
    loyal = await taken(home.pool, prefer="a")
    await home.clock.advance(3.0)
    assert loyal.account == "b"
    await first.leave()
    await loyal.leave()


async def test_nobody_waits_for_an_account_that_is_more_than_busy() -> None:
    home = await state("a", "b")
    home.accounts[0].pause(True)
    lane = await taken(home.pool, prefer="a")
    assert lane.account == "b"
    await lane.leave()
    home.accounts[0].pause(False)
    first = await taken(home.pool, prefer="a")
    loyal = await taken(home.pool, prefer="a")
    home.accounts[0].pause(True)  # while it waits
    await settle()
    assert loyal.account == "b"
    await first.leave()
    await loyal.leave()


async def test_one_who_avoids_the_account_it_prefers_does_not_wait_for_it() -> None:
    home = await state("a", "b")
    first = await taken(home.pool, prefer="a")
    other = await taken(home.pool, prefer="a", avoid=["a"])
    assert other.account == "b"
    await first.leave()
    await other.leave()


async def test_those_who_prefer_nobody_do_not_wait_behind_those_who_do() -> None:
    home = await state("a", "b")
    first = await taken(home.pool, prefer="a")
    loyal = await taken(home.pool, prefer="a")
    anybody = await taken(home.pool)
    assert anybody.account == "b"
    for lane in (first, loyal, anybody):
        await lane.leave()


async def test_waiting_ends_with_the_patience_and_says_when_to_come_back() -> None:
    home = await state("a")
    first = await taken(home.pool)
    late = [await taken(home.pool, prefer=prefer) for prefer in ("a", None)]
    await home.clock.advance(59)
    assert not any(lane.task.done() for lane in late)
    await home.clock.advance(1)
    for lane in late:
        with pytest.raises(Busy, match="try again in 10 seconds") as caught:
            await lane.task
        assert caught.value.retry_after == 10
    assert home.pool.waiting == 0
    await first.leave()
    assert home.accounts[0].busy == 0


async def test_only_so_many_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_WAITING", 3)
    home = await state("a")
    first = await taken(home.pool)
    waiting = [await taken(home.pool) for _ in range(3)]
    one_too_many = await taken(home.pool)
    with pytest.raises(Busy, match="too many calls wait"):
        await one_too_many.task
    assert home.pool.waiting == 3
    for lane in (first, *waiting):
        await lane.leave()


async def test_interactive_calls_go_before_batches_even_with_one_lane() -> None:
    home = await state("a")
    batches = [await taken(home.pool, background=True) for _ in range(3)]
    assert [bool(lane.account) for lane in batches] == [True, False, False]
    interactive = [await taken(home.pool) for _ in range(2)]
    await batches[0].leave()
    assert [lane.account for lane in interactive] == ["a", ""]
    await interactive[0].leave()
    assert interactive[1].account == "a"
    assert not any(lane.account for lane in batches[1:])
    await interactive[1].leave()
    assert batches[1].account == "a"  # nobody sits and waits any more
    await batches[1].leave()
    await batches[2].leave()


async def test_a_batch_leaves_the_last_lane_of_several_to_interactive_calls() -> None:
    home = await state("a", lanes=3)
    batches = [await taken(home.pool, background=True) for _ in range(4)]
    assert [bool(lane.account) for lane in batches] == [True, True, False, False]
    assert home.pool.background_lanes("text") == 2
    interactive = await taken(home.pool)
    assert interactive.account == "a"
    await interactive.leave()
    assert not batches[2].account
    for lane in batches:
        await lane.leave()


async def test_load_follows_the_weights() -> None:
    home = await state("a", "b", lanes=30)
    home.accounts[1].weight = 3.0
    lanes = [await taken(home.pool) for _ in range(20)]
    shares = [sum(lane.account == name for lane in lanes) for name in "ab"]
    assert shares == [5, 15]
    for lane in lanes:
        await lane.leave()


async def test_an_account_of_weight_nothing_takes_no_call_and_says_so() -> None:
    home = await state("a", "b")
    home.accounts[0].weight = 0.0
    lane = await taken(home.pool, prefer="a")
    assert lane.account == "b"
    await lane.leave()
    home.accounts[1].pause(True)
    with pytest.raises(NoAccount, match=r"a: paused \(its weight is 0\)"):
        await (await taken(home.pool)).task


def spare(home: ScriptedGateway, number: int) -> Account:
    account = home.accounts[number]
    account.fallback = True
    return account


async def test_a_fallback_is_used_only_while_no_other_account_can_take_the_call() -> None:
    home = await state("a", "b", "c")
    spare(home, 2)
    first, second = await taken(home.pool), await taken(home.pool)
    assert {first.account, second.account} == {"a", "b"}
    third = await taken(home.pool)
    assert third.account == ""  # busy is no reason to spend the fallback
    await home.clock.advance(30)
    assert third.account == ""
    for account in home.accounts[:2]:
        account.circuits["text"] = account.circuits["text"].settled(
            "limited", now=home.clock.now(), random=0, rules=Rules(), reason="limit: used up"
        )
    await first.leave()
    assert third.account == "c"
    assert home.pool.background_lanes("text") == 1
    await second.leave()
    await third.leave()
    await home.clock.advance(3601)
    again = await taken(home.pool)
    assert again.account in ("a", "b")
    await again.leave()


async def test_a_fallback_takes_over_a_call_that_the_last_account_refused() -> None:
    one, two = ScriptedUpstream(Spent("limit reached")), ScriptedUpstream("from the fallback")
    home = await ScriptedGateway(one, two).signed_in()
    spare(home, 1)
    events = await home.chat()
    assert events[0].account == "b"  # type: ignore[union-attr]
    assert (len(one.prompts), len(two.prompts)) == (1, 1)


async def test_a_fallback_adds_no_models_to_those_it_stands_in_for() -> None:
    home = await state("a", "b")
    only = home.accounts[1].models[:1]
    home.accounts[0].models = only
    spare(home, 1)
    assert home.pool.models() == only
    home.pool.remove("a")
    assert home.pool.models() == home.accounts[1].models


async def test_a_rest_that_ends_is_noticed_by_those_who_wait_for_a_lane_elsewhere() -> None:
    home = await state("a", "b")
    busy = await taken(home.pool)
    resting = await taken(home.pool)
    rested = resting.account
    spent = Spent("used up", resets_at=home.clock.now() + 20)
    home.pool.account(rested).call_ended((CARD.capability,), spent)  # type: ignore[union-attr]
    waiting = await taken(home.pool)
    assert (waiting.account, {busy.account, rested}) == ("", {"a", "b"})
    await home.clock.advance(19.9)
    assert waiting.account == ""
    await home.clock.advance(0.2)
    assert waiting.account == rested, "nobody tells of the end of a rest"
    for lane in (waiting, busy):
        await lane.leave()
    resting.task.cancel()
    await asyncio.gather(resting.task, return_exceptions=True)
    assert len(asyncio.all_tasks()) == 1, "nobody watches rests when nobody waits"
