"""Alerts of every kind, over HTTP to somebody who reads them as the service would: what is sent where, what a refusal
looks like, and that no address is told anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gemgate.alerts.channels import CODECS, LONGEST, Channel
from gemgate.alerts.monitor import AlertMonitor
from gemgate.alerts.texts import Alert, AlertKey
from gemgate.errors import BadRequest, LocalText, SettingsError
from gemgate.outbound import GuardedSender
from gemgate.policy.alert_address import KINDS, host_of, parse_channels
from gemgate.ports.alerts import ChannelKind
from gemgate.settings import explicit
from gemgate.settings.loading import load
from gemgate.testing import Facts, FakeClock, ScriptedUpstream
from tests.support.scripted_gateway import ScriptedGateway

PATHS: dict[ChannelKind, str] = {
    "webhook": "/hook/SECRET",
    "bark": "/SECRET",
    "ntfy": "/SECRET-topic?auth=SECRET",
    "telegram": "/botSECRET/sendMessage?chat_id=-100&message_thread_id=7",
    "slack": "/services/T/B/SECRET",
    "discord": "/api/webhooks/1/SECRET",
    "feishu": "/open-apis/bot/v2/hook/SECRET#SECkey",
    "dingtalk": "/robot/send?access_token=SECRET#SECkey",
    "wecom": "/cgi-bin/webhook/send?key=SECRET",
}
ALERT = Alert(AlertKey("needs_login", "kim"), False, 1_800_000_000.5, "n", LocalText("gemgate: a <b> & c", "需要登录"),
              LocalText("Account kim", "账号 kim"))  # fmt: skip


@dataclass
class Service:
    """All the services at one address, which keep what they were sent."""

    url: str = ""
    status: int = 200
    answer: dict[str, Any] = field(default_factory=lambda: {"code": 0, "errcode": 0, "ok": True})
    heard: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, dict(request.query), await request.json()))
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def monitor() -> AlertMonitor:
    state = await ScriptedGateway(ScriptedUpstream()).signed_in()
    return AlertMonitor(
        state.pool,
        None,  # type: ignore[arg-type]
        (),
        sender=GuardedSender(allowed=lambda _: True, timeout=5),
        node="n",
        clock=FakeClock(),
        observer=Facts(),
    )


def mac(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def test_every_kind_has_a_codec_and_an_example_here() -> None:
    assert set(KINDS) == set(CODECS) == set(PATHS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_test_arrives_in_the_services_own_form(
    kind: ChannelKind, service: Service, monitor: AlertMonitor
) -> None:
    assert await monitor.send_test(Channel(kind, service.url + PATHS[kind])) == ""
    ((path, query, body),) = service.heard
    match kind:
        case "webhook":
            assert (path, body["event"]) == ("/hook/SECRET", "test")
        case "bark":
            assert (path, body["group"]) == ("/SECRET", "gemgate")
        case "ntfy":
            assert (path, query, body["topic"]) == ("/", {"auth": "SECRET"}, "SECRET-topic")
        case "telegram":
            assert (path, query) == ("/botSECRET/sendMessage", {})
            assert (body["chat_id"], body["message_thread_id"]) == ("-100", "7")
        case "feishu":
            assert body["sign"] == mac(f"{body['timestamp']}\nSECkey", "")
            assert body["msg_type"] == "text"
        case "dingtalk":
            assert query["access_token"] == "SECRET"
            assert query["sign"] == mac("SECkey", f"{query['timestamp']}\nSECkey")
        case _:
            assert path == PATHS[kind].partition("?")[0]
    assert "gemgate" in str(body)
    assert "测试" in str(body)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_is_told_and_names_no_address(
    kind: ChannelKind, service: Service, monitor: AlertMonitor
) -> None:
    channel = Channel(kind, service.url + PATHS[kind])
    service.status = 403
    said = [await monitor.send_test(channel)]
    service.status, service.answer = 200, {"code": 19024, "errcode": 310000, "msg": "Key Words Not Found"}
    said.append(await monitor.send_test(channel))
    service.answer = {}
    said.append(await monitor.send_test(channel))
    said.append(await monitor.send_test(Channel(kind, "http://127.0.0.1:9" + PATHS[kind])))
    strange = "not an answer of this service"
    coded = {"feishu": ["code 19024", strange], "dingtalk": ["code 310000", strange], "wecom": ["code 310000", strange]}
    assert said == ["HTTP 403", *coded.get(kind, ["", ""]), "unreachable"]
    assert "SEC" not in repr(channel) + repr(channel.message(ALERT))


def test_what_the_services_would_take_for_markup_or_too_long_is_neither() -> None:
    def body(kind: ChannelKind, alert: Alert = ALERT) -> str:
        return str(Channel(kind, "https://x.example" + PATHS[kind]).message(alert).body)

    assert "a &lt;b&gt; &amp; c" in body("slack")
    assert "'parse': []" in body("discord")
    assert body("wecom").index("需要登录") < body("wecom").index("gemgate: a")
    endless = Alert(ALERT.subject, False, 1.0, "n", ALERT.title, LocalText("x", "账" * 5000))
    for kind in ("discord", "wecom", "telegram", "ntfy"):
        assert len(body(kind, endless).encode()) < LONGEST + 300


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("telegram", "https://api.telegram.org/botSECRET/sendMessage"),
        ("telegram", "https://api.telegram.org/botSECRET?chat_id=1"),
        ("ntfy", "https://ntfy.sh/"),
        ("slack", "ftp://SECRET"),
        ("webhook", "http://[SECRET"),
    ],
)
def test_an_address_that_lacks_something_is_refused_in_both_languages(kind: ChannelKind, url: str) -> None:
    with pytest.raises(BadRequest) as caught:
        host_of(kind, url)
    assert caught.value.en != caught.value.zh
    assert "SECRET" not in caught.value.en + caught.value.zh


def test_settings_name_more_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    text = " ".join(f"{kind}=https://x.example{path}" for kind, path in PATHS.items())
    assert dict(explicit(alert_urls=text).more_alerts) == {k: f"https://x.example{p}" for k, p in PATHS.items()}
    assert parse_channels(" \n") == ()
    monkeypatch.chdir(tmp_path)
    for bad in ("https://x.example/SECRET", "pigeon=https://x.example/SECRET", "ntfy=nonsense-SECRET"):
        monkeypatch.setenv("ALERT_URLS", bad)
        with pytest.raises(SettingsError, match="ALERT_URLS") as caught:
            load()
        assert "SECRET" not in str(caught.value)
