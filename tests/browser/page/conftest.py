"""The page in Debian's Chromium over a real gateway and the simulated Google; screenshots go to test-artifacts/page."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.browser.conftest import CHROMIUM_FLAGS, needed
from tests.support.serving import Served, served, settings_for

HERE = Path(__file__).parent
SHOTS = HERE.parents[2] / "test-artifacts" / "page"
ADMIN = "correct horse battery staple"
CLIENT = "client-secret-4711"
expect.set_options(timeout=30_000)  # the machine may be busy with other things

SIZES = {"desktop": {"width": 1280, "height": 860}, "phone": {"width": 375, "height": 740}}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


@pytest.fixture
def settings(sim: Simulator, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a gateway over both accounts of the simulator; more by name."""

    def make(*names: str, **more: Any) -> Settings:
        lines = []
        for name in names:
            header = "; ".join(f"{key}={value}" for key, value in sim.google.cookies(name).items())
            (tmp_path / f"{name}.txt").write_text(header)
            lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.txt"\n')
        if lines:
            (tmp_path / "accounts.toml").write_text("\n".join(lines))
        return settings_for(
            None, tmp_path, **{"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file, "concurrency": 4, **more}
        )

    return make


@pytest.fixture
async def gate(settings: Callable[..., Settings]) -> AsyncIterator[Served]:
    async with served(settings("alice", "bob")) as running:
        yield running


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    binary = needed("Chromium", "chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, headless=True, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """One browser window: what it complained of is kept, and everything that it was sent."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context, self.page, self.url = context, page, url
        self.complaints: list[str] = []
        self.expected: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.expected):
            self.complaints.append(f"{self.page.url}: {message.text} ({message.location.get('url')})")

    async def open(self, place: str = "overview") -> None:
        """Go to a page and wait until it has drawn what it asked for."""
        if self.page.url.startswith(self.url + "/#"):
            await self.page.evaluate("place => { location.hash = '#/' + place }", place)
        else:
            await self.page.goto(f"{self.url}/#/{place}")
        await self.drawn()

    async def drawn(self) -> None:
        await self.page.wait_for_selector("h1")
        await self.page.wait_for_function(
            "() => !document.querySelector('p[aria-busy=true]') && [...document.images].every(one => one.complete)"
        )

    async def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@asynccontextmanager
async def visiting(
    chrome: Browser, url: str, *, language: str = "en", theme: str = "light", size: str = "desktop", **more: Any
) -> AsyncIterator[Visitor]:
    """A window in one language, theme and size. AssertionError at its end for whatever the console complained of."""
    context = await chrome.new_context(
        viewport=SIZES[size],
        locale="zh-CN" if language == "zh" else "en-GB",
        color_scheme=theme,
        reduced_motion="reduce",
        **more,
    )
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        visitor = Visitor(context, page, url)
        yield visitor
        assert not visitor.complaints, visitor.complaints
    finally:
        await context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, installed by npm into an ignored folder when it is not there."""
    script = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed (apt-get install npm)")
        subprocess.run(
            [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"],
            cwd=HERE, check=True, timeout=110,
        )  # fmt: skip
    return script.read_text()


async def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds that is serious or critical."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(f"() => {{ {axe} }}")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    found = await page.evaluate("runOnly => axe.run(document, { resultTypes: ['violations'], runOnly })", rules)
    return [
        f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


async def overflows(page: Page) -> list[str]:
    """Elements that stick out of the window; what scrolls by itself may be wider."""
    return await page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
          [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
            && !e.closest('.table, pre, .unseen')).slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
    )
