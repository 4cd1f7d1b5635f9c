"""The pretended service as a whole: which host and path is what, and the verbs a test steers it with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial
from typing import Any, Unpack

from gemgate.simulator import generate, pages, rpc
from gemgate.simulator.accounts import STRANGER, Account, Caller, Tier
from gemgate.simulator.demo import demo, paced
from gemgate.simulator.endpoints import HANDLERS, place, rpcids
from gemgate.simulator.exchange import Break, Request, Response, page
from gemgate.simulator.gallery import Gallery
from gemgate.simulator.mishap import spoil
from gemgate.simulator.record import Record, Seen
from gemgate.simulator.script import Answer, Fault, Kind, Pacing, Pattern, Script, Speaker
from gemgate.simulator.uploads import Uploads
from gemgate.simulator.world import World


class Google:
    """The service. Everything it remembers is in `world`; scripts and tests use the verbs below.

    accounts: names to sign in at once, all with `tier`. clock: epoch seconds, for cookie lifetimes and time stamps.
    seed: decides every freedom of the wire format (frames.Style), None takes none of them. pace: seconds between the
    frames of unscripted answers.
    """

    def __init__(
        self,
        accounts: Sequence[str] = (),
        *,
        tier: Tier = "pro",
        seed: int | None = 0,
        clock: Callable[[], float] = time.time,
        pace: float = 0.0,
    ) -> None:
        self._tolerated: tuple[str, ...] = ()
        self.world = World(clock, seed, Script(paced(pace) if pace else demo))
        for name in accounts:
            self.add_account(name, tier=tier)

    @property
    def record(self) -> Record:
        return self.world.record

    @property
    def uploads(self) -> Uploads:
        return self.world.uploads

    @property
    def gallery(self) -> Gallery:
        return self.world.gallery

    @property
    def names(self) -> list[str]:
        """The accounts' names."""
        return [account.name for account in self.world.accounts]

    def advance(self, seconds: float) -> None:
        """Let the service's clock jump ahead: cookies age."""
        self.world.ahead += seconds

    def add_account(self, name: str, *, tier: Tier = "pro", **facts: Any) -> Account:
        """A new account, signed in. facts: fields of Account (status, lifetime, grace, used, ...)."""
        account = Account(name, tier, **facts)
        self.world.accounts.add(account)
        return account

    def account(self, name: str) -> Account:
        """The account itself; its fields may be changed at any time."""
        return self.world.accounts[name]

    def cookies(self, name: str) -> dict[str, str]:
        """Cookie names and values of the account's newest sign-in, as they are now."""
        return self.world.accounts.newest(name).cookies()

    def sign_in(self, name: str) -> dict[str, str]:
        """Sign in once more and return the new session's cookies; the older session lives on."""
        return self.world.accounts.sign_in(name).cookies()

    def expire(self, name: str) -> None:
        """Every cookie of the account is dead from now on."""
        self.world.accounts.expire(name)

    def revive(self, name: str) -> None:
        """The same cookies count again."""
        self.world.accounts.revive(name)

    def rotate(self, name: str) -> dict[str, str]:
        """Rotate as if another client of the session had done it; the old value counts for the grace period."""
        self.world.accounts.rotate(self.world.accounts.newest(name))
        return self.cookies(name)

    def reply(
        self,
        pattern: Pattern,
        text: str | Answer | Speaker = "",
        *,
        frames: Sequence[str] = (),
        raw: Sequence[str] = (),
        times: int | None = None,
        model: str | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        """Answer prompts that match `pattern` from now on, `times` times (None = always).

        text: plain text, an Answer, or a function from Prompt to either. frames, raw and pacing: fields of Answer
        (thoughts, chars, pace, delay, candidates, queued, busy, rich).
        """
        if isinstance(text, str):
            answer: Answer | Speaker = Answer(text, frames=tuple(frames), raw=tuple(raw), **pacing)
        else:
            if frames or raw or pacing:
                raise ValueError("an Answer or a function brings its own frames and pacing")
            answer = text
        self.world.script.reply(pattern, answer, times=times, model=model)

    def fault(
        self,
        where: str,
        kind: Kind,
        *,
        times: int = 1,
        account: str | None = None,
        after_frames: int = 0,
        status: int | None = None,
        code: int | None = None,
        seconds: float | None = None,
        match: Pattern | None = None,
        reused: bool = False,
        early: bool = False,
        torn: bool = False,
        finished: bool | None = None,
    ) -> None:
        """Let something go wrong; see Fault for what the fields mean. KeyError for an account that does not exist."""
        if account:
            self.account(account)
        self.world.script.fault(
            Fault(
                where,
                kind,
                times=times,
                account=account,
                after_frames=after_frames,
                status=status,
                code=code,
                seconds=seconds,
                match=match,
                reused=reused,
                early=early,
                torn=torn,
                finished=finished,
            )
        )

    def tolerate(self, *hosts: str) -> None:
        """Refuse these hosts ("*.mozilla.com") without calling it a broken rule: browsers have friends of their own."""
        self._tolerated += hosts

    def clear(self) -> None:
        """Forget replies and faults; accounts, chats and the record stay."""
        self.world.script.clear()

    def head(self, request: Request) -> Response | None:
        """The headers of a request are here: early faults strike now."""
        where = place(request)
        if where == "generate":
            self.record.headers += 1
        caller = self._caller(request)
        places = (where, *rpcids(request))
        fault = self.world.script.strike(places, caller.name, reused=request.nth > 0, early=True)
        if fault is None:
            return None
        self._note(request, where, caller)
        return spoil(lambda: page(200, ""), fault)

    def handle(self, request: Request) -> Response:
        """A whole request is here."""
        where, caller = place(request), self._caller(request)
        seen = self._note(request, where, caller)
        response = self._respond(request, where, caller, seen)
        seen.status = 0 if isinstance(response.body, Break) else response.status
        return response

    def misbehaved(self, what: str) -> None:
        self.record.violation(what)

    def refused(self, host: str) -> None:
        """Somebody wanted a tunnel to a host that is not Google's."""
        self.record.refused_hosts[host] += 1
        if not any(fnmatch(host, pattern) for pattern in self._tolerated):
            self.record.violation(f"CONNECT to unknown host {host!r}")

    def _note(self, request: Request, where: str, caller: Caller) -> Seen:
        seen = Seen(
            self.world.clock(),
            request.method,
            request.host,
            request.path,
            where,
            rpcids(request),
            caller.name,
            request.http,
            request.connection,
        )
        self.record.requests.append(seen)
        if caller.session and not caller.alive:
            caller.session.knocks += 1
            if caller.session.knocks == self.world.patience + 1:
                self.record.violation(
                    f"hammering: more than {self.world.patience} requests on a dead session of {caller.name}"
                )
        return seen

    def _caller(self, request: Request) -> Caller:
        if not request.host.endswith("google.com"):
            return STRANGER
        return self.world.accounts.caller(request.cookies)

    def _respond(self, request: Request, where: str, caller: Caller, seen: Seen) -> Response:
        if where == "generate":
            return generate.respond(self.world, request, caller)
        if where == "rpc":
            return rpc.respond(self.world, request, caller, seen)
        fault = self.world.script.strike((where,), caller.name, reused=request.nth > 0)
        if fault and fault.kind == "guest":
            return pages.app(self.world.open_page(None))
        if caller.trouble and where in ("init", "rotate"):
            self.record.violation(f"{where}: {caller.trouble}")
        answer = partial(HANDLERS[where], self.world, request, caller)
        return spoil(answer, fault) if fault else answer()
