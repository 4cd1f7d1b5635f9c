"""What an operator is told of accounts: once an episode, not by flaps, not again after a restart, never a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.scripted_gateway import ScriptedGateway

from gemgate.accounts import Cookies
from gemgate.alerts.channels import Channel
from gemgate.alerts.monitor import AlertMonitor
from gemgate.errors import Blocked, SignedOut, Spent, StorageDown, Unreachable
from gemgate.machine import Shortage
from gemgate.policy.session_forecast import Forecast
from gemgate.pool.account import Account
from gemgate.ports.accounts import AuditLine
from gemgate.ports.outbound import Posted
from gemgate.testing import Facts, ScriptedUpstream, settle

HOOK = Channel("webhook", "https://chat.example/hooks/SECRET-TOKEN")
BARK = Channel("bark", "https://push.example/SECRET-KEY")
DEAD = SignedOut("the session is dead", "会话已失效")


class Posts:
    """A sender that keeps what it is told; `failing` tries of each address fail first."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.tries = 0
        self.failing = 0
        self.down = ""
        self.status = 200

    def check(self, url: str) -> None:
        return None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, read: int = 0) -> Posted:
        self.tries += 1
        assert headers["content-type"].startswith("application/json")
        if url == self.down:
            raise Unreachable(f"{url} cannot be reached")
        if self.failing:
            self.failing -= 1
            raise Unreachable(f"{url} cannot be reached")
        if self.status == 200:
            self.sent.append((url, json.loads(body)))
        return Posted(self.status)

    @property
    def events(self) -> list[str]:
        return [body.get("event", "") for _, body in self.sent]


class Ledger:
    """As much of a account registry as alerts need: the audit, and a forecast that a test sets."""

    def __init__(self) -> None:
        self.store = self
        self.lines: list[AuditLine] = []
        self.forecasts: dict[str, Forecast] = {}
        self.down = False

    def forecast(self, account: Account) -> Forecast | None:
        return self.forecasts.get(account.name)

    def desktop(self, account: Account) -> str:
        return ""

    async def audit(self, line: AuditLine) -> None:
        if self.down:
            raise StorageDown("away")
        self.lines.append(line)

    async def audit_lines(
        self, name: str | None = None, *, actor: str | None = None, limit: int = 100
    ) -> tuple[AuditLine, ...]:
        return tuple([line for line in reversed(self.lines) if actor in (None, line.actor)][:limit])


class Scene:
    def __init__(
        self, state: ScriptedGateway, ledger: Ledger | None = None, channels: Sequence[Channel] | None = None
    ) -> None:
        self.state, self.clock = state, state.clock
        self.posts, self.facts, self.ledger = Posts(), Facts(), ledger or Ledger()
        self.alerts = AlertMonitor(
            state.pool,
            self.ledger,  # type: ignore[arg-type]
            (HOOK,) if channels is None else channels,
            sender=self.posts,
            node="node-1",
            clock=self.clock,
            observer=self.facts,
        )
        self.task = asyncio.create_task(self.alerts.run())

    @property
    def alice(self) -> Account:
        return self.state.accounts[0]

    async def passes(self, seconds: float) -> list[str]:
        """Let time pass; the events told meanwhile."""
        before = len(self.posts.sent)
        await self.clock.advance(seconds)
        await settle()
        return self.posts.events[before:]

    def cool(self, capability: str = "image", error: Exception | None = None) -> None:
        self.alice.call_started(capability)  # type: ignore[arg-type]
        self.alice.call_ended((capability,), error or Spent("used up", "已用完"))  # type: ignore[arg-type]


@pytest.fixture
async def scene() -> Any:
    state = await ScriptedGateway(ScriptedUpstream(), ScriptedUpstream()).signed_in()
    scene = Scene(state)
    await settle()
    yield scene
    scene.task.cancel()


async def test_a_channel_that_is_down_holds_up_no_alert_of_the_other() -> None:
    state = await ScriptedGateway(*(ScriptedUpstream() for _ in range(5))).signed_in()
    scene = Scene(state, None, (HOOK, BARK))
    scene.posts.down = HOOK.url
    await settle()
    for account in state.accounts:
        account.signed_out(DEAD, account.session_epoch)
    await scene.passes(20)
    assert len([url for url, _ in scene.posts.sent if url.startswith("https://push.example")]) == 5
    scene.task.cancel()


async def test_a_dead_session_is_told_once_and_its_recovery_once(scene: Scene) -> None:
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    assert await scene.passes(10) == []  # it may mend itself: the next look at the source comes within seconds
    assert await scene.passes(10) == ["account.needs_login"]
    _, body = scene.posts.sent[0]
    assert body["account"] == "a"
    assert body["node"] == "node-1"
    assert body["text_en"] == "Account a is signed out: the session is dead"
    assert body["text_zh"] == "账号 a 已退出登录：会话已失效"
    assert body["text"] == f"{body['text_en']}\n{body['text_zh']}"
    assert await scene.passes(3 * 3600) == []
    await scene.alice.sign_in()
    assert await scene.passes(50) == []
    assert await scene.passes(20) == ["account.recovered"]
    assert await scene.passes(3 * 3600) == []


async def test_what_mends_itself_at_once_is_not_told(scene: Scene) -> None:
    for _ in range(20):
        scene.alice.signed_out(DEAD, scene.alice.session_epoch)
        assert await scene.passes(4) == []
        await scene.alice.sign_in()
        assert await scene.passes(30) == []


async def test_flapping_is_told_once_an_hour_at_most_and_the_last_word_is_true(scene: Scene) -> None:
    told: list[str] = []
    for _ in range(12):  # two minutes dead, three alive, for an hour
        scene.alice.signed_out(DEAD, scene.alice.session_epoch)
        told += await scene.passes(120)
        await scene.alice.sign_in()
        told += await scene.passes(180)
    assert told == ["account.needs_login", "account.recovered"]
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    told = await scene.passes(3600)
    assert told == ["account.needs_login"]  # it stayed dead: the operator must not believe it is well


@pytest.mark.parametrize(("capability", "words"), [("image", "pictures"), ("pro", "Pro text"), ("upload", "uploads")])
async def test_a_capability_that_cools_is_told_with_the_minutes(scene: Scene, capability: str, words: str) -> None:
    scene.cool(capability)
    assert await scene.passes(2) == ["account.cooling"]
    _, body = scene.posts.sent[0]
    assert body["capability"] == capability
    assert body["text_en"] == f"Account a takes no {words} for about 60 minutes: limit: used up"
    assert body["until"] is not None


async def test_cooling_is_over_only_when_a_call_has_proved_it(scene: Scene) -> None:
    scene.cool()
    assert await scene.passes(2) == ["account.cooling"]
    assert await scene.passes(3700) == []  # thawed, and nobody knows yet
    scene.cool()  # the probe was refused: still the same episode
    assert await scene.passes(3700) == []
    scene.alice.call_started("image")
    scene.alice.call_ended(("image",), None)
    assert await scene.passes(70) == ["account.recovered"]
    assert scene.posts.sent[-1][1]["text_en"] == "Account a takes pictures again"


async def test_an_account_that_cools_for_everything_is_told_as_a_whole(scene: Scene) -> None:
    for capability in ("text", "pro", "image"):
        scene.cool(capability)
    assert await scene.passes(4) == ["account.cooling"]
    assert scene.posts.sent[0][1]["capability"] is None
    scene.alice.reset()
    assert await scene.passes(70) == ["account.recovered"]


async def test_a_blocked_address_is_told_once_for_all_accounts_behind_it() -> None:
    state = await ScriptedGateway(ScriptedUpstream(), ScriptedUpstream(), one_address=True).signed_in()
    scene = Scene(state)
    scene.cool("text", Blocked("code 1060"))
    assert await scene.passes(10) == ["address.blocked"]
    _, body = scene.posts.sent[0]
    assert (body["account"], body["address"]) == (None, "direct")
    assert "for about 120 minutes: code 1060" in body["text_en"]
    state.accounts[1].reset()
    assert await scene.passes(70) == ["address.recovered"]
    scene.task.cancel()


async def test_what_the_machine_runs_out_of_is_told_and_that_it_is_over(scene: Scene) -> None:
    machine = SimpleNamespace(shortages=[Shortage("disk", "The disk is full", "磁盘已满")])
    scene.alerts._machine = machine  # type: ignore[assignment]
    assert await scene.passes(4) == [], "a moment is nobody's business"
    assert await scene.passes(10) == ["machine.short"]
    body = scene.posts.sent[0][1]
    assert (body["account"], body["address"], body["kind"]) == (None, "disk", "machine")
    assert "The disk is full" in body["text_en"]
    assert "磁盘已满" in body["text_zh"]
    machine.shortages = []
    assert await scene.passes(70) == ["machine.recovered"]


async def test_a_session_that_will_likely_die_is_told_before_it_does(scene: Scene) -> None:
    scene.ledger.forecasts["a"] = Forecast(3 * 3600, 5)
    assert await scene.passes(120) == []
    scene.ledger.forecasts["a"] = Forecast(2400, 5)
    assert await scene.passes(120) == ["account.dies_soon"]
    assert "likely dies in about 40 minutes; sign in again in time" in scene.posts.sent[0][1]["text_en"]
    del scene.ledger.forecasts["a"]
    assert await scene.passes(7200) == []  # a better forecast is no news


async def test_a_restart_does_not_repeat_what_was_told(scene: Scene) -> None:
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    scene.cool("image")
    assert sorted(await scene.passes(30)) == ["account.cooling", "account.needs_login"]
    scene.task.cancel()
    again = ScriptedGateway(ScriptedUpstream(), ScriptedUpstream())
    again.clock = scene.clock
    for account in again.accounts:
        account._clock = scene.clock
    again.accounts[0].circuits.update(scene.alice.circuits)
    later = Scene(again, scene.ledger)
    assert await later.passes(300) == []  # still signing in: nothing is known
    later.alice.upstream.opening = DEAD  # type: ignore[attr-defined]
    with pytest.raises(SignedOut):
        await later.alice.sign_in()
    assert await later.passes(300) == []
    later.alice.upstream.opening = None  # type: ignore[attr-defined]
    await later.alice.sign_in()
    assert await later.passes(120) == ["account.recovered"]  # and that it is over is told, once
    later.task.cancel()


async def test_nobody_hears_of_an_account_that_was_paused_or_removed(scene: Scene) -> None:
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    scene.alice.pause(True)
    assert await scene.passes(600) == []
    scene.alice.pause(False)
    assert await scene.passes(30) == ["account.needs_login"]
    scene.state.pool.remove("a")
    assert await scene.passes(600) == []


async def test_one_trouble_that_turns_into_another_is_not_told_as_recovery(scene: Scene) -> None:
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    assert await scene.passes(30) == ["account.needs_login"]
    scene.alice.upstream.opening = Unreachable("no way to Google")  # type: ignore[attr-defined]
    with pytest.raises(Unreachable):
        await scene.alice.sign_in()
    assert "account.recovered" not in await scene.passes(600)


async def test_a_channel_that_fails_is_tried_again_and_then_later(scene: Scene) -> None:
    scene.posts.failing = 2
    scene.cool()
    assert await scene.passes(20) == ["account.cooling"]
    assert scene.posts.tries == 3
    scene.posts.status = 500
    scene.cool("pro")
    assert await scene.passes(100) == []
    assert scene.posts.tries == 7
    (failed,) = scene.facts.named("alert.failed")
    assert failed.data["why"] == "HTTP 500"
    scene.posts.status = 200
    assert await scene.passes(300) == ["account.cooling"]


async def test_a_store_that_is_away_costs_the_memory_of_a_restart_and_no_alert(scene: Scene) -> None:
    scene.ledger.down = True
    scene.cool()
    assert await scene.passes(10) == ["account.cooling"]
    assert await scene.passes(600) == []
    assert scene.facts.named("alert.not_kept")


async def test_bark_gets_both_languages_in_its_own_form() -> None:
    state = await ScriptedGateway(ScriptedUpstream()).signed_in()
    scene = Scene(state, None, (HOOK, BARK))
    scene.cool()
    await scene.passes(4)
    ((first, _), (second, body)) = sorted(scene.posts.sent, key=lambda post: post[0])
    assert (first, second) == (HOOK.url, BARK.url)
    assert set(body) == {"title", "body", "group", "level"}
    assert body["title"] == "gemgate: a rests for pictures / a 暂停图片"
    assert "takes no pictures for about 60 minutes" in body["body"]
    assert "暂停处理图片约 60 分钟" in body["body"]
    scene.task.cancel()


async def test_neither_cookies_nor_addresses_are_in_what_is_told_or_noted(scene: Scene) -> None:
    scene.alice.cookies = Cookies("g.a000secretpsid", "sidts-secret")
    scene.alice.signed_out(DEAD, scene.alice.session_epoch)
    scene.cool()
    scene.posts.failing = 1
    await scene.passes(60)
    seen = json.dumps([body for _, body in scene.posts.sent]) + repr(scene.facts.facts) + repr(scene.ledger.lines)
    assert len(scene.posts.sent) == 2
    assert "secret" not in seen.lower()
    assert "SECRET" not in repr(HOOK) + repr(BARK) + repr(scene.facts.facts)


async def test_lines_of_the_audit_that_others_wrote_mean_nothing(scene: Scene) -> None:
    scene.task.cancel()
    scene.ledger.lines = [
        AuditLine(1.0, "admin", "alert", "a", "needs_login"),
        AuditLine(2.0, "alerts", "alert", "a", "from the future"),
        AuditLine(3.0, "alerts", "alert", "a", "cooling:dreams"),
    ]
    later = Scene(scene.state, scene.ledger)
    assert await later.passes(10) == []
    assert later.alerts._episodes == {}
    later.task.cancel()


async def test_what_others_wrote_since_does_not_hide_what_was_told(scene: Scene) -> None:
    """A thousand cookies that a browser pushed, say, between an alert and a restart."""
    scene.cool()
    await scene.passes(10)
    told = len(scene.posts.sent)
    scene.task.cancel()
    scene.ledger.lines += [AuditLine(scene.clock.now(), "browser-1", "cookies", "a")] * 2_000
    later = Scene(scene.state, scene.ledger)
    await later.passes(10)
    later.task.cancel()
    assert (told, later.posts.sent) == (1, [])


async def test_what_nobody_is_told_of_is_noted_once_with_its_end() -> None:
    state = await ScriptedGateway(ScriptedUpstream()).signed_in()
    scene = Scene(state, None, ())
    scene.cool()
    await scene.passes(700)
    (noted,) = await scene.alerts.sent()
    assert (noted.account, noted.kind, noted.of, noted.over, noted.taken) == ("a", "cooling", "image", False, False)
    scene.alice.reset()
    await scene.passes(70)
    assert [(one.over, one.taken) for one in await scene.alerts.sent()] == [(True, False), (False, False)]
    await scene.passes(3700)
    assert scene.alerts._episodes == {}
    scene.task.cancel()


async def test_a_trouble_that_was_only_noted_is_told_when_there_is_a_channel_even_after_a_restart() -> None:
    state = await ScriptedGateway(ScriptedUpstream()).signed_in()
    scene = Scene(state, None, ())
    scene.cool()
    await scene.passes(10)
    scene.task.cancel()
    later = Scene(state, scene.ledger)
    assert await later.passes(10) == ["account.cooling"]
    assert [one.taken for one in await later.alerts.sent()] == [True, False]
    scene.alice.reset()
    assert await later.passes(70) == ["account.recovered"]
    later.task.cancel()


async def test_what_all_channels_refuse_is_noted_and_tried_again(scene: Scene) -> None:
    scene.posts.status = 500
    scene.cool()
    await scene.passes(800)
    assert [one.taken for one in await scene.alerts.sent()] == [False]
    scene.posts.status = 200
    assert await scene.passes(400) == ["account.cooling"]
    assert [one.taken for one in await scene.alerts.sent()] == [True, False]
