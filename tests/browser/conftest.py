"""Real browsers for tests: Debian's Firefox and Chromium, headless, each with a fresh profile, on the simulated Google.

Missing ones are skipped by name; nothing a browser asks for leaves this machine, for the simulator is its proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, async_playwright

from gemgate.accounts import Cookies
from gemgate.ports.cookies import CookieSource
from gemgate_simulator import Simulator
from tests.support.patience import PATIENCE
from tests.support.servers import free_port

SIGN_IN = "https://accounts.google.com/ServiceLogin?account="
APP = "https://gemini.google.com/app"

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def needed(name: str, *commands: str) -> str:
    """The path of a system program; the test is skipped with its name when there is none."""
    for command in commands:
        if path := shutil.which(command):
            return path
    pytest.skip(f"{name} is not installed (apt-get install {commands[0]})")


@pytest.fixture
async def google() -> AsyncIterator[Simulator]:
    async with Simulator(("alice", "bob")) as simulator:
        for name in ("alice", "bob"):
            simulator.google.account(name).rotate_gap = 0.0  # the tests' frames turn in seconds
        yield simulator


class Firefox:
    """A running Firefox, driven through Marionette: frames of `length:[0, id, command, parameters]` on a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0

    def close(self) -> None:
        self._writer.close()

    async def receive(self) -> Any:
        length = int((await self._reader.readuntil(b":"))[:-1])
        return json.loads(await self._reader.readexactly(length))

    async def command(self, name: str, **parameters: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._writer.write(b"%d:%s" % (len(message), message))
        _, _, error, result = await self.receive()
        assert error is None, error
        return result

    async def trust(self, ca_file: Path) -> None:
        """Add a certificate authority to this profile, as a person would in the settings."""
        certificate = "".join(ca_file.read_text().split("-----")[2].split())
        script = (
            'Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)'
            '.addCertFromBase64(arguments[0], "C,,");'
        )
        await self.command("Marionette:SetContext", value="chrome")
        await self.command("WebDriver:ExecuteScript", script=script, args=[certificate])
        await self.command("Marionette:SetContext", value="content")

    async def open(self, url: str) -> None:
        await self.command("WebDriver:Navigate", url=url)

    async def sign_in(self, name: str) -> None:
        """Open the form and send it off; a tab that was just opened may show its blank page once more first."""
        script = "const form = document.forms[0]; if (form) form.submit(); return Boolean(form);"
        async with asyncio.timeout(PATIENCE):
            await self.open(SIGN_IN + name)
            while not await self.run(script):
                await asyncio.sleep(0.5)
                await self.open(SIGN_IN + name)

    async def run(self, script: str) -> Any:
        return (await self.command("WebDriver:ExecuteScript", script=script, args=[]))["value"]


@asynccontextmanager
async def firefox(
    home: Path, google: Simulator, profile: Path | None = None, preferences: dict[str, Any] | None = None
) -> AsyncIterator[Firefox]:
    """Firefox in a home of its own. profile: None lets it make its default profile by itself."""
    binary = needed("Firefox", "firefox-esr", "firefox")
    port = free_port()
    preferences = {
        **(preferences or {}),
        "network.proxy.type": 1,
        "network.proxy.ssl": "127.0.0.1",
        "network.proxy.ssl_port": google.port,
        "network.proxy.http": "127.0.0.1",
        "network.proxy.http_port": google.port,
        "marionette.port": port,
        "app.normandy.enabled": False,
        "datareporting.healthreport.uploadEnabled": False,
    }
    arguments = ["--headless", "--marionette", "--remote-allow-system-access"]
    folder = profile
    if folder is None:
        folder = home / "made.default"
        await finish(binary, "--headless", "-CreateProfile", f"default {folder}", HOME=str(home))
        arguments += ["-P", "default"]
    else:
        arguments += ["--profile", str(folder)]
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (folder / "user.js").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, env=environment(home), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    browser = None
    try:
        async with asyncio.timeout(PATIENCE):
            browser = Firefox(*await connected(port))
            await browser.receive()
            await browser.command("WebDriver:NewSession", capabilities={})
            await browser.trust(google.ca_file)
        yield browser
    finally:
        if browser is not None:
            browser.close()
        await ended(process)


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "MOZ_CRASHREPORTER_DISABLE": "1", **more}


async def finish(*arguments: str, **env: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        env={**environment(Path(env["HOME"])), **env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE):
        await process.wait()


async def ended(process: asyncio.subprocess.Process) -> None:
    """Ask the process to go, and make it."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def screen() -> AsyncIterator[str]:
    """A screen that nobody sees; its display."""
    out, into = os.pipe()
    server = await asyncio.create_subprocess_exec(
        needed("Xvfb", "Xvfb"), *("-displayfd", str(into), "-screen", "0", "1280x900x24", "-nolisten", "tcp"),
        pass_fds=(into,), stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(into)
    try:
        number = await asyncio.to_thread(os.read, out, 16)
        yield f":{number.decode().strip()}"
    finally:
        os.close(out)
        server.terminate()
        await server.wait()


async def eventually(source: CookieSource, wanted: Callable[[], dict[str, str]], seconds: float) -> Cookies:
    """The cookies once they are the ones that Google knows; every read before must make sense, too."""
    async with asyncio.timeout(seconds):
        while True:
            cookies = await source.read()
            if cookies is not None and cookies.as_dict() == wanted():
                return cookies
            await asyncio.sleep(0.25)


@asynccontextmanager
async def chromium(
    folder: Path, google: Simulator, *flags: str, keyring: bool = False
) -> AsyncIterator[BrowserContext]:
    binary = needed("Chromium", "chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            folder,
            executable_path=binary,
            headless=True,
            args=[*CHROMIUM_FLAGS, *flags],
            proxy={"server": google.proxy_url},
            ignore_https_errors=True,
            ignore_default_args=["--password-store=basic"] if keyring else None,
        )
        try:
            yield context
        finally:
            await context.close()


async def chromium_signs_in(context: BrowserContext, name: str) -> Callable[[], Awaitable[None]]:
    """Sign in; returns what lets the app's page rotate once."""
    page = context.pages[0]
    await page.goto(SIGN_IN + name)
    await page.click(f"#sign-in-{name}")
    await page.wait_for_selector("#account")

    async def rotate() -> None:
        await page.goto(APP + "?rotate=3600")
        frame = next(frame for frame in page.frames if "RotateCookiesPage" in frame.url)
        await frame.evaluate("rotate()")

    return rotate
