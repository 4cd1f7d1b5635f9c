"""The canary against the simulated wire: nothing to tell of it as it is known, and each planted change by name."""

import asyncio
import json
import os
import re
import sys
from typing import Any

import httpx2
import pytest

from gemgate.accounts import Cookies
from gemgate.upstreams.web import canary, facts
from gemgate_simulator import Simulator
from gemgate_simulator.drift import PLANTED
from gemgate_simulator.paint import Painting
from gemgate_simulator.script import Answer, Prompt
from tests.support.patience import PATIENT, until
from tests.support.serving import served, settings_for

TOLD = {
    "the page's build label has another key": "page.keys",
    "the page's build label looks otherwise": "page.form.cfb2h",
    "the page has no push id": "page.keys",
    "the page's push id looks otherwise": "page.form.qKIAYe",
    "the page's session id has another key": "page.keys",
    "the page's language has another key": "page.keys",
    "the page answers 403": "page.status",
    "RPCs of the account are gone": "sign_in",
    "the account's status moved": "sign_in|rpc.otAQ7b.slots",
    "the account's status is a new number": "sign_in|rpc.otAQ7b.status",
    "a model's words moved": "rpc.otAQ7b.model",
    "a usage row has a new kind": "rpc.jSf9Qc.kinds",
    "a usage row's share moved": "rpc.jSf9Qc.row",
    "usage answers nothing": "rpc.jSf9Qc.slots",
    "the list of chats lost its ids": "rpc.MaZiqc.row",
    "the list of chats is refused": "rpc.MaZiqc.answer",
    "a turn's time moved": "history.turn",
    "a turn's reply moved": "history.turn",
    "rotation wants another pace": "rotation.interval",
    "rotation answers 500": "rotation.outcome",
    "an upload's reference looks otherwise": "upload.reference",
    "service frames stand by place": "answer.service.form",
    "the context has another key": "answer.service.keys",
    "the title has another key": "answer.service.keys",
    "the quota has another key": "answer.service.keys",
    "the rid has another key": "answer.service.keys",
    "a new service key": "answer.service.keys",
    "a new field beside the candidates": "answer.body.slots",
    "a new field in the candidate": "answer.candidate.slots",
    "the text moved": "answer.candidate.slots",
    "an answer is finished by another number": "answer.candidate.state",
    "the candidate's id looks otherwise": "answer.candidate.slots",
    "snapshots are pieces": "answer.text",
    "the name of the model that served moved": "answer.body.slots",
    "a code behind every answer": "answer.code_behind",
    "a new kind of part": "answer.other_parts",
}
"""Planted change -> the fact that must say so."""


def reading(prompt: Prompt) -> str:
    """A model that reads its files, and is wordy enough for several snapshots."""
    for file in prompt.files:
        if found := re.search(rb"zebra\w+", file.data):
            return found.group().decode()
    return "green, as in the leaves of a tree in May; " * 3


async def watched(simulator: Simulator, *, rotate: bool = True, image: bool = False) -> canary.Watch:
    simulator.google.reply("", reading)
    cookies = Cookies.of(simulator.google.cookies("alice"))
    return await canary.observe(
        cookies,
        facts.shipped(),
        proxy=simulator.proxy_url,
        ca_file=str(simulator.ca_file),
        rotate=rotate,
        picture=image,
    )


def told(watch: canary.Watch) -> dict[str, canary.Finding]:
    findings = canary.judge(facts.shipped().canary, watch.seen)
    return {finding.fact: finding for finding in findings if finding.verdict in ("changed", "new")}


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
async def test_a_wire_as_it_is_known_is_confirmed(seed: int | None) -> None:
    async with Simulator(accounts=("alice",), seed=seed) as simulator:
        watch = await watched(simulator)
        assert not told(watch)
        findings = canary.judge(facts.shipped().canary, watch.seen)
        unseen = {finding.fact.partition(".")[2] for finding in findings if finding.verdict == "unseen"}
        assert {name for name in unseen if not name.startswith(("row", "announced", "status"))} <= {
            "other_parts"
        }  # not every answer has parts beside its own
        assert watch.generations == simulator.record.generations == 4


@pytest.mark.parametrize(("page", "token"), [("token", "400 xsrf"), ("empty", "taken")])
@pytest.mark.parametrize(("short", "file"), [("ignored", "not read"), ("refused", "refused (1100)"), ("taken", "read")])
async def test_what_is_disputed_is_settled(page: Any, token: str, short: Any, file: str) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.account("alice").page = page
        simulator.google.world.switches.files.short = short
        watch = await watched(simulator)
        assert not told(watch)
        assert watch.seen["dispute.empty_token"] == {token}
        assert watch.seen["dispute.short_file"] == {file}
        assert simulator.record.generations <= watch.generations <= 5


async def test_a_image_is_looked_at_when_it_is_wanted() -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("Paint a plain red circle", Answer(images=(Painting("photo"),)))
        cookies = Cookies.of(simulator.google.cookies("alice"))
        watch = await canary.observe(
            cookies, facts.shipped(), proxy=simulator.proxy_url, ca_file=str(simulator.ca_file), picture=True
        )
        found = {
            f.fact: f.verdict for f in canary.judge(facts.shipped().canary, watch.seen) if f.fact.startswith("picture.")
        }
    assert found.pop("picture.status") == "confirmed"
    assert [found[f"picture.{name}"] for name in ("rows", "row", "announced")] == ["confirmed"] * 3


def test_every_planted_change_has_its_fact() -> None:
    assert PLANTED.keys() == TOLD.keys()
    assert len(PLANTED) >= 30


@pytest.mark.parametrize("change", PLANTED)
async def test_a_planted_change_is_named(change: str) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.drift(change)
        watch = await watched(simulator)
    names = "; ".join(sorted(told(watch)))
    assert any(fact in told(watch) for fact in TOLD[change].split("|")), names


async def test_a_report_and_a_recording_hold_no_content() -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        secrets = set(simulator.google.cookies("alice").values())
        watch = await watched(simulator)
        everything = json.dumps([sorted(values) for values in watch.seen.values()]) + json.dumps(watch.recorded)
        chats = {call.cid for call in simulator.record.calls} | {call.rid for call in simulator.record.calls}
    for word in filter(None, ("green", "zebra", "alice", *secrets, *chats)):
        assert word not in everything


async def test_a_recording_is_replayed(tmp_path) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        watch = await watched(simulator)
        texts = Answer.replayed(watch.recorded["answer"]).raw
        simulator.google.reply("say it again", Answer.replayed(watch.recorded["answer"]))
        async with served(settings_for(simulator, tmp_path)) as gate, httpx2.AsyncClient() as http:
            answer = await http.post(
                f"{gate.url}/v1/chat/completions", json={"messages": [{"role": "user", "content": "say it again"}]}
            )
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == texts[-1]


def test_the_command_prints_a_table_and_writes_a_report(tmp_path) -> None:
    """The command as a person runs it: a moved wire is told, by exit status too."""
    outcome: dict[str, Any] = {}

    async def ran(change: str) -> None:
        async with Simulator(accounts=("alice",)) as simulator:
            simulator.google.reply("", reading)
            simulator.google.drift(change)
            cookies = simulator.google.cookies("alice")
            environ = {
                "PATH": os.environ["PATH"],
                "DATA_DIR": str(tmp_path / "data"),
                "COOKIE_KEY_FILE": str(tmp_path / "key"),
                "SECURE_1PSID": cookies["__Secure-1PSID"],
                "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"],
                "PROXY_URL": simulator.proxy_url,
                "PROXY_CA_FILE": str(simulator.ca_file),
            }
            command = (sys.executable, "-m", "gemgate", "canary", "--report", str(tmp_path / "report.json"))
            process = await asyncio.create_subprocess_exec(
                *command, "--record", str(tmp_path / "frames"), env=environ, cwd=tmp_path, stdout=-1, stderr=-2
            )
            output, _ = await process.communicate()
            outcome[change] = (process.returncode, output.decode())

    asyncio.run(ran(""))
    code, said = outcome[""]
    assert code == 0, said
    assert "0 changed" in said
    assert json.loads((tmp_path / "report.json").read_text())["prompts"] == 4
    assert (tmp_path / "frames" / "answer.json").exists()
    asyncio.run(ran("the title has another key"))
    code, said = outcome["the title has another key"]
    assert code == 1, said
    assert "answer.service.keys" in said


async def test_the_operators_word_counts(tmp_path) -> None:
    file = tmp_path / "facts.toml"
    file.write_text('[[canary]]\nfact = "page.status"\nsection = "5.1"\none_of = ["204"]\n')
    async with Simulator(accounts=("alice",)) as simulator:
        watch = await watched(simulator)
    believed = facts.load(file).canary
    assert [finding.verdict for finding in canary.judge(believed, watch.seen) if finding.fact == "page.status"] == [
        "changed"
    ]


async def test_the_timer_alerts_when_the_wire_moved(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("gemgate.assembly.loops.CANARY_FIRST", 0.0)
    monkeypatch.setattr("gemgate.assembly.loops.CANARY_EVERY", 0.5)  # the account may not be open at the first look
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("", reading)
        simulator.google.drift("the title has another key")
        async with served(settings_for(simulator, tmp_path, canary="daily")) as gate:
            alerts = gate.service.alerts
            await until(lambda: alerts._wire is not None, PATIENT)
            assert "answer.service.keys" in alerts._wire.why.en
