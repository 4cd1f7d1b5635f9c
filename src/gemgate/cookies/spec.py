"""How a cookie source is written in settings: pure text in, a value out. No source is touched here.

env | file:PATH | browser:firefox[:PROFILE][#CONTAINER] | browser:chrome[:PROFILE] | browser:chromium[:PROFILE]
"""

from __future__ import annotations

from typing import Literal

from gemgate.errors import BadRequest
from gemgate.frozen import frozen

SourceKind = Literal["env", "file", "firefox", "chrome", "chromium"]
BROWSERS: tuple[SourceKind, ...] = ("firefox", "chrome", "chromium")


@frozen
class SourceSpec:
    """place: a file's path, or a profile's name or path, "" for the browser's default. container: "" for any."""

    kind: SourceKind
    place: str = ""
    container: str = ""

    def __str__(self) -> str:
        if self.kind in BROWSERS:
            place = f":{self.place}" if self.place else ""
            return f"browser:{self.kind}{place}" + (f"#{self.container}" if self.container else "")
        return f"{self.kind}:{self.place}" if self.place else self.kind


def parse_source(text: str) -> SourceSpec:
    """A source as `COOKIE_SOURCE` and accounts.toml spell it; BadRequest says what is allowed."""
    kind, _, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind == "env" and not rest:
        return SourceSpec("env")
    if kind == "file" and rest.strip():
        return SourceSpec("file", rest.strip())
    if kind == "browser":
        browser, colon, place = rest.partition(":")
        if not colon:
            browser, hash_, container = browser.partition("#")
            place = hash_ + container
        if (browser := browser.strip().lower()) in BROWSERS:
            return _of_browser(browser, place)
    raise BadRequest(
        f"{text!r} is no cookie source; write env, file:PATH, browser:firefox[:PROFILE] or browser:chrome[:PROFILE]",
        f"{text!r} 不是有效的 Cookie 来源，可用：env、file:PATH、browser:firefox[:PROFILE]、browser:chrome[:PROFILE]",
        param="source",
    )


def _of_browser(browser: SourceKind, place: str) -> SourceSpec:
    container = ""
    if browser == "firefox":
        place, _, container = place.rpartition("#") if "#" in place else (place, "", "")
    return SourceSpec(browser, place.strip(), container.strip())
