"""Slow images behind nginx, HAProxy and Caddy: the files of deploy/proxies, with shorter time-outs."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from gemgate_simulator import Painting, Simulator
from tests.support.patience import AT_ONCE
from tests.support.proxies import proxy
from tests.support.serving import served, settings_for

PROXIES = ("nginx", "haproxy", "caddy")
IMPATIENT: dict[str, dict[str, str]] = {
    "nginx": {"proxy_read_timeout 60s;": "proxy_read_timeout 2s; gzip on; gzip_types application/json;"},
    "haproxy": {"timeout server 60s": "timeout server 2s", "timeout client 60s": "timeout client 2s"},
    "caddy": {
        "\treverse_proxy 127.0.0.1:8100\n": "\tencode gzip\n\treverse_proxy 127.0.0.1:8100 {\n\t\ttransport http {\n"
        "\t\t\tresponse_header_timeout 2s\n\t\t\tread_timeout 2s\n\t\t}\n\t}\n",
    },
}
"""Their files with two seconds where a proxy has a minute or more, and with compression, which may keep bytes back."""
TRUSTED = {"trusted_proxies": ("127.0.0.1/32",)}
FAST = {"first_byte_timeout_seconds": 30, "idle_timeout_seconds": 30, "keepalive_seconds": 0.3, **TRUSTED}
WISH: dict[str, Any] = {"model": "gemini-2.5-flash-image", "prompt": "a red fox", "response_format": "url"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("soak") is None:
        monkeypatch.setattr("gemgate.web.keepalive.BLANK_SECONDS", 0.3)
        monkeypatch.setattr("gemgate.web.sse.OPEN_SECONDS", 0.3)
        monkeypatch.setattr("gemgate.web.sse.HEARTBEAT_SECONDS", 0.3)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("fox", "here", image=Painting(), delay=5.0)
        yield simulator


async def whole(url: str) -> tuple[int, Any]:
    """Status and JSON of an image that is asked for without a stream."""
    headers = {"accept-encoding": "gzip"}
    async with (
        aiohttp.ClientSession(url) as http,
        http.post("/v1/images/generations", json=WISH, headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def streamed(url: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(url) as http,
        http.post("/v1/images/generations", json={**WISH, "stream": True}) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize("name", PROXIES)
async def test_a_slow_image_comes_as_a_stream_and_as_json_behind_white_space(
    sim: Simulator, tmp_path: Path, name: str
) -> None:
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with proxy(name, tmp_path, gate.url, IMPATIENT[name]) as front:
            (status, read), (opened, events) = await asyncio.gather(whole(front), streamed(front))
    assert (status, opened) == (200, 200), (read, events)
    assert read.startswith("   ")
    assert json.loads(read)["data"][0]["url"].startswith(front + "/images/"), "the proxy's own address, as it told it"
    assert "event: image_generation.completed" in events
    assert sim.record.generations == 2


@pytest.mark.parametrize("name", PROXIES)
async def test_the_control_a_silent_answer_is_given_up_there(sim: Simulator, tmp_path: Path, name: str) -> None:
    async with served(settings_for(sim, tmp_path, **{**FAST, "keepalive_seconds": 0})) as gate:
        with proxy(name, tmp_path, gate.url, IMPATIENT[name]) as front:
            status, _ = await whole(front)
    assert status in (502, 504)


@pytest.mark.parametrize("name", PROXIES)
async def test_white_space_is_not_kept_back(sim: Simulator, tmp_path: Path, name: str) -> None:
    """A second proxy before this one (Cloudflare, say) has to see it too."""
    sim.google.reply("fox", "here", image=Painting(), delay=2 * AT_ONCE)
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with proxy(name, tmp_path, gate.url, IMPATIENT[name]) as front:
            headers = {"accept-encoding": "gzip"}
            async with (
                aiohttp.ClientSession(front) as http,
                http.post("/v1/images/generations", json=WISH, headers=headers) as answer,
            ):
                assert answer.headers["x-gemgate-keepalive"] == "1"
                async with asyncio.timeout(AT_ONCE):
                    assert await answer.content.readexactly(3) == b"   "


@pytest.mark.parametrize("name", PROXIES)
async def test_an_upload_of_megabytes_goes_through_below_a_path(sim: Simulator, tmp_path: Path, name: str) -> None:
    sim.google.reply("fox", "here", image=Painting())
    data = io.BytesIO()
    Image.effect_noise((1600, 1600), 99).save(data, "PNG")
    assert data.tell() > 2_000_000
    shown = {"image_url": "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()}
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with proxy(name, tmp_path, gate.url, path=True) as front:
            async with aiohttp.ClientSession() as http:
                wish = {**WISH, "images": [shown]}
                async with http.post(f"{front}/gem/v1/images/edits", json=wish) as answer:
                    told = await answer.json()
                    assert answer.status == 200, told
                link = told["data"][0]["url"]
                assert link.startswith(front + "/gem/images/")
                async with http.get(link) as answer:
                    assert answer.status == 200


@pytest.mark.parametrize("name", PROXIES)
async def test_the_path_without_its_slash_leads_to_the_page(sim: Simulator, tmp_path: Path, name: str) -> None:
    """As people type it; and a path that only begins alike is somebody else's."""
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with proxy(name, tmp_path, gate.url, path=True) as front:
            async with aiohttp.ClientSession() as http:
                async with http.get(f"{front}/gem") as answer:
                    assert (answer.status, answer.url.path) == (200, "/gem/")
                    assert "<title>gemgate</title>" in await answer.text()
                async with http.get(f"{front}/gems/") as answer:
                    assert "gemgate" not in await answer.text()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*kinds))
    return file


@pytest.mark.parametrize("path", [False, True], ids=["root", "path"])
@pytest.mark.parametrize("name", PROXIES)
async def test_over_tls_links_are_https_and_the_session_is_for_https_alone(
    sim: Simulator, tmp_path: Path, certificate: Path, name: str, path: bool
) -> None:
    sim.google.reply("fox", "here", image=Painting())
    trusted = ssl.create_default_context(cafile=str(certificate))
    wishes = {**FAST, "api_key": "client:sk-client-0123456789", "admin_key": "sk-admin-0123456789abcdef"}
    async with served(settings_for(sim, tmp_path, **wishes)) as gate:
        with proxy(name, tmp_path, gate.url, path=path, certificate=certificate) as front:
            base = front + ("/gem" if path else "")
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as http:
                key = {"authorization": "Bearer sk-client-0123456789"}
                async with http.post(f"{base}/v1/images/generations", json=WISH, headers=key) as answer:
                    told = await answer.json()
                    assert answer.status == 200, told
                link = told["data"][0]["url"]
                assert link.startswith(base + "/images/")
                async with http.get(link) as answer:
                    assert answer.status == 200
                said = {"key": "sk-admin-0123456789abcdef"}
                async with http.post(f"{base}/api/session", json=said, headers={"origin": front}) as answer:
                    assert answer.status in (200, 201, 204), await answer.text()
                    assert "secure" in answer.headers["set-cookie"].lower()


async def by_task(url: str) -> Any:
    """The task of an asynchronous image as it ended, polled as long as a proxy bears."""
    async with aiohttp.ClientSession(url) as http:
        async with http.post("/v1/images/generations", json={**WISH, "async": True}) as answer:
            assert answer.status == 202
            poll = (await answer.json())["poll"]
        assert poll.startswith(url + "/v1/images/tasks/"), "the proxy's own address"
        while True:
            async with http.get(poll + "?wait=50") as answer:
                assert answer.status == 200
                task = await answer.json()
            if task["status"] not in ("queued", "in_progress"):
                return task


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [75, 150])
@pytest.mark.parametrize("name", PROXIES)
async def test_an_image_of_minutes_arrives_with_the_files_as_they_are(
    sim: Simulator, tmp_path: Path, name: str, seconds: int
) -> None:
    sim.google.reply("fox", "here", image=Painting(), delay=float(seconds))
    patience = {f"{what}_timeout_seconds": 200 for what in ("first_byte", "idle", "request")}
    started = time.monotonic()
    async with served(settings_for(sim, tmp_path, concurrency=4, **patience, **TRUSTED)) as gate:
        with proxy(name, tmp_path, gate.url) as front:
            (status, read), (opened, events), task = await asyncio.gather(whole(front), streamed(front), by_task(front))
    print(f"\n{name}: three images of {seconds} s after {time.monotonic() - started:.0f} s")
    assert (status, opened, task["status"]) == (200, 200, "completed"), (read, events, task)
    assert len(read) - len(read.lstrip()) >= (seconds - 25) // 10
    assert json.loads(read)["data"]
    assert "event: image_generation.completed" in events
    assert task["result"]["data"]
    assert sim.record.generations == 3
