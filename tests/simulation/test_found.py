"""What the simulation found in the product, each as a scene of its own: seeds change their stories, these do not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gemgate.accounts import Cookies, SignInResult
from gemgate.batches import Batch, Checkpoint, TaskDraft
from gemgate.caller import Caller
from gemgate.catalog import resolve
from gemgate.chat import ChatRequest, Message, Text
from gemgate.errors import Blocked, GatewayError, SignedOut, StorageDown
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.image_delivery import ImageJob, ImagePipeline
from gemgate.images import ImageOptions
from gemgate.jobs import JobRules
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.payloads import dumps
from gemgate.jobs.runner import Runner
from gemgate.jobs.worker import Worker
from gemgate.outbound import GuardedFetcher
from gemgate.policy.backoff import Verdict
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import AccountRecord
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, StoredAccount
from gemgate.ports.conversations import Conversation
from gemgate.ports.upstream import Fetched, ImageRef, Thread
from gemgate.testing import Facts, FakeClock, MemoryBlobs, MemoryConversations, MemoryGallery, ScriptedUpstream, settle
from tests.simulation.account_rows import MemoryAccounts
from tests.simulation.job_rows import MemoryJobs
from tests.simulation.response_rows import MemoryResponses
from tests.support.scripted_gateway import ScriptedGateway, taken

REF = ImageRef("", "i", "c_1", "r_1", "rc_1")
SHOWN = Checkpoint("a", "id", "c_1", "{}")


class Flaky(MemoryAccounts):
    """Accounts whose database is away while `away`."""

    away = False

    async def keep_cookies(self, *given: object, **named: object) -> int | None:
        if self.away:
            raise StorageDown("away")
        return await super().keep_cookies(*given, **named)  # type: ignore[arg-type]


async def test_a_session_that_signs_in_while_the_database_is_away_is_open_and_is_kept_afterwards() -> None:
    clock, facts = FakeClock(), Facts()
    store, pool = Flaky(clock.now), AccountPool(clock=clock, random=lambda: 0.0)
    old, new = Cookies("psid", "old"), Cookies("psid", "new")
    store.rows["a"] = StoredAccount(AccountSetup("a"), cookies=old)

    async def build(setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        upstream, more = ScriptedUpstream(), {"clock": clock, "random": lambda: 0.0, "observer": facts, "keep": keep}
        return Account("a", upstream, None, lanes=1, pacer=Pacer(0), rules=Rules(), address=address, **more)  # type: ignore[arg-type]

    account_registry = AccountRegistry(pool, store, build, owner="n", clock=clock, observer=facts, rotate_every=0)
    await account_registry.start(())
    store.away = True
    await account_registry.account("a").sign_in(cookies=new)
    assert (account_registry.account("a").status().state, account_registry.account("a").last_error) == ("ready", None)
    assert store.rows["a"].cookies == old
    assert facts.named("account.not_kept")
    store.away = False
    await account_registry.renew()
    await account_registry.account("a").record.wait_saved()
    assert store.rows["a"].cookies == new
    await account_registry.close()


async def test_a_image_that_was_made_and_cannot_be_fetched_may_have_been_made() -> None:
    class Dead(ScriptedUpstream):
        async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
            raise SignedOut("the session ended behind the picture", generated="no")

    images = ImagePipeline(MemoryBlobs(), MemoryGallery(), clock=FakeClock(), observer=Facts())
    with pytest.raises(SignedOut) as told:
        await images.deliver(Dead(), REF, ImageJob("p", "m", ImageOptions(), Caller()))
    assert told.value.generated == "maybe"
    images.close()


@pytest.mark.parametrize("error", [SignedOut("dead", generated="maybe"), SignedOut("dead"), StorageDown("away")])
async def test_a_task_looks_for_a_image_that_was_shown_whatever_failed_behind_it(error: GatewayError) -> None:
    jobs = MemoryJobs(FakeClock().now)
    await jobs.submit(Batch("b", "images", "", 0.0, 1, 1), [TaskDraft("p")])
    claim = await jobs.claim("n", ["image"], 30.0)
    assert claim is not None
    journal = TaskJournal(jobs, claim)
    await journal.note(SHOWN)
    assert journal.ended(error, Verdict("wait", 1.0), concluded=True) == SHOWN
    await journal.note(replace(SHOWN, image=""))
    concluded = journal.ended(SignedOut("a guest", generated="maybe"), Verdict("wait", 1.0), concluded=True)
    assert concluded == Checkpoint(), "words instead of a picture are no picture"


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

        async def open(self, cookies: Cookies | None, **how: Any) -> SignInResult:
            await self.answered.wait()
            return await super().open(cookies, **how)

    gated = Gated()
    gated.answered = asyncio.Event()
    gated.answered.set()
    state = await ScriptedGateway(gated, ScriptedUpstream(), lanes=1).signed_in()
    blocked, other = state.accounts
    with pytest.raises(Blocked), blocked.going_out():
        raise Blocked("the address is blocked")
    over = blocked.egress.circuit.until
    await state.clock.advance(over - state.clock.now() - 10)
    busy = await taken(state.pool)
    waiting = await taken(state.pool)
    assert (busy.account, waiting.account) == (other.name, "")
    gated.answered.clear()
    state.clock._now = over + 0.01
    probe = asyncio.create_task(blocked.sign_in())
    await settle()
    await state.clock.advance(1.0)
    assert waiting.account == "", "the rest is over, and who signs in is the one that tries"
    gated.answered.set()
    await probe
    await settle()
    assert waiting.account == blocked.name
    await waiting.leave()
    await busy.leave()


async def test_a_session_that_is_open_takes_calls_before_our_database_has_answered() -> None:
    state = await ScriptedGateway(ScriptedUpstream(), lanes=1).signed_in()
    [account] = state.accounts
    account.signed_out(SignedOut("over"), account.session_epoch)
    account.pause(False)

    class Slow(type(account.record)):  # type: ignore[misc]
        async def cookies_accepted(self, *given: object) -> None:
            await asyncio.Event().wait()

    account.record = Slow()
    account.record.attach(account)
    account._state = "starting"
    waiting = await taken(state.pool)
    signing_in = asyncio.create_task(account.sign_in())
    await settle()
    assert waiting.account == account.name
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
    state = await ScriptedGateway(upstream).signed_in()
    jobs = Late(state.clock.now)
    jobs.granted, jobs.said = asyncio.Event(), asyncio.Event()
    attachments = Attachments(GuardedFetcher(), None, max_bytes=10**6, max_pixels=10**6)
    runner = Runner(state.gateway, attachments, state.clock, MemoryResponses())

    async def adopt() -> None:
        return None

    worker = Worker(jobs, runner, state.pool, "n", state.clock, lambda: 0.0, state.facts, JobRules(grace=0.0), adopt)
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
