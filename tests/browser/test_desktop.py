"""A desktop worker as its container starts it, in a sandbox: shipped scripts, supervisor, browser, gateway.

A person's clicks sign in to the simulated Google; after that nothing is typed any more, not even after a restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from gemgate.accounts import Cookies
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import open_database
from gemgate.stores.vault import open_vault
from gemgate_simulator import Simulator
from tests.browser.conftest import APP, Firefox, connected, needed, screen
from tests.support.patience import PATIENCE
from tests.support.servers import free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "desktop" / "rootfs"
OWN_ETC = ("firefox", "firefox-esr", "gemgate")


@dataclass(slots=True)
class Desktop:
    """A running desktop: its screen, and the folders that outlive it."""

    display: str
    folder: Path
    url: str
    marionette: int
    process: asyncio.subprocess.Process

    def processes(self, word: str) -> list[psutil.Process]:
        """The processes inside whose command line has the word."""
        found = []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile, or has ended and is not waited for
                if any(word in part for part in one.cmdline()):
                    found.append(one)
        return found

    async def ready(self, status: int, *, because: str = "") -> None:
        """Wait until /ready answers with this status, for this reason."""
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/ready") as answer:
                        if answer.status == status and because in await answer.text():
                            return
                await asyncio.sleep(0.1)

    async def click(self, browser: Firefox, selector: str) -> None:
        """Move the mouse onto an element and press it, as a hand does."""
        where = (
            f"const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [mozInnerScreenX + box.x + box.width / 2, mozInnerScreenY + box.y + box.height / 2].map(Math.round)"
        )
        x, y = await browser.run(where)
        hand = await asyncio.create_subprocess_exec(
            needed("xdotool", "xdotool"),
            *("mousemove", str(x), str(y), "sleep", "0.2", "click", "1"),
            env={**os.environ, "DISPLAY": self.display},
        )
        assert await hand.wait() == 0

    async def cookies(self) -> Cookies | None:
        """The cookies that the gateway keeps, opened with the desktop's own key."""
        vault = open_vault(None, self.folder / "profiles" / "gemgate" / "cookie.key", self.folder / "data")
        database = await open_database(self.folder / "data" / "gemgate.sqlite3")
        try:
            (kept,) = await SqlAccountStore(database, vault).all()
            return kept.cookies
        finally:
            await database.close()


def sandbox(folder: Path, policies: Path) -> list[str]:
    """A root of its own with the system's programs, the shipped files at their places, and /data and /profiles."""
    words = [needed("bubblewrap", "bwrap"), "--unshare-user", "--unshare-pid", "--die-with-parent"]
    words += ["--uid", "1000", "--gid", "1000", "--tmpfs", "/", "--ro-bind", "/usr", "/usr"]
    for place in ("/bin", "/sbin", "/lib", "/lib64"):
        if os.path.islink(place):
            words += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            words += ["--ro-bind", place, place]
    for entry in sorted(os.scandir("/etc"), key=lambda one: one.name):
        if entry.name not in OWN_ETC:
            words += ["--ro-bind-try", entry.path, entry.path]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", "/tmp", "--dir", "/home/kasm-user"]
    words += ["--ro-bind", "/tmp/.X11-unix", "/tmp/.X11-unix"]
    for place in {sys.base_prefix, sys.prefix, str(ROOT)}:
        words += ["--ro-bind", place, place]
    words += ["--symlink", sys.prefix, "/opt/gemgate"]
    words += ["--ro-bind", str(SHIPPED / "usr/local/bin"), "/usr/local/bin"]
    words += ["--ro-bind", str(SHIPPED / "dockerstartup"), "/dockerstartup"]
    words += ["--ro-bind", str(SHIPPED / "etc/gemgate"), "/etc/gemgate"]
    for name in ("firefox", "firefox-esr"):
        words += ["--ro-bind", str(policies), f"/etc/{name}/policies"]
    for name in ("data", "profiles"):
        words += ["--bind", str(folder / name), f"/{name}"]
    return words


@asynccontextmanager
async def desktop(folder: Path, google: Simulator, display: str) -> AsyncIterator[Desktop]:
    """What the container runs. The policies stand for what a person would set: a proxy, and whom to trust."""
    needed("supervisor", "supervisord")
    needed("Firefox", "firefox-esr", "firefox")
    for name in ("data", "profiles/firefox", "policies"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(google.ca_file, folder / "policies" / "ca.pem")
    policies = {
        "Certificates": {"Install": ["/etc/firefox/policies/ca.pem"]},
        "Proxy": {"Mode": "manual", "HTTPProxy": f"127.0.0.1:{google.port}", "UseHTTPProxyForAllProtocols": True},
        "DontCheckDefaultBrowser": True,
        "OverrideFirstRunPage": "",
    }
    (folder / "policies" / "policies.json").write_text(json.dumps({"policies": policies}))
    port, marionette = free_port(), free_port()
    (folder / "profiles" / "firefox" / "user.js").write_text(f'user_pref("marionette.port", {marionette});')
    environment = {
        "PATH": "/opt/gemgate/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/home/kasm-user",
        "LANG": "C.UTF-8",
        "DISPLAY": display,
        "VNC_PW": "a word of my own",
        "HOST": "127.0.0.1",
        "MODEL_INTERVAL_SECONDS": "0",
        "PORT": str(port),
        "PROXY_URL": google.proxy_url,
        "PROXY_CA_FILE": "/etc/firefox/policies/ca.pem",
        "BROWSER_FLAGS": "--marionette --width=1280 --height=900",
        "MOZ_CRASHREPORTER_DISABLE": "1",
    }
    log = (folder / "desktop.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        *sandbox(folder, folder / "policies"),
        *("/usr/local/bin/desktop-entry", "/dockerstartup/custom_startup.sh"),
        env=environment,
        stdout=log,
        stderr=log,
        stdin=asyncio.subprocess.DEVNULL,
    )
    log.close()
    running = Desktop(display, folder, f"http://127.0.0.1:{port}", marionette, process)
    try:
        yield running
    finally:
        await stopped(running)


async def stopped(running: Desktop) -> None:
    """End the desktop as its container would: a signal to the first process, and a while to leave."""
    if running.process.returncode is None:
        for supervisor in running.processes("supervisord"):
            supervisor.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                await running.process.wait()
        except TimeoutError:
            running.process.kill()
            await running.process.wait()


@asynccontextmanager
async def seen(running: Desktop) -> AsyncIterator[Firefox]:
    """The desktop's Firefox through Marionette: to look where things are, not to press them."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await connected(running.marionette)
        browser = Firefox(reader, writer)
        await browser.receive()
        await browser.command("WebDriver:NewSession", capabilities={})
    try:
        yield browser
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def shown(browser: Firefox, selector: str, seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not await browser.run(f"return document.querySelector({json.dumps(selector)}) !== null"):
            await asyncio.sleep(0.1)


async def asked(running: Desktop) -> str:
    body = {"messages": [{"role": "user", "content": "Count to 3"}]}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["choices"][0]["message"]["content"])


async def test_a_person_signs_in_once_and_nothing_is_typed_after_that(google: Simulator, tmp_path: Path) -> None:
    async with screen() as display:
        async with desktop(tmp_path, google, display) as running:
            async with seen(running) as browser:
                await shown(browser, "#sign-in")
                await running.ready(503, because="sign in at gemini.google.com in that browser")
                await running.click(browser, "#sign-in")
                await shown(browser, "#sign-in-alice")
                await running.click(browser, "#sign-in-alice")
                await shown(browser, "#account")
                await running.ready(200)
                assert "3" in await asked(running)
                async with asyncio.timeout(PATIENCE):
                    while (first := await running.cookies()) is None:  # written behind the first answer
                        await asyncio.sleep(0.2)

                await browser.open(APP + "?rotate=1")
                async with asyncio.timeout(PATIENCE):
                    while (kept := await running.cookies()) is None or kept == first:
                        await asyncio.sleep(0.2)
                assert kept.psid == first.psid
                assert "3" in await asked(running)

            (gateway,) = [one for one in running.processes("serve") if "gemgate" in " ".join(one.cmdline())]
            gateway.kill()
            await asyncio.sleep(0.5)
            await running.ready(200)
        assert running.process.returncode is not None

        async with desktop(tmp_path, google, display) as again:
            await again.ready(200)
            assert "3" in await asked(again)
    log = (tmp_path / "desktop.log").read_text(errors="replace")
    assert all(value not in log for value in google.google.cookies("alice").values())
    # Firefox also asks for its own updates; the simulator lets nothing out, and only Google's side counts here.
    assert [one for one in google.record.violations if "CONNECT to unknown host" not in one] == []
