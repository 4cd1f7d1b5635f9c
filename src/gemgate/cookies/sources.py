"""From a source as settings spell it to the thing that reads it: the one file that knows every kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gemgate.accounts import Cookies
from gemgate.cookies.env import FixedSource
from gemgate.cookies.file import FileSource
from gemgate.cookies.spec import SourceSpec, parse_source
from gemgate.lazy_import import later
from gemgate.ports.cookies import CookieSource

if TYPE_CHECKING:
    from gemgate.cookies import chrome, firefox
else:
    chrome, firefox = (later(f"gemgate.cookies.{browser}") for browser in ("chrome", "firefox"))


def source_of(
    spec: SourceSpec | str,
    *,
    environment: Cookies | None = None,
    folder: Path | None = None,
    home: Path | None = None,
) -> CookieSource:
    """The source that `spec` names; nothing is read yet. BadRequest for a text that names none.

    environment: the cookies of `env`. folder: what relative file paths begin at. home: whose browsers, default ours.
    """
    if isinstance(spec, str):
        spec = parse_source(spec)
    match spec.kind:
        case "env":
            return FixedSource(environment)
        case "file":
            path = Path(spec.place).expanduser()
            return FileSource(folder / path if folder else path)
        case "firefox":
            return firefox.firefox_source(spec.place, spec.container, home=home)
        case "chrome" | "chromium":
            return chrome.chrome_source(spec.place, browser=spec.kind, home=home)
