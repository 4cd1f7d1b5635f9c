"""Settings that are changed while the gateway runs: each really takes effect, who may, what is refused, what is undone,
what outlasts a restart and reaches other nodes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from gemgate import cli
from gemgate.assembly.live_settings import LIVE
from gemgate.errors import Blocked, Spent, Stalled
from gemgate.pool.account import Account
from gemgate.pool.record import InMemoryRecord
from gemgate.ports.accounts import AccountSetup
from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.integration.page.conftest import ADMIN, CLIENT, Browser
from tests.support.serving import Served, served

BEARER: dict[str, Any] = {"authorization": f"Bearer {ADMIN}"}
ZH: dict[str, Any] = {**BEARER, "accept-language": "zh-CN"}
Put = Callable[..., Any]
Probe = Callable[[Served, Browser, Put], Any]


@pytest.fixture
async def put(gate: Served, browser: Browser) -> Put:
    async def change(status: int = 200, /, *, headers: dict[str, Any] = BEARER, **settings: Any) -> Any:
        return await browser.ask("PATCH", "/api/settings", {"settings": settings}, status=status, **headers)

    return change


async def call(browser: Browser, status: int = 200, **more: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "hi"}], **more}
    bearer: dict[str, Any] = {"authorization": f"Bearer {CLIENT}"}
    return await browser.ask("POST", "/v1/chat/completions", body, status=status, **bearer)


async def _hourly(gate: Served, browser: Browser, put: Put) -> None:
    await call(browser)
    await put(RATE_LIMIT_PER_HOUR=1)
    await call(browser)
    assert "1" in (await call(browser, 429))["error"]["message"]
    await put(RATE_LIMIT_PER_HOUR=None)
    await call(browser)


async def _interval(gate: Served, browser: Browser, put: Put) -> None:
    await put(MODEL_INTERVAL_SECONDS=30)
    await call(browser)
    await call(browser, 429)


async def _budget(gate: Served, browser: Browser, put: Put) -> None:
    await put(BUDGET="calls_per_day=1")
    await call(browser)
    assert (await call(browser, 429))["error"]["code"] == "insufficient_quota"


async def _key_budget(gate: Served, browser: Browser, put: Put) -> None:
    await put(KEY_BUDGET="calls_per_day=0")
    assert (await call(browser, 429))["error"]["code"] == "insufficient_quota"


async def _default_model(gate: Served, browser: Browser, put: Put) -> None:
    await put(DEFAULT_MODEL="gemini-3-pro-preview")
    assert "pro" in (await call(browser))["model"]


async def _default_image_model(gate: Served, browser: Browser, put: Put) -> None:
    await put(DEFAULT_IMAGE_MODEL="gemini-3-pro-image-preview")
    bearer: dict[str, Any] = {"authorization": f"Bearer {CLIENT}"}
    await browser.ask("POST", "/v1/batch/images", {"prompts": ["a boat"]}, **bearer)
    ((batch,), _) = await gate.service.jobs.store.latest(None, ("images",), 1)
    assert batch.model == "gemini-3-pro-image-preview"


async def _aliases(gate: Served, browser: Browser, put: Put) -> None:
    await call(browser, 404, model="my-own")
    await put(MODEL_ALIASES="my-own=gemini-3-flash-preview")
    await call(browser, model="my-own")


async def _policy(gate: Served, browser: Browser, put: Put) -> None:
    await put(MODEL_POLICY="require")
    assert gate.service.gateway.model_policy == "require"


async def _reserve(gate: Served, browser: Browser, put: Put) -> None:
    await put(RESERVE_PERCENT=25)
    assert gate.service.pool.reserve == 0.25


async def _rpm(gate: Served, browser: Browser, put: Put) -> None:
    await put(RPM_LIMIT=7)
    assert (await browser.ask("GET", "/health"))["rate_limiter"]["rpm_limit"] == 7
    assert [account.pacer.rpm for account in await _old_and_new(gate)] == [7, 7]


async def _old_and_new(gate: Served) -> list[Account]:
    """An account that was there, and one that is added after the change."""
    old = gate.service.pool.accounts[0]
    return [old, await gate.service.account_registry.build(AccountSetup("new"), old.egress, InMemoryRecord())]


async def _limit_rest(gate: Served, browser: Browser, put: Put) -> None:
    await put(COOLDOWN_429_SECONDS=50)
    for account in await _old_and_new(gate):
        _fail(account, Spent("used up", "已用完"))
        assert 49 < account.circuits["image"].until - gate.service.clock.now() < 56


async def _failure_rest(gate: Served, browser: Browser, put: Put) -> None:
    await put(COOLDOWN_AUTH_SECONDS=60)
    account = gate.service.pool.accounts[0]
    for _ in range(3):
        _fail(account, Stalled("silent", "无响应"))
    assert 59 < account.circuits["image"].until - gate.service.clock.now() < 67


async def _address_rest(gate: Served, browser: Browser, put: Put) -> None:
    await put(COOLDOWN_ADDRESS_SECONDS=70)
    account = gate.service.pool.accounts[0]
    _fail(account, Blocked("code 1060"))
    assert 69 < account.egress.circuit.until - gate.service.clock.now() < 78


def _fail(account: Account, error: Exception) -> None:
    account.call_started("image")
    account.call_ended(("image",), error)


async def _logo(gate: Served, browser: Browser, put: Put) -> None:
    await put(WATERMARK_REMOVAL=False)
    assert (await browser.ask("GET", "/health"))["watermark_removal"] is False
    assert gate.service.gateway.images.remove_logo is False


async def _keepalive(gate: Served, browser: Browser, put: Put) -> None:
    await put(KEEPALIVE_SECONDS=3)
    assert gate.service.settings.keepalive_seconds == 3


async def _abandoned(gate: Served, browser: Browser, put: Put) -> None:
    await put(ABANDONED="cancel")
    assert gate.service.settings.abandoned == "cancel"


async def _file_share(gate: Served, browser: Browser, put: Put) -> None:
    await put(FILES_PER_KEY_MB=0.000001)
    assert gate.service.files.per_owner == 1


async def _chat_share(gate: Served, browser: Browser, put: Put) -> None:
    await put(CHATS_PER_KEY_MB=0.000001)
    assert gate.service.chat_share.most == 1


async def _media_share(gate: Served, browser: Browser, put: Put) -> None:
    await put(MEDIA_PER_KEY_MB=0.000001)
    assert gate.service.media_share.most == 1


async def _conversations(gate: Served, browser: Browser, put: Put) -> None:
    await put(CONVERSATIONS_PER_KEY=7)
    assert gate.service.gateway.conversations.store.per_key == 7


async def _task_share(gate: Served, browser: Browser, put: Put) -> None:
    await put(BATCH_TASKS_PER_KEY=1)
    bearer: dict[str, Any] = {"authorization": f"Bearer {CLIENT}"}
    await browser.ask("POST", "/v1/batch/images", {"prompts": ["a boat", "a ship"]}, status=429, **bearer)


PROBES: dict[str, Probe] = {
    "rate_limit_per_hour": _hourly,
    "model_interval_seconds": _interval,
    "budget": _budget,
    "key_budget": _key_budget,
    "default_model": _default_model,
    "default_image_model": _default_image_model,
    "model_aliases": _aliases,
    "model_policy": _policy,
    "reserve_percent": _reserve,
    "rpm_limit": _rpm,
    "cooldown_429_seconds": _limit_rest,
    "cooldown_auth_seconds": _failure_rest,
    "cooldown_address_seconds": _address_rest,
    "watermark_removal": _logo,
    "keepalive_seconds": _keepalive,
    "abandoned": _abandoned,
    "files_per_key_mb": _file_share,
    "chats_per_key_mb": _chat_share,
    "media_per_key_mb": _media_share,
    "conversations_per_key": _conversations,
    "batch_tasks_per_key": _task_share,
}


def test_every_live_setting_has_a_probe() -> None:
    assert set(PROBES) == set(LIVE)


async def test_each_takes_effect_without_a_restart_and_is_given_back(gate: Served, browser: Browser, put: Put) -> None:
    account = gate.service.pool.accounts[0]
    for name, probe in PROBES.items():
        try:
            await probe(gate, browser, put)
        except AssertionError as error:
            raise AssertionError(name) from error
        told = await browser.ask("GET", "/api/settings", **BEARER)
        assert told["changes"][0]["name"] == name.upper()
        await put(**{name: None})
        assert getattr(gate.service.settings, name) == getattr(gate.settings, name)
        account.reset()
    await call(browser)


async def test_who_changed_what_is_listed_and_undone_once(gate: Served, browser: Browser, put: Put) -> None:
    await put(RATE_LIMIT_PER_HOUR=100)
    (second,) = (await put(RATE_LIMIT_PER_HOUR=200))["changes"]
    assert (second["before"], second["after"], second["version"]) == (100, 200, 2)
    told = await browser.ask("GET", "/api/settings", **BEARER)
    row = next(row for row in told["settings"] if row["name"] == "RATE_LIMIT_PER_HOUR")
    assert (row["value"], row["origin"], row["live"]["kind"], row["live"]["value"]) == (
        "200",
        "database",
        "number",
        200,
    )
    undo = {"name": "RATE_LIMIT_PER_HOUR", "version": 2}
    await browser.ask("POST", "/api/settings/undo", undo, **BEARER)
    assert gate.service.settings.rate_limit_per_hour == 100
    await browser.ask("POST", "/api/settings/undo", undo, status=409, **BEARER)
    await browser.ask("POST", "/api/settings/undo", {**undo, "version": 9}, status=404, **BEARER)
    lines = await gate.service.account_registry.store.audit_lines()
    assert [line.detail for line in lines if line.action == "setting changed"][-1] == "RATE_LIMIT_PER_HOUR: - -> 100"
    await put(RATE_LIMIT_PER_HOUR=None)
    assert gate.service.settings.rate_limit_per_hour == gate.settings.rate_limit_per_hour


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"RATE_LIMIT_PER_HOUR": -1}, "at least 0", "不得小于 0"),
    ({"RATE_LIMIT_PER_HOUR": "many"}, "whole number", "整数"),
    ({"RATE_LIMIT_PER_HOUR": True}, "number", "数字"),
    ({"MODEL_INTERVAL_SECONDS": "inf"}, "number", "数字"),
    ({"RESERVE_PERCENT": 100}, "less than 100", "小于 100"),
    ({"MODEL_POLICY": "maybe"}, "one of", "之一"),
    ({"WATERMARK_REMOVAL": "perhaps"}, "true or false", "true 或 false"),
    ({"BUDGET": "dreams=1"}, "no limit dreams", "没有名为 dreams 的限额"),
    ({"MODEL_ALIASES": "nonsense"}, "MODEL_ALIASES", "MODEL_ALIASES"),
    ({"DEFAULT_MODEL": "gpt-9"}, "does not exist", "不存在"),
    ({"PORT": 1}, "restart", "重启"),
    ({"DREAMS": 1}, "no setting", "没有名为"),
    ({"RPM_LIMIT": 5, "PORT": 1}, "restart", "重启"),
    ({}, "", ""),
]


async def test_what_cannot_be_is_refused_in_the_callers_language(gate: Served, browser: Browser, put: Put) -> None:
    before = gate.service.settings
    for settings, en, zh in REFUSED:
        assert en in (await put(400, **settings))["detail"]
        assert zh in (await put(400, headers=ZH, **settings))["detail"]
    assert gate.service.settings is before
    assert (await browser.ask("GET", "/api/settings", **BEARER))["changes"] == []


async def test_only_an_admin_may(gate: Served, browser: Browser) -> None:
    body = {"settings": {"RPM_LIMIT": 5}}
    await browser.ask("PATCH", "/api/settings", body, status=401)
    await browser.ask("PATCH", "/api/settings", body, status=401, authorization=f"Bearer {CLIENT}")
    await browser.ask("POST", "/api/settings/undo", {"name": "RPM_LIMIT", "version": 1}, status=401)


async def test_a_change_outlasts_a_restart_and_is_told_on_the_command_line(
    locked: Callable[..., Settings], browsers: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = locked(rpm_limit=3)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.chdir(settings.data_dir)
    assert await asyncio.to_thread(_told) == {}
    async with served(settings, wait_ready=False) as gate:
        browser = browsers(gate.url)
        await browser.ask("PATCH", "/api/settings", {"settings": {"RPM_LIMIT": 9, "BUDGET": "at_once=4"}}, **BEARER)
        assert await asyncio.to_thread(_told) == {"RPM_LIMIT": "9", "BUDGET": "at_once=4"}
    async with served(settings, wait_ready=False) as again:
        assert (again.service.settings.rpm_limit, again.service.settings.budget) == (9, "at_once=4")
        assert again.service.budgets.overall.limits == {"at_once": 4}
        await again.service.live.change({"BUDGET": None}, "admin")
        assert again.service.settings.budget == ""


def _told() -> dict[str, Any]:
    told = json.loads(CliRunner().invoke(cli.app, ["settings", "--json"]).stdout)
    return {name: row["value"] for name, row in told.items() if row["from"] == "database"}


async def test_other_nodes_of_the_database_take_it_up(
    sim: Simulator, locked: Callable[..., Settings], gate: Served
) -> None:
    """As their loop does every 2 s on PostgreSQL; here both look at one file."""
    live = type(gate.service.live)(gate.settings, gate.service.live.store, gate.service.clock, gate.service.observer)
    await gate.service.live.change({"RESERVE_PERCENT": 33}, "admin")
    assert (await live.load()).reserve_percent == 33
    live.attach(gate.service)
    await gate.service.live.store.change({"reserve_percent": "44", "from_the_future": "1", "budget": "7"}, "admin", 1.0)
    await live.refresh()
    assert gate.service.pool.reserve == 0.44
    assert gate.service.settings.budget == "", "what cannot be read counts for nothing"
