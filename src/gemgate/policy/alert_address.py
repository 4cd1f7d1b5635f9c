"""What the address of an alert channel has to have, and what of it may be shown: all but the host is a secret."""

from __future__ import annotations

from typing import get_args
from urllib.parse import parse_qs, urlsplit

from gemgate.errors import BadRequest
from gemgate.ports.alerts import ChannelKind

KINDS: tuple[ChannelKind, ...] = get_args(ChannelKind)


def parse_channels(text: str) -> tuple[tuple[ChannelKind, str], ...]:
    """`KIND=URL`, separated by white space; BadRequest without any of the secrets."""
    found: list[tuple[ChannelKind, str]] = []
    for part in text.split():
        kind, sep, url = part.partition("=")
        if not sep or kind not in KINDS:
            known = ", ".join(KINDS)
            raise BadRequest(f"needs KIND=URL with one of {known}", f"格式为 类型=地址，类型为 {known} 之一")
        host_of(kind, url)
        found.append((kind, url))
    return tuple(found)


def host_of(kind: ChannelKind, url: str) -> str:
    """The host of the address. BadRequest for what no message of this kind can be sent to."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        raise BadRequest("url must be an http(s) address", "url 必须是 http(s) 地址", param="url")
    match kind:
        case "telegram" if not (parts.path.endswith("/sendMessage") and parse_qs(parts.query).get("chat_id")):
            form = "https://api.telegram.org/botTOKEN/sendMessage?chat_id=ID"
            raise BadRequest(f"The address of a Telegram bot is {form}", f"Telegram 机器人的地址为 {form}", param="url")
        case "ntfy" if not parts.path.strip("/"):
            raise BadRequest(
                "The address ends in a topic: https://ntfy.sh/TOPIC",
                "地址须以主题结尾：https://ntfy.sh/主题",
                param="url",
            )
    return parts.netloc.rpartition("@")[2]
