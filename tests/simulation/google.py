"""A virtual Google with a memory: it counts what it generated for each prompt, and keeps chats that can be read back.

Errors say `generated="no"` exactly when nothing was generated, so whoever believes them is never wrong.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gemgate.accounts import AccountModel, Cookies, GoogleAccount, Kind, Rotated, SignInResult, UsageReport
from gemgate.chat import TextDelta
from gemgate.errors import Blocked, Broken, GatewayError, SignedOut, Spent, Stalled, Unreachable
from gemgate.ports.upstream import (
    Accept,
    Accepted,
    Completed,
    Fetched,
    ImageReady,
    ImageRef,
    Prompt,
    Started,
    Thread,
    Upload,
    UpstreamEvent,
)
from tests.simulation.network import Door, Fault, Flavour

FLASH = AccountModel("aa", "gemini-flash", "Flash", aliases=("flash",))
SILENCE = 30.0
"""Seconds after which the upstream gives a silent Google up."""
MARK = re.compile(r"«([^»]+)»")


def mark_of(prompt: str) -> str:
    """Which question a prompt asks: the last one of its text."""
    return str(MARK.findall(prompt)[-1])


def answer_to(mark: str) -> str:
    return f"This is what there is to say about {mark}, and no more."


@dataclass(slots=True)
class Turn:
    mark: str
    began: float
    done: float
    text: str
    holds: bool = True


@dataclass(slots=True)
class Chat:
    cid: str
    account: str
    identity: str
    temporary: bool
    context: str = ""
    turns: list[Turn] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Generation:
    """What Google made once. told_at: when whoever asked was told its chat, None = never."""

    mark: str
    at: float
    account: str
    door: Door
    chat: Chat
    turn: Turn
    told_at: float | None = None


class Google:
    """`readable`: whether temporary chats can be read back, which nobody knows of the real one."""

    def __init__(self, dice: Random, faults: tuple[Fault, ...], *, readable: bool) -> None:
        self.dice = dice
        self.faults = [fault for fault in faults if fault.kind == "google"]
        self.readable = readable
        self.chats: dict[str, Chat] = {}
        self.made: dict[str, list[Generation]] = defaultdict(list)
        self.signed_out: set[str] = set()
        """Accounts whose session has to be opened anew."""
        self.spent_until: dict[str, float] = {}
        self.wrong: list[str] = []
        self.heard: Counter[str] = Counter()
        self.asked: Callable[[Generation], None] = lambda generation: None

    def ails(self, number: int, now: float) -> Flavour | str:
        """What goes wrong with a call of an account at this moment."""
        for fault in self.faults:
            if fault.target == number and fault.holds(now) and self.dice.random() < 0.75:
                return fault.flavour
        return ""

    def generate(
        self, door: Door, account: str, identity: str, prompt: Prompt, now: float, seconds: float
    ) -> Generation:
        """Take a prompt: from here on it counts."""
        mark = mark_of(prompt.text)
        cid = prompt.thread.cid if prompt.thread else f"c_{len(self.chats) + 1}"
        chat = self.chats.get(cid)
        if chat is None:
            chat = self.chats[cid] = Chat(cid, account, identity, prompt.temporary)
        elif (chat.account, chat.identity) != (account, identity):
            self.wrong.append(f"{account} goes on in {cid}, which is {chat.account}'s")
        elif any(turn.done > now and turn.holds for turn in chat.turns):
            self.wrong.append(f"two go on in {cid} at once")
        chat.context += "\n" + prompt.text
        turn = Turn(mark, now, now + seconds, answer_to(mark))
        chat.turns.append(turn)
        generation = Generation(mark, now, account, door, chat, turn)
        self.made[mark].append(generation)
        self.asked(generation)
        return generation

    def read(self, cid: str, identity: str, now: float) -> list[UpstreamEvent] | None:
        chat = self.chats.get(cid)
        if chat is None or chat.identity != identity or (chat.temporary and not self.readable):
            return None
        turn = chat.turns[-1]
        if not turn.holds:
            return None
        if turn.done > now:
            return [Started(cid)]
        return [Started(cid), *said(chat, turn), Completed(thread_of(chat), turn.text)]


def said(chat: Chat, turn: Turn) -> list[UpstreamEvent]:
    if turn.mark.startswith("picture"):
        return [ImageReady(ImageRef("", turn.mark, chat.cid, "r", "rc"))]
    return [TextDelta(turn.text)]


def thread_of(chat: Chat) -> Thread:
    number = len(chat.turns)
    return Thread((chat.cid, f"r_{number}", f"rc_{number}"), number)


class VirtualUpstream:
    """One account as one process reaches it."""

    kind: Kind = "web"

    def __init__(self, google: Google, door: Door, name: str, number: int) -> None:
        self._google = google
        self._door = door
        self.name = name
        self._number = number
        self._identity = ""
        self.open_streams = 0
        self.closed = False

    def _now(self) -> float:
        return self._door.monotonic()

    def _ails(self) -> str:
        return self._google.ails(self._number, self._now())

    async def _ask(self, *harmless: str) -> None:
        """One round trip that generates nothing."""
        await self._door.step(_nothing, pace=0.2)
        ailing = self._ails()
        if ailing in ("unreachable", "silent"):
            raise Unreachable("no way to Google")
        if ailing == "blocked":
            raise Blocked("the address is blocked")
        if ailing == "dead session" or (self.name in self._google.signed_out and "signed out" not in harmless):
            raise SignedOut("the session is over", code="cookie_expired")

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        if cookies is None:
            raise SignedOut("there are no cookies", code="cookie_expired")
        await self._ask("signed out")
        self._google.signed_out.discard(self.name)
        if accept is not None:
            accept(GoogleAccount.of(self.name, f"{self.name}@gmail.example"))
        self._identity = cookies.identity
        return SignInResult((FLASH,))

    async def ping(self) -> SignInResult:
        await self._ask()
        return SignInResult((FLASH,))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        google, dice = self._google, self._google.dice
        self.open_streams += 1
        try:
            await self._door.step(_nothing, pace=0.3)
            ailing = self._ails()
            if (refusal := self._refusal(ailing)) is not None:
                raise refusal
            seconds = dice.uniform(0.5, 9.0) * (12 if ailing == "slow" else 1)
            made = google.generate(self._door, self.name, self._identity, prompt, self._now(), seconds)
            chat, turn = made.chat, made.turn
            await self._door.step(_nothing, pace=0.3)
            if ailing == "lost":
                await self._sleep(seconds / 2)
                raise Broken("the connection was reset", generated="maybe")
            made.told_at = self._now()
            yield Accepted(chat.cid)
            if ailing == "cut for good":
                turn.holds = False
            if ailing == "silent" or seconds > SILENCE:
                await self._sleep(SILENCE)
                raise Stalled("Google is silent", stage="first byte", generated="maybe")
            await self._sleep(seconds / 2)
            if ailing in ("cut", "cut for good"):
                raise Broken("the answer was cut off", generated="maybe")
            yield Started(chat.cid)
            for piece in self._pieces(chat, turn):
                await self._sleep(seconds / 8)
                yield piece
                if ailing == "text cut":
                    turn.holds = dice.random() < 0.5
                    raise Broken("the answer was cut off in the middle", generated="maybe")
            await self._sleep(max(0.0, turn.done - self._now()))
            yield Completed(thread_of(chat), turn.text)
        finally:
            self.open_streams -= 1

    def _refusal(self, ailing: str) -> GatewayError | None:
        """A certain no: Google has not begun with the prompt, and says so or was never asked."""
        now = self._now()
        if ailing == "unreachable":
            return Unreachable("no way to Google")
        if ailing == "blocked":
            return Blocked("the address is blocked")
        if ailing == "again":
            error = Broken("Google was not ready", generated="no")
            error.remedy = "again"
            return error
        if ailing in ("signed out", "dead session"):
            self._google.signed_out.add(self.name)
        if self.name in self._google.signed_out:
            return SignedOut("the session is over", code="cookie_expired")
        if ailing == "spent":
            self._google.spent_until[self.name] = now + 50.0
        if (until := self._google.spent_until.get(self.name, 0.0)) > now:
            self._google.heard[f"spent {self.name}"] += 1
            return Spent("the limit is reached", resets_at=self._door.now() + until - now, code="rate_limit_exceeded")
        return None

    def _pieces(self, chat: Chat, turn: Turn) -> list[UpstreamEvent]:
        if turn.mark.startswith("picture"):
            return said(chat, turn)
        third = len(turn.text) // 3
        return [
            TextDelta(turn.text[:third]),
            TextDelta(turn.text[third : 2 * third]),
            TextDelta(turn.text[2 * third :]),
        ]

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._door.open()

    async def read_chat(self, cid: str) -> list[UpstreamEvent] | None:
        await self._ask()
        if self._ails() == "unreadable":
            raise Broken("the chat cannot be read now", generated="maybe")
        return self._google.read(cid, self._identity, self._now())

    async def has_chat(self, cid: str) -> bool:
        await self._ask()
        return cid in self._google.chats

    async def delete_chat(self, cid: str) -> None:
        await self._ask()

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        await self._ask()
        return Fetched(answer_to(ref.image_id).encode(), "image/png", "full_size")

    async def upload(self, upload: Upload) -> str:
        raise NotImplementedError

    async def rotate(self) -> Rotated:
        await self._ask()
        return Rotated("withheld", Cookies("unused"))

    async def usage(self) -> UsageReport:
        return UsageReport()

    async def close(self) -> None:
        self.closed = True


async def _nothing(*_: Any) -> None:
    return None
