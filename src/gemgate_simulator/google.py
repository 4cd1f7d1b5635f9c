"""The pretended service as a whole: which host and path is what, and the verbs a test steers it with."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from typing import Any, Unpack

from gemgate_simulator import downloads, generate, pages, rpc
from gemgate_simulator.accounts import STRANGER, Account, Caller, Tier
from gemgate_simulator.addresses import Form, turned_away
from gemgate_simulator.demo import demo, paced
from gemgate_simulator.drift import PLANTED, applies
from gemgate_simulator.endpoints import HANDLERS, place, rpcids
from gemgate_simulator.exchange import Break, Request, Response, page
from gemgate_simulator.faults import apply_fault
from gemgate_simulator.films import FilmHabits, Studio, songs
from gemgate_simulator.gallery import Gallery, SimulatedImage
from gemgate_simulator.record import Record, Seen
from gemgate_simulator.refusals import Meaning, wordings
from gemgate_simulator.research import Habits, ResearchHabits
from gemgate_simulator.script import Answer, Fault, ImageSource, Kind, Pacing, Pattern, Script, Speaker, brushes_of
from gemgate_simulator.state import ServiceState
from gemgate_simulator.studio import Rule, Wishes
from gemgate_simulator.uploads import Uploads

_ELSEWHERE = ("image", "film", "sorry", "login", "other", "rotate", "rotate_page", "upload", "password", "age")
"""Where a blocked address is answered all the same: other services, and the page that it is sent to."""


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
        self.world = ServiceState(clock, seed, Script(paced(pace) if pace else demo))
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

    def sign_in_beside(self, name: str, other: str) -> None:
        """The other account is signed in with the cookies of this one too, under the next number (`/u/1`, ...)."""
        self.world.accounts.newest(name).beside.append(self.account(other))

    def expire(self, name: str) -> None:
        """Every cookie of the account is dead from now on."""
        self.world.accounts.expire(name)

    def revoke(self, name: str) -> None:
        """The account's password was changed: all its sessions are over, and its page asks for the new one."""
        self.world.accounts.revoke(name)

    def supersede(self, name: str) -> dict[str, str]:
        """A second living client takes the newest session over (docs/google-wire.md 5.3); its cookies."""
        self.world.accounts.supersede(name)
        return self.cookies(name)

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
        image: ImageSource | Sequence[ImageSource] = (),
        times: int | None = None,
        model: str | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        """Answer prompts that match `pattern` from now on, `times` times (None = always).

        text: plain text, an Answer, or a function from Prompt to either. image: one image or several. frames, raw and
        pacing: fields of Answer (thoughts, chars, pace, delay, candidates, queued, busy, rich, canvas,
        progress, fetch_delay).
        """
        if isinstance(text, str):
            scripted = Answer(text, frames=tuple(frames), raw=tuple(raw), images=brushes_of(image), **pacing)
            answer: Answer | Speaker = scripted
        else:
            if frames or raw or pacing or image != ():
                raise ValueError("an Answer or a function brings its own frames, pictures and pacing")
            answer = text
        self.world.script.reply(pattern, answer, times=times, model=model)

    def refuse(
        self,
        pattern: Pattern,
        meaning: Meaning = "refusal",
        *,
        language: str = "en",
        wording: int | None = None,
        times: int | None = None,
        model: str | None = None,
    ) -> None:
        """Answer with words instead of an image: their meaning and language (`refusals.WORDINGS`).

        wording: which of the sentences, None: each in its turn. ValueError for a meaning or language there is none for.
        """
        texts = wordings(meaning, language)
        turns = itertools.cycle(texts if wording is None else [texts[wording]])
        self.world.script.reply(pattern, lambda prompt: next(turns), times=times, model=model)

    def images(
        self,
        *,
        account: str | None = None,
        tier: Tier | None = None,
        model: str | None = None,
        **wishes: Unpack[Wishes],
    ) -> None:
        """How images are made from now on for whoever the first three name; see Wishes. The newest rule counts.

        `pictures(cheap=True)` for thousands of tasks, `pictures(model="gemini-pro", resolution="4K")`,
        `pictures(account="bob", most_side=1024)` for less than was asked, `pictures(logo="v2", mime="image/jpeg")`.
        """
        if account:
            self.account(account)
        self.world.studio.rule(Rule(wishes, account, tier, model))

    def videos(self, **habits: Unpack[FilmHabits]) -> None:
        """How videos are made from now on; see `films.Studio`."""
        self.world.films.studio = Studio(**habits)

    def music(self, **habits: Unpack[FilmHabits]) -> None:
        """How music is made from now on; see `films.Studio`. A standard piece is four times as long as a short one."""
        self.world.films.music = songs(**habits)

    def research(self, **habits: Unpack[ResearchHabits]) -> None:
        """How deep research goes from now on; see `research.Habits`."""
        self.world.researches.habits = Habits(**habits)

    def image(self, image_id: str) -> SimulatedImage:
        """An image on show by its id, as `record.pictures` and the answers have it; KeyError when there is none."""
        return self.gallery[image_id]

    def original(self, image_id: str) -> bytes:
        """The file that the full-size route gives."""
        return self.image(image_id).work.original()

    def plain(self, image_id: str) -> bytes:
        """The truth about an image: the same file without the logo, in the same format and quality."""
        return self.image(image_id).work.plain()

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

    def drift(self, change: str = "") -> None:
        """From now on the wire has moved by this change of `drift.PLANTED`; "" for as it is known. KeyError."""
        self.world.drift = PLANTED[change] if change else None

    def clear(self) -> None:
        """Forget replies, faults and rules about images; accounts, chats and the record stay."""
        self.world.script.clear()
        self.world.studio.clear()

    def head(self, request: Request) -> Response | None:
        """The headers of a request are here: early faults strike now."""
        where = place(request)
        if where == "generate":
            self.record.headers += 1
        caller = self._caller(request)
        places = (where, *rpcids(request))
        fault = self.world.script.next_fault(places, caller.name, reused=request.nth > 0, early=True)
        if fault is None:
            return None
        self._note(request, where, caller)
        return apply_fault(lambda: page(200, ""), fault)

    def handle(self, request: Request) -> Response:
        """A whole request is here."""
        where, caller = place(request), self._caller(request)
        seen = self._note(request, where, caller)
        response = self._respond(request, where, caller, seen)
        if (drift := self.world.drift) and applies(drift, where, rpcids(request)):
            response = drift.touch(response)
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
        return self.world.accounts.caller(request.cookies, request.user)

    def _met(self, request: Request, where: str) -> Form | None:
        """How the address is turned away, if it is."""
        way = self.world.ways.get(request.connection, "0")
        return self.world.addresses.met(way, prompt=where == "generate")

    def block(self, way: int = 0, seconds: float = 7200.0, form: Form = "redirect") -> None:
        """One of the addresses is blocked from now on, for every account."""
        self.world.addresses.block(str(way), seconds, form)

    def pace(self, most: int, per: float = 60.0, *, seconds: float = 7200.0, form: Form = "redirect") -> None:
        """An address that sends more prompts than `most` in `per` seconds is blocked for so many; 0 = none ever is."""
        self.world.addresses.most, self.world.addresses.per = most, per
        self.world.addresses.seconds, self.world.addresses.form = seconds, form

    def _respond(self, request: Request, where: str, caller: Caller, seen: Seen) -> Response:
        form = None if where in _ELSEWHERE else self._met(request, where)
        if form is not None and (shown := turned_away(form)) is not None:
            return shown
        if form is not None:
            caller = replace(caller, blocked=True)
        if where == "generate":
            return generate.respond(self.world, request, caller)
        if where == "process_file":
            return generate.process_file(self.world, request, caller)
        if where == "rpc":
            return rpc.respond(self.world, request, caller, seen)
        if where == "image":
            return downloads.respond(self.world, request, caller)
        fault = self.world.script.next_fault((where,), caller.name, reused=request.nth > 0)
        if fault and fault.kind == "guest":
            return pages.app(self.world.open_page(None))
        if caller.trouble and where in ("init", "rotate"):
            self.record.violation(f"{where}: {caller.trouble}")
        answer = partial(HANDLERS[where], self.world, request, caller)
        return apply_fault(answer, fault) if fault else answer()
