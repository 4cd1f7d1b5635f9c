"""OpenAI responses: read a request, write the response or its events (docs/client-contracts.md 3)."""

from gemgate.dialects.responses.answer import (
    CUT,
    envelope,
    failure,
    message_of_item,
    owner_of,
    write,
    write_deleted,
    write_token_count,
)
from gemgate.dialects.responses.request import (
    ResponsesRequest,
    TokenCountRequest,
    continuation,
    read_request,
    read_token_count,
    referenced,
)
from gemgate.dialects.responses.stream import EventWriter, last_event

__all__ = [
    "CUT",
    "EventWriter",
    "ResponsesRequest",
    "TokenCountRequest",
    "continuation",
    "envelope",
    "failure",
    "last_event",
    "message_of_item",
    "owner_of",
    "read_request",
    "read_token_count",
    "referenced",
    "write",
    "write_deleted",
    "write_token_count",
]
