"""Storage is opened in one place: with the lock where it has to be, and closed whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gemgate.assembly.node import open_service
from gemgate.assembly.parts import Parts
from gemgate.assembly.storage import holder_of, open_storage
from gemgate.errors import StorageDown
from tests.support.serving import settings_for


def open_files(folder: Path) -> set[str]:
    """What this process has open below the folder."""
    found = (Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    return {str(os.readlink(one)) for one in found if one.is_symlink() and str(folder) in os.readlink(one)}


async def test_one_holds_a_sqlite_file_and_who_finds_it_held_is_told_by_whom(tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path)
    async with open_storage(settings, exclusive=True, holder_url="http://127.0.0.1:9") as storage:
        assert await storage.accounts.all() == ()
        with pytest.raises(StorageDown, match=f"process {os.getpid()} at http://127.0.0.1:9"):
            async with open_storage(settings, exclusive=True):
                pass
        async with open_storage(settings, exclusive=False) as beside:
            assert await beside.keys.keys() == []
    assert holder_of(settings) is None
    assert open_files(tmp_path) == set()


async def test_rows_are_read_without_a_key_and_without_a_bucket(tmp_path: Path) -> None:
    key = tmp_path / "apart" / "cookie.key"
    settings = settings_for(None, tmp_path / "data", cookie_keys=None, cookie_key_file=key, storage="r2")
    async with open_storage(settings, exclusive=False) as storage:
        assert await storage.gallery.count() == 0
        assert not key.exists()
        assert await storage.accounts.all() == ()
        assert key.exists()


async def test_a_start_that_fails_half_way_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(None, tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the machine fell over")

    for part in ("account_registry", "machine", "gateway", "jobs", "alerts"):
        with monkeypatch.context() as patch:
            patch.setattr(Parts, part, broken)
            with pytest.raises(RuntimeError, match="fell over"):
                async with open_service(settings):
                    pass
        await asyncio.sleep(0)
        assert holder_of(settings) is None
        assert open_files(tmp_path) == set(), part
    async with open_service(settings) as service:
        assert service.loops
    assert not service.loops
    assert open_files(tmp_path) == set()
