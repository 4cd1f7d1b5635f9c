"""What the page shows of our own texts is in the caller's language: settings, and the reference's document."""

from __future__ import annotations

import pytest

from tests.integration.page.conftest import ADMIN, Browser


@pytest.mark.parametrize(
    ("language", "port", "models"),
    [
        ("en", "Port to listen on; 0 picks a free one", "Models that can be named, in the dialect of the client"),
        ("zh-CN", "监听端口；0 表示自动选择空闲端口", "可以指定的模型，采用客户端的协议"),
    ],
)
async def test_settings_and_reference_speak_the_callers_language(
    browser: Browser, language: str, port: str, models: str
) -> None:
    told = await browser.ask("GET", "/api/settings", accept_language=language, x_api_key=ADMIN)
    assert {one["name"]: one["about"] for one in told["settings"]}["PORT"] == port
    document = await browser.ask("GET", "/openapi.json", accept_language=language)
    assert document["paths"]["/v1/models"]["get"]["summary"] == models
    async with browser.http.get("/openapi.json") as answer:
        assert "accept-language" in answer.headers["vary"]
