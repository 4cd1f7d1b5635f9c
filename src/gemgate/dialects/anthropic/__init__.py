"""Anthropic messages: read a request, write the message or its events (docs/client-contracts.md 6)."""

from gemgate.dialects.anthropic.answer import (
    EventWriter,
    envelope,
    model_listing,
    model_object,
    write,
    write_token_count,
)
from gemgate.dialects.anthropic.request import MessagesRequest, MessageTokensRequest, read_request, read_token_count
from gemgate.dialects.anthropic.tools import searches

__all__ = [
    "EventWriter",
    "MessageTokensRequest",
    "MessagesRequest",
    "envelope",
    "model_listing",
    "model_object",
    "read_request",
    "read_token_count",
    "searches",
    "write",
    "write_token_count",
]
