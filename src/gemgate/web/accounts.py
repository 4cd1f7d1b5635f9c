"""Admin routes: the accounts, their cookies (handed over, never shown), their circuits, the audit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gemgate.accounts import CAPABILITIES, Capability, Cookies, binding_browser
from gemgate.dialects import simple, wire
from gemgate.member import Member
from gemgate.policy import binding
from gemgate.ports import AccountSetup, Caller
from gemgate.roster import Roster
from gemgate.web.answers import json_response
from gemgate.web.call import Call, call_of
from gemgate.web.operation import Router, operation
from gemgate.web.reading import model_reader, read_with

router = Router()

BODY = 1_000_000
_LANGUAGE = r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2})?$"


class AccountRequest(wire.Body):
    """Body of POST /api/accounts. `source` as COOKIE_SOURCE is spelled; none = cookies are handed over by hand."""

    name: str = Field(min_length=1, max_length=64)
    source: str = ""
    proxy: str | None = None
    lanes: int | None = Field(default=None, ge=1, le=256)
    weight: float = Field(default=1.0, ge=0)
    number: int = Field(default=0, ge=0, le=9, description="Which account of its cookies: N of gemini.google.com/u/N")
    language: str = Field(default="", pattern=_LANGUAGE, description="What Google is asked to speak; none = its own")
    prompt_max_bytes: int | None = Field(
        default=None, ge=0, description="How much of a prompt it reads, 0 = any number"
    )
    prompt_with_files_max_bytes: int | None = Field(default=None, ge=0, description="The same, files included")
    cookies: dict[str, Any] | list[Any] | str | None = None


class ResetRequest(wire.Body):
    capability: Literal["text", "pro", "image", "upload"] | None = None


def account_of(member: Member, roster: Roster, now: float, language: str) -> dict[str, Any]:
    """An account as the page and the API show it: its word, its countdowns, its lanes. Never a cookie."""
    standing = member.standing()
    zh = language.startswith("zh")
    dies = roster.forecast(member)
    return {
        "name": member.name,
        "kind": member.upstream.kind,
        "state": standing.state,
        "why": standing.why_zh if zh else standing.why,
        "seconds_left": max(0.0, round(standing.until - now, 1)) if standing.until else None,
        "lanes": {"max": member.lanes, "busy": member.busy},
        "weight": member.weight,
        "fallback": member.fallback,
        "number": member.number,
        "language": member.language,
        "source": member.source.name if member.source else "",
        "live_browser": bool(member.source and member.source.live),
        "address": member.address.name,
        "address_rest": {
            "phase": member.address.circuit.phase(now),
            "seconds_left": max(0.0, round(member.address.circuit.until - now, 1)),
            "reason": member.address.circuit.reason,
            "per_minute": member.address.pace.per_minute,
        },
        "models": [offer.name for offer in member.offers],
        "signed_in_at": member.signed_in_at or None,
        "renewed_at": member.renewed_at or None,
        "renewal": member.renewal,
        "forecast": (dies.zh if zh else dies.en) if dies else None,
        "forecast_seconds": round(dies.seconds) if dies else None,
        "usage": [
            {"window": window.name, "used": round(window.used, 3), "resets_at": window.resets_at}
            for window in member.usage
        ],
        "usage_at": member.usage_at or None,
        "reads": reads_of(member),
        "notice": _notice(member, zh) or None,
        "last_error": member.last_error.text(language) if member.last_error else None,
        "cooldowns": [
            {
                "capability": capability,
                "phase": circuit.phase(now),
                "seconds_left": max(0.0, round(circuit.until - now, 1)),
                "reason": circuit.reason,
            }
            for capability, circuit in member.cooldowns().items()
        ],
        "pace": {
            "delay": member.pacer.current_delay,
            "rpm_limit": member.pacer.rpm,
            "consecutive_429s": member.pacer.consecutive_429s,
        },
    }


def _notice(member: Member, zh: bool) -> str:
    """What a person should know of the account's cookies while they count."""
    live = bool(member.source and member.source.live)
    if not member.is_open or member.cookies is None or live:
        return ""
    return binding.standing(member.cookies.bound, refused=member.renewal == "refused")[zh]


def _imported(request: Request, cookies: Cookies, caller: Caller) -> str:
    """What a person should know of cookies that come in: of the browser they name, or of the one that sends them."""
    asking = binding_browser(request.headers.get("user-agent", "")[:500])
    return binding.imported(cookies.bound, asking)[caller.language.startswith("zh")]


def reads_of(member: Member) -> dict[str, Any]:
    """How much of a prompt the account reads, in UTF-8 bytes (None = any number), and how that is known."""
    walls, measured = member.walls, member.measured
    return {
        "known_by": member.walls_known_by,
        "bytes": walls.plain or None,
        "with_files_bytes": walls.with_files or None,
        "temporary_share": walls.temporary_share,
        "measured_at": measured.at if measured else None,
        "measured_tier": measured.tier if measured else None,
        "resolution_bytes": measured.resolution if measured else None,
    }


def _shown(call: Call, member: Member, caller: Caller, notice: str = "") -> Response:
    shown = account_of(member, call.service.roster, call.service.clock.now(), caller.language)
    return json_response({**shown, "notice": notice or shown["notice"]})


@operation(router, "GET", "/api/accounts", "accounts.list", level="admin", summary="All accounts and how they are")
async def listing(request: Request, caller: Caller) -> Response:
    service = call_of(request).service
    now = service.clock.now()
    accounts = [account_of(m, service.roster, now, caller.language) for m in service.pool.members]
    return json_response({"accounts": accounts, "waiting": service.pool.waiting})


@operation(
    router, "POST", "/api/accounts", "accounts.add", level="admin", body=AccountRequest, summary="Add an account"
)
async def add(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    body, _ = await read_with(request, BODY, model_reader(AccountRequest, lambda body: body))
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
    )
    notice = ""
    member = await call.service.roster.add(setup, caller)
    if body.cookies is not None:
        cookies, _ = simple.read_cookies(simple.CookiesRequest(cookies=body.cookies))
        await call.service.roster.hand_over(body.name, cookies, caller)
        notice = _imported(request, cookies, caller)
    return _shown(call, member, caller, notice)


@operation(router, "GET", "/api/accounts/{name}", "accounts.get", level="admin", summary="One account and its audit")
async def one(request: Request, caller: Caller) -> Response:
    service = call_of(request).service
    member = service.roster.member(request.path_params["name"])
    shown = account_of(member, service.roster, service.clock.now(), caller.language)
    lines = await service.roster.store.audit_lines(member.name, limit=50)
    shown["audit"] = [
        {"at": line.at, "actor": line.actor, "action": line.action, "detail": line.detail} for line in lines
    ]
    return json_response(shown)


@operation(router, "DELETE", "/api/accounts/{name}", "accounts.remove", level="admin", summary="Forget an account")
async def remove(request: Request, caller: Caller) -> Response:
    name = request.path_params["name"]
    await call_of(request).service.roster.remove(name, caller)
    return json_response({"name": name, "removed": True})


@operation(
    router,
    "POST",
    "/api/accounts/{name}/measure",
    "accounts.measure",
    level="admin",
    summary="Find out with at most six prompts how much of a prompt an account reads, and remember it",
)
async def measure(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    member = await call.service.measure(request.path_params["name"], caller)
    return _shown(call, member, caller)


@operation(
    router,
    "POST",
    "/api/accounts/{name}/{action}",
    "accounts.act",
    level="admin",
    body=ResetRequest,
    summary="test, refresh, pause, resume or reset an account",
)
async def act(request: Request, caller: Caller) -> Response:
    """test: a cheap status check. refresh: sign in anew. reset: close the circuits by hand, all or one capability."""
    call = call_of(request)
    name, action = request.path_params["name"], request.path_params["action"]
    capability = await _capability(request) if action == "reset" else None
    return _shown(call, await call.service.roster.act(name, action, caller, capability), caller)


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
    level="admin",
    body=simple.CookiesRequest,
    summary="New cookies, taken at once; the old ones stay until these are proven",
)
async def put_cookies(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    _, (cookies, account) = await read_with(request, BODY, model_reader(simple.CookiesRequest, simple.read_cookies))
    member = await call.service.roster.hand_over(account, cookies, caller)
    zh = caller.language.startswith("zh")
    message = "已登录，新 Cookie 生效" if zh else "Signed in; the new cookies are in use"
    return json_response(
        simple.write_cookies(
            success=True, message=message, account=member.name, notice=_imported(request, cookies, caller)
        )
    )


@operation(
    router, "GET", "/api/cookies/status", "cookies.status", level="admin", summary="Whether the cookies are good"
)
async def cookie_status(request: Request, caller: Caller) -> Response:
    members = call_of(request).service.pool.members
    good = [member for member in members if member.is_open]
    if good:
        names = ", ".join(member.name for member in good)
        message = f"已登录：{names}" if caller.language.startswith("zh") else f"Signed in: {names}"
    else:
        message = call_of(request).service.pool.nobody("text").text(caller.language)
    return json_response(simple.write_cookie_status(valid=bool(good), message=message))


__all__ = ["CAPABILITIES", "account_of", "router"]
