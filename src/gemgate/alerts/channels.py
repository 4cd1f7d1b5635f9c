"""How an alert is sent: a webhook, or Bark."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import orjson

from gemgate.alerts.texts import Alert
from gemgate.ports.alerts import AlertChannel


class Channel(Protocol):
    """One place that is told: what to POST where."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def body(self, alert: Alert) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """JSON for machines; `text` is what chat services show."""

    url: str = field(repr=False)
    name: str = "webhook"

    def body(self, alert: Alert) -> bytes:
        return orjson.dumps(
            {
                "event": alert.event,
                "kind": alert.subject.kind,
                "account": alert.subject.account or None,
                "capability": alert.subject.capability or None,
                "address": alert.subject.address or None,
                "node": alert.node,
                "time": datetime.fromtimestamp(alert.at, UTC).isoformat(timespec="seconds"),
                "until": datetime.fromtimestamp(alert.until, UTC).isoformat(timespec="seconds")
                if alert.until
                else None,
                "reason": alert.reason or None,
                "url": alert.url or None,
                "title": alert.title.en,
                "title_zh": alert.title.zh,
                "text": f"{alert.text.en}\n{alert.text.zh}",
                "text_en": alert.text.en,
                "text_zh": alert.text.zh,
            }
        )


@dataclass(frozen=True, slots=True)
class Bark:
    """A push to a phone: `https://SERVER/KEY`."""

    url: str = field(repr=False)
    name: str = "bark"

    def body(self, alert: Alert) -> bytes:
        return orjson.dumps(
            {
                "title": f"{alert.title.en} / {alert.title.zh}",
                "body": f"{alert.text.en}\n{alert.text.zh}",
                "group": "gemgate",
                "level": "active" if alert.over else "timeSensitive",
                **({"url": alert.url} if alert.url else {}),
            }
        )


def channel_of(kept: AlertChannel) -> Channel:
    return Bark(kept.url) if kept.kind == "bark" else Webhook(kept.url)
