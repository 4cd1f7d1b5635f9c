"""Chromium with a real desktop keyring: its cookies are encrypted under a password that the keyring holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gemgate.cookies.snapshot import opened_copy
from gemgate.cookies.sources import source_of
from gemgate.errors import AccountError
from gemgate_simulator import Simulator
from tests.browser.conftest import chromium, chromium_signs_in, ended, environment, eventually, needed

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
async def session_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A message bus of our own, which this process and what it starts take for the desktop's."""
    daemon = needed("D-Bus", "dbus-daemon")
    process = await asyncio.create_subprocess_exec(
        daemon, "--session", "--nofork", "--print-address", stdout=asyncio.subprocess.PIPE, env=environment(tmp_path)
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address
    finally:
        await ended(process)


async def keyring(home: Path, address: str, password: bytes) -> asyncio.subprocess.Process:
    """Start the keyring, unlocked with `password`, and wait until it is on the bus."""
    binary = needed("GNOME keyring", "gnome-keyring-daemon")
    runtime = home / "run"
    runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
    process = await asyncio.create_subprocess_exec(
        *(binary, "--foreground", "--unlock", "--components=secrets", f"--control-directory={runtime}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(home, DBUS_SESSION_BUS_ADDRESS=address, XDG_RUNTIME_DIR=str(runtime)),
    )
    assert process.stdin is not None
    process.stdin.write(password)
    process.stdin.close()
    return process


def schemes(database: Path) -> set[bytes]:
    with opened_copy(database) as copy:
        return {bytes(value[:3]) for (value,) in copy.execute("SELECT encrypted_value FROM cookies")}


async def test_cookies_under_a_keyring_are_read_and_without_it_the_reason_is_said(
    google: Simulator, session_bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chromium"
    ring = await keyring(tmp_path / "home", session_bus, b"open sesame\n")
    try:
        async with chromium(folder, google, "--password-store=gnome-libsecret", keyring=True) as context:
            await chromium_signs_in(context, "alice")
        assert schemes(folder / "Default/Cookies") == {b"v11"}
        await eventually(source_of(f"browser:chromium:{folder}"), lambda: google.google.cookies("alice"), 10)
    finally:
        await ended(ring)
    with pytest.raises(AccountError, match="keyring"):
        await source_of(f"browser:chromium:{folder}").read()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    with pytest.raises(AccountError, match=r"keyring.*--password-store=basic"):
        await source_of(f"browser:chromium:{folder}").read()
