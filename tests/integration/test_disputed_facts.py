"""The main paths of a chat, with every fact that changed or is disputed both ways (docs/google-wire.md 11)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from gemgate_simulator.attached import FileHabits
from tests.support.serving import served, settings_for
from tests.support.talk import Talk

SWITCHES: list[dict[str, Any]] = [
    {},
    {"positional": True},
    {"silent": True},
    {"counts_turns": False},
    {"stalls_ahead": True},
    {"closing": "keeps"},
    {"early_end": "discards"},
    {"hides_running": True},
    {"usage": "empty"},
    {"usage": "new_kind"},
    {"files": FileHabits("refused")},
    {"files": FileHabits("taken")},
    {"stored_after": 0.3},
    {"silent_status": True},
    {"terse": True},
    {"bare_pictures": True},
]
ACCOUNTS: list[dict[str, Any]] = [
    {"page": "empty"},
    {"stores": False},
    {"rotation": "pair"},
    {"rotation": "jar"},
    {"rotation": "withheld"},
    {"rotation": "bound"},
    {"page": "old"},
    {"token_life": 0.2},
    {"flagged": True},
]

RENEWALS = {"withheld": "withheld", "bound": "refused", "jar": "refused"}
"""What comes of a rotation with two cookies, which is all this gateway was given."""


def _name(facts: dict[str, Any]) -> str:
    return "-".join(f"{name}-{getattr(value, 'short', value)}" for name, value in facts.items()) or "today"


@pytest.mark.parametrize("seed", [None, 7], ids=["plain", "any spelling"])
@pytest.mark.parametrize(
    ("switches", "account"), [*((s, {}) for s in SWITCHES), *(({}, a) for a in ACCOUNTS)], ids=_name
)
async def test_the_main_paths(
    switches: dict[str, Any], account: dict[str, Any], seed: int | None, tmp_path: Path
) -> None:
    async with Simulator(accounts=("alice",), seed=seed) as sim:
        for name, value in switches.items():
            setattr(sim.google.world.switches, name, value)
        alice = sim.google.account("alice")
        late = {name: value for name, value in account.items() if value == "old"}  # it takes the token of a page before
        for name, value in account.items() - late.items():
            setattr(alice, name, value)
        sim.google.reply("turn", lambda prompt: f"reply to {prompt.text.split()[-1]}")
        sim.google.reply("read it", lambda prompt: f"{prompt.files[0].name} of {len(prompt.files[0].data)} bytes")
        async with served(settings_for(sim, tmp_path)) as gate:
            for name, value in late.items():
                setattr(alice, name, value)
                await gate.service.pool.accounts[0].sign_in()
            await _chats(gate.url, kept=account.get("stores", True))
            assert await _reads(gate.url) == "a.txt of 5 bytes"
            assert await _temporary(gate.url, "turn 1") == "reply to 1"
            member = gate.service.pool.accounts[0]
            renewal = (await member.upstream.rotate()).renewal
            assert renewal == RENEWALS.get(account.get("rotation", ""), "renewed")
            known = {window.name for window in (await member.upstream.usage()).windows}
            assert ("5h" in known) == (switches.get("usage") != "empty")
            assert await Talk(gate.url).say("turn 9") == "reply to 9"
            assert member.status().state == "ready"
        assert sim.record.generations == 7
        assert sim.record.received == 7 or "token_life" in account  # what an old page brought was refused, and is told
        assert not sim.record.violations


async def _chats(url: str, *, kept: bool) -> None:
    talk = Talk(url)
    for number in range(4):
        assert await talk.say(f"turn {number}", stream=bool(number % 2)) == f"reply to {number}"
        assert talk.reuse == ("hit" if kept and number else talk.reuse)
        assert kept or talk.reuse != "hit"


async def _reads(url: str) -> str:
    data = "data:text/plain;base64," + base64.b64encode(b"hello").decode()
    parts = [{"type": "text", "text": "read it"}, {"type": "file", "file": {"filename": "a.txt", "file_data": data}}]
    body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": parts}]}
    async with aiohttp.ClientSession(url) as http, http.post("/v1/chat/completions", json=body) as answer:
        return str((await answer.json())["choices"][0]["message"]["content"])


async def _temporary(url: str, prompt: str) -> str:
    async with aiohttp.ClientSession(url) as http, http.post("/v1/generate", json={"prompt": prompt}) as answer:
        return str((await answer.json())["text"])
