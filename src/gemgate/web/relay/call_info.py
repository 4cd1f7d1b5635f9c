"""What a gateway has to know of a call before it can choose a node: the model, what it continues, whether it counts.

Read with the dialects' own codecs, so that fingerprints are those of the nodes. What cannot be read is passed on as it
is: the node says what is wrong with it, in its dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any

import orjson

from gemgate import catalog
from gemgate.accounts import AccountModel
from gemgate.catalog import NO_ALIASES, Aliases, ModelCard
from gemgate.chat import ChatRequest, File, Image, Part, ToolResult
from gemgate.dialects import wire
from gemgate.dialects.rows import Act, ReadContext
from gemgate.errors import GatewayError, ModelNotFound
from gemgate.files import Stored
from gemgate.fleet.affinity import AffinityKeys
from gemgate.frozen import frozen
from gemgate.prompting.fingerprint import chain, scope
from gemgate.web.relay.routes import Route


@frozen
class CallInfo:
    """card: the model, None where nothing is generated. counted: it is one call of the client's limits.

    whole: its answer is JSON that comes at once, when everything is generated.
    """

    card: ModelCard | None = None
    counted: bool = False
    trace: AffinityKeys = field(default_factory=AffinityKeys)
    whole: bool = False


@frozen
class Defaults:
    """What a call that names no model means, and the models that the fleet's accounts have beside the catalogue."""

    model: str
    image_model: str
    offers: tuple[AccountModel, ...]
    aliases: Aliases = NO_ALIASES

    def card(self, model: str, tenant: str) -> ModelCard:
        """The model that a caller means. ModelNotFound."""
        return catalog.resolve(model, self.offers, self.aliases, tenant)


_ID = re.compile(
    rb'"((?:resp|int)_[0-9a-f]{8,64}|file-[0-9a-f]{8,64}|(?:batch|imgtask)_[0-9a-f]{4,64}|files/[\w-]{4,64})"'
)
_MODEL_FIELD = b'name="model"\r\n'
_MODEL = re.compile(rb"(?:[^\r\n]{1,500}\r\n){0,8}\r\n([^\r\n]{1,200})\r\n")
"""Bounded repetitions: without a bound every line of a hostile form would be read once for each line before it."""
FIELDS_READ = 16
"""Fields called `model` of a form that are looked at: a pattern over all of it holds the interpreter for as long."""
_FORM_OF_ANSWER = re.compile(rb'name="?(?:stream|response_format)\b')
"""Where a form for words may ask for a stream or for plain text; in doubt it does."""
_JSON_BEGINS = (b"{", b" ", b"\n", b"\r", b"\t")
_MAKES = (
    *("responses.create", "interactions.create", "files.create", "upload", "batch.create", "batches.create"),
    *("gemini.upload", "images.generations", "images.edits", "generate-images"),
)
IDS_WITHIN = 8192


def needs_body(route: Route) -> bool:
    """Whether the body has to be here before a node can be chosen; other bodies pass through as they come."""
    if route.act is Act.IMAGES:
        return "model" not in route.parameters
    return route.act in (Act.CHAT, Act.CHAT_BATCH, Act.IMAGE_BATCH) or route.name == "cookies.put"


def read(route: Route, body: bytes, tenant: str, defaults: Defaults) -> CallInfo:
    """What a call is about; never raises for what a node will refuse."""
    try:
        return _read(route, body, tenant, defaults)
    except ModelNotFound:
        return CallInfo(trace=_named(route, tenant))
    except (GatewayError, orjson.JSONDecodeError, ValueError, RecursionError):
        return CallInfo(trace=_named(route, tenant))


def _read(route: Route, body: bytes, tenant: str, defaults: Defaults) -> CallInfo:
    match route.act:
        case Act.CHAT:
            return _chat(route, body, tenant, defaults)
        case Act.IMAGES if "model" in route.parameters:
            card = catalog.resolve(route.parameters["model"], defaults.offers)
            return CallInfo(card, True, AffinityKeys(tenant), whole=True)
        case Act.IMAGES:
            model = _model_of(body) or defaults.image_model
            keys = AffinityKeys(tenant, tuple(_stored_ids(body)))
            return CallInfo(defaults.card(model, tenant), True, keys, whole=not _comes_otherwise(body))
        case Act.CHAT_BATCH | Act.IMAGE_BATCH:  # the node counts: one that it knows already is free
            default = defaults.image_model if route.act is Act.IMAGE_BATCH else defaults.model
            return CallInfo(defaults.card(_model_of(body) or default, tenant), False, _named(route, tenant))
    if route.name == "cookies.put":
        account = wire.parse_json(body).get("account")
        return CallInfo(trace=AffinityKeys(tenant, account=account if isinstance(account, str) else ""))
    return CallInfo(trace=_named(route, tenant))


def _named(route: Route, tenant: str) -> AffinityKeys:
    """What a path names. An upload that goes on carries no key, so its id belongs to nobody."""
    parameters = route.parameters
    if route.name.startswith("accounts."):
        return AffinityKeys(tenant, account=parameters.get("name", ""))
    if "upload_id" in parameters:
        return AffinityKeys("", (parameters["upload_id"],))
    ids = tuple(value for key, value in parameters.items() if key.endswith("_id"))
    return AffinityKeys(tenant, ids, conversation=parameters.get("conversation_id", ""))


def _chat(route: Route, body: bytes, tenant: str, defaults: Defaults) -> CallInfo:
    row = route.row
    assert row is not None
    assert row.read is not None
    if row.form is not None:
        card = defaults.card(_model_of(body) or defaults.model, tenant)
        return CallInfo(card, True, AffinityKeys(tenant), whole=not _FORM_OF_ANSWER.search(body))
    wired: Any = wire.read(row.body, wire.parse_json(body))
    if row.continues is not None and (earlier := row.continues(wired)):
        keys = AffinityKeys(tenant, (earlier,))
        return CallInfo(defaults.card(wired.model or defaults.model, tenant), True, keys, whole=not wired.stream)
    chat = row.read(wired, ReadContext(route.parameters))
    card = defaults.card(chat.model or defaults.model, tenant)
    files = tuple(source.id for source in _sources(chat) if isinstance(source, Stored))
    if chat.temporary:
        return CallInfo(card, True, AffinityKeys(tenant, files), whole=not chat.stream)
    tips = tuple(chain(scope(tenant, card.web, chat.tools), chat.messages))
    named = (chat.conversation_id,) if chat.conversation_id else ()
    # Files come last: a history says more about where a chat stands than a file it mentions.
    keys = AffinityKeys(tenant, named, tips, chat.conversation_id or "", files=files)
    return CallInfo(card, True, keys, whole=not chat.stream)


def _sources(chat: ChatRequest) -> Iterator[Any]:
    def inside(parts: tuple[Part, ...]) -> Iterator[Any]:
        for part in parts:
            match part:
                case Image(source) | File(source):
                    yield source
                case ToolResult():
                    yield from inside(tuple(part.parts))
                case _:
                    pass

    for message in chat.messages:
        yield from inside(message.parts)


def _model_of(body: bytes) -> str:
    """The model that a JSON body or a form names; "" for none."""
    if body[:1] in _JSON_BEGINS:
        model = wire.parse_json(body).get("model")
        return model if isinstance(model, str) else ""
    at = 0
    for _ in range(FIELDS_READ):
        if (at := body.find(_MODEL_FIELD, at)) < 0:
            break
        at += len(_MODEL_FIELD)
        if found := _MODEL.match(body, at):
            return found[1].decode("utf-8", "replace").strip()
    return ""


def _comes_otherwise(body: bytes) -> bool:
    """Whether a JSON body or a form for images may ask for a stream, or for a task; in doubt it does."""
    if body[:1] in _JSON_BEGINS:
        told = wire.parse_json(body)
        return any(told.get(name) not in (None, False) for name in ("stream", "async"))
    return re.search(rb'name="?(?:stream|async)\b', body) is not None


def _stored_ids(body: bytes) -> Iterator[str]:
    return (found.decode().removeprefix("files/") for found in _ID.findall(body[:IDS_WITHIN]))


def made_ids(route: Route, beginning: bytes) -> list[str]:
    """Ids of what an answer has made, from its first bytes: what refers to them is best asked of the same node."""
    return list(_stored_ids(beginning)) if route.name in _MAKES else []
