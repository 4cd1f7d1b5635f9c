"""What keeps one account signed in: when it opens, renews, looks at its source, and what it leaves alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gemgate.accounts import Cookies, Renewal, Rotated, UsageReport, UsageWindow
from gemgate.errors import Broken, GatewayError, LocalText, SignedOut, Unreachable
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.status import Egress
from gemgate.testing import Facts, FakeClock, ScriptedUpstream

FIRST, SECOND = Cookies("psid-1", "ts-1"), Cookies("psid-1", "ts-2")


class Source:
    """A source whose cookies a test sets; `live` like a browser's."""

    name, missing, watched = "file:x", LocalText("nothing there"), True

    def __init__(self, cookies: Cookies | None, *, live: bool = False) -> None:
        self.cookies = cookies
        self.live = live
        self.trouble: GatewayError | None = None

    async def read(self) -> Cookies | None:
        if self.trouble is not None:
            raise self.trouble
        return self.cookies


class Google(ScriptedUpstream):
    """Takes the sessions that are alive; rotates; tells its usage."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = {FIRST.psidts, SECOND.psidts}
        self.rotations = 0
        self.rotation: GatewayError | None = None
        self.renewal: Renewal = "renewed"
        self.dead: GatewayError | None = None
        self.pings = 0
        self.usage_asked = 0
        self.usage_trouble: GatewayError | None = None

    async def open(self, cookies: Cookies | None, **how: Any) -> Any:
        opened = await super().open(cookies, **how)
        if cookies is None or cookies.psidts not in self.alive:
            raise SignedOut("refused")
        return opened

    async def rotate(self) -> Rotated:
        self.rotations += 1
        if self.rotation is not None:
            raise self.rotation
        if self.renewal != "renewed":
            return Rotated(self.renewal, FIRST)
        self.alive = {f"rotated-{self.rotations}"}
        return Rotated("renewed", Cookies("psid-1", f"rotated-{self.rotations}"))

    async def ping(self) -> Any:
        self.pings += 1
        if self.dead is not None:
            raise self.dead

    async def usage(self) -> UsageReport:
        self.usage_asked += 1
        if self.usage_trouble is not None:
            raise self.usage_trouble
        return UsageReport((UsageWindow("5h", 0.25 * self.usage_asked, None),), "pro")


class Kept:
    def __init__(self, source: Source, rotate_every: float) -> None:
        self.clock, self.google, self.source, self.facts = FakeClock(), Google(), source, Facts()
        self.account = Account(
            "a", self.google, source, lanes=2, pacer=Pacer(0), rules=Rules(), address=Egress("direct"),
            clock=self.clock, random=lambda: 0.5, observer=self.facts,
        )  # fmt: skip
        refresher = self.refresher = SessionRefresher(
            self.account, rotate_every=rotate_every, clock=self.clock, random=lambda: 0.5, observer=self.facts
        )
        self.task = asyncio.create_task(refresher.run())

    @property
    def state(self) -> str:
        return self.account.status().state

    @property
    def opened(self) -> int:
        return len(self.google.opened_with)


@pytest.fixture
async def made() -> AsyncIterator[Any]:
    tasks: list[asyncio.Task[None]] = []

    def make(cookies: Cookies | None = FIRST, *, live: bool = False, rotate_every: float = 600.0) -> Kept:
        kept = Kept(Source(cookies, live=live), rotate_every)
        tasks.append(kept.task)
        return kept

    yield make
    for task in tasks:
        assert not task.done()
        task.cancel()


async def test_an_account_opens_by_itself_and_is_renewed_in_time(made: Any) -> None:
    kept = made()
    await kept.clock.advance(1)
    assert kept.state == "ready"
    await kept.clock.advance(3600)
    assert kept.google.rotations == 6
    assert kept.account.cookies == Cookies("psid-1", "rotated-6")
    assert kept.account.renewed_at == pytest.approx(kept.clock.now(), abs=600)
    assert kept.opened == 1


async def test_a_live_browser_rotates_and_we_do_not(made: Any) -> None:
    kept = made(live=True)
    await kept.clock.advance(1200)
    assert kept.google.rotations == 0
    kept.source.cookies = SECOND
    await kept.clock.advance(3)
    assert kept.account.cookies == SECOND
    assert kept.opened == 2


async def test_google_out_of_reach_is_tried_again_ever_more_slowly(made: Any) -> None:
    kept = made()
    kept.google.opening = Unreachable("no network")
    await kept.clock.advance(0)
    moments, tried = [], kept.opened
    for _ in range(700):
        await kept.clock.advance(2)
        if kept.opened > tried:
            moments.append(kept.clock.now())
            tried = kept.opened
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(moments)]
    assert gaps[:6] == [4, 8, 16, 32, 64, 128]
    assert set(gaps[7:]) <= {300}
    kept.google.opening = None
    await kept.clock.advance(302)
    assert kept.state == "ready"


async def test_refused_cookies_wait_for_others_and_are_not_shown_again_and_again(made: Any) -> None:
    kept = made(Cookies("psid-0", "dead"))
    await kept.clock.advance(1000)
    assert kept.state == "needs_login"
    assert kept.opened <= 2
    kept.source.cookies = FIRST
    await kept.clock.advance(3)
    assert kept.state == "ready"


async def test_at_the_start_stored_cookies_count_beside_the_ones_of_the_source(made: Any) -> None:
    """A file holds what was copied once; since then the session has been renewed, and only the store knows."""
    kept = made(Cookies("psid-1", "long-replaced"))

    class Stored:
        def attach(self, account: Account) -> None:
            return None

        def candidates(self, fresh: Cookies | None) -> list[Cookies]:
            return [SECOND, *([fresh] if fresh else [])]

        async def cookies_accepted(self, cookies: Cookies, source: Cookies | None) -> None:
            return None

        def save_soon(self) -> None:
            return None

        async def wait_saved(self) -> None:
            return None

    kept.account.record = Stored()
    kept.account.cookies = SECOND
    await kept.clock.advance(60)
    assert kept.state == "ready"
    assert kept.google.opened_with == [SECOND]


async def test_a_source_that_gets_cookies_later_is_noticed(made: Any) -> None:
    kept = made(None)
    await kept.clock.advance(10)
    assert kept.state == "needs_login"
    assert "nothing there" in kept.account.last_error.en
    kept.source.cookies = FIRST
    await kept.clock.advance(3)
    assert kept.state == "ready"


async def test_a_refused_renewal_turns_to_the_source_at_once(made: Any) -> None:
    kept = made()
    await kept.clock.advance(1)
    kept.google.renewal, kept.google.dead = "refused", SignedOut("1016")
    kept.source.cookies = FIRST
    await kept.clock.advance(604)
    assert kept.google.rotations == 1
    assert kept.state == "ready"  # the source's cookies still count
    kept.google.alive = set()
    await kept.clock.advance(604)
    assert kept.state == "needs_login"
    assert [fact.data["state"] for fact in kept.facts.named("account.state")] == [
        "ready", "needs_login", "ready", "needs_login",
    ]  # fmt: skip


@pytest.mark.parametrize("rotate_every", [1.0, 30.0, 600.0])
async def test_new_cookies_are_never_asked_for_twice_in_a_minute(made: Any, rotate_every: float) -> None:
    """Whatever the setting says, and also where the second way of asking is tried after the first."""
    kept = made(rotate_every=rotate_every)
    asked: list[float] = []
    rotate = kept.google.rotate

    async def noted() -> Rotated:
        asked.append(kept.clock.monotonic())
        return replace(await rotate(), other_way=len(asked) % 2 == 1)

    kept.google.rotate = noted
    kept.google.renewal = "refused"
    await kept.clock.advance(3600)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert min(gaps) >= 60
    assert max(gaps) <= max(70, rotate_every * 1.2)
    assert any(gap < 70 for gap in gaps)  # the other way did not wait for the next interval


@pytest.mark.parametrize("renewal", ["withheld", "refused"])
async def test_that_no_new_cookie_came_is_no_death_by_itself(made: Any, renewal: Renewal) -> None:
    kept = made()
    kept.google.renewal = renewal
    await kept.clock.advance(1 + 3 * 604)
    assert (kept.google.rotations, kept.google.pings) == (3, 3)  # Google itself is asked who lives
    assert kept.state == "ready"
    assert kept.account.renewal == renewal
    assert [fact.data["renewal"] for fact in kept.facts.named("cookies.withheld")] == [renewal] * 3
    kept.google.renewal = "renewed"
    await kept.clock.advance(604)
    assert kept.account.cookies.psidts == "rotated-4"
    assert kept.account.renewal == "renewed"


async def test_a_renewal_that_fails_on_the_way_is_tried_again_within_a_minute(made: Any) -> None:
    kept = made()
    kept.google.rotation = Broken("502")
    await kept.clock.advance(605)
    assert kept.google.rotations == 1
    assert kept.state == "ready"
    await kept.clock.advance(66)
    assert kept.google.rotations == 2
    kept.google.rotation = None
    await kept.clock.advance(66)
    assert kept.account.cookies.psidts == "rotated-3"


async def test_a_paused_account_is_left_alone(made: Any) -> None:
    kept = made()
    await kept.clock.advance(1)
    kept.account.pause(True)
    await kept.clock.advance(3600)
    assert (kept.opened, kept.google.rotations, kept.google.usage_asked) == (1, 0, 0)
    kept.account.pause(False)
    await kept.clock.advance(3)
    assert kept.google.rotations == 1


async def test_a_source_that_cannot_be_read_is_noted_and_the_session_goes_on(made: Any) -> None:
    kept = made()
    await kept.clock.advance(1)
    kept.source.trouble = SignedOut("the profile is locked")
    await kept.clock.advance(10)
    assert kept.facts.named("cookies.unreadable")
    assert kept.state == "ready"


async def test_usage_is_read_on_a_slow_timer_and_its_failure_means_nothing(made: Any) -> None:
    kept = made(rotate_every=0.0)
    await kept.clock.advance(25)
    assert kept.google.usage_asked == 0
    await kept.clock.advance(40)
    assert kept.account.usage.windows == (UsageWindow("5h", 0.25, None),)
    assert kept.account.usage.tier == "pro"
    at = kept.account.usage.read_at
    kept.google.usage_trouble = Broken("500")
    await kept.clock.advance(2000)
    assert kept.google.usage_asked == 2, "nothing of ours was used: half an hour is often enough"
    assert kept.account.usage.windows == (UsageWindow("5h", 0.25, None),)
    assert kept.account.usage.read_at == at
    assert kept.state == "ready"
    assert kept.facts.named("usage.not_read")
    kept.google.usage_trouble = None
    await kept.clock.advance(610)
    assert kept.account.usage.windows[0].used == 0.75


async def test_usage_is_read_sooner_after_calls_and_after_a_refusal_and_never_twice_a_minute(made: Any) -> None:
    kept = made(rotate_every=0.0)
    await kept.clock.advance(65)
    assert kept.google.usage_asked == 1
    kept.account.usage.answered("text")
    await kept.clock.advance(700)
    assert kept.google.usage_asked == 2
    for _ in range(20):
        kept.account.usage.refused()
        await kept.clock.advance(10)
    assert 2 < kept.google.usage_asked <= 2 + 4


async def test_a_dead_account_is_not_asked_for_its_usage(made: Any) -> None:
    kept = made(Cookies("psid-9", "dead"))
    await kept.clock.advance(4000)
    kept.account.usage.refused()
    await kept.clock.advance(100)
    assert kept.google.usage_asked == 0


async def test_readings_are_written_down_and_kept_while_the_database_is_away(made: Any) -> None:
    kept = made(rotate_every=0.0)
    written: list[Any] = []
    away = True

    async def keep(readings: Any) -> None:
        if away:
            raise Broken("away")
        written.extend(readings)

    kept.refresher._keep = keep
    await kept.clock.advance(65)
    assert not written
    assert kept.facts.named("usage.not_kept")
    away = False
    await kept.clock.advance(2000)
    assert [one.window.used for one in written] == [0.25, 0.5]
    assert not kept.account.usage.unsaved()


async def test_refused_cookies_are_tried_less_and_less_often(made: Any) -> None:
    kept = made(Cookies("psid-9", "dead"))
    tries = []
    await kept.clock.advance(60)
    for half_hours in range(1, 9):
        await kept.clock.advance(1800)
        tries.append((half_hours / 2, kept.opened))
    assert [count for _, count in tries] == [2, 2, 3, 3, 3, 3, 4, 4], tries
