"""What happens to an account while something else of it is under way: the newest session wins, and it runs once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.simulation.account_rows import MemoryAccounts

from gemgate.accounts import Cookies, Rotated
from gemgate.caller import Caller
from gemgate.errors import Conflict, SignedOut
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import AccountRecord
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, AuditLine, StoredAccount
from gemgate.testing import Facts, FakeClock, ScriptedUpstream, settle

OLD, ROTATED, OTHER = Cookies("psid-1", "ts-1"), Cookies("psid-1", "ts-2"), Cookies("psid-2", "ts-9")
DEAD = Cookies("psid-3", "ts-3")
CALLER = Caller(client="cli", admin=True)


class Google(ScriptedUpstream):
    """Answers a rotation, a look and a sign-in only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_open.set()
        self.dead = False

    async def open(self, cookies: Cookies | None, **how: Any) -> Any:
        opened = await super().open(cookies, **how)
        await self.may_open.wait()
        if cookies in (None, DEAD):
            raise SignedOut("no session")
        return opened

    async def rotate(self) -> Rotated:
        await self.ping()
        return Rotated("renewed", ROTATED)

    async def ping(self) -> Any:
        await self.may_answer.wait()
        if self.dead:
            raise SignedOut("over")


class Rows(MemoryAccounts):
    """A database whose every answer takes a turn of the loop."""

    async def _turn(self) -> None:
        await asyncio.sleep(0)

    async def set_up(self, setup: AccountSetup) -> bool:
        await self._turn()
        new = await super().set_up(setup)
        await self._turn()
        return new

    async def claim(self, name: str, owner: str, seconds: float) -> bool:
        await self._turn()
        return await super().claim(name, owner, seconds)

    async def all(self) -> tuple[StoredAccount, ...]:
        found = await super().all()
        await self._turn()
        return found

    async def audit(self, line: AuditLine) -> None:
        await self._turn()
        await super().audit(line)

    async def remove(self, name: str) -> None:
        for _ in range(6):
            await self._turn()
        await super().remove(name)


class House:
    def __init__(self) -> None:
        self.clock, self.facts = FakeClock(), Facts()
        self.store, self.pool = Rows(self.clock.now), AccountPool(clock=self.clock, random=lambda: 0.0)
        self.google: list[Google] = []
        self.running: list[Account] = []
        self.registry = AccountRegistry(
            self.pool, self.store, self._build, owner="n", clock=self.clock, observer=self.facts, rotate_every=600
        )
        self.registry.on_added, self.registry.on_removed = self.running.append, self.running.remove

    async def _build(self, setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        await asyncio.sleep(0)  # as where the library has to be loaded
        self.google.append(Google())
        return Account(
            setup.name, self.google[-1], None, lanes=1, pacer=Pacer(0), rules=Rules(), address=address,
            clock=self.clock, random=lambda: 0.0, observer=self.facts, keep=keep,
        )  # fmt: skip

    async def signed_in(self) -> tuple[Account, Google, SessionRefresher]:
        account = await self.registry.add(AccountSetup("a"), CALLER)
        await self.registry.replace_cookies("a", OLD, CALLER)
        account.renewed_at = 0.0
        refresher = SessionRefresher(
            account, rotate_every=600.0, clock=self.clock, random=lambda: 0.5, observer=self.facts
        )
        return account, self.google[-1], refresher

    def states(self) -> list[Any]:
        """The words that accounts went through."""
        return [fact.data["state"] for fact in self.facts.named("account.state")]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def living(house: House) -> AsyncIterator[House]:
    """One in which somebody looks after each account, as in a gateway."""
    refreshers: list[asyncio.Task[None]] = []

    def on_added(account: Account) -> None:
        refresher = SessionRefresher(
            account, rotate_every=0.0, clock=house.clock, random=lambda: 0.5, observer=house.facts
        )
        refreshers.append(asyncio.create_task(refresher.run()))

    house.registry.on_added, house.registry.on_removed = on_added, lambda account: None
    yield house
    for one in refreshers:
        one.cancel()
    await asyncio.gather(*refreshers, return_exceptions=True)


@pytest.mark.parametrize("set_up", [False, True], ids=["handed over", "with its set-up"])
async def test_an_account_that_comes_with_cookies_starts_until_they_are_tried(living: House, set_up: bool) -> None:
    registry = living.registry
    way = registry.add(AccountSetup("a"), CALLER, cookies=OLD) if set_up else registry.replace_cookies("a", OLD, CALLER)
    await way
    await living.clock.advance(10)
    assert living.states() == ["ready"]
    assert living.google[-1].opened_with == [OLD]


async def test_cookies_that_do_not_sign_in_leave_an_account_that_needs_a_login(living: House) -> None:
    with pytest.raises(SignedOut):
        await living.registry.add(AccountSetup("a"), CALLER, cookies=DEAD)
    assert living.states() == ["needs_login"]
    await living.clock.advance(10)
    assert living.states() == ["needs_login"]
    with pytest.raises(SignedOut):
        await living.registry.replace_cookies("b", DEAD, CALLER)
    assert [account.name for account in living.pool.accounts] == ["a"]


async def test_an_account_without_cookies_needs_a_login(living: House) -> None:
    await living.registry.add(AccountSetup("a"), CALLER)
    await living.clock.advance(10)
    assert living.states() == ["needs_login"]


async def test_cookies_that_are_handed_over_while_the_old_ones_are_renewed_stay(house: House) -> None:
    account, google, refresher = await house.signed_in()
    rotating = asyncio.create_task(refresher._rotate(0.0))
    await settle()
    await house.registry.replace_cookies("a", OTHER, CALLER)
    google.may_answer.set()
    await rotating
    await account.record.wait_saved()
    assert account.cookies == OTHER
    assert house.store.rows["a"].cookies == OTHER
    assert account.renewal is None


async def test_a_renewal_is_not_undone_by_who_signs_in_with_the_cookies_before(house: House) -> None:
    account, google, refresher = await house.signed_in()
    rotating = asyncio.create_task(refresher._rotate(0.0))
    await settle()
    google.may_open.clear()
    signing_in = asyncio.create_task(account.sign_in())
    await settle()
    google.may_answer.set()
    await settle()
    google.may_open.set()
    await asyncio.gather(rotating, signing_in)
    await account.record.wait_saved()
    assert account.cookies == ROTATED
    assert house.store.rows["a"].cookies == ROTATED
    assert google.opened_with[-1] == ROTATED


async def test_what_is_said_of_a_session_is_not_believed_of_the_one_after_it(house: House) -> None:
    account, google, refresher = await house.signed_in()
    google.dead = True
    looking = [asyncio.create_task(refresher._rotate(0.0)), asyncio.create_task(house.registry.test("a"))]
    await settle()
    await house.registry.replace_cookies("a", OTHER, CALLER)
    google.may_answer.set()
    await asyncio.gather(*looking, return_exceptions=True)
    assert account.status().state == "ready"
    assert not any(life.died for life in await house.store.lives("a"))


async def test_an_account_that_is_added_twice_at_once_runs_once(house: House) -> None:
    await asyncio.gather(
        house.registry.add(AccountSetup("a"), CALLER),
        house.registry.add(AccountSetup("a"), CALLER),
        house.registry.renew(),
    )
    assert house.running == list(house.pool.accounts)
    assert len(house.running) == 1


async def test_who_must_not_change_an_account_that_is_there_does_not(house: House) -> None:
    setup = AccountSetup("a", proxy="http://way:1", lanes=7)
    await house.registry.add(setup, CALLER, only_new=True)
    with pytest.raises(Conflict) as told:
        await house.registry.add(AccountSetup("a"), CALLER, only_new=True)
    assert told.value.code == "account_exists"
    assert house.store.rows["a"].setup == setup


async def test_an_account_that_is_removed_is_not_taken_over_meanwhile(house: House) -> None:
    await house.registry.add(AccountSetup("a"), CALLER)
    await asyncio.gather(house.registry.remove("a", CALLER), house.registry.renew(), house.registry.renew())
    assert house.running == []
    assert house.pool.accounts == ()


async def test_cookies_reach_the_account_that_was_set_up_anew_while_they_were_tried(house: House) -> None:
    await house.signed_in()
    house.google[-1].may_open.clear()
    handing_over = asyncio.create_task(house.registry.replace_cookies("a", OTHER, CALLER))
    await settle()
    await house.registry.add(AccountSetup("a", proxy="http://way:1"), CALLER)
    for google in house.google:
        google.may_open.set()
    account = await handing_over
    assert account is house.registry.account("a")
    assert account.cookies == OTHER
    await account.record.wait_saved()
    assert house.store.rows["a"].cookies == OTHER


async def test_the_users_of_one_proxy_are_ways_out_of_their_own(house: House) -> None:
    ways = "http://user-1:secret@gate:7000 http://user-2:secret@gate:7000 http://gate:7000"
    account = await house.registry.add(AccountSetup("a", proxy=ways), CALLER)
    first = account.egress.name
    account.egress.circuit = account.egress.circuit.__class__(1, house.clock.now() + 600, house.clock.now())
    await house.registry.renew()
    second = house.registry.account("a").egress.name
    assert first != second
    for name in (first, second):
        assert name.startswith("http://gate:7000#")
        assert not {"user", "secret"} & set(name.replace("#", " ").replace(":", " ").split())
