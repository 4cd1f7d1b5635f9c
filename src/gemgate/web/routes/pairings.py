"""Browsers that push an account's cookies: a code, its key, the push, and how the account is (docs/extension.md).

The key that a browser gets opens the two routes of its account here, and nothing else anywhere.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.responses import Response

from gemgate.accounts import Cookies, binding_browser
from gemgate.dialects import simple, wire
from gemgate.errors import Forbidden, NotFound, Unauthorized
from gemgate.pool.paired import CODE_SECONDS, MOST_VERSION, SIGN_OF_LIFE_SECONDS
from gemgate.pool.status import BROWSER_SILENT_SECONDS
from gemgate.ports.pairings import CookiePush
from gemgate.web.auth.access import network_of
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with
from gemgate.web.routes.accounts import account_of

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

router = Router()

BODY = 200_000
"""Bytes of a push: a full jar of google.com is a tenth of it."""
SMALL = 2_000


class PairingRequest(wire.Body):
    """Body of POST /api/pairings."""

    code: str = Field(min_length=1, max_length=40, description="As it was shown; dashes, blanks and case do not count")
    browser: str = Field(default="", max_length=80, description="What the browser calls itself, for people")


class PushRequest(wire.Body):
    """Body of PUT /api/accounts/{name}/cookies. `cookies` as POST /api/cookies takes them."""

    version: int = Field(ge=1, le=MOST_VERSION, description="Counts up with every change, in the browser")
    cookies: dict[str, Any] | list[Any] | str
    user_agent: str = Field(default="", max_length=500)
    language: str = Field(default="", max_length=100)


@operation(
    router,
    "POST",
    "/api/accounts/{name}/pairing",
    "accounts.pairing",
    group="any",
    answers="accounts.PairingCode",
    level="admin",
    success=201,
    summary="A code that pairs one browser with the account; it counts once, for ten minutes",
)
async def offer(context: NodeContext) -> Response:
    """An older code of the account counts no more."""
    name = context.request.path_params["name"]
    code, expires_at = await context.service.paired.offer(name, context.caller)
    shown = {
        "account": name,
        "code": code,
        "expires_at": expires_at,
        "seconds": CODE_SECONDS,
        "gateway": context.base_url,
    }
    return json_response(shown, 201, {"cache-control": "no-store"})


@operation(
    router,
    "POST",
    "/api/pairings",
    "pairings.redeem",
    group="pairing",
    answers="accounts.Paired",
    level="open",
    body=PairingRequest,
    success=201,
    summary="Exchange a pairing code for a key that pushes one account's cookies, once",
)
async def redeem(context: NodeContext) -> Response:
    """The answer's `key` is the only time that the secret is told. Wrong codes are counted by network."""
    body, _ = await read_with(context.request, SMALL, model_reader(PairingRequest, lambda body: body))
    network = network_of(context.caller.address)
    attempts = context.access.pairing_attempts
    attempts.check(network)
    try:
        account = await context.service.paired.redeem(body.code, context.caller)
    except NotFound:
        attempts.failed(network)
        raise
    key, secret = await context.access.keybook.make_key(
        f"browser-{secrets.token_hex(4)}", operations=["pairing"], account=account
    )
    try:
        await context.service.account_registry.store.get(account)
    except NotFound:  # it was removed meanwhile: a later one of its name is nobody's to push to
        await context.access.keybook.revoke_key(key.id)
        raise
    await context.state.audit(context.caller, "key made", account, f"{key.name} {body.browser}".strip())
    shown = {"account": account, "key": secret, "key_id": key.id, **_rhythm()}
    return json_response(shown, 201, {"cache-control": "no-store"})


@operation(
    router,
    "PUT",
    "/api/accounts/{name}/cookies",
    "accounts.cookies.push",
    group="pairing",
    answers="accounts.PushTaken",
    body=PushRequest,
    summary="The newest cookies of a paired browser; the same version again is a sign of life",
)
async def push(context: NodeContext) -> Response:
    name = _may_push(context)
    _, (body, cookies) = await read_with(context.request, BODY, model_reader(PushRequest, _cookies))
    done = await context.service.paired.push(
        name, body.version, cookies, context.caller, agent=body.user_agent, language=body.language
    )
    return json_response({"taken": done.taken, **_state(context, name, done.push)})


@operation(
    router,
    "GET",
    "/api/accounts/{name}/cookies",
    "accounts.cookies.state",
    group="pairing",
    answers="accounts.PairedState",
    summary="How the account is, its forecast, and the last push; never a cookie",
)
async def state(context: NodeContext) -> Response:
    name = _may_push(context)
    return json_response(_state(context, name, await context.service.paired.last(name)))


def _cookies(body: PushRequest) -> tuple[PushRequest, Cookies]:
    cookies, _ = simple.read_cookies(simple.CookiesRequest(cookies=body.cookies))
    return body, replace(cookies, bound=cookies.bound or binding_browser(body.user_agent))


def _may_push(context: NodeContext) -> str:
    """The account of the path, for its own browsers and for admins."""
    name: str = context.request.path_params["name"]
    caller = context.caller
    if caller.admin or (caller.account and caller.account == name):
        return name
    if caller.account:
        raise Forbidden(
            "This browser is paired with another account: pair it with this one",
            "该浏览器已与其他账号配对：请重新配对",
            code="pairing_key",
        )
    raise Unauthorized(
        "This needs the key of a browser that is paired with the account, or the admin key",
        "此操作需要已配对浏览器的密钥或管理密钥",
        code="pairing_key_required",
    )


def _rhythm() -> shapes.Rhythm:
    """How often a browser should be heard of, and after which silence we rotate ourselves; seconds."""
    return {"sign_of_life_seconds": SIGN_OF_LIFE_SECONDS, "silent_after_seconds": BROWSER_SILENT_SECONDS}


def _state(context: NodeContext, name: str, last: CookiePush | None) -> shapes.PairedState:
    service = context.service
    now = service.clock.now()
    account = service.account_registry.account(name)
    facts = account_of(account, service.account_registry, now, context.caller.language)
    return {
        "account": name,
        "state": facts["state"],
        "why": facts["why"],
        "seconds_left": facts["seconds_left"],
        "google": facts["google"],
        "signed_in_at": facts["signed_in_at"],
        "renewed_at": facts["renewed_at"],
        "forecast": facts["forecast"],
        "forecast_seconds": facts["forecast_seconds"],
        "notice": facts["notice"],
        "last_error": facts["last_error"],
        "rotates": "browser" if facts["live_browser"] else "gemgate",
        "version": last.version if last else 0,
        "pushed_at": last.changed_at if last else None,
        "seen_at": last.seen_at if last else None,
        "user_agent": last.agent if last else "",
        "language": last.language if last else "",
        **_rhythm(),
    }


__all__ = ["router"]
