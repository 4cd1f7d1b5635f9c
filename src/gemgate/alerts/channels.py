"""How an alert is written for each kind of channel, and how the service says that it took it.

Forms as the services document them: Bark, ntfy (publish as JSON), Telegram's Bot API, the incoming webhooks of Slack
and Discord, the group robots of 飞书, 钉钉 and 企业微信. The last three answer HTTP 200 to what they refuse.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

import orjson

from gemgate.alerts.texts import Alert
from gemgate.frozen import frozen
from gemgate.ports.alerts import AlertChannel, ChannelKind
from gemgate.ports.outbound import Posted

ANSWER = 4096
"""Bytes that are read of an answer: those of the robots have about a hundred."""
LONGEST = 2000
"""UTF-8 bytes of a text; the narrowest are 企业微信 (2048 bytes) and Discord (2000 characters)."""

Json = Mapping[str, Any]


@frozen
class Message:
    """What is POSTed where, as JSON. The body of some has what of the address is a secret."""

    url: str = field(repr=False)
    body: Json = field(repr=False)


@frozen
class Channel:
    """One place that is told. url: as the operator gave it; of a robot that wants signatures `#SECRET` is its end."""

    kind: ChannelKind
    url: str = field(repr=False)

    def message(self, alert: Alert) -> Message:
        return CODECS[self.kind].write(self.url, alert)

    def refusal(self, posted: Posted) -> str:
        """Why the service did not take it; "" when it did."""
        if not posted.ok:
            return f"HTTP {posted.status}"
        field_name = CODECS[self.kind].verdict
        if not field_name:
            return ""
        try:
            code = orjson.loads(posted.body)[field_name]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "not an answer of this service"
        return "" if code == 0 else f"code {str(code)[:20]}"


@frozen
class Codec:
    """verdict: the field of a 2xx's JSON that is 0 when the message was taken; "" where the status says it."""

    write: Callable[[str, Alert], Message]
    verdict: str = ""


def _webhook(url: str, alert: Alert) -> Message:
    """JSON for machines; `text` is what chat services show."""
    body = {
        "event": alert.event,
        "kind": alert.subject.kind,
        "account": alert.subject.account or None,
        "capability": alert.subject.capability or None,
        "address": alert.subject.address or None,
        "node": alert.node,
        "time": _rfc3339(alert.at),
        "until": _rfc3339(alert.until) if alert.until else None,
        "reason": alert.reason or None,
        "url": alert.url or None,
        "title": alert.title.en,
        "title_zh": alert.title.zh,
        "text": f"{alert.text.en}\n{alert.text.zh}",
        "text_en": alert.text.en,
        "text_zh": alert.text.zh,
    }
    return Message(url, body)


def _bark(url: str, alert: Alert) -> Message:
    body = {
        "title": f"{alert.title.en} / {alert.title.zh}",
        "body": f"{alert.text.en}\n{alert.text.zh}",
        "group": "gemgate",
        "level": "active" if alert.over else "timeSensitive",
        **({"url": alert.url} if alert.url else {}),
    }
    return Message(url, body)


def _ntfy(url: str, alert: Alert) -> Message:
    """JSON goes to the server itself, and names the topic."""
    parts = urlsplit(url)
    above, _, topic = parts.path.rstrip("/").rpartition("/")
    body = {
        "topic": topic,
        "title": f"{alert.title.en} / {alert.title.zh}",
        "message": _cut(f"{alert.text.en}\n{alert.text.zh}"),
        "tags": ["white_check_mark" if alert.over else "warning"],
        "priority": 3 if alert.over else 4,
        **({"click": alert.url} if alert.url else {}),
    }
    return Message(parts._replace(path=f"{above}/").geturl(), body)


def _telegram(url: str, alert: Alert) -> Message:
    """What stands in the query (chat_id, message_thread_id) goes along in the body."""
    parts = urlsplit(url)
    body = {**dict(parse_qsl(parts.query)), "text": _both(alert), "link_preview_options": {"is_disabled": True}}
    return Message(parts._replace(query="").geturl(), body)


def _slack(url: str, alert: Alert) -> Message:
    text = _both(alert).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Message(url, {"text": text})


def _discord(url: str, alert: Alert) -> Message:
    return Message(url, {"content": _both(alert), "allowed_mentions": {"parse": []}})


def _feishu(url: str, alert: Alert) -> Message:
    """Signed, it carries the second and the HMAC of nothing under "second, newline, secret"."""
    address, secret = urldefrag(url)
    moment = str(int(alert.at))
    signed = {"timestamp": moment, "sign": _mac(f"{moment}\n{secret}", "")} if secret else {}
    return Message(address, {**signed, "msg_type": "text", "content": {"text": _both(alert, zh_first=True)}})


def _dingtalk(url: str, alert: Alert) -> Message:
    """Signed, its address carries the millisecond and the HMAC of "millisecond, newline, secret" under the secret."""
    address, secret = urldefrag(url)
    if secret:
        moment = str(int(alert.at * 1000))
        signed = urlencode({"timestamp": moment, "sign": _mac(secret, f"{moment}\n{secret}")})
        address += f"{'&' if '?' in address else '?'}{signed}"
    return Message(address, {"msgtype": "text", "text": {"content": _both(alert, zh_first=True)}})


def _wecom(url: str, alert: Alert) -> Message:
    return Message(url, {"msgtype": "text", "text": {"content": _both(alert, zh_first=True)}})


CODECS: Mapping[ChannelKind, Codec] = {
    "webhook": Codec(_webhook),
    "bark": Codec(_bark),
    "ntfy": Codec(_ntfy),
    "telegram": Codec(_telegram),
    "slack": Codec(_slack),
    "discord": Codec(_discord),
    "feishu": Codec(_feishu, verdict="code"),
    "dingtalk": Codec(_dingtalk, verdict="errcode"),
    "wecom": Codec(_wecom, verdict="errcode"),
}


def channel_of(kept: AlertChannel) -> Channel:
    return Channel(kept.kind, kept.url)


def _both(alert: Alert, *, zh_first: bool = False) -> str:
    """Title and text in both languages. `gemgate` is in every English title: robots may be bound to a keyword."""
    titles, texts = (alert.title.en, alert.title.zh), (alert.text.en, alert.text.zh)
    order = slice(None, None, -1) if zh_first else slice(None)
    return _cut("\n".join((" / ".join(titles[order]), *texts[order])))


def _cut(text: str) -> str:
    whole = text.encode()
    return text if len(whole) <= LONGEST else whole[: LONGEST - 3].decode(errors="ignore") + "…"


def _mac(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
