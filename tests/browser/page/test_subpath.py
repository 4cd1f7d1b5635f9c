"""The page below a path of a proxy's: every file and every call goes there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gemgate.settings import Settings
from tests.browser.page.conftest import ADMIN, visiting
from tests.support.nginx import nginx
from tests.support.serving import served

pytestmark = pytest.mark.system


@pytest.mark.parametrize("end", ["/", ""])
async def test_the_page_works_below_a_path(
    settings: Callable[..., Settings], chrome: Browser, tmp_path: Path, end: str
) -> None:
    public = {"public_base_url": "http://127.0.0.1/gem"} if not end else {}
    async with served(settings("alice", admin_key=ADMIN, **public)) as gate:
        with nginx(tmp_path, f"proxy_pass {gate.url}{end}; proxy_set_header Host $http_host;", "/gem/") as front:
            async with visiting(chrome, front + "/gem") as visitor:
                asked: list[str] = []
                visitor.page.on("request", lambda request: asked.append(request.url))
                await visitor.page.goto(front + "/gem/docs")  # the reference needs no session
                await expect(visitor.page.locator("h1")).to_be_visible()
                await expect(visitor.page.get_by_text("/v1/chat/completions", exact=True).first).to_be_visible()
                await visitor.page.goto(front + "/gem/#/overview")
                await visitor.page.reload()
                await visitor.page.fill("input[name=key]", ADMIN)
                await visitor.page.click("button.first")
                for place in ("overview", "chat", "gallery", "batches", "reference"):
                    await visitor.open(place)
                await visitor.open("connect")
                await expect(visitor.page.locator(".address code").first).to_have_text(front + "/gem/v1")
                for program in ("Anthropic SDK", "NextChat"):
                    await visitor.page.get_by_role("button", name=program).click()
                    await expect(visitor.page.locator(".programs .code")).to_contain_text(front + "/gem")
                await visitor.page.locator("form button.first").click()
                await expect(visitor.page.locator(".result .note.ok")).to_be_visible()
            outside = [url for url in asked if not url.startswith((front + "/gem/", "data:", "blob:"))]
            assert asked
            assert not outside
