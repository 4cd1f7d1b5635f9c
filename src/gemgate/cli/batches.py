"""`gemgate batch`: many images from a file of prompts, and what becomes of batches, on any gateway.

The commands speak the batch routes of docs/client-contracts.md 7 and nothing else: a gateway far away, one on this
machine and one in this process are the same to them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gemgate.cli.batch_order import body_of, key_of, read_prompts
from gemgate.cli.batch_watch import Haul, follow
from gemgate.cli.connection import Connection, connected
from gemgate.cli.images import SIZES
from gemgate.cli.terminal import ConfigOption, JsonOption, err, fail, load_settings, marked, out, run
from gemgate.stores.drafts import drafted

batch = typer.Typer(
    name="batch",
    help="Many pictures from a file of prompts. They survive Ctrl-C, crashes and restarts; nothing is made twice.",
    no_args_is_help=True,
)

UrlOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="GEMGATE_URL", help="The gateway. [default: the one on this machine, else one of our own]",
        show_default=False,
    ),
]  # fmt: skip
KeyOption = Annotated[
    str, typer.Option("--key", envvar="GEMGATE_KEY", help="Key for that gateway (API_KEY there).", show_default=False)
]
OutOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to; it is made.", file_okay=False)]
IdArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Such as batch_60bfcf0a; see `gemgate batch list`.")]
MANY = 256
"""Calls at once that are asked for; the gateway allows as many as its accounts have lanes."""

Work = Callable[[Connection], Awaitable[Any]]


@batch.command("run")
def run_batch(
    prompts: Annotated[
        str, typer.Argument(metavar="FILE", help="Prompts: lines, .csv with a heading, or .jsonl; - reads stdin.")
    ],
    output: OutOption = Path("out"),
    size: Annotated[
        str | None,
        typer.Option("--size", help="1k, 2k or 4k on the long side; 2k and 4k choose the model.", show_default=False),
    ] = None,
    aspect: Annotated[str | None, typer.Option("--aspect", help="Such as 16:9.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model id.", show_default=False)] = None,
    keep_logo: Annotated[bool, typer.Option("--keep-logo", help="Leave the visible logo on.")] = False,
    require_size: Annotated[bool, typer.Option("--require-size", help="Fewer pixels are a failure.")] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Pictures at once; never more than the accounts have lanes.", show_default=False)
    ] = MANY,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    retry: Annotated[bool, typer.Option("--retry", help="Order again what failed or was cancelled before.")] = False,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a picture of every prompt: gemgate batch run prompts.txt --size 4k -o out/

    The same command again goes on with the same batch and fetches only what is missing in the folder. Another folder
    is another batch.
    """
    size = size.lower() if size else None
    if size is not None and size not in SIZES:
        fail(f"--size is one of {', '.join(SIZES)}", 2)
    wishes = {
        "model": model,
        "size": size,
        "aspect": aspect,
        "size_policy": "require" if require_size else None,
        "remove_logo": False if keep_logo else None,
        "concurrency": concurrency,
        "priority": priority or None,
    }
    body = body_of(read_prompts(prompts), wishes)

    async def work(gateway: Connection) -> Haul:
        headers = {"idempotency-key": key_of(body, output)}
        batch_id = (await gateway.ask("POST", "/v1/batch/images", body, headers))["batch_id"]
        await _taken_up(gateway, batch_id, retry=retry)
        return await _hauled(gateway, batch_id, output, quiet=as_json)

    _end(through(work, url, key, config, resident=True), output, as_json=as_json)


@batch.command()
def fetch(
    batch_id: IdArgument,
    output: OutOption = Path("out"),
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
        size = through(lambda gateway: _archive(gateway, batch_id, archive), url, key, config)
        out.print(f"{archive}: {size / 1e6:.1f} MB", highlight=False)
        return

    def work(gateway: Connection) -> Awaitable[Haul]:
        return follow(gateway, batch_id, output, quiet=as_json, to_end=False)

    _end(through(work, url, key, config), output, as_json=as_json)


@batch.command("list")
def list_batches(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="The newest so many.")] = 20,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Batches, newest first."""
    found = through(lambda gateway: gateway.ask("GET", f"/v1/batch?limit={limit}"), url, key, config)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not found["batches"]:
        err.print("No batches yet: gemgate batch run prompts.txt", highlight=False)
        return
    table = Table("batch", "status", "made", "failed", "open", "model", "ordered", box=None)
    for row in found["batches"]:
        counts = (row["progress"], str(row["failed"] or ""), str(row["pending"] or ""))
        table.add_row(row["batch_id"], row["status"], *counts, row["model"], row["created_at"])
    out.print(table)
    if found["total"] > len(found["batches"]):
        err.print(f"{found['total']} in all; --limit shows more", highlight=False)


@batch.command()
def show(
    batch_id: IdArgument,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """How a batch stands, and why tasks failed."""
    status = through(lambda gateway: gateway.ask("GET", f"/v1/batch/{batch_id}/status"), url, key, config)
    if as_json:
        print(json.dumps(status, ensure_ascii=False, indent=2))
    else:
        _show(status)


def _steering(verb: str, help_text: str) -> None:
    def steer(
        batch_id: IdArgument,
        url: UrlOption = "",
        key: KeyOption = "",
        as_json: JsonOption = False,
        config: ConfigOption = None,
    ) -> None:
        status = through(lambda gateway: gateway.ask("POST", f"/v1/batch/{batch_id}/{verb}", b""), url, key, config)
        if as_json:
            print(json.dumps(status, ensure_ascii=False, indent=2))
        else:
            _show(status)

    batch.command(verb, help=help_text)(steer)


_steering("cancel", "Give a batch up: what is made stays.")
_steering("pause", "Begin no more of a batch for now.")
_steering("resume", "Go on with a paused batch.")
_steering("retry", "Queue what failed or was cancelled once more.")


def through(work: Work, url: str, key: str, config: Path | None, *, resident: bool = False) -> Any:
    """Do it on the gateway that is meant; with resident, one of our own works on batches meanwhile."""
    quiet = {} if "LOG_LEVEL" in os.environ else {"log_level": "error"}
    settings = load_settings(quiet, config).settings

    async def connect_and_work() -> Any:
        async with connected(settings, url, key, resident=resident) as gateway:
            if gateway.own and resident:
                err.print("No gateway runs here: this command is one, as long as it lasts.", style="dim")
            return await work(gateway)

    return run(connect_and_work())


async def _taken_up(gateway: Connection, batch_id: str, *, retry: bool) -> None:
    """Go on with a batch that was begun before, where there is something to go on with."""
    status = await gateway.ask("GET", f"/v1/batch/{batch_id}/status?limit=0")
    done, total = status["completed"], status["total"]
    if status["completed"] or status["failed"] or status.get("cancelled"):
        err.print(f"{batch_id} was begun before: {done} of {total} are made", highlight=False)
    if retry and (status["failed"] or status.get("cancelled")):
        status = await gateway.ask("POST", f"/v1/batch/{batch_id}/retry", b"")
    if status["status"] == "paused":
        await gateway.ask("POST", f"/v1/batch/{batch_id}/resume", b"")


async def _hauled(gateway: Connection, batch_id: str, output: Path, *, quiet: bool) -> Haul:
    """Follow to the end; whoever leaves before is told what becomes of the rest."""
    if not quiet:
        err.print(f"{batch_id} on {'this process' if gateway.own else gateway.url}, into {output}/", highlight=False)
    try:
        return await follow(gateway, batch_id, output, quiet=quiet)
    except asyncio.CancelledError:
        if gateway.own:
            err.print("Stopping; nothing is lost. The same command again goes on.", highlight=False)
        else:
            err.print(
                f"{batch_id} goes on without you on {gateway.url}. The same command again fetches what is missing; "
                f"`gemgate batch cancel {batch_id}` stops it.",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        raise


async def _archive(gateway: Connection, batch_id: str, path: Path) -> int:
    """Write the ZIP as it comes; its size in bytes."""
    size = 0
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    async with gateway.open("GET", f"/v1/batch/{batch_id}/archive") as answer:
        with drafted(path) as file:
            async for piece in answer.content.iter_chunked(1 << 20):
                await asyncio.to_thread(file.write, piece)
                size += len(piece)
    return size


def _end(haul: Haul, output: Path, *, as_json: bool) -> None:
    """Say what came of it; 1 when an image is missing in the end."""
    status = haul.status
    if as_json:
        print(json.dumps(haul.summary(), ensure_ascii=False, indent=2))
    else:
        new = len(haul.files) - haul.kept
        there = f", {haul.kept} were here" if haul.kept else ""
        out.print(
            f"{status['batch_id']} {status['status']}: {new} pictures written to {output}/{there}", highlight=False
        )
        _show_errors(status["batch_id"], list(haul.errors.values()))
    if haul.errors or status["status"] in ("failed", "cancelled"):
        raise typer.Exit(1)


def _show(status: dict[str, Any]) -> None:
    line = f"{status['batch_id']} {status['status']}: {status['progress']} made"
    for name, word in (("failed", "failed"), ("pending", "open"), ("cancelled", "cancelled")):
        line += f", {status[name]} {word}" if status.get(name) else ""
    if eta := status.get("eta_seconds"):
        line += f", about {eta} s left"
    out.print(line, highlight=False)
    if reason := status.get("waiting_for"):
        out.print(f"waits: {reason}", highlight=False, soft_wrap=True)
    _show_errors(status["batch_id"], status["errors"])


def _show_errors(batch_id: str, errors: list[dict[str, Any]]) -> None:
    for failed in errors[:10]:
        err.print(marked("[red]{}[/red] {}", failed["task_id"], failed["error"]), highlight=False, soft_wrap=True)
    if len(errors) > 10:
        err.print(f"and {len(errors) - 10} more: gemgate batch show {batch_id} --json", highlight=False)
    if any(failed["retryable"] for failed in errors):
        err.print(f"Try those again: gemgate batch retry {batch_id}", highlight=False)
