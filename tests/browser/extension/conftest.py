"""The extension in Debian's Firefox and Chromium, over a real gateway and the simulated Google.

`Driven` is what both can: its pages are opened in tabs and pressed as a person would, the Google account is signed in
and rotates in a page of Google's.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import ImageGrab
from playwright.async_api import BrowserContext, Page, async_playwright
from tools.extension import FOLDER, package

from gemgate_simulator import Simulator
from tests.browser.conftest import APP, CHROMIUM_FLAGS, Firefox, chromium_signs_in, firefox, needed
from tests.support.serving import Served, served, settings_for

LOOPBACK = "http://127.0.0.1/*"
SECONDS = 60


@pytest.fixture
async def gate(google: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway without any account: its cookies have to come from a browser."""
    ways = {"proxy_url": google.proxy_url, "proxy_ca_file": google.ca_file}
    async with served(settings_for(None, tmp_path / "gate", **ways), wait_ready=False) as running:
        yield running


class Driven(Protocol):
    """A browser with the extension."""

    store: str

    async def open(self, page: str) -> None:
        """One of the extension's pages, or any address."""

    async def fill(self, field: str, text: str) -> None: ...

    async def press(self, selector: str) -> None: ...

    async def text(self, selector: str) -> str:
        """What can be seen of it; "" when it is hidden."""

    async def sign_in(self, name: str) -> None: ...

    async def rotate(self) -> None:
        """Google's own page rotates the session once."""

    async def run(self, expression: str) -> Any:
        """The value of JavaScript on the page that is open; `api` is what extensions are given."""

    async def stop(self) -> None:
        """End the extension's background, as a browser does when it has been idle."""


async def seen(browser: Driven, selector: str, wanted: str, seconds: float = SECONDS) -> str:
    """The text of `selector` once `wanted` is in it."""
    text = ""
    try:
        async with asyncio.timeout(seconds):
            while wanted not in (text := await browser.text(selector)):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{selector} says {text!r}, not {wanted!r}") from None
    return text


async def code_on_page(browser: Driven, gate: Served, name: str = "mine") -> str:
    """Press "Pair a browser" in the gateway's own page, and read what its button copies."""
    await browser.open(f"{gate.url}/#/accounts")
    await seen(browser, "h1", "Accounts")
    await browser.press(".page-head .actions button:not(.first)")
    await browser.fill("dialog input[name=name]", name)
    await browser.press("dialog .actions button")
    await seen(browser, "#pairing-code", "-")
    return f"{gate.url} {await browser.text('#pairing-code')}"


async def enter(browser: Driven, code: str, store: str = "") -> None:
    """Type a code into the extension."""
    await browser.open(f"pair.html?store={store or browser.store}")
    await browser.fill("input[name=code]", code)
    await browser.press("button.first")


class Fox:
    """Firefox through Marionette: the .xpi is installed as a temporary add-on."""

    store = "firefox-default"

    def __init__(self, browser: Firefox) -> None:
        self.browser, self.base, self.id = browser, "", ""

    async def install(self, xpi: Path) -> None:
        told = await self.browser.command("Addon:Install", path=str(xpi), temporary=True)
        self.id = told["value"]
        host = await self._inside(f"return WebExtensionPolicy.getByID({self.id!r}).mozExtensionHostname")
        self.base = f"moz-extension://{host}/"

    async def _inside(self, script: str) -> Any:
        """Run a script with all rights of Firefox."""
        await self.browser.command("Marionette:SetContext", value="chrome")
        try:
            return await self.browser.run(script)
        finally:
            await self.browser.command("Marionette:SetContext", value="content")

    async def open(self, page: str) -> None:
        await self.browser.open(page if "://" in page else self.base + page)

    async def _element(self, selector: str) -> str:
        found = await self.browser.command("WebDriver:FindElement", using="css selector", value=selector)
        return str(next(iter(found["value"].values())))

    async def fill(self, field: str, text: str) -> None:
        element = await self._element(field)
        await self.browser.command("WebDriver:ElementClear", id=element)
        await self.browser.command("WebDriver:ElementSendKeys", id=element, text=text)

    async def press(self, selector: str) -> None:
        await self.browser.command("WebDriver:ElementClick", id=await self._element(selector))

    async def text(self, selector: str) -> str:
        script = f"const one = document.querySelector({json.dumps(selector)}); return one ? one.innerText : ''"
        return str(await self.browser.run(script))

    async def sign_in(self, name: str) -> None:
        await self.browser.sign_in(name)
        await seen(self, "#account", name)

    async def rotate(self) -> None:
        await self.browser.open(APP + "?rotate=3600")
        await self.browser.command("WebDriver:SwitchToFrame", element=await self._element("#rotate"))
        await self.browser.run(
            "const s = document.createElement('script'); s.text = 'rotate()'; document.body.append(s)"
        )
        await self.browser.command("WebDriver:SwitchToFrame", id=None)

    async def run(self, expression: str) -> Any:
        return await self.browser.run(f"const api = globalThis.browser; return {expression}")

    async def stop(self) -> None:
        policy = f"WebExtensionPolicy.getByID({self.id!r}).extension"
        await self._inside(f"return {policy}.terminateBackground({{ignoreDevToolsAttached: true}})")
        assert await self._inside(f"return {policy}.backgroundState") == "stopped"

    async def decide(self, yes: bool) -> None:
        """Press a button of the question for a permission, once Firefox shows it; AssertionError when it does not."""
        button = "button" if yes else "secondaryButton"
        script = (
            "const {panel} = PopupNotifications; const asked = panel.state === 'open' && panel.firstElementChild;"
            f"if (asked) asked.{button}.click(); return Boolean(asked)"
        )
        async with asyncio.timeout(SECONDS):
            while not await self._inside(script):
                await asyncio.sleep(0.2)

    async def new_tab(self, container: int = 0) -> None:
        """A tab in front, in a container."""
        await self._inside(
            f"gBrowser.selectedTab = gBrowser.addTab('about:blank', {{userContextId: {container},"
            " triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal()})"
        )
        handles = await self.browser.command("WebDriver:GetWindowHandles")
        await self.browser.command("WebDriver:SwitchToWindow", handle=handles[-1])


class Chrome:
    """Chromium through Playwright: the folder is loaded unpacked."""

    store = "0"

    def __init__(self, context: BrowserContext, base: str, page: Page) -> None:
        self.context, self.base, self.page = context, base, page
        self._rotate: Any = None

    async def open(self, page: str) -> None:
        await self.page.goto(page if "://" in page else self.base + page)

    async def fill(self, field: str, text: str) -> None:
        await self.page.fill(field, text)

    async def press(self, selector: str) -> None:
        await self.page.click(selector)

    async def text(self, selector: str) -> str:
        one = self.page.locator(selector)
        return await one.inner_text() if await one.count() else ""

    async def sign_in(self, name: str) -> None:
        self._rotate = await chromium_signs_in(self.context, name)

    async def rotate(self) -> None:
        await self._rotate()

    async def run(self, expression: str) -> Any:
        return await self.page.evaluate(f"(async () => {{ const api = globalThis.chrome; return {expression} }})()")

    async def stop(self) -> None:
        await self.page.goto(self.base + "pair.html")
        devtools = await self.context.new_cdp_session(self.page)
        stopped = asyncio.Event()

        def heard(told: Any) -> None:
            if any(one["runningStatus"] == "stopped" for one in told["versions"]):
                stopped.set()

        devtools.on("ServiceWorker.workerVersionUpdated", heard)
        await devtools.send("ServiceWorker.enable")
        await devtools.send("ServiceWorker.stopAllWorkers")
        async with asyncio.timeout(SECONDS):
            await stopped.wait()
        await devtools.detach()


async def press_keys(display: str, *keys: str) -> None:
    """Press keys once a question has dimmed the window behind it."""
    async with asyncio.timeout(SECONDS):
        while max(await asyncio.to_thread(lambda: ImageGrab.grab(xdisplay=display).getpixel((640, 700)))) > 200:
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)  # it takes no keys while it is new
    hand = await asyncio.create_subprocess_exec(
        needed("xdotool", "xdotool"), "key", *keys, env={**os.environ, "DISPLAY": display}
    )
    assert await hand.wait() == 0


@asynccontextmanager
async def fox(folder: Path, google: Simulator, **preferences: Any) -> AsyncIterator[Fox]:
    """Firefox, where what the extension asks for is granted without a question."""
    xpi = folder / "gemgate.xpi"
    xpi.write_bytes(package())
    granted = {"extensions.webextOptionalPermissionPrompts": False}
    async with firefox(folder / "home", google, folder / "fox", preferences={**granted, **preferences}) as browser:
        driven = Fox(browser)
        await driven.install(xpi)
        yield driven


@asynccontextmanager
async def chrome(folder: Path, google: Simulator, language: str = "en-GB", display: str = "") -> AsyncIterator[Chrome]:
    """Chromium. Without a display nobody can press its question for a host permission, so the copy that is loaded has
    the gateway's address among those it asks for when it is installed; on a display it is the folder as it is shipped.
    """
    binary = needed("Chromium", "chromium", "chromium-browser", "google-chrome")
    unpacked = folder / "unpacked"
    shutil.copytree(FOLDER, unpacked, dirs_exist_ok=True)
    manifest = json.loads((unpacked / "manifest.json").read_text("utf-8"))
    if not display:
        manifest["host_permissions"].append(LOOPBACK)
    (unpacked / "manifest.json").write_text(json.dumps(manifest))
    flags = [
        *CHROMIUM_FLAGS,
        f"--proxy-server={google.proxy_url}",
        f"--disable-extensions-except={unpacked}",
        f"--load-extension={unpacked}",
        f"--lang={language}",
    ]
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            folder / "chrome",
            executable_path=binary,
            headless=not display,
            args=flags,
            ignore_default_args=["--disable-extensions"],
            ignore_https_errors=True,
            env={**os.environ, "LANGUAGE": language.replace("-", "_"), "DISPLAY": display},
        )
        try:
            workers = context.service_workers
            worker = workers[0] if workers else await context.wait_for_event("serviceworker", timeout=SECONDS * 1000)
            base = worker.url.removesuffix("background.js")
            yield Chrome(context, base, context.pages[0])
        finally:
            await context.close()
