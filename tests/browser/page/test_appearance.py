"""Every page in both languages, both themes, on a phone and a desk: no overflow, no complaint, nothing inaccessible."""

from __future__ import annotations

import asyncio
from itertools import product

import aiohttp
import pytest
from playwright.async_api import Browser

from gemgate_simulator import Simulator
from tests.browser.page.conftest import Visitor, overflows, violations, visiting
from tests.support.page_views import MODEL, PAGES
from tests.support.patience import until
from tests.support.serving import Served

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ALL = list(product(("en", "zh"), ("light", "dark"), ("desktop", "phone")))
SOME = [("en", "light", "desktop"), ("zh", "dark", "phone")]
"""Each language, theme and size once; what a combination adds is looked at by `make soak`."""


async def filled(gate: Served, sim: Simulator) -> dict[str, str]:
    """Something of everything: the places of one request, one job and one image."""
    async with aiohttp.ClientSession(gate.url) as http:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        async with http.post("/api/keys", json={"name": "blog", "operations": ["chat"], "per_hour": 20}) as made:
            assert made.status == 201
        body = {"model": MODEL, "messages": [{"role": "user", "content": "count to 5"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            request_id = answer.headers["x-request-id"]
        batch = {"prompts": ["a red fox", "a blue jay"], "concurrency": 2}
        async with http.post("/v1/batch/images", json=batch) as answer:
            batch_id = (await answer.json())["batch_id"]
        while True:
            async with http.get(f"/v1/batch/{batch_id}/status") as answer:
                if (await answer.json())["status"] == "completed":
                    break
            await asyncio.sleep(0.05)
        async with http.get("/api/gallery") as answer:
            image = (await answer.json())["pictures"][0]["id"]
    return {"request": f"requests/{request_id}", "job": f"jobs/{batch_id}", "picture": f"gallery/{image}"}


@pytest.mark.parametrize(
    "combinations", [pytest.param(SOME, id="some"), pytest.param(ALL, id="all", marks=pytest.mark.soak)]
)
async def test_every_page_is_whole_quiet_and_accessible(
    gate: Served, sim: Simulator, chrome: Browser, axe: str, combinations: list[tuple[str, str, str]]
) -> None:
    more = await filled(gate, sim)
    wrong: list[str] = []
    for language, theme, size in combinations:
        async with visiting(chrome, gate.url, language=language, theme=theme, size=size) as visitor:
            for name, place in {**{name: name for name in PAGES}, **more}.items():
                await visitor.open(place)
                wrong += await _looked_at(visitor, f"{name.replace('/', '-')}-{language}-{theme}-{size}", axe)
    assert not wrong, "\n".join(wrong)


async def _looked_at(visitor: Visitor, name: str, axe: str) -> list[str]:
    await visitor.shot(name)
    found = [f"{name} overflows: {element}" for element in await overflows(visitor.page)]
    return found + [f"{name}: {violation}" for violation in await violations(visitor.page, axe)]


async def test_the_judge_of_accessibility_judges(gate: Served, chrome: Browser, axe: str) -> None:
    async with visiting(chrome, gate.url) as visitor:
        await visitor.open()
        await visitor.page.evaluate(
            "() => document.querySelector('main').append(...['button', 'img'].map(one => document.createElement(one)))"
        )
        found = " ".join(await violations(visitor.page, axe))
        assert "button-name" in found
        assert "image-alt" in found
