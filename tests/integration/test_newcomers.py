"""What stops a newcomer: one session under two names, a call that nobody can take, files of prompts as they are."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from gemgate.cli import doctor
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import served, settings_for

CHAT = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}


async def test_one_session_is_one_account(tmp_path: Path) -> None:
    async with (
        Simulator(accounts=("alice",)) as simulator,
        served(settings_for(simulator, tmp_path)) as gate,
        httpx2.AsyncClient(base_url=gate.url) as http,
    ):
        held = gate.service.pool.accounts[0].name
        answer = await http.post(
            "/api/cookies", json={"account": "second", "cookies": simulator.google.cookies("alice")}
        )
        assert answer.status_code == 409, answer.text
        assert held in answer.json()["detail"]
        assert [account.name for account in gate.service.pool.accounts] == [held]


async def test_cookies_that_fail_leave_no_account_behind(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        dead = simulator.google.sign_in("alice")
        simulator.google.expire("alice")
        settings = settings_for(simulator, tmp_path, secure_1psid=None, secure_1psidts=None)
        async with served(settings, wait_ready=False) as gate, httpx2.AsyncClient(base_url=gate.url) as http:
            answer = await http.post("/api/cookies", json={"account": "new", "cookies": dead})
            assert answer.status_code >= 400
            assert not gate.service.pool.accounts


async def test_one_session_in_two_sources_serves_one_account(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        cookies = simulator.google.cookies("alice")
        (tmp_path / "c.txt").write_text("; ".join(f"{name}={value}" for name, value in cookies.items()))
        (tmp_path / "accounts.toml").write_text(
            "".join(f'[[account]]\nname = "{name}"\nsource = "file:{tmp_path}/c.txt"\n' for name in ("one", "two"))
        )
        settings = settings_for(simulator, tmp_path, secure_1psid=None, secure_1psidts=None)
        async with served(settings) as gate:
            accounts = gate.service.pool.accounts
            await until(lambda: sorted(account.status().state for account in accounts) == ["needs_login", "ready"])
            lost = next(account for account in accounts if not account.is_open)
            assert "already the account" in lost.status().why.en


async def test_a_call_that_nobody_can_take_uses_up_no_limit(tmp_path: Path) -> None:
    limits = {"rate_limit_per_hour": 2, "model_interval_seconds": 60}
    settings = settings_for(None, tmp_path, **limits)
    async with served(settings, wait_ready=False) as gate, httpx2.AsyncClient(base_url=gate.url) as http:
        for _ in range(4):
            answer = await http.post("/v1/chat/completions", json=CHAT)
            assert answer.status_code == 503, answer.text
            assert answer.json()["error"]["code"] == "no_account"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", "prompt,size\na red fox,1k\na blue jay,\n"),
        ("application/jsonl", '{"prompt": "a red fox", "size": "1k"}\n{"prompt": "a blue jay"}\n'),
        ("text/plain", "a red fox\na blue jay\n"),
    ],
)
async def test_a_file_of_prompts_is_an_order(kind: str, body: str, tmp_path: Path) -> None:
    async with (
        Simulator(accounts=("alice",)) as simulator,
        served(settings_for(simulator, tmp_path)) as gate,
        httpx2.AsyncClient(base_url=gate.url) as http,
    ):
        seen = (await http.post("/v1/batch/images/preview", content=body, headers={"content-type": kind})).json()
        assert (seen["total"], seen["refused"]) == (2, [])
        assert simulator.record.generations == 0
        made = await http.post("/v1/batch/images?concurrency=2", content=body, headers={"content-type": kind})
        assert made.json()["total"] == 2, made.text
        batch = made.json()["batch_id"]
        while (await http.get(f"/v1/batch/{batch}/status")).json()["completed"] < 2:
            await asyncio.sleep(0.05)
        wrong = await http.post(
            "/v1/batch/images", content="prompt,colour\nx,y\n", headers={"content-type": "text/csv"}
        )
        assert wrong.status_code == 400
        assert "colour" in wrong.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/images/generations", {"size": "4096x4096"}),
        ("/v1/images/generations", {"quality": "4k"}),
        ("/v1/generate-images", {"size": "4k", "response_type": "url"}),
    ],
)
async def test_a_size_chooses_its_model_or_says_what_it_did(path: str, body: dict, tmp_path: Path) -> None:
    async with (
        Simulator(accounts=("alice",)) as simulator,
        served(settings_for(simulator, tmp_path)) as gate,
        httpx2.AsyncClient(base_url=gate.url, timeout=30) as http,
    ):
        simulator.google.images(cheap=True)
        small = "gemini-2.5-flash-image"
        made, named = [
            (await http.post(path, json={"prompt": "a fox", "response_format": "url", **body, **model})).json()
            for model in ({}, {"model": small})
        ]
        (free,), (held,) = ((answer.get("details") or answer["data"]) for answer in (made, named))
        assert free["model"] == "gemini-3-pro-image-preview-4k"
        assert held["model"] == small
        assert f"{small} does not promise it, gemini-3-pro-image-preview-4k does" in held["note"]


async def test_limits_speak_the_callers_language(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        settings = settings_for(simulator, tmp_path, model_interval_seconds=60)
        async with served(settings) as gate, httpx2.AsyncClient(base_url=gate.url) as http:
            await http.post("/v1/chat/completions", json=CHAT)
            said = [
                (await http.post("/v1/chat/completions", json=CHAT, headers={"accept-language": language})).json()
                for language in ("en-US", "zh-CN")
            ]
            english, chinese = (answer["error"]["message"] for answer in said)
    assert english.isascii()
    assert "调用过于频繁" in chinese


async def test_doctor_fails_on_one_session_under_two_names(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice", "ben")) as simulator:
        for name, whose in (("one", "alice"), ("two", "alice"), ("three", "ben")):
            cookies = simulator.google.cookies(whose)
            (tmp_path / f"{name}.txt").write_text("; ".join(f"{key}={value}" for key, value in cookies.items()))
        (tmp_path / "accounts.toml").write_text(
            "".join(
                f'[[account]]\nname = "{name}"\nsource = "file:{tmp_path}/{name}.txt"\n'
                for name in ("one", "two", "three")
            )
        )
        settings = settings_for(simulator, tmp_path, secure_1psid=None, secure_1psidts=None)
        findings = {finding.check: finding async for finding in doctor._accounts(settings)}
    shared = [check for check in findings if check.startswith("session of")]
    assert shared == ["session of two"]
    assert findings["session of two"].verdict == "fail"
    assert "account one" in findings["session of two"].found
