"""The sessions that a source holds, each with the source that means it alone: a browser may hold several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gemgate.accounts import Cookies
from gemgate.cookies.browser import EVERY, BrowserSource
from gemgate.cookies.sources import source_of
from gemgate.cookies.spec import BROWSERS, SourceKind, SourceSpec, parse_source


async def sessions_in(
    source: str, *, environment: Cookies | None = None, folder: Path | None = None, home: Path | None = None
) -> list[tuple[str, Cookies]]:
    """(source, cookies) of every session, the newest first; arguments as of `source_of`. AccountError, BadRequest.

    A browser that is named without a profile is looked at in all of its profiles and containers.
    """
    spec = parse_source(source)
    if spec.kind in BROWSERS and not spec.place:
        spec = replace(spec, place=EVERY)
    found = source_of(spec, environment=environment, folder=folder, home=home)
    if not isinstance(found, BrowserSource):
        cookies = await found.read()
        return [(str(spec), cookies)] if cookies is not None else []
    return [(str(_place(spec.kind, path, one.jar)), one.cookies) for path, one in await found.sessions()]


def _place(kind: SourceKind, database: Path, jar: str) -> SourceSpec:
    """One session of a browser: its profile by path, and in Firefox its container by number."""
    if kind == "firefox":
        return SourceSpec(kind, str(database.parent), "none" if jar == "0" else jar)
    folder = database.parent
    return SourceSpec(kind, str(folder.parent if folder.name == "Network" else folder))
