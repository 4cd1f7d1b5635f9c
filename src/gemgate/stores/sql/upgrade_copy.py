"""A SQLite database as it was before a migration, kept beside it: the way back when a new version disappoints.

PostgreSQL is copied by those who run it (docs/install.md): a process that starts does not know where there is room.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gemgate.errors import StorageDown, system_words
from gemgate.version import __version__

_log = logging.getLogger("gemgate.upgrade")


def copy_before_upgrade(database: Path, revision: str, target: str) -> Path:
    """Copy the file, whose schema is `revision`, before it goes to `target`; say so, and where the copy is.

    Nobody may write meanwhile: the caller holds the write lock. StorageDown when there is no room: then nothing is
    migrated. It blocks for as long as the disk takes.
    """
    place = database.with_name(f"{database.name}.schema-{revision}.{time.strftime('%Y%m%d-%H%M%S')}")
    half = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        try:
            os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
            with closing(source), closing(sqlite3.connect(half)) as copy:
                source.backup(copy)
            half.replace(place)
        finally:
            half.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        why = system_words(error)
        raise StorageDown(
            f"The database has to go from schema {revision} to {target}, but the copy that is made first failed "
            f"({why.en}); make room for {place} and start again: nothing was changed",
            f"数据库需从架构 {revision} 升级到 {target}，但事先的备份失败（{why.zh}）；"
            f"请为 {place} 腾出空间后重试，数据未改动",
            code="database_unavailable",
        ) from None
    _log.warning(
        "The database goes from schema %s to %s (gemgate %s). As it was before it is kept: %s",
        *(revision, target, __version__, place),
    )
    return place
