"""Cookie files: what they may look like, and that one being written is never believed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from gemgate.accounts import PSID, PSIDTS, Cookies
from gemgate.cookies.file import MOST_BYTES, FileSource
from gemgate.dialects import cookie_text
from gemgate.errors import AccountError
from tests.support.patience import PATIENCE
from tests.support.profiles import session

A = session("a")


def rest(path: Path, mtime: int = 1_000_000_000) -> None:
    """As if nobody had written the file for years."""
    os.utime(path, (mtime, mtime))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    rest(path)
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(A.as_dict()),
        json.dumps([{"name": n, "value": v, "domain": ".google.com"} for n, v in A.as_dict().items()]),
        json.dumps({"cookies": [{"name": n, "value": v} for n, v in A.as_dict().items()]}),
        "# Netscape HTTP Cookie File\n"
        + "\n".join(f"#HttpOnly_.google.com\tTRUE\t/\tTRUE\t1829817571\t{n}\t{v}" for n, v in A.as_dict().items()),
        "Cookie: " + "; ".join(f"{n}={v}" for n, v in A.as_dict().items()) + "\n",
        "\ufeff" + json.dumps(A.as_dict()),
    ],
    ids=["object", "list", "wrapped", "netscape", "header", "byte order mark"],
)
async def test_reads_every_form_people_export(tmp_path: Path, text: str) -> None:
    assert await FileSource(written(tmp_path / "c", text)).read() == A


async def test_a_file_that_makes_no_sense_is_an_error_that_names_it_and_shows_nothing_of_it(tmp_path: Path) -> None:
    path = written(tmp_path / "c", '{"' + A.psid)
    for _ in range(2):
        with pytest.raises(AccountError) as caught:
            await FileSource(path).read()
        assert str(path) in caught.value.en
        assert str(path) in caught.value.zh
        assert A.psid not in caught.value.en + caught.value.zh
        assert caught.value.code == "cookies_unreadable"


async def test_a_damaged_file_is_an_error_until_it_is_mended(tmp_path: Path) -> None:
    path = written(tmp_path / "c", "[]")
    source = FileSource(path)
    for _ in range(2):
        with pytest.raises(AccountError, match="missing"):
            await source.read()
    written(path, json.dumps(A.as_dict()))
    assert await source.read() == A


@pytest.mark.parametrize("kind", ["folder", "pipe", "huge"])
async def test_what_is_no_cookie_file_is_refused_without_hanging(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(MOST_BYTES + 1)
    with pytest.raises(AccountError):
        async with asyncio.timeout(PATIENCE):
            await FileSource(path, settle=0.01).read()


async def test_a_file_that_is_being_written_is_not_believed(tmp_path: Path) -> None:
    """Old cookies, then a writer that takes its time over the new ones: first half a value, then the rest."""
    path = written(tmp_path / "c", f"{PSID}={A.psid}; {PSIDTS}={A.psidts}")
    source = FileSource(path, settle=0.2)
    assert (await source.read()).psidts == A.psidts  # type: ignore[union-attr]
    new = "sidts-" + "n" * 70
    whole = f"{PSID}={A.psid}; {PSIDTS}={new}"
    seen = set()

    async def write() -> None:
        with path.open("w") as file:
            for at in range(0, len(whole), 8):
                file.write(whole[at : at + 8])
                file.flush()
                await asyncio.sleep(0.02)

    writing = asyncio.create_task(write())
    while not writing.done():
        cookies = await source.read()
        seen.add(cookies.psidts if cookies else None)
        await asyncio.sleep(0.01)
    await writing
    seen.add((await source.read()).psidts)  # type: ignore[union-attr]
    assert seen <= {A.psidts, new}
    assert new in seen


async def test_a_replaced_file_is_seen_although_size_and_time_are_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "c", f"{PSID}=aaa")
    source = FileSource(path)
    assert (await source.read()).psid == "aaa"  # type: ignore[union-attr]
    written(tmp_path / "new", f"{PSID}=bbb").replace(path)
    assert (await source.read()).psid == "bbb"  # type: ignore[union-attr]


async def test_a_long_text_is_not_read_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP archive has megabytes, and takes seconds: calls of clients must not wait for it."""
    read, threads = cookie_text.read, list[int]()

    def noted(text: str) -> Cookies:
        threads.append(threading.get_ident())
        return read(text)

    monkeypatch.setattr(cookie_text, "read", noted)
    path = written(tmp_path / "c", "\n" * 100_000 + json.dumps(A.as_dict()))
    assert await FileSource(path).read() == A
    assert threads
    assert threads[0] != threading.get_ident()
