"""What is stored of accounts: set-up, cookies, circuit breakers, sessions, the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, Protocol

from gemgate.accounts import (
    Capability,
    Cookies,
    Kind,
    Known,
    MeasuredWalls,
    State,
)
from gemgate.errors import AccountError, GatewayError
from gemgate.frozen import frozen

Origin = Literal["environment", "file", "admin"]
"""Who set an account up: the settings, accounts.toml, or a person at run time."""


@frozen
class AccountSetup:
    """How an account is set up.

    source:   as `COOKIE_SOURCE` is spelled, "" = cookies are handed over by hand; of an official one where its API key
              stands, `env:NAME` or `file:PATH`.
    lanes:    calls at once, None = the general setting.
    proxy:    its way out, or several with blanks between: the first that is not blocked is used, and kept to.
    desktop:  where a person reaches the browser that signs it in (http or https), "" = nowhere.
    fallback: used only while no other account can take the call.
    number:   which of the accounts of its cookies, counted from 0 as in gemini.google.com/u/N; language: what it is
              asked to speak (`en`), "" = its own (docs/google-wire.md 5.6).
    prompt_max_bytes, prompt_with_files_max_bytes: how much of a prompt it reads, in UTF-8 bytes, 0 = any number;
              None = as measured, else the general setting.
    rotate:   whether its cookies are renewed by us, where no browser does it.
    """

    name: str
    kind: Kind = "web"
    source: str = ""
    proxy: str | None = field(default=None, repr=False)
    lanes: int | None = None
    weight: float = 1.0
    origin: Origin = "admin"
    fallback: bool = False
    number: int = 0
    language: str = ""
    prompt_max_bytes: int | None = None
    prompt_with_files_max_bytes: int | None = None
    desktop: str = ""
    rotate: bool = True

    @property
    def ways(self) -> tuple[str, ...]:
        """Its proxies, in the order in which they are tried; none = the general one."""
        return tuple((self.proxy or "").split())


@frozen
class StoredCircuit:
    """A circuit that a restart must not close. Epoch seconds."""

    failures: int = 0
    until: float = 0.0
    opened_at: float = 0.0
    reason: str = ""


@frozen
class StoredAccount:
    """An account as it is stored.

    generation: counts every change of the cookies; writers name the one they saw, and a stale one loses.
    cookies:    those that signed in last.
    taken:      digest of the source's cookies when they were last taken (`Cookies.digest`), "" = never.
    identity:   what tells the Google account behind it from others, "" = unknown.
    owner:      the node that may refresh and generate, "" = nobody; until `lease_until`.
    walls:      how much of a prompt it reads, if that was measured.
    known:      what Google told of the account behind it.
    way:        the name of the way out that it went last, "" = none yet.
    trouble:    why the stored secrets cannot be opened; the account must not run on what is left.
    """

    setup: AccountSetup
    paused: bool = False
    cookies: Cookies | None = None
    version: int = 0
    source_digest: str = ""
    identity: str = ""
    state: State = "starting"
    error_en: str = ""
    error_zh: str = ""
    circuits: Mapping[Capability, StoredCircuit] = field(default_factory=dict)
    owner: str = ""
    lease_until: float = 0.0
    trouble: AccountError | None = None
    walls: MeasuredWalls | None = None
    known: Known = field(default_factory=Known)
    way: str = ""

    @property
    def name(self) -> str:
        return self.setup.name


@frozen
class SessionRecord:
    """One session of an account from its sign-in on. Epoch seconds; ended_at None = it lives.

    died: it ended by itself (not replaced by another sign-in), so its length says how long sessions last. ended_by: of
    what (`policy.session_end`), "" = unknown. arm: what kept it alive when it was last renewed (`policy.session_arm`).
    """

    account: str
    began_at: float
    renewed_at: float
    ended_at: float | None = None
    died: bool = False
    arm: str = ""
    ended_by: str = ""


@frozen
class AuditLine:
    """Who did what to an account, and when (epoch seconds)."""

    at: float
    actor: str
    action: str
    account: str = ""
    detail: str = ""


class AccountStore(Protocol):
    """What a restart must not forget of the accounts. Names of unknown accounts are NotFound; StorageDown anywhere."""

    async def all(self) -> tuple[StoredAccount, ...]:
        """Every account, by name."""
        ...

    async def get(self, name: str) -> StoredAccount: ...

    async def set_up(self, setup: AccountSetup) -> bool:
        """Add an account or change how it is set up; its state and cookies stay. Whether it is new."""
        ...

    async def remove(self, name: str) -> None:
        """Forget the account. Its sessions were seen until now, and did not die; the keys of browsers that were paired
        with it open nothing from then on.
        """
        ...

    async def pause(self, name: str, paused: bool) -> None: ...

    async def keep_walls(self, name: str, walls: MeasuredWalls) -> None:
        """Store what was measured of how much the account reads."""
        ...

    async def keep_cookies(
        self,
        name: str,
        cookies: Cookies,
        *,
        generation: int,
        taken: str | None = None,
        identity: str | None = None,
        at: float,
        arm: str = "",
    ) -> int | None:
        """Store cookies that signed in if `generation` is still the account's; the new one, or None for a stale writer.

        Those of the same session count as a renewal at `at`, those of another begin a new life; it is kept by `arm`.
        """
        ...

    async def keep_state(
        self,
        name: str,
        state: State,
        error: GatewayError | None,
        circuits: Mapping[Capability, StoredCircuit],
        *,
        owner: str,
        at: float,
        known: Known | None = None,
        ended_by: str = "",
    ) -> bool:
        """Store state word, last error and all circuits that are not closed; False when another node owns it now.

        "needs_login" ends the life of the session, by `ended_by`; what is shown of it later takes the place of what was
        only inferred (`policy.session_end`). known: what Google told of the account, None leaves
        it.
        """
        ...

    async def claim(self, name: str, owner: str, seconds: float) -> bool:
        """Become the account's node for so long, unless another one is; the database's clock decides."""
        ...

    async def renew(self, owner: str, seconds: float) -> frozenset[str]:
        """Extend all leases of `owner`, an expired one too until somebody takes it; the accounts it still holds."""
        ...

    async def release(self, owner: str, name: str | None = None) -> None:
        """Give one account back, or all."""
        ...

    async def keep_address(self, node: str, address: str, circuit: StoredCircuit) -> None:
        """Store the circuit of a way out; a closed one is forgotten."""
        ...

    async def addresses(self, node: str) -> dict[str, StoredCircuit]: ...

    async def keep_way(self, name: str, way: str) -> None:
        """Store which way out the account goes from now on."""
        ...

    async def first_used(self, node: str, address: str, at: float, *, anew: bool = False) -> float:
        """Since when a way out is used, in epoch seconds: `at` if it never was or is anew; that is stored."""
        ...

    async def lives(self, name: str | None = None, *, limit: int = 200) -> tuple[SessionRecord, ...]:
        """Session lives of one account or all, newest first."""
        ...

    async def audit(self, line: AuditLine) -> None: ...

    async def audit_lines(
        self, name: str | None = None, *, actor: str | None = None, limit: int = 100
    ) -> tuple[AuditLine, ...]:
        """Newest first: of one account or all, by one actor or all."""
        ...

    async def forget_audit(self, before: float) -> None:
        """Drop the lines that are older (epoch seconds)."""
        ...

    async def rewrap(self) -> int:
        """Bring every secret under the first key; how many were not. What cannot be opened stays as it is."""
        ...
