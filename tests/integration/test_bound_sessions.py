"""An import says when its cookies come from a browser that binds sessions to the device (docs/google-wire.md 5.5)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.accounts import Cookies, binding_browser
from gemgate.dialects import cookie_text
from gemgate_simulator import Simulator
from tests.support.patience import PATIENT, until
from tests.support.serving import served, settings_for

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
CHROME = f"{WINDOWS} {KIT} Chrome/148.0.0.0 Safari/537.36"
OTHERS = {
    "firefox": f"{WINDOWS[:-1]}; rv:140.0) Gecko/20100101 Firefox/140.0",
    "older": f"{WINDOWS} {KIT} Chrome/145.0.0.0 Safari/537.36",
    "edge": f"{CHROME} Edg/148.0.0.0",
    "linux": CHROME.replace("Windows NT 10.0; Win64; x64", "X11; Linux x86_64"),
    "mac": CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7"),
    "program": "python-requests/2.32",
}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator


def copied(cookies: dict[str, str], agent: str) -> dict[str, str]:
    """What the developer tools give for a request of the app's: by way of copying."""
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    entry = {"headers": [{"name": "user-agent", "value": agent}, {"name": "cookie", "value": header}]}
    return {
        "bash": f"curl 'https://gemini.google.com/app' -H 'user-agent: {agent}' -b '{header}'",
        "cmd": f'curl ^"https://gemini.google.com/app^" ^\r\n  -b ^"{header}^" ^\r\n  -H ^"user-agent: {agent}^"',
        "har": json.dumps({"log": {"entries": [{"request": entry}]}}),
    }


@pytest.mark.parametrize("form", ["bash", "cmd", "har"])
def test_what_was_copied_names_its_browser(form: str) -> None:
    cookies = {"__Secure-1PSID": "g.a000x", "__Secure-1PSIDTS": "sidts-y"}
    found = cookie_text.read(copied(cookies, CHROME)[form])
    assert (found.psid, found.psidts, found.bound) == ("g.a000x", "sidts-y", "Chrome 148 (Windows)")
    assert Cookies.of(found.as_dict()).bound == found.bound
    for agent in OTHERS.values():
        assert cookie_text.read(copied(cookies, agent)[form]).bound == ""


@pytest.mark.parametrize("agent", OTHERS.values(), ids=OTHERS)
def test_other_browsers_bind_nothing(agent: str) -> None:
    assert binding_browser(CHROME)
    assert binding_browser(agent) == ""


async def give(http: aiohttp.ClientSession, cookies: Any, language: str, agent: str) -> dict[str, Any]:
    headers = {"accept-language": language, "user-agent": agent}
    async with http.post("/api/cookies", json={"cookies": cookies}, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def account(http: aiohttp.ClientSession, language: str = "en") -> dict[str, Any]:
    async with http.get("/api/accounts", headers={"accept-language": language}) as answer:
        return (await answer.json())["accounts"][0]


async def test_an_import_says_so_and_the_account_goes_on_saying_it(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    pasted = copied(sim.google.cookies("alice"), CHROME)["bash"]
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        assert "notice" not in await give(http, sim.google.cookies("alice"), "en", OTHERS["linux"])
        shown = await account(http)
        assert (shown["notice"], shown["forecast"]) == (None, None)
        maybe = await give(http, sim.google.cookies("alice"), "zh", CHROME)
        assert "如果这些 Cookie 来自当前浏览器（Chrome 148 (Windows)）" in maybe["notice"]
        assert (await account(http))["notice"] is None
        told = await give(http, pasted, "en", OTHERS["program"])
        assert "copied from Chrome 148 (Windows)" in told["notice"]
        assert "Firefox" in told["notice"]
        shown = await account(http, "zh")
        assert "绑定到设备" in shown["notice"]
        assert 7000 < shown["forecast_seconds"] <= 7200
        member = gate.service.pool.accounts[0]
        await member.take_rotated((await member.upstream.rotate()).cookies, member.cookies, member.session_epoch)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert "Chrome 148 (Windows)" in (await account(http))["notice"]  # a renewal and a restart later
    async with served(settings_for(None, tmp_path / "b", proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file),
                      wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:  # fmt: skip
        body = {"name": "added", "cookies": pasted}
        async with http.post("/api/accounts", json=body) as answer:
            assert "copied from Chrome 148 (Windows)" in (await answer.json())["notice"]


async def test_a_renewal_that_google_refuses_says_so_too(sim: Simulator, tmp_path: Path) -> None:
    sim.google.account("alice").rotation = "bound"
    (tmp_path / "facts.toml").write_text("[session]\nrotate_gap_seconds = 1\n")
    settings = settings_for(sim, tmp_path, cookie_refresh_seconds=2, wire_facts=tmp_path / "facts.toml")
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        member = gate.service.pool.accounts[0]
        await until(lambda: member.renewal == "refused", PATIENT)
        shown = await account(http)
        assert shown["state"] == "ready"
        assert "refuses to renew" in shown["notice"]
