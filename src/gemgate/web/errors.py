"""The one place where an error becomes an HTTP answer: in the dialect of the route, with a request id, no secrets."""

from __future__ import annotations

import math

from starlette.requests import HTTPConnection
from starlette.responses import Response

from gemgate.dialects import table
from gemgate.dialects.rows import Dialect, ErrorBody
from gemgate.dialects.wire import LONG_WAIT, dumps
from gemgate.errors import GatewayError, NoAccount


def _dialect(connection: HTTPConnection) -> Dialect:
    return table.dialect_at(connection.scope["path"], connection.headers)


def error_body_for(connection: HTTPConnection) -> ErrorBody:
    """The error writer of the dialect that a request belongs to (docs/client-contracts.md 1)."""
    dialect = _dialect(connection)
    if dialect.error_at is not None:
        return dialect.error_at(connection.scope["path"], connection.query_params)
    return dialect.error_body


def dialect_of(connection: HTTPConnection) -> str:
    """The name under which records and metrics know the dialect that a request speaks."""
    return _dialect(connection).family


def stream_error(error: GatewayError, connection: HTTPConnection, request_id: str) -> bytes:
    """The last frame of server-sent events that cannot go on, as when the node that sent them went away."""
    return _dialect(connection).stream_error(error, connection.headers.get("accept-language", "en"), request_id)


def takes_key_in_query(path: str) -> bool:
    """Whether a client may send its key as `?key=`: on routes that are Google's, or that Google's have a part in."""
    google = table.GEMINI
    return bool(google.prefixes.match(path) or (google.shared and google.shared.match(path)))


def speaks_google(connection: HTTPConnection) -> bool:
    """Whether the client is one of Google's."""
    return table.GEMINI.speaks(connection.headers)


def speaks_anthropic(connection: HTTPConnection) -> bool:
    """Whether the client is one of Anthropic's."""
    return table.ANTHROPIC.speaks(connection.headers)


BUDGET = "x-gemgate-budget"
"""What is left of the budgets that a call was charged to."""
RULE = "x-gemgate-rule"
"""Which limit of ours refused a call; only then is it there, while what is left of limits stands beside any answer."""


NEEDS_PERSON = "x-gemgate-needs-person"
"""`true` where no account can take a call before somebody signs one in, resumes or adds one."""


def answer(error: GatewayError, connection: HTTPConnection, request_id: str) -> Response:
    """The HTTP answer for `error`, in the dialect of the path unless the route has chosen one by the body."""
    language = connection.headers.get("accept-language", "en")
    chosen: ErrorBody = connection.scope.get("gemgate.envelope") or error_body_for(connection)
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
    if "rule" in error.details:
        headers[RULE] = str(error.details["rule"])
    if "limit" in error.details:
        headers |= limit_headers(error.details["limit"], error.details["remaining"], error.details["reset"])
    if "budget" in error.details:
        headers[BUDGET] = error.details["budget"]
    if isinstance(error, NoAccount) and error.needs_person:
        headers[NEEDS_PERSON] = "true"
    return headers


def limit_headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    """What OpenAI's clients read about a limit; `reset` in seconds."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": f"{math.ceil(reset)}s",
    }
