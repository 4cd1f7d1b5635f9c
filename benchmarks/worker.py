"""A process that makes calls: `python -m benchmarks.worker`, one JSON line in, one out.

The first line says through what: the library as it is ("stock"), our upstream ("hardened"), or a running gateway
("gateway"; then this process is only the load). Every further line is a Task.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from benchmarks.load import Answer, Client

MODEL, GATEWAY_MODEL = "gemini-flash", "gemini-3-flash-preview"
"""Named in every call: the account's Flash model, by its own name and by the gateway's id for it."""

Converse = Callable[[Sequence[str], bool], Awaitable[Answer]]
"""One new conversation: its prompts one after the other, and whether to stream; the answer is the last one's."""


@dataclass(frozen=True, slots=True)
class Task:
    """calls: how many conversations at most, `at_once` at a time; none is begun when `seconds` are over.

    expect: characters every answer must have. turns: of each conversation.
    beside: a prompt that is streamed over and over meanwhile, in this same process; pause: seconds between two calls.
    """

    prompt: str
    expect: int
    calls: int = 1
    at_once: int = 1
    turns: int = 1
    seconds: float = 4.0
    stream: bool = False
    beside: str = ""
    pause: float = 0.0


@dataclass(slots=True)
class Times:
    """Seconds: of the whole task, of each call, and of each call to its first text."""

    wall: float = 0.0
    calls: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)


async def stock(about: dict[str, Any]) -> Converse:
    """The library, unmodified and with its defaults."""
    from gemini_webapi import GeminiClient

    cookies = about["cookies"]
    client = GeminiClient(
        cookies["__Secure-1PSID"], cookies["__Secure-1PSIDTS"], proxy=about["proxy"], verify=about["ca_file"]
    )
    await client.init()

    async def converse(prompts: Sequence[str], stream: bool) -> Answer:
        chat = client.start_chat(model=MODEL) if len(prompts) > 1 else None
        for prompt in prompts:
            if not stream:
                output = await client.generate_content(prompt, model=MODEL, chat=chat)
                answer = Answer(output.text, perf_counter())
                continue
            first, deltas = 0.0, []
            async for output in client.generate_content_stream(prompt, model=MODEL, chat=chat):
                if output.text_delta and not first:
                    first = perf_counter()
                deltas.append(output.text_delta)
            answer = Answer("".join(deltas), first)
        return answer

    return converse


async def hardened(about: dict[str, Any]) -> Converse:
    """The gateway's own upstream, without the gateway."""
    from gemgate.accounts import Cookies
    from gemgate.chat import TextDelta
    from gemgate.ports.upstream import Completed, Prompt
    from gemgate.upstreams.web.logs import bridge
    from gemgate.upstreams.web.upstream import WebUpstream

    bridge()
    cookies = about["cookies"]
    upstream = WebUpstream(proxy=about["proxy"], ca_file=about["ca_file"], lanes=256)
    opened = await upstream.open(Cookies(cookies["__Secure-1PSID"], cookies["__Secure-1PSIDTS"]))
    offer = next(offer for offer in opened.models if offer.name == MODEL)

    async def converse(prompts: Sequence[str], stream: bool) -> Answer:
        thread = None
        for prompt in prompts:
            first, deltas = 0.0, []
            async for piece in upstream.stream(Prompt(prompt, offer, thread=thread, exact=not stream)):
                if isinstance(piece, TextDelta):
                    first = first or perf_counter()
                    deltas.append(piece.text)
                elif isinstance(piece, Completed):
                    thread = piece.thread
        return Answer("".join(deltas), first)

    return converse


async def gateway(about: dict[str, Any]) -> Converse:
    """A gateway that runs already."""
    client = Client(about["url"], GATEWAY_MODEL)

    async def converse(prompts: Sequence[str], stream: bool) -> Answer:
        return await client.converse(prompts, stream=stream)

    return converse


_WAYS = {"stock": stock, "hardened": hardened, "gateway": gateway}
_numbers = itertools.count(1)


async def carry_out(converse: Converse, task: Task) -> Times:
    """Make the calls of a task; RuntimeError when an answer is not what the service said."""
    times = Times()
    left = iter(range(task.calls))
    neighbour = _Neighbour(converse, task.beside)
    await neighbour.begun()
    began = perf_counter()

    async def lane() -> None:
        for _ in left:
            if perf_counter() - began > task.seconds:
                return
            asked = perf_counter()
            prompts = [f"{task.prompt} {next(_numbers)}" for _ in range(task.turns)]
            answer = await converse(prompts, task.stream)
            times.calls.append(perf_counter() - asked)
            times.firsts.append(answer.first - asked)
            if len(answer.text) != task.expect:
                raise RuntimeError(f"{task.prompt}: {len(answer.text)} characters came instead of {task.expect}")
            if task.pause:
                await asyncio.sleep(task.pause)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(task.at_once):
            lanes.create_task(lane())
    times.wall = perf_counter() - began
    await neighbour.end()
    return times


class _Neighbour:
    """A long stream that never stops while others are measured; no prompt, no neighbour."""

    def __init__(self, converse: Converse, prompt: str) -> None:
        self._running = bool(prompt)
        self._task = asyncio.create_task(self._stream(converse, prompt)) if prompt else None

    async def _stream(self, converse: Converse, prompt: str) -> None:
        while self._running:
            await converse([f"{prompt} {next(_numbers)}"], True)

    async def begun(self) -> None:
        if self._task:
            await asyncio.sleep(0.2)

    async def end(self) -> None:
        self._running = False
        if self._task:
            await self._task


async def serve() -> None:
    """Read what to be, then tasks, until standard input ends."""
    about = json.loads(await asyncio.to_thread(sys.stdin.readline))
    converse = await _WAYS[about["way"]](about)
    _say({})
    while line := await asyncio.to_thread(sys.stdin.readline):
        times = await carry_out(converse, Task(**json.loads(line)))
        _say(asdict(times))


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
