"""Google's windows in the room of accounts, and the forecast above the button that orders."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import Browser, expect

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.browser.page.conftest import overflows, visiting
from tests.support.serving import served

pytestmark = [pytest.mark.system]


async def test_the_binding_window_has_a_bar_and_an_order_a_forecast(
    sim: Simulator, chrome: Browser, settings: Callable[..., Settings]
) -> None:
    sim.google.account("alice").used = (0.25, 0.6)
    async with served(settings("alice")) as gate:
        for account in gate.service.pool.accounts:
            account.usage.read(await account.upstream.usage(), gate.service.clock.now())
        async with visiting(chrome, gate.url) as visitor:
            page = visitor.page
            await visitor.open("accounts")
            await expect(page.locator(".facts").first).to_contain_text("40 % of the week")
            await expect(page.locator("meter")).to_have_attribute("value", "40")
            await page.get_by_text("All of Google's windows").first.click()
            await expect(page.locator("details dl")).to_contain_text("60 % used")
            assert not await overflows(page)
            inside = "one => one.scrollWidth <= one.clientWidth"
            assert await page.locator("article.sheet details dl").evaluate(inside), "it stays within its card"
            await visitor.shot("accounts-windows")
            await visitor.open("batches")
            await page.locator("textarea[name=prompts]").fill("a boat\na barn")
            await expect(page.get_by_text("When it would be ready is not known.")).to_be_visible()
            await visitor.shot("order-forecast")
