"""The simulator as a process of its own, and the verbs over its control API."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from curl_cffi.requests import AsyncSession
from gemini_webapi import GeminiClient

from gemgate.accounts import PSID, PSIDTS
from gemgate_simulator import BlockingSimulator, RemoteSimulator
from tests.support.patience import PATIENCE

APP = "https://gemini.google.com/app"


@pytest.fixture
async def remote() -> AsyncIterator[RemoteSimulator]:
    async with RemoteSimulator.spawn(accounts=("alice", "bob"), tier="plus") as simulator:
        yield simulator


@pytest.mark.stock
async def test_the_stock_client_talks_to_a_simulator_elsewhere(
    remote: RemoteSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_COOKIE_PATH", str(tmp_path))
    cookies = await remote.google.cookies("bob")
    assert cookies == remote.accounts["bob"]
    client = GeminiClient(cookies[PSID], cookies[PSIDTS], proxy=remote.proxy_url, verify=str(remote.ca_file))
    await client.init(auto_refresh=False)
    await remote.google.reply(re.compile("^HELLO$", re.IGNORECASE), frames=["one", "two"], times=1, pace=0.01)
    await remote.google.reply("draft", "text", candidates=("other",), thoughts="hm")
    assert (await client.generate_content("hello")).text == "two"
    assert (await client.generate_content("hello")).text == "You said: hello"
    assert [candidate.text for candidate in (await client.generate_content("draft")).candidates] == ["text", "other"]
    await remote.google.world(files={"short": "taken"})  # the library knows no other shape
    output = await client.generate_content("look", files=[b"raw"])
    assert output.text
    record = await remote.record()
    assert (record.received, record.generations_of("bob"), record.generations_of("alice")) == (4, 4, 0)
    assert list(record.violations) == []
    file = await remote.google.upload(record.calls[-1].files[0].id)
    assert (file.data, file.owner) == (b"raw", "bob")
    await client.close()


async def test_every_verb_travels(remote: RemoteSimulator) -> None:
    google = remote.google
    old = await google.cookies("alice")
    assert (await google.rotate("alice"))[PSIDTS] != old[PSIDTS]
    assert (await google.sign_in("alice"))[PSID] != old[PSID]
    facts = await google.account("alice", status=1040, lifetime=60, used=[0.5, 0.5])
    assert (facts["tier"], facts["status"], facts["lifetime"], facts["used"]) == ("plus", 1040, 60, [0.5, 0.5])
    assert PSID in await google.add_account("carol", tier="free")

    async def status(name: str) -> bool:
        cookies = await google.cookies(name)
        async with AsyncSession(proxy=remote.proxy_url, verify=str(remote.ca_file), timeout=10) as session:
            header = "; ".join(f"{key}={value}" for key, value in cookies.items())
            return "SNlM0e" in (await session.get(APP, headers={"cookie": header})).text

    assert await status("alice")
    await google.advance(61)
    assert not await status("alice")
    assert await status("carol")
    await google.expire("carol")
    assert not await status("carol")
    await google.revive("carol")
    assert await status("carol")
    await google.fault("init", "guest", account="carol", times=2)
    assert [await status("carol") for _ in range(3)] == [False, False, True]
    await google.fault("init", "guest", times=-1)
    await google.clear()
    assert await status("carol")
    assert (await remote.record()).requests_of("init", "carol") == 7
    await google.forget()
    assert len((await remote.record()).requests) == 0


async def test_mistakes_are_told(remote: RemoteSimulator) -> None:
    for mistake, told in [
        (lambda: remote.google.fault("generate", "status"), "needs status="),
        (lambda: remote.google.expire("nobody"), "there is no account 'nobody'"),
        (lambda: remote.google.account("alice", name="x"), "cannot be set"),
        (lambda: remote.google.reply("x", "y", colour="red"), "colour"),
    ]:
        with pytest.raises(ValueError, match=told):
            await mistake()


async def test_the_control_api_is_for_this_machine_and_for_json(remote: RemoteSimulator) -> None:
    async with aiohttp.ClientSession() as session:
        for options, status in [
            ({"headers": {"host": "evil.example"}, "json": {}}, 403),
            ({"data": "{}", "headers": {"content-type": "text/plain"}}, 415),
            ({"data": "{", "headers": {"content-type": "application/json"}}, 400),
            ({"json": {}}, 200),
        ]:
            async with session.post(f"{remote.control_url}/clear", **options) as response:
                assert response.status == status
        async with session.get(f"{remote.control_url}/record") as response:
            assert response.status == 404
        async with session.post(f"{remote.control_url}/unknown", json={}) as response:
            assert response.status == 404


def test_the_blocking_twin() -> None:
    with BlockingSimulator.spawn(http2=False, seed=None) as sim:
        assert PSID in sim.google.cookies("alice")
        sim.google.fault("generate", "reset")
        assert sim.record().received == 0
        process_gone = sim.control_url
    with pytest.raises(ConnectionRefusedError):
        BlockingSimulator.attach(
            {"proxy_url": "", "ca_file": "", "accounts": {}, "control_url": process_gone}
        ).google.clear()


@pytest.mark.parametrize("way", ["sigterm", "sigint", "stdin"])
async def test_it_ends_and_leaves_nothing_behind(tmp_path: Path, way: str) -> None:
    ready_file = tmp_path / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gemgate_simulator", "--accounts", "a,b", "--ready-file", str(ready_file),
        "--die-with-parent", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    ready = json.loads(await process.stdout.readline())
    assert json.loads(ready_file.read_text()) == ready
    assert ready_file.stat().st_mode & 0o077 == 0
    assert set(ready["accounts"]) == {"a", "b"}
    assert Path(ready["ca_file"]).exists()
    if way == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM if way == "sigterm" else signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 0
    assert not Path(ready["ca_file"]).parent.exists()
