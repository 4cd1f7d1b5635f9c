"""`gemgate migrate`: from a single node's SQLite into the PostgreSQL of a fleet. It may be run again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn

from gemgate.assembly.fleet import registry_url
from gemgate.assembly.storage import Storage, open_storage
from gemgate.cli.backup import locked_accounts
from gemgate.cli.console import err, marked, out, progress
from gemgate.cli.terminal import ConfigOption, fail, load_settings, run, say
from gemgate.errors import NotFound
from gemgate.files import mime_of
from gemgate.ports.accounts import AccountStore
from gemgate.ports.blobs import BlobStore
from gemgate.settings import Settings
from gemgate.stores import blobs
from gemgate.stores.sql import dump

SINGLE = "default"
"""What a node on its own calls the account that its settings name."""


def migrate(
    source: Annotated[str, typer.Option("--from", help="`sqlite` for the database in DATA_DIR, or the path of one.")],
    images: Annotated[
        bool, typer.Option("--pictures", help="Pictures and uploads as well, into the store of STORAGE.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Copy a single node's state into PostgreSQL (DATABASE_URL or DB_*). What is there already stays as it is.

    Accounts (sealed, under the same keys), conversations, files, batches, keys of clients. The node must not run.
    """
    settings = load_settings(config=config).settings
    place = settings.data_dir / "gemgate.sqlite3" if source == "sqlite" else Path(source)
    if not place.is_file():
        missing = f"there is no SQLite database at {place}; name it with --from PATH, or set DATA_DIR"
        fail(say(missing, f"{place} 处没有 SQLite 数据库；请用 --from PATH 指定，或设置 DATA_DIR"), 2)
    run(_migrate(settings, place, images=images))


async def _migrate(settings: Settings, place: Path, *, images: bool) -> None:
    target = registry_url(settings)
    async with (
        open_storage(settings, exclusive=True, at=place) as old,
        open_storage(settings, exclusive=False, at=target) as new,
    ):
        await _copy(place, old, new, images=images)


async def _copy(place: Path, old: Storage, new: Storage, *, images: bool) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    with progress(*columns) as shown:
        task = shown.add_task(say("rows", "记录"), total=await dump.count(old.database))
        copied = await dump.copy(old.database, new.database, lambda number: shown.advance(task, number))
        moved = 0
        if images:
            bar = shown.add_task(say("pictures and uploads", "图片和上传文件"), total=None)
            source = blobs.folder(place.parent / "blobs")
            moved = await copy_blobs(source, new.blobs, lambda: shown.advance(bar))
    summary = f"{copied} new rows" + (f", {moved} new pictures and uploads" if images else "")
    summary_zh = f"{copied} 行" + (f"、{moved} 个图片和上传文件" if images else "")
    told = say(f"{summary} copied from {place}", f"已从 {place} 复制新增的 {summary_zh}")
    out.print(told, highlight=False, soft_wrap=True)
    if await adopt(new.accounts):
        err.print(
            say(
                f"The account `{SINGLE}` is run by any worker from now on, with the cookies that are stored: take "
                "SECURE_1PSID and COOKIE_SOURCE out of the workers' settings.",
                f"账号 `{SINGLE}` 此后可由任意 worker 使用已存储的 Cookie 运行：请从各 worker 的设置中移除 "
                "SECURE_1PSID 和 COOKIE_SOURCE。",
            ),
            highlight=False,
            soft_wrap=True,
        )
    if locked := await locked_accounts(new.accounts):
        err.print(
            marked(
                say(
                    "[yellow]These accounts cannot be opened with the key in force: {}.[/yellow] Set COOKIE_KEYS (or "
                    "COOKIE_KEY_FILE) to the single node's, the same on all nodes.",
                    "[yellow]以下账号无法用当前密钥打开：{}。[/yellow]请在所有节点上把 COOKIE_KEYS（或 "
                    "COOKIE_KEY_FILE）设为原单节点的密钥。",
                ),
                ", ".join(locked),
            ),
            highlight=False,
            soft_wrap=True,
        )


async def adopt(store: AccountStore) -> bool:
    """Make the account that the single node's settings named one of the fleet's; whether it was there."""
    try:
        kept = await store.get(SINGLE)
    except NotFound:
        return False
    if kept.setup.origin != "environment":
        return False
    source = "" if kept.setup.source == "env" else kept.setup.source
    await store.set_up(replace(kept.setup, origin="admin", source=source))
    return True


async def copy_blobs(source: BlobStore, target: BlobStore, done: Callable[[], None]) -> int:
    """Copy every object that the target does not have; how many those were."""
    copied = 0
    with tempfile.TemporaryDirectory(prefix="gemgate-migrate-") as folder:
        passing = Path(folder, "object")
        async for facts in source.list(""):
            there = await target.stat(facts.key)
            if there is None or there.size != facts.size:
                with passing.open("wb") as file:  # noqa: ASYNC230 - a local file, in pieces
                    async for chunk in source.chunks(facts.key):
                        file.write(chunk)
                await target.put_file(facts.key, passing, mime_of(facts.key))
                copied += 1
            done()
    return copied
