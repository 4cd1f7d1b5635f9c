"""The ledger of usage: what calls cost, summed up by hour and by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gemgate.frozen import frozen

DIMENSIONS = ("day", "hour", "key", "account", "model", "served", "dialect", "kind", "outcome")
"""What can be asked by, in the order of the columns of an answer."""
AMOUNTS = (
    "calls", "tokens_in", "tokens_out", "images", "videos", "seconds", "bytes", "generations", "retries",
)  # fmt: skip
"""What is summed up."""


class UsageOf(NamedTuple):
    """Whose usage it is. No text of a caller.

    day: since 1970 in UTC; hour: 0 to 23. key: its name, "" without one. model: as it was asked for, served: as Google
    named it ("unknown" where it named none, "" where nothing was sent). dialect: "" where it is not known.
    kind: chat, image, video, music, research, audio; chat and image also behind `batch_` or `background_`.
    outcome: ok, caller_left, cancelled, an error's `kind`, or "unfinished" for what runs of a task cost that did not
    end it: such a row has no calls.
    """

    day: int
    hour: int
    key: str
    account: str
    model: str
    served: str
    dialect: str
    kind: str
    outcome: str


@dataclass(slots=True)
class UsageSums:
    """calls: ended. tokens: estimated. seconds: from a call's coming to its end, of tasks those of their runs.
    bytes: of images and videos as they are stored. generations: prompts for which Google made an answer, or may have.
    retries: prompts that were sent once more, to another account or for a better form.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    images: int = 0
    videos: int = 0
    seconds: float = 0.0
    bytes: int = 0
    generations: int = 0
    retries: int = 0

    def add(self, more: UsageSums) -> None:
        self.calls += more.calls
        self.tokens_in += more.tokens_in
        self.tokens_out += more.tokens_out
        self.images += more.images
        self.videos += more.videos
        self.seconds += more.seconds
        self.bytes += more.bytes
        self.generations += more.generations
        self.retries += more.retries


@frozen
class UsageRow:
    """One row of an answer. of: the asked dimensions, `day` and `hour` as numbers."""

    of: tuple[str | int, ...]
    sums: UsageSums


@frozen
class UsageQuestion:
    """by: some of `DIMENSIONS`. since, until: days, `until` not included. where: dimension (none of time) -> value.
    most: rows of the answer; one more says that there are more.
    """

    by: tuple[str, ...]
    since: int
    until: int
    where: tuple[tuple[str, str], ...] = ()
    most: int = 10_000


class UsageStore(Protocol):
    """StorageDown anywhere."""

    async def add(self, writer: str, number: int, sums: Mapping[UsageOf, UsageSums], now: float) -> None:
        """Add sums to the ledger, all or nothing. `number` counts up for each `writer`: what was written under it
        before is not added again, so that a writer may repeat what it cannot know to have been written.
        """
        ...

    async def ask(self, question: UsageQuestion) -> Sequence[UsageRow]:
        """In the order of the dimensions asked by."""
        ...

    async def forget_before(self, day: int) -> int:
        """Drop the days before; how many rows."""
        ...
