"""A gallery of five thousand: what is in sight is there and no more, and anything can be found, chosen and deleted."""

from __future__ import annotations

import asyncio
import io
import zipfile

import aiohttp
import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.page.conftest import Visitor, visiting
from tests.support import page_scenes
from tests.support.serving import Served

pytestmark = [pytest.mark.system]

TILES = "document.querySelectorAll('.wall li').length"


async def test_five_thousand_images_are_looked_through_found_chosen_and_deleted(gate: Served, chrome: Browser) -> None:
    rows = await page_scenes.images(gate, 5000, previews=(range(60), range(2300, 2700)))
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        visitor.expected += ["404 (Not Found)"]  # most of them have no file
        await visitor.open("gallery")
        await expect(page.locator(".lead")).to_contain_text("5,000")
        assert await page.evaluate(TILES) < 90
        await made(gate, "while somebody looks")
        await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight / 2)")
        await page.wait_for_function(
            "() => Number(document.querySelector('.wall li a')?.parentElement.ariaPosInSet"
            " ?? document.querySelector('.wall li:has(a)')?.getAttribute('aria-posinset')) > 2000"
        )
        assert await page.evaluate(TILES) < 90
        place, prompt = await page.evaluate(
            "() => { const one = document.querySelector('.wall li:has(a)');"
            " return [Number(one.getAttribute('aria-posinset')), one.querySelector('a').title]; }"
        )
        newest = sorted(rows, key=lambda row: -row["created_at"])
        assert prompt == newest[place - 1]["prompt"], "a new image does not push the others on"

        wanted = [row for row in rows if "fox" in row["prompt"] and "neon" in row["prompt"]]
        await page.fill("input[name=search]", "NEON fox")
        await expect(page.locator(".lead")).to_contain_text(f"{len(wanted)} pictures found")
        await page.select_option("select[name=size]", "4k")
        large = [row for row in wanted if row["width"] == 4096]
        await expect(page.locator(".lead")).to_contain_text(f"{len(large)} pictures found")

        await page.locator(".wall input").first.check(force=True)
        await page.locator(".wall input").nth(2).click(modifiers=["Shift"], force=True)
        await expect(page.locator(".selection strong")).to_have_text("3 selected")
        await visitor.shot("gallery-chosen")
        first = await page.locator(".wall a").first.get_attribute("href")
        assert first is not None
        async with (
            aiohttp.ClientSession(gate.url) as http,
            http.delete(f"/api/gallery/{first.split('/')[-1]}") as answer,
        ):
            assert answer.status == 200, "somebody else deletes one of them meanwhile"
        await page.locator(".selection .danger").click()
        await page.locator("dialog .danger").click()
        await expect(page.locator(".lead")).to_contain_text(f"{len(large) - 3} pictures found")
        gone = {row["name"] for row in sorted(large, key=lambda row: -row["created_at"])[:3]}
        assert await gate.service.gallery.count() == 4998
        for name in gone:
            assert await gate.service.gallery.find(name) is None
        await closely(gate, visitor)


async def made(gate: Served, *prompts: str) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        for prompt in prompts:
            async with http.post("/v1/images/generations", json={"prompt": prompt}) as answer:
                assert answer.status == 200


async def closely(gate: Served, visitor: Visitor) -> None:
    """A picture with zoom, the next one by a key, its prompt once more; and two as a ZIP."""
    await made(gate, "a fox", "an owl")
    async with aiohttp.ClientSession(gate.url) as http:
        async with http.get("/api/gallery?limit=2") as answer:
            ids = [one["id"] for one in (await answer.json())["pictures"]]
        async with http.get(f"/api/gallery/archive?ids={','.join(ids)}") as answer:
            assert answer.status == 200
            with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
                assert len(archive.namelist()) == 2
                assert archive.testzip() is None
        for ids_given, status in (("", 400), ("0" * 24, 404), (",".join([ids[0]] * 300), 200)):
            async with http.get(f"/api/gallery/archive?ids={ids_given}") as answer:
                assert answer.status == status
    page = visitor.page
    await visitor.open("overview")
    await visitor.open("gallery")
    await page.click(".wall li:first-child a")
    await expect(page.locator("dialog .prompt p")).to_have_text("an owl")
    await page.get_by_role("button", name="Larger").click()
    scaled = (
        "wanted => Math.abs(new DOMMatrix(getComputedStyle(document.querySelector('.zoom img')).transform).a - wanted)"
        " < 1e-6"
    )
    await page.wait_for_function(scaled, arg=1.5)
    await page.locator(".zoom").press("0")
    await page.wait_for_function(scaled, arg=1)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("dialog .prompt p")).to_have_text("a fox")
    await page.click("text=Make again")
    await expect(page.locator("textarea[name=prompt]")).to_have_value("a fox")


async def test_nothing_moves_when_a_picture_has_loaded(gate: Served, chrome: Browser) -> None:
    """A button that had moved while it was clicked took no click."""
    await made(gate, "a tall tree")
    async with visiting(chrome, gate.url) as visitor:
        page, loaded = visitor.page, asyncio.Event()

        async def later(route: Route) -> None:
            await loaded.wait()
            await route.continue_()

        await page.route("**/api/gallery/*/file", later)
        await visitor.open("gallery")
        await page.click(".wall li:first-child a")
        button = page.get_by_role("button", name="Larger")
        await expect(button).to_be_visible()
        before = await button.bounding_box()
        assert await page.evaluate("document.querySelector('.zoom img').complete") is False
        loaded.set()
        await page.wait_for_function("() => document.querySelector('.zoom img').naturalWidth > 0")
        assert await button.bounding_box() == before


async def test_a_search_is_bounded(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        for query, status in (
            ("prompt=" + "+".join("abcdefghi"), 400),
            ("prompt=" + "a" * 201, 400),
            ("size=8k", 400),
            ("offset=-1", 400),
            ("prompt=%25&size=4k&model=none&offset=10000000", 200),
        ):
            async with http.get("/api/gallery?" + query) as answer:
                assert answer.status == status, query
