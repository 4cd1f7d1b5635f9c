"""`python -m gemgate_simulator`: the simulator as a process. It prints one JSON line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from gemgate_simulator.accounts import Tier
from gemgate_simulator.simulator import Simulator

try:
    from uvloop import run
except ImportError:  # it has no wheels for Windows
    from asyncio import run  # type: ignore[assignment]


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gemgate_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--no-http2", action="store_true", help="offer HTTP/1.1 only")
    parser.add_argument("--accounts", default="alice", help="names, separated by commas")
    parser.add_argument("--tier", default="pro", choices=get_args(Tier))
    parser.add_argument("--ready-file", type=Path, help="write the JSON line here as well")
    parser.add_argument("--seed", default="0", help="decides every freedom of the wire format; none: take none of them")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between the frames of unscripted answers")
    parser.add_argument("--die-with-parent", action="store_true", help="end when standard input closes")
    return parser.parse_args(words)


def _ready(sim: Simulator) -> dict[str, Any]:
    return {
        "proxy_url": sim.proxy_url,
        "ca_file": str(sim.ca_file),
        "control_url": sim.control_url,
        "accounts": {name: {"cookies": sim.google.cookies(name)} for name in sim.google.names},
    }


def _announce(sim: Simulator, ready_file: Path | None) -> None:
    line = json.dumps(_ready(sim))
    if ready_file:
        # The line carries cookies: nobody else may read it, and nobody may read half of it
        half = ready_file.with_suffix(ready_file.suffix + ".part")
        half.touch(mode=0o600)
        half.write_text(line + "\n", encoding="utf-8")
        half.replace(ready_file)
    print(line, flush=True)  # noqa: T201  (this line is the interface)


def _watch_parent(gone: Callable[[], object]) -> None:
    """Read standard input to its end, which is the parent's end. In a thread: stdin may be any kind of file."""

    def read() -> None:
        while os.read(0, 4096):
            pass
        gone()

    threading.Thread(target=read, daemon=True).start()


async def serve(asked: argparse.Namespace) -> None:
    """Run until SIGTERM, SIGINT, or the parent's end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    names = [name for name in asked.accounts.split(",") if name]
    seed = None if asked.seed == "none" else int(asked.seed)
    sim = Simulator(names, http2=not asked.no_http2, seed=seed, tier=asked.tier, port=asked.port, pace=asked.pace)
    async with sim:
        _announce(sim, asked.ready_file)
        if asked.die_with_parent:
            _watch_parent(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()


def main(words: Sequence[str] | None = None) -> None:
    """Run on uvloop where it is installed."""
    run(serve(_arguments(words)))


if __name__ == "__main__":
    main()
