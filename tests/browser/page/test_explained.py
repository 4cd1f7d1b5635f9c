"""A request that failed over, was replayed and repaired is understood from its page alone."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import Browser

from gemgate_simulator import Simulator
from tests.browser.page.conftest import visiting
from tests.support.explained import JSON, ask, explained
from tests.support.patience import until
from tests.support.serving import Served

pytestmark = [pytest.mark.system]


async def test_the_story_of_a_request_stands_on_its_page(gate: Served, sim: Simulator, chrome: Browser) -> None:
    await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
    answers = iter(['{"n": 1}', '{"n": "no"}', '{"n": 2}'])
    sim.google.reply(".", lambda prompt: next(answers))
    async with aiohttp.ClientSession(gate.url) as http:
        _, request_id, body = await ask(http, ["first"], response_format=JSON)
        one = (await explained(http, request_id))["account"]
        other = {"alice": "bob", "bob": "alice"}[one]
        sim.google.fault("generate", "code", code=1037, account=one)
        said = ["first", body["choices"][0]["message"]["content"], "second"]
        status, request_id, _ = await ask(http, said, response_format=JSON, temperature=0.5)
        assert status == 200
    for language, steps in {
        "en": [
            f"Account {one} took it, because the conversation stands there",
            "usage limit is reached, before anything was generated",
            "safe to send it again, to another account",
            f"Account {other} took it",
            "everything was told anew",
            "was not the JSON that was asked for, so the model was asked once more",
            "2 answers generated",
            "Where the time went",
            "sent to another account",
            "replayed",
            "temperature",
        ],
        "zh": ["已达到使用上限，尚未生成任何内容", "可以安全地改发到其他账号", "耗时分布", "改发其他账号", "重放"],
    }.items():
        async with visiting(chrome, gate.url, language=language) as visitor:
            await visitor.open("requests")
            await visitor.page.locator(f"a[href='#/requests/{request_id}']").click()
            await visitor.page.wait_for_selector(".story li")
            await visitor.shot(f"explained-{language}")
            text = await visitor.page.inner_text("main")
            place = 0
            for step in steps:
                place = text.find(step, place)
                assert place >= 0, (step, text)
