"""Doubles for tests, ours and yours: a clock that is turned by hand, an upstream that follows a script."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence

from gemgate.accounts import Cookies, Kind, Offer, Opened, UsageWindow
from gemgate.chat import TextDelta
from gemgate.errors import GatewayError
from gemgate.ports import Answered, Answering, Fact, Fetched, ImageRef, Piece, Prompt, Thread, Upload

FLASH = Offer("aa", "gemini-flash", "Flash", aliases=("flash",))
PRO = Offer("bb", "gemini-pro", "Pro", aliases=("pro",))


class FakeClock:
    """Time stands still until `advance`; sleepers wake in their order."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass and everything run that they wake."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now = end


async def settle(rounds: int = 20) -> None:
    """Give every ready task its turns."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class Facts:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def note(self, fact: Fact) -> None:
        self.facts.append(fact)

    def named(self, name: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.name == name]


Line = str | GatewayError | Callable[[Prompt], "str | GatewayError"]


class ScriptedUpstream:
    """Says the next line of its script for each prompt, or raises it; the last line is repeated.

    `opening` is raised by `open` as long as it is set. `prompts` keeps what was sent.
    """

    kind: Kind = "web"

    def __init__(self, *lines: Line, offers: Sequence[Offer] = (FLASH, PRO)) -> None:
        self.lines = list(lines) or ["ok"]
        self.offers = tuple(offers)
        self.opening: GatewayError | None = None
        self.opened_with: list[Cookies | None] = []
        self.prompts: list[Prompt] = []
        self.gate: asyncio.Event | None = None
        self.closed = False

    async def open(self, cookies: Cookies | None) -> Opened:
        self.opened_with.append(cookies)
        await asyncio.sleep(0)
        if self.opening is not None:
            raise self.opening
        return Opened(self.offers)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if self.gate is not None:
            await self.gate.wait()
        said = line(prompt) if callable(line) else line
        if isinstance(said, GatewayError):
            raise said
        number = len(self.prompts)
        yield Answering(f"c_{number}")
        yield TextDelta(said)
        yield Answered(Thread((f"c_{number}", f"r_{number}", f"rc_{number}")), said)

    async def upload(self, upload: Upload) -> str:
        return f"/uploads/{upload.sha256}"

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        raise NotImplementedError

    async def read_chat(self, cid: str) -> list[Piece] | None:
        return None

    async def delete_chat(self, cid: str) -> None:
        return None

    async def ping(self) -> Opened:
        return await self.open(None)

    async def rotate(self) -> Cookies:
        return Cookies("rotated")

    async def usage(self) -> tuple[UsageWindow, ...]:
        return ()

    async def close(self) -> None:
        self.closed = True
