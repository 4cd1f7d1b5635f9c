"""Cookies of browsers that really run: read while they are open, and again after a page rotated them; a gateway that
runs beside them takes every change by itself, never rotates, and answers with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import BrowserContext

from gemgate.accounts import Cookies
from gemgate.cookies.sources import source_of
from gemgate_simulator import Simulator
from tests.browser.conftest import APP, Firefox, chromium, chromium_signs_in, eventually, firefox
from tests.support.patience import PATIENCE, PATIENT, until
from tests.support.serving import Served, served, settings_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


async def sign_in(browser: Firefox, name: str) -> None:
    await browser.sign_in(name)
    async with asyncio.timeout(PATIENCE):
        while not await browser.run("return document.getElementById('account') !== null"):
            await asyncio.sleep(0.1)


async def test_firefox_is_read_while_it_runs_and_after_its_page_rotated(google: Simulator, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    source = source_of(f"browser:firefox:{profile}")
    assert await source.read() is None
    async with firefox(tmp_path / "home", google, profile) as browser:
        assert await source.read() is None
        await sign_in(browser, "alice")
        async with gateway(google, f"browser:firefox:{profile}", tmp_path / "data") as gate:
            first = await takes_it(gate, google)
            await browser.open(APP + "?rotate=3600")
            await rotated_by_its_page(browser, google)
            second = await takes_it(gate, google)
        assert second.psid == first.psid
        assert second.psidts != first.psidts
        assert google.record.requests_of("rotate") == 1, "the browser rotates, and nobody else"
        assert await browser.run("return document.getElementById('account').textContent")
    assert await source.read() == second


@asynccontextmanager
async def gateway(google: Simulator, source: str, folder: Path) -> AsyncIterator[Served]:
    """A gateway that lives on that browser."""
    more = {"proxy_url": google.proxy_url, "proxy_ca_file": google.ca_file, "cookie_refresh_seconds": 1}
    async with served(settings_for(None, folder, cookie_source=source, **more), wait_ready=False) as gate:
        yield gate


async def takes_it(gate: Served, google: Simulator) -> Cookies:
    """Wait until the gateway has signed in with what Google knows, and chat; it must not have rotated."""
    account = gate.service.account_registry.account("default")

    def there() -> bool:
        return (
            account.is_open
            and account.cookies is not None
            and account.cookies.as_dict() == google.google.cookies("alice")
        )

    await until(there, PATIENT)
    body = {"prompt": "Count to 3"}
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1/generate", json=body) as answer:
        assert answer.status == 200, await answer.text()
        assert "3" in (await answer.json())["text"]
    assert account.cookies is not None
    return account.cookies


async def rotated_by_its_page(browser: Firefox, google: Simulator) -> None:
    """Let the frame of accounts.google.com rotate once, as its timer would."""
    before = google.google.cookies("alice")
    frame = await browser.command("WebDriver:FindElement", using="css selector", value="#rotate")
    await browser.command("WebDriver:SwitchToFrame", element=next(iter(frame["value"].values())))
    await browser.run("const one = document.createElement('script'); one.text = 'rotate()'; document.body.append(one)")
    await browser.command("WebDriver:SwitchToFrame", id=None)
    await until(lambda: google.google.cookies("alice") != before)


async def test_the_default_profile_of_a_home_is_found_where_firefox_made_it(google: Simulator, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with firefox(home, google) as browser:
        await sign_in(browser, "bob")
        for spec in ("browser:firefox", "browser:firefox:default"):
            await eventually(source_of(spec, home=home), lambda: google.google.cookies("bob"), 30)
        await eventually(source_of(f"browser:firefox:{home}"), lambda: google.google.cookies("bob"), 30)


async def test_two_containers_of_firefox_hold_two_accounts(google: Simulator, tmp_path: Path) -> None:
    """A tab of the container "Work" signs in beside a tab outside all containers."""
    profile = tmp_path / "profile"
    async with firefox(tmp_path / "home", google, profile) as browser:
        await sign_in(browser, "alice")
        await browser.command("Marionette:SetContext", value="chrome")
        script = (
            "gBrowser.selectedTab = gBrowser.addTab('about:blank', {userContextId: 2,"
            " triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal()});"
        )
        await browser.run(script)
        await browser.command("Marionette:SetContext", value="content")
        handles = await browser.command("WebDriver:GetWindowHandles")
        await browser.command("WebDriver:SwitchToWindow", handle=handles[-1])
        await sign_in(browser, "bob")
        for container, name in (("none", "alice"), ("Work", "bob"), ("2", "bob"), ("", "bob")):
            spec = f"browser:firefox:{profile}" + (f"#{container}" if container else "")
            await eventually(source_of(spec), lambda name=name: google.google.cookies(name), 30)  # type: ignore[misc]


async def test_chromium_is_read_while_it_runs_and_after_its_page_rotated(google: Simulator, tmp_path: Path) -> None:
    """Chromium writes its cookies every 30 s, or once 512 changes have come together; the last ones when it ends."""
    folder = tmp_path / "data"
    source = source_of(f"browser:chrome:{folder}")
    assert await source.read() is None
    async with chromium(folder, google) as context:
        rotate = await chromium_signs_in(context, "alice")
        await written(context)
        async with gateway(google, f"browser:chrome:{folder}", tmp_path / "gate") as gate:
            first = await takes_it(gate, google)
            await rotate()
            await written(context)
            second = await takes_it(gate, google)
        assert second.psid == first.psid
        assert second.psidts != first.psidts
        assert google.record.requests_of("rotate") == 1, "the browser rotates, and nobody else"
        await rotate()
    third = await eventually(source, lambda: google.google.cookies("alice"), 5)
    assert third.psidts != second.psidts


async def written(context: BrowserContext) -> None:
    """So many cookies of somewhere else that Chromium writes all it has."""
    names = [f"c{number}" for number in range(600)]
    await context.add_cookies(
        [{"name": name, "value": "x", "domain": f"{name[:2]}.example", "path": "/", "expires": 4e9} for name in names]
    )


@pytest.mark.soak
async def test_both_browsers_are_followed_at_their_own_pace(google: Simulator, tmp_path: Path) -> None:
    """Nothing hurries them: how long after a rotation in the browser the gateway has its cookies, in seconds."""
    profile, folder, clock = tmp_path / "profile", tmp_path / "data", asyncio.get_running_loop().time
    async with firefox(tmp_path / "home", google, profile) as browser:
        await sign_in(browser, "alice")
        async with gateway(google, f"browser:firefox:{profile}", tmp_path / "one") as gate:
            await takes_it(gate, google)
            await browser.open(APP + "?rotate=3600")
            await rotated_by_its_page(browser, google)
            began = clock()
            await takes_it(gate, google)
            fox = clock() - began
    async with chromium(folder, google) as context:
        rotate = await chromium_signs_in(context, "alice")
        async with gateway(google, f"browser:chrome:{folder}", tmp_path / "two") as gate:
            await takes_it(gate, google)
            await rotate()
            began = clock()
            await takes_it(gate, google)
            chrome = clock() - began
    print(f"seconds from a rotation in the browser to a chat with it: Firefox {fox:.1f}, Chromium {chrome:.1f}")
