"""Signing in to the page with the admin key, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.responses import Response

from gemgate.dialects import wire
from gemgate.errors import NotFound
from gemgate.ports.keys import PageSession
from gemgate.web.auth.access import cookie_name
from gemgate.web.auth.key_cache import SESSION_SECONDS, csrf_token
from gemgate.web.context import RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

BODY = 10_000
PRIVATE = {"cache-control": "no-store"}


class SignInRequest(wire.Body):
    """Body of POST /api/session."""

    key: str = Field(min_length=1, max_length=1000)


@operation(
    router,
    "GET",
    "/api/session",
    "session",
    group="any",
    answers="operating.SessionState",
    level="open",
    summary="Whether this browser may use the page",
)
async def session(context: RequestContext) -> Response:
    """`how`: open (nothing needed from here), key (sign in), or closed (ADMIN_KEY has to be set first)."""
    access = context.access
    found = await access.session_of(context.request)
    if found is not None:
        return json_response({**_shown(*found), "api": _api(context)}, headers=PRIVATE)
    how = access.page_access(context.request)
    shown: dict[str, Any] = {"signed_in": how == "open", "how": how, "csrf": None, "expires_at": None}
    return json_response({**shown, "api": _api(context)} if how == "open" else shown, headers=PRIVATE)


@operation(
    router,
    "POST",
    "/api/session",
    "session.begin",
    group="any",
    answers="operating.SessionState",
    level="open",
    body=SignInRequest,
)
async def begin(context: RequestContext) -> Response:
    """Sign in: the admin key becomes a cookie that scripts cannot read; the answer's token goes with every change."""
    body, _ = await read_with(context.request, BODY, model_reader(SignInRequest, lambda body: body))
    begun, token = await context.access.sign_in(context.request, body.key)
    context.note("session.begun", address=begun.address)
    answer = json_response({**_shown(begun, token), "api": _api(context)}, headers=PRIVATE)
    answer.set_cookie(
        cookie_name(context.request),
        token,
        max_age=int(SESSION_SECONDS),
        path="/",
        secure=context.access.is_https(context.request),
        httponly=True,
        samesite="strict",
    )
    return answer


@operation(
    router,
    "DELETE",
    "/api/session",
    "session.end",
    group="any",
    answers="operating.SignedOut",
    level="admin",
    query={"everywhere": "boolean"},
)
async def end(context: RequestContext) -> Response:
    """Sign out here, or with `?everywhere=true` in every browser."""
    access = context.access
    found = await access.session_of(context.request)
    if context.request.query_params.get("everywhere") == "true":
        await access.keybook.end_sessions()
    elif found is not None:
        await access.keybook.end_session(found[0].id)
    answer = json_response({"signed_in": False}, headers=PRIVATE)
    answer.delete_cookie(cookie_name(context.request), path="/", httponly=True, samesite="strict")
    return answer


@operation(
    router,
    "GET",
    "/api/sessions",
    "session.list",
    group="any",
    answers="operating.BrowserSessions",
    level="admin",
    summary="Browsers that are signed in",
)
async def listing(context: RequestContext) -> Response:
    access = context.access
    found = await access.session_of(context.request)
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
    answers="operating.EndedSession",
    level="admin",
    summary="Sign a browser out",
)
async def revoke(context: RequestContext) -> Response:
    keybook = context.access.keybook
    session_id = context.request.path_params["session_id"]
    if session_id not in {one.id for one in keybook.sessions}:
        raise NotFound(
            f"There is no session {session_id[:40]}", f"会话 {session_id[:40]} 不存在", code="session_not_found"
        )
    await keybook.end_session(session_id)
    return json_response({"id": session_id, "ended": True})


def _shown(begun: PageSession, token: str) -> shapes.SessionState:
    return {"signed_in": True, "how": "session", "csrf": csrf_token(token), "expires_at": begun.expires_at}


def _api(context: RequestContext) -> shapes.ProgramsNeed:
    """What programs need: whether a key, and our own public address where one is set (PUBLIC_BASE_URL)."""
    public = context.state.settings.public_base_url
    return {"key": context.access.asks_key, "address": public.rstrip("/") if public else None}
