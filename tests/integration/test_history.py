"""The accounts' own chats over the API: closed unless opened, told page by page, never those of another key."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.caller import Caller
from gemgate.errors import Busy
from gemgate.pool.history import MOST_EXPORTS
from gemgate_simulator import Simulator
from tests.support.kept_chats import DAY, kept
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

OPEN: dict[str, Any] = {"account_history": True}
KEYED: dict[str, Any] = {**OPEN, "api_key": "one:key-one-0123456789,two:key-two-0123456789", "admin_key": "a" * 24}
ADMIN = {"authorization": "Bearer " + "a" * 24}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator
        assert not simulator.record.violations


@asynccontextmanager
async def calling(
    sim: Simulator, folder: Path, headers: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    async with (
        served(settings_for(sim, folder, **{**OPEN, **more})) as gate,
        aiohttp.ClientSession(gate.url, headers=headers) as http,
    ):
        yield gate, http


@asynccontextmanager
async def both(sim: Simulator, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A gateway with alice's account and bob's."""
    entries = []
    for name in ("alice", "bob"):
        (folder / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
        entries.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n')
    (folder / "accounts.toml").write_text("".join(entries))
    wishes = {"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file, "accounts_file": folder / "accounts.toml"}
    async with (
        served(settings_for(None, folder, **OPEN, **wishes)) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        yield http


async def asked(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    async with http.request(method, path, json=body, **more) as response:
        return response.status, await response.json()


async def pages(http: aiohttp.ClientSession, path: str, limit: int) -> tuple[list[Any], int]:
    rows: list[Any] = []
    cursor, count = "", 0
    while cursor is not None:
        status, told = await asked(http, "GET", path, params={"limit": limit, "cursor": cursor})
        assert (status, told["problems"]) == (200, {})
        rows += told["data"]
        cursor, count = told["next"], count + 1
    return rows, count


async def test_it_is_closed_unless_the_setting_opens_it(sim: Simulator, tmp_path: Path) -> None:
    cid = kept(sim, "private")
    async with calling(sim, tmp_path, account_history=False) as (_, http):
        for method, path in (
            ("GET", "/api/history"),
            ("GET", "/api/history/default"),
            ("GET", f"/api/history/default/{cid}"),
            ("GET", "/api/history/export"),
            ("DELETE", f"/api/history/default/{cid}"),
        ):
            status, told = await asked(http, method, path)
            assert (status, "ACCOUNT_HISTORY" in told["detail"]) == (403, True), path
        assert (await asked(http, "POST", "/api/history/search", {"query": "private"}))[0] == 403
    assert sim.google.world.chats.of("alice")


async def test_only_the_admin_key_opens_it(sim: Simulator, tmp_path: Path) -> None:
    kept(sim, "private")
    async with calling(sim, tmp_path, {"authorization": "Bearer key-one-0123456789"}, **KEYED) as (_, http):
        for path in ("/api/history", "/api/history/default", "/api/history/export"):
            assert (await asked(http, "GET", path))[0] in (401, 403)
        assert (await asked(http, "GET", "/api/history", headers=ADMIN))[0] == 200


@pytest.mark.parametrize("end", ["no_token", "no_record"])
async def test_all_accounts_are_listed_page_by_page(sim: Simulator, tmp_path: Path, end: Any) -> None:
    sim.google.world.switches.list_end = end
    mine = {kept(sim, f"a {n}", at=DAY + n, pinned=n < 2) for n in range(9)}
    others = {kept(sim, f"b {n}", account="bob") for n in range(4)}
    async with both(sim, tmp_path) as http:
        rows, count = await pages(http, "/api/history", 3)
        assert {row["id"] for row in rows} == mine | others
        assert len(rows) == 13
        assert count >= 5
        assert [row["account"] for row in rows] == ["alice"] * 9 + ["bob"] * 4
        assert [row["pinned"] for row in rows[:3]] == [True, True, False]
        assert {row["id"] for row in (await pages(http, "/api/history/bob", 100))[0]} == others
        assert (await asked(http, "GET", "/api/history/carol"))[0] == 404
        for cursor in ("x", "bm9uZQ", "W10", "é"):
            status, told = await asked(http, "GET", "/api/history/bob", params={"cursor": cursor})
            assert (status, "cursor" in told["detail"]) == (400, True)
    assert sim.record.generations == 0


async def test_an_account_that_cannot_be_asked_does_not_hide_the_others(sim: Simulator, tmp_path: Path) -> None:
    kept(sim, "a")
    theirs = kept(sim, "b", account="bob")
    async with both(sim, tmp_path) as http:
        sim.google.fault("MaZiqc", "code", code=9, account="alice")
        status, told = await asked(http, "GET", "/api/history")
        assert (status, told["data"], set(told["problems"])) == (200, [], {"alice"})
        status, told = await asked(http, "GET", "/api/history", params={"cursor": told["next"]})
        assert ([row["id"] for row in told["data"]], told["next"], told["problems"]) == ([theirs], None, {})


async def test_a_chat_is_read_renamed_and_pinned(sim: Simulator, tmp_path: Path) -> None:
    cid = kept(sim, "before", [(f"q{n}", f"a{n}") for n in range(5)])
    async with calling(sim, tmp_path) as (_, http):
        status, told = await asked(http, "GET", f"/api/history/default/{cid}?limit=3")
        assert (status, told["title"], told["made_by"]) == (200, "before", None)
        assert [turn["prompt"] for turn in told["turns"]] == ["q4", "q3", "q2"]
        last = {"at": DAY, "prompt": "q4", "answer": "a4", "model": "3.6 Flash", "whole": True}
        assert told["turns"][0] == {"id": told["turns"][0]["id"], **last}
        status, older = await asked(http, "GET", f"/api/history/default/{cid}", params={"cursor": told["next"]})
        assert ([turn["prompt"] for turn in older["turns"]], older["next"]) == (["q1", "q0"], None)
        change = {"title": " after ", "pinned": True}
        status, told = await asked(http, "PATCH", f"/api/history/default/{cid}", change)
        assert (status, told) == (
            200,
            {"id": cid, "account": "default", "title": "after", "pinned": True, "confirmed": True},
        )
        sim.google.world.switches.one_chat = False
        status, told = await asked(http, "PATCH", f"/api/history/default/{cid}", {"pinned": False})
        assert (status, told["confirmed"]) == (200, None)
        (chat,) = sim.google.world.chats.of("alice")
        assert (chat.title, chat.pinned) == ("after", False)
        for body in ({}, {"title": ""}, {"title": "  "}, {"title": "x" * 501}, {"pinned": "maybe"}):
            assert (await asked(http, "PATCH", f"/api/history/default/{cid}", body))[0] == 400
        for chat_id in ("nothing", "c_", "c_%00"):
            assert (await asked(http, "GET", f"/api/history/default/{chat_id}"))[0] == 404
        text = await (await http.get("/metrics")).text()
        assert 'gemgate_history_calls_total{account="default",outcome="ok",what="rename"} 1.0' in text


async def test_only_what_this_gateway_made_is_deleted(sim: Simulator, tmp_path: Path) -> None:
    own = kept(sim, "the owner's")
    async with calling(sim, tmp_path) as (_, http):
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
        assert (await asked(http, "POST", "/v1/chat/completions", body))[0] == 200
        (made,) = (chat.cid for chat in sim.google.world.chats.of("alice") if chat.cid != own)
        rows, _ = await pages(http, "/api/history", 50)
        assert {row["id"]: row["made_by"] for row in rows} == {own: None, made: "gateway"}
        status, told = await asked(http, "DELETE", f"/api/history/default/{own}")
        assert (status, "not made by this gateway" in told["detail"]) == (403, True)
        sim.google.world.switches.keeps_deleted = True
        status, told = await asked(http, "DELETE", f"/api/history/default/{made}")
        assert (status, "still has it" in told["detail"]) == (502, True)
        sim.google.world.switches.keeps_deleted = False
        assert await asked(http, "DELETE", f"/api/history/default/{made}") == (
            200, {"id": made, "account": "default", "deleted": True},
        )  # fmt: skip
        assert (await asked(http, "DELETE", f"/api/history/default/{made}"))[0] == 404
        assert [chat.cid for chat in sim.google.world.chats.of("alice")] == [own]


async def test_what_other_keys_said_is_named_and_never_shown(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("", "the answer is salt")
    own = kept(sim, "salt of the owner")
    async with calling(sim, tmp_path, ADMIN, **KEYED) as (_, http):
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "salt, in secret"}]}
        as_one = {"authorization": "Bearer key-one-0123456789"}
        assert (await asked(http, "POST", "/v1/chat/completions", body, headers=as_one))[0] == 200
        (made,) = (chat.cid for chat in sim.google.world.chats.of("alice") if chat.cid != own)
        rows, _ = await pages(http, "/api/history", 50)
        (row,) = (row for row in rows if row["id"] == made)
        assert (row["title"], row["key"], row["made_by"], row["open"]) == (None, "one", "gateway", False)
        for method, path, change in (
            ("GET", f"/api/history/default/{made}", None),
            ("PATCH", f"/api/history/default/{made}", {"title": "mine"}),
            ("GET", f"/api/history/default/{made}/export", None),
        ):
            status, told = await asked(http, method, path, change)
            assert (status, "another key" in told["detail"]) == (403, True), path
        for by in ("third", "absent"):
            sim.google.world.switches.search = by
            status, told = await asked(http, "POST", "/api/history/search", {"query": "salt"})
            assert [one["id"] for one in told["data"]] in ([own], [])
        async with http.get("/api/history/export") as response:
            text = await response.text()
        assert (own in text, made in text, "secret" in text) == (True, False, False)
        assert (await asked(http, "DELETE", f"/api/history/default/{made}"))[0] == 200


async def test_chats_that_nothing_goes_on_in_are_known_too(sim: Simulator, tmp_path: Path) -> None:
    """A named conversation that begins anew leaves a chat behind, and so does an answer that broke off."""
    async with calling(sim, tmp_path) as (gate, http):

        def turn(*words: str) -> dict[str, Any]:
            said = [{"role": "user", "content": word} for word in words]
            return {"model": "gemini-3-flash-preview", "conversation_id": "trip", "messages": said}

        assert (await asked(http, "POST", "/v1/chat/completions", turn("hello")))[0] == 200
        first = {chat.cid for chat in sim.google.world.chats.of("alice")}
        for chat in sim.google.world.chats.of("alice"):
            sim.google.world.chats.forget(chat)
        assert (await asked(http, "POST", "/v1/chat/completions", turn("and more")))[0] == 200
        second = {chat.cid for chat in sim.google.world.chats.of("alice")}
        assert second
        assert not first & second
        sim.google.fault("generate", "hangup", after_frames=2)
        sim.google.world.switches.early_end = "discards"
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "this breaks off"}]}
        await asked(http, "POST", "/v1/chat/completions", body)
        everything = {chat.cid for chat in sim.google.world.chats.of("alice")} | first
        ledger = gate.service.history._ledger
        assert set(await ledger.made(sorted(everything))) == everything


@pytest.mark.parametrize("by", ["google", "titles"])
async def test_search_page_by_page(sim: Simulator, tmp_path: Path, by: str) -> None:
    sim.google.world.switches.search = "third" if by == "google" else "absent"
    found = {kept(sim, f"Tides {n}", at=DAY + n, pinned=n == 0) for n in range(30)}
    inside = kept(sim, "other", [("when is TIDES", "now")])
    kept(sim, "bread")
    async with calling(sim, tmp_path) as (_, http):
        rows: list[Any] = []
        cursor = ""
        while cursor is not None:
            body = {"query": "tides", "cursor": cursor, "limit": 10}
            status, told = await asked(http, "POST", "/api/history/search", body)
            assert (status, told["by"]) == (200, by)
            rows += told["data"]
            cursor = told["next"]
        assert len(rows) == len({row["id"] for row in rows})
        assert {row["id"] for row in rows} == (found | {inside} if by == "google" else found)
        for body in ({}, {"query": ""}, {"query": "   "}, {"query": "x" * 501}):
            assert (await asked(http, "POST", "/api/history/search", body))[0] == 400


async def test_exports(sim: Simulator, tmp_path: Path) -> None:
    long = kept(sim, "a/long: chat?", [(f"q{n}", f"a{n}") for n in range(120)], at=DAY + 5)
    short = kept(sim, "冬天", [("code", "```py\nprint(1)")])
    async with calling(sim, tmp_path) as (_, http):
        async with http.get("/api/history/default/export") as response:
            assert response.headers["cache-control"] == "no-store"
            lines = [json.loads(line) for line in (await response.text()).splitlines() if line]
        assert [line.get("id") for line in lines] == [long, short, None]
        assert lines[-1] == {"end": True, "next": None}
        assert [turn["prompt"] for turn in lines[0]["turns"]] == [f"q{n}" for n in range(120)]
        async with http.get("/api/history/export?format=json") as response:
            whole = await response.json()
        assert (whole["chats"], whole["missing"], whole["next"]) == (lines[:2], [], None)
        async with http.get("/api/history/export?format=markdown") as response:
            assert response.content_type == "application/zip"
            zipped = zipfile.ZipFile(io.BytesIO(await response.read()))
        names = zipped.namelist()
        assert len(names) == 3
        assert all(name == "export.json" or name.startswith("default/") for name in names)
        assert not any(set('<>:"\\|?*') & set(name) for name in names)
        text = zipped.read(names[0]).decode()
        assert text.startswith("# a/long: chat?\n")
        assert text.index("\nq0\n") < text.index("\na0\n") < text.index("\nq119\n")
        assert zipped.read(names[1]).decode().endswith("print(1)\n```\n")
        async with http.get(f"/api/history/default/{short}/export?format=markdown") as response:
            assert await response.text() == zipped.read(names[1]).decode()
        async with http.get(f"/api/history/default/{short}/export") as response:
            assert await response.json() == lines[1]
        assert (await asked(http, "GET", "/api/history/export?format=pdf"))[0] == 400
    assert sim.record.generations == 0


async def test_no_more_exports_begin_at_once_than_there_may_be(sim: Simulator, tmp_path: Path) -> None:
    """However close together they come; one that nobody reads on gives its place back."""
    kept(sim, "mine")
    async with calling(sim, tmp_path) as (gate, http):
        history, caller = gate.service.history, Caller(admin=True)
        begun = await asyncio.gather(
            *(history.export(caller, None, 1) for _ in range(MOST_EXPORTS + 2)), return_exceptions=True
        )
        assert sum(isinstance(one, Busy) for one in begun) == 2
        for one in begun:
            if isinstance(one, AsyncGenerator):
                await one.aclose()
        async with http.get("/api/history/export") as response:
            assert (response.status, (await response.text()).count("\n")) == (200, 2)


async def test_an_export_goes_on_where_it_stopped_and_says_what_is_missing(sim: Simulator, tmp_path: Path) -> None:
    ids = [kept(sim, f"chat {n}", at=DAY - n) for n in range(7)]
    async with calling(sim, tmp_path) as (_, http):
        told: list[Any] = []
        cursor, count = "", 0
        while cursor is not None:
            async with http.get("/api/history/export", params={"limit": 3, "cursor": cursor}) as response:
                lines = [json.loads(line) for line in (await response.text()).splitlines() if line]
            told += lines[:-1]
            cursor, count = lines[-1]["next"], count + 1
        assert ([one["id"] for one in told], count) == (ids, 3)
        sim.google.fault("hNvQHb", "code", code=9)
        async with http.get("/api/history/export") as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines() if line]
        assert [line["id"] for line in lines[:-1]] == ids
        assert ["error" in line for line in lines[:-1]] == [True, *[False] * 6]


async def test_a_session_that_is_over_is_renewed_once(sim: Simulator, tmp_path: Path) -> None:
    kept(sim, "one")
    async with calling(sim, tmp_path) as (_, http):
        sim.google.fault("MaZiqc", "reject7")
        assert (await asked(http, "GET", "/api/history"))[0] == 200


async def test_calls_go_in_the_pace_of_the_way_out(sim: Simulator, tmp_path: Path) -> None:
    for number in range(5):
        kept(sim, f"chat {number}")
    async with calling(sim, tmp_path, address_rpm_limit=60_000) as (gate, http):
        (account,) = gate.service.pool.accounts
        before = account.pacer.in_last_minute(gate.service.clock.monotonic())
        await pages(http, "/api/history", 100)
        assert account.pacer.in_last_minute(gate.service.clock.monotonic()) == before + 2  # pinned, others
        await asked(http, "POST", "/api/accounts/default/pause")
        status, told = await asked(http, "GET", "/api/history/default")
        assert (status, "paused" in told["detail"]) == (409, True)
