"""What of an account's uploads is remembered, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from gemgate.pool import uploads
from gemgate.pool.uploads import HANDLE_LIFETIME, UploadedFiles
from gemgate.ports.upstream import Upload
from gemgate.testing import FakeClock


class Google:
    """Counts what is sent up; `hold` keeps an upload under way."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.hold: asyncio.Event | None = None

    async def upload(self, upload: Upload) -> str:
        self.sent.append(upload.name)
        if self.hold is not None:
            await self.hold.wait()
        return f"handle-{len(self.sent)}"


def file(number: int) -> Upload:
    return Upload(f"{number}.txt", "text/plain", b"", f"{number:064x}")


async def test_a_file_goes_up_once_while_its_handle_lives() -> None:
    google, clock = Google(), FakeClock()
    files = UploadedFiles(google, clock)  # type: ignore[arg-type]
    assert (await files.upload(file(1))).handle == (await files.upload(file(1))).handle == "handle-1"
    await clock.advance(HANDLE_LIFETIME)
    assert (await files.upload(file(1))).handle == "handle-2"
    assert len(files) == 1


async def test_handles_are_bounded_and_the_one_used_longest_ago_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_HANDLES", 3)
    google = Google()
    files = UploadedFiles(google, FakeClock())  # type: ignore[arg-type]
    for number in (1, 2, 3, 1, 4):
        await files.upload(file(number))
    assert len(files) == 3
    await files.upload(file(1))
    assert google.sent == ["1.txt", "2.txt", "3.txt", "4.txt"], "used again, so it stayed"
    await files.upload(file(2))
    assert google.sent[-1] == "2.txt"


async def test_what_goes_up_while_the_session_changes_is_not_taken_for_the_new_ones() -> None:
    google = Google()
    google.hold = asyncio.Event()
    files = UploadedFiles(google, FakeClock())  # type: ignore[arg-type]
    going = asyncio.create_task(files.upload(file(1)))
    await asyncio.sleep(0)
    files.forget()
    google.hold.set()
    await going
    assert len(files) == 0
    await files.upload(file(1))
    assert len(google.sent) == 2
