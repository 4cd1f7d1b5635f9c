"""Who may see what: signing in, tokens, sessions that end; and nothing of another key's, nor a secret, on any page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Response, expect
from playwright.async_api import Error as PlaywrightError

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.browser.page.conftest import ADMIN, CLIENT, visiting
from tests.support.page_views import MODEL, PAGES
from tests.support.patience import until
from tests.support.serving import Served, served

pytestmark = [pytest.mark.system]

CANARY = "xylophonecanary"


@pytest.fixture
async def locked(settings: Callable[..., Settings]) -> AsyncIterator[Served]:
    """A gateway that asks for keys."""
    async with served(settings("alice", "bob", api_key=f"app:{CLIENT}", admin_key=ADMIN)) as running:
        yield running


async def signed_in(page: Any) -> None:
    await page.fill("input[name=key]", ADMIN)
    await page.click("button.first")
    await expect(page.locator("nav")).to_be_visible()


async def test_wrong_key_sign_in_and_out_and_an_ended_session(locked: Served, chrome: Browser) -> None:
    async with visiting(chrome, locked.url) as visitor:
        page = visitor.page
        visitor.expected += ["401 (Unauthorized)"]
        await visitor.open()
        await expect(page.locator("nav")).to_have_count(0)
        await page.fill("input[name=key]", "wrong")
        await page.click("button.first")
        await expect(page.get_by_role("alert")).to_have_text("The admin key is wrong")
        await visitor.shot("wrong-key")
        await signed_in(page)
        await visitor.drawn()
        assert ADMIN not in await page.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie])")
        await page.reload()
        await expect(page.locator("nav")).to_be_visible()
        bearer = {"authorization": f"Bearer {ADMIN}"}
        async with (
            aiohttp.ClientSession(locked.url, headers=bearer) as http,
            http.delete("/api/session?everywhere=true") as answer,
        ):
            assert answer.status == 200
        await expect(page.get_by_role("status")).to_contain_text("session has ended")
        await visitor.shot("session-ended")
        await signed_in(page)
        await page.click("text=Sign out")
        await expect(page.locator("input[name=key]")).to_be_visible()
        assert not await page.context.cookies()


async def test_a_change_without_the_pages_token_is_refused_and_said(locked: Served, chrome: Browser) -> None:
    async with visiting(chrome, locked.url) as visitor:
        page = visitor.page
        visitor.expected.append("403 (Forbidden)")
        await visitor.open()
        await signed_in(page)

        async def forge(route: Any) -> None:
            await route.continue_(headers={**route.request.headers, "x-csrf-token": "forged"})

        await page.route("**/api/accounts/alice/pause", forge)
        await visitor.open("accounts")
        await page.click("article[aria-label=alice] >> text=Pause")
        await expect(page.get_by_role("alert")).to_contain_text("token is missing or wrong")
        assert not any(account.paused for account in locked.service.pool.accounts)
        await page.unroute("**/api/accounts/alice/pause")
        await page.click("article[aria-label=alice] >> text=Pause")
        await expect(page.locator("article[aria-label=alice] .state")).to_have_text("paused")
        answer = await page.evaluate("async () => (await fetch('/api/accounts/alice/resume', {method: 'POST'})).status")
        assert answer == 403


async def test_nothing_of_another_key_and_no_secret_reaches_the_page(
    locked: Served, sim: Simulator, chrome: Browser
) -> None:
    await until(lambda: all(account.is_open for account in locked.service.pool.accounts))
    headers = {"authorization": f"Bearer {CLIENT}"}
    async with aiohttp.ClientSession(locked.url, headers=headers) as http:
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"tell of the {CANARY}"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            request_id = answer.headers["x-request-id"]
        async with http.post("/v1/images/generations", json={"prompt": "a fox"}) as answer:
            assert answer.status == 200
        sim.google.refuse("forbidden fox")
        order = {"prompts": ["one fox", "two foxes", "forbidden fox"]}  # an admin sees orders of images, never chats
        async with http.post("/v1/batch/images", json=order) as answer:
            batch_id = (await answer.json())["batch_id"]
        while True:
            async with http.get(f"/v1/batch/{batch_id}/status") as answer:
                if (await answer.json())["status"] == "completed":
                    break
            await asyncio.sleep(0.05)

    sent: list[tuple[str, str]] = []

    async def keep(response: Response) -> None:
        kind = response.headers.get("content-type", "")
        if "json" in kind or "event-stream" in kind:
            with suppress(PlaywrightError):  # the page went on before it had read it
                sent.append((response.url, await response.text()))

    async with visiting(chrome, locked.url) as visitor:
        page = visitor.page
        await visitor.open()
        await signed_in(page)
        page.on("response", keep)
        for place in (*PAGES, f"requests/{request_id}", f"jobs/{batch_id}"):
            await visitor.open(place)
            sent.append((place, await page.content()))
        await visitor.open("gallery")
        handles = await page.locator(".wall a").evaluate_all("all => all.map(one => one.hash)")
        assert len(handles) == 3
        for handle in handles:
            await visitor.open(handle.removeprefix("#/"))
            sent.append((handle, await page.content()))
        await page.wait_for_load_state("networkidle")
        metrics = await page.evaluate("async () => (await fetch('/metrics')).text()")
        assert "gemgate" in metrics
        sent.append(("/metrics", metrics))
    secrets = [CANARY, ADMIN, CLIENT]
    secrets += [value for name in ("alice", "bob") for value in sim.google.cookies(name).values()]
    told = [(where, secret[:8]) for where, text in sent for secret in secrets if secret in text]
    assert not told
    assert len(sent) > 20
    assert sum("/api/" in where for where, _ in sent) > 10


async def test_images_of_an_answer_are_fetched_from_our_own_images_only(
    gate: Served, sim: Simulator, chrome: Browser
) -> None:
    """What a model writes must not make the reader's browser ask anything else, of us or of others."""
    asked: list[str] = []
    hostile = [
        *("/api/info?key=x1", "/v1beta/models?key=x2", f"{gate.url}/v1beta/models?key=x3", "//127.0.0.1:9/a.png"),
        *(f"{gate.url}/images/../api/info?key=x4", "https://elsewhere.example/a.png", "javascript:alert(1)"),
        *("/api/info/images/a.png?key=x5", f"{gate.url}/images/%2e%2e/api/info?key=x6", "blob:x", "images/b.png"),
    ]
    async with aiohttp.ClientSession(gate.url) as http:
        body = {"prompt": "a fox", "response_format": "url"}
        async with http.post("/v1/images/generations", json=body) as answer:
            ours = (await answer.json())["data"][0]["url"]
    sim.google.reply("gallery", " ".join(f"![p{at}]({link})" for at, link in enumerate([ours, *hostile])))
    async with visiting(chrome, gate.url) as visitor:
        page = visitor.page
        visitor.expected += ["404 (Not Found)", "401 (Unauthorized)"]
        await visitor.open("chat")
        page.on("request", lambda request: asked.append(request.url) if request.resource_type == "image" else None)
        await page.fill("textarea[name=message]", "gallery")
        await page.press("textarea[name=message]", "Control+Enter")
        await expect(page.locator(".talk img").first).to_be_visible()
        await expect(page.locator(".talk a[href^='https://elsewhere.example']")).to_have_text("p6")
        await visitor.drawn()
        await asyncio.sleep(0.3)
    assert ours in asked
    assert all(url.startswith(f"{gate.url}/images/") for url in asked), asked
