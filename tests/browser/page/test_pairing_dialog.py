"""The accounts room pairs a browser with an account, one that is there or a new one; its code counts once."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.browser.page.conftest import overflows, visiting
from tests.support.serving import Served

pytestmark = [pytest.mark.system]


async def test_a_browser_is_paired_with_an_account_that_is_there(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url, size="phone") as visitor:
        await visitor.open("accounts")
        card = visitor.page.get_by_role("article", name="alice")
        await card.get_by_role("button", name="Pair a browser").click()
        dialog = visitor.page.get_by_role("dialog", name="Pair a browser with alice")
        await dialog.get_by_role("button", name="Show a code").click()
        code = await dialog.locator("#pairing-code").inner_text()
        await expect(dialog.locator("ol li")).to_have_count(4)
        await expect(dialog).to_contain_text(gate.url)
        assert not await overflows(visitor.page)
        await visitor.shot("pairing")
        async with aiohttp.ClientSession(gate.url) as http:
            for status in (201, 404):
                async with http.post("/api/pairings", json={"code": code, "browser": "Firefox"}) as answer:
                    assert answer.status == status
        await dialog.get_by_role("button", name="Another code").click()
        await expect(dialog.locator("#pairing-code")).not_to_have_text(code)


async def test_a_name_that_is_there_keeps_its_set_up(gate: Served, chrome: Browser) -> None:
    registry = gate.service.account_registry
    await registry.store.set_up(replace((await registry.store.get("alice")).setup, lanes=7))
    before = (await registry.store.get("alice")).setup
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open("accounts")
        await visitor.page.locator(".page-head").get_by_role("button", name="Pair a browser").click()
        dialog = visitor.page.get_by_role("dialog", name="Pair a browser")
        await dialog.locator("input[name=name]").fill("alice")
        await dialog.get_by_role("button", name="Show a code").click()
        await expect(dialog.locator("#pairing-code")).to_be_visible()
    assert (await registry.store.get("alice")).setup == before


async def test_a_new_account_is_signed_in_by_a_browser_alone(gate: Served, chrome: Browser) -> None:
    async with visiting(chrome, gate.url, language="zh") as visitor:
        await visitor.open("accounts")
        await visitor.page.locator(".page-head").get_by_role("button", name="配对浏览器").click()
        dialog = visitor.page.get_by_role("dialog", name="配对浏览器")
        await expect(dialog.get_by_role("button", name="显示配对码")).to_be_disabled()
        await dialog.locator("input[name=name]").fill("work")
        await dialog.get_by_role("button", name="显示配对码").click()
        await expect(dialog.locator("#pairing-code")).to_be_visible()
        await expect(dialog).to_contain_text("只能使用一次")
        await dialog.get_by_role("button", name="关闭").click()
        await expect(visitor.page.get_by_role("article", name="work")).to_be_visible()
