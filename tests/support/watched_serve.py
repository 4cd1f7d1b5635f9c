"""`gemgate serve` that watches itself: how long each callback of its event loop takes, and what is open.

Nothing else differs from the command. It answers every line of standard input with a line of JSON (`Figures`), from a
thread of its own, and ends when standard input does. To the word `objects` it tells what there is in memory. After the
word `hold` the garbage collector does not run any more: what is held by itself alone stays, until the word `garbage`
has it found and counted.

A callback's length is the processor time of its thread: on a loaded machine its wall time is somebody else's. Callbacks
of the loop's own making that reach our code without `call_soon` are the server's protocol, which is watched as well.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop
from tests.support import own_memory

from gemgate import allocator, cli
from gemgate.cli import serve, terminal
from gemgate.web.interim import InterimProtocol

LONG = 0.05
"""Seconds that no callback may take."""
LOOKED_AT = 0.02
"""Seconds after which somebody looks where a callback is, so that a long one can be told by its place."""
MOST_TOLD = 20


@dataclass(slots=True)
class Figures:
    """threads: of the process, by the kernel's count, but for those of the loop's pool, which come with need, up to a
    bound, and are kept. tasks: of the loop, by name. longest: seconds of processor time.

    in_use, kept: of the C library's allocator; blocks: given out by Python's own, arenas: what that one has taken for
    them, unused: what lies idle in these by whole pools. rss is anon and file, mapped the same by kind of mapping.

    late: wall seconds of the longest callback, for comparison. long: callbacks over LONG, each with its place.
    objects: how many there are of each kind, where that was asked: it holds everything up. To `garbage`, those that
    nothing but themselves held; rings: the errors among these, each by its kind and place.
    """

    rss: int = 0
    anon: int = 0
    file: int = 0
    mapped: dict[str, int] = field(default_factory=dict)
    in_use: int = 0
    kept: int = 0
    blocks: int = 0
    arenas: int = 0
    unused: int = 0
    descriptors: dict[str, int] = field(default_factory=dict)
    threads: int = 0
    tasks: dict[str, int] = field(default_factory=dict)
    callbacks: int = 0
    longest: float = 0.0
    late: float = 0.0
    long: list[str] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)
    rings: dict[str, int] = field(default_factory=dict)


class Watch:
    """What is known of the callbacks since the last reading."""

    def __init__(self) -> None:
        self.callbacks = 0
        self.longest = self.late = 0.0
        self.long: list[str] = []
        self.since = 0.0
        """When the callback that runs now began; 0 = none does."""
        self.seen = ""
        """Where it was when somebody looked."""
        self._depth = 0
        self._collecting = 0.0
        self._collected = 0.0
        gc.callbacks.append(self._collector)

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self._collected = max(self._collected, time.thread_time() - self._collecting)

    def run(self, callback: Callable[..., Any], *given: Any) -> Any:
        nested = self._depth > 0  # a protocol that is called from a callback
        began = 0.0
        if not nested:
            self._depth, self.since, self.seen, self._collected = 1, time.monotonic(), "", 0.0
            began = time.thread_time()
        try:
            return callback(*given)
        finally:
            if not nested:
                self._over(callback, time.thread_time() - began)
            del callback, given  # an error's frames hold this one from Python 3.12 on, and the task holds the error

    def _over(self, callback: Callable[..., Any], took: float) -> None:
        late = time.monotonic() - self.since
        self._depth, self.since = 0, 0.0
        self.callbacks += 1
        self.late = max(self.late, late)
        self.longest = max(self.longest, took)
        if took > LONG and len(self.long) < MOST_TOLD:
            self.long.append(
                f"{took * 1000:.0f} ms ({self._collected * 1000:.0f} ms of it the collector): "
                f"{_name(callback)} {self.seen}"
            )

    def look(self, thread: int) -> None:
        """For ever: note where a callback is that runs for long."""
        while True:
            time.sleep(LOOKED_AT / 2)
            if self.since and not self.seen and time.monotonic() - self.since > LOOKED_AT:
                self.seen = _place(thread)

    def told(self, loop: asyncio.AbstractEventLoop) -> Figures:
        heap, memory = allocator.heap(), own_memory.resident()
        arenas, unused = own_memory.python_arenas()
        figures = Figures(
            rss=sum(memory.values()),
            anon=memory["RssAnon"],
            file=memory["RssFile"] + memory["RssShmem"],
            mapped=own_memory.mapped(),
            in_use=heap.in_use,
            kept=heap.kept,
            blocks=sys.getallocatedblocks(),
            arenas=arenas,
            unused=unused,
            descriptors=dict(sorted(_descriptors().items())),
            threads=len(os.listdir("/proc/self/task")) - _pooled(),
            tasks=dict(sorted(Counter(_coroutine(task) for task in asyncio.all_tasks(loop)).items())),
            callbacks=self.callbacks,
            longest=self.longest,
            late=self.late,
            long=self.long,
        )
        self.callbacks, self.longest, self.late, self.long = 0, 0.0, 0.0, []
        return figures


class WatchedLoop(uvloop.Loop):
    """uvloop's loop, as `gemgate serve` has it, whose callbacks are timed."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_soon(self._watch.run, callback, *args, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_soon_threadsafe(self._watch.run, callback, *args, context=context)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_later(delay, self._watch.run, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_at(when, self._watch.run, callback, *args, context=context)

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        super().add_reader(fd, self._watch.run, callback, *args)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        super().add_writer(fd, self._watch.run, callback, *args)


def _place(thread: int) -> str:
    """Where a thread is. The frame is named here alone: it holds all that those above it hold.

    `traceback.extract_stack` would read every source it names into memory, and keep it there.
    """
    frame = sys._current_frames().get(thread)
    places = islice(traceback.walk_stack(frame), 12) if frame else ()
    return " < ".join(f"{Path(one.f_code.co_filename).name}:{line}" for one, line in places)


def _name(callback: Any) -> str:
    """What runs: of a task's step, the task's coroutine."""
    owner = getattr(callback, "__self__", None)
    return _coroutine(owner) if isinstance(owner, asyncio.Task) else str(getattr(callback, "__qualname__", callback))


def _coroutine(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_name()))


def _pooled() -> int:
    return sum(thread.name.startswith("uvloop_") for thread in threading.enumerate())


def _descriptors() -> Counter[str]:
    kinds: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one that lists them
            continue
        kind = target.split(":")[0] if ":" in target else Path(target).name
        kinds[_connection(int(number)) if kind == "socket" else kind] += 1
    return kinds


def _connection(number: int) -> str:
    """What a socket is for: a caller's, or a connection of ours to a port."""
    try:
        with socket.socket(fileno=os.dup(number)) as one:
            here = one.getsockname()
            if not isinstance(here, tuple):
                return f"socket of {one.family.name}"
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return f"socket that listens at {here[1]}"
            there = one.getpeername()[1]
            return f"socket of a caller at {here[1]}" if here[1] == int(os.environ["PORT"]) else f"socket to {there}"
    except OSError as error:  # it was closed meanwhile, or has no other end any more
        return f"socket ({error.strerror})"


def _kinds(objects: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(type(one).__qualname__ for one in objects))


def there() -> dict[str, int]:
    """How many objects there are of each kind, with those that the collector keeps and does not look at any more.

    It has to look at these once more afterwards; not while it is held, for then what it would find is to stay.
    """
    gc.unfreeze()
    kinds = _kinds(gc.get_objects())
    if gc.isenabled():
        gc.collect()
    return kinds


def _garbage() -> tuple[dict[str, int], dict[str, int]]:
    """By kind what only the collector finds, and the errors among it by their kind and place."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = _kinds(gc.garbage)
    raised: Counter[str] = Counter()
    for error in gc.garbage:
        if isinstance(error, BaseException) and error.__traceback__:
            *_, last = traceback.extract_tb(error.__traceback__)
            raised[f"{type(error).__qualname__} of {Path(last.filename).name}:{last.lineno} {last.name}"] += 1
    gc.garbage.clear()
    gc.unfreeze()  # gemgate.collector keeps what survives a whole collection, and what was found did
    gc.collect()
    return found, dict(raised)


def _watched(protocol: type[Any], watch: Watch) -> type[Any]:
    """The server's protocol, whose methods the loop calls without a callback."""

    class Watched(protocol):  # type: ignore[misc, valid-type]
        def data_received(self, data: bytes) -> None:
            watch.run(super().data_received, data)

        def connection_made(self, transport: Any) -> None:
            watch.run(super().connection_made, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            watch.run(super().connection_lost, exc)

        def resume_writing(self) -> None:
            watch.run(super().resume_writing)

    return Watched


def main() -> None:
    watch = Watch()
    loop = WatchedLoop(watch)
    terminal._quickest_loop = lambda: lambda: loop
    serve.InterimProtocol = _watched(InterimProtocol, watch)  # type: ignore[misc]
    thread = threading.get_ident()

    def answer() -> None:
        for line in sys.stdin:
            figures = watch.told(loop)
            if line.strip() == "hold":
                gc.collect()
                gc.disable()
            if line.strip() == "objects":
                figures.objects = there()
            if line.strip() == "garbage":
                figures.objects, figures.rings = _garbage()
            print(json.dumps(asdict(figures)), flush=True)
        os._exit(0)

    threading.Thread(target=answer, daemon=True).start()
    threading.Thread(target=watch.look, args=(thread,), daemon=True).start()
    cli.main()


if __name__ == "__main__":
    main()
