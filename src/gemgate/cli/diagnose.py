"""`gemgate settings` and `gemgate doctor`: what is in force, what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import typer

from gemgate.assembly import deadlines
from gemgate.cli.terminal import ConfigOption, JsonOption, load_settings, out
from gemgate.errors import GatewayError, SignedOut, Unreachable
from gemgate.settings import Settings, shown
from gemgate.upstreams.web import WebUpstream
from gemgate.version import __version__

Verdict = Literal["ok", "warn", "fail"]
_MARK = {"ok": "[green]ok[/green]  ", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}
LOW_DISK = 500_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what to do when it is not ok."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def show_settings(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print every setting in force and where it came from; secrets are never shown."""
    loaded = load_settings(config=config)
    rows = {
        name.upper(): {"value": shown(loaded.settings, name), "from": loaded.origins[name], "about": field.description}
        for name, field in Settings.model_fields.items()
    }
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for name, row in rows.items():
        style = "dim" if row["from"] == "default" else "bold"
        out.print(
            f"[{style}]{name:28} {row['value'] or '-':44}[/{style}] {row['from']}", highlight=False, soft_wrap=True
        )


def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check cookies, the way to Google, disk, clock and versions, and say what to do."""
    settings = load_settings(config=config).settings
    findings = asyncio.run(_all(settings))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            out.print(f"{_MARK[finding.verdict]} {finding.check}: {finding.found}", highlight=False, soft_wrap=True)
            if finding.advice:
                out.print(f"       → {finding.advice}", style="dim", highlight=False, soft_wrap=True)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [_versions(), _disk(settings.data_dir), _clock(settings.data_dir), _listening(settings)]
    findings += [finding async for finding in _account(settings)]
    return findings


def _versions() -> Finding:
    library = version("gemini-webapi")
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("version", "ok", f"gemgate {__version__}, gemini-webapi {library}, Python {python}")


def _disk(folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding("disk", "fail", f"{folder} cannot be written", "set DATA_DIR to a folder of yours")
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free for {folder}"
    if free < LOW_DISK:
        return Finding("disk", "warn", text, "pictures and batches need room; free some or move DATA_DIR")
    return Finding("disk", "ok", text)


def _clock(folder: Path) -> Finding:
    """A clock before this release, or far behind the disk's newest file, breaks cookies and limits."""
    now = time.time()
    newest = max((path.stat().st_mtime for path in folder.glob("*")), default=0.0) if folder.is_dir() else 0.0
    if now < newest - 3600 or time.gmtime(now).tm_year < 2025:
        return Finding("clock", "fail", time.strftime("%c", time.localtime(now)), "set the clock, best by NTP")
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))


def _listening(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    if settings.api_keys:
        return Finding("access", "ok", f"{where}, {len(settings.api_keys)} API key(s)")
    if settings.on_loopback:
        return Finding("access", "ok", f"{where}, open to this machine only")
    return Finding("access", "warn", f"{where}, open to everybody (AUTH=none)", "set API_KEY")


async def _account(settings: Settings) -> AsyncIterator[Finding]:
    cookies = settings.environment_cookies
    if cookies is None:
        yield Finding(
            "cookies",
            "fail",
            "no cookies are set",
            "sign in to gemini.google.com in a private window, copy __Secure-1PSID and __Secure-1PSIDTS into "
            "SECURE_1PSID and SECURE_1PSIDTS, then close that window without signing out",
        )
        return
    if not cookies.psidts:
        yield Finding("cookies", "warn", "SECURE_1PSIDTS is not set", "most accounts need it: copy it as well")
    ca_file = str(settings.proxy_ca_file) if settings.proxy_ca_file else None
    upstream = WebUpstream(proxy=settings.proxy_url, ca_file=ca_file, deadlines=deadlines(settings))
    began = time.monotonic()
    try:
        opened = await upstream.open(cookies)
    except Unreachable as error:
        yield Finding("reachability", "fail", error.en, "check the network, PROXY_URL and PROXY_CA_FILE")
    except SignedOut as error:
        yield Finding("reachability", "ok", "Google answers")
        yield Finding(
            "cookies",
            "fail",
            error.en,
            "sign in again in a private window, copy fresh values, and do not use that session elsewhere",
        )
    except GatewayError as error:
        yield Finding("sign-in", "fail", error.en, "try again later; if it stays, look for an update of gemgate")
    else:
        took = time.monotonic() - began
        models = ", ".join(offer.name for offer in opened.offers)
        yield Finding("reachability", "ok", f"Google answers, sign-in took {took:.1f} s")
        yield Finding("cookies", "ok", f"signed in ({opened.status}); models: {models}")
    finally:
        await upstream.close()
