"""Stores that speak S3 with an accent: the bucket's name only before the host, no conditional puts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gemgate.cli import doctor
from gemgate.policy.bucket_address import bucket_address
from gemgate.settings import explicit
from gemgate.stores import blobs
from gemgate.stores.blobs import SpoolingBlobStore
from tests.support.s3 import make_bucket, running_s3

HOST = "s3.shop.test"


class Strict:
    """A store behind a proxy's address, so that any host reaches it. header: its own way of saying "only if new"."""

    def __init__(self, header: str = "") -> None:
        self.header = header
        self.objects: dict[str, bytes] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.host, request.path))
        if request.host != f"shop.{HOST}":
            return self._error(403, "SecondLevelDomainForbidden")
        if "if-none-match" in request.headers and request.method == "PUT":
            return self._error(501, "NotImplemented")
        key, kept = request.path, {"etag": '"e"', "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT"}
        if request.method == "PUT":
            if self.header and request.headers.get(self.header) == "true" and key in self.objects:
                return self._error(409, "FileAlreadyExists")
            self.objects[key] = await request.read()
            return web.Response(headers=kept)
        if request.method == "POST" and "delete" in request.query:
            gone = re.findall(r"<Key>(.*?)</Key>", await request.text())
            for name in gone:
                self.objects.pop("/" + name, None)
            listed = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in gone)
            return web.Response(text=f"<DeleteResult>{listed}</DeleteResult>", content_type="application/xml")
        if key not in self.objects:
            return self._error(404, "NoSuchKey")
        return web.Response(body=self.objects[key], headers=kept)

    @staticmethod
    def _error(status: int, code: str) -> web.Response:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")


@asynccontextmanager
async def strict(header: str = "") -> AsyncIterator[Strict]:
    server, app = Strict(header), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def bucket(server: Strict, endpoint: str = f"http://{HOST}", **more: object) -> blobs.ObjectBlobStore:
    options = {"proxy_url": server.url}
    return blobs.bucket(endpoint=endpoint, name="shop", key_id="k", secret="s", options=options, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("endpoint", [f"http://{HOST}", f"http://shop.{HOST}"])
@pytest.mark.parametrize(("creating", "header"), [("auto", ""), ("look", ""), ("oss", "x-oss-forbid-overwrite"),
                                                  ("cos", "x-cos-forbid-overwrite")])  # fmt: skip
async def test_a_name_is_given_once_in_every_accent(endpoint: str, creating: str, header: str) -> None:
    async with strict(header) as server:
        store = bucket(server, endpoint, addressing="virtual", creating=creating)
        for _ in range(2):
            assert await store.put("images/a.png", b"first", "image/png", replace=False)
            assert not await store.put("images/a.png", b"second", "image/png", replace=False)
            assert (await store.get("images/a.png")).data == b"first"
            await store.delete(["images/a.png"])
        link = store.url("images/a.png", 60) or ""
        assert link.startswith(f"http://shop.{HOST}/images/a.png?")
        assert {host for _, host, _ in server.seen} == {f"shop.{HOST}"}


async def test_that_there_are_no_conditions_is_found_out_once(tmp_path: Path) -> None:
    async with strict() as server:
        store = SpoolingBlobStore(bucket(server, addressing="virtual"), blobs.folder(tmp_path))
        for number in range(3):
            assert await store.put(f"images/{number}.png", b"x", "image/png", replace=False)
        assert store.waiting == 0  # nothing is "moved later"
        refused = [one for one in server.seen if one[0] == "PUT"]
        assert len(refused) <= 3 + 3  # the first try with its retries, and one put each


@pytest.mark.parametrize(
    ("endpoint", "addressing", "told"),
    [
        ("https://oss-cn-shanghai.aliyuncs.com", "auto", ("https://shop.oss-cn-shanghai.aliyuncs.com", True)),
        ("https://cos.ap-beijing.myqcloud.com", "auto", ("https://shop.cos.ap-beijing.myqcloud.com", True)),
        ("https://obs.cn-north-4.myhuaweicloud.com", "auto", ("https://shop.obs.cn-north-4.myhuaweicloud.com", True)),
        ("https://obs.cn-north-4.myhuaweicloud.com", "path", ("https://obs.cn-north-4.myhuaweicloud.com", False)),
        ("http://minio:9000", "auto", ("http://minio:9000", False)),
        ("http://minio:9000", "virtual", ("http://shop.minio:9000", True)),
        ("http://shop.minio:9000", "auto", ("http://shop.minio:9000", True)),
        (None, "auto", (None, False)),
    ],
)
def test_the_address_of_a_bucket(endpoint: str | None, addressing: blobs.Addressing, told: tuple[str, bool]) -> None:
    assert bucket_address(endpoint, "shop", addressing) == told


async def test_the_doctor_finds_the_style_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with strict() as server:
        monkeypatch.setattr(doctor, "open_bucket", lambda settings: bucket(server, addressing=settings.s3_addressing))
        settings = explicit(data_dir=tmp_path, storage="s3", s3_bucket="shop", s3_endpoint=f"http://{HOST}")
        (found,) = await doctor.storage(settings)
        assert (found.verdict, found.check) == ("fail", "storage")
        assert "S3_ADDRESSING=virtual" in found.advice
        (found,) = await doctor.storage(settings.model_copy(update={"s3_addressing": "virtual"}))
        assert found.verdict == "ok"
        assert "'look'" in found.found
        assert not server.objects


def test_each_test_server_begins_empty() -> None:
    for _ in range(2):
        with running_s3() as (host, port):
            make_bucket(f"http://{host}:{port}", "pictures")
