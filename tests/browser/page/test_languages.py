"""The rooms that show texts of the code show them in Chinese to who reads the page in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, expect

from gemgate.settings import Settings
from tests.browser.page.conftest import visiting
from tests.support.serving import served

pytestmark = [pytest.mark.system]


async def test_settings_and_reference_are_chinese_on_the_chinese_page(
    settings: Callable[..., Settings], chrome: Browser
) -> None:
    secret = {"s3_secret_access_key": "words-of-a-test"}
    async with served(settings("alice", **secret)) as gate, visiting(chrome, gate.url, language="zh") as visitor:
        await visitor.open("settings")
        await visitor.page.wait_for_selector("tbody tr")
        about = await visitor.page.locator("tbody tr td:last-child").all_inner_texts()
        assert [text for text in about if not re.search(r"[\u4e00-\u9fff]|`env`", text)] == []
        await expect(visitor.page.locator("tr", has_text="S3_SECRET_ACCESS_KEY")).to_contain_text("已设置")
        await visitor.open("reference")
        one = visitor.page.locator("details", has_text="/v1/generate-images")
        await expect(one).to_contain_text("根据提示词生成图片")
        await one.locator("summary").click()
        await expect(one).to_contain_text("请求头")
        await expect(one).to_contain_text("缺少密钥或密钥不正确")
