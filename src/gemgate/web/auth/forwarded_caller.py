"""What a gateway states about a caller, and a node believes: who it is, what was counted, under which request id.

Only beside the fleet's INTERNAL_TOKEN, compared in constant time (docs/decisions.md 11). A node then judges nothing of
it again: keys, sessions, Host and Origin, and limits were dealt with once, at the edge.
"""

from __future__ import annotations

import hmac
import json
from typing import Literal, cast

import orjson
from starlette.requests import HTTPConnection

from gemgate.caller import Budget, Caller, Quota
from gemgate.errors import Unauthorized
from gemgate.frozen import frozen

TOKEN_HEADER = "x-gemgate-internal"  # noqa: S105 - the header's name
CALLER_HEADER = "x-gemgate-caller"

Level = Literal["open", "client", "admin"]
_RANK: dict[str, int] = {"open": 0, "client": 1, "admin": 2}
_STATED = "gemgate.stated"


@frozen
class ForwardedCaller:
    """level: what the caller was judged for; scheme: how the client's own connection is spelled in links."""

    caller: Caller
    level: Level
    scheme: str


_written = json.JSONEncoder(separators=(",", ":")).encode
"""ASCII alone, as a header takes it; `json.dumps` makes an encoder for each call."""


def encode(stated: ForwardedCaller) -> str:
    """The header's value: ASCII JSON, never a key."""
    caller = stated.caller
    fields = {
        "tenant": caller.tenant,
        "client": caller.client,
        "address": caller.address,
        "admin": caller.admin,
        "language": caller.language,
        "request_id": caller.request_id,
        "level": stated.level,
        "scheme": stated.scheme,
    }
    if caller.per_hour is not None:
        fields["per_hour"] = caller.per_hour
    if caller.budget:
        fields["budget"] = str(caller.budget)
    if caller.models:
        fields["models"] = sorted(caller.models)
    if caller.operations:
        fields["operations"] = sorted(caller.operations)
    if caller.account:
        fields["account"] = caller.account
    if caller.quota is not None:
        fields["quota"] = [caller.quota.limit, caller.quota.remaining, caller.quota.reset]
    return _written(fields)


def accept(connection: HTTPConnection, token: str) -> ForwardedCaller | None:
    """What the gateway stated about this request, kept in its scope. Unauthorized when the tokens differ."""
    headers, scope = connection.headers, connection.scope
    presented = headers.get(TOKEN_HEADER)
    if not token or presented is None:
        return None
    if not hmac.compare_digest(token.encode(), presented.encode()):
        raise Unauthorized(
            "The gateway's INTERNAL_TOKEN is not this node's; set the same on both",
            "网关的 INTERNAL_TOKEN 与本节点不一致，请设置为相同的值",
            code="internal_token",
        )
    stated = _read(headers.get(CALLER_HEADER, ""))
    scope[_STATED] = stated
    scope["scheme"] = stated.scheme
    return stated


def forwarded_of(connection: HTTPConnection) -> ForwardedCaller | None:
    stated: ForwardedCaller | None = connection.scope.get(_STATED)
    return stated


def believed_caller(stated: ForwardedCaller, level: Level) -> Caller:
    """The stated caller, if the edge judged it for at least this level."""
    if _RANK[stated.level] < _RANK[level] or (level == "admin" and not stated.caller.admin):
        raise Unauthorized(
            "The gateway did not check this caller for this route; run the same gemgate version on all nodes",
            "网关未对该调用者进行相应检查，请在所有节点上运行相同版本的 gemgate",
            code="internal_level",
        )
    return stated.caller


def _read(text: str) -> ForwardedCaller:
    try:
        fields = orjson.loads(text)
        quota = fields.get("quota")
        caller = Caller(
            tenant=_text(fields["tenant"]),
            client=_text(fields["client"]),
            address=_text(fields["address"]),
            per_hour=fields.get("per_hour"),
            admin=fields["admin"] is True,
            language=_text(fields["language"]),
            request_id=_text(fields["request_id"]),
            models=frozenset(map(_text, fields.get("models", ()))),
            operations=frozenset(map(_text, fields.get("operations", ()))),
            account=str(fields.get("account", "")),
            quota=Quota(*quota) if quota is not None else None,
            budget=Budget.parse(fields.get("budget", "")),
        )
        level = cast("Level", fields["level"]) if fields["level"] in _RANK else "open"
        return ForwardedCaller(caller, level, "https" if fields["scheme"] == "https" else "http")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unauthorized(
            "The gateway's statement about the caller cannot be read; run the same gemgate version on all nodes",
            "无法读取网关关于调用者的声明，请在所有节点上运行相同版本的 gemgate",
            code="internal_statement",
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
