"""Keeps one account signed in: opens it in the background, renews its cookies, notices new ones and a dead session.

Exactly one refresher per account: with a live browser as source we only read, and never rotate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gemgate.accounts import Cookies
from gemgate.errors import AccountError, Blocked, GatewayError, SignedOut
from gemgate.pool.account import Account
from gemgate.pool.status import PHANTOM
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent
from gemgate.ports.usage_windows import UsageReading

FIRST_RETRY, LONGEST_RETRY = 2.0, 300.0
FIRST_REFUSED, LONGEST_REFUSED = 1800.0, 6 * 3600.0
"""Seconds until refused cookies are tried again, doubled each time: a dead session is left alone."""
POLL_INTERVAL = 2.0
"""Seconds between two looks at a source that can change by itself."""
USAGE_FIRST, USAGE_EVERY, USAGE_IDLE = 30.0, 600.0, 1800.0
"""Seconds after a sign-in, from then on, and where none of our calls took of them, until Google's usage windows are
read."""
USAGE_GAP = 60.0
"""Seconds between two readings at least, whatever asks for one: a refusal, or calls whose cost is not known."""
JITTER = 0.1
KEEP_SECONDS = 5.0
"""How long the database may take to write readings down; what it did not is written with the next."""

Keep = Callable[[Sequence[UsageReading]], Awaitable[None]]


@dataclass(slots=True)
class Schedule:
    """When the next deed is due, in monotonic seconds."""

    retry_at: float = 0.0
    retry_after: float = FIRST_RETRY
    refused_after: float = FIRST_REFUSED
    rotate_at: float = float("inf")
    usage_at: float = float("inf")
    usage_read_at: float = float("-inf")


class SessionRefresher:
    """`rotate_every` seconds, 0 = never, and never more often than every `rotate_gap` seconds. `run` ends when it
    is cancelled. keep: writes readings of Google's windows down; GatewayError or a timeout leaves them for the next.
    """

    def __init__(
        self,
        account: Account,
        *,
        rotate_every: float,
        clock: Clock,
        random: Random,
        observer: Observer,
        rotate_gap: float = 65.0,
        keep: Keep | None = None,
    ) -> None:
        self._account = account
        source = account.source
        self._rotate_every = 0.0 if source is not None and source.live else rotate_every
        self._rotate_gap = rotate_gap
        self._keep = keep
        self._clock = clock
        self._random = random
        self._observer = observer
        self._plan = Schedule()
        self._seen = ""
        """Digest of what the source held when it was last tried, so that the same is not tried every two seconds."""
        self._source_at = 0.0
        self._begun = False

    async def run(self) -> None:
        """Look after the account for ever, one step every `WATCH_EVERY` seconds."""
        while True:
            await self.step()
            await self._clock.sleep(POLL_INTERVAL)

    async def step(self) -> None:
        """Do what is due now."""
        account = self._account
        if account.paused or account.handed:
            return
        now = self._clock.monotonic()
        if not self._begun:
            # The first time what is stored counts as well; only later is a change of the source news by itself.
            self._begun = True
            if (held := await self._changed_source()) is not None:
                self._seen = held.digest
            if not account.is_open:
                await self._sign_in(now, None)
        elif now >= self._source_at and (fresh := await self._changed_source()):
            self._seen = fresh.digest
            await self._sign_in(now, fresh)
        elif not account.is_open and now >= self._plan.retry_at:
            await self._sign_in(now, None)
        elif account.is_open and now >= self._plan.rotate_at:
            await self._rotate(now)
        elif account.is_open and self._plan.rotate_at == float("inf") and self._rotate_every:
            self._plan.rotate_at = self._next_rotation(now)
        elif account.is_open and self._usage_due(now) and account.status().state != "blocked":
            await self._read_usage(now)
        elif account.is_open and self._plan.usage_at == float("inf"):
            self._plan.usage_at = now + USAGE_FIRST * (1 + self._random())

    async def _changed_source(self) -> Cookies | None:
        """Other cookies than the ones in use, if the source holds such: a browser rotated, or a person signed in."""
        account = self._account
        if account.source is None or not account.source.watched:
            return None
        try:
            fresh = await account.source.read()
        except GatewayError as error:
            self._observer.emit(TelemetryEvent("cookies.unreadable", data={"account": account.name, "why": error.en}))
            return None
        if fresh is None or fresh == account.cookies or fresh.digest == self._seen:
            return None
        return fresh

    async def _sign_in(self, now: float, fresh: Cookies | None) -> None:
        try:
            await self._account.sign_in(cookies=fresh, from_source=fresh is not None)
        except Blocked as error:
            # The address rests, whatever the cookies are; asking earlier would only be heard of.
            if fresh is not None:
                self._seen, self._source_at = "", now + (error.retry_after or FIRST_RETRY)
            self._plan.retry_at = now + (error.retry_after or FIRST_RETRY)
        except AccountError as error:
            if fresh is not None and isinstance(error, SignedOut) and self._account.is_open:
                self._account.refused(error)
            # A person must act; looking again now and then notices that they did.
            self._plan.retry_at = now + self._plan.refused_after
            self._plan.refused_after = min(LONGEST_REFUSED, self._plan.refused_after * 2)
        except GatewayError as error:
            if fresh is not None:
                self._seen, self._source_at = "", now + self._plan.retry_after
            self._plan.retry_at = now + max(self._plan.retry_after, error.retry_after or 0.0)
            self._plan.retry_after = min(LONGEST_RETRY, self._plan.retry_after * 2)
        else:
            self._plan = Schedule(rotate_at=self._next_rotation(now), usage_at=now + USAGE_FIRST * (1 + self._random()))

    async def _rotate(self, now: float) -> None:
        self._plan.rotate_at = self._next_rotation(now)
        account = self._account
        if account.browser.rotates(account.cookies, self._clock.now()):
            self._plan.rotate_at = now + self._rotate_gap  # it rotates, and two would end the session
            return
        young = self._clock.now() - account.renewed_at
        if 0 <= young < self._rotate_every / 2:  # another account of the same cookies has just renewed them
            self._plan.rotate_at = now + self._rotate_every - young
            return
        held, epoch = account.cookies, account.session_epoch
        try:
            rotated = await account.upstream.rotate()
            if account.cookies == held:
                account.renewal = rotated.renewal
            if rotated.renewal == "renewed":
                await account.take_rotated(rotated.cookies, held, epoch)
            else:
                await account.upstream.ping()  # that none came is no sign of death; Google says who lives
        except SignedOut as error:
            self._observer.emit(TelemetryEvent("cookies.refused", data={"account": account.name, "why": error.en}))
            account.signed_out(error, epoch)
            self._plan.retry_at = now
        except GatewayError as error:
            if error.code == PHANTOM:
                account.unwell(error, epoch)
                self._plan.retry_at = now + (error.retry_after or FIRST_RETRY)
            self._observer.emit(TelemetryEvent("cookies.not_rotated", data={"account": account.name, "why": error.en}))
            self._plan.rotate_at = now + self._rotate_gap
        else:
            if rotated.other_way:
                self._plan.rotate_at = now + self._rotate_gap
            name = "cookies.rotated" if rotated.renewal == "renewed" else "cookies.withheld"
            self._observer.emit(TelemetryEvent(name, data={"account": account.name, "renewal": rotated.renewal}))

    def _usage_due(self, now: float) -> bool:
        """Whether Google's windows are to be read: in time, or because something asks for it, and not too often."""
        usage = self._account.usage
        if now < self._plan.usage_read_at + USAGE_GAP:
            return False
        early = usage.calls > 0 and now >= self._plan.usage_read_at + USAGE_EVERY
        return now >= self._plan.usage_at or usage.wanted or early or usage.stale(self._clock.now())

    async def _read_usage(self, now: float) -> None:
        """How much of Google's windows is used: never in the path of a call."""
        self._plan.usage_at = now + USAGE_IDLE * (1 + JITTER * (2 * self._random() - 1))
        self._plan.usage_read_at = now + USAGE_EVERY * JITTER * self._random()
        account = self._account
        account.usage.wanted = False
        try:
            report = await account.upstream.usage()
        except GatewayError as error:
            self._plan.usage_at = now + USAGE_EVERY
            self._observer.emit(TelemetryEvent("usage.not_read", data={"account": account.name, "why": error.en}))
            return
        account.usage.read(report, self._clock.now())
        if not report.windows and account.upstream.kind == "web":  # nothing said is not nothing used
            self._observer.emit(
                TelemetryEvent("usage.not_read", data={"account": account.name, "why": "Google did not say"})
            )
            self._observer.emit(TelemetryEvent("answer.unknown", data={"field": "empty usage"}))
        account.changed()
        await self._keep_readings()

    async def _keep_readings(self) -> None:
        """Write down what is new of them."""
        usage = self._account.usage
        if self._keep is None or not (readings := usage.unsaved()):
            return
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                await self._keep(readings)
        except (GatewayError, TimeoutError) as error:
            why = str(error) or "no answer"
            self._observer.emit(TelemetryEvent("usage.not_kept", data={"account": self._account.name, "why": why}))
        else:
            usage.saved(readings)

    def _next_rotation(self, now: float) -> float:
        if not self._rotate_every:
            return float("inf")
        return now + max(self._rotate_gap, self._rotate_every * (1 + JITTER * (2 * self._random() - 1)))
