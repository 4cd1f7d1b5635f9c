"""`gemgate settings` and `gemgate doctor`: what is in force, what is wrong, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import SecretStr

from gemgate.accounts import Cookies
from gemgate.assembly.accounts import account_builder, seeds_of
from gemgate.assembly.defaults import in_force
from gemgate.assembly.live_settings import LiveSettings
from gemgate.assembly.storage import Look, database_url, look, open_bucket, sqlite_path
from gemgate.cli.console import err, marked, out
from gemgate.cli.terminal import ConfigOption, JsonOption, language, load_settings, run, say, write_json
from gemgate.errors import GatewayError, LocalText, SignedOut, StorageDown, Unreachable
from gemgate.frozen import frozen
from gemgate.policy.cookie_order import cookie_order
from gemgate.pool.record import InMemoryRecord
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, StoredAccount
from gemgate.ports.cookies import CookieSource
from gemgate.ports.upstream import Upstream
from gemgate.settings import SECRET_MARK, Settings, shown
from gemgate.settings.loading import origin_of
from gemgate.settings.outdated import outdated
from gemgate.settings.sections import about, in_sections
from gemgate.stores.blobs import ObjectBlobStore
from gemgate.stores.sql import migrate
from gemgate.stores.sql.database import unopened
from gemgate.stores.sql.live_settings import SqlSettingStore
from gemgate.stores.sql.schema import setting_change
from gemgate.telemetry import Observers, SystemClock, system_random
from gemgate.version import __version__

Verdict = Literal["ok", "warn", "fail"]
_MARK = {
    "ok": ("[green]ok[/green]  ", "[green]正常[/green]"),
    "warn": ("[yellow]warn[/yellow]", "[yellow]注意[/yellow]"),
    "fail": ("[red]fail[/red]", "[red]失败[/red]"),
}
_CHECKS = {
    "version": "版本", "disk": "磁盘", "clock": "时钟", "access": "访问", "settings": "设置", "storage": "存储",
    "database": "数据库", "account": "账号", "cookies": " Cookie", "source": " Cookie 来源",
    "stored cookies": "已存储的 Cookie", "sign-in": "登录", "session": "会话",
}  # fmt: skip
"""What is checked, as it is called in Chinese."""
LOW_DISK = 500_000_000


@frozen
class Finding:
    """One check: what was found, and what to do when it is not ok."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""

    @property
    def named(self) -> str:
        """What is checked, for people: "sign-in of alice"."""
        what, _, name = self.check.partition(" of ") if " of " in self.check else self.check.partition(" ")
        chinese = _CHECKS.get(what, what)
        return say(self.check, f"{name} 的{chinese}" if " of " in self.check else f"{chinese} {name}".strip())


def show_settings(
    as_json: JsonOption = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default.")] = False,
    config: ConfigOption = None,
) -> None:
    """Print every setting in force and where it came from; secrets are never shown."""
    loaded = load_settings(config=config)
    settings, live, unset = run(_with_changes(loaded.settings))
    origins = {**loaded.origins, **dict.fromkeys(live, "database")}
    rows = {
        name.upper(): {
            "value": shown(settings, name) or unset.get(name, ""),
            "from": origins[name],
            "about": about(name, language()),
        }
        for name in Settings.model_fields
        if not changed or origins[name] != "default"
    }
    if as_json:
        write_json(rows)
        return
    if not rows:
        out.print(say("Every setting is the default.", "所有设置均为默认值。"))
    for title, names in in_sections():
        mine = [name.upper() for name in names if name.upper() in rows]
        if mine:
            out.print(marked("\n[bold]{}[/bold]", title.for_(language())))
        for name in mine:
            row = rows[name]
            style = "dim" if row["from"] == "default" else "bold"
            origin = origin_of(row["from"]).for_(language()).strip()
            secret = isinstance(getattr(settings, name.lower()), SecretStr)
            value = say(SECRET_MARK, "已设置") if secret else row["value"] or "-"
            line = marked(f"[{style}]{{}}[/{style}] {{}}", f"{name:28} {value:44}", origin)
            out.print(line, highlight=False, soft_wrap=True)


async def _with_changes(settings: Settings) -> tuple[Settings, Collection[str], Mapping[str, str]]:
    """With what gateways take of the database, and the names of those; and what is in force of what is not set."""
    settings, live = await _changed(settings)
    return settings, live, in_force(settings)


async def _changed(settings: Settings) -> tuple[Settings, Collection[str]]:
    """Nothing is made or upgraded for that."""
    file = sqlite_path(settings)
    if file is not None and not file.is_file():
        return settings, ()
    database = unopened(database_url(settings), only_look=True)
    live = LiveSettings(settings, SqlSettingStore(database), SystemClock(), Observers([]))
    try:
        async with database.reading() as connection:
            if not await connection.run_sync(migrate.holds, setting_change):  # an older gemgate's
                return settings, ()
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
        write_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            out.print(
                marked(say(*_MARK[finding.verdict]) + say(" {}: {}", " {}：{}"), finding.named, finding.found),
                highlight=False,
                soft_wrap=True,
            )
            if finding.advice:
                out.print(f"       → {finding.advice}", style="dim", highlight=False, soft_wrap=True)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [_versions(), _disk(settings.data_dir), _clock(settings.data_dir), _listening(settings)]
    findings += [Finding("settings", "warn", sentence.for_(language())) for sentence in outdated()]
    findings += await storage(settings)
    findings += [finding async for finding in _accounts(settings)]
    return findings


async def storage(settings: Settings) -> list[Finding]:
    """Whether the bucket takes an object, once only, and gives it back; and if not, in which style it would."""
    try:
        store = open_bucket(settings)
    except GatewayError as error:
        return [Finding("storage", "fail", error.text(language()))]
    if store is None:
        return []
    trouble = await _tried(store)
    if not trouble:
        once = store.creating
        takes = say(f"the bucket takes objects; once only by {once!r}", f"存储桶可以写入对象；仅创建一次的方式：{once}")
        return [Finding("storage", "ok", takes)]
    for addressing in ("virtual", "path"):
        other = open_bucket(settings.model_copy(update={"s3_addressing": addressing, "s3_creating": "auto"}))
        if other is not None and addressing != settings.s3_addressing and not await _tried(other):
            works = f"S3_ADDRESSING={addressing} and S3_CREATING=auto", f"S3_ADDRESSING={addressing}、S3_CREATING=auto"
            return [Finding("storage", "fail", trouble, say(f"set {works[0]}: works", f"设置 {works[1]} 即可"))]
    advice = say("check endpoint, region, bucket and keys", "请检查端点、区域、存储桶和密钥")
    return [Finding("storage", "fail", trouble, advice)]


async def _tried(store: ObjectBlobStore) -> str:
    """What goes wrong with an object of our own, "" for nothing."""
    key = f"doctor/{os.getpid()}-{time.time_ns()}"
    try:
        if not await store.put(key, b"first", "text/plain", replace=False):
            return say("the bucket says of a new name that it is there", "存储桶认为新名称已经存在")
        again = await store.put(key, b"second", "text/plain", replace=False)
        kept = (await store.get(key)).data
        await store.delete([key])
    except GatewayError as error:
        return error.text(language())
    if not again and kept == b"first":
        return ""
    return say("the bucket lets a second object take the name of the first", "存储桶允许第二个对象覆盖同名的第一个")


def _versions() -> Finding:
    library = version("gemini-webapi")
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("version", "ok", f"gemgate {__version__}, gemini-webapi {library}, Python {python}")


def _disk(folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        found = say(f"{folder} cannot be written", f"无法写入 {folder}")
        return Finding(
            "disk", "fail", found, say("set DATA_DIR to a folder of yours", "请把 DATA_DIR 设为可写的文件夹")
        )
    free = shutil.disk_usage(there).free
    text = say(f"{free / 1e9:.1f} GB free for {folder}", f"{folder} 可用空间 {free / 1e9:.1f} GB")
    if free < LOW_DISK:
        advice = say(
            "pictures and batches need room; free some or move DATA_DIR",
            "图片和批量任务需要空间；请清理磁盘或移动 DATA_DIR",
        )
        return Finding("disk", "warn", text, advice)
    return Finding("disk", "ok", text)


def _clock(folder: Path) -> Finding:
    """A clock before this release, or far behind the disk's newest file, breaks cookies and limits."""
    now = time.time()
    newest = max((path.stat().st_mtime for path in folder.glob("*")), default=0.0) if folder.is_dir() else 0.0
    if now < newest - 3600 or time.gmtime(now).tm_year < 2025:
        advice = say("set the clock, best by NTP", "请校准时钟，最好使用 NTP")
        return Finding("clock", "fail", time.strftime("%c", time.localtime(now)), advice)
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))


def _listening(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    if settings.api_keys:
        keys = len(settings.api_keys)
        return Finding("access", "ok", say(f"{where}, {keys} API key(s)", f"{where}，{keys} 个 API 密钥"))
    if settings.on_loopback:
        return Finding("access", "ok", say(f"{where}, open to this machine only", f"{where}，仅限本机访问"))
    found = say(f"{where}, open to everybody (AUTH=none)", f"{where}，对所有人开放（AUTH=none）")
    return Finding("access", "warn", found, say("set API_KEY", "请设置 API_KEY"))


async def _accounts(settings: Settings) -> AsyncIterator[Finding]:
    """Every account: which cookies count and why, and whether they sign in."""
    seen = Look()
    unknown = say("what it holds of the accounts is not known here", "其中保存的账号无法得知")
    try:
        seen = await look(settings)
    except GatewayError as error:
        yield Finding("database", "fail", error.text(language()), unknown)
    if seen.older:
        yield Finding("database", "warn", *_older(settings, seen))
    stored = {kept.name: kept for kept in seen.accounts or ()}
    named = {setup.name: setup for setup in seeds_of(settings)}
    setups = {name: kept.setup for name, kept in stored.items() if kept.setup.origin == "admin"} | named
    if not setups and seen.accounts is None:
        yield Finding("cookies", "warn", unknown)
        return
    if not setups:
        none = say("no account is set up and no cookies are set", "没有账号，也没有设置 Cookie")
        yield Finding("cookies", "fail", none, _HOW.for_(language()))
        return
    build = account_builder(settings, clock=SystemClock(), random=system_random, observer=Observers([]))
    sessions: dict[tuple[str, int], str] = {}
    for name, setup in setups.items():
        kept = replace(stored.get(name) or StoredAccount(setup), setup=setup)
        if setup.kind == "official":
            official = (
                f"official API, key from {setup.source}; no cookies",
                f"官方 API，密钥来自 {setup.source}；没有 Cookie",
            )
            yield Finding(f"account {name}", "ok", say(*official))
            continue
        account = await build(setup, Egress("doctor"), InMemoryRecord())
        try:
            if setup.number or setup.language:
                yield Finding(f"account {name}", "ok", _seat(setup))
            async for finding in _account(name, account.source, account.upstream, kept, sessions):
                yield finding
        finally:
            await account.upstream.close()


def _older(settings: Settings, seen: Look) -> tuple[str, str]:
    """That the schema is of an older gemgate, and what brings it up."""
    now = migrate.newest()
    found = say(
        f"its schema, {seen.older}, is of an older gemgate; this one has {now}. Nothing was changed",
        f"其架构 {seen.older} 属于较旧的 gemgate，当前版本为 {now}；未作任何更改",
    )
    if seen.accounts is None:
        found += say("; its accounts can be looked at afterwards", "；升级后才能查看其中的账号")
    if sqlite_path(settings) is None:
        return found, say(
            "make a backup with pg_dump; the next start of the gateway brings it up",
            "请先用 pg_dump 备份；网关下次启动时自动升级",
        )
    return found, say(
        f"the next start of the gateway copies it (gemgate.sqlite3.schema-{seen.older}…, beside it) and brings it up",
        f"网关下次启动时会先复制（旁边的 gemgate.sqlite3.schema-{seen.older}…），再自动升级",
    )


def _seat(setup: AccountSetup) -> str:
    place = f"gemini.google.com/u/{setup.number}"
    speaks, speaks_zh = (
        (f", asked to speak {setup.language}", f"，语言 {setup.language}") if setup.language else ("", "")
    )
    return say(
        f"number {setup.number} of its cookies ({place}){speaks}",
        f"Cookie 中的第 {setup.number} 号账号（{place}）{speaks_zh}",
    )


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
            trouble = (
                ""
                if fresh
                else source.missing.for_(language()) or say("it holds no cookies (yet)", "其中（还）没有 Cookie")
            )
        except GatewayError as error:
            trouble = error.text(language())
    live = source is not None and source.live
    order = cookie_order(kept, fresh, live=live)
    where = source.name if source else say("by hand", "手动提供")
    if trouble:
        meanwhile = say("the stored ones count meanwhile", "期间使用已存储的")
        yield Finding(f"source of {name}", "warn", say(f"{where}: {trouble}", f"{where}：{trouble}"), meanwhile)
    if kept.trouble is not None:
        advice = say("put the old key back, or sign in again", "请恢复原来的密钥，或重新登录")
        yield Finding(f"stored cookies of {name}", "fail", kept.trouble.text(language()), advice)
    yield Finding(f"cookies of {name}", "ok" if order else "fail", _why(order, fresh, kept, where, live=live))
    if not order:
        nothing = say("there is nothing to sign in with", "没有可用于登录的 Cookie")
        yield Finding(f"sign-in of {name}", "fail", nothing, _HOW.for_(language()))
        return
    first = sessions.setdefault((order[0].identity, kept.setup.number), name)
    if first != name:
        yield Finding(
            f"session of {name}",
            "fail",
            say(
                f"the account {first} has it too ({order[0].identity}): renewing one ends the other",
                f"账号 {first} 也使用该会话（{order[0].identity}）：其中一个续期会使另一个失效",
            ),
            say(
                f"remove one of the two, or sign in to {name} in a private window of its own",
                f"请删除其中一个，或在单独的无痕窗口中为 {name} 登录",
            ),
        )
    if not order[0].psidts:
        missing = say("__Secure-1PSIDTS is not set", "未设置 __Secure-1PSIDTS")
        yield Finding(
            f"cookies of {name}",
            "warn",
            missing,
            say("most accounts need it: copy it too", "多数账号需要它：请一并复制"),
        )
    yield await _sign_in(name, upstream, order)


def _why(order: Sequence[Cookies], fresh: Cookies | None, kept: StoredAccount, where: str, *, live: bool) -> str:
    """Which cookies come first, in words (the rule is `precedence`). Sessions are named by their digest."""
    if not order:
        return say(f"none, neither from the source ({where}) nor stored", f"没有：来源（{where}）和存储中都没有")
    first, more = order[0], len(order) - 1
    others = say(f"; {more} more to fall back on", f"；另有 {more} 份备用") if more else ""
    if first != fresh:
        stored = f"the stored ones count (session {first.identity}), they ", f"使用已存储的（会话 {first.identity}），"
        if fresh is None:
            return say(f"{stored[0]}are all there is", f"{stored[1]}只有这些") + others
        unchanged = f"have been renewed since: the text of {where} has not changed since it was taken"
        return say(f"{stored[0]}{unchanged}", f"{stored[1]}之后已续期：{where} 的内容自采用以来没有变化") + others
    if first == kept.cookies:
        same = f"{where} and the store hold the same ones (session {first.identity})"
        return say(same, f"{where} 与存储中的相同（会话 {first.identity}）") + others
    if live:
        why = "a live browser rotates, and gemgate only reads along", "由运行中的浏览器续期，gemgate 只读取"
    elif kept.source_digest:
        why = "its text has changed since it was taken", "其内容自采用以来已变化"
    else:
        why = "nothing is stored yet", "尚未存储"
    session = first.identity
    return say(f"{where} counts (session {session}): {why[0]}", f"使用 {where}（会话 {session}）：{why[1]}") + others


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
            advice = say("check the network, PROXY_URL and PROXY_CA_FILE", "请检查网络、PROXY_URL 和 PROXY_CA_FILE")
            return Finding(check, "fail", error.text(language()), advice)
        except GatewayError as error:
            advice = say(
                "try again later; if it stays, look for an update of gemgate",
                "请稍后再试；若持续出现，请检查 gemgate 是否有更新",
            )
            return Finding(check, "fail", error.text(language()), advice)
        models, seconds = ", ".join(offer.name for offer in opened.models), time.monotonic() - began
        text = say(
            f"signed in ({opened.status}) in {seconds:.1f} s; models: {models}",
            f"已登录（{opened.status}），用时 {seconds:.1f} 秒；模型：{models}",
        )
        if number == 1:
            return Finding(check, "ok", text)
        older = say(f"only the older cookies are good: {text}", f"只有较旧的 Cookie 有效：{text}")
        return Finding(check, "warn", older, say("hand over fresh cookies soon", "请尽快提供新的 Cookie"))
    assert refused is not None
    advice = say(
        "sign in again in a private window, copy fresh values, and do not use that session elsewhere",
        "请在无痕窗口中重新登录并复制新的值，不要在其他地方使用该会话",
    )
    return Finding(check, "fail", refused.text(language()), advice)


_HOW = LocalText(
    "sign in to gemini.google.com in a private window and copy __Secure-1PSID and __Secure-1PSIDTS: into SECURE_1PSID "
    "and SECURE_1PSIDTS, onto the page, or into `gemgate accounts add`; then close that window without signing out",
    "请在无痕窗口中登录 gemini.google.com，复制 __Secure-1PSID 和 __Secure-1PSIDTS："
    "写入 SECURE_1PSID 和 SECURE_1PSIDTS，粘贴到页面，或交给 `gemgate accounts add`；然后直接关闭该窗口，不要退出登录",
)
