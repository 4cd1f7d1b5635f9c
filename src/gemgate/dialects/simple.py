"""The simple dialect: one prompt in, one JSON object out, `{"detail": …}` for errors (docs/client-contracts.md 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, Field

from gemgate.accounts import Cookies
from gemgate.catalog import CARDS, ModelCard
from gemgate.chat import ChatRequest, Message, Reply, Text
from gemgate.dialects import cookie_text, wire
from gemgate.dialects.image_options import Painting, Started, left_over, model_for, options_of, references_of
from gemgate.dialects.image_tasks import TaskWishes, read_webhook
from gemgate.dialects.wire import (
    Base64,
    Body,
    ResponseMeta,
    image_facts,
    image_link,
    inline,
    rfc3339,
    served_by,
    status_of,
)
from gemgate.errors import BadRequest, GatewayError
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, ImageRequest, ModelPolicy

if TYPE_CHECKING:
    from gemgate.dialects.shapes import simple as shapes

ResponseType = Literal["base64", "url"]


class GenerateRequest(wire.Wishes):
    """Body of POST /v1/generate."""

    prompt: str = Field(min_length=1)
    model: str | None = None
    model_policy: ModelPolicy | None = Field(default=None, description=wire.MODEL_POLICY)


class ImageFields(Painting):
    """How images are wanted: in one call, for a whole batch, or for one item of it."""

    model: str | None = None


class ImagesRequest(TaskWishes, ImageFields, Started):
    """What all simple calls for images share."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)
    response_type: ResponseType = "base64"


class GenerateImagesRequest(ImagesRequest):
    """Body of POST /v1/generate-images; with `image`, one or several, it is an edit. `n` is `count` as well."""

    count: int = Field(default=1, ge=1, le=10, validation_alias=AliasChoices("count", "n"))


class EditImageRequest(ImagesRequest):
    """Body of POST /v1/images/edit and, as JSON, of /v1/images/edits;"""


class CookiesRequest(Body):
    """Body of POST /api/cookies: an object of cookies, a browser extension's list, or pasted text."""

    cookies: dict[str, Any] | list[Any] | str
    account: str | None = None


@frozen
class SimpleImagesCall:
    """A read request and how its answer is wanted."""

    request: ImageRequest
    as_url: bool
    ignored: tuple[str, ...] = ()
    respond_async: bool = False
    webhook: tuple[str, str] = ("", "")


def read_generate(body: GenerateRequest) -> ChatRequest:
    """A single user message that leaves no chat in the account's history."""
    words = (Message("user", (Text(body.prompt),)),)
    return ChatRequest(words, body.model, temporary=True, model_policy=body.model_policy, ignored=wire.ignored(body))


def write_generate(reply: Reply, model: str) -> shapes.Generated:
    return {"text": reply.text, "model": model, "served_model": served_by([reply.ended])}


def read_images(body: GenerateImagesRequest | EditImageRequest) -> SimpleImagesCall:
    """The words of a call for images, or of an edit when it brings one."""
    n = body.count if isinstance(body, GenerateImagesRequest) else 1
    given = body.given()
    references = references_of(given)
    if not references and (isinstance(body, EditImageRequest) or body.image is not None):
        raise BadRequest("Missing required parameter: image", "缺少必需参数：image", param="image")
    options = options_of(given)
    request = ImageRequest(body.prompt, model_for(body.model, options), n, references, options)
    hook = read_webhook(body.webhook, body.webhook_secret)
    return SimpleImagesCall(request, body.response_type == "url", left_over(body), bool(body.respond_async), hook)


def write_images(
    images: Sequence[GeneratedImage],
    call: SimpleImagesCall,
    meta: ResponseMeta,
    model: str,
    *,
    failures: Sequence[GatewayError] = (),
    language: str = "en",
) -> dict[str, Any]:
    """`images` as data URLs or links, their measured facts under `details`, what failed under `errors`."""
    answer: dict[str, Any] = {
        "images": [image_url_or_data(image, meta, as_url=call.as_url) for image in images],
        "model": model,
        "details": [image_facts(image, meta.language) for image in images],
    }
    if failures:
        answer["errors"] = [{"error": error.text(language), "code": error.code or error.kind} for error in failures]
    return answer


def image_url_or_data(image: GeneratedImage, meta: ResponseMeta, *, as_url: bool) -> str | Base64:
    """A link, or a data URL; the other one when the wanted one cannot be had."""
    if as_url or image.data is None:
        return image_link(image, meta)
    return inline(image)


def read_cookies(body: CookiesRequest) -> tuple[Cookies, str | None]:
    """The cookies in any of the spellings people use, and the account they are for; BadRequest without a 1PSID."""
    text = body.cookies if isinstance(body.cookies, str) else json.dumps(body.cookies)
    return cookie_text.read(text), body.account


def write_cookies(*, success: bool, message: str, account: str = "", notice: str = "") -> shapes.CookiesTaken:
    """The answer to POST /api/cookies: never a value. notice: what a person should know of these cookies."""
    answer: shapes.CookiesTaken = {"success": success, "message": message}
    if notice:
        answer["notice"] = notice
    if account:
        answer["account"] = account
    return answer


def write_cookie_status(*, valid: bool, message: str) -> shapes.CookieState:
    return {"valid": valid, "message": message}


def write_upload(file_ids: Sequence[str]) -> shapes.Uploaded:
    """The answer to POST /upload: handles for the chat field `files`."""
    return {"success": True, "files": list(file_ids)}


@frozen
class ConversationEntry:
    """A stored conversation as lists show it; `modified` in epoch seconds, `nbytes` of what is stored."""

    id: str
    modified: float
    nbytes: int = 0


def write_conversations(entries: Sequence[ConversationEntry], total: int) -> shapes.Conversations:
    """One page of GET /conversations; `total` counts all of the caller's."""
    rows: list[shapes.ConversationRow] = [
        {"conversation_id": e.id, "modified": rfc3339(e.modified), "size_kb": round(e.nbytes / 1024, 2)}
        for e in entries
    ]
    return {"total": total, "conversations": rows}


def write_conversation(conversation_id: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"conversation_id": conversation_id, "metadata": dict(metadata)}


def write_conversation_deleted() -> shapes.Done:
    return {"message": "Conversation deleted"}


def write_models(cards: list[ModelCard], default: str, language: str) -> shapes.Catalogue:
    """Body of GET /api/models: the catalogue in its printed order, then what the accounts offer beside it."""
    return {
        "models": [
            {"id": card.id, "name": card.name, "description": card.description.for_(language)} for card in cards
        ],
        "categories": {
            "text": [card.id for card in cards if card.kind == "text"],
            "image": [card.id for card in CARDS if card.kind == "image"],
        },
        "background": [card.id for card in cards if card.kind == "research"],
        "default": default,
    }


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error on a simple route."""
    body: dict[str, Any] = {"detail": error.text(language), "request_id": request_id}
    if error.code:
        body["code"] = error.code
    return status_of(error), body
