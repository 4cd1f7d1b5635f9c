"""The simple dialect: one prompt in, one JSON object out, `{"detail": …}` for errors (spec 1.4)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gemgate.catalog import CARDS, ModelCard
from gemgate.chat import ChatRequest, Message, Reply, Text
from gemgate.dialects.wire import Body, status_of
from gemgate.errors import GatewayError


class GenerateRequest(Body):
    """Body of POST /v1/generate."""

    prompt: str = Field(min_length=1)
    model: str | None = None


def read_generate(body: GenerateRequest) -> ChatRequest:
    """A single user message that leaves no chat in the account's history."""
    return ChatRequest((Message("user", (Text(body.prompt),)),), body.model, temporary=True)


def write_generate(reply: Reply, model: str) -> dict[str, Any]:
    return {"text": reply.text, "model": model}


def write_models(cards: list[ModelCard], default: str) -> dict[str, Any]:
    """Body of GET /api/models: the catalogue in its printed order, then what the accounts offer beside it."""
    return {
        "models": [{"id": card.id, "name": card.name, "description": card.description} for card in cards],
        "categories": {
            "text": [card.id for card in cards if card.kind == "text"],
            "image": [card.id for card in CARDS if card.kind == "image"],
        },
        "default": default,
    }


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error on a simple route."""
    body: dict[str, Any] = {"detail": error.text(language), "request_id": request_id}
    if error.code:
        body["code"] = error.code
    return status_of(error), body
