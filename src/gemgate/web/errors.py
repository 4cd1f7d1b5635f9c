"""The one place where an error becomes an HTTP answer: in the dialect of the route, with a request id, no secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from gemgate.dialects import anthropic, gemini, openai_chat, responses, simple
from gemgate.dialects.wire import LONG_WAIT, dumps
from gemgate.errors import GatewayError

Envelope = Callable[[GatewayError, str, str], tuple[int, Any]]

_SIMPLE = re.compile(
    r"/v1/(generate|generate-images|batch)(/|$)|/(health|ready|metrics|upload|images|conversations|api)(/|$)"
)

_GOOGLE = re.compile(r"/(gemini|v1beta|upload/v1(beta)?)(/|$)|/v1/models/[^?]*:\w+$")
_SHARED = re.compile(r"/v1/(models|files|interactions|operations|cachedContents|tunedModels|corpora)(/|$)")
_RESPONSES = re.compile(r"/v1/responses(/|$)")
_ANTHROPIC = re.compile(r"/v1/(messages|complete)(/|$)")


def error_body_for(connection: HTTPConnection) -> Envelope:
    """The error writer of the dialect that a request belongs to (docs/client-contracts.md 1)."""
    path = connection.url.path
    if _GOOGLE.match(path) or (_SHARED.match(path) and speaks_google(connection)):
        whole_array = path.endswith(":streamGenerateContent") and connection.query_params.get("alt") != "sse"
        return gemini.array_envelope if whole_array else gemini.envelope
    if _SIMPLE.match(path):
        return simple.envelope
    if _ANTHROPIC.match(path) or (path.startswith("/v1/") and speaks_anthropic(connection)):
        return anthropic.envelope
    if _RESPONSES.match(path):
        return responses.envelope
    if path.startswith("/v1/") or path == "/v1":
        return openai_chat.envelope
    return simple.envelope


def takes_key_in_query(path: str) -> bool:
    """Whether a client may send its key as `?key=`: on routes that are Google's, or that Google's have a part in."""
    return bool(_GOOGLE.match(path) or _SHARED.match(path))


def dialect_of(connection: HTTPConnection) -> str:
    """The name of the dialect that a request speaks."""
    return _NAMES.get(error_body_for(connection), "simple")


_NAMES: Mapping[Envelope, str] = {
    gemini.envelope: "gemini",
    gemini.array_envelope: "gemini",
    anthropic.envelope: "anthropic",
    openai_chat.envelope: "openai",
    responses.envelope: "openai",
}


def speaks_google(connection: HTTPConnection) -> bool:
    """Whether the client is one of Google's."""
    return "x-goog-api-key" in connection.headers or "x-goog-api-client" in connection.headers


def speaks_anthropic(connection: HTTPConnection) -> bool:
    """Whether the client is one of Anthropic's."""
    return "anthropic-version" in connection.headers


def answer(error: GatewayError, connection: HTTPConnection, request_id: str) -> Response:
    """The HTTP answer for `error`, in the dialect of the path unless the route has chosen one by the body."""
    language = connection.headers.get("accept-language", "en")
    chosen: Envelope = connection.scope.get("gemgate.envelope") or error_body_for(connection)
    status, body = chosen(error, language, request_id)
    return Response(dumps(body), status, headers_for(error), media_type="application/json")


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
