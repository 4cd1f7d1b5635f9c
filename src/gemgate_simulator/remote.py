"""A simulator in another process, steered over its control API: the verbs of Google, sent instead of called."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Generic, TypeVar, Unpack
from urllib.parse import urlsplit

import aiohttp

from gemgate_simulator.accounts import Tier
from gemgate_simulator.control_json import brush_to_json, wishes_to_json
from gemgate_simulator.films import FilmHabits
from gemgate_simulator.record import Record
from gemgate_simulator.refusals import Meaning
from gemgate_simulator.research import ResearchHabits
from gemgate_simulator.script import ImageSource, Kind, Pacing, Pattern, Upload, brushes_of
from gemgate_simulator.studio import Wishes

T = TypeVar("T")
_START = 30.0
"""Seconds a simulator may take to start, and to stop."""


class RemoteGoogle(Generic[T]):
    """The verbs of Google; every one gives what `send` gives: an awaitable, or the result itself.

    `Answer` objects and functions cannot travel: give `reply` text, frames, raw or image and the pacing as keywords.
    """

    def __init__(self, send: Callable[[str, dict[str, Any], Callable[[Any], Any]], T]) -> None:
        self._send = send

    def reply(
        self,
        pattern: Pattern,
        text: str = "",
        *,
        frames: Sequence[str] = (),
        raw: Sequence[str] = (),
        image: ImageSource | Sequence[ImageSource] = (),
        times: int | None = None,
        model: str | None = None,
        **pacing: Unpack[Pacing],
    ) -> T:
        """See Google.reply."""
        brushes = [brush_to_json(brush) for brush in brushes_of(image)]
        fields = {"text": text, "frames": list(frames), "raw": list(raw), "times": times, "model": model, **pacing}
        return self._send("reply", {**_travelling("pattern", pattern), **fields, "image": brushes}, _same)

    def refuse(self, pattern: Pattern, meaning: Meaning = "refusal", **more: Any) -> T:
        """See Google.refuse."""
        return self._send("refuse", {**_travelling("pattern", pattern), "meaning": meaning, **more}, _same)

    def images(
        self,
        *,
        account: str | None = None,
        tier: Tier | None = None,
        model: str | None = None,
        **wishes: Unpack[Wishes],
    ) -> T:
        """See Google.pictures."""
        whom = {"account": account, "tier": tier, "model": model}
        return self._send("pictures", {**whom, **wishes_to_json(wishes)}, _same)

    def videos(self, **habits: Unpack[FilmHabits]) -> T:
        """See Google.videos."""
        return self._send("videos", dict(habits), _same)

    def music(self, **habits: Unpack[FilmHabits]) -> T:
        """See Google.music."""
        return self._send("music", dict(habits), _same)

    def research(self, **habits: Unpack[ResearchHabits]) -> T:
        """See Google.research."""
        return self._send("research", dict(habits), _same)

    def original(self, image_id: str) -> T:
        """See Google.original."""
        return self._send("picture", {"id": image_id}, lambda files: base64.b64decode(files["original"]))

    def plain(self, image_id: str) -> T:
        """See Google.plain."""
        return self._send("picture", {"id": image_id}, lambda files: base64.b64decode(files["plain"]))

    def fault(self, where: str, kind: Kind, *, match: Pattern | None = None, **more: Any) -> T:
        """See Google.fault."""
        return self._send("fault", {"where": where, "kind": kind, **_travelling("match", match), **more}, _same)

    def clear(self) -> T:
        return self._send("clear", {}, _same)

    def expire(self, account: str) -> T:
        return self._send("expire", {"account": account}, _same)

    def revive(self, account: str) -> T:
        return self._send("revive", {"account": account}, _same)

    def rotate(self, account: str) -> T:
        return self._send("rotate", {"account": account}, _same)

    def cookies(self, account: str) -> T:
        """Cookie names and values as they are now."""
        return self._send("cookies", {"account": account}, _same)

    def sign_in(self, account: str) -> T:
        return self._send("sign_in", {"account": account}, _same)

    def advance(self, seconds: float) -> T:
        """Let the simulator's clock jump ahead."""
        return self._send("advance", {"seconds": seconds}, _same)

    def tolerate(self, *hosts: str) -> T:
        """See Google.tolerate."""
        return self._send("tolerate", {"hosts": hosts}, _same)

    def account(self, account: str, **facts: Any) -> T:
        """The account's facts, after setting some (status, language, lifetime, grace, needs_stamp, used)."""
        return self._send("account", {"account": account, **facts}, _same)

    def world(self, **habits: Any) -> T:
        """Set what the service does for everybody: reads_temporary, carries_on, patience, and any of `Switches`
        (`files` as an object of the fields of `FileHabits`).
        """
        return self._send("world", habits, _same)

    def add_account(self, account: str, **facts: Any) -> T:
        """A new account; gives its cookies."""
        return self._send("add_account", {"account": account, **facts}, _same)

    def upload(self, file_id: str) -> T:
        """An uploaded file with its bytes."""
        return self._send("upload", {"id": file_id}, _upload)

    def record(self) -> T:
        """The Record as it is now."""
        return self._send("record", {}, Record.from_dict)

    def forget(self) -> T:
        """Start counting again."""
        return self._send("forget", {}, _same)


@dataclass(frozen=True, slots=True)
class _Remote(Generic[T]):
    """Where a running simulator is, and its verbs.

    accounts: the cookies of every account at the start.
    """

    proxy_url: str
    control_url: str
    ca_file: Path
    accounts: dict[str, dict[str, str]]
    google: RemoteGoogle[T]

    def record(self) -> T:
        """What it has seen so far: a Record."""
        return self.google.record()


class RemoteSimulator(_Remote[Awaitable[Any]]):
    """The asynchronous one: `async with RemoteSimulator.spawn() as sim: await sim.google.reply(...)`."""

    @classmethod
    @asynccontextmanager
    async def attach(cls, ready: dict[str, Any]) -> AsyncIterator[RemoteSimulator]:
        """Steer a simulator that runs already; `ready` is the line it printed."""
        async with aiohttp.ClientSession() as session:

            async def send(verb: str, arguments: dict[str, Any], read: Callable[[Any], Any]) -> Any:
                async with session.post(f"{ready['control_url']}/{verb}", json=arguments) as response:
                    return read(_result(await response.json()))

            yield cls(**_where(ready), google=RemoteGoogle(send))

    @classmethod
    @asynccontextmanager
    async def spawn(cls, accounts: Sequence[str] = ("alice",), **options: Any) -> AsyncIterator[RemoteSimulator]:
        """Start one in a process of its own; options as for `command`. It ends with this block."""
        process = await asyncio.create_subprocess_exec(
            *command(accounts, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START):
                line = await process.stdout.readline()
            if not line:
                raise RuntimeError("the simulator ended before it was ready; its reason is on stderr")
            async with cls.attach(json.loads(line)) as remote:
                yield remote
        finally:
            process.stdin.close()
            try:
                async with asyncio.timeout(_START):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


class BlockingSimulator(_Remote[Any]):
    """The same for code without an event loop: `with BlockingSimulator.spawn() as sim: sim.google.reply(...)`."""

    @classmethod
    def attach(cls, ready: dict[str, Any]) -> BlockingSimulator:
        """Steer a simulator that runs already; `ready` is the line it printed."""
        address = urlsplit(ready["control_url"])

        def send(verb: str, arguments: dict[str, Any], read: Callable[[Any], Any]) -> Any:
            connection = HTTPConnection(address.hostname or "", address.port, timeout=_START)
            try:
                connection.request(
                    "POST", f"{address.path}/{verb}", json.dumps(arguments), {"content-type": "application/json"}
                )
                return read(_result(json.load(connection.getresponse())))
            finally:
                connection.close()

        return cls(**_where(ready), google=RemoteGoogle(send))

    @classmethod
    @contextmanager
    def spawn(cls, accounts: Sequence[str] = ("alice",), **options: Any) -> Iterator[BlockingSimulator]:
        """Start one in a process of its own; options as for `command`. It ends with this block."""
        line = command(accounts, **options)
        with subprocess.Popen(  # noqa: S603  (the command line is ours)
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                ready = process.stdout.readline()
                if not ready:
                    raise RuntimeError("the simulator ended before it was ready; its reason is on stderr")
                yield cls.attach(json.loads(ready))
            finally:
                process.stdin.close()
                try:
                    process.wait(_START)
                except subprocess.TimeoutExpired:
                    process.kill()


def command(
    accounts: Sequence[str] = ("alice",),
    *,
    http2: bool = True,
    tier: Tier = "pro",
    seed: int | None = 0,
    port: int = 0,
    pace: float = 0.0,
) -> list[str]:
    """The command line of a simulator that ends with its parent."""
    line = [sys.executable, "-m", "gemgate_simulator", "--die-with-parent", "--accounts", ",".join(accounts)]
    line += ["--tier", tier, "--port", str(port), "--seed", "none" if seed is None else str(seed)]
    line += ["--pace", str(pace)]
    return line if http2 else [*line, "--no-http2"]


def _where(ready: dict[str, Any]) -> dict[str, Any]:
    return {
        "proxy_url": ready["proxy_url"],
        "control_url": ready["control_url"],
        "ca_file": Path(ready["ca_file"]),
        "accounts": {name: account["cookies"] for name, account in ready["accounts"].items()},
    }


def _travelling(name: str, pattern: Pattern | None) -> dict[str, Any]:
    if isinstance(pattern, re.Pattern):
        flags = "".join(
            flag for flag, bit in (("i", re.IGNORECASE), ("s", re.DOTALL), ("m", re.MULTILINE)) if pattern.flags & bit
        )
        return {name: f"(?{flags}){pattern.pattern}" if flags else pattern.pattern, "regex": True}
    return {name: pattern}


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["result"]


def _same(result: Any) -> Any:
    return result


def _upload(result: dict[str, Any]) -> Upload:
    return Upload(**{**result, "data": base64.b64decode(result["data"])})
