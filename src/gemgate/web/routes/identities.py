"""Who is signed in in a browser or with cookies, and which of them is meant: several share a set of cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.responses import Response

from gemgate.assembly.identities import Identity, chosen, identities
from gemgate.dialects import simple, wire
from gemgate.errors import BadRequest
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

router = Router()

BODY = 1_000_000


class IdentitiesRequest(wire.Body):
    """Body of POST /api/identities: a `source` as COOKIE_SOURCE is spelled, or `cookies` as POST /api/cookies takes."""

    source: str = Field(default="", max_length=1000)
    cookies: dict[str, Any] | list[Any] | str | None = None
    google: str | None = Field(default=None, max_length=320, description='Which one: its address; "" = the only one')
    proxy: str | None = Field(default=None, max_length=2000, description="The way out of the account that it is for")


@operation(
    router,
    "POST",
    "/api/identities",
    "accounts.identities",
    group="any",
    answers="accounts.Identities",
    level="admin",
    body=IdentitiesRequest,
    summary="Who is signed in in a browser or with cookies, and the one that is meant",
)
async def look(context: NodeContext) -> Response:
    """Loads Google's page of each account once or twice, and generates nothing. No cookie is told."""
    body, _ = await read_with(context.request, BODY, model_reader(IdentitiesRequest, lambda body: body))
    if (body.cookies is None) == (not body.source):
        raise BadRequest(
            "Name a source, or hand over cookies: one of the two",
            "请指定 source 或提供 cookies，二者选一",
            param="source",
        )
    cookies = None
    if body.cookies is not None:
        cookies, _ = simple.read_cookies(simple.CookiesRequest(cookies=body.cookies))
    found = await identities(context.service, body.source, cookies, body.proxy)
    language = context.caller.language
    answer: dict[str, Any] = {"identities": [identity_facts(one, language) for one in found]}
    if body.google is not None:
        answer["chosen"] = identity_facts(chosen(found, body.google), language)
    return json_response(answer)


def identity_facts(one: Identity, language: str) -> shapes.SignedIn:
    """One who is signed in, as the API tells it."""
    return {
        "google": str(one.google) or None,
        "source": one.source,
        "number": one.number,
        "account": one.account or None,
        "why": (one.why.zh if language.startswith("zh") else one.why.en) or None,
    }


__all__ = ["identity_facts", "router"]
