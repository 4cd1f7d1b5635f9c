"""The page of a fleet's gateway: accounts of all nodes, a node drained by a click, a chat through whichever node."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.page.conftest import overflows, violations, visiting
from tests.integration.fleet.conftest import fleet, module_fleet, postgres, redis, sim
from tests.support.fleets import ADMIN, RunningFleet
from tests.support.page_views import PAGES

__all__ = ["fleet", "module_fleet", "postgres", "redis", "sim"]

pytestmark = [pytest.mark.system, pytest.mark.soak, pytest.mark.timeout(300)]


async def test_the_page_over_a_fleet(fleet: RunningFleet, chrome: Browser, axe: str) -> None:
    async with visiting(chrome, fleet.url) as visitor:
        page = visitor.page
        await visitor.open()
        await page.fill("input[name=key]", ADMIN)
        await page.click("button.first")
        await expect(page.locator("article")).to_have_count(4)
        await visitor.shot("fleet-overview")
        wrong: list[str] = []
        for place in PAGES:
            await visitor.open(place)
            wrong += [f"{place}: {one}" for one in (*await overflows(page), *await violations(page, axe))]
        assert not wrong
        await visitor.open("playground")
        await page.fill("textarea[name=message]", "say hello")
        await page.press("textarea[name=message]", "Control+Enter")
        await expect(page.locator(".talk .markdown")).to_contain_text("hello")
        await page.click("text=How this was answered")
        await expect(page.locator(".story li").first).to_be_visible()
        await visitor.open("nodes")
        await expect(page.locator("article")).to_have_count(3)
        await page.click("article[aria-label=w1] >> text=Drain")
        await expect(page.locator("article[aria-label=w1]")).to_contain_text("takes nothing new")
        assert fleet.rows()["w1"]["draining"]
        await visitor.shot("fleet-nodes")
        await page.click("article[aria-label=w1] >> text=Take calls again")
        await expect(page.locator("article[aria-label=w1]")).not_to_contain_text("takes nothing new")
        await visitor.open("accounts")
        await page.click("article[aria-label=ann] >> text=Pause")
        await expect(page.locator("article[aria-label=ann] .state")).to_have_text("paused")
        await page.click("article[aria-label=ann] >> text=Resume")
        await expect(page.locator("article[aria-label=ann] .state")).to_have_text("ready")
