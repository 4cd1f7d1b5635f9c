"""The room of the accounts' own chats: closed unless the setting opens it; listed, found, read, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.browser.page.conftest import overflows, visiting
from tests.support.kept_chats import DAY, kept
from tests.support.patience import until
from tests.support.serving import Served, served

pytestmark = [pytest.mark.system]


@pytest.mark.soak
async def test_it_says_that_it_is_closed(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open("history")
        await expect(visitor.page.locator(".note")).to_contain_text("ACCOUNT_HISTORY=true")


async def test_chats_are_listed_found_read_changed_and_deleted(
    settings: Callable[..., Settings], sim: Simulator, chrome: Browser
) -> None:
    own = kept(sim, "Tides <b>of</b> the sea", [(f"why {n}?", f"salt {n}") for n in range(25)], at=DAY + 99)
    for number in range(55):
        kept(sim, f"chat {number}", at=DAY - number)
    async with served(settings("alice", "bob", account_history=True)) as gate:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        async with aiohttp.ClientSession(gate.url) as http:
            body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
            async with http.post("/v1/chat/completions", json=body) as response:
                assert response.status == 200
        async with visiting(chrome, gate.url) as visitor:
            page = visitor.page
            await visitor.open("history/alice")
            rows = page.locator("tbody tr")
            await expect(rows).to_have_count(50)
            await page.get_by_role("button", name="More").click()
            await expect(rows.nth(55)).to_be_visible()
            await page.fill("input[name=query]", "salt 3")
            await page.get_by_role("button", name="Search").click()
            await expect(rows).to_have_count(1)
            await rows.get_by_role("button").click()
            dialog = page.locator("dialog")
            await expect(dialog.locator("section")).to_have_count(20)
            await dialog.get_by_role("button", name="Older turns").click()
            await expect(dialog.locator("section")).to_have_count(25)
            await expect(dialog.get_by_role("button", name="Delete")).to_have_count(0)
            await dialog.locator("input[name=title]").fill("Ebb")
            await dialog.get_by_role("button", name="Rename").click()
            await expect(dialog).to_have_attribute("aria-label", "Ebb")
            await dialog.get_by_role("button", name="Pin").click()
            await expect(dialog.get_by_role("button", name="Unpin")).to_be_visible()
            assert not await overflows(page)
            await dialog.get_by_role("button", name="Close").click()
            await page.fill("input[name=query]", "hello")
            await page.get_by_role("button", name="Search").click()
            made = page.locator("tbody tr", has_text="this gateway")
            await made.get_by_role("button").click()
            await dialog.get_by_role("button", name="Delete").click()
            sure = page.get_by_role("dialog", name="Delete this chat?")
            await sure.get_by_role("button", name="Delete").click()
            await expect(made).to_have_count(0)
        (chat,) = (one for one in sim.google.world.chats.of("alice") if one.cid == own)
        assert (chat.title, chat.pinned) == ("Ebb", True)
    assert not sim.record.violations
