"""`gemgate accounts lab run`: sessions that are kept alive in several ways side by side, each watched until it dies.

An arm is an account of the gateway like any other, so its lives are recorded as all are. When the run ends its accounts
are forgotten: what lives then was seen until that moment, and is censored.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gemgate.accounts import Cookies
from gemgate.cli.account_backend import AccountBackend, Facts
from gemgate.cli.account_choice import read_cookies
from gemgate.cli.console import err
from gemgate.cli.terminal import language, say
from gemgate.cli.words import span, word
from gemgate.cookies.spec import parse_source
from gemgate.errors import BadRequest, GatewayError
from gemgate.frozen import frozen
from gemgate.policy.session_arm import ARMS, Arm
from gemgate.ports.accounts import AccountSetup

LOOK_SECONDS = 300.0
"""Between two cheap questions to Google whether a session lives: what nobody uses dies unseen."""
SIGNING_IN = 60.0
"""How long a browser's session may take to sign in."""
_OPEN = ("ready", "busy", "cooling", "paused")
"""States of which Google can say better: "paused" is also what takes no calls."""
_EXPORTED: tuple[Arm, ...] = ("rotated", "frozen")
Outcome = Literal["died", "censored", "removed", "not_started"]


@frozen
class Entry:
    """One session to watch. cookies: those of an exported one; a browser's come from its profile, or are pushed."""

    arm: Arm
    setup: AccountSetup
    cookies: Cookies | None = None

    @property
    def name(self) -> str:
        return self.setup.name


@dataclass(slots=True)
class Seen:
    """What was seen of an entry. began: monotonic seconds, 0 = nobody was signed in yet; seconds: how long it lived."""

    entry: Entry
    outcome: Outcome = "censored"
    why: str = ""
    began: float = 0.0
    seconds: float = 0.0

    @property
    def facts(self) -> Facts:
        one = self.entry
        return {"name": one.name, "arm": one.arm, "outcome": self.outcome, "why": self.why, "seconds": self.seconds}


def entries_of(texts: Iterable[str], weight: float) -> list[Entry]:
    """`--arm` as it is typed: firefox[=PROFILE], chrome[=PROFILE], paired, rotated=FILE, frozen=FILE. BadRequest."""
    counted: Counter[str] = Counter()
    found = []
    for text in texts:
        word, _, place = (part.strip() for part in text.partition("="))
        if word not in ARMS or (word in _EXPORTED and not place) or (word == "paired" and place):
            raise BadRequest(
                f"{text!r} is no arm: firefox[=PROFILE], chrome[=PROFILE], paired, rotated=FILE or frozen=FILE",
                f"{text!r} 不是有效的方式：firefox[=配置]、chrome[=配置]、paired、rotated=文件 或 frozen=文件",
                param="arm",
            )
        counted[word] += 1
        cookies = read_cookies(Path(place).expanduser()) if word in _EXPORTED else None
        found.append(entry(word, counted[word], weight, cookies, place))
    return found


def entry(arm: Arm, number: int, weight: float, cookies: Cookies | None, profile: str = "") -> Entry:
    """How the gateway is to keep this session alive."""
    source = ""
    if arm in ("firefox", "chrome"):
        source = str(parse_source(f"browser:{arm}:{profile}" if profile else f"browser:{arm}"))
    name = f"lab-{arm}-{number}"
    return Entry(arm, AccountSetup(name, source=source, weight=weight, rotate=arm != "frozen"), cookies)


class LabRun:
    """Starts entries, watches them, and takes them away again."""

    def __init__(self, backend: AccountBackend) -> None:
        self._backend = backend
        self.seen: dict[str, Seen] = {}

    @property
    def started(self) -> list[Seen]:
        return [one for one in self.seen.values() if one.outcome != "not_started"]

    async def run(self, entries: Sequence[Entry], seconds: float, every: float, *, keep: bool) -> None:
        """Until the time is over, everything that can only die is dead, or somebody cancels (Ctrl-C). keep: leave the
        accounts where they are.
        """
        try:
            with suppress(asyncio.CancelledError):
                for one in entries:
                    await self._start(one)
                over = time.monotonic() + seconds
                while self._living and (left := over - time.monotonic()) > 0:
                    await asyncio.sleep(min(every, left))
                    await self._look()
        finally:
            await self._end(keep=keep)

    @property
    def _living(self) -> list[Seen]:
        """Those that there is something to see of: a browser may sign in anew."""
        browsers = [one for one in self.started if one.outcome == "died" and one.entry.cookies is None]
        return [*(one for one in self.started if one.outcome == "censored"), *browsers]

    async def _start(self, one: Entry) -> None:
        seen = self.seen[one.name] = Seen(one)
        try:
            await self._backend.set_up(one.setup, one.cookies)
            if one.cookies is None and one.arm == "paired":
                told = await self._backend.pair(one.name)
                _tell(f"{one.name}: {told['code']}  {told['gateway']}  (docs/extension.md)")
                return
            if one.cookies is None:
                await self._signed_in(one.name)
        except GatewayError as error:
            seen.outcome, seen.why = "not_started", error.text(language())
            _tell(say(f"{one.name}: not started: {seen.why}", f"{one.name}：未开始：{seen.why}"))
            with suppress(GatewayError):
                await self._backend.remove(one.name)
        else:
            seen.began = time.monotonic()
            _tell(say(f"{one.name}: signed in", f"{one.name}：已登录"))

    async def _signed_in(self, name: str) -> None:
        """Wait for a browser's session; GatewayError says why it does not come."""
        over = time.monotonic() + SIGNING_IN
        while not (facts := await self._backend.one(name))["signed_in_at"]:
            if facts["state"] in ("needs_login", "error") or time.monotonic() > over:
                raise GatewayError(facts["why"] or word(facts["state"]))
            await asyncio.sleep(0.3)

    async def _look(self) -> None:
        """Ask Google of each that is open. A gateway that is away for a while is asked again."""
        try:
            there = {facts["name"]: facts for facts in await self._backend.all()}
            for seen in self._living:
                facts = there.get(seen.entry.name)
                if facts is None:
                    seen.outcome, seen.seconds = "removed", time.monotonic() - (seen.began or time.monotonic())
                    continue
                if facts["signed_in_at"] and facts["state"] in _OPEN:
                    with suppress(GatewayError):
                        await self._backend.run_action(seen.entry.name, "test")
                    facts = await self._backend.one(seen.entry.name)
                if facts["signed_in_at"] or seen.began:
                    self._judge(seen, facts)
        except GatewayError as error:
            _tell(error.text(language()))

    def _judge(self, seen: Seen, facts: Facts) -> None:
        now, dead = time.monotonic(), facts["state"] == "needs_login"
        name = seen.entry.name
        if dead and seen.outcome == "censored":
            seen.outcome, seen.why = "died", facts["reason"] or "unknown"
            seen.seconds = now - (seen.began or now)
            title = (facts["remedy"] or {}).get("title", seen.why)
            _tell(
                say(
                    f"{name}: died after {span(seen.seconds)}: {title}", f"{name}：{span(seen.seconds)} 后失效：{title}"
                )
            )
        elif facts["state"] in _OPEN and (seen.outcome == "died" or not seen.began):
            seen.outcome, seen.why, seen.began = "censored", "", now
            _tell(say(f"{name}: signed in", f"{name}：已登录"))

    async def _end(self, *, keep: bool) -> None:
        """Take away what was started. What was said of a death meanwhile is better than what was known at first."""
        with suppress(GatewayError):
            for facts in await self._backend.all():
                if (told := self.seen.get(facts["name"])) and told.outcome == "died":
                    told.why = facts["reason"] or told.why
        for seen in self.started:
            if seen.outcome == "censored":
                seen.seconds = time.monotonic() - (seen.began or time.monotonic())
            if keep or seen.outcome == "removed":
                continue
            try:
                await self._backend.remove(seen.entry.name)
            except GatewayError as error:
                _tell(f"{seen.entry.name}: {error.text(language())}")


def _tell(line: str) -> None:
    err.print(f"{time.strftime('%H:%M:%S')}  {line}", highlight=False, soft_wrap=True, markup=False)


def facts_of(lab: LabRun, survival: dict[str, Any]) -> Facts:
    """The run and the curves, for scripts."""
    return {"run": [one.facts for one in lab.seen.values()], **survival}
