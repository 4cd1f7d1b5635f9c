"""`gemgate batch`: many images from a file of prompts, and what becomes of batches, on any gateway.

The commands speak the batch routes of docs/client-contracts.md 7 and nothing else: a gateway far away, one on this
machine and one in this process are the same to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gemgate.cli import jobs
from gemgate.cli.batch_order import body_of, key_of, read_prompts
from gemgate.cli.batch_plan import order_planned
from gemgate.cli.batch_watch import Haul, follow
from gemgate.cli.connection import Connection, KeyOption, UrlOption, through
from gemgate.cli.console import err, out
from gemgate.cli.images import AspectOption, ModelOption, SizeOption, shape_wished
from gemgate.cli.jobs import PERSON_SECONDS, IdArgument, LimitOption, PatienceOption, StatusOption
from gemgate.cli.terminal import ConfigOption, JsonOption, OutputOption, amount, counted, say, write_json
from gemgate.cli.words import word

batch = typer.Typer(
    name="batch",
    help="Many pictures from a file of prompts. They survive Ctrl-C, crashes and restarts; nothing is made twice.",
    no_args_is_help=True,
)

MANY = 256
"""Calls at once that are asked for; the gateway allows as many as its accounts have lanes."""


@batch.command("run")
def run_batch(
    prompts: Annotated[
        str, typer.Argument(metavar="FILE", help="Prompts: lines, .csv with a heading, or .jsonl; - reads stdin.")
    ],
    output: OutputOption = Path("out"),
    size: SizeOption = None,
    aspect: AspectOption = None,
    model: ModelOption = None,
    keep_logo: Annotated[bool, typer.Option("--keep-logo", help="Leave the visible logo on.")] = False,
    require_size: Annotated[bool, typer.Option("--require-size", help="Fewer pixels are a failure.")] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Pictures at once; never more than the accounts have lanes.", show_default=False)
    ] = MANY,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    plan: Annotated[
        bool, typer.Option("--plan", help="Order nothing: say when it would be done, and why then.")
    ] = False,
    by: Annotated[
        str, typer.Option(metavar="TIME", help="With --plan: how many by then, such as 07:00.", show_default=False)
    ] = "",
    retry: Annotated[bool, typer.Option("--retry", help="Order again what failed or was cancelled before.")] = False,
    patience: PatienceOption = PERSON_SECONDS,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a picture of every prompt: gemgate batch run prompts.txt --size 4k -o out/

    The same command again goes on with the same batch and fetches only what is missing in the folder. Another folder
    is another batch.
    """
    shape_wished(aspect)  # it goes as typed: the order's key is made of it
    wishes = {
        "model": model,
        "size": size,
        "aspect": aspect,
        "size_policy": "require" if require_size else None,
        "remove_logo": False if keep_logo else None,
        "concurrency": concurrency,
        "priority": priority or None,
    }
    found = read_prompts(prompts)
    if plan:
        order_planned(len(found.items), by, concurrency, priority, (url, key, config), as_json=as_json)
        return
    body = body_of(found, wishes)

    async def work(gateway: Connection) -> Haul:
        headers = {"idempotency-key": key_of(body, output)}
        batch_id = (await gateway.ask("POST", "/v1/batch/images", body, headers))["batch_id"]
        await _taken_up(gateway, batch_id, retry=retry)
        return await _hauled(gateway, batch_id, output, patience, quiet=as_json)

    _end(through(work, url, key, config, resident=True), output, as_json=as_json)


@batch.command()
def fetch(
    batch_id: IdArgument,
    output: OutputOption = Path("out"),
    archive: Annotated[
        Path | None, typer.Option("--zip", help="One ZIP with manifest instead of files.", show_default=False)
    ] = None,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch what a batch has made so far; only the pictures that are missing in the folder."""
    if archive is not None:
        target = f"/v1/batch/{batch_id}/archive"
        size = through(lambda gateway: gateway.written(target, archive), url, key, config)
        out.print(f"{archive}: {amount(size)}", highlight=False)
        return

    def work(gateway: Connection) -> Awaitable[Haul]:
        return follow(gateway, batch_id, output, quiet=as_json, to_end=False)

    _end(through(work, url, key, config), output, as_json=as_json)


@batch.command("list")
def list_batches(
    limit: LimitOption = 20,
    status: StatusOption = None,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Batches, newest first."""
    found = jobs.found(limit, "images", status, url, key, config)
    none = say("No batches yet: gemgate batch run prompts.txt", "还没有批次：gemgate batch run prompts.txt")
    jobs.listed(found, none, as_json=as_json)


batch.command()(jobs.show)
jobs.steering(batch, "cancel")
jobs.steering(batch, "retry")


def _paused(verb: str, help_text: str) -> None:
    def steer(
        batch_id: IdArgument,
        url: UrlOption = "",
        key: KeyOption = "",
        as_json: JsonOption = False,
        config: ConfigOption = None,
    ) -> None:
        async def work(gateway: Connection) -> Any:
            await gateway.ask("POST", f"/v1/batch/{quote(batch_id, safe='')}/{verb}", b"")
            return await gateway.ask("GET", jobs.path_of(batch_id))

        jobs.shown(through(work, url, key, config), as_json=as_json)

    batch.command(verb, help=help_text)(steer)


_paused("pause", "Begin no more of a batch for now.")
_paused("resume", "Go on with a paused batch.")


async def _taken_up(gateway: Connection, batch_id: str, *, retry: bool) -> None:
    """Go on with a batch that was begun before, where there is something to go on with."""
    status = await gateway.ask("GET", f"/v1/batch/{batch_id}/status?limit=0")
    done, total = status["completed"], status["total"]
    if status["completed"] or status["failed"] or status.get("cancelled"):
        line = say(
            f"{batch_id} was begun before: {done} of {total} are made",
            f"{batch_id} 之前已开始：{total} 张中已完成 {done} 张",
        )
        err.print(line, highlight=False, soft_wrap=True)
    if retry and (status["failed"] or status.get("cancelled")):
        status = await gateway.ask("POST", f"/v1/batch/{batch_id}/retry", b"")
    if status["status"] == "paused":
        await gateway.ask("POST", f"/v1/batch/{batch_id}/resume", b"")


async def _hauled(gateway: Connection, batch_id: str, output: Path, patience: float, *, quiet: bool) -> Haul:
    """Follow to the end; whoever leaves before is told what becomes of the rest."""
    if not quiet:
        place = say("this process", "本进程") if gateway.own else gateway.url
        line = say(f"{batch_id} on {place}, into {output}/", f"{batch_id}：由 {place} 执行，写入 {output}/")
        err.print(line, highlight=False, soft_wrap=True)
    try:
        return await follow(gateway, batch_id, output, quiet=quiet, patience=patience)
    except asyncio.CancelledError:
        if gateway.own:
            line = say(
                "Stopping; nothing is lost. The same command again goes on.",
                "正在停止，不会丢失任何内容。再次运行同一命令即可继续。",
            )
            err.print(line, highlight=False)
        else:
            line = say(
                f"{batch_id} goes on without you on {gateway.url}. The same command again fetches what is missing; "
                f"`gemgate batch cancel {batch_id}` stops it.",
                f"{batch_id} 会在 {gateway.url} 继续执行。再次运行同一命令可取回缺少的图片；"
                f"`gemgate batch cancel {batch_id}` 可取消。",
            )
            err.print(line, highlight=False, soft_wrap=True)
        raise


def _end(haul: Haul, output: Path, *, as_json: bool) -> None:
    """Say what came of it; 1 when an image is missing in the end, 3 when it waits for a person."""
    status = haul.status
    if as_json:
        if not haul.stuck:
            write_json(haul.summary())
    else:
        new = len(haul.files) - haul.kept
        there = say(f", {haul.kept} had been fetched before", f"，已有 {haul.kept} 张") if haul.kept else ""
        pictures = counted(new, "picture", "pictures")
        written = say(f"{pictures} written to {output}/", f"已将 {new} 张图片写入 {output}/")
        head = f"{status['batch_id']} {word(status['status'])}" + say(": ", "：")
        out.print(f"{head}{written}{there}", highlight=False, soft_wrap=True)
        jobs.errors_shown(status["batch_id"], list(haul.errors.values()))
    if haul.stuck:
        again = say("the same command again", "再次运行同一命令")
        jobs.stands_still(status["batch_id"], status, again, haul.summary() if as_json else None)
    if haul.errors or status["status"] in ("failed", "cancelled"):
        raise typer.Exit(1)
