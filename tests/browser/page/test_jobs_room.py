"""The room of jobs: all kinds, their cost, paged and filtered, steered by the keyboard, at its old address too."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gemgate.settings import Settings
from gemgate_simulator import Painting, Simulator
from tests.browser.page.conftest import overflows, visiting
from tests.support.job_orders import drafts, order
from tests.support.patience import until
from tests.support.serving import Served, served

pytestmark = [pytest.mark.system]
MANY = 120


async def many_jobs(gate: Served) -> None:
    """More than two pages of jobs that have been given up."""
    kinds = ("images", "chat", "response", "image_call")
    store, now = gate.service.jobs.store, time.time()
    for number in range(MANY):
        more: dict[str, Any] = {"state": "paused"} if number % 2 else {}
        job = order(f"batch_{number:08x}", kind=kinds[number % 4], created_at=now - 3600 - number, **more)
        await store.submit(job, drafts(3))
        if not number % 2:
            await store.change(job.id, "cancelled")


async def posted(gate: Served, path: str, body: Any) -> Any:
    async with aiohttp.ClientSession(gate.url) as http, http.post(path, json=body) as answer:
        assert answer.status in (200, 202), await answer.text()
        return await answer.json()


@pytest.fixture
async def gate(settings: Callable[..., Settings]) -> AsyncIterator[Served]:
    """A gateway that waits for a slow answer for as long as it takes to give it up."""
    patience = {"first_byte_timeout_seconds": 60, "idle_timeout_seconds": 60, "request_timeout_seconds": 90}
    async with served(settings("alice", "bob", **patience)) as running:
        yield running


async def test_jobs_of_all_kinds_are_paged_filtered_and_steered(gate: Served, sim: Simulator, chrome: Browser) -> None:
    await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
    sim.google.images(cheap=True)
    sim.google.reply("fox", "", image=Painting())
    sim.google.reply("slow", "late", delay=100)
    sim.google.reply("river", "The Seine")
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        await visitor.open("jobs")
        await expect(page.locator(".empty")).to_have_text("No job yet.")
        await many_jobs(gate)
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(50)
        said = page.get_by_role("status")
        await expect(said).to_have_text(f"1 to 50 of {MANY}")
        slow = await posted(gate, "/v1/responses", {"input": "slow one", "background": True})
        await expect(rows.first).to_contain_text("processing")  # by itself, on top of the others
        await page.get_by_role("button", name="Older").focus()
        await page.keyboard.press("Enter")
        await expect(said).to_have_text(f"51 to 100 of {MANY + 1}")
        await expect(page.locator(":focus")).to_have_text(re.compile("^(Older|Newer)$"))  # it stays
        await page.get_by_role("button", name="Older").click()
        await expect(rows).to_have_count(MANY + 1 - 100)
        await expect(page.get_by_role("button", name="Older")).to_have_count(0)
        await page.get_by_role("button", name="Newest").click()
        await page.select_option("select[name=kind]", "response")
        await page.select_option("select[name=status]", "processing")
        await expect(rows).to_have_count(1)

        await page.locator("tbody a").click()
        await expect(page.locator(".sheet .state")).to_have_text("processing")
        await page.get_by_role("button", name="Give up").click()
        await expect(page.locator(".sheet .state")).to_have_text("cancelled")
        sim.google.reply("slow", "Here it is.")
        await page.get_by_role("button", name="Retry what failed").click()
        await expect(page.locator("pre")).to_contain_text("Here it is.")
        await expect(page.locator(".sheet .state")).to_have_text("completed")
        await expect(page.locator("dl.facts")).to_contain_text("Prompts sent2")
        async with page.expect_download() as told:
            await page.click("text=Download JSON")
        with open(await (await told.value).path(), encoding="utf-8") as file:
            assert json.load(file)["id"] == slow["id"]
        await page.go_back()
        await expect(page.locator("select[name=kind]")).to_have_value("response")

        call = await posted(gate, "/v1/images/generations", {"prompt": "a fox", "n": 2, "async": True})
        await visitor.open(f"batches/{call['id']}")  # the old address
        await expect(page.locator(".wall li")).to_have_count(2)
        await expect(page.locator("nav [aria-current]")).to_have_text("Jobs")
        await page.get_by_text("Results one by one").click()
        await expect(page.locator("details tbody a")).to_have_count(2)
        await visitor.open("batches")
        await expect(page.locator("textarea[name=prompts]")).to_be_visible()
        await visitor.open("jobs")
        await expect(page.locator("textarea[name=prompts]")).not_to_be_visible()
        assert not await overflows(page)
