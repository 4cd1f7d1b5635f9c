"""The one place where an error becomes an HTTP answer: in the dialect of the route, with a request id, no secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

from gemgate.dialects import openai_chat, simple
from gemgate.errors import GatewayError

Envelope = Callable[[GatewayError, str, str], tuple[int, dict[str, Any]]]

LONG_WAIT = 60.0
"""Official clients sleep through a Retry-After; beyond this many seconds they are told not to (api_contract.md 0.8)."""

_SIMPLE = re.compile(
    r"/v1/(generate|generate-images|batch)(/|$)|/(health|ready|metrics|upload|images|conversations|api)(/|$)"
)


def envelope_for(path: str) -> Envelope:
    """The error writer of the dialect that a path belongs to (api_contract.md 1)."""
    if _SIMPLE.match(path):
        return simple.envelope
    if path.startswith("/v1/") or path == "/v1":
        return openai_chat.envelope
    return simple.envelope


def answer(error: GatewayError, connection: HTTPConnection, request_id: str) -> Response:
    """The HTTP answer for `error`, in the dialect of the path unless the route has chosen one by the body."""
    language = connection.headers.get("accept-language", "en")
    chosen: Envelope = connection.scope.get("gemgate.envelope") or envelope_for(connection.url.path)
    status, body = chosen(error, language, request_id)
    return Response(orjson.dumps(body), status, headers_for(error), media_type="application/json")


def headers_for(error: GatewayError) -> dict[str, str]:
    """Retry-After in both units, whether a client may try again by itself, and the limit that refused.

    A prompt that may have been processed must not be sent again by a client's built-in retry.
    """
    headers: dict[str, str] = {"x-gemgate-generated": error.generated}
    wait = error.retry_after
    if wait is not None:
        headers["retry-after"] = str(math.ceil(wait))
        headers["retry-after-ms"] = str(math.ceil(wait * 1000))
    if error.generated == "maybe" or (wait is not None and wait > LONG_WAIT):
        headers["x-should-retry"] = "false"
    if "limit" in error.details:
        headers |= limit_headers(error.details["limit"], error.details["remaining"], error.details["reset"])
    return headers


def limit_headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    """What OpenAI's clients read about a limit; `reset` in seconds."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": f"{math.ceil(reset)}s",
    }
