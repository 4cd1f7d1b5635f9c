"""Follows a batch over its events and writes each image as soon as it is made: only those that are missing.

A gateway that goes away is waited for; its events are taken up where they stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.progress import Progress, TaskID
from rich.text import Text

from gemgate.cli.batch_plan import local
from gemgate.cli.connection import Connection, written_whole
from gemgate.cli.console import MoreColumn, counted_progress, marked
from gemgate.cli.jobs import PERSON_SECONDS, Patience
from gemgate.cli.terminal import say
from gemgate.cli.words import span
from gemgate.errors import GatewayError, Unreachable

FETCHES = 4
"""Pictures fetched at once."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before a gateway that went away is asked again; the last one over and over."""


@dataclass(slots=True)
class Haul:
    """What a batch has brought: files by task id, errors as the gateway tells them. kept: files that were here.

    stuck: it stands still, and only a person can bring it on.
    """

    status: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: int = 0
    stuck: bool = False

    def summary(self) -> dict[str, Any]:
        """For scripts."""
        counts = {name: self.status.get(name) for name in ("batch_id", "status", "total", "completed", "failed")}
        files = {task: str(path) for task, path in sorted(self.files.items(), key=lambda pair: _number(pair[0]))}
        return {**counts, "files": files, "errors": list(self.errors.values())}


async def follow(
    gateway: Connection,
    batch_id: str,
    folder: Path,
    *,
    quiet: bool,
    to_end: bool = True,
    patience: float = PERSON_SECONDS,
) -> Haul:
    """Until the batch has ended or is paused, and all its pictures are in the folder.

    to_end: False waits for nothing that is not made yet. patience: seconds without anything that goes on without a
    person.
    """
    haul = Haul()
    with counted_progress(MoreColumn(), quiet=quiet, stays=True) as shown:
        bar = shown.add_task(say("painting", "正在生成"), total=None, more=Text())
        waiting: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        fetchers = [asyncio.create_task(_fetcher(gateway, waiting, folder, haul)) for _ in range(FETCHES)]
        try:
            async with aclosing(_events(gateway, batch_id, shown, bar, patience)) as events:
                async for name, data in events:
                    if name == "result":
                        haul.errors.pop(data["task_id"], None)
                        waiting.put_nowait(data)
                    elif name == "failure":
                        haul.errors[data["task_id"]] = data
                    else:
                        haul.status, haul.stuck = data, name == "stuck"
                        shown.update(bar, total=data["total"], completed=data["completed"], more=_more(data))
                        if not to_end:
                            break
            for _ in fetchers:
                waiting.put_nowait(None)
            await asyncio.gather(*fetchers)
        finally:
            for fetcher in fetchers:
                fetcher.cancel()
    return haul


async def _events(
    gateway: Connection, batch_id: str, shown: Progress, bar: TaskID, patience: float
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Name and data of each event, each once, until the batch has ended or is paused; the last is the status again, as
    "stuck", when nothing went on without a person for so long.
    """
    seen, failures, waits = "0", 0, Patience(patience)
    status: dict[str, Any] = {}
    while True:
        try:
            async with aclosing(gateway.lines(f"/v1/batch/{batch_id}/events?after={seen}")) as lines:
                name, number = "", ""
                async for line in lines:
                    text = line.decode()
                    if waits.is_over:  # the gateway says at least that it lives
                        yield "stuck", status
                        return
                    if text.startswith("event: "):
                        name = text[7:]
                    elif text.startswith("id: "):
                        number = text[4:]
                    elif text.startswith("data: "):
                        failures, data = 0, orjson.loads(text[6:])
                        yield name, data
                        if name == "status":
                            status = data
                            waits.hears(status)
                        seen, number = number or seen, ""
                        if name == "status" and data["status"] != "processing" and _settled(data):
                            return
        except Unreachable:
            if gateway.own:
                raise
            away = say("the gateway is away, waiting for it", "网关暂时无法访问，正在等待")
            shown.update(bar, more=marked("[yellow]{}[/yellow]", away))
        await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
        failures += 1


def _settled(status: dict[str, Any]) -> bool:
    """Whether nothing more comes by itself: what runs of a cancelled batch is over at once, of a paused one it ends."""
    return status["status"] == "paused" or not status["pending"]


def _more(status: dict[str, Any]) -> Text:
    parts: list[Text] = []
    if status["failed"]:
        parts.append(marked("[red]{} {}[/red]", status["failed"], say("failed", "张失败")))
    if reason := status.get("waiting_for"):
        parts.append(marked("[yellow]{}[/yellow]", reason))
    elif (eta := status.get("eta_seconds")) and (ready := status.get("ready_at")):
        left = span(eta, whole=True)
        told = say(f"about {left} left, ready by {local(ready)}", f"约剩 {left}，预计 {local(ready)} 前完成")
        parts.append(Text(told))
    return Text(", ").join(parts)


async def _fetcher(
    gateway: Connection, waiting: asyncio.Queue[dict[str, Any] | None], folder: Path, haul: Haul
) -> None:
    while (result := await waiting.get()) is not None:
        try:
            path, fetched = await _fetched(gateway, result, folder)
        except GatewayError as error:
            why = say(f"made, but not fetched: {error.en}", f"已生成，但未能取回：{error.zh}")
            haul.errors[result["task_id"]] = {
                "task_id": result["task_id"], "error": why, "code": "not_fetched", "retryable": True,
            }  # fmt: skip
            continue
        haul.files[result["task_id"]] = path
        haul.kept += not fetched


async def _fetched(gateway: Connection, result: dict[str, Any], folder: Path) -> tuple[Path, bool]:
    """The picture's file, and whether it was missing or broken before. Tried again while the gateway is away."""
    url, facts = str(result["url"]), result["details"]
    path = folder / f"{_number(result['task_id']) + 1:05d}_{url.partition('?')[0].rpartition('/')[2]}"
    if await asyncio.to_thread(_is_whole, path, facts):
        return path, False
    for pause in (*PAUSES, None):
        try:
            async with gateway.open("GET", url) as answer:
                data = await answer.read()
            if hashlib.sha256(data).hexdigest() == facts["sha256"]:
                await asyncio.to_thread(written_whole, path, data)
                return path, True
            raise Unreachable("the bytes are not those of the picture", "图片数据不符")
        except Unreachable:
            if pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _is_whole(path: Path, facts: dict[str, Any]) -> bool:
    try:
        same_size: bool = path.stat().st_size == facts["bytes"]
        return same_size and hashlib.sha256(path.read_bytes()).hexdigest() == str(facts["sha256"])
    except OSError:
        return False


def _number(task_id: str) -> int:
    return int(task_id.rpartition("_")[2])
