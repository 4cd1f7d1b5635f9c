"""A prompt is read whole, or the caller is told: random conversations in every dialect, walls drawn at random."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.accounts import MeasuredWalls
from gemgate.files import Inline
from gemgate.outbound import GuardedFetcher
from gemgate_simulator import Simulator
from gemgate_simulator.record import Call
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
SCRIPTS = (
    "plain words and more of them ",
    "汉字与标点，一行又一行。",
    "😀🚀👩‍👩‍👧 ",
    "    if a < b:\n        return {'k': [1, 2]}\n",
    "naïve café — “quoted” ",
    "```\ncode\n```\n",
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DIALECTS = ("chat", "responses", "anthropic", "gemini", "interactions")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=["alice"]) as simulator:
        yield simulator


@dataclass
class Talk:
    """One conversation: what must be read inline, what must be read at all, and the body that says it."""

    dialect: str
    system: str
    tools: list[tuple[str, str]]
    turns: list[tuple[str, str, str]] = field(default_factory=list)  # role, text, a text file's content or ""

    @property
    def newest(self) -> list[tuple[str, str, str]]:
        """The turns behind the assistant's last."""
        last = max((at for at, (role, _, _) in enumerate(self.turns) if role == "assistant"), default=-1)
        return self.turns[last + 1 :]


def words(dice: random.Random, label: str, size: int) -> str:
    """A text of about so many bytes, its ends marked."""
    script = dice.choice(SCRIPTS)
    times = max(1, size // len(script.encode()))
    return f"<<{label} begins>>{script * times}<<{label} ends>>"


def drawn(dice: random.Random) -> Talk:
    total = int(10 ** dice.uniform(3, dice.choice((5, 5.3, 6.48))))
    talk = Talk(
        dice.choice(DIALECTS),
        words(dice, "system", dice.choice((40, 2_000, 20_000))) if dice.random() < 0.8 else "",
        [(f"tool_{n}", words(dice, f"about {n}", dice.choice((50, 600)))) for n in range(dice.choice((0, 0, 1, 12)))],
    )
    count = dice.choice((0, 1, 3, 12))
    shares = [dice.random() ** 3 for _ in range(2 * count + 1)]
    whole = sum(shares) or 1
    for at, share in enumerate(shares):
        newest = at == 2 * count
        size = int(total * share / whole) if count else total
        if newest and dice.random() < 0.6:
            size = min(size, 5_000)
        role = "user" if at % 2 == 0 else "assistant"
        attached = words(dice, f"file {at}", dice.choice((100, 4_000, 60_000))) if dice.random() < 0.15 else ""
        talk.turns.append((role, words(dice, f"turn {at}", size), attached if role == "user" else ""))
    return talk


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _chat(talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": talk.system}] if talk.system else []
    for at, (role, text, file) in enumerate(talk.turns):
        data = f"data:text/plain;base64,{b64(file)}"
        part = [{"type": "file", "file": {"filename": f"{at}.txt", "file_data": data}}] if file else []
        messages.append({"role": role, "content": [{"type": "text", "text": text}, *part] if part else text})
    tools = [
        {"type": "function", "function": {"name": name, "description": about, "parameters": {"type": "object"}}}
        for name, about in talk.tools
    ]
    return {"model": MODEL, "messages": messages, **({"tools": tools} if tools else {})}


def _responses(talk: Talk) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for at, (role, text, file) in enumerate(talk.turns):
        kind = "input_text" if role == "user" else "output_text"
        data = f"data:text/plain;base64,{b64(file)}"
        part = [{"type": "input_file", "filename": f"{at}.txt", "file_data": data}] if file else []
        items.append({"role": role, "content": [{"type": kind, "text": text}, *part]})
    tools = [
        {"type": "function", "name": name, "description": about, "parameters": {"type": "object"}}
        for name, about in talk.tools
    ]
    body = {"model": MODEL, "input": items, "store": False, **({"tools": tools} if tools else {})}
    return {**body, **({"instructions": talk.system} if talk.system else {})}


def _anthropic(talk: Talk) -> dict[str, Any]:
    messages = []
    for role, text, file in talk.turns:
        source = {"type": "text", "media_type": "text/plain", "data": file}
        part = [{"type": "document", "source": source}] if file else []
        messages.append({"role": role, "content": [{"type": "text", "text": text}, *part]})
    tools = [{"name": name, "description": about, "input_schema": {"type": "object"}} for name, about in talk.tools]
    body = {"model": MODEL, "max_tokens": 900, "messages": messages, **({"tools": tools} if tools else {})}
    return {**body, **({"system": talk.system} if talk.system else {})}


def _gemini(talk: Talk) -> dict[str, Any]:
    contents = []
    for role, text, file in talk.turns:
        part = [{"inlineData": {"mimeType": "text/plain", "data": b64(file)}}] if file else []
        contents.append({"role": "model" if role == "assistant" else "user", "parts": [{"text": text}, *part]})
    declared = [{"name": name, "description": about, "parameters": {"type": "object"}} for name, about in talk.tools]
    body = {"contents": contents, **({"tools": [{"functionDeclarations": declared}]} if declared else {})}
    return {**body, **({"systemInstruction": {"parts": [{"text": talk.system}]}} if talk.system else {})}


def _interactions(talk: Talk) -> dict[str, Any]:
    steps = []
    for role, text, file in talk.turns:
        data = {"type": "document", "mime_type": "text/plain", "data": b64(file)}
        content = [{"type": "text", "text": text}, *([data] if file else [])]
        steps.append({"type": "model_output" if role == "assistant" else "user_input", "content": content})
    tools = [
        {"type": "function", "name": name, "description": about, "parameters": {"type": "object"}}
        for name, about in talk.tools
    ]
    body = {"model": MODEL, "input": steps, "store": False, **({"tools": tools} if tools else {})}
    return {**body, **({"system_instruction": talk.system} if talk.system else {})}


WAYS = {
    "chat": ("/v1/chat/completions", _chat),
    "responses": ("/v1/responses", _responses),
    "anthropic": ("/v1/messages", _anthropic),
    "gemini": (f"/v1beta/models/{MODEL}:generateContent", _gemini),
    "interactions": ("/v1beta/interactions", _interactions),
}


def said_by(dialect: str, answer: dict[str, Any]) -> str:
    match dialect:
        case "chat":
            return str(answer["choices"][0]["message"]["content"])
        case "responses":
            return str(answer["output"][-1]["content"][0]["text"])
        case "anthropic":
            return str(answer["content"][0]["text"])
        case "interactions":
            return str(answer["steps"][-1]["content"][0]["text"])
        case _:
            return str(answer["candidates"][0]["content"]["parts"][0]["text"])


def check_typed(dialect: str, answer: dict[str, Any]) -> None:
    """The dialect's own word for a prompt that is too long."""
    error = answer["error"]
    match dialect:
        case "chat" | "responses":
            assert (error["code"], error["type"]) == ("context_length_exceeded", "invalid_request_error")
        case "anthropic":
            assert error["type"] == "invalid_request_error"
            assert error["message"].startswith("prompt is too long: ")
        case "interactions":
            assert error["code"] == "invalid_argument"
        case _:
            assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


def check_read(talk: Talk, call: Call) -> None:
    """What the model must have read to answer, it has read."""
    assert not call.cut
    assert talk.system in call.read
    for name, about in talk.tools:
        assert f"### {name}\n" in call.read
        assert about in call.read
    files = [data.decode() for data in call.read_files]
    everything = "\n".join((call.read, *files))
    for _, text, file in talk.newest:
        assert text in everything
        assert file in everything


def needed(talk: Talk) -> tuple[int, int]:
    """Bytes that must stand in the text, and bytes that must be read at all; rules of the tools counted generously."""
    inline = len(talk.system.encode()) + sum(len(name) + len(about.encode()) + 80 for name, about in talk.tools)
    inline += 4_000
    return inline, inline + sum(len((text + file).encode()) for _, text, file in talk.newest)


async def converse(sim: Simulator, gate: Served, http: aiohttp.ClientSession, dice: random.Random) -> str:
    """One random conversation; how it went."""
    plain = int(10 ** dice.uniform(4, 5.6))
    both = int(plain * dice.uniform(1, 1.5))
    account, (member,) = sim.google.account("alice"), gate.service.pool.accounts
    account.wall, account.file_wall = plain, both
    member.measured = MeasuredWalls(plain, both, 0, 0.0)
    talk = drawn(dice)
    how = await told(sim, http, talk, plain, both, tail=False)
    if how == "400" or dice.random() < 0.5:
        return how
    talk.turns.append(("assistant", "ok", ""))
    talk.turns.append(("user", words(dice, "follow-up", dice.choice((100, 3_000, 200_000))), ""))
    return f"{how}, then {await told(sim, http, talk, plain, both, tail=True)}"


async def told(sim: Simulator, http: aiohttp.ClientSession, talk: Talk, plain: int, both: int, *, tail: bool) -> str:
    path, write = WAYS[talk.dialect]
    before = sim.record.generations
    sent = write(talk)
    dialect = {"dialect": talk.dialect}
    async with http.post("/v1/context/plan", json=sent, params=dialect) as answer:
        assert answer.status == 200, await answer.text()
        plan = json.loads(await answer.read())
    async with http.post(path, json=sent) as answer:
        body = json.loads(await answer.read())
        context, reuse = answer.headers.get("x-gemgate-context", ""), answer.headers.get("x-gemgate-conversation")
    assert plan["fits"] is (answer.status == 200)
    assert plan["limits"] == {"text": plain, "with_files": both}
    if answer.status == 400:
        assert plan["bytes"] > plan["limit"]
        check_typed(talk.dialect, body)
        assert sim.record.generations == before
        inline, read = needed(talk)
        assert inline > plain or read > both, (inline, plain, read, both)
        return "400"
    assert answer.status == 200, body
    assert sim.record.generations == before + 1
    assert said_by(talk.dialect, body) == "ok"
    call = sim.record.calls[-1]
    assert not call.cut
    if tail and reuse == "hit":
        assert talk.newest[-1][1] in "\n".join((call.read, *(data.decode() for data in call.read_files)))
        assert not talk.tools or "(Reminder: call a function only" in call.read
    else:
        check_read(talk, call)
    assert (plan["conversation"], plan["text_bytes"]) == (reuse, len(call.prompt.encode()))
    assert [file["bytes"] for file in plan["files"]] == [len(file.data) for file in call.files]
    sizes = len(call.prompt.encode()) + sum(len(file.data) for file in call.files)
    mode = "file" if any(file.name in ("history.md", "message.md") for file in call.files) else "inline"
    limit = both if call.files else plain
    assert [plan["context"], f"bytes={plan['bytes']}", f"limit={plan['limit']}"] == context.split("; ")[:3]
    assert context.split("; ")[:3] == [mode, f"bytes={sizes}", f"limit={limit}"]
    return mode + (", dropped" if "dropped=" in context else "")


async def _many(sim: Simulator, folder: Path, count: int, seed: int) -> dict[str, int]:
    sim.google.reply("", "ok")
    ways: dict[str, int] = {}
    settings = settings_for(sim, folder, max_body_mb=64)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        for number in range(count):
            dice = random.Random(seed * 100_000 + number)
            try:
                how = await converse(sim, gate, http, dice)
            except AssertionError as error:
                raise AssertionError(f"conversation {number} of seed {seed}: {error}") from error
            ways[how] = ways.get(how, 0) + 1
    assert not sim.record.violations
    return ways


async def test_random_conversations_are_read_whole_or_refused(sim: Simulator, tmp_path: Path) -> None:
    ways = await _many(sim, tmp_path, 40, 1)
    assert {"400", "inline", "file"} <= {way.partition(",")[0] for way in ways}


@pytest.mark.soak
async def test_a_thousand_random_conversations(sim: Simulator, tmp_path: Path) -> None:
    ways = await _many(sim, tmp_path, 1_000, 2)
    print(ways)
    assert sum(ways.values()) == 1_000


async def test_a_plan_counts_no_limit_and_knows_each_dialect_by_its_body(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, rate_limit_per_hour=1)
    talk = Talk("chat", "<<rules>>", [("look", "<<about>>")], [("user", "hello", "")])
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        for dialect, (_, write) in WAYS.items():
            async with http.post("/v1/context/plan", json=write(talk)) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["dialect"] == dialect
        for bad in ({"messages": []}, {}, {"model": "none-such", "messages": [{"role": "user", "content": "x"}]}):
            async with http.post("/v1/context/plan", json=bad) as answer:
                assert answer.status in (400, 404)
        async with http.post("/v1/context/plan", json=_chat(talk), params={"dialect": "klingon"}) as answer:
            assert answer.status == 400
        assert sim.record.received == 0
        async with http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}) as answer:
            assert answer.status == 200


async def test_a_plan_that_fetches_links_is_counted_like_a_call(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(sim, tmp_path, rate_limit_per_hour=2)
    link = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    linked = {"messages": [{"role": "user", "content": [{"type": "text", "text": "what?"}, link]}]}
    shown = {"messages": [{"role": "user", "content": "what?"}]}
    fetched: list[str] = []

    async def fetch(_: GuardedFetcher, url: str, _most: int) -> Inline:
        fetched.append(url)
        return Inline(base64.b64decode(PIXEL), "image/png")

    monkeypatch.setattr(GuardedFetcher, "fetch", fetch)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        left = []
        for body in (linked, shown, linked, shown):
            async with http.post("/v1/context/plan", json=body) as answer:
                assert answer.status == 200, await answer.text()
                left.append(answer.headers.get("x-ratelimit-remaining-requests"))
        assert left == ["1", None, "0", None]
        async with http.post("/v1/context/plan", json=linked) as answer:
            assert answer.status == 429
        assert len(fetched) == 2
        async with http.post("/v1/chat/completions", json=shown) as answer:
            assert answer.status == 429
    assert sim.record.received == 0


@asynccontextmanager
async def two_accounts(folder: Path, walls: dict[str, int], **more: Any) -> AsyncIterator[tuple[Simulator, Served]]:
    """A gateway with these accounts, whose walls were measured."""
    async with Simulator(accounts=tuple(walls)) as two:
        for name, wall in walls.items():
            two.google.account(name).wall = two.google.account(name).file_wall = wall
        entry = '[[account]]\nname = "{}"\n'
        file = folder / "accounts.toml"
        file.write_text("".join(entry.format(name) for name in walls))
        more |= {"accounts_file": file, "proxy_url": two.proxy_url, "proxy_ca_file": two.ca_file}
        async with served(settings_for(None, folder, **more), wait_ready=False) as gate:
            async with aiohttp.ClientSession(gate.url) as http:
                for name, wall in walls.items():
                    body = {"account": name, "cookies": two.google.cookies(name)}
                    async with http.post("/api/cookies", json=body) as answer:
                        assert answer.status == 200, await answer.text()
                    account = gate.service.pool.account(name)
                    assert account is not None
                    account.measured = MeasuredWalls(wall, wall, 0, 0.0)
            yield two, gate


async def test_a_prompt_that_one_account_does_not_read_goes_to_one_that_does(tmp_path: Path) -> None:
    async with two_accounts(tmp_path, {"alice": 20_000, "bob": 90_000}) as (two, gate):
        async with aiohttp.ClientSession(gate.url) as http:
            for _ in range(4):
                sent = {"messages": [{"role": "user", "content": "y" * 50_000}]}
                async with http.post("/v1/chat/completions", json=sent) as answer:
                    assert answer.status == 200, await answer.text()
                    assert answer.headers["x-gemgate-account"] == "bob"
        assert two.record.generated_by_account == {"bob": 4}
        assert not any(call.cut for call in two.record.calls)


@pytest.mark.parametrize(("times", "account"), [(300, "other"), (6_000, "same")])
async def test_a_history_that_fits_nowhere_else_waits_for_its_account(tmp_path: Path, times: int, account: str) -> None:
    async with (
        two_accounts(tmp_path, {"alice": 20_000, "bob": 20_000}, concurrency=1) as (two, gate),
        aiohttp.ClientSession(gate.url) as http,
    ):
        two.google.reply("long", "word " * times)
        two.google.reply("slow", "done", delay=4)
        history: list[dict[str, Any]] = [{"role": "user", "content": "long"}]
        async with http.post("/v1/chat/completions", json={"messages": history}) as answer:
            history.append((await answer.json())["choices"][0]["message"])
            holder = gate.service.pool.account(answer.headers["x-gemgate-account"])
        assert holder is not None
        gate.service.pool._loyalty = 0.5
        others = [one for one in gate.service.pool.accounts if one is not holder]
        others[0].pause(True)
        slow = asyncio.create_task(
            http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "slow"}]})
        )
        await until(lambda: holder.busy == 1)
        others[0].pause(False)
        sent = {"messages": [*history, {"role": "user", "content": "and?"}]}
        async with http.post("/v1/chat/completions", json=sent) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["x-gemgate-conversation"] == ("hit" if account == "same" else "replay")
        (await slow).close()
        assert two.record.generations == 3
