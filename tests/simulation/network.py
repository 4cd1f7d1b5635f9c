"""What goes wrong, when and where: the faults of one seed, and the doors through which a process reaches the world.

A process that is killed keeps its tasks, but no door opens for it any more: whatever it still does in its own memory
(every `finally` among it) reaches nobody, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from gemgate.errors import StorageDown

EPOCH = 1_800_000_000.0
GIVEN_UP = 40.0
"""Seconds after which a database that hangs is given up, as in `stores.sql.database`."""

FRONTS = 100
"""The number of the first gateway of the fleet, as a target and a door; nodes count from 0."""

Kind = Literal[
    "kill",
    "stop",
    "halt",
    "store down",
    "store hangs",
    "answers lost",
    "store slow",
    "google",
    "leave",
    "way down",
    "way slow",
]
Flavour = Literal[
    "unreachable",
    "spent",
    "blocked",
    "signed out",
    "dead session",
    "again",
    "lost",
    "cut",
    "cut for good",
    "text cut",
    "silent",
    "slow",
    "unreadable",
]
FLAVOURS: tuple[Flavour, ...] = (
    "unreachable",
    "spent",
    "blocked",
    "signed out",
    "dead session",
    "again",
    "lost",
    "cut",
    "cut for good",
    "text cut",
    "silent",
    "slow",
    "unreadable",
)


TICK = 1e-6
"""Seconds after the end of a fault at which nobody doubts that it is over: sums of times are never quite their own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From `at` on, for so many `seconds` (of a kill or stop: until the process is back; of a leave: nothing).

    target: a process, an account or a caller by number. calls: a kill waits for so many steps of the process into the
    world; done: whether the last of them still happened there.
    """

    at: float
    kind: Kind
    target: int
    seconds: float = 0.0
    flavour: Flavour | Literal[""] = ""
    calls: int = 0
    done: bool = False

    def __str__(self) -> str:
        what = f"{self.kind} {self.flavour}".strip()
        return f"{self.at:7.2f} s: {what} of {self.target}, {self.seconds:.1f} s, calls={self.calls}, done={self.done}"

    def holds(self, now: float) -> bool:
        return self.at <= now < self.at + self.seconds


def faults_of(seed: int, *, span: float, nodes: int, accounts: int, callers: int) -> tuple[Fault, ...]:
    """What this seed lets go wrong within `span` seconds, in the order of time."""
    dice = Random(f"faults {seed}")
    found: list[Fault] = []
    for _ in range(dice.randint(1, 9)):
        at = round(dice.uniform(0.0, span), 3)
        kind: Kind = dice.choices(
            ("kill", "stop", "halt", "store down", "store hangs", "answers lost", "store slow", "google", "leave"),
            (4, 2, 4, 1, 1, 2, 1, 8, 2),
        )[0]
        match kind:
            case "kill":
                found.append(
                    Fault(
                        at,
                        "kill",
                        dice.randrange(nodes),
                        round(dice.choice((1.0, 5.0, 45.0)) * dice.uniform(0.5, 1.5), 2),
                        calls=dice.randint(1, 25),
                        done=dice.random() < 0.5,
                    )
                )
            case "halt":
                seconds = dice.choice((dice.uniform(1.0, 10.0), dice.uniform(32.0, 60.0)))
                found.append(Fault(at, "halt", dice.randrange(nodes), round(seconds, 2)))
            case "stop":
                found.append(Fault(at, "stop", dice.randrange(nodes), round(dice.uniform(0.5, 20.0), 2)))
            case "google":
                seconds = round(dice.uniform(3.0, 40.0), 2)
                found.append(Fault(at, "google", dice.randrange(accounts), seconds, dice.choice(FLAVOURS)))
            case "leave":
                found.append(Fault(at, "leave", dice.randrange(callers)))
            case "answers lost":
                found.append(Fault(at, "answers lost", dice.randrange(nodes), round(dice.uniform(1.0, 8.0), 2)))
            case _:
                found.append(Fault(at, kind, dice.randrange(nodes), round(dice.uniform(1.0, 45.0), 2)))
    return tuple(sorted(found, key=lambda fault: fault.at))


def faults_of_fleet(seed: int, *, span: float, nodes: int, fronts: int) -> tuple[Fault, ...]:
    """What goes wrong besides where nodes are reached through gateways: the ways to them, and those gateways."""
    dice = Random(f"fleet {seed}")
    found: list[Fault] = []
    for _ in range(dice.randint(1, 6)):
        at, front = round(dice.uniform(0.0, span), 3), FRONTS + dice.randrange(fronts)
        match dice.choice(("way down", "way down", "way slow", "kill", "halt", "store down", "store hangs")):
            case "kill":
                found.append(Fault(at, "kill", front, round(dice.uniform(0.5, 20.0), 2), calls=dice.randint(1, 5)))
            case "halt":
                found.append(Fault(at, "halt", front, round(dice.choice((3.0, 25.0)) * dice.uniform(0.3, 1.5), 2)))
            case ("way down" | "way slow") as kind:
                seconds = dice.choice((1.0, 10.0, 30.0)) * dice.uniform(0.3, 1.4)
                found.append(Fault(at, kind, dice.randrange(nodes), round(seconds, 2)))
            case "store down":
                found.append(Fault(at, "store down", front, round(dice.uniform(1.0, 40.0), 2)))
            case _:
                found.append(Fault(at, "store hangs", front, round(dice.uniform(1.0, 40.0), 2)))
    return tuple(found)


@dataclass(slots=True)
class Door:
    """How one process reaches everything outside itself, and its clock.

    busy: what it waits for in the world at this moment. steps: how often it has stepped into it.
    """

    number: int
    faults: tuple[Fault, ...]
    random: Random
    world: World
    shut: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    dead: bool = False
    steps: int = 0
    countdown: tuple[int, bool] | None = None

    # The clock of the process

    def now(self) -> float:
        return EPOCH + self.monotonic()

    def monotonic(self) -> float:
        return self.world.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()

    # Steps into the world

    async def open(self) -> None:
        """Go on if the process may: a dead one never does, a halted one later."""
        while not self.dead:
            halted = [fault.at + fault.seconds for fault in self.mine("halt")]
            if not halted:
                return
            await asyncio.sleep(max(halted) - self.monotonic() + TICK)
        await self.world.never()

    def mine(self, kind: Kind) -> list[Fault]:
        now = self.monotonic()
        return [f for f in self.faults if f.kind == kind and f.target == self.number and f.holds(now)]

    async def step(self, deed: Callable[[], Awaitable[Any]], *, pace: float = 0.004) -> Any:
        """Do something in the world: the way there, the deed, the way back; the process may die at any of them."""
        await self.open()
        self.steps += 1
        last = self._last_step()
        if last is False:
            self.world.kill(self)
        await asyncio.sleep(pace * self.random.random())
        await self.open()
        result = await deed()
        if last is True:
            self.world.kill(self)
        await asyncio.sleep(pace * self.random.random())
        await self.open()
        return result

    def _last_step(self) -> bool | None:
        """Whether this step is the last one, and if so, whether it still happens."""
        if self.countdown is None:
            return None
        left, done = self.countdown
        self.countdown = (left - 1, done)
        return done if left <= 1 else None

    async def ask_store(self, deed: Callable[[], Awaitable[Any]]) -> Any:
        """A question to the database, with whatever ails the way to it."""
        await self.open()
        if self.mine("store down"):
            await asyncio.sleep(0.01)
            raise _away("connection refused")
        if hanging := self.mine("store hangs"):
            until = max(fault.at + fault.seconds for fault in hanging)
            await asyncio.sleep(min(GIVEN_UP, until - self.monotonic()))
            await self.open()
            if self.mine("store hangs") or until - self.monotonic() > 0:
                raise _away("it does not answer")
        if self.mine("store slow"):
            await asyncio.sleep(self.random.uniform(0.0, 3.0))
        result = await self.step(deed)
        if self.mine("answers lost") and self.random.random() < 0.4:
            raise _away("the connection was lost before it answered")
        return result

    def store(self, store: Any) -> Any:
        """A store behind this door."""
        return _Behind(store, self)


class _Behind:
    def __init__(self, store: Any, door: Door) -> None:
        self._store = store
        self._door = door

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        door = self._door
        if name == "changes":
            return _silence
        if not asyncio.iscoroutinefunction(method):
            return method

        async def ask(*given: Any, **named: Any) -> Any:
            return await door.ask_store(lambda: method(*given, **named))

        return ask


async def _silence() -> AsyncGenerator[str, None]:
    for nothing in list[str]():
        yield nothing


def _away(why: str) -> StorageDown:
    return StorageDown(f"The database is away: {why}", code="database_unavailable", retry_after=5.0)


class World:
    """What doors know of the world."""

    loop: asyncio.AbstractEventLoop
    over: bool = False

    def kill(self, door: Door) -> None:
        raise NotImplementedError

    async def never(self) -> None:
        """Wait for ever; at the end of everything, be cancelled."""
        if self.over:
            raise asyncio.CancelledError
        await asyncio.get_running_loop().create_future()
