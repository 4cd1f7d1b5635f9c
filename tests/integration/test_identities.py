"""Several Google accounts in one browser: who is signed in is listed, and the right one chosen by its address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from gemgate.accounts import Cookies, GoogleAccount
from gemgate.cli import app
from gemgate.cli.account_choice import named_after, spelled
from gemgate.cookies.signed_in import sessions_in
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.profiles import session, write_chrome, write_containers, write_firefox, write_profiles_ini
from tests.support.serving import served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Alice and bob share a set of cookies; carol is signed in elsewhere."""
    async with Simulator(accounts=("alice", "bob", "carol")) as simulator:
        simulator.google.sign_in_beside("alice", "bob")
        yield simulator


def browser(sim: Simulator, home: Path, running: ExitStack) -> str:
    """A Firefox with alice and bob outside all containers, and carol in one."""
    profile = home / "x.default"
    for name, attributes in (("alice", ""), ("carol", "^userContextId=2")):
        cookies = Cookies.of(sim.google.cookies(name))
        running.enter_context(closing(write_firefox(profile, cookies, attributes=attributes)))
    write_containers(profile, {})
    return f"browser:firefox:{profile}"


async def ask(http: aiohttp.ClientSession, **body: Any) -> tuple[int, dict[str, Any]]:
    async with http.post("/api/identities", json=body) as answer:
        return answer.status, await answer.json()


async def test_an_account_with_a_proxy_of_its_own_is_looked_at_by_that_way_alone(
    sim: Simulator, tmp_path: Path
) -> None:
    settings = settings_for(None, tmp_path, proxy_url="http://127.0.0.1:9", proxy_ca_file=sim.ca_file)
    cookies = sim.google.cookies("carol")
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        assert (await ask(http, cookies=cookies))[0] >= 500
        status, body = await ask(http, cookies=cookies, proxy=f"{sim.proxy_url} http://127.0.0.1:9", google="")
        assert (status, body["chosen"]["number"]) == (200, 0)
        assert (await ask(http, cookies=cookies, proxy="nonsense"))[0] == 400


async def test_everybody_is_listed_and_one_is_chosen(sim: Simulator, tmp_path: Path) -> None:
    google = {name: sim.google.account(name).email for name in ("alice", "bob", "carol")}
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    with ExitStack() as running:
        source = browser(sim, tmp_path / "home", running)
        async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
            status, body = await ask(http, source=source)
            assert status == 200
            rows = {(one["google"], one["source"].rpartition("#")[2], one["number"]) for one in body["identities"]}
            assert {(where, number) for _, where, number in rows} == {("none", 0), ("none", 1), ("2", 0)}
            assert len({google for google, _, _ in rows}) == 3
            assert not any(secret in json.dumps(body) for secret in sim.google.cookies("alice").values())

            for called in (google["bob"], google["bob"].upper(), google["bob"].partition("@")[0]):
                _, body = await ask(http, source=source, google=called)
                assert (body["chosen"]["number"], body["chosen"]["source"]) == (1, f"{source}#none")
            status, body = await ask(http, source=source, google="nobody@gmail.example")
            assert (status, body["code"]) == (400, "which_account")
            status, body = await ask(http, source=source, google="")
            assert (status, body["code"]) == (400, "which_account")
            assert "c…l@" in body["detail"] or "ca…l@" in body["detail"]

            status, body = await ask(http, cookies=sim.google.cookies("alice"), google=google["bob"])
            assert body["chosen"] == {**body["chosen"], "number": 1, "source": "", "account": None}

            setup = {"name": "second", "source": f"{source}#none", "number": 1}
            async with http.post("/api/accounts", json=setup) as answer:
                assert answer.status == 200
            second = gate.service.pool.account("second")
            assert second is not None
            await until(lambda: second.status().state == "ready")
            assert second.google.is_called(google["bob"])
            _, body = await ask(http, source=source)
            assert [one["account"] for one in body["identities"] if one["number"] == 1] == ["second"]
            async with http.get("/api/accounts/second") as answer:
                assert (await answer.json())["google"] == second.google.label
            for wrong in ({}, {"source": source, "cookies": "x"}, {"source": "nonsense"}, {"cookies": "x"}):
                assert (await ask(http, **wrong))[0] == 400
    assert sim.record.generations == 0
    assert not sim.record.violations


async def test_a_dead_session_is_listed_with_its_reason(sim: Simulator, tmp_path: Path) -> None:
    cookies = sim.google.cookies("carol")
    sim.google.expire("carol")
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        status, body = await ask(http, cookies=cookies)
        assert status == 200
        assert [one["google"] for one in body["identities"]] == [None]
        assert body["identities"][0]["why"]
        status, body = await ask(http, cookies=cookies, google="")
        assert (status, body["code"]) == (400, "nobody_signed_in")


async def test_a_browser_without_a_profile_means_all_of_them(tmp_path: Path) -> None:
    root = tmp_path / ".mozilla/firefox"
    write_profiles_ini(root, {"one": "a.one", "two": "b.two"}, install="a.one")
    with ExitStack() as running:
        for folder, mark in (("a.one", "one"), ("b.two", "two")):
            running.enter_context(closing(write_firefox(root / folder, session(mark))))
        found = await sessions_in("browser:firefox", home=tmp_path)
        assert {place for place, _ in found} == {f"browser:firefox:{root}/{name}#none" for name in ("a.one", "b.two")}
        for place, cookies in found:
            assert [one for _, one in await sessions_in(place, home=tmp_path / "nobody")] == [cookies]
    chrome = tmp_path / ".config/google-chrome"
    for folder, mark in (("Default", "three"), ("Profile 1", "four")):
        write_chrome(chrome / folder, session(mark))
    found = await sessions_in("browser:chrome", home=tmp_path)
    assert {place for place, _ in found} == {f"browser:chrome:{chrome}/{name}" for name in ("Default", "Profile 1")}


def test_an_account_is_known_by_what_people_call_it() -> None:
    known = GoogleAccount.of("118", "Some.One@gmail.example")
    assert all(map(known.is_called, ("some.one@gmail.example", "SOME.ONE", known.label, " some.one ")))
    assert not any(map(known.is_called, ("someone", "", "one@gmail.example", known.id)))
    assert not any(map(GoogleAccount().is_called, ("", "x")))
    assert "some.one" not in repr(known).lower()


def test_what_is_typed_becomes_a_source_and_a_name() -> None:
    assert spelled("firefox") == "browser:firefox"
    assert spelled("firefox:work#2") == "browser:firefox:work#2"
    assert spelled("file:x") == "file:x"
    assert [named_after(one) for one in ("a@b.c", "a b", None)] == ["a@b.c", "default", "default"]


def test_the_commands_say_how(tmp_path: Path) -> None:
    for command in ("add", "who"):
        assert CliRunner().invoke(app, ["accounts", command, "--help"]).exit_code == 0
