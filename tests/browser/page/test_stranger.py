"""What somebody sees who never saw the page: nothing is cut off, unnamed, out of sight, or smaller without a word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from gemgate.accounts import UsageReport, UsageWindow
from gemgate.settings import Settings
from gemgate_simulator import Painting, Simulator
from tests.browser.page.conftest import ADMIN, visiting
from tests.support.page_views import MODEL
from tests.support.patience import until
from tests.support.serving import Served, served

pytestmark = [pytest.mark.system]
ROOMS = ("overview", "accounts", "nodes", "settings", "requests")
CUT = """() => [...document.querySelectorAll('svg text')].filter(text => {
  const [part, whole] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()]
  return part.left < whole.left - 1 || part.right > whole.right + 1 || part.height < 9
}).map(text => text.textContent)"""


async def test_every_room_is_whole_and_says_its_words(
    sim: Simulator, chrome: Browser, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scales and labels lie within their charts; no backticks; windows of Google have names; a row is a few lines."""
    sim.google.reply("slow", "late", delay=0.5)  # a scale with a long number
    async with served(settings("alice")) as gate, visiting(chrome, gate.url, language="zh", size="phone") as visitor:
        page = visitor.page
        await until(lambda: all(one.is_open for one in gate.service.pool.accounts))
        [account] = gate.service.pool.accounts
        model = account.models[0]
        action = UsageWindow("action 6", 0.97, None, 1.0, 25.0, model.id)
        told = await account.upstream.usage()
        report = UsageReport((*told.windows, action), told.tier)

        async def usage(_: object) -> UsageReport:
            return report

        monkeypatch.setattr(type(account.upstream), "usage", usage)
        account.usage.read(report, gate.service.clock.now())
        await _asked(page, gate, "slow")
        for room in ROOMS:
            await visitor.open(room)
            assert not await page.evaluate(CUT), room
            words = await page.locator("main").inner_text()
            assert "`" not in words, room
            assert "weekly" not in words, room
            assert "action 6" not in words, room
            if room in ("overview", "accounts"):
                assert f"{model.name} 次数" in words, room
        tall = await page.locator("tbody tr").evaluate_all("rows => Math.max(...rows.map(row => row.offsetHeight))")
        assert tall < 60, "what a cell has below the edge of the screen does not stretch its row"


async def _asked(page: Page, gate: Served, prompt: str) -> None:
    await page.goto(gate.url)
    send = """async body => (await fetch('/v1/chat/completions', {method: 'POST', body,
      headers: {'content-type': 'application/json', 'x-csrf-token': (await (await fetch('/api/session')).json()).csrf}
    })).status"""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
    assert await page.evaluate(send, json.dumps(asked)) == 200


async def test_a_refused_setting_says_so_where_it_was_typed(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        await visitor.open("settings")
        visitor.expected.append("400 (Bad Request)")
        row = page.locator("tbody tr").filter(has_text="KEEPALIVE_SECONDS").first
        await row.get_by_role("button", name="Change KEEPALIVE_SECONDS").click()
        await row.get_by_label("Change KEEPALIVE_SECONDS").fill("-1")
        await row.get_by_role("button", name="Save").click()
        await expect(row.get_by_role("alert")).to_contain_text("KEEPALIVE_SECONDS")
        await expect(row.get_by_role("alert")).to_be_in_viewport()


async def test_pictures_smaller_than_asked_for_say_so_and_stand_side_by_side(
    gate: Served, sim: Simulator, chrome: Browser
) -> None:
    sim.google.reply("lighthouse", "", image=Painting("gradient", size=(1024, 1024)))
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        await visitor.open("playground")
        await page.select_option("select[name=size]", "4096x4096")
        await page.fill("input[name=count]", "2")
        await page.fill("textarea[name=prompt]", "a lighthouse")
        await page.press("textarea[name=prompt]", "Control+Enter")
        await expect(page.locator("figure.picture")).to_have_count(2)
        await expect(page.locator("figure.picture .warn").first).to_contain_text("smaller than the 4096 px asked for")
        one, other = [await page.locator("figure.picture").nth(at).bounding_box() for at in (0, 1)]
        assert one
        assert other
        assert (one["y"], one["x"] < other["x"]) == (other["y"], True)
        await visitor.open("gallery")
        await expect(page.locator("main .lead")).to_have_text("2 pictures, newest first.")
        await visitor.open("jobs")
        await page.click("summary")
        await page.fill("textarea[name=prompts]", "a tall lighthouse")
        await page.select_option("form select[name=size]", "4k")
        await page.get_by_role("button", name="Order 1 picture", exact=True).click()
        await expect(page.locator(".wall li")).to_contain_text("a tall lighthouse")
        await expect(page.locator(".wall li .warn")).to_contain_text("smaller than the 4096 px asked for")


async def test_the_lines_of_a_poem_stay_lines(gate: Served, sim: Simulator, chrome: Browser) -> None:
    sim.google.reply("poem", "小门临古道，\n一信寄遥星。")
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open("chat")
        await visitor.page.fill("textarea", "a poem")
        await visitor.page.press("textarea", "Enter")
        await expect(visitor.page.locator(".talk .markdown br")).to_have_count(1)


async def test_an_empty_file_of_prompts_and_a_single_one(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        await visitor.open("jobs")
        await page.click("summary")
        broken: FilePayload = {"name": "b.csv", "mimeType": "text/csv", "buffer": b'prompt\n"a fox\na hen\n'}
        await page.set_input_files("input[type=file]", files=broken)
        await expect(page.get_by_role("alert")).to_contain_text("quotation marks")
        await page.set_input_files("input[type=file]", files={"name": "e.csv", "mimeType": "text/csv", "buffer": b""})
        await expect(page.get_by_role("alert")).to_have_text("There is no prompt in e.csv: the file is empty.")
        dropped = """() => {
          const data = new DataTransfer()
          data.items.add(new File(['prompt\\na cow\\na jay\\n'], 'd.csv', { type: 'text/csv' }))
          const drop = place => document.querySelector(place).dispatchEvent(
            new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))
          return [drop('.drop'), drop('h1')]
        }"""
        assert await page.evaluate(dropped) == [False, False], "beside its place a file does not open in the window"
        await expect(page.locator(".drop")).to_contain_text("From the file d.csv")
        await expect(page.get_by_role("button", name="Order 2 pictures", exact=True)).to_be_enabled()
        plan = {"ready_at": "2026-11-30T22:22:18Z", "eta_seconds": 0, "limit": "", "unknown": []}
        await page.route("**/v1/capacity?*", lambda route: route.fulfill(json=plan))
        await page.fill("textarea[name=prompts]", "a fox")
        await expect(page.get_by_role("status").filter(has_text="ready by")).to_contain_text("(in 1 s)")
        await expect(page.locator(".drop")).not_to_contain_text("d.csv")
        await expect(page.get_by_role("button", name="Order 1 picture", exact=True)).to_be_enabled()


async def test_the_first_message_is_not_lost_when_there_is_no_account(
    settings: Callable[..., Settings], chrome: Browser
) -> None:
    """It stands in its box again, with the reason and the way to what is missing."""
    async with (
        served(settings(admin_key=ADMIN), wait_ready=False) as gate,
        visiting(chrome, gate.url) as visitor,
    ):
        page = visitor.page
        visitor.expected.append("503 (Service Unavailable)")
        await page.goto(gate.url)
        await expect(page.locator("input[name=key]")).to_be_focused()
        await page.keyboard.type(ADMIN)
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Set up your first account")
        await visitor.open("chat")
        await page.fill("textarea[name=message]", "Hello?")
        await page.press("textarea[name=message]", "Enter")
        await expect(page.get_by_role("alert")).to_contain_text("No Google account is set up")
        await expect(page.locator("textarea[name=message]")).to_have_value("Hello?")
        await page.get_by_role("link", name="Add an account").click()
        await expect(page.locator("h1")).to_have_text("Accounts")


async def test_what_was_done_with_an_account_is_told_in_the_readers_words(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url, language="zh") as visitor:
        page = visitor.page
        await visitor.open("accounts")
        card = page.get_by_role("article", name="alice")
        await card.get_by_role("button", name="暂停").click()
        await card.get_by_role("button", name="恢复").click()
        await expect(card.get_by_role("button", name="暂停")).to_be_visible()
        await card.get_by_role("button", name="历史").click()
        await expect(page.locator("dialog tbody")).to_contain_text("暂停")
        await expect(page.locator("dialog tbody")).not_to_contain_text(re.compile("paused|resumed|set up"))
        await page.keyboard.press("Escape")
        await card.get_by_role("button", name="变化").click()
        await expect(page.locator("dialog tbody")).to_contain_text("恢复")
        await expect(page.locator("dialog tbody")).not_to_contain_text(re.compile("paused|resumed|set up"))
