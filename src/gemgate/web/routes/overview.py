"""Whether everything is all right, in one sentence, and the facts behind it: what the page asks for every few seconds.

Times are absolute, so that the answer changes only when something happens, and a browser that has it is told "304".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import orjson
from starlette.responses import Response

from gemgate.accounts import CAPABILITY_WORDS, Capability
from gemgate.assembly.service import Service
from gemgate.frozen import frozen
from gemgate.pool.account import Account
from gemgate.pool.status import AccountStatus
from gemgate.version import __version__
from gemgate.web.context import NodeContext
from gemgate.web.operation import CACHED, Router, operation
from gemgate.web.routes.accounts import account_of

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

HOUR = 3600.0
Level = Literal["ok", "starting", "warn", "down", "setup"]


@frozen
class Summary:
    """How the service stands as a whole, in both languages."""

    level: Level
    en: str
    zh: str


@frozen
class AccountOverview:
    """What the verdict needs to know of one account. lanes: all, and those taken.

    status: for text, by which /ready judges as well. cooling: other capabilities that rest.
    """

    name: str
    status: AccountStatus
    lanes: int
    busy: int
    cooling: tuple[Capability, ...] = ()


def summary_of(accounts: Sequence[AccountOverview], degraded: Sequence[str], now: float) -> Summary:
    """One sentence. The worst comes first: nobody can answer, somebody needs help, something is degraded."""
    if not accounts:
        return Summary("setup", "No Google account is set up yet.", "尚未设置 Google 账号。")
    usable = [one for one in accounts if one.status.usable]
    helpless = [one for one in accounts if one.status.state in ("needs_login", "error")]
    if all(one.status.state == "starting" for one in accounts):
        return Summary("starting", "The accounts are signing in.", "账号正在登录。")
    if not usable:
        return _no_account(accounts, helpless, now)
    resting = [one for one in accounts if not one.status.usable]
    if helpless:
        need, need_zh = _need(helpless)
        return Summary("warn", f"Calls are answered, but {need}.", f"服务正常，但 {need_zh}。")
    if resting:
        names = ", ".join(one.name for one in resting)
        verb = "rests" if len(resting) == 1 else "rest"
        return Summary("warn", f"Calls are answered; {names} {verb} for now.", f"服务正常；{names} 暂时休息。")
    if degraded:
        return Summary("warn", f"Calls are answered, but: {degraded[0]}.", f"服务正常，但存在降级：{degraded[0]}。")
    for one in usable:
        if one.cooling:
            words = [CAPABILITY_WORDS[capability] for capability in one.cooling]
            what, what_zh = " and ".join(one.en for one in words), "、".join(one.zh for one in words)
            return Summary(
                "warn", f"Text is answered; {one.name} rests for {what}.", f"文本正常；{one.name} 的{what_zh}暂时休息。"
            )
    lanes, busy = sum(one.lanes for one in usable), sum(one.busy for one in usable)
    count = f"{len(usable)} account{'s' if len(usable) > 1 else ''}"
    return Summary(
        "ok",
        f"Everything is all right: {count} ready, {max(0, lanes - busy)} of {lanes} lanes free.",
        f"一切正常：{len(usable)} 个账号可用，{lanes} 个通道中 {max(0, lanes - busy)} 个空闲。",
    )


def _no_account(accounts: Sequence[AccountOverview], helpless: Sequence[AccountOverview], now: float) -> Summary:
    thaws = [one.status.until for one in accounts if one.status.until > now]
    if thaws:
        minutes = max(1, round((min(thaws) - now) / 60))
        return Summary(
            "down",
            f"No account can answer at the moment; the first is back in about {minutes} min.",
            f"目前没有可用的账号；最早约 {minutes} 分钟后恢复。",
        )
    if helpless:
        need, need_zh = _need(helpless)
        return Summary("down", f"No account can answer: {need}.", f"没有可用的账号：{need_zh}。")
    if any(one.status.state in ("cooling", "blocked") for one in accounts):
        return Summary(
            "down",
            "No account can answer at the moment; one call is finding out whether Google does again.",
            "目前没有可用的账号；正在用一次调用探测 Google 是否恢复。",
        )
    return Summary("down", "No account can answer: all are paused.", "没有可用的账号：全部已暂停。")


def _need(helpless: Sequence[AccountOverview]) -> tuple[str, str]:
    """What they need of a person."""
    names = ", ".join(one.name for one in helpless)
    verb = "needs" if len(helpless) == 1 else "need"
    if all(one.status.state == "needs_login" for one in helpless):
        return f"{names} {verb} a new login", f"{names} 需要重新登录"
    return f"{names} {verb} your attention", f"{names} 需要处理"


@operation(
    router,
    "GET",
    "/api/overview",
    "overview",
    group="any",
    answers="operating.Overview",
    level="admin",
    summary="Whether everything is all right, and why",
    also=CACHED,
)
async def overview(context: NodeContext) -> Response:
    facts = facts_of(context)
    etag = f'W/"{hashlib.sha256(orjson.dumps(facts)).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "accept-language, cookie, authorization"}
    if context.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    answer = {"now": context.service.clock.now(), **facts}
    return Response(orjson.dumps(answer), headers=headers, media_type="application/json")


def facts_of(context: NodeContext) -> dict[str, Any]:
    """Everything but the moment it was asked at."""
    service = context.service
    now = service.clock.now()
    accounts = service.pool.accounts
    degraded = service.troubles(context.caller.language)
    said = summary_of([_account(m, now) for m in accounts], degraded, now)
    return {
        "level": said.level,
        "sentence": {"en": said.en, "zh": said.zh},
        "degraded": degraded,
        "accounts": [
            _lasting({**account_of(m, service.account_registry, now, context.caller.language)}, now) for m in accounts
        ],
        "waiting": service.pool.waiting,
        "requests": _requests(service, now),
        "version": __version__,
        "node": service.settings.gemini_worker_id,
        "started_at": round(service.started_at),
    }


def _account(account: Account, now: float) -> AccountOverview:
    resting = tuple(c for c, circuit in account.cooldowns().items() if c != "text" and circuit.phase(now) == "open")
    return AccountOverview(account.name, account.status("text"), account.lanes, account.busy, resting)


def _lasting(account: dict[str, Any], now: float) -> dict[str, Any]:
    """The same with the moments that its seconds count down to, so that it does not change by itself."""
    account["until"] = _moment(account.pop("seconds_left"), now)
    account["dies_at"] = _moment(account.pop("forecast_seconds"), now, 60)
    rest = account["address_rest"]
    rest["until"] = _moment(rest.pop("seconds_left"), now)
    for cooldown in account["cooldowns"]:
        cooldown["until"] = _moment(cooldown.pop("seconds_left"), now)
    return account


def _moment(seconds: float | None, now: float, grain: int = 1) -> int | None:
    return round((now + seconds) / grain) * grain if seconds else None


def _requests(service: Service, now: float) -> shapes.RequestCounts:
    """Of the last hour, as far as they are remembered."""
    ended = failed = under_way = 0
    for record in service.recent.latest():
        if record.began < now - HOUR:
            break
        if record.seconds is None:
            under_way += 1
        elif record.model:
            ended += 1
            failed += (record.status or 0) >= 400 or record.in_band
    return {"ended": ended, "failed": failed, "under_way": under_way}
