"""Signing in to the page with the admin key, and out again."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.dialects import wire
from gemgate.errors import NotFound
from gemgate.ports.keys import PageSession
from gemgate.web.auth.access import cookie_name
from gemgate.web.auth.key_cache import SESSION_SECONDS, csrf_token
from gemgate.web.context import context_of
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

router = Router()

BODY = 10_000
PRIVATE = {"cache-control": "no-store"}


class SignInRequest(wire.Body):
    """Body of POST /api/session."""

    key: str = Field(min_length=1, max_length=1000)


@operation(
    router, "GET", "/api/session", "session", group="any", level="open", summary="Whether this browser may use the page"
)
async def session(request: Request, caller: Caller) -> Response:
    """`how`: open (nothing needed from here), key (sign in), or closed (ADMIN_KEY has to be set first)."""
    access = context_of(request).access
    found = await access.session_of(request)
    if found is not None:
        return json_response(_shown(*found), headers=PRIVATE)
    how = access.page_access(request)
    return json_response({"signed_in": how == "open", "how": how, "csrf": None, "expires_at": None}, headers=PRIVATE)


@operation(router, "POST", "/api/session", "session.begin", group="any", level="open", body=SignInRequest)
async def begin(request: Request, caller: Caller) -> Response:
    """Sign in: the admin key becomes a cookie that scripts cannot read; the answer's token goes with every change."""
    call = context_of(request)
    body, _ = await read_with(request, BODY, model_reader(SignInRequest, lambda body: body))
    begun, token = await call.access.sign_in(request, body.key)
    call.note("session.begun", address=begun.address)
    answer = json_response(_shown(begun, token), headers=PRIVATE)
    answer.set_cookie(
        cookie_name(request),
        token,
        max_age=int(SESSION_SECONDS),
        path="/",
        secure=call.access.is_https(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@operation(router, "DELETE", "/api/session", "session.end", group="any", level="admin", query={"everywhere": "boolean"})
async def end(request: Request, caller: Caller) -> Response:
    """Sign out here, or with `?everywhere=true` in every browser."""
    access = context_of(request).access
    found = await access.session_of(request)
    if request.query_params.get("everywhere") == "true":
        await access.keybook.end_sessions()
    elif found is not None:
        await access.keybook.end_session(found[0].id)
    answer = json_response({"signed_in": False}, headers=PRIVATE)
    answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict")
    return answer


@operation(
    router, "GET", "/api/sessions", "session.list", group="any", level="admin", summary="Browsers that are signed in"
)
async def listing(request: Request, caller: Caller) -> Response:
    access = context_of(request).access
    found = await access.session_of(request)
    rows = [
        {
            "id": one.id,
            "created_at": one.created_at,
            "expires_at": one.expires_at,
            "address": one.address,
            "agent": one.agent,
            "this": found is not None and one.id == found[0].id,
        }
        for one in access.keybook.sessions
    ]
    return json_response({"sessions": rows})


@operation(
    router,
    "DELETE",
    "/api/sessions/{session_id}",
    "session.revoke",
    group="any",
    level="admin",
    summary="Sign a browser out",
)
async def revoke(request: Request, caller: Caller) -> Response:
    keybook = context_of(request).access.keybook
    session_id = request.path_params["session_id"]
    if session_id not in {one.id for one in keybook.sessions}:
        raise NotFound(f"There is no session {session_id[:40]}", f"会话 {session_id[:40]} 不存在")
    await keybook.end_session(session_id)
    return json_response({"id": session_id, "ended": True})


def _shown(begun: PageSession, token: str) -> dict[str, Any]:
    return {"signed_in": True, "how": "session", "csrf": csrf_token(token), "expires_at": begun.expires_at}
