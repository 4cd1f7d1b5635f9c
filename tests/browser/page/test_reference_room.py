"""The API reference of the page: what it shows to copy is a call that works."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest
from playwright.async_api import Browser, expect

from gemgate_simulator import Simulator
from tests.browser.page.conftest import visiting
from tests.support.serving import Served

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/generate", "/v1/images/generations"])
async def test_the_call_that_is_shown_is_answered(path: str, gate: Served, sim: Simulator, chrome: Browser) -> None:
    curl = shutil.which("curl") or pytest.skip("curl is not here")
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open("reference")
        one = (
            visitor.page.locator("details", has=visitor.page.get_by_text(path, exact=True))
            .filter(has_text="POST")
            .first
        )
        await one.locator("summary").first.click()
        shown = one.locator("pre").last
        await expect(shown).to_contain_text(path)
        line = await shown.inner_text()
    assert line.startswith("curl ")
    shell = await asyncio.create_subprocess_shell(
        line.replace("curl ", f"{curl} -sS --fail-with-body ", 1),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "GEMGATE_KEY": "any"},
    )
    said, _ = await shell.communicate()
    assert shell.returncode == 0, said.decode()
    assert sim.record.generations


async def test_an_admins_call_takes_the_admin_key_and_an_open_one_none(gate: Served, chrome: Browser) -> None:
    """Under the names of docs/api.md, where one for both would send an admin's key with every call."""
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open("reference")
        for path, variable in (
            ("/api/accounts", "$GEMGATE_ADMIN_KEY"),
            ("/v1/models", "$GEMGATE_KEY"),
            ("/health", ""),
        ):
            one = visitor.page.locator("details", has=visitor.page.get_by_text(path, exact=True)).filter(has_text="GET")
            await one.first.locator("summary").first.click()
            line = await one.first.locator("pre").last.inner_text()
            assert f'"Authorization: Bearer {variable}"' in line if variable else "Authorization" not in line, line
