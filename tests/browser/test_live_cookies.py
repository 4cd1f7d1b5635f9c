"""Cookies of browsers that really run: read while they are open, and again after a page rotated them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gemgate.cookies.sources import source_of
from gemgate.simulator import Simulator
from tests.browser.conftest import APP, SIGN_IN, Firefox, chromium, chromium_signs_in, eventually, firefox

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


async def sign_in(browser: Firefox, name: str) -> None:
    await browser.open(SIGN_IN + name)
    await browser.run("document.forms[0].submit()")
    async with asyncio.timeout(30):
        while not await browser.run("return document.getElementById('account') !== null"):
            await asyncio.sleep(0.1)


async def test_firefox_is_read_while_it_runs_and_after_its_page_rotated(google: Simulator, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    source = source_of(f"browser:firefox:{profile}")
    assert await source.read() is None
    async with firefox(tmp_path / "home", google, profile) as browser:
        assert await source.read() is None
        await sign_in(browser, "alice")
        first = await eventually(source, lambda: google.google.cookies("alice"), 30)
        await browser.open(APP + "?rotate=3600")
        await rotated_by_its_page(browser, google)
        second = await eventually(source, lambda: google.google.cookies("alice"), 30)
        assert second.psid == first.psid
        assert second.psidts != first.psidts
        assert await browser.run("return document.getElementById('account').textContent")
    assert await source.read() == second


async def rotated_by_its_page(browser: Firefox, google: Simulator) -> None:
    """Let the frame of accounts.google.com rotate once, as its timer would."""
    before = google.google.cookies("alice")
    frame = await browser.command("WebDriver:FindElement", using="css selector", value="#rotate")
    await browser.command("WebDriver:SwitchToFrame", element=next(iter(frame["value"].values())))
    await browser.run("const one = document.createElement('script'); one.text = 'rotate()'; document.body.append(one)")
    await browser.command("WebDriver:SwitchToFrame", id=None)
    async with asyncio.timeout(20):
        while google.google.cookies("alice") == before:
            await asyncio.sleep(0.05)


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
    """Chromium writes its cookies every 30 s; the last ones when it ends."""
    folder = tmp_path / "data"
    source = source_of(f"browser:chrome:{folder}")
    assert await source.read() is None
    async with chromium(folder, google) as context:
        rotate = await chromium_signs_in(context, "alice")
        first = await eventually(source, lambda: google.google.cookies("alice"), 60)
        await rotate()
        second = await eventually(source, lambda: google.google.cookies("alice"), 60)
        assert second.psid == first.psid
        assert second.psidts != first.psidts
        await rotate()
    third = await eventually(source, lambda: google.google.cookies("alice"), 5)
    assert third.psidts != second.psidts
