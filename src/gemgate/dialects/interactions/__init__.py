"""Gemini interactions: read a request, write the interaction or its events (docs/client-contracts.md 9)."""

from gemgate.dialects.interactions.answer import envelope, failure, interaction_object, write
from gemgate.dialects.interactions.request import PREFIX, InteractionRequest, continuation, read_request
from gemgate.dialects.interactions.stream import EventWriter, last_event, replay

__all__ = [
    "PREFIX",
    "EventWriter",
    "InteractionRequest",
    "continuation",
    "envelope",
    "failure",
    "interaction_object",
    "last_event",
    "read_request",
    "replay",
    "write",
]
