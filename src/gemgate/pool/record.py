"""What is stored of one account: which of its cookies to try, and where its changes go.

Every change that a restart must not forget goes to the store at once, but never in the path of a call: a writer task
per account brings the newest state down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gemgate.accounts import Cookies, GoogleAccount, person
from gemgate.errors import Conflict, GatewayError, NotThisAccount
from gemgate.policy import session_end
from gemgate.policy.circuit_breaker import Cause, Circuit
from gemgate.policy.cookie_order import cookie_order
from gemgate.pool.status import LIMIT, LOWERED
from gemgate.ports.accounts import AccountSetup, AccountStore, StoredAccount, StoredCircuit
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

if TYPE_CHECKING:
    from gemgate.pool.account import Account
    from gemgate.pool.lives import SessionLives
    from gemgate.pool.pool import AccountPool

SETTLED_SECONDS = 1.0
"""How long a caller waits for the database to know of a rest."""


class AccountRecord(Protocol):
    """Remembers one account beyond this process, and knows which of its cookies to try."""

    def attach(self, account: Account) -> None:
        """This is the account. Once, before anything else."""
        ...

    def candidates(self, fresh: Cookies | None) -> Sequence[Cookies]:
        """Cookies to sign in with, best first; `fresh` is what the source holds now."""
        ...

    async def cookies_accepted(self, cookies: Cookies, source: Cookies | None) -> None:
        """These cookies signed in, or were renewed; `source`: what the source held when they were taken from it."""
        ...

    async def cookies_renewed(self, cookies: Cookies) -> None:
        """The account's session was renewed; others may share it."""
        ...

    def save_soon(self) -> None:
        """Something changed that a restart must not forget. Returns at once."""
        ...

    def holder(self, google: GoogleAccount) -> str:
        """The other account that is this Google account, "" when there is none."""
        ...

    async def wait_saved(self) -> None:
        """Return when what changed stands where a restart finds it; after a moment all the same."""
        ...


class InMemoryRecord:
    """For an account that nobody remembers."""

    _account: Account

    def attach(self, account: Account) -> None:
        self._account = account

    def candidates(self, fresh: Cookies | None) -> Sequence[Cookies]:
        return [cookies for cookies in (fresh, self._account.cookies) if cookies is not None]

    async def cookies_accepted(self, cookies: Cookies, source: Cookies | None) -> None:
        return None

    async def cookies_renewed(self, cookies: Cookies) -> None:
        return None

    def save_soon(self) -> None:
        return None

    def holder(self, google: GoogleAccount) -> str:
        return ""

    async def wait_saved(self) -> None:
        return None


class Sessions:
    """Which account of the pool has which Google session: two would rotate one against each other until it is dead."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool
        self._claims: dict[str, str] = {}
        """Session -> the account that tried it first, as long as it has no session of its own."""

    def account_with(self, cookies: Cookies, number: int) -> str:
        """The account that has this session already, "" when there is none."""
        for account in self._pool.accounts:
            if account.identity == person(cookies, number):
                return account.name
        claimed = self._pool.account(self._claims.get(person(cookies, number), ""))
        return claimed.name if claimed is not None and not claimed.identity else ""

    def claim(self, account: Account, cookies: Cookies) -> None:
        """The account is about to try them."""
        self._claims.setdefault(person(cookies, account.number), account.name)

    def others(self, account: Account) -> list[Account]:
        return [other for other in self._pool.accounts if other is not account]


class StoredRecord:
    """One account's record in the store. lives: what is told of its sessions' ends and renewals."""

    _account: Account

    def __init__(
        self,
        stored: StoredAccount,
        store: AccountStore,
        sessions: Sessions,
        lives: SessionLives,
        *,
        owner: str,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._lives = lives
        self._stored = stored
        self._version = stored.version
        self._store = store
        self._sessions = sessions
        self._owner = owner
        self._clock = clock
        self._observer = observer
        self._writing: asyncio.Task[None] | None = None
        self._dirty = False
        self._closed = False
        self._accepted: tuple[Cookies, str | None] | None = None
        """Cookies that signed in and are not written yet, with the digest of the source's they were taken from."""

    def attach(self, account: Account) -> None:
        self._account = account

    def candidates(self, fresh: Cookies | None) -> Sequence[Cookies]:
        account = self._account
        live = account.source is not None and account.source.live
        stored = StoredAccount(AccountSetup(account.name)) if self._closed else self._stored
        found = cookie_order(replace(stored, cookies=account.cookies or stored.cookies), fresh, live=live)
        whose = [(cookies, self._sessions.account_with(cookies, account.number)) for cookies in found]
        free = [cookies for cookies, holder in whose if holder in ("", account.name)]
        if found and not free:
            raise one_session_twice(NotThisAccount, whose[0][1])
        for cookies in free:
            self._sessions.claim(account, cookies)
        return free

    def holder(self, google: GoogleAccount) -> str:
        others = self._sessions.others(self._account)
        return next((other.name for other in others if other.google.id == google.id), "")

    async def cookies_accepted(self, cookies: Cookies, source: Cookies | None) -> None:
        if self._closed:
            return
        self._accepted = (cookies, source.digest if source is not None else None)
        self.save_soon()
        await self.wait_saved()

    async def cookies_renewed(self, cookies: Cookies) -> None:
        """The others that share these cookies (docs/google-wire.md 5.6) go on with the new ones."""
        for other in self._sessions.others(self._account):
            if other.is_open and other.cookies and other.cookies.identity == cookies.identity:
                try:
                    await other.sign_in(cookies=cookies)
                except GatewayError as error:
                    self._observer.emit(
                        TelemetryEvent("cookies.not_shared", data={"account": other.name, "why": error.en})
                    )

    def save_soon(self) -> None:
        if self._closed:
            return
        self._dirty = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())

    def retry(self) -> None:
        """Write what could not be written while the database was away."""
        if self._dirty:
            self.save_soon()

    async def wait_saved(self) -> None:
        if not self._closed:
            await self.drain(SETTLED_SECONDS)

    async def close(self, seconds: float) -> None:
        """The account is let go: nothing more is written of it but what is under way."""
        self._closed = True
        await self.drain(seconds)

    @property
    def setup(self) -> AccountSetup:
        """How the account is set up."""
        return self._stored.setup

    async def drain(self, seconds: float) -> None:
        """Return when what is being written is written, or after so long."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing}, timeout=seconds)

    async def _write(self) -> None:
        """Bring the newest state down; what changes meanwhile is written after it, what could not be is by `retry`."""
        account = self._account
        while self._dirty:
            self._dirty = False
            now = self._clock.now()
            circuits = {c: to_stored(circuit) for c, circuit in account.cooldowns().items()}
            try:
                if self._accepted is not None:
                    await self._keep_cookies(*self._accepted)
                known = account.known
                await self._store.keep_state(
                    account.name,
                    account.stored_state,
                    account.last_error,
                    circuits,
                    owner=self._owner,
                    at=now,
                    known=known,
                    ended_by=session_end.of(account.last_error) or "",
                )
                self._stored = replace(self._stored, known=known)
                await self._store.keep_address(self._owner, account.egress.name, to_stored(account.egress.circuit))
                if account.stored_state == "needs_login":
                    await self._lives.load()
            except GatewayError as error:
                self._observer.emit(TelemetryEvent("account.not_kept", data={"account": account.name, "why": error.en}))
                self._dirty = True
                return

    async def _keep_cookies(self, cookies: Cookies, taken: str | None) -> None:
        """Store cookies that signed in. A database that is away says nothing about the session."""
        name = self._account.name
        generation = await self._store.keep_cookies(
            name,
            cookies,
            generation=self._version,
            taken=taken,
            identity=cookies.identity,
            at=self._clock.now(),
            arm=self._lives.arm(self._account),
        )
        if self._accepted == (cookies, taken):
            self._accepted = None
        self._stored = await self._store.get(name)
        self._version = self._stored.version
        if generation is None:
            self._observer.emit(TelemetryEvent("cookies.overtaken", data={"account": name}))
        await self._lives.load()


def one_session_twice(kind: type[Conflict | NotThisAccount], holder: str) -> Conflict | NotThisAccount:
    return kind(
        f"This Google session is already the account {holder}: sign in to another Google account, or use that one",
        f"该 Google 会话已是账号 {holder}：请登录另一个 Google 账号，或直接使用该账号",
        code="session_in_use",
    )


def from_stored(kept: StoredCircuit, otherwise: Cause = "failures") -> Circuit:
    """A circuit as it was stored. Its cause stands in how the reason begins; `otherwise`: where that says nothing."""
    cause: Cause = "limit" if kept.reason.startswith(LIMIT) else otherwise
    if kept.reason.startswith(LOWERED):
        cause = "lowered"
    return Circuit(kept.failures, kept.until, kept.opened_at, kept.reason, cause=cause if kept.until else "")


def to_stored(circuit: Circuit) -> StoredCircuit:
    return StoredCircuit(circuit.failures, circuit.until, circuit.opened_at, circuit.reason)
