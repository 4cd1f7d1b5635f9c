"""By what a session is kept alive: the arms that survival is compared by."""

from __future__ import annotations

from typing import Literal, get_args

from gemgate.errors import LocalText

Arm = Literal["firefox", "chrome", "paired", "rotated", "frozen"]
ARMS: tuple[Arm, ...] = get_args(Arm)
NAMES: dict[str, LocalText] = {
    "firefox": LocalText("live Firefox", "运行中的 Firefox"),
    "chrome": LocalText("live Chrome", "运行中的 Chrome"),
    "paired": LocalText("paired browser", "已配对的浏览器"),
    "rotated": LocalText("exported cookies, rotated", "导出的 Cookie（自动续期）"),
    "frozen": LocalText("exported cookies, not rotated", "导出的 Cookie（不续期）"),
    "": LocalText("before arms were noted", "未记录方式"),
}


def arm_of(source: str, *, paired: bool, rotates: bool) -> Arm:
    """source: as COOKIE_SOURCE is spelled. paired: whether a paired browser lives; rotates: whether we ask for new
    cookies.
    """
    kind, _, browser = source.partition(":")
    if kind == "browser":
        return "firefox" if browser.startswith("firefox") else "chrome"
    if paired:
        return "paired"
    return "rotated" if rotates else "frozen"
