"""The promises of `ports.BlobStore`, over a folder, a bucket, a bucket with its spool, and the double that we ship."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gemgate.errors import NotFound
from gemgate.ports.blobs import BlobStore
from gemgate.stores import blobs
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.testing import MemoryBlobs
from tests.support.s3 import KEY, REGION, SECRET, make_bucket, running_s3

NAME = "images/202611/a b/猫.png"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture(params=["folder", "bucket", "spooling", "double"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return blobs.folder(tmp_path / "pictures")
    if request.param == "double":
        return MemoryBlobs()
    endpoint, name = request.getfixturevalue("s3"), f"bucket-{tmp_path.name.lower().replace('_', '-')}"[:60].rstrip("-")
    make_bucket(endpoint, name)
    bucket = blobs.bucket(endpoint=endpoint, name=name, key_id=KEY, secret=SECRET, region=REGION)
    return bucket if request.param == "bucket" else SpoolingBlobStore(bucket, blobs.folder(tmp_path / "spool"))


async def listed(store: BlobStore, prefix: str) -> list[str]:
    return sorted([facts.key async for facts in store.list(prefix)])


async def test_what_was_put_is_got(store: BlobStore) -> None:
    assert await store.put(NAME, b"picture", "image/png")
    blob = await store.get(NAME)
    facts = await store.stat(NAME)
    assert blob.data == b"picture"
    assert blob.facts == facts
    assert facts is not None
    assert (facts.key, facts.size, bool(facts.etag)) == (NAME, 7, True)


async def test_a_later_put_replaces_and_is_told_apart(store: BlobStore) -> None:
    await store.put(NAME, b"one", "image/png")
    before = await store.stat(NAME)
    assert await store.put(NAME, b"other", "image/png")
    after = await store.stat(NAME)
    assert (await store.get(NAME)).data == b"other"
    assert before is not None
    assert after is not None
    assert before.etag != after.etag


async def test_a_name_that_is_made_once_keeps_its_bytes(store: BlobStore) -> None:
    assert await store.put(NAME, b"first", "image/png", replace=False)
    assert not await store.put(NAME, b"second", "image/png", replace=False)
    assert (await store.get(NAME)).data == b"first"


async def test_what_is_not_there_is_told_by_its_type(store: BlobStore) -> None:
    assert await store.stat("nothing") is None
    with pytest.raises(NotFound):
        await store.get("nothing")
    with pytest.raises(NotFound):
        await anext(store.chunks("nothing"))


async def test_what_is_deleted_is_gone_and_nothing_else(store: BlobStore) -> None:
    await store.put("a", b"a", "image/png")
    await store.put("b", b"b", "image/png")
    await store.delete(["a", "never there"])
    await store.delete([])
    assert await store.stat("a") is None
    assert await listed(store, "") == ["b"]


async def test_a_file_of_this_machine_is_stored(store: BlobStore, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 10_000)
    await store.put_file("uploads/large", path, "application/octet-stream")
    assert (await store.get("uploads/large")).data == path.read_bytes()


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 1), (7, None), (5, 2_500_000), (2_999_999, 3_000_000)])
async def test_a_range_comes_piece_by_piece(store: BlobStore, start: int, end: int | None) -> None:
    data = bytes(range(250)) * 12_000
    await store.put(NAME, data, "image/png")
    assert b"".join([piece async for piece in store.chunks(NAME, start, end)]) == data[start:end]


async def test_a_listing_goes_by_folders(store: BlobStore) -> None:
    for key in ("images/1/a", "images/2/b", "images2/c", "uploads/d"):
        await store.put(key, b"x", "image/png")
    assert await listed(store, "images") == ["images/1/a", "images/2/b"]
    assert await listed(store, "images/1") == ["images/1/a"]
    assert await listed(store, "none") == []
    assert len(await listed(store, "")) == 4


async def test_a_reader_sees_all_of_a_version_or_another(store: BlobStore) -> None:
    await store.put(NAME, bytes(200_000), "image/png")
    mixed = 0
    writing = asyncio.gather(*(store.put(NAME, bytes([number]) * 200_000, "image/png") for number in range(1, 9)))
    while not writing.done():
        seen = (await store.get(NAME)).data
        mixed += len(set(seen)) != 1 or len(seen) != 200_000
        await asyncio.sleep(0)
    await writing
    assert mixed == 0


async def test_a_link_leads_to_the_bytes_or_there_is_none(store: BlobStore) -> None:
    await store.put(NAME, b"picture", "image/png")
    url = store.url(NAME, 60)
    if url is None:
        assert isinstance(store, MemoryBlobs) or store.url("other", 60) is None
        return
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", b"picture")


async def test_a_store_that_is_well_says_so(store: BlobStore) -> None:
    await store.put(NAME, b"picture", "image/png")
    await store.probe()
    assert (store.trouble, store.full, store.waiting, store.is_spooled(NAME)) == (None, False, 0, False)
    assert await listed(store, "") == [NAME]
