"""The last frame of a stream whose node went away: the error in the stream's own form
(docs/client-contracts.md 2, 3, 5, 6).
"""

from __future__ import annotations

from starlette.requests import HTTPConnection

from gemgate.dialects.wire import dumps
from gemgate.errors import GatewayError
from gemgate.web.errors import dialect_of, error_body_for

FRAME_ENDS = (b"\n\n", b"\r\n\r\n")


def last_frame(error: GatewayError, connection: HTTPConnection, request_id: str) -> bytes:
    """What ends server-sent events that cannot go on."""
    language = connection.headers.get("accept-language", "en")
    _, envelope = error_body_for(connection)(error, language, request_id)
    if connection.url.path == "/v1/responses":
        fields = envelope["error"]
        event = {"type": "error", "code": fields["code"], "message": fields["message"], "param": None}
        return b"event: error\ndata: " + dumps({**event, "sequence_number": 0}) + b"\n\n"
    match dialect_of(connection):
        case "anthropic":
            return b"event: error\ndata: " + dumps(envelope) + b"\n\n"
        case "gemini":
            return b"data: " + dumps(envelope) + b"\r\n\r\n"
        case _:
            return b"data: " + dumps(envelope) + b"\n\n"
