"""What lasts: usage and budgets, windows and cookies over time, kept conversations, the logo, videos and music; all
in one window over one gateway.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from gemgate.accounts import UsageWindow
from gemgate.ports.usage import UsageOf, UsageSums
from gemgate.ports.usage_windows import UsageReading
from gemgate.settings import Settings
from gemgate_simulator import Painting, Simulator
from tests.browser.page.conftest import Visitor, overflows, violations, visiting
from tests.support.batch_calls import QUICK
from tests.support.page_views import MODEL
from tests.support.patience import until
from tests.support.serving import Served, served

RULES = replace(QUICK, media_look=0.1)
pytestmark = [pytest.mark.system]


async def posted(gate: Served, path: str, body: Any) -> Any:
    async with aiohttp.ClientSession(gate.url) as http, http.post(path, json=body) as answer:
        assert answer.status in (200, 201, 202), await answer.text()
        return await answer.json()


async def a_month(gate: Served) -> None:
    """Thirty days of seven keys in the ledger, and a day of readings of the week's window."""
    now = gate.service.clock.now()
    today = int(now // 86_400)
    sums = {
        UsageOf(today - day, 12, f"key{key}", "alice", MODEL, "3 Flash", "openai", "chat", "ok"): UsageSums(
            calls=10 * (7 - key), tokens_in=900, tokens_out=100, seconds=12.5, generations=10
        )
        for day in range(1, 30)
        for key in range(7)
    }
    await gate.service.usage.store.add("scene", 1, sums, now)
    readings = [
        UsageReading("alice", now - 3600.0 * hour, UsageWindow("weekly", 0.6 - 0.02 * hour, now + 90_000), {"text": 3})
        for hour in range(1, 20)
    ]
    await gate.service.windows.add(readings)


async def test_what_lasts_can_be_looked_at(
    sim: Simulator, chrome: Browser, settings: Callable[..., Settings], axe: str
) -> None:
    sim.google.images(cheap=True)
    sim.google.reply("harbour", "The **harbour** is quiet at noon.")
    sim.google.reply("fox", "", image=Painting("photo", size=(1024, 1024), logo="v2"))
    sim.google.music(seconds=2.0)
    sim.google.account("alice").used = (0.25, 0.6)
    budgets = {"budget": "calls_per_month=50", "key_budget": "images_per_day=4"}
    async with served(settings("alice", **budgets), job_rules=RULES) as gate:
        await until(lambda: all(one.is_open for one in gate.service.pool.accounts))
        await a_month(gate)
        for account in gate.service.pool.accounts:
            account.usage.read(await account.upstream.usage(), gate.service.clock.now())
        asked = {"model": MODEL, "conversation_id": "port", "messages": [{"role": "user", "content": "the harbour?"}]}
        await posted(gate, "/v1/chat/completions", asked)
        await posted(gate, "/v1/images/generations", {"prompt": "a fox", "response_format": "url"})
        music = await posted(gate, "/v1/music", {"prompt": "a slow waltz", "length": "short"})
        async with visiting(chrome, gate.url) as visitor:
            found = [await look(visitor, gate, music["id"]) for look in ROOMS]
            assert not await violations(visitor.page, axe)
        assert all(found)


async def usage(visitor: Visitor, gate: Served, music: str) -> bool:
    page = visitor.page
    await visitor.open("usage")
    rows = page.locator("table").first.locator("tbody tr")
    await expect(rows).to_have_count(9)  # seven keys, the calls without one, the total
    await expect(rows.first).to_contain_text("key0")
    await expect(rows.first).to_contain_text("2,030")
    await expect(rows.last).to_contain_text(re.compile("8,12[23]"))
    left = page.locator("section table")
    await expect(left).to_contain_text(re.compile("4[78] of 50"))
    await expect(left).to_contain_text("3 of 4")
    await page.select_option("select[name=by]", "kind")
    await expect(rows.filter(has_text="image")).to_have_count(1)
    return await quiet(page, visitor, "usage")


async def conversations(visitor: Visitor, gate: Served, music: str) -> bool:
    page = visitor.page
    await visitor.open("conversations")
    await expect(page.locator(".kept-list li")).to_have_count(1)
    await page.fill("input[type=search]", "QUIET nowhere")
    await expect(page.locator(".empty")).to_be_visible()
    await page.fill("input[type=search]", "QUIET noon")
    await expect(page.locator(".kept-list")).to_contain_text("is quiet at noon")
    await page.click(".kept-list a")
    await expect(page.locator(".talk strong")).to_have_text("harbour")
    return await quiet(page, visitor, "conversation")


async def over_time(visitor: Visitor, gate: Served, music: str) -> bool:
    page = visitor.page
    await visitor.open("accounts")
    await expect(page.locator(".facts").first).to_contain_text("40 % of the week")
    await expect(page.locator("meter")).to_have_attribute("value", "40")
    await page.get_by_text("All of Google's windows").first.click()
    await expect(page.locator("details dl")).to_contain_text("60 % used")
    assert not await overflows(page)
    inside = "one => one.scrollWidth <= one.clientWidth"
    assert await page.locator("article.sheet details dl").evaluate(inside), "it stays within its card"
    await page.get_by_role("button", name="Over time").click()
    chart = page.locator("dialog .plot").first
    await expect(chart.locator("path.line")).not_to_have_count(0)
    await chart.focus()
    await page.keyboard.press("Home")
    await expect(page.locator("dialog .readout").first).to_contain_text("week –")  # nothing was told so early
    for _ in range(40):  # quarters of an hour
        await page.keyboard.press("ArrowRight")
    await expect(page.locator("dialog .readout").first).to_contain_text(re.compile("week 3[024] %"))
    await expect(page.locator("dialog tbody")).to_contain_text("signed in")
    good = await quiet(page, visitor, "account-over-time")
    await page.keyboard.press("Escape")
    return good


async def logo(visitor: Visitor, gate: Served, music: str) -> bool:
    """The corner with the logo is brighter than without it, and everything else is the same."""
    page = visitor.page
    await visitor.open("gallery")
    await page.click(".wall li a")
    await page.get_by_role("button", name="With and without the logo").click()
    await expect(page.locator("dialog .compare")).to_have_count(2)
    light = """async () => Promise.all([...document.querySelectorAll('dialog .compare')].flatMap(box =>
      [...box.querySelectorAll('img')].map(async image => {
        await image.decode()
        const canvas = document.createElement('canvas')
        canvas.width = canvas.height = 64
        const context = canvas.getContext('2d', { willReadFrequently: true })
        context.drawImage(image, 0, 0, 64, 64)
        const sum = (x, y, w) => context.getImageData(x, y, w, w).data.reduce((a, b) => a + b, 0) / (w * w)
        return [sum(24, 24, 16), sum(0, 0, 8)]
      })))"""
    (with_logo, edge), (without, other_edge), *_ = await page.evaluate(light)
    assert with_logo > without + 5, "the logo is white"
    assert abs(edge - other_edge) < 5
    good = await quiet(page, visitor, "gallery-logo")
    await page.keyboard.press("Escape")
    return good


async def player(visitor: Visitor, gate: Served, music: str) -> bool:
    page = visitor.page
    await visitor.open("jobs/" + music)
    await expect(page.locator(".sheet .state")).to_have_text("completed")
    await expect(page.locator("audio")).not_to_have_count(0)
    await expect(page.locator("audio").first).to_have_attribute("aria-label", f"Play {music}.mp3")
    source = await page.locator("audio").first.get_attribute("src")
    kind = "async place => { const told = await fetch(place); return [told.status, told.headers.get('content-type')] }"
    assert await page.evaluate(kind, source) == [200, "audio/mpeg"]
    return await quiet(page, visitor, "job-music")


async def quiet(page: Page, visitor: Visitor, name: str) -> bool:
    await visitor.shot(name)
    return not await overflows(page)


async def order(visitor: Visitor, gate: Served, music: str) -> bool:
    page = visitor.page
    await visitor.open("batches")
    await page.locator("textarea[name=prompts]").fill("a boat\na barn")
    await expect(page.get_by_text("When it would be ready is not known.")).to_be_visible()
    return await quiet(page, visitor, "order-forecast")


ROOMS = (usage, conversations, over_time, logo, player, order)
