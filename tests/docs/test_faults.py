"""`docs/faults.md` and its Chinese twin: what a client sees of every fault that Google has in store for an account,
found out by trying.

Each is met by a chat, a stream, an image and an edit on a single account, and by a chat where there is a second one.
The pages are written again with `WRITE_DOCS=1 pytest tests/docs/test_faults.py`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from gemgate.errors import LocalText
from gemgate.policy.pacer import Pacer
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"en": DOCS / "faults.md", "zh": DOCS / "faults.zh.md"}
TEXT = "word " * 40


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, in words, and how it comes over the account alice."""

    group: LocalText
    words: LocalText
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


SESSION = LocalText("The session", "会话")
LIMIT = LocalText("Limits and blocks", "限额与封锁")
SERVICE = LocalText("The service", "服务")

CASES = (
    Case(
        SESSION,
        LocalText("HTTP 401 once, the cookies are still good", "HTTP 401 一次，Cookie 仍然有效"),
        _generate(kind="status", status=401),
    ),
    Case(
        SESSION,
        LocalText("HTTP 403 once, the cookies are still good", "HTTP 403 一次，Cookie 仍然有效"),
        _generate(kind="status", status=403),
    ),
    Case(
        SESSION,
        LocalText("HTTP 401 again and again", "HTTP 401 反复出现"),
        _generate(kind="status", status=401, times=-1),
    ),
    Case(SESSION, LocalText("the cookies have died", "Cookie 已失效"), lambda sim: sim.google.expire("alice")),
    Case(SESSION, LocalText("Google answers as to an anonymous guest", "Google 把账号当作匿名访客"), _guest),
    Case(SESSION, LocalText("account status 1016: not authenticated", "账号状态 1016：未通过身份验证"), _status(1016)),
    Case(SESSION, LocalText("account status 1014: not for now", "账号状态 1014：暂时不可用"), _status(1014)),
    Case(
        SESSION,
        LocalText("account status 1021: terms, age, a person must act", "账号状态 1021：条款、年龄，需要人工处理"),
        _status(1021),
    ),
    Case(
        SESSION, LocalText("account status 1060: not in this country", "账号状态 1060：所在国家不可用"), _status(1060)
    ),
    Case(LIMIT, LocalText("HTTP 429", "HTTP 429"), _generate(kind="status", status=429, times=-1)),
    Case(
        LIMIT,
        LocalText("code 1037: usage limit", "代码 1037：达到用量限额"),
        _generate(kind="code", code=1037, times=-1),
    ),
    Case(
        LIMIT,
        LocalText("code 1050: the model is not what the chat was begun with", "代码 1050：模型与对话开始时的不同"),
        _generate(kind="code", code=1050, times=-1),
    ),
    Case(
        LIMIT,
        LocalText("code 1052: the model is not taken", "代码 1052：模型不被接受"),
        _generate(kind="code", code=1052, times=-1),
    ),
    Case(
        LIMIT,
        LocalText("code 1060: the address is blocked", "代码 1060：地址被封锁"),
        _generate(kind="code", code=1060, times=-1),
    ),
    Case(
        LIMIT,
        LocalText("a captcha instead of an answer", "返回的是验证码而不是回答"),
        _generate(kind="captcha", times=-1),
    ),
    Case(SERVICE, LocalText("HTTP 500", "HTTP 500"), _generate(kind="status", status=500)),
    Case(SERVICE, LocalText("HTTP 503", "HTTP 503"), _generate(kind="status", status=503)),
    Case(
        SERVICE, LocalText("code 1013: temporary trouble", "代码 1013：暂时性故障"), _generate(kind="code", code=1013)
    ),
    Case(SERVICE, LocalText("the connection breaks before an answer", "回答之前连接断开"), _generate(kind="reset")),
    Case(
        SERVICE,
        LocalText("the connection breaks in the middle", "回答中途连接断开"),
        _generate(kind="reset", after_frames=1),
    ),
    Case(
        SERVICE,
        LocalText("code 1013 in the middle", "回答中途出现代码 1013"),
        _generate(kind="code", code=1013, after_frames=1),
    ),
    Case(SERVICE, LocalText("silence before an answer", "回答之前没有响应"), _generate(kind="stall")),
    Case(SERVICE, LocalText("an empty answer", "空的回答"), _generate(kind="empty")),
    Case(SERVICE, LocalText("an answer of an unknown shape", "格式未知的回答"), _generate(kind="garbage")),
)

NOTICE = "<!-- Written by tests/docs/test_faults.py, which tries all of this; changes here are lost. -->\n"
HEAD = LocalText(
    """\
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
""",
    """\
# Google 出错时客户端看到什么

让一个账号在以 OpenAI 协议应答对话、流式对话、生成图片和编辑图片时遇到故障；
其他协议的状态码和代码相同，采用各自的格式。
*之后*是对话之后账号的状态词；第二个账号是同一地址上的另一个登录。任何情况下，提示词都没有被生成两次。

- `200` 是正常的回答，必要时先刷新一次会话。中途断开而 Google 已经完成的，会被读回。
- `429 … in 60 min`（60 分钟后）带有 `Retry-After`；`x-should-retry: false`（标为 †）告诉 SDK 不要自行再次发送。
- *in band*：流已经开始，因此错误是它的最后一个事件。
""",
)
COLUMNS = LocalText(
    "| fault | chat | stream | picture | edit | afterwards | chat, with a second account |",
    "| 故障 | 对话 | 流式 | 图片 | 编辑 | 之后 | 对话，有第二个账号 |",
)


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
    assert sim.record.generations - before <= 1, f"{case.words.en} / {call.__name__}: generated twice"
    account = gate.service.pool.accounts[0]
    rests = ", ".join(c for c, circuit in account.cooldowns().items() if circuit.until)
    word = account.status("text").state
    return seen, f"{word} ({rests})" if word == "cooling" and rests else word


async def _seen(single: Served, double: Served, one: Simulator, two: Simulator) -> list[tuple[Case, list[str]]]:
    """What the cells of each case's row say."""
    rows = []
    async with aiohttp.ClientSession(single.url) as http, aiohttp.ClientSession(double.url) as second:
        for case in CASES:
            cells = [await _tried(one, single, http, case, call) for call in CALLS]
            moved, _ = await _tried(two, double, second, case, chat)
            rows.append((case, [*(cell for cell, _ in cells), cells[0][1], moved]))
    return rows


def _page(rows: list[tuple[Case, list[str]]], language: str) -> str:
    lines: list[str] = []
    for group in dict.fromkeys(case.group for case in CASES):
        lines += ["", f"## {group.for_(language)}", "", COLUMNS.for_(language), "|---|---|---|---|---|---|---|"]
        lines += [
            f"| {' | '.join([case.words.for_(language), *cells])} |" for case, cells in rows if case.group == group
        ]
    return NOTICE + HEAD.for_(language) + "\n".join(lines) + "\n"


async def test_the_pages_of_faults_say_what_is_seen(tmp_path: Path) -> None:
    quick = {"first_byte_timeout_seconds": 2, "idle_timeout_seconds": 2, "concurrency": 4}
    async with Simulator(("alice",)) as one, Simulator(("alice", "bob")) as two:
        first = settings_for(one, tmp_path / "one", **quick)
        for name in ("alice", "bob"):
            (tmp_path / f"{name}.json").write_text(json.dumps(two.google.cookies(name)))
        entry = '[[account]]\nname = "{0}"\nsource = "file:{0}.json"\n'
        (tmp_path / "accounts.toml").write_text(entry.format("alice") + entry.format("bob"))
        more = {"proxy_url": two.proxy_url, "proxy_ca_file": two.ca_file, "accounts_file": tmp_path / "accounts.toml"}
        second = settings_for(None, tmp_path / "two", **quick, **more)
        async with served(first, dice=lambda: 0.0) as single, served(second, dice=lambda: 0.0) as double:
            await until(lambda: sum(account.is_open for account in double.service.pool.accounts) >= 2)
            rows = await _seen(single, double, one, two)
    for language, page in PAGES.items():
        written = _page(rows, language)
        if os.environ.get("WRITE_DOCS"):
            page.write_text(written, "utf-8")
        stale = f"{page.name} is stale: WRITE_DOCS=1 pytest tests/docs/test_faults.py"
        assert page.read_text("utf-8") == written, stale
