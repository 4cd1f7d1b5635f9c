"""`gemgate accounts lab run` against a simulated Google: what dies is told, what lives on is censored."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from gemgate.accounts import Cookies
from gemgate.cli import app, lives
from gemgate.cli.account_backend import AccountBackend, opened
from gemgate.cli.lab_run import Entry, LabRun, entry, facts_of
from gemgate.policy.session_arm import Arm
from gemgate_simulator import Simulator
from tests.support.patience import AT_ONCE, until
from tests.support.profiles import write_firefox
from tests.support.serving import Served, served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


@asynccontextmanager
async def laboratory(sim: Simulator, folder: Path) -> AsyncIterator[tuple[Served, AccountBackend]]:
    """A gateway that rotates, and the command's way to it."""
    settings = settings_for(
        None, folder, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, cookie_refresh_seconds=600
    )
    async with served(settings, wait_ready=False) as gate, opened(settings, gate.url, None, "en") as backend:
        yield gate, backend


def exported(sim: Simulator, arm: Arm, account: str) -> Entry:
    return entry(arm, 1, 0.0, Cookies.of(sim.google.cookies(account)))


async def ran(backend: AccountBackend, *entries: Entry, keep: bool = False) -> tuple[LabRun, asyncio.Task[None]]:
    lab = LabRun(backend)
    task = asyncio.create_task(lab.run(entries, 60.0, 0.05, keep=keep))
    await until(lambda: len(lab.seen) == len(entries) and all(one.began or one.why for one in lab.seen.values()))
    return lab, task


def told(facts: dict[str, Any], key: str = "outcome") -> dict[str, Any]:
    return {one["name"]: one[key] for one in facts["run"]}


async def test_one_dies_one_is_stopped_and_both_are_recorded(sim: Simulator, tmp_path: Path) -> None:
    async with laboratory(sim, tmp_path) as (gate, backend):
        lab, running = await ran(backend, exported(sim, "frozen", "alice"), exported(sim, "rotated", "bob"))
        names = {account.name: account for account in gate.service.pool.accounts}
        assert {name: account.rotate for name, account in names.items()} == {
            "lab-frozen-1": False,
            "lab-rotated-1": True,
        }
        assert not gate.service.pool.answers("text"), "no call of a client goes to an arm"
        sim.google.revoke("alice")
        await until(lambda: lab.seen["lab-frozen-1"].outcome == "died")
        await until(lambda: names["lab-frozen-1"].status().reason == "revoked")
        await names["lab-frozen-1"].record.wait_saved()
        running.cancel()  # Ctrl-C
        await running
        facts = facts_of(lab, await backend.survival())
        assert told(facts) == {"lab-frozen-1": "died", "lab-rotated-1": "censored"}
        assert told(facts, "why")["lab-frozen-1"] == "revoked"
        assert not gate.service.pool.accounts
        arms = {arm["arm"]: arm for arm in facts["arms"]}
        assert (arms["frozen"]["deaths"], arms["frozen"]["ended_by"][0]["reason"]) == (1, "revoked")
        assert (arms["rotated"]["deaths"], arms["rotated"]["alive"], arms["rotated"]["replaced"]) == (0, 0, 1)
        (stopped,) = await gate.service.account_registry.store.lives("lab-rotated-1")
        assert stopped.ended_at is not None
        assert not stopped.died


async def test_it_ends_by_itself_and_leaves_what_it_shall(sim: Simulator, tmp_path: Path) -> None:
    async with laboratory(sim, tmp_path) as (gate, backend):
        _, running = await ran(backend, exported(sim, "frozen", "alice"), keep=True)
        sim.google.expire("alice")
        async with asyncio.timeout(AT_ONCE):
            await running  # nobody is left who could live
        assert [account.name for account in gate.service.pool.accounts] == ["lab-frozen-1"]
        lab = LabRun(backend)
        await lab.run([exported(sim, "rotated", "bob")], 0.2, 0.05, keep=True)
        assert lab.seen["lab-rotated-1"].outcome == "censored"
        assert lab.seen["lab-rotated-1"].seconds >= 0.2


async def test_what_cannot_start_is_told_and_the_others_run(sim: Simulator, tmp_path: Path) -> None:
    async with laboratory(sim, tmp_path) as (gate, backend):
        nobody = entry("firefox", 1, 0.0, None, str(tmp_path / "no-profile"))
        same = Entry("frozen", entry("frozen", 2, 0.0, None).setup, Cookies.of(sim.google.sign_in("alice")))
        lab, running = await ran(backend, exported(sim, "rotated", "alice"), nobody, same)
        assert {name: one.outcome for name, one in lab.seen.items()} == {
            "lab-rotated-1": "censored", "lab-firefox-1": "not_started", "lab-frozen-2": "not_started",
        }  # fmt: skip
        assert "already the account lab-rotated-1" in lab.seen["lab-frozen-2"].why
        await until(lambda: [account.name for account in gate.service.pool.accounts] == ["lab-rotated-1"])
        await gate.service.account_registry.store.remove("lab-rotated-1")
        gate.service.pool.remove("lab-rotated-1")
        await asyncio.wait_for(running, AT_ONCE)
        assert lab.seen["lab-rotated-1"].outcome == "removed"


async def test_a_browsers_profile_and_a_paired_browser_are_arms_of_their_own(
    sim: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "x.default"
    with closing(write_firefox(profile, Cookies.of(sim.google.cookies("alice")))):
        async with laboratory(sim, tmp_path) as (gate, backend), aiohttp.ClientSession(gate.url) as http:
            lab = LabRun(backend)
            arms = [entry("firefox", 1, 0.0, None, str(profile)), entry("paired", 1, 0.0, None)]
            running = asyncio.create_task(lab.run(arms, 60.0, 0.05, keep=False))
            codes: list[str] = []

            def shown() -> list[str]:
                codes.extend(re.findall(r"\b\w{5}-\w{5}\b", capsys.readouterr().err))
                return codes

            await until(shown)
            async with http.post("/api/pairings", json={"code": codes[0]}) as answer:
                key = (await answer.json())["key"]
            push = {"version": 1, "cookies": sim.google.cookies("bob")}
            headers = {"authorization": f"Bearer {key}"}
            async with http.put("/api/accounts/lab-paired-1/cookies", json=push, headers=headers) as answer:
                assert answer.status == 200
            await until(lambda: lab.seen["lab-paired-1"].began)
            running.cancel()
            await running
            assert {one.outcome for one in lab.seen.values()} == {"censored"}
            lives = await gate.service.account_registry.store.lives()
            assert {(life.account, life.arm, life.died, life.ended_at is None) for life in lives} == {
                ("lab-firefox-1", "firefox", False, False), ("lab-paired-1", "paired", False, False),
            }  # fmt: skip


def test_the_demonstration_shows_curves_without_a_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "DEMO_LIVES", (1.5,))
    done: Callable[..., Any] = CliRunner().invoke
    words = ["accounts", "lab", "run", "--demo", "--hours", "0.0008", "--every", "0.2", "--json"]
    result = done(app, words, env={"LANG": "C.UTF-8"})
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert told(facts)["lab-frozen-1"] == "died"
    assert {arm["arm"] for arm in facts["arms"]} == {"rotated", "frozen"}
