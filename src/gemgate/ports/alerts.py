"""Where alerts go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Literal, Protocol

from gemgate.frozen import frozen

ChannelKind = Literal["webhook", "bark", "ntfy", "telegram", "slack", "discord", "feishu", "dingtalk", "wecom"]


@frozen
class AlertChannel:
    """Somebody who is told, as set up on the page. url: a secret; "" when the key that sealed it is lost."""

    id: str
    kind: ChannelKind
    host: str
    url: str = field(repr=False)
    created_at: float = 0.0


class AlertStore(Protocol):
    """Channels of alerts. StorageDown anywhere."""

    async def channels(self) -> Sequence[AlertChannel]:
        """All of them, oldest first."""
        ...

    async def add(self, channel: AlertChannel) -> None: ...

    async def remove(self, channel_id: str) -> bool: ...
