"""Pictures in a folder and in a bucket: a real S3 protocol server, signatures recomputed by botocore, kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import openai
import pytest
from aiohttp import web
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gemgate.errors import NotFound, StorageDown
from gemgate.stores import blobs
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate_simulator import Simulator
from tests.support.s3 import KEY, REGION, SECRET, make_bucket, running_s3
from tests.support.serving import served, settings_for


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with one bucket."""
    with running_s3() as (host, port):
        endpoint = f"http://{host}:{port}"
        make_bucket(endpoint, "pictures")
        yield endpoint


def bucket(endpoint: str, **more: Any) -> blobs.ObjectBlobStore:
    return blobs.bucket(endpoint=endpoint, name="pictures", key_id=KEY, secret=SECRET, region=REGION, **more)


async def test_a_bucket_keeps_bytes_types_and_facts(s3: str) -> None:
    store = bucket(s3)
    assert await store.put("images/a b/ü.png", b"picture", "image/png")
    blob = await store.get("images/a b/ü.png")
    assert blob.data == b"picture"
    async with aiohttp.ClientSession() as http, http.get(store.url("images/a b/ü.png", 60) or "") as response:
        assert (response.status, await response.read()) == (200, b"picture")
        assert response.content_type == "image/png"
        assert "immutable" in response.headers["cache-control"]
    await store.delete(["images/a b/ü.png"])
    assert await store.stat("images/a b/ü.png") is None
    with pytest.raises(NotFound):
        await store.get("images/a b/ü.png")


async def test_one_name_never_changes_its_bytes_when_told_so(s3: str) -> None:
    store = bucket(s3)
    assert await store.put("once", b"first", "image/png", replace=False)
    assert not await store.put("once", b"second", "image/png", replace=False)
    assert (await store.get("once")).data == b"first"


async def test_images_of_the_service_stand_in_the_bucket_and_their_links_work(s3: str, tmp_path: Path) -> None:
    keys = {"s3_access_key_id": KEY, "s3_secret_access_key": SECRET}
    more = {"storage": "s3", "s3_endpoint": s3, "s3_bucket": "pictures", "s3_region": REGION, **keys}
    async with (
        Simulator(accounts=("alice",)) as sim,
        served(settings_for(sim, tmp_path, **more)) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
        aiohttp.ClientSession() as http,
    ):
        made = await client.images.generate(prompt="a red fox", response_format="url")
        assert made.data
        url = made.data[0].url or ""
        assert url.startswith(s3)
        async with http.get(url) as response:
            data = await response.read()
        facts = made.data[0].model_extra or {}
        assert hashlib.sha256(data).hexdigest() == facts["sha256"]
        assert not (tmp_path / "blobs" / "images").exists()


async def test_what_the_bucket_cannot_take_waits_in_a_folder_over_a_restart(s3: str, tmp_path: Path) -> None:
    away = bucket("http://127.0.0.1:9")
    spooling = SpoolingBlobStore(away, blobs.folder(tmp_path))
    await spooling.put("late/x.png", b"late", "image/png")
    assert spooling.waiting == 1
    assert (await spooling.get("late/x.png")).data == b"late"
    again = SpoolingBlobStore(bucket(s3), blobs.folder(tmp_path))
    await again.load_spool()
    assert again.is_spooled("late/x.png")
    assert again.url("late/x.png", 60) is None
    assert [facts.key async for facts in again.list("late")] == ["late/x.png"]
    assert await again.flush_spool() == 1
    assert not again.is_spooled("late/x.png")
    assert [facts.key async for facts in again.list("late")] == ["late/x.png"]
    assert again.waiting == 0
    assert (await bucket(s3).get("late/x.png")).data == b"late"
    with pytest.raises(NotFound):
        await blobs.folder(tmp_path).get("late/x.png")


async def test_a_bucket_that_is_away_is_asked_once_until_it_is_back(s3: str, tmp_path: Path) -> None:
    primary = bucket("http://127.0.0.1:9")
    store = SpoolingBlobStore(primary, blobs.folder(tmp_path))
    asked = 0
    put = primary.put

    async def counting(*given: Any, **more: Any) -> bool:
        nonlocal asked
        asked += 1
        return await put(*given, **more)

    primary.put = counting  # type: ignore[method-assign]
    for number in range(3):
        assert await store.put(f"away/{number}", b"data", "image/png")
    assert asked == 1
    assert not await store.put("away/1", b"other", "image/png", replace=False)
    assert await store.flush_spool() == 0
    put = bucket(s3).put
    assert await store.flush_spool() == 3
    assert await store.put("away/3", b"data", "image/png")
    assert store.waiting == 0
    assert [facts.key async for facts in bucket(s3).list("away/")] == [f"away/{number}" for number in range(4)]


async def test_what_waits_can_be_deleted_and_written_anew(s3: str, tmp_path: Path) -> None:
    store = SpoolingBlobStore(bucket("http://127.0.0.1:9"), blobs.folder(tmp_path))
    await store.put("waits/a", b"1", "image/png")
    await store.put("waits/a", b"2", "image/png")
    await store.put("waits/b", b"3", "image/png")
    assert b"".join([piece async for piece in store.chunks("waits/a")]) == b"2"
    with contextlib.suppress(StorageDown):
        await store.delete(["waits/b"])
    assert store.waiting == 1
    again = SpoolingBlobStore(bucket(s3), blobs.folder(tmp_path))
    await again.load_spool()
    assert await again.flush_spool() == 1
    assert (await again.get("waits/a")).data == b"2"
    assert await again.stat("waits/b") is None


@pytest.mark.parametrize("kind", ["bucket", "folder"])
async def test_a_large_object_comes_whole_and_in_ranges(kind: str, s3: str, tmp_path: Path) -> None:
    """Large enough for the bucket to take it in parts."""
    store = bucket(s3) if kind == "bucket" else blobs.folder(tmp_path)
    data = random.Random(7).randbytes(12_000_000)
    assert await store.put("large.png", data, "image/png")
    assert (await store.get("large.png")).data == data
    for start, end in [(0, None), (0, 10), (5, 6), (11_999_990, None), (1_000_000, 9_000_000), (0, 12_000_000)]:
        assert b"".join([piece async for piece in store.chunks("large.png", start, end)]) == data[start:end]
    with pytest.raises(NotFound):
        await anext(store.chunks("missing.png", 1, 2))


@pytest.fixture
async def witness() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that keeps every request with its body and says yes to all."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        return web.Response(body=b"picture", headers={"etag": '"1"', "last-modified": "Sat, 21 Nov 2026 10:00:00 GMT"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}", seen
    await runner.cleanup()


async def test_signed_requests_are_signed_as_botocore_signs_them(witness: tuple[str, list[web.Request]]) -> None:
    endpoint, seen = witness
    store = bucket(endpoint)
    await store.put("images/202611/a b+c~ü.png", b"picture", "image/png")
    await store.put("images/202611/once.png", b"p", "image/png", replace=False)
    await store.get("images/202611/a b+c~ü.png")
    await store.stat("images/x")
    with contextlib.suppress(StorageDown):  # the witness cannot say what was deleted
        await store.delete(["images/x"])
    assert {request.method for request in seen} >= {"PUT", "GET", "HEAD"}
    for request in seen:
        parts = dict(part.split("=", 1) for part in request.headers["Authorization"].split(" ", 1)[1].split(", "))
        signed = parts["SignedHeaders"].split(";")
        assert {"host", "x-amz-content-sha256", "x-amz-date"} <= set(signed)
        ours = AWSRequest(
            method=request.method,
            url=endpoint + request.raw_path,
            headers={name: request.headers[name] for name in signed},
            data=await request.read(),
        )
        ours.context["timestamp"] = request.headers["x-amz-date"]
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        text = signer.string_to_sign(ours, signer.canonical_request(ours))
        assert signer.signature(text, ours) == parts["Signature"], f"{request.method} {request.raw_path}"
        body = hashlib.sha256(await request.read()).hexdigest()
        assert request.headers["x-amz-content-sha256"] in (body, "UNSIGNED-PAYLOAD")


def test_presigned_links_are_those_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("images/202611/20261121/fox_0a1b2c.png", "images/a b+c~ü'().png"):
        url = bucket("https://s3.example").url(key, 600) or ""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["X-Amz-Expires"] == "600"
        moment = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=30)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda moment=moment: moment.replace(tzinfo=None))
        request = AWSRequest(method="GET", url=url.partition("?")[0])
        S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", REGION, expires=600).add_auth(request)
        theirs = parse_qs(urlsplit(request.url).query)
        assert theirs["X-Amz-Signature"] == [query["X-Amz-Signature"]], key


STORING = """
    import asyncio, hashlib, os, pathlib, sys
    from gemgate.stores import blobs

    async def main():
        store = blobs.folder(pathlib.Path(sys.argv[1]))
        print("go", flush=True)
        for number in range(10_000):
            data = hashlib.sha256(str(number).encode()).digest() * 100_000
            await store.put(f"images/{hashlib.sha256(data).hexdigest()}", data, "image/png")

    asyncio.run(main())
"""


def test_kill_9_while_storing_leaves_no_half_image_visible(tmp_path: Path) -> None:
    dice = random.Random(3)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STORING), str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        time.sleep(dice.uniform(0.01, 0.15))
        process.kill()
        process.wait()
        process.stdout.close()

    async def visible() -> list[tuple[str, str]]:
        store = blobs.folder(tmp_path)
        return [
            (facts.key, hashlib.sha256((await store.get(facts.key)).data).hexdigest())
            async for facts in store.list("images")
        ]

    found = asyncio.run(visible())
    assert found
    for key, digest in found:
        assert key == f"images/{digest}"


async def test_a_full_or_missing_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((StorageDown, OSError, NotADirectoryError)):
        await blobs.folder(tmp_path / "file" / "below").put("x", b"1", "image/png")
