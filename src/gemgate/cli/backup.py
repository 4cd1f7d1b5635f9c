"""`gemgate backup` and `gemgate restore`: everything but the keys, in one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gemgate.assembly.storage import as_it_is, database_url, held, key_file, open_blobs, open_storage, sqlite_path
from gemgate.cli.console import err, marked, out, progress
from gemgate.cli.terminal import ConfigOption, fail, load_settings, run, say
from gemgate.ports.accounts import AccountStore
from gemgate.settings import Settings
from gemgate.stores import backup as archive
from gemgate.stores.drafts import drafted

KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="Copy of the key file, kept apart from the backup. Together they open the accounts: never in one place.",
        show_default=False,
    ),
]


def backup(
    file: Annotated[Path | None, typer.Argument(help="The ZIP file to write. (default: gemgate-DATE.zip)")] = None,
    images: Annotated[bool, typer.Option("--pictures", help="Pictures and uploads as well.")] = False,
    keys: KeysOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write a backup: accounts (sealed), conversations, batches, keys of clients. It may run beside a gateway."""
    settings = load_settings(config=config).settings
    path = file or Path(time.strftime("gemgate-%Y%m%d-%H%M%S.zip"))
    for place in (path, keys):
        if place is not None and place.exists() and not force:
            fail(say(f"{place} is there already; --force overwrites it", f"{place} 已存在；--force 覆盖它"), 2)
        if place is not None and not place.absolute().parent.is_dir():
            folder = place.absolute().parent
            fail(say(f"the folder {folder} does not exist", f"文件夹 {folder} 不存在"), 2)
    run(_backup(settings, path, images=images))
    if keys is not None:
        _copy_keys(settings, keys)
    elif settings.cookie_keys is None:
        apart = f"The key is not in it. Keep a copy apart: {key_file(settings)}"
        err.print(say(apart, f"其中不含密钥。请另存一份：{key_file(settings)}"), style="dim", soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    keys: KeysOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Throw away what the database holds now.")] = False,
    config: ConfigOption = None,
) -> None:
    """Bring a backup back, into SQLite or PostgreSQL, whatever it was made from. No gateway may run meanwhile."""
    settings = load_settings(config=config).settings
    if keys is not None:
        _put_keys(settings, keys)
    run(_restore(settings, file, replace=replace))


def _copy_keys(settings: Settings, place: Path) -> None:
    if settings.cookie_keys is not None:
        sentence = "the keys stand in COOKIE_KEYS; keep them as you keep your other settings"
        fail(say(sentence, "密钥在 COOKIE_KEYS 中；请与其他设置一样妥善保存"), 2)
    source = key_file(settings)
    if not source.is_file():
        fail(say(f"there is no key file {source} (yet)", f"密钥文件 {source}（还）不存在"))
    with drafted(place, 0o600) as copy:
        copy.write(source.read_bytes())
    apart = say("the key: keep it apart from the backup", "密钥：请与备份分开存放")
    out.print(f"{place}  {apart}", highlight=False, soft_wrap=True)


def _put_keys(settings: Settings, source: Path) -> None:
    """The key of the backup comes first; the one that was here still opens what was sealed with it."""
    target = key_file(settings)
    if settings.cookie_keys is not None:
        sentence = "COOKIE_KEYS is set and counts; add the backup's key to it instead"
        fail(say(sentence, "已设置 COOKIE_KEYS，以它为准；请把备份的密钥加入其中"), 2)
    lines = source.read_text().splitlines()
    if target.is_file():
        lines += [line for line in target.read_text().splitlines() if line not in lines]
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with drafted(target, 0o600) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    return progress(*columns)


async def _backup(settings: Settings, path: Path, *, images: bool) -> None:
    place = sqlite_path(settings)
    if place is not None and not place.exists():
        fail(
            say(
                f"there is nothing to back up: {place} does not exist; set DATA_DIR or DATABASE_URL",
                f"没有可备份的内容：{place} 不存在；请设置 DATA_DIR 或 DATABASE_URL",
            )
        )
    async with as_it_is(settings) as storage:
        with _bar() as shown:
            what = say("rows and pictures", "记录和图片") if images else say("rows", "记录")
            task = shown.add_task(what, total=None)
            blobs = storage.blobs if images else None
            manifest = await archive.write(path, storage.database, blobs, time.time(), lambda _: shown.advance(task))
    out.print(f"{path}  {_told(manifest)}", highlight=False, soft_wrap=True)


def _told(manifest: archive.Manifest) -> str:
    rows = sum(manifest.rows.values())
    if manifest.blobs is None:
        return say(f"{rows} rows", f"{rows} 行")
    return say(f"{rows} rows, {manifest.blobs} pictures and uploads", f"{rows} 行，{manifest.blobs} 个图片和上传文件")


async def _restore(settings: Settings, path: Path, *, replace: bool) -> None:
    place = sqlite_path(settings)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = database_url(settings)
    with held(url), _bar() as shown:
        task = shown.add_task(say("rows and pictures", "记录和图片"), total=None)
        blobs = open_blobs(settings)
        manifest = await archive.restore(path, url, blobs, replace=replace, done=lambda _: shown.advance(task))
    restored = say(f"{_told(manifest)} restored", f"已恢复 {_told(manifest)}")
    out.print(restored, highlight=False, soft_wrap=True)
    async with open_storage(settings, exclusive=False) as storage:
        locked = await locked_accounts(storage.accounts)
    if locked:
        err.print(
            marked(
                say(
                    "[yellow]These accounts cannot be opened with the key in force: {}.[/yellow] Restore the key with "
                    "--keys (or set COOKIE_KEYS to the old one), or sign them in again.",
                    "[yellow]以下账号无法用当前密钥打开：{}。[/yellow]请用 --keys 恢复密钥（或把 COOKIE_KEYS 设为"
                    "原来的密钥），或重新登录这些账号。",
                ),
                ", ".join(locked),
            ),
            highlight=False,
            soft_wrap=True,
        )


async def locked_accounts(accounts: AccountStore) -> list[str]:
    """The accounts that the keys in force do not open."""
    return [kept.name for kept in await accounts.all() if kept.trouble is not None]
