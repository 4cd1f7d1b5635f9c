"""The promises of `ports.FileStore`, over both databases."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gemgate.errors import NotFound, TooLarge
from gemgate.files import StoredFile
from gemgate.ports.files import FileStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.files import LEAST, SqlFileStore
from gemgate.testing import FakeClock, MemoryBlobs

CLOCK = FakeClock()


@pytest.fixture
def store(database: Database) -> FileStore:
    return SqlFileStore(database, MemoryBlobs(), CLOCK)


def file(name: str, data: bytes = b"hello", *, owner: str = "alice", at: float = 0.0, **more: object) -> StoredFile:
    digest = hashlib.sha256(data).hexdigest()
    made = CLOCK.now() + at
    return StoredFile(f"file-{name}", owner, name, "text/plain", len(data), digest, "user_data", made, **more)  # type: ignore[arg-type]


async def test_what_was_added_is_read_whole_and_in_pieces(store: FileStore) -> None:
    await store.add(file("a.txt"), b"hello")
    assert await store.get("file-a.txt", "alice") == file("a.txt")
    assert await store.read(file("a.txt")) == b"hello"
    assert b"".join([piece async for piece in store.chunks(file("a.txt"))]) == b"hello"


async def test_a_large_file_comes_from_this_machine(store: FileStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5_000
    (tmp_path / "large").write_bytes(data)
    await store.add_from(file("large", data), tmp_path / "large")
    assert await store.read(file("large", data)) == data


async def test_nobody_sees_another_owners_files(store: FileStore) -> None:
    await store.add(file("a.txt"), b"hello")
    assert await store.get("file-a.txt", "bob") is None
    assert await store.list("bob") == []


async def test_a_listing_is_newest_first_and_goes_by_purpose(store: FileStore) -> None:
    for number in range(3):
        await store.add(file(str(number), at=number), b"hello")
    assert [one.name for one in await store.list("alice")] == ["2", "1", "0"]
    assert len(await store.list("alice", "user_data")) == 3
    assert await store.list("alice", "batch") == []


async def test_a_name_is_data_and_never_a_path(store: FileStore) -> None:
    odd = file("../../etc/passwd\u202e猫 '; --", b"x")
    await store.add(odd, b"x")
    assert await store.get(odd.id, "alice") == odd
    assert await store.read(odd) == b"x"


async def test_what_is_deleted_is_gone_with_its_bytes(store: FileStore) -> None:
    await store.add(file("a.txt"), b"hello")
    await store.delete(file("a.txt"))
    await store.delete(file("a.txt"))
    assert await store.get("file-a.txt", "alice") is None
    with pytest.raises(NotFound):
        await store.read(file("a.txt"))


async def test_what_has_expired_is_gone_for_its_owner(store: FileStore) -> None:
    await store.add(file("over", expires_at=CLOCK.now()), b"hello")
    await store.add(file("alive", expires_at=CLOCK.now() + 1), b"hello")
    assert await store.get("file-over", "alice") is None
    assert [one.name for one in await store.list("alice")] == ["alive"]


async def test_an_owner_has_no_more_room_than_is_given(database: Database) -> None:
    blobs = MemoryBlobs()
    store = SqlFileStore(database, blobs, CLOCK, per_owner=2 * LEAST + 10)
    await store.add(file("a"), b"hello")
    await store.add(file("b"), b"hello")
    with pytest.raises(TooLarge):
        await store.add(file("c"), b"hello")
    await store.add(file("c", owner="bob"), b"hello")
    assert len(blobs.blobs) == 3
