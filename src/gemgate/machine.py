"""What the machine under us runs out of: memory, descriptors, disk; and which store that we write to is away.

Everything is read where the system says it. Of a shortage that would end the process (memory) or break calls off in the
middle, new calls are refused before they cost anything; of the others it is only told, for serving goes on without.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

from gemgate.allocator import give_back, heap
from gemgate.errors import Busy, GatewayError, StorageDown
from gemgate.frozen import frozen
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

resource: ModuleType | None = None
with contextlib.suppress(ImportError):  # not on every system
    resource = import_module("resource")

LOOK_EVERY = 5.0
"""Seconds between two looks, and at most between the end of a shortage and its being known."""
GIVEN_BACK_EVERY = 60.0
"""Seconds. By itself the C library returns only what is free at the end of its heap, where something new always lies:
what it keeps grows for days, by some 1 MB for 10 000 calls."""
MB = 1 << 20
READ_COST = 6
"""Bytes of memory that a byte of a request's body takes at most while it is read: text, tree, messages, prompt."""
UNKNOWN_BODY = MB
"""Bytes that a body is believed to have which does not say."""
LEAST_DISK, DISK_SHARE = 64 * MB, 0.05
"""A disk is full with less than this left, or of a small one with less than this share."""
OWN_DESCRIPTORS = 64
"""What a process without a client has open: log, database, connections to Google."""

Part = Literal["memory", "descriptors", "disk", "database", "storage"]
PARTS: tuple[Part, ...] = ("memory", "descriptors", "disk", "database", "storage")


@frozen
class Shortage:
    """Something that we lack now, in a sentence."""

    part: Part
    en: str
    zh: str

    def text(self, language: str = "en") -> str:
        return self.zh if language.lower().startswith("zh") else self.en


@frozen
class _Bound:
    """A limit on our memory. virtual: it counts what is reserved, not what is used."""

    limit: int
    used: Callable[[], int]
    virtual: bool


class Memory:
    """How far we are from the limits that the system has put on our memory: control groups, RLIMIT_AS, RLIMIT_DATA.

    Without a limit nothing is ever short: what other programs take of the machine is not ours to judge.
    """

    def __init__(self, proc: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._bounds = [*_rlimits(proc), *_groups(proc, groups)]
        self._promised = 0

    @property
    def limit(self) -> int:
        """The lowest limit, 0 without one."""
        return min((bound.limit for bound in self._bounds), default=0)

    def fits(self, resident: int, virtual: int = 0) -> bool:
        """Whether so much more memory can be had. virtual: what is only reserved beside it."""
        for bound in self._bounds:
            left = bound.limit - bound.used() - self._promised - _reserve(bound.limit)
            if bound.virtual and left < virtual:
                return False
            if left + (heap().kept if bound.virtual else 0) < resident:
                return False
        return True

    @contextmanager
    def promised(self, size: int) -> Iterator[None]:
        """So much may be taken by what is done inside."""
        self._promised += size
        try:
            yield
        finally:
            self._promised -= size


def _reserve(limit: int) -> int:
    """What is kept free for what is under way."""
    return max(min(limit // 10, 256 * MB), 24 * MB)


def _rlimits(proc: Path) -> Iterator[_Bound]:
    if resource is None or not (proc / "statm").exists():
        return
    page = resource.getpagesize()
    for which, field in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        limit, _ = resource.getrlimit(which)
        if limit != resource.RLIM_INFINITY:
            yield _Bound(limit, lambda field=field: int((proc / "statm").read_text().split()[field]) * page, True)  # type: ignore[misc]


def _groups(proc: Path, groups: Path) -> Iterator[_Bound]:
    """The limits of our control group and of all above it, of either version."""
    with contextlib.suppress(OSError):
        for line in (proc / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                names = ("", "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            top, limit, used, cache = names
            inside = Path(path.lstrip("/"))
            for place in (inside, *inside.parents):
                yield from _group(groups / top / place, limit, used, cache)


def _group(place: Path, limit: str, used: str, cache: str) -> Iterator[_Bound]:
    with contextlib.suppress(OSError, ValueError):
        most = int((place / limit).read_text())  # "max" is none
        if most < 1 << 60:
            yield _Bound(most, lambda: _resident(place / used, place / "memory.stat", cache), False)


def _resident(used: Path, stat: Path, cache: str) -> int:
    """What a group uses but for the file cache, which the system takes back by itself."""
    lines = stat.read_text().splitlines()
    idle = next((int(line.split()[1]) for line in lines if line.startswith(cache + " ")), 0)
    return int(used.read_text()) - idle


@dataclass(slots=True)
class Clients:
    """Connections to this process. most: so many have room, for each call may need another one behind it; 0 = unknown.

    A process has one table of descriptors, hence one of these.
    """

    most: int = 0
    open: int = 0

    @property
    def crowded(self) -> bool:
        return 0 < self.most <= self.open

    def make_room(self) -> None:
        """Take all the descriptors that we may have: the lower limit is for programs that use select()."""
        if resource is None:
            return
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = max(8, (limit - OWN_DESCRIPTORS) // 2) if limit != resource.RLIM_INFINITY else 0


CLIENTS = Clients()


class Machine:
    """`tend` looks every few seconds, and returns free memory to the system now and then; what is short stands in
    `shortages`, without paths: anybody may read it.

    folder: whose disk has to have room. stores: why each store that we write to is away, "" when it is not; each is
    asked, and tried again by what stands beside it while it is away.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        observer: Observer,
        memory: Memory | None = None,
        stores: Mapping[Part, tuple[Callable[[], StorageDown | None], Callable[[], Awaitable[object]]]] | None = None,
    ) -> None:
        self.memory = memory or Memory()
        self._folder = folder
        self._clock = clock
        self._observer = observer
        self._stores = stores or {}
        self._seen: dict[Part, Shortage] = {}
        self._gave_back = clock.monotonic()

    @property
    def shortages(self) -> Sequence[Shortage]:
        """What is short now: memory and stores as they are at this moment, the rest as it was at the last look."""
        found = dict(self._seen)
        for part in ("memory", "descriptors"):
            found.pop(part, None)
        if not self.memory.fits(0):
            found["memory"] = _no_memory(self.memory.limit)
        if CLIENTS.crowded:
            found["descriptors"] = _crowded(CLIENTS.most)
        for part, (why, _) in self._stores.items():
            found.pop(part, None)
            if (error := why()) is not None:
                found[part] = Shortage(part, error.en, error.zh)
        return [found[part] for part in PARTS if part in found]

    def short(self, *parts: Part) -> bool:
        return any(shortage.part in parts for shortage in self.shortages)

    def refuses(self, length: int | None) -> Busy | None:
        """Why a call with so long a body cannot be taken; None when it can."""
        if length == 0:
            return None
        if self.memory.fits(self.cost(length)):
            return None
        words = _no_memory(self.memory.limit)
        return Busy(words.en, words.zh, retry_after=LOOK_EVERY, code="out_of_memory")

    def cost(self, length: int | None) -> int:
        """Bytes of memory that a call with so long a body takes."""
        return READ_COST * (UNKNOWN_BODY if length is None else length)

    async def tend(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Look at everything, try again what is away, and say what has changed."""
        for why, again in self._stores.values():
            if why() is not None:
                with contextlib.suppress(GatewayError, TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await again()
        short = not self.memory.fits(0)
        if short:
            await asyncio.to_thread(gc.collect)
        if short or self._clock.monotonic() - self._gave_back >= GIVEN_BACK_EVERY:
            self._gave_back = self._clock.monotonic()
            await asyncio.to_thread(give_back)
        before = {shortage.part for shortage in self._seen.values()}
        looked = await asyncio.to_thread(lambda: list(self._looked_at()))
        self._seen = {shortage.part: shortage for shortage in looked}
        self._seen = {shortage.part: shortage for shortage in self.shortages}
        for part in PARTS:
            if (part in self._seen) != (part in before):
                lacks = self._seen.get(part)
                self._observer.emit(
                    TelemetryEvent(
                        "machine.short" if lacks else "machine.enough",
                        data={"part": part, "why": lacks.en if lacks else ""},
                    )
                )

    def _looked_at(self) -> Iterator[Shortage]:
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(self._folder)
            if disk.free < min(LEAST_DISK, DISK_SHARE * disk.total):
                left = disk.free // 1024
                yield Shortage(
                    "disk",
                    f"The disk of DATA_DIR is full ({left} kB left); make room",
                    f"DATA_DIR 所在磁盘已满（剩余 {left} kB），请清理空间",
                )


def crowded() -> Busy:
    """What a connection too many is told."""
    words = _crowded(CLIENTS.most)
    return Busy(words.en, words.zh, retry_after=LOOK_EVERY, code="too_many_connections")


def _crowded(most: int) -> Shortage:
    return Shortage(
        "descriptors",
        f"All {most} connections that there are file descriptors for are in use; raise the limit (ulimit -n)",
        f"文件描述符所允许的 {most} 个连接已全部占用，请提高上限（ulimit -n）",
    )


def _no_memory(limit: int) -> Shortage:
    return Shortage(
        "memory",
        f"Memory is short: the limit of {limit // MB} MB is nearly reached. Try again in a moment, or raise the limit",
        f"内存不足：已接近 {limit // MB} MB 的上限，请稍后重试或提高上限",
    )
