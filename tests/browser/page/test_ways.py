"""What a person does on the page: from pasted cookies to a batch's ZIP, and what they see while an account rests."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
import aiohttp.web
import pytest
from playwright.async_api import Browser, expect

from gemgate.assembly.live_settings import LIVE
from gemgate.settings import Settings
from gemgate_simulator import Simulator
from gemgate_simulator.web_results import cited
from tests.browser.page.conftest import Visitor, violations, visiting
from tests.support.patience import until
from tests.support.serving import Served, served

pytestmark = [pytest.mark.system]


async def test_from_pasted_cookies_to_the_zip_of_a_batch(
    settings: Callable[..., Settings], sim: Simulator, chrome: Browser, tmp_path: Path
) -> None:
    header = "; ".join(f"{name}={value}" for name, value in sim.google.cookies("alice").items())
    async with served(settings(), wait_ready=False) as gate, visiting(chrome, gate.url) as visitor:
        await visitor.open()
        page = visitor.page
        await expect(page.locator("h1")).to_have_text("Set up your first account")
        await visitor.shot("welcome")
        visitor.expected.append("400 (Bad Request)")
        await page.fill("textarea[name=cookies]", "SID=nothing that helps")
        await page.click("text=Add the account")
        await expect(page.get_by_role("alert")).to_contain_text("__Secure-1PSID")
        await page.fill("textarea[name=cookies]", header)
        await page.click("button.first")
        await expect(page.locator(".verdict")).to_contain_text("Everything is all right")
        await page.locator(".first-answer button.first").click()  # the guide ends with the first answer
        await expect(page.locator(".result .note.ok")).to_have_text("It works.")
        await expect(page.locator(".result .facts")).to_contain_text("main")
        await expect(page.locator("article .state")).to_have_text("ready")
        assert gate.service.pool.accounts[0].is_open

        rich = cited([("https://example.org/tale(1)", "A [tale] <b>", "")])
        sim.google.reply("story", "Once **upon** a time.", thoughts="They want a story.", chars=4, pace=0.01, rich=rich)
        await _chat(visitor)
        await _images(visitor, tmp_path)
        assert sim.record.generations == 4
        await _batch(visitor)
        assert sim.record.generations == 7
        seen = await page.content()
        assert not any(value in seen for value in sim.google.cookies("alice").values())


async def _chat(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("chat")
    await page.check("input[name=thinking]")
    await page.fill("textarea[name=message]", "a story")
    await page.press("textarea[name=message]", "Enter")
    await page.wait_for_function("() => document.querySelector('.talk[aria-busy=true] .markdown')")  # it grows
    await expect(page.locator(".talk strong")).to_have_text("upon")
    await page.click(".talk summary")
    await expect(page.locator(".talk details")).to_contain_text("They want a story.")
    await expect(page.locator('.talk a[href="https://example.org/tale%281%29"]')).to_have_text("A tale <b>")
    await visitor.shot("chat")
    await page.click("text=The same call in code")
    await page.locator(".snippets").get_by_role("button", name="Python").click()
    await expect(page.locator(".snippets .code")).to_contain_text('reasoning_effort="high"')


async def _images(visitor: Visitor, folder: Path) -> None:
    page = visitor.page
    await visitor.open("playground/generate")
    await page.fill("textarea[name=prompt]", "a red boat")
    await page.click("button.first")
    made = page.locator(".picture img")
    await expect(made).to_be_visible()
    path = folder / "boat.png"
    path.write_bytes(await (await page.request.get(str(await made.evaluate("one => one.src")))).body())
    await visitor.shot("generated")
    await visitor.open("playground/edit")
    await page.set_input_files("input[type=file]", path)
    await page.fill("textarea[name=prompt]", "make it night")
    await page.click("button.first")
    await expect(page.locator(".compare .after")).to_be_visible()
    await page.locator("input[type=range]").fill("30")
    await expect(page.locator(".compare")).to_have_attribute("style", re.compile("--cut: *30%"))
    await visitor.shot("edited")
    await visitor.open("gallery")
    await expect(page.locator(".wall li")).to_have_count(2)
    await page.click(".wall li:first-child a")
    await expect(page.locator("dialog section[aria-label='Made from'] img")).to_be_visible()
    await visitor.shot("lineage")
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


async def _batch(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("batches")  # the old address: the form is open there
    await page.select_option("select[name=size]", "2k")
    await page.select_option("select[name=aspect]", "16:9")
    table = 'prompt,size\n"a fox, red",1k\n"a ""big"" jay",\nan owl,16:9\n'
    await page.set_input_files(
        "input[type=file]", files=[{"name": "o.csv", "mimeType": "text/csv", "buffer": table.encode()}]
    )
    await expect(page.locator("button.first")).to_have_text("Order 3 pictures")
    await page.click("button.first")
    await expect(page.locator(".sheet .state")).to_have_text("completed")
    await expect(page.locator(".wall li")).to_have_count(3)
    await visitor.shot("batch-completed")
    batch = page.url.rpartition("/")[2]
    status = await (await page.request.get(f"{visitor.url}/v1/batch/{batch}/status")).json()
    made = [task["details"] for task in status["results"]]
    # What stands in a line of the file outweighs the two selects.
    assert sorted(one["requested"] for one in made) == [1024, 2048, 2048]
    assert all(one["width"] > one["height"] for one in made)
    async with page.expect_download() as told:
        await page.click("text=ZIP of all pictures")
    saved = await (await told.value).path()
    with zipfile.ZipFile(io.BytesIO(Path(saved).read_bytes())) as archive:
        names = archive.namelist()
        assert sum(name.endswith(".png") for name in names) == 3
        assert 'a ""big"" jay' in archive.read("manifest.csv").decode()


async def test_an_account_cools_and_its_countdown_runs(gate: Served, sim: Simulator, chrome: Browser) -> None:
    await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open()
        await expect(visitor.page.locator(".verdict")).to_contain_text("2 accounts ready")
        sim.google.fault("generate", "code", code=1037, account="alice", times=9)
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
        async with aiohttp.ClientSession(gate.url) as http:
            for _ in range(2):  # the second goes to the account that was idle longer, unless the first did
                async with http.post("/v1/chat/completions", json=body) as answer:
                    assert answer.status == 200
        card = visitor.page.locator("article[aria-label=alice]")
        left = card.get_by_role("timer").first
        await expect(left).to_be_visible()
        before = await left.inner_text()
        await visitor.page.wait_for_function(
            "before => document.querySelector('article[aria-label=alice] [role=timer]').innerText !== before",
            arg=before,
        )
        after = await left.inner_text()
        assert 3000 < _seconds(after) < _seconds(before)
        await visitor.shot("cooling")


def _seconds(text: str) -> int:
    total = 0
    for part in text.split(maxsplit=1)[0].split(":"):
        total = total * 60 + int(part)
    return total


async def test_a_channel_of_alerts_is_set_up_tried_and_forgotten(gate: Served, chrome: Browser) -> None:
    got: list[dict[str, str]] = []

    async def take(request: aiohttp.web.Request) -> aiohttp.web.Response:
        got.append(await request.json())
        return aiohttp.web.Response(status=status)

    status = 200
    app = aiohttp.web.Application()
    app.router.add_post("/SECRET-PATH", take)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host = "{}:{}".format(*runner.addresses[0])
    try:
        async with visiting(chrome, gate.url) as visitor:
            page = visitor.page
            await visitor.open("alerts")
            await page.fill("input[name=url]", f"http://{host}/SECRET-PATH")
            await page.click("button.first")
            await expect(page.get_by_role("status")).to_have_text("A test was sent and taken.")
            await expect(page.locator("td code")).to_have_text(host)
            assert got[0]["event"] == "test"
            await visitor.shot("alerts-set-up")
            assert "SECRET-PATH" not in await page.content()
            async with aiohttp.ClientSession(gate.url) as http, http.get("/api/alerts") as answer:
                assert "SECRET-PATH" not in await answer.text()
            assert len(await gate.service.alerts._channels()) == 1
            status = 500
            await page.get_by_role("cell").get_by_role("button", name="Send a test").click()
            await expect(page.get_by_role("alert")).to_contain_text("did not take the test: HTTP 500")
            await page.click("text=Forget")
            await expect(page.locator("td code")).to_have_count(0)
            assert not await gate.service.alert_store.channels()
    finally:
        await runner.cleanup()
    for path in gate.settings.data_dir.glob("*.sqlite3*"):
        assert b"SECRET-PATH" not in path.read_bytes()


async def test_a_setting_is_changed_seen_and_taken_back(gate: Served, chrome: Browser, axe: str) -> None:
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        await visitor.open("settings")
        await page.get_by_label("Only what can be changed here").check()
        await expect(page.locator("tbody tr")).to_have_count(len(LIVE))
        row = page.locator("tbody tr").filter(has_text="RESERVE_PERCENT").first
        visitor.expected.append("400 (Bad Request)")
        await row.get_by_role("button", name="Change RESERVE_PERCENT").click()
        await row.get_by_label("Change RESERVE_PERCENT").fill("100")
        await row.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("RESERVE_PERCENT must be less than 100")
        await row.get_by_label("Change RESERVE_PERCENT").fill("33")
        await row.get_by_role("button", name="Save").click()
        await expect(row).to_contain_text("this page")
        assert gate.service.pool.reserve == 0.33
        lines = page.locator("section tbody tr")
        await expect(lines).to_contain_text(["RESERVE_PERCENT"])
        await visitor.shot("settings-changed")
        assert not await violations(page, axe)
        await lines.get_by_role("button", name="Undo").click()
        await expect(lines).to_have_count(2)
        assert gate.service.settings.reserve_percent == gate.settings.reserve_percent
        await expect(row).not_to_contain_text("this page")
