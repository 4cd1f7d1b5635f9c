"""Admin routes: the accounts, their cookies (handed over, never shown), their circuits, the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gemgate.accounts import CAPABILITIES, Capability, Cookies, UsageWindow, binding_browser
from gemgate.dialects import cookie_text, simple, wire
from gemgate.policy import binding
from gemgate.pool.account import Account
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.remedies import remedy_of
from gemgate.pool.status import why_rests, why_way_rests
from gemgate.pool.usage import Standing
from gemgate.ports.accounts import AccountSetup
from gemgate.web.context import NodeContext, RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with, whole_number

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

router = Router()

BODY = 1_000_000
_LANGUAGE = r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2})?$"


class AccountRequest(wire.Body):
    """Body of POST /api/accounts. `source` as COOKIE_SOURCE is spelled; none = cookies are handed over by hand."""

    name: str = Field(min_length=1, max_length=64)
    source: str = ""
    proxy: str | None = Field(default=None, description="Its way out, or several with blanks between")
    rotate: bool = Field(default=True, description="Whether its cookies are renewed by us, where no browser does it")
    desktop: str = Field(default="", max_length=500, description="Where a person reaches its browser (http, https)")
    lanes: int | None = Field(default=None, ge=1, le=256)
    weight: float = Field(default=1.0, ge=0)
    number: int = Field(default=0, ge=0, le=9, description="Which account of its cookies: N of gemini.google.com/u/N")
    language: str = Field(default="", pattern=_LANGUAGE, description="What Google is asked to speak; none = its own")
    prompt_max_bytes: int | None = Field(
        default=None, ge=0, description="How much of a prompt it reads, 0 = any number"
    )
    prompt_with_files_max_bytes: int | None = Field(default=None, ge=0, description="The same, files included")
    cookies: dict[str, Any] | list[Any] | str | None = None
    only_new: bool = Field(default=False, description="409 `account_exists` rather than setting one up anew")


class ResetRequest(wire.Body):
    capability: Capability | None = None


def account_of(account: Account, account_registry: AccountRegistry, now: float, language: str) -> shapes.Account:
    """An account as the page and the API show it: its word, its countdowns, its lanes. Never a cookie."""
    status = account.status()
    zh = language.startswith("zh")
    dies = account_registry.forecast(account)
    remedy = remedy_of(account, account_registry.desktop(account))
    return {
        "name": account.name,
        "kind": account.upstream.kind,
        "google": str(account.google) or None,
        "state": status.state,
        "why": status.why.zh if zh else status.why.en,
        "reason": status.reason or None,
        "remedy": {
            "title": remedy.title.zh if zh else remedy.title.en,
            "text": remedy.text.zh if zh else remedy.text.en,
            "url": remedy.url or None,
            "opens": remedy.opens or None,
        }
        if remedy
        else None,
        "desktop": account_registry.desktop(account) or None,
        "seconds_left": max(0.0, round(status.until - now, 1)) if status.until else None,
        "lanes": {"max": account.lanes, "busy": account.busy},
        "weight": account.weight,
        "fallback": account.fallback,
        "number": account.number,
        "language": account.language,
        "rotate": account.rotate,
        "source": account.source.name if account.source else "",
        "live_browser": bool(account.source and account.source.live) or account.browser.rotates(account.cookies, now),
        "address": account.egress.name,
        "address_rest": {
            "phase": account.egress.circuit.phase(now),
            "seconds_left": max(0.0, round(account.egress.circuit.until - now, 1)),
            "reason": why_way_rests(account.egress.circuit).for_(language),
            "per_minute": account.egress.pace.per_minute,
            "at_once": account.egress.pace.burst,
            "at_once_warm": account.egress.full_burst,
        },
        "models": [offer.name for offer in account.models],
        "signed_in_at": account.signed_in_at or None,
        "renewed_at": account.renewed_at or None,
        "renewal": account.renewal,
        "forecast": (dies.zh if zh else dies.en) if dies else None,
        "forecast_seconds": round(dies.seconds) if dies else None,
        **usage_of(account, now),
        "reads": reads_of(account),
        "notice": _notice(account, zh) or None,
        "last_error": account.last_error.text(language) if account.last_error else None,
        "cooldowns": [
            {
                "capability": capability,
                "phase": circuit.phase(now),
                "seconds_left": max(0.0, round(circuit.until - now, 1)),
                "reason": why_rests(circuit).for_(language),
            }
            for capability, circuit in account.cooldowns().items()
        ],
        "pace": {
            "delay": account.pacer.current_delay,
            "rpm_limit": account.pacer.rpm,
            "consecutive_429s": account.pacer.consecutive_429s,
        },
    }


def usage_of(account: Account, now: float) -> shapes.AccountUsageFacts:
    """What Google says is left of the account: its plan, every window, and which one binds, by capability."""
    usage = account.usage
    standing = {capability: one for capability in CAPABILITIES if (one := usage.binding([capability], now))}
    first = min(standing.values(), key=lambda one: one.left, default=None)
    return {
        "tier": usage.tier,
        "overage": usage.overage,
        "usage": [_window(account, one) for one in usage.windows],
        "usage_at": usage.read_at or None,
        "binding": _standing(first) if first else None,
        "left": {capability: _standing(one) for capability, one in standing.items()},
    }


def _window(account: Account, window: UsageWindow) -> shapes.AccountWindow:
    model = next((one.name for one in account.models if one.id == window.model), window.model)
    return {
        "window": window.name,
        "used": round(window.used, 3),
        "resets_at": window.resets_at,
        "remaining": window.left,
        "total": window.total,
        "model": model or None,
    }


def _standing(one: Standing) -> shapes.WindowLeft:
    return {"window": one.window.name, "left": round(one.left, 3), "resets_at": one.window.resets_at}


def _notice(account: Account, zh: bool) -> str:
    """What a person should know of the account's cookies while they count."""
    live = bool(account.source and account.source.live)
    if not account.is_open or account.cookies is None or live:
        return ""
    return binding.status(account.cookies.bound, refused=account.renewal == "refused")[zh]


def _imported(context: RequestContext, cookies: Cookies) -> str:
    """What a person should know of cookies that come in: what they lack, or of the browser they name or come from."""
    if (lacking := cookie_text.lacks(cookies)) is not None:
        return lacking.zh if context.caller.language.startswith("zh") else lacking.en
    asking = binding_browser(context.request.headers.get("user-agent", "")[:500])
    return binding.imported(cookies.bound, asking)[context.caller.language.startswith("zh")]


def reads_of(account: Account) -> shapes.AccountReads:
    """How much of a prompt the account reads, in UTF-8 bytes (None = any number), and how that is known."""
    walls, measured = account.walls, account.measured
    return {
        "known_by": account.walls_known_by,
        "bytes": walls.plain or None,
        "with_files_bytes": walls.with_files or None,
        "temporary_share": walls.temporary_share,
        "measured_at": measured.at if measured else None,
        "measured_tier": measured.tier if measured else None,
        "resolution_bytes": measured.resolution if measured else None,
    }


def _shown(context: NodeContext, account: Account, notice: str = "") -> Response:
    shown = account_of(account, context.service.account_registry, context.service.clock.now(), context.caller.language)
    return json_response({**shown, "notice": notice or shown["notice"]})


@operation(
    router,
    "GET",
    "/api/accounts",
    "accounts.list",
    group="any",
    answers="accounts.Accounts",
    level="admin",
    summary="All accounts and how they are",
)
async def listing(context: NodeContext) -> Response:
    service = context.service
    now = service.clock.now()
    accounts = [account_of(m, service.account_registry, now, context.caller.language) for m in service.pool.accounts]
    return json_response({"accounts": accounts, "waiting": service.pool.waiting})


@operation(
    router,
    "POST",
    "/api/accounts",
    "accounts.add",
    group="any",
    answers="accounts.Account",
    level="admin",
    body=AccountRequest,
    summary="Add an account",
)
async def add(context: NodeContext) -> Response:
    _, (body, cookies) = await read_with(context.request, BODY, model_reader(AccountRequest, _with_cookies))
    setup = AccountSetup(
        body.name,
        "web",
        body.source,
        body.proxy,
        body.lanes,
        body.weight,
        number=body.number,
        language=body.language,
        prompt_max_bytes=body.prompt_max_bytes,
        prompt_with_files_max_bytes=body.prompt_with_files_max_bytes,
        desktop=body.desktop,
        rotate=body.rotate,
    )
    registry = context.service.account_registry
    account = await registry.add(setup, context.caller, only_new=body.only_new, cookies=cookies)
    return _shown(context, account, _imported(context, cookies) if cookies else "")


@operation(
    router,
    "GET",
    "/api/accounts/{name}",
    "accounts.get",
    group="any",
    answers="accounts.AccountAndAudit",
    level="admin",
    summary="One account and its audit",
)
async def one(context: NodeContext) -> Response:
    service = context.service
    account = service.account_registry.account(context.request.path_params["name"])
    shown = account_of(account, service.account_registry, service.clock.now(), context.caller.language)
    lines = await service.account_registry.store.audit_lines(account.name, limit=50)
    audit = [{"at": line.at, "actor": line.actor, "action": line.action, "detail": line.detail} for line in lines]
    return json_response({**shown, "audit": audit})


def _with_cookies(body: AccountRequest) -> tuple[AccountRequest, Cookies | None]:
    """Nothing is set up for cookies that cannot be read."""
    if body.cookies is None:
        return body, None
    return body, simple.read_cookies(simple.CookiesRequest(cookies=body.cookies))[0]


MOST_HOURS = 35 * 24
"""How far back the series of Google's windows goes."""


@operation(
    router,
    "GET",
    "/api/accounts/{name}/usage",
    "accounts.usage",
    group="any",
    answers="accounts.AccountUsage",
    level="admin",
    query={"hours": "integer"},
    summary="How Google's usage windows of an account went over the last hours",
)
async def usage(context: NodeContext) -> Response:
    """One row for each reading of each window, oldest first; at most 2000, the newest."""
    service = context.service
    account = service.account_registry.account(context.request.path_params["name"])
    hours = whole_number(context.request, "hours", 24, least=1, most=MOST_HOURS)
    rows = await service.windows.since(account.name, service.clock.now() - hours * 3600)
    readings = [{"at": one.at, **_window(account, one.window), "calls": dict(one.calls)} for one in rows]
    return json_response({"name": account.name, "readings": readings})


@operation(
    router,
    "DELETE",
    "/api/accounts/{name}",
    "accounts.remove",
    group="any",
    answers="accounts.RemovedAccount",
    level="admin",
    summary="Forget an account",
)
async def remove(context: NodeContext) -> Response:
    name = context.request.path_params["name"]
    await context.service.account_registry.remove(name, context.caller)
    await context.access.keybook.refresh()  # the keys of its browsers are over
    return json_response({"name": name, "removed": True})


@operation(
    router,
    "POST",
    "/api/accounts/{name}/measure",
    "accounts.measure",
    group="any",
    answers="accounts.Account",
    level="admin",
    summary="Find out with at most six prompts how much of a prompt an account reads, and remember it",
)
async def measure(context: NodeContext) -> Response:
    account = await context.service.measure(context.request.path_params["name"], context.caller)
    return _shown(context, account)


@operation(
    router,
    "POST",
    "/api/accounts/{name}/{action}",
    "accounts.act",
    group="any",
    answers="accounts.Account",
    level="admin",
    body=ResetRequest,
    summary="test, refresh, pause, resume or reset an account",
)
async def act(context: NodeContext) -> Response:
    """test: a cheap status check. refresh: sign in anew. reset: close the circuits by hand, all or one capability."""
    name, action = context.request.path_params["name"], context.request.path_params["action"]
    capability = await _capability(context.request) if action == "reset" else None
    return _shown(context, await context.service.account_registry.run_action(name, action, context.caller, capability))


async def _capability(request: Request) -> Capability | None:
    body, _ = await read_with(request, BODY, lambda raw: (raw.strip(), None))
    if not body:
        return None
    return wire.read(ResetRequest, wire.parse_json(body)).capability


@operation(
    router,
    "POST",
    "/api/cookies",
    "cookies.put",
    group="any",
    answers="simple.CookiesTaken",
    level="admin",
    body=simple.CookiesRequest,
    summary="New cookies, taken at once; the old ones stay until these are proven",
)
async def put_cookies(context: NodeContext) -> Response:
    _, (cookies, account) = await read_with(
        context.request, BODY, model_reader(simple.CookiesRequest, simple.read_cookies)
    )
    replaced = await context.service.account_registry.replace_cookies(account, cookies, context.caller)
    zh = context.caller.language.startswith("zh")
    message = "已登录，新 Cookie 生效" if zh else "Signed in; the new cookies are in use"
    return json_response(
        simple.write_cookies(success=True, message=message, account=replaced.name, notice=_imported(context, cookies))
    )


@operation(
    router,
    "GET",
    "/api/cookies/status",
    "cookies.status",
    group="any",
    answers="simple.CookieState",
    level="admin",
    summary="Whether the cookies are good",
)
async def cookie_status(context: NodeContext) -> Response:
    accounts = context.service.pool.accounts
    good = [account for account in accounts if account.is_open]
    if good:
        names = ", ".join(account.name for account in good)
        message = f"已登录：{names}" if context.caller.language.startswith("zh") else f"Signed in: {names}"
    else:
        message = context.service.pool.no_account_error("text").text(context.caller.language)
    return json_response(simple.write_cookie_status(valid=bool(good), message=message))


__all__ = ["CAPABILITIES", "account_of", "router"]
