"""From a click to an answer without typing a cookie; a rotation in the browser is the gateway's within seconds; what
ends a pairing, and what does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.browser.conftest import screen
from tests.browser.extension.conftest import Driven, chrome, code_on_page, enter, fox, press_keys, seen
from tests.support.patience import PATIENCE, PATIENT, until
from tests.support.serving import Served

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
BROWSERS: dict[str, Callable[..., Any]] = {"firefox": fox, "chromium": chrome}
PROMPT = {"prompt": "Count to 3"}
SIGNED_OUT = """api.cookies.remove({url: "https://google.com/", name: "__Secure-1PSID"})"""


def holds(gate: Served, google: Simulator, person: str = "alice", name: str = "mine") -> bool:
    """Whether the gateway is signed in with what Google gave the browser last."""
    account = gate.service.account_registry.account(name)
    jar = google.google.cookies(person)
    return account.is_open and account.cookies is not None and account.cookies.as_dict() == jar


async def answers(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1/generate", json=PROMPT) as answer:
        assert answer.status == 200, await answer.text()
        assert "3" in (await answer.json())["text"]


async def rotated(browser: Driven, gate: Served, google: Simulator) -> float:
    """Seconds from a rotation in the browser until the gateway has signed in with it."""
    old = google.google.cookies("alice")
    await browser.rotate()
    await until(lambda: google.google.cookies("alice") != old, PATIENT)
    began = asyncio.get_running_loop().time()
    await until(lambda: holds(gate, google), PATIENT)
    return asyncio.get_running_loop().time() - began


async def stored(browser: Driven) -> str:
    return str(await browser.run("api.storage.local.get(null)"))


@pytest.mark.parametrize("name", BROWSERS)
async def test_from_a_click_to_an_answer_and_on_with_a_rotation(
    name: str, google: Simulator, gate: Served, tmp_path: Path
) -> None:
    async with BROWSERS[name](tmp_path, google) as browser:
        await browser.sign_in("alice")
        began = asyncio.get_running_loop().time()
        code = await code_on_page(browser, gate)
        await enter(browser, code)
        await seen(browser, "#done", "mine")
        await answers(gate)
        first = asyncio.get_running_loop().time() - began
        assert holds(gate, google)
        assert google.record.generations == 1

        await browser.open("status.html")
        await seen(browser, "#fact-health", "ready")
        assert (await browser.text("#account"), await browser.text("#trouble")) == ("mine", "")
        assert await browser.text("#fact-rotates") == "this browser"
        assert await browser.text("#fact-forecast")
        kept = await stored(browser)
        assert not any(value in kept for value in google.google.cookies("alice").values())

        second = await rotated(browser, gate, google)
        print(f"{name}: {first:.1f} s from the click to an answer, {second:.1f} s from a rotation to the gateway")
        assert google.record.requests_of("rotate") == 1, "the browser rotates, and nobody else"

        await enter(browser, code)  # whoever has seen the code comes too late
        await seen(browser, "#trouble", "wrong, used or older")

        await browser.open("https://gemini.google.com/app")  # of a host below google.com nothing can be read
        await browser.run("(document.cookie = 'SID=plain; domain=.google.com', document.cookie = 'OWN=page', null)")
        await browser.open("status.html")
        read = await browser.run("api.cookies.getAll({domain: 'google.com'})")
        assert {one["domain"] for one in read} == {".google.com"}
        assert "plain" in {one["value"] for one in read}


@pytest.mark.soak
@pytest.mark.parametrize("name", BROWSERS)
async def test_each_of_many_rotations_comes_within_five_seconds_from_a_background_that_sleeps(
    name: str, google: Simulator, gate: Served, tmp_path: Path
) -> None:
    async with BROWSERS[name](tmp_path, google) as browser:
        await browser.sign_in("alice")
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#done", "mine")
        seconds = []
        for _ in range(8):
            await browser.stop()
            seconds.append(await rotated(browser, gate, google))
            await asyncio.sleep(10)  # six a minute are taken
        print(f"{name}: seconds from a rotation to the gateway {[round(one, 1) for one in sorted(seconds)]}")
        assert max(seconds) < 5
        assert google.record.requests_of("rotate") == 8


@pytest.mark.soak
@pytest.mark.parametrize("name", BROWSERS)
async def test_what_ends_a_pairing_and_what_does_not(
    name: str, google: Simulator, gate: Served, tmp_path: Path
) -> None:
    async with BROWSERS[name](tmp_path, google) as browser:
        await browser.open("status.html")
        await seen(browser, "#unpaired", "not paired")
        for address, trouble in (("http://gate.example", "https://"), ("nonsense://x", "no address")):
            await browser.open(f"pair.html?store={browser.store}")
            await browser.fill("input[name=code]", "22222-22222")
            await browser.fill("input[name=address]", address)
            await browser.press("button.first")
            await seen(browser, "#trouble", trouble)

        # paired before anybody has signed in: the sign-in is pushed by itself
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#trouble", "No Google account")
        await browser.sign_in("alice")
        await until(lambda: holds(gate, google), PATIENT)

        # another account signs in: refused by name, and the old session stays
        await browser.sign_in("bob")
        await browser.open("status.html")
        await seen(browser, "#trouble", "did not take")
        assert holds(gate, google)
        assert await browser.run("api.action.getBadgeText({})") == "!"
        await browser.sign_in("alice")
        await until(lambda: holds(gate, google), PATIENT)
        await browser.open("status.html")
        await seen(browser, "#fact-health", "ready")
        await until_text(browser, "#trouble", "")

        # signed out
        await browser.run(SIGNED_OUT)
        await seen(browser, "#trouble", "No Google account")
        await browser.sign_in("alice")
        await until(lambda: holds(gate, google), PATIENT)

        # the key is revoked in the room Keys
        async with aiohttp.ClientSession(gate.url) as http:
            async with http.get("/api/keys") as answer:
                (key,) = [one for one in (await answer.json())["keys"] if one["name"].startswith("browser-")]
            async with http.delete(f"/api/keys/{key['id']}") as answer:
                assert answer.status in (200, 204)
        await browser.open("status.html")
        await seen(browser, "#trouble", "pairing is over")
        await browser.sign_in("alice")
        assert not holds(gate, google)
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#done", "mine")
        await until(lambda: holds(gate, google), PATIENT)

        await browser.open("status.html")
        await browser.press("#unpair")
        await seen(browser, "#unpaired", "not paired")
        assert await stored(browser) == "{}"


REFUSED = "Without these permissions"


@pytest.mark.soak
async def test_firefox_asks_for_the_gateways_address(google: Simulator, gate: Served, tmp_path: Path) -> None:
    asks = {"extensions.webextOptionalPermissionPrompts": True, "security.notification_enable_delay": 0}
    async with fox(tmp_path, google, **asks) as browser:
        await browser.sign_in("alice")
        code = await code_on_page(browser, gate)
        await enter(browser, code)
        await browser.decide(False)
        await seen(browser, "#trouble", REFUSED)
        assert await stored(browser) == "{}"
        await enter(browser, code)  # it was not sent, so it still counts
        await browser.decide(True)
        await seen(browser, "#done", "mine")
        assert holds(gate, google)

        await browser.open("status.html")  # a person takes the right to the cookies back, and gives it again
        await browser.run("api.permissions.remove({origins: ['*://google.com/*']})")
        await browser.press("#push")
        await seen(browser, "#trouble", "took the permission")
        await browser.press("#allow")
        await browser.decide(True)
        await until_text(browser, "#trouble", "")


@pytest.mark.soak
async def test_chromium_asks_for_the_gateways_address(google: Simulator, gate: Served, tmp_path: Path) -> None:
    async with screen() as display, chrome(tmp_path, google, display=display) as browser:
        await browser.sign_in("alice")
        code = await code_on_page(browser, gate)
        await enter(browser, code)
        await press_keys(display, "Return")
        await seen(browser, "#trouble", REFUSED)
        assert await stored(browser) == "{}"
        await enter(browser, code)
        await press_keys(display, "Tab", "Return")
        await seen(browser, "#done", "mine")
        assert holds(gate, google)
        assert await rotated(browser, gate, google) < 5


@pytest.mark.soak
@pytest.mark.parametrize("name", BROWSERS)
async def test_the_buttons_window_is_about_the_tab_in_front(
    name: str, google: Simulator, gate: Served, tmp_path: Path
) -> None:
    async with BROWSERS[name](tmp_path, google) as browser:
        await browser.sign_in("alice")
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#done", "mine")
        await browser.run("api.action.openPopup()")
        inside = "api.extension.getViews({type: 'popup'}).map(it => it.document.body.innerText).join()"
        async with asyncio.timeout(PATIENCE):
            while "ready" not in (text := str(await browser.run(inside))):
                await asyncio.sleep(0.1)
        assert "mine" in text


async def until_text(browser: Driven, selector: str, wanted: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await browser.text(selector) != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.soak
async def test_a_container_of_firefox_is_a_browser_of_its_own(google: Simulator, gate: Served, tmp_path: Path) -> None:
    async with fox(tmp_path, google) as browser:
        await browser.sign_in("alice")
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#done", "mine")
        code = await code_on_page(browser, gate, "work")
        await enter(browser, code, "firefox-container-2")
        await seen(browser, "#trouble", "No Google account")
        await browser.new_tab(2)
        await browser.sign_in("bob")
        await until(lambda: holds(gate, google, "bob", "work"), PATIENT)
        assert holds(gate, google)
        await browser.open("status.html")  # in a tab of the container
        await seen(browser, "#account", "work")
        await browser.new_tab()
        await browser.open("status.html")
        await seen(browser, "#account", "mine")


@pytest.mark.soak
async def test_chromium_in_chinese_is_paired_still_when_it_was_started_again(
    google: Simulator, gate: Served, tmp_path: Path
) -> None:
    async with chrome(tmp_path, google) as browser:
        await browser.sign_in("alice")
        await enter(browser, await code_on_page(browser, gate))
        await seen(browser, "#done", "mine")
    before = await seen_at(gate)
    async with chrome(tmp_path, google, "zh-CN") as browser:
        await until_later(gate, before)
        await browser.open("status.html")
        await seen(browser, "#fact-health", "可用")
        await seen(browser, "#fact-rotates", "此浏览器")
        await seen(browser, "#fact-last_push", "前")
        await enter(browser, "22222-22222 " + gate.url)
        await seen(browser, "#trouble", "配对码错误")
        assert await rotated_here(browser, gate, google) < 5


async def rotated_here(browser: Any, gate: Served, google: Simulator) -> float:
    await browser.sign_in("alice")
    await until(lambda: holds(gate, google), PATIENT)
    return await rotated(browser, gate, google)


async def seen_at(gate: Served) -> float:
    push = await gate.service.paired.last("mine")
    assert push is not None
    return push.seen_at


async def until_later(gate: Served, before: float) -> None:
    async with asyncio.timeout(PATIENCE):
        while await seen_at(gate) <= before:
            await asyncio.sleep(0.1)
