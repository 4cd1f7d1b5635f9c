"""`gemgate jobs`: whatever runs in the background on a gateway, of every kind: batches of pictures, OpenAI's batches,
background responses, single calls for images. `gemgate batch` takes its listing and steering from here.

The commands speak `/api/jobs` and nothing else, so that a gateway far away and one on this machine are the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from gemgate.batches import BatchKind, JobStatus
from gemgate.cli.batch_plan import local
from gemgate.cli.connection import Connection, KeyOption, UrlOption, through, written_whole
from gemgate.cli.console import err, marked, out
from gemgate.cli.terminal import (
    NEEDS_PERSON,
    ConfigOption,
    JsonOption,
    OutputOption,
    counted,
    fail,
    say,
    write_json,
)
from gemgate.cli.words import span, word
from gemgate.errors import Unreachable

jobs = typer.Typer(
    name="jobs",
    help="Everything that runs in the background, of all kinds: list, show, watch, cancel, retry, fetch.",
    no_args_is_help=True,
)

IdArgument = Annotated[str, typer.Argument(metavar="JOB", help="Such as batch_60bfcf0a; see `gemgate jobs list`.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="The newest so many.")]
StatusOption = Annotated[JobStatus | None, typer.Option("--status", help="Only those that stand so.")]
OVER = ("completed", "incomplete", "failed", "cancelled", "expired")
WAIT = 20
"""Seconds of one long poll."""
PATIENCE = 60
"""Seconds that a gateway which does not answer is waited for."""
PatienceOption = Annotated[
    int,
    typer.Option(
        "--patience", min=0, help="Seconds to wait for a person where nothing goes on without one; then it ends with 3."
    ),
]
PERSON_SECONDS = 600
"""What a person has, where nobody says otherwise."""
ERRORS = 10
"""Failures that are shown."""


@jobs.command("list")
def list_jobs(
    limit: LimitOption = 20,
    kind: Annotated[BatchKind | None, typer.Option("--kind", help="Only of this kind.")] = None,
    status: StatusOption = None,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Jobs of all kinds, newest first."""
    listed(found(limit, kind, status, url, key, config), say("No jobs yet", "还没有任务"), as_json=as_json)


def found(
    limit: int, kind: BatchKind | None, status: JobStatus | None, url: str, key: str, config: Path | None
) -> dict[str, Any]:
    """The newest jobs, of one kind and status where these are named."""
    query = urlencode({"limit": limit, "kind": kind or "", "status": status or ""})
    answer: dict[str, Any] = through(lambda gateway: gateway.ask("GET", f"/api/jobs?{query}"), url, key, config)
    return answer


def listed(answer: dict[str, Any], none: str, *, as_json: bool) -> None:
    """Print a list of jobs; `none` where it is empty."""
    if as_json:
        write_json(answer)
        return
    if not answer["data"]:
        err.print(none, highlight=False)
        return
    heads = say("job,kind,status,done,failed,open,model,ordered", "任务,类型,状态,完成,失败,未完成,模型,提交时间")
    table = Table(*heads.split(","), box=None)
    for job in answer["data"]:
        left = job["pending"] + job["running"]
        counts = (f"{job['completed']}/{job['total']}", str(job["failed"] or ""), str(left or ""))
        table.add_row(
            job["id"], word(job["kind"]), word(job["status"]), *counts, job["model"] or "", _ordered(job["created_at"])
        )
    out.print(table)
    if answer["total"] > len(answer["data"]):
        en, zh = f"{answer['total']} in all; --limit shows more", f"共 {answer['total']} 个，可用 --limit 显示更多"
        err.print(say(en, zh), highlight=False)


def _ordered(at: str) -> str:
    """A moment by this machine's clock, to the minute."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return at


@jobs.command()
def show(
    job_id: IdArgument,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """How a job stands, what it has cost, and why tasks failed."""
    shown(through(lambda gateway: gateway.ask("GET", path_of(job_id)), url, key, config), as_json=as_json)


@jobs.command()
def watch(
    job_id: IdArgument,
    url: UrlOption = "",
    key: KeyOption = "",
    patience: PatienceOption = PERSON_SECONDS,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Follow a job to its end; 1 when anything of it failed or was given up. With --json one line for each change."""

    async def work(gateway: Connection) -> dict[str, Any]:
        return await followed(gateway, job_id, lambda job: _line(job, as_json=as_json), patience)

    job = through(work, url, key, config, resident=True)
    if job["status"] not in OVER:
        stands_still(job_id, job, f"gemgate jobs watch {job_id}")
    if not as_json:
        _why(job)
    if is_short(job):
        raise typer.Exit(1)


class Patience:
    """How long nothing could go on without a person, as the states that come in say."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def hears(self, state: Mapping[str, Any]) -> None:
        """A job or a batch as it stands now."""
        if not state.get("needs_person"):
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()

    @property
    def is_over(self) -> bool:
        return self._since is not None and time.monotonic() - self._since >= self._seconds


def stands_still(
    job_id: str, state: Mapping[str, Any], again: str, scripts: Mapping[str, Any] | None = None
) -> NoReturn:
    """Leave what only a person can bring on. state: how it stands; again: the command that goes on with it.

    scripts: what a script is given beside the id, why it waits and that it needs a person; None where nobody asked for
    JSON, or has it already.
    """
    reason = state["waiting_for"]
    if scripts is not None:
        write_json({**scripts, "id": job_id, "waiting_for": reason, "needs_person": True})
    fail(
        say(
            f"{job_id} waits for a person, and nothing is lost. {reason}. Then: {again}",
            f"{job_id} 需要人工处理，内容均已保留。{reason}。处理后执行：{again}",
        ),
        NEEDS_PERSON,
    )


def goes_on(job_id: str, folder: Path = Path("out")) -> str:
    """The commands that bring what was left, into the folder."""
    return "; ".join((f"gemgate jobs watch {job_id}", f"gemgate jobs fetch {job_id} -o {folder}"))


STEERING = {
    "cancel": "Give a job up: what is made stays.",
    "retry": "Queue what failed or was cancelled once more.",
}


def steering(group: typer.Typer, verb: str) -> None:
    """Add the command that does this to one job."""

    def steer(
        job_id: IdArgument,
        url: UrlOption = "",
        key: KeyOption = "",
        as_json: JsonOption = False,
        config: ConfigOption = None,
    ) -> None:
        job = through(lambda gateway: gateway.ask("POST", f"{path_of(job_id)}/{verb}", b""), url, key, config)
        shown(job, as_json=as_json)

    group.command(verb, help=STEERING[verb])(steer)


steering(jobs, "cancel")
steering(jobs, "retry")


@jobs.command()
def fetch(
    job_id: IdArgument,
    output: OutputOption = Path("out"),
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch what a job has made so far: pictures as files, answers as JSON, an OpenAI batch's output and error file."""
    files = through(lambda gateway: fetched(gateway, job_id, output), url, key, config)
    if as_json:
        write_json({"id": job_id, "files": [str(path) for path in files]})
        return
    out.print(written(files, output), highlight=False, soft_wrap=True)


def written(files: list[Path], output: Path) -> str:
    return say(
        f"{counted(len(files), 'file', 'files')} written to {output}/", f"已写入 {len(files)} 个文件到 {output}/"
    )


def path_of(job_id: str) -> str:
    return f"/api/jobs/{quote(job_id, safe='')}"


def is_short(job: dict[str, Any]) -> bool:
    """Whether anything of a job that is over is missing."""
    return bool(job["status"] != "completed" or job["failed"])


async def followed(
    gateway: Connection, job_id: str, changed: Callable[[dict[str, Any]], None], patience: float = PERSON_SECONDS
) -> dict[str, Any]:
    """The job as it ended, or as it stands when nothing goes on without a person, for so many seconds. A gateway that
    goes away for a moment is waited for.
    """
    job = await gateway.ask("GET", path_of(job_id))
    return await awaited(job, lambda: gateway.ask("GET", f"{path_of(job_id)}?wait={WAIT}"), changed, patience)


async def awaited(
    state: dict[str, Any],
    look: Callable[[], Awaitable[dict[str, Any]]],
    changed: Callable[[dict[str, Any]], None],
    patience: float,
) -> dict[str, Any]:
    """The same of whatever a job makes, in the shape of its own route. look: how it stands a moment later."""
    waits = Patience(patience)
    changed(state)
    while state["status"] not in OVER:
        waits.hears(state)
        if waits.is_over:
            break
        state, before = await _patient(look), state
        if state != before:
            changed(state)
    return state


async def _patient(ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    away = 0.0
    while True:
        try:
            return await ask()
        except Unreachable:
            away = away or time.monotonic()
            if time.monotonic() - away >= PATIENCE:
                raise
            await asyncio.sleep(1)


async def fetched(gateway: Connection, job_id: str, folder: Path) -> list[Path]:
    """Everything there is, page by page, one file at a time."""
    job = await gateway.ask("GET", path_of(job_id))
    files: list[Path] = []
    named = [(name, job["files"][name]) for name in ("output", "error") if name in job["files"]]
    for name, file_id in named:
        path = folder / f"{job_id}_{name}.jsonl"
        await gateway.written(f"/v1/files/{file_id}/content", path)
        files.append(path)
    offset: int | None = None if named else 0
    while offset is not None:
        page = await gateway.ask("GET", f"{path_of(job_id)}/results?offset={offset}")
        for result in page["data"]:
            number = int(result["task_id"].rpartition("_")[2]) + 1
            for file in result.get("files", ()):
                path = folder / f"{number:05d}_{Path(file['name']).name}"
                await gateway.written(file["url"], path, file["sha256"])
                files.append(path)
            if "body" in result:
                path = folder / f"{number:05d}.json"
                body = json.dumps(result["body"], ensure_ascii=False, indent=2).encode()
                await asyncio.to_thread(written_whole, path, body)
                files.append(path)
        offset = page["next_offset"]
    return files


def shown(job: dict[str, Any], *, as_json: bool) -> None:
    """Print how one job stands."""
    if as_json:
        write_json(job)
        return
    _line(job, as_json=False)
    if job["seconds"] is not None and job["prompts_sent"] is not None:
        sent, took = job["prompts_sent"], span(job["seconds"])
        told = say(
            f"{counted(sent, 'prompt', 'prompts')} sent to Google, {took}",
            f"向 Google 发送 {sent} 条提示词，耗时 {took}",
        )
        out.print(told, highlight=False)
    _why(job)


def _line(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(job, indent=None)
        return
    text = (
        f"{job['id']} {word(job['kind'])} {word(job['status'])}"
        + say(": ", "：")
        + f"{job['completed']}/{job['total']}"
    )
    words = (("failed", "失败"), ("running", "运行中"), ("pending", "等待"), ("cancelled", "已取消"))
    text += "".join(say(f", {job[name]} {name}", f"，{zh} {job[name]}") for name, zh in words if job[name])
    if (eta := job.get("eta_seconds")) and (ready := job.get("ready_at")):
        left = span(eta, whole=True)
        text += say(f", about {left} left, ready by {local(ready)}", f"，约剩 {left}，预计 {local(ready)} 前完成")
    out.print(text, highlight=False, soft_wrap=True)
    if reason := job.get("waiting_for"):
        out.print(say(f"waits: {reason}", f"等待：{reason}"), highlight=False, soft_wrap=True)


def _why(job: dict[str, Any]) -> None:
    errors_shown(job["id"], job.get("errors", ()))
    for wrong in job.get("input_errors", ()):
        line = say(f"line {wrong['line']}", f"第 {wrong['line']} 行") if wrong["line"] else ""
        err.print(marked("[red]{}[/red] {}", line, wrong["message"]), highlight=False, soft_wrap=True)


def errors_shown(job_id: str, errors: Sequence[dict[str, Any]]) -> None:
    """Why tasks failed, and how they are tried again."""
    for failed in errors[:ERRORS]:
        err.print(marked("[red]{}[/red] {}", failed["task_id"], failed["error"]), highlight=False, soft_wrap=True)
    if len(errors) > ERRORS:
        more, all_of_them = len(errors) - ERRORS, f"gemgate jobs show {job_id} --json"
        err.print(say(f"and {more} more: {all_of_them}", f"另有 {more} 个：{all_of_them}"), highlight=False)
    if any(failed["retryable"] for failed in errors):
        again = f"gemgate jobs retry {job_id}"
        err.print(say(f"Try those again: {again}", f"重试：{again}"), highlight=False)
