"""A gateway in a process of its own that measures itself: how long its event loop was held up, how much memory it took.

Settings come from the environment. It prints its address, then answers every line of standard input with a JSON line:
what was measured since the last one. It ends when standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from gemgate.assembly.node import open_service
from gemgate.cli.serve import listen
from gemgate.cli.terminal import run
from gemgate.settings.loading import load
from gemgate.web.app import create_app
from gemgate.web.server import IDLE_SECONDS

TICK = 0.002
"""Seconds between two looks at the loop."""


class LoopWatch:
    """The longest time that this process held its loop up, in seconds, since the last `reset`.

    By how much the loop was late for an appointment, but never more than the process worked meanwhile, on all its
    threads: when others have the processor, that is not our doing.
    """

    def __init__(self) -> None:
        self.worst = 0.0

    def reset(self) -> None:
        self.worst = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, worked = loop.time() + TICK, time.process_time()
            await asyncio.sleep(TICK)
            self.worst = max(self.worst, min(loop.time() - due, time.process_time() - worked))


def kilobytes(field: str) -> int:
    """A field of this process's status: VmRSS is what it takes, VmHWM the most it took since `forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def ask(told: Callable[[], dict[str, float]]) -> None:
    for _ in sys.stdin:
        print(json.dumps(told()), flush=True)
    os._exit(0)


async def main() -> None:
    settings = load().settings
    sock = listen("127.0.0.1", 0)
    watch = LoopWatch()
    before = 0

    def told() -> dict[str, float]:
        nonlocal before
        figures = {"worst": watch.worst, "grown": (kilobytes("VmHWM") - before) * 1024}
        forget_peak()
        before = kilobytes("VmRSS")
        watch.reset()
        return figures

    async with open_service(settings) as service:
        config = uvicorn.Config(
            create_app(settings, service),
            http="httptools",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_keep_alive=IDLE_SECONDS,
        )
        watching = asyncio.create_task(watch.watch())
        threading.Thread(target=ask, args=(told,), daemon=True).start()
        print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
        await uvicorn.Server(config).serve(sockets=[sock])
        watching.cancel()


if __name__ == "__main__":
    run(main())
