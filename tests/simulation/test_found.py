"""What the simulation found in the product, each as a scene of its own: seeds change their stories, these do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemgate.accounts import Cookies
from gemgate.batches import Batch, Checkpoint, TaskDraft
from gemgate.caller import Caller
from gemgate.errors import GatewayError, SignedOut, StorageDown
from gemgate.gateway.image_delivery import ImageJob, ImagePipeline
from gemgate.images import ImageOptions
from gemgate.jobs.journal import TaskJournal
from gemgate.policy.backoff import Verdict
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import AccountRecord
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, StoredAccount
from gemgate.ports.upstream import Fetched, ImageRef
from gemgate.testing import Facts, FakeClock, MemoryBlobs, MemoryGallery, ScriptedUpstream
from tests.simulation.account_rows import MemoryAccounts
from tests.simulation.job_rows import MemoryJobs

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
    store.rows["a"] = StoredAccount(AccountSetup("a"), cookies=old, proven=True)

    def build(setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        upstream, more = ScriptedUpstream(), {"clock": clock, "dice": lambda: 0.0, "observer": facts, "keep": keep}
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
    await account_registry.wait_saved(account_registry.account("a"))
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
