"""What the simulation found in the product, each as a scene of its own: seeds change their stories, these do not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gemgate.accounts import Cookies, Opened
from gemgate.attachments import Attachments
from gemgate.catalog import DEFAULT_IMAGE_MODEL, resolve
from gemgate.chat import ChatRequest, Message, Text
from gemgate.conversations import Conversations
from gemgate.errors import Blocked, GatewayError, SignedOut, StorageDown
from gemgate.fetcher import GuardedFetcher
from gemgate.image_pipeline import ImagePipeline, Order
from gemgate.images import ImageOptions
from gemgate.jobs import JobRules
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.runner import Runner
from gemgate.jobs.stored import dumps
from gemgate.jobs.worker import Worker
from gemgate.member import Address, Keep, Member
from gemgate.policy.backoff import Verdict
from gemgate.policy.breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool import AccountPool
from gemgate.ports import AccountSetup, Caller, Conversation, Fetched, ImageRef, KeptAccount, Thread
from gemgate.roster import Roster
from gemgate.testing import Facts, FakeClock, MemoryBlobs, MemoryConversations, MemoryGallery, ScriptedUpstream, settle
from gemgate.work import Batch, TaskDraft, Trail
from tests.simulation.account_rows import MemoryAccounts
from tests.simulation.job_rows import MemoryJobs
from tests.unit.test_pool import House
from tests.unit.test_pool_waiting import taken

REF = ImageRef("", "i", "c_1", "r_1", "rc_1")
SHOWN = Trail("a", "id", "c_1", "{}")


class Flaky(MemoryAccounts):
    """Accounts whose database is away while `away`."""

    away = False

    async def keep_cookies(self, *given: object, **named: object) -> int | None:
        if self.away:
            raise StorageDown("away")
        return await super().keep_cookies(*given, **named)  # type: ignore[arg-type]


async def test_a_session_that_signs_in_while_the_database_is_away_is_open_and_is_kept_afterwards() -> None:
    clock, facts = FakeClock(), Facts()
    store, pool = Flaky(clock.now), AccountPool(clock=clock, dice=lambda: 0.0)
    old, new = Cookies("psid", "old"), Cookies("psid", "new")
    store.rows["a"] = KeptAccount(AccountSetup("a"), cookies=old, proven=True)

    def build(setup: AccountSetup, address: Address, keep: Keep) -> Member:
        upstream, more = ScriptedUpstream(), {"clock": clock, "dice": lambda: 0.0, "observer": facts, "keep": keep}
        return Member("a", upstream, None, lanes=1, pacer=Pacer(0), rules=Rules(), address=address, **more)  # type: ignore[arg-type]

    roster = Roster(pool, store, build, owner="n", clock=clock, observer=facts, rotate_every=0)
    await roster.start(())
    store.away = True
    await roster.member("a").sign_in(cookies=new)
    assert (roster.member("a").standing().state, roster.member("a").last_error) == ("ready", None)
    assert store.rows["a"].cookies == old
    assert facts.named("account.not_kept")
    store.away = False
    await roster.renew()
    await roster.settled(roster.member("a"))
    assert store.rows["a"].cookies == new
    await roster.close()


async def test_a_picture_that_was_made_and_cannot_be_fetched_may_have_been_made() -> None:
    class Dead(ScriptedUpstream):
        async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
            raise SignedOut("the session ended behind the picture", generated="no")

    pictures = ImagePipeline(MemoryBlobs(), MemoryGallery(), clock=FakeClock(), observer=Facts())
    with pytest.raises(SignedOut) as told:
        await pictures.deliver(Dead(), REF, Order("p", "m", ImageOptions(), Caller()))
    assert told.value.generated == "maybe"
    pictures.close()


@pytest.mark.parametrize("error", [SignedOut("dead", generated="maybe"), SignedOut("dead"), StorageDown("away")])
async def test_a_task_looks_for_a_picture_that_was_shown_whatever_failed_behind_it(error: GatewayError) -> None:
    jobs = MemoryJobs(FakeClock().now)
    await jobs.submit(Batch("b", "images", "", 0.0, 1, 1), [TaskDraft("p")])
    claim = await jobs.claim("n", ["image"], 30.0)
    assert claim is not None
    journal = TaskJournal(jobs, claim)
    await journal.note(SHOWN)
    assert journal.left(error, Verdict("wait", 1.0), concluded=True) == SHOWN
    await journal.note(replace(SHOWN, picture=""))
    concluded = journal.left(SignedOut("a guest", generated="maybe"), Verdict("wait", 1.0), concluded=True)
    assert concluded == Trail(), "words instead of a picture are no picture"


@pytest.mark.parametrize("at", ["find", "lease"])
async def test_who_leaves_while_his_conversation_is_looked_up_leaves_nothing_behind(at: str) -> None:
    class Slow(MemoryConversations):
        """The question is answered there, and the answer takes its time."""

        asked: asyncio.Event

        async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
            found: Conversation | None = await self._late("find", await super().find(tenant, tips))
            return found

        async def lease(self, conversation_id: str, owner: str, now: float, seconds: float) -> bool:
            given = await super().lease(conversation_id, owner, now, seconds)
            return bool(await self._late("lease", given))

        async def _late(self, what: str, result: Any) -> Any:
            if what == at:
                self.asked.set()
                await asyncio.Event().wait()
            return result

    store, card = Slow(), resolve("gemini-3-flash-preview", ())
    store.asked = asyncio.Event()
    conversations = Conversations(store, clock=FakeClock(), lease_seconds=300.0)
    said = [Message("user", (Text("a"),)), Message("assistant", (Text("b"),)), Message("user", (Text("c"),))]
    plan = await conversations.plan(ChatRequest(tuple(said[:1])), card, Caller(tenant="t"))
    await conversations.remember(plan, said[1], Thread(("c_1",)), account="a", identity="i", offer="o", tenant="t")
    await conversations.release(plan)
    assert store.rows
    turn = asyncio.create_task(conversations.plan(ChatRequest(tuple(said)), card, Caller(tenant="t")))
    await store.asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert conversations.under_way == 0
    assert store.leases == {}, "nobody would go on in it for minutes"


async def test_a_sign_in_that_ends_a_block_wakes_those_who_wait() -> None:
    class Gated(ScriptedUpstream):
        answered: asyncio.Event

        async def open(self, cookies: Cookies | None) -> Opened:
            await self.answered.wait()
            return await super().open(cookies)

    gated = Gated()
    gated.answered = asyncio.Event()
    gated.answered.set()
    house = await House(gated, ScriptedUpstream(), lanes=1).signed_in()
    blocked, other = house.members
    with pytest.raises(Blocked), blocked._knocking():
        raise Blocked("the address is blocked")
    over = blocked.address.circuit.until
    await house.clock.advance(over - house.clock.now() - 10)
    busy = await taken(house.pool)
    waiting = await taken(house.pool)
    assert (busy.account, waiting.account) == (other.name, "")
    gated.answered.clear()
    house.clock._now = over + 0.01
    probe = asyncio.create_task(blocked.sign_in())
    await settle()
    await house.clock.advance(1.0)
    assert waiting.account == "", "the rest is over, and who signs in is the one that tries"
    gated.answered.set()
    await probe
    await settle()
    assert waiting.account == blocked.name
    await waiting.leave()
    await busy.leave()


async def test_a_session_that_is_open_takes_calls_before_our_database_has_answered() -> None:
    house = await House(ScriptedUpstream(), lanes=1).signed_in()
    [member] = house.members
    member.signed_out(SignedOut("over"))
    member.pause(False)

    class Slow(type(member.keep)):  # type: ignore[misc]
        async def proven(self, *given: object) -> None:
            await asyncio.Event().wait()

    member.keep = Slow()
    member._state = "starting"
    waiting = await taken(house.pool)
    signing_in = asyncio.create_task(member.sign_in())
    await settle()
    assert waiting.account == member.name
    signing_in.cancel()
    await asyncio.gather(signing_in, return_exceptions=True)
    await waiting.leave()


async def test_a_claim_that_is_granted_while_the_worker_stops_is_given_back() -> None:
    class Late(MemoryJobs):
        """It grants at once, and says so when it is told to."""

        granted: asyncio.Event
        said: asyncio.Event

        async def claim(self, *given: Any, **named: Any) -> Any:
            claim = await super().claim(*given, **named)
            if claim is not None:
                self.granted.set()
                await self.said.wait()
            return claim

    upstream = ScriptedUpstream()
    upstream.gate = asyncio.Event()
    house = await House(upstream).signed_in()
    jobs = Late(house.clock.now)
    jobs.granted, jobs.said = asyncio.Event(), asyncio.Event()
    attachments = Attachments(GuardedFetcher(), None, clock=house.clock, max_bytes=10**6, max_pixels=10**6)
    runner = Runner(house.gateway, attachments, house.clock, "gemini-3-flash-preview", DEFAULT_IMAGE_MODEL)

    async def adopt() -> None:
        return None

    worker = Worker(jobs, runner, house.pool, "n", house.clock, lambda: 0.0, house.facts, JobRules(grace=0.0), adopt)
    said = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
    drafts = [TaskDraft("", dumps({"custom_id": "0", "body": said}))]
    await jobs.submit(Batch("b", "chat", "", 0.0, 1, 1, "text"), drafts)
    working = asyncio.create_task(worker.work())
    await asyncio.wait_for(jobs.granted.wait(), 5)

    async def end() -> None:
        await worker.stop()
        working.cancel()

    ending = asyncio.create_task(end())
    await settle()
    jobs.said.set()
    await asyncio.wait_for(ending, 5)
    await asyncio.gather(working, return_exceptions=True)
    [task] = await jobs.tasks("b")
    assert (task.status, task.code) == ("queued", "")
