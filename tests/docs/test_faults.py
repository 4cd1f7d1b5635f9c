"""`docs/faults.md`: what a client sees of every fault that Google has in store for an account, found out by trying.

Each is met by a chat, a stream, an image and an edit on a single account, and by a chat where there is a second one.
The page is written again with `WRITE_DOCS=1 pytest tests/docs/test_faults.py`.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from gemgate.policy.pacer import Pacer
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
TEXT = "word " * 40


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, in words, and how it comes over the account alice."""

    group: str
    words: str
    strike: Callable[[Simulator], None]


def _generate(**fault: Any) -> Callable[[Simulator], None]:
    return lambda sim: sim.google.fault("generate", account="alice", **fault)


def _status(number: int) -> Callable[[Simulator], None]:
    def strike(sim: Simulator) -> None:
        sim.google.account("alice").status = number
        sim.google.fault("generate", "status", status=401, times=-1, account="alice")

    return strike


def _guest(sim: Simulator) -> None:
    sim.google.fault("init", "guest", times=-1, account="alice")
    sim.google.fault("generate", "status", status=401, times=-1, account="alice")


SESSION, LIMIT, SERVICE = "The session", "Limits and blocks", "The service"

CASES = (
    Case(SESSION, "HTTP 401 once, the cookies are still good", _generate(kind="status", status=401)),
    Case(SESSION, "HTTP 403 once, the cookies are still good", _generate(kind="status", status=403)),
    Case(SESSION, "HTTP 401 again and again", _generate(kind="status", status=401, times=-1)),
    Case(SESSION, "the cookies have died", lambda sim: sim.google.expire("alice")),
    Case(SESSION, "Google answers as to an anonymous guest", _guest),
    Case(SESSION, "account status 1016: not authenticated", _status(1016)),
    Case(SESSION, "account status 1014: not for now", _status(1014)),
    Case(SESSION, "account status 1021: terms, age, a person must act", _status(1021)),
    Case(SESSION, "account status 1060: not in this country", _status(1060)),
    Case(LIMIT, "HTTP 429", _generate(kind="status", status=429, times=-1)),
    Case(LIMIT, "code 1037: usage limit", _generate(kind="code", code=1037, times=-1)),
    Case(
        LIMIT, "code 1050: the model is not what the chat was begun with", _generate(kind="code", code=1050, times=-1)
    ),
    Case(LIMIT, "code 1052: the model is not taken", _generate(kind="code", code=1052, times=-1)),
    Case(LIMIT, "code 1060: the address is blocked", _generate(kind="code", code=1060, times=-1)),
    Case(LIMIT, "a captcha instead of an answer", _generate(kind="captcha", times=-1)),
    Case(SERVICE, "HTTP 500", _generate(kind="status", status=500)),
    Case(SERVICE, "HTTP 503", _generate(kind="status", status=503)),
    Case(SERVICE, "code 1013: temporary trouble", _generate(kind="code", code=1013)),
    Case(SERVICE, "the connection breaks before an answer", _generate(kind="reset")),
    Case(SERVICE, "the connection breaks in the middle", _generate(kind="reset", after_frames=1)),
    Case(SERVICE, "code 1013 in the middle", _generate(kind="code", code=1013, after_frames=1)),
    Case(SERVICE, "silence before an answer", _generate(kind="stall")),
    Case(SERVICE, "an empty answer", _generate(kind="empty")),
    Case(SERVICE, "an answer of an unknown shape", _generate(kind="garbage")),
)

HEAD = """\
<!-- Written by tests/docs/test_faults.py, which tries all of this; changes here are lost. -->
# What a client sees when Google fails

One account meets the fault while it answers a chat, a streamed chat, a picture and an edit in the OpenAI dialect; the
other dialects have the same status and the same code in their own envelope. *Afterwards* is the account's state word
after the chat; a second account is one with another sign-in behind the same address. In no case was a prompt generated
twice.

- `200` is an answer, after one refresh of the session if need be. Where it broke off and Google had finished it, it was
  read back.
- `429 … in 60 min` carries `Retry-After`; `x-should-retry: false` (marked †) tells an SDK not to send it again by
  itself.
- *in band*: the stream had begun, so the error is its last event.
"""


async def _status_of(response: aiohttp.ClientResponse) -> str:
    error = (await response.json())["error"]
    wait = response.headers.get("Retry-After")
    minutes = f" in {max(1, round(int(wait) / 60))} min" if wait and int(wait) >= 30 else ""
    mark = "†" if response.headers.get("x-should-retry") == "false" else ""
    return f"{response.status} `{error['code']}`{minutes}{mark}"


async def chat(http: aiohttp.ClientSession) -> str:
    body = {"messages": [{"role": "user", "content": "tell me"}]}
    async with http.post("/v1/chat/completions", json=body) as answer:
        if answer.status != 200:
            return await _status_of(answer)
        said = (await answer.json())["choices"][0]["message"]["content"]
        assert said.strip() == TEXT.strip()
        return "200"


async def stream(http: aiohttp.ClientSession) -> str:
    body = {"messages": [{"role": "user", "content": "tell me"}], "stream": True}
    async with http.post("/v1/chat/completions", json=body) as answer:
        if answer.status != 200:
            return await _status_of(answer)
        lines = [line[6:] async for line in answer.content if line.startswith(b"data: {")]
        events = [json.loads(line) for line in lines]
    for event in events:
        if "error" in event:
            return f"200, then `{event['error']['code']}` in band"
    said = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
    assert said.strip() == TEXT.strip()
    return "200"


async def image(http: aiohttp.ClientSession) -> str:
    async with http.post("/v1/images/generations", json={"prompt": "paint a fox", "response_format": "url"}) as answer:
        return "200" if answer.status == 200 else await _status_of(answer)


async def edit(http: aiohttp.ClientSession) -> str:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    form = aiohttp.FormData({"prompt": "paint it red", "response_format": "url"})
    form.add_field("image", file.getvalue(), filename="a.png", content_type="image/png")
    async with http.post("/v1/images/edits", data=form) as answer:
        return "200" if answer.status == 200 else await _status_of(answer)


CALLS = (chat, stream, image, edit)


async def _calm(sim: Simulator, gate: Served) -> None:
    """Everything as if nothing had happened."""
    sim.google.clear()
    sim.google.reply("tell me", TEXT, chars=10)
    account = sim.google.account("alice")
    account.status = 1000
    sim.google.revive("alice")
    for member in gate.service.pool.accounts:
        member.reset()
        member.pacer = Pacer(0)
        member.last_used = 0.0
        if member.name in ("default", "alice") or not member.is_open:
            await member.sign_in()


async def _tried(sim: Simulator, gate: Served, http: aiohttp.ClientSession, case: Case, call: Any) -> tuple[str, str]:
    """What the client saw, and the account's word afterwards."""
    await _calm(sim, gate)
    before = sim.record.generations
    case.strike(sim)
    seen = await call(http)
    assert sim.record.generations - before <= 1, f"{case.words} / {call.__name__}: generated twice"
    account = gate.service.pool.accounts[0]
    rests = ", ".join(c for c, circuit in account.cooldowns().items() if circuit.until)
    word = account.status("text").state
    return seen, f"{word} ({rests})" if word == "cooling" and rests else word


async def _table(single: Served, double: Served, one: Simulator, two: Simulator) -> list[str]:
    lines: list[str] = []
    async with aiohttp.ClientSession(single.url) as http, aiohttp.ClientSession(double.url) as second:
        for group in dict.fromkeys(case.group for case in CASES):
            lines += ["", f"## {group}", ""]
            lines += ["| fault | chat | stream | picture | edit | afterwards | chat, with a second account |"]
            lines += ["|---|---|---|---|---|---|---|"]
            for case in (case for case in CASES if case.group == group):
                cells = [await _tried(one, single, http, case, call) for call in CALLS]
                moved, _ = await _tried(two, double, second, case, chat)
                seen = [cell for cell, _ in cells]
                lines.append(f"| {case.words} | {' | '.join(seen)} | {cells[0][1]} | {moved} |")
    return lines


async def test_the_page_of_faults_says_what_is_seen(tmp_path: Path) -> None:
    quick = {"first_byte_timeout_seconds": 0.7, "idle_timeout_seconds": 0.7, "concurrency": 4}
    async with Simulator(("alice",)) as one, Simulator(("alice", "bob")) as two:
        first = settings_for(one, tmp_path / "one", **quick)
        for name in ("alice", "bob"):
            (tmp_path / f"{name}.json").write_text(json.dumps(two.google.cookies(name)))
        entry = '[[account]]\nname = "{0}"\nsource = "file:{0}.json"\n'
        (tmp_path / "accounts.toml").write_text(entry.format("alice") + entry.format("bob"))
        more = {"proxy_url": two.proxy_url, "proxy_ca_file": two.ca_file, "accounts_file": tmp_path / "accounts.toml"}
        second = settings_for(None, tmp_path / "two", **quick, **more)
        async with served(first, dice=lambda: 0.0) as single, served(second, dice=lambda: 0.0) as double:
            async with asyncio.timeout(10):
                while sum(account.is_open for account in double.service.pool.accounts) < 2:
                    await asyncio.sleep(0.01)
            lines = await _table(single, double, one, two)
    written = HEAD + "\n".join(lines) + "\n"
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(written, "utf-8")
    assert PAGE.read_text("utf-8") == written, "docs/faults.md is stale: WRITE_DOCS=1 pytest tests/docs/test_faults.py"
