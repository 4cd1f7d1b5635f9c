"""`gemgate settings` and `gemgate doctor`: what is in force, what is wrong, and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from gemgate.accounts import Cookies
from gemgate.assembly.accounts import account_builder, seeds_of
from gemgate.assembly.live_settings import LiveSettings
from gemgate.assembly.storage import database_url, open_bucket, open_storage, sqlite_path
from gemgate.cli.terminal import ConfigOption, JsonOption, err, load_settings, marked, out, run, say
from gemgate.errors import GatewayError, SignedOut, StorageDown, Unreachable
from gemgate.policy.cookie_order import cookie_order
from gemgate.pool.record import InMemoryRecord
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, StoredAccount
from gemgate.ports.cookies import CookieSource
from gemgate.ports.upstream import Upstream
from gemgate.settings import Settings, outdated, shown
from gemgate.settings.sections import ZH, in_sections
from gemgate.stores.blobs import ObjectBlobStore
from gemgate.stores.sql.database import unopened
from gemgate.stores.sql.live_settings import SqlSettingStore
from gemgate.telemetry import Observers, SystemClock, system_random
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


def show_settings(
    as_json: JsonOption = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default.")] = False,
    config: ConfigOption = None,
) -> None:
    """Print every setting in force and where it came from; secrets are never shown."""
    loaded = load_settings(config=config)
    settings, live = run(_with_changes(loaded.settings))
    origins = {**loaded.origins, **dict.fromkeys(live, "database")}
    rows = {
        name.upper(): {"value": shown(settings, name), "from": origins[name], "about": field.description}
        for name, field in Settings.model_fields.items()
        if not changed or origins[name] != "default"
    }
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not rows:
        out.print(say("Every setting is the default.", "所有设置均为默认值。"))
    for title, names in in_sections():
        mine = [name.upper() for name in names if name.upper() in rows]
        if mine:
            out.print(marked("\n[bold]{}[/bold]", say(title, ZH[title])))
        for name in mine:
            row = rows[name]
            style = "dim" if row["from"] == "default" else "bold"
            line = marked(f"[{style}]{{}}[/{style}] {{}}", f"{name:28} {row['value'] or '-':44}", row["from"])
            out.print(line, highlight=False, soft_wrap=True)


async def _with_changes(settings: Settings) -> tuple[Settings, Collection[str]]:
    """What gateways take of the database beside it, and the names of those; nothing is made or upgraded for that."""
    file = sqlite_path(settings)
    if file is not None and not file.is_file():
        return settings, ()
    database = unopened(database_url(settings))
    live = LiveSettings(settings, SqlSettingStore(database), SystemClock(), Observers([]))
    try:
        return await live.load(), live.changed
    except StorageDown as error:
        why = marked(
            "[dim]{}[/dim]", say(f"Without what was changed on the page: {error.en}", f"不含页面上的更改：{error.zh}")
        )
        err.print(why, highlight=False, soft_wrap=True)
        return settings, ()
    finally:
        await database.close()


def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check cookies, the way to Google, disk, clock and versions, and say what to do."""
    settings = load_settings(config=config).settings
    findings = run(_all(settings))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            out.print(
                marked(_MARK[finding.verdict] + " {}: {}", finding.check, finding.found),
                highlight=False,
                soft_wrap=True,
            )
            if finding.advice:
                out.print(f"       → {finding.advice}", style="dim", highlight=False, soft_wrap=True)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [_versions(), _disk(settings.data_dir), _clock(settings.data_dir), _listening(settings)]
    findings += [Finding("settings", "warn", sentence) for sentence in outdated()]
    findings += await storage(settings)
    findings += [finding async for finding in _accounts(settings)]
    return findings


async def storage(settings: Settings) -> list[Finding]:
    """Whether the bucket takes an object, once only, and gives it back; and if not, in which style it would."""
    try:
        store = open_bucket(settings)
    except GatewayError as error:
        return [Finding("storage", "fail", error.en)]
    if store is None:
        return []
    trouble = await _tried(store)
    if not trouble:
        return [Finding("storage", "ok", f"the bucket takes objects; once only by {store.creating!r}")]
    for addressing in ("virtual", "path"):
        other = open_bucket(settings.model_copy(update={"s3_addressing": addressing, "s3_creating": "auto"}))
        if other is not None and addressing != settings.s3_addressing and not await _tried(other):
            return [Finding("storage", "fail", trouble, f"set S3_ADDRESSING={addressing} and S3_CREATING=auto: works")]
    return [Finding("storage", "fail", trouble, "check endpoint, region, bucket and keys")]


async def _tried(store: ObjectBlobStore) -> str:
    """What goes wrong with an object of our own, "" for nothing."""
    key = f"doctor/{os.getpid()}-{time.time_ns()}"
    try:
        if not await store.put(key, b"first", "text/plain", replace=False):
            return "the bucket says of a new name that it is there"
        again = await store.put(key, b"second", "text/plain", replace=False)
        kept = (await store.get(key)).data
        await store.delete([key])
    except GatewayError as error:
        return error.en
    return "the bucket lets a second object take the name of the first" if again or kept != b"first" else ""


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


async def _accounts(settings: Settings) -> AsyncIterator[Finding]:
    """Every account: which cookies count and why, and whether they sign in."""
    place = sqlite_path(settings)
    stored: dict[str, StoredAccount] = {}
    if place is None or place.exists():
        try:
            stored = {kept.name: kept for kept in await stored_accounts(settings)}
        except GatewayError as error:
            yield Finding("database", "fail", error.en, "what it holds of the accounts is not known here")
    named = {setup.name: setup for setup in seeds_of(settings)}
    setups = {name: kept.setup for name, kept in stored.items() if kept.setup.origin == "admin"} | named
    if not setups:
        yield Finding("cookies", "fail", "no account is set up and no cookies are set", _HOW)
        return
    build = account_builder(settings, clock=SystemClock(), random=system_random, observer=Observers([]))
    sessions: dict[tuple[str, int], str] = {}
    for name, setup in setups.items():
        kept = replace(stored.get(name) or StoredAccount(setup), setup=setup)
        if setup.kind == "official":
            yield Finding(f"account {name}", "ok", f"official API, key from {setup.source}; no cookies")
            continue
        account = build(setup, Egress("doctor"), InMemoryRecord())
        try:
            if setup.number or setup.language:
                yield Finding(f"account {name}", "ok", _seat(setup))
            async for finding in _account(name, account.source, account.upstream, kept, sessions):
                yield finding
        finally:
            await account.upstream.close()


def _seat(setup: AccountSetup) -> str:
    speaks = f", asked to speak {setup.language}" if setup.language else ""
    return f"number {setup.number} of its cookies (gemini.google.com/u/{setup.number}){speaks}"


async def stored_accounts(settings: Settings) -> tuple[StoredAccount, ...]:
    """The accounts as the database has them."""
    async with open_storage(settings, exclusive=False) as storage:
        return await storage.accounts.all()


async def _account(
    name: str,
    source: CookieSource | None,
    upstream: Upstream,
    kept: StoredAccount,
    sessions: dict[tuple[str, int], str],
) -> AsyncIterator[Finding]:
    """sessions: session and number among its accounts -> the account whose it is, of those looked at so far."""
    fresh, trouble = None, ""
    if source is not None:
        try:
            fresh = await source.read()
            trouble = "" if fresh else source.missing or "it holds no cookies (yet)"
        except GatewayError as error:
            trouble = error.en
    live = source is not None and source.live
    order = cookie_order(kept, fresh, live=live)
    where = source.name if source else "by hand"
    if trouble:
        yield Finding(f"source of {name}", "warn", f"{where}: {trouble}", "the stored ones count meanwhile")
    if kept.trouble is not None:
        yield Finding(f"stored cookies of {name}", "fail", kept.trouble.en, "put the old key back, or sign in again")
    yield Finding(f"cookies of {name}", "ok" if order else "fail", _why(order, fresh, kept, where, live=live))
    if not order:
        yield Finding(f"sign-in of {name}", "fail", "there is nothing to sign in with", _HOW)
        return
    first = sessions.setdefault((order[0].identity, kept.setup.number), name)
    if first != name:
        yield Finding(
            f"session of {name}",
            "fail",
            f"the account {first} has it too ({order[0].identity}): renewing one ends the other",
            f"remove one of the two, or sign in to {name} in a private window of its own",
        )
    if not order[0].psidts:
        yield Finding(f"cookies of {name}", "warn", "__Secure-1PSIDTS is not set", "most accounts need it: copy it too")
    yield await _sign_in(name, upstream, order)


def _why(order: Sequence[Cookies], fresh: Cookies | None, kept: StoredAccount, where: str, *, live: bool) -> str:
    """Which cookies come first, in words (the rule is `precedence`). Sessions are named by their digest."""
    if not order:
        return f"none, neither from the source ({where}) nor stored"
    first = order[0]
    others = f"; {len(order) - 1} more to fall back on" if len(order) > 1 else ""
    if first != fresh:
        renewed = "have been renewed since" if fresh is not None else "are all there is"
        source = f": the text of {where} has not changed since it was taken" if fresh is not None else ""
        return f"the stored ones count (session {first.identity}), they {renewed}{source}{others}"
    if first == kept.cookies:
        return f"{where} and the store hold the same ones (session {first.identity}){others}"
    if live:
        return (
            f"{where} counts (session {first.identity}): a live browser rotates, and gemgate only reads along{others}"
        )
    changed = "its text has changed since it was taken" if kept.source_digest else "nothing is stored yet"
    return f"{where} counts (session {first.identity}): {changed}{others}"


async def _sign_in(name: str, upstream: Upstream, order: Sequence[Cookies]) -> Finding:
    """Try them in their order, as the gateway does."""
    check, began = f"sign-in of {name}", time.monotonic()
    refused: SignedOut | None = None
    for number, cookies in enumerate(order, 1):
        try:
            opened = await upstream.open(cookies)
        except SignedOut as error:
            refused = error
            continue
        except Unreachable as error:
            return Finding(check, "fail", error.en, "check the network, PROXY_URL and PROXY_CA_FILE")
        except GatewayError as error:
            return Finding(check, "fail", error.en, "try again later; if it stays, look for an update of gemgate")
        models = ", ".join(offer.name for offer in opened.models)
        text = f"signed in ({opened.status}) in {time.monotonic() - began:.1f} s; models: {models}"
        if number == 1:
            return Finding(check, "ok", text)
        return Finding(check, "warn", f"only the older cookies are good: {text}", "hand over fresh cookies soon")
    assert refused is not None
    advice = "sign in again in a private window, copy fresh values, and do not use that session elsewhere"
    return Finding(check, "fail", refused.en, advice)


_HOW = (
    "sign in to gemini.google.com in a private window and copy __Secure-1PSID and __Secure-1PSIDTS: into SECURE_1PSID "
    "and SECURE_1PSIDTS, onto the page, or into `gemgate accounts add`; then close that window without signing out"
)
