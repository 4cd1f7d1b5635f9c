"""A backup as one ZIP file: all rows as JSON lines, images and uploads if wanted, and a manifest. Never a key.

What it holds of accounts is sealed as in the database: without the key (COOKIE_KEYS, or the key file, which is copied
apart) nobody can open it, and accounts have to sign in again.
"""

from __future__ import annotations

import asyncio
import json
import lzma
import mimetypes
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from gemgate.errors import BadRequest, NotFound
from gemgate.frozen import frozen
from gemgate.ports.blobs import BlobStore
from gemgate.stores.drafts import drafted
from gemgate.stores.sql import dump
from gemgate.stores.sql.database import Database
from gemgate.version import __version__

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
BLOBS: Final = "blobs/"


@frozen
class Manifest:
    """What a backup says of itself. created_at: epoch seconds; rows: by table; blobs: None when they are not in it."""

    created_at: float
    revision: str
    rows: dict[str, int] = field(default_factory=dict)
    blobs: int | None = None
    version: str = __version__
    format: int = FORMAT


async def write(
    path: Path,
    database: Database,
    blobs: BlobStore | None,
    now: float,
    done: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write a backup; the file is there when it is whole. blobs: None leaves images and uploads out.

    Rows are those of one moment; an image that is stored meanwhile may be missing. `done` hears of each step.
    """
    with drafted(path, 0o600) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        counted = await _write_rows(archive, database, done)
        stored = await _write_blobs(archive, blobs, done) if blobs is not None else None
        manifest = Manifest(now, await dump.schema_revision(database), counted, stored)
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
    return manifest


async def _write_rows(archive: zipfile.ZipFile, database: Database, done: Callable[[str], None]) -> dict[str, int]:
    """Each page of rows is an entry of its own, so that no table has to fit into memory."""
    counted: dict[str, int] = {}
    number = 0
    async for name, page in dump.pages(database):
        counted[name] = counted.get(name, 0) + len(page)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in page)
        archive.writestr(f"rows/{number:06d}_{name}.jsonl", lines)
        number += 1
        done(name)
    return counted


async def _write_blobs(archive: zipfile.ZipFile, blobs: BlobStore, done: Callable[[str], None]) -> int:
    """Pictures are packed already: they are stored as they are."""
    stored = 0
    async for facts in blobs.list(""):
        pieces = blobs.chunks(facts.key)
        try:
            first = await anext(pieces, b"")
        except NotFound:  # deleted meanwhile
            continue
        with archive.open(zipfile.ZipInfo(BLOBS + facts.key), "w", force_zip64=True) as entry:
            entry.write(first)
            async for chunk in pieces:
                entry.write(chunk)
        stored += 1
        done(facts.key)
    return stored


_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, UnicodeError),
    *(ValueError, KeyError, TypeError, AttributeError, SQLAlchemyError),
)
"""What reading an archive raises that somebody or something has changed: RuntimeError is an entry that says it needs a
password, NotImplementedError a method of packing that nobody has."""


def read_manifest(path: Path) -> Manifest:
    """BadRequest for what is no backup, or one of a format that this version does not know."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise BadRequest(
                    f"{path} is a backup of format {manifest['format']}, made by gemgate {manifest['version']}; "
                    "install that version or a newer one",
                    f"{path} 的备份格式为 {manifest['format']}（gemgate {manifest['version']}），"
                    "请安装该版本或更新版本",
                )
            return Manifest(**manifest)
    except (OSError, *_DAMAGED) as error:
        raise BadRequest(
            f"{path} is no backup of gemgate ({type(error).__name__})", f"{path} 不是 gemgate 的备份"
        ) from None


async def restore(
    path: Path,
    url: str | Path,
    blobs: BlobStore,
    *,
    replace: bool,
    done: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Put a backup's rows into the database at `url`, its images into the store; see `rows.refill` for refusals."""
    manifest = read_manifest(path)
    try:
        await _put_back(path, manifest, url, blobs, replace=replace, done=done)
    except _DAMAGED as error:
        raise BadRequest(
            f"{path} is damaged and cannot be restored ({type(error).__name__})",
            f"{path} 已损坏，无法恢复（{type(error).__name__}）",
        ) from None
    return manifest


async def _put_back(
    path: Path, manifest: Manifest, url: str | Path, blobs: BlobStore, *, replace: bool, done: Callable[[str], None]
) -> None:
    with zipfile.ZipFile(path) as archive:
        await dump.restore_rows(url, manifest.revision, _rows_in(archive, done), replace=replace)
        with tempfile.TemporaryDirectory(prefix="gemgate-restore-") as folder:
            for info in archive.infolist():
                if info.filename.startswith(BLOBS):
                    key = info.filename.removeprefix(BLOBS)
                    unpacked = await asyncio.to_thread(_unpacked, archive, info, Path(folder, "blob"))
                    await blobs.put_file(key, unpacked, mimetypes.guess_type(key)[0] or "application/octet-stream")
                    done(key)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Path:
    with archive.open(info) as entry, path.open("wb") as file:
        shutil.copyfileobj(entry, file, 1 << 20)
    return path


def _rows_in(archive: zipfile.ZipFile, done: Callable[[str], None]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in sorted(archive.namelist()):
        if name.startswith("rows/"):
            table = name.removeprefix("rows/").removesuffix(".jsonl").partition("_")[2]
            rows = [json.loads(line) for line in archive.read(name).splitlines()]
            if not all(isinstance(row, dict) and row for row in rows):
                raise ValueError("a row names its columns")
            yield table, rows
            done(table)
