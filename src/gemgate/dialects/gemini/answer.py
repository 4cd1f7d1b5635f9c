"""Gemini's generateContent, the way out: responses, both stream forms, errors, models (docs/client-contracts.md 5).

The stream carries `data: ` lines and blank ones and nothing else: google-genai reads a comment or an `event:` line as
JSON and fails. A blank line ends an event, and where none was begun every SDK skips it: that is the heartbeat.
An error after the start must have `error` as its first and only key, or the SDK takes it for a chunk. Releases 1 of
@google/genai see it only where a piece from the network is that object and nothing else, so it is sent once more, bare
and in a write of its own; what comes after the first is not read by the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gemgate.catalog import ModelCard
from gemgate.chat import (
    UNKNOWN,
    Began,
    Ended,
    Event,
    Found,
    ImageGenerated,
    Reply,
    TextDelta,
    ThoughtDelta,
    ToolCalled,
    Usage,
)
from gemgate.dialects.gemini.contents import RUN_ID
from gemgate.dialects.wire import EVENTS, Base64, MarkdownJoiner, ResponseMeta, dumps, served_by, status_of
from gemgate.digits import whole
from gemgate.errors import BadRequest, GatewayError, NoImage, Refused
from gemgate.findings import NOTHING_FOUND, Findings, Media

if TYPE_CHECKING:
    from gemgate.dialects.shapes import gemini as shapes

_REASONS = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}

Part = dict[str, Any]
T = TypeVar("T")


class PartWriter:
    """Writes the parts of one answer. `inline` images become inlineData, others Markdown links in the text."""

    def __init__(self, meta: ResponseMeta, *, inline: bool) -> None:
        self._meta = meta
        self._inline = inline
        self._flow = MarkdownJoiner()

    def part(self, event: TextDelta | ThoughtDelta | ToolCalled | ImageGenerated) -> Part:
        match event:
            case TextDelta(text):
                return {"text": text if self._inline else self._flow.text(text)}
            case ThoughtDelta(text):
                return {"text": text, "thought": True}
            case ToolCalled(call):
                return {"functionCall": {"name": call.name, "args": json.loads(call.arguments), "id": call.id}}
            case ImageGenerated(image) if self._inline and image.data is not None:
                return {"inlineData": {"mimeType": image.mime, "data": Base64(image.data)}}
            case ImageGenerated(image):
                return {"text": self._flow.image(image, self._meta)}


def found_parts(found: Findings, meta: ResponseMeta) -> list[Part]:
    """What has parts of its own: sound and films, and code that was run, where the tool for it was offered."""
    return [*map(media_part, found.media), *_run_parts(found, meta)]


def _run_parts(found: Findings, meta: ResponseMeta) -> Iterator[Part]:
    """Each program and what it printed; in the text they stand as well. How it ended the app does not tell."""
    for number, run in enumerate(found.runs):
        run_id = f"{RUN_ID}{meta.id}_{number}"
        language = "PYTHON" if run.language.lower() == "python" else "LANGUAGE_UNSPECIFIED"
        yield {"executableCode": {"language": language, "code": run.code, "id": run_id}}
        result = {"outcome": "OUTCOME_UNSPECIFIED", "output": run.output, "id": run_id}
        yield {"codeExecutionResult": result}


def media_part(media: Media) -> Part:
    """Sound or a film, as bytes where they came with it."""
    if media.data is not None:
        return {"inlineData": {"mimeType": media.mime, "data": Base64(media.data)}}
    return {"fileData": {"mimeType": media.mime, "fileUri": media.url}}


def write(replies: list[Reply], meta: ResponseMeta, model: str, *, inline_images: bool = False) -> dict[str, Any]:
    """The GenerateContentResponse of one or several answers."""
    candidates = []
    for index, reply in enumerate(replies):
        writer = PartWriter(meta, inline=inline_images)
        parts: list[Part] = []
        for part in reply.parts:
            parts += [writer.part(part)] if not isinstance(part, Found) else found_parts(part.findings, meta)
        candidate = _candidate(parts, index, _REASONS[reply.ended.reason])
        candidates.append(candidate | grounding(reply.found, reply.text))
    total = sum((reply.ended.usage for reply in replies[1:]), replies[0].ended.usage)
    del model  # an answer tells who gave it, not who was asked
    identity = _identity(meta, served_by([reply.ended for reply in replies]))
    return {"candidates": candidates, "usageMetadata": write_usage(total), **identity}


def _candidate(parts: list[Part], index: int, reason: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts or [{"text": ""}], "role": "model"}, "index": index}
    if reason is not None:
        candidate["finishReason"] = reason
    return candidate


def grounding(found: Findings, text: str) -> dict[str, Any]:
    """A candidate's `groundingMetadata`, nothing without sources. Segments count the bytes of its text, as Google does;
    what was searched for the app does not tell.
    """
    if not found.sources:
        return {}
    supports = [
        {
            "segment": {
                "startIndex": len(text[: one.start].encode()),
                "endIndex": len(text[: one.end].encode()),
                "text": text[one.start : one.end],
            },
            "groundingChunkIndices": list(one.sources),
        }
        for one in found.citations
    ]
    chunks = [{"web": {"uri": source.url, "title": source.title}} for source in found.sources]
    return {"groundingMetadata": {"groundingChunks": chunks, "groundingSupports": supports}}


def _identity(meta: ResponseMeta, served: str = "") -> dict[str, Any]:
    """ModelVersion is Google's own word of who answered, which comes at the end; before it there is none."""
    return {**({"modelVersion": served} if served else {}), "responseId": meta.id}


def write_usage(usage: Usage) -> shapes.UsageMetadata:
    """The usageMetadata object; `estimated` says that the web app names no counts."""
    counts: shapes.UsageMetadata = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens,
        "totalTokenCount": usage.total_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt_tokens}],
        "estimated": usage.estimated,
    }
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    return counts


def write_refusal(error: Refused, meta: ResponseMeta, model: str, language: str, *, images: bool) -> dict[str, Any]:
    """A refusal as Google tells it: with 200. Without images the prompt counts as blocked and has no candidates."""
    del model
    return _refused(error, _identity(meta, UNKNOWN), language, images=images)


def _refused(error: Refused, identity: dict[str, Any], language: str, *, images: bool) -> dict[str, Any]:
    counts = {"usageMetadata": write_usage(Usage()), **identity}
    if not images and not isinstance(error, NoImage):
        return {"promptFeedback": {"blockReason": "SAFETY"}, **counts}
    candidate = _candidate([{"text": error.answer}] if error.answer else [], 0, _refusal_reason(error, images=images))
    return {"candidates": [{**candidate, "finishMessage": error.text(language)}], **counts}


def _refusal_reason(error: Refused, *, images: bool) -> str:
    if isinstance(error, NoImage):
        return "NO_IMAGE"
    return "IMAGE_SAFETY" if images else "SAFETY"


class ChunkWriter:
    """Writes the chunks of one stream; `answers` share it and are told apart by their index.

    `inline_images`: see `PartWriter`. Subclasses frame the chunks.
    """

    heartbeat: bytes | None = b"\r\n\r\n"
    media_type = EVENTS

    def __init__(self, meta: ResponseMeta, model: str, *, answers: int = 1, inline_images: bool = False) -> None:
        del model
        self._meta = meta
        self._identity = _identity(meta)
        self._left = answers
        self._inline = inline_images
        self._writers = [PartWriter(meta, inline=inline_images) for _ in range(answers)]
        self._texts: list[list[str]] = [[] for _ in range(answers)]
        self._found: dict[int, Findings] = {}
        self._usage: Usage | None = None
        self._begun = False

    def event(self, index: int, event: Event) -> bytes:
        match event:
            case Began():
                return b""
            case Ended():
                return self._end(index, event)
            case Found(found):
                if not found.media:
                    self._found[index] = found
                parts = found_parts(found, self._meta)
                if not parts:
                    return b""
                return self._frame({"candidates": [_candidate(parts, index)], **self._identity})
            case _:
                if isinstance(event, TextDelta):
                    self._texts[index].append(event.text)
                candidate = _candidate([self._writers[index].part(event)], index)
                return self._frame({"candidates": [candidate], **self._identity})

    def close(self) -> bytes:
        return b""

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        """An error after the stream began. A refusal is an answer, as Google tells it, even if nothing came before."""
        if not isinstance(error, Refused):
            return self._frame(envelope(error, language, request_id)[1])
        if not self._begun:
            return self._frame(_refused(error, self._identity, language, images=self._inline))
        candidate = _candidate([], 0, _refusal_reason(error, images=self._inline))
        chunk = {"candidates": [{**candidate, "finishMessage": error.text(language)}], **self._identity}
        return self._frame({**chunk, "usageMetadata": write_usage(self._usage or Usage())})

    def fail_again(self, error: GatewayError, language: str, request_id: str) -> bytes:
        """The same error bare, for a write of its own behind `fail`."""
        return b"" if isinstance(error, Refused) else dumps(envelope(error, language, request_id)[1])

    def _end(self, index: int, ended: Ended) -> bytes:
        """Usage stands in the last chunk only."""
        self._usage = ended.usage if self._usage is None else self._usage + ended.usage
        self._left -= 1
        candidate = _candidate([], index, _REASONS[ended.reason])
        candidate |= grounding(self._found.get(index, NOTHING_FOUND), "".join(self._texts[index]))
        chunk: dict[str, Any] = {"candidates": [candidate], **self._identity}
        chunk["modelVersion"] = served_by([ended])
        if self._left == 0:
            chunk["usageMetadata"] = write_usage(self._usage)
        return self._frame(chunk)

    def _frame(self, chunk: dict[str, Any]) -> bytes:
        """streamGenerateContent?alt=sse."""
        self._begun = True
        return b"data: " + dumps(chunk) + b"\r\n\r\n"


class ArrayWriter(ChunkWriter):
    """streamGenerateContent without alt=sse: one JSON array, element by element, content type application/json."""

    heartbeat: bytes | None = b"\r\n"
    media_type = "application/json"

    def close(self) -> bytes:
        return b"]" if self._begun else b"[]"

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        return super().fail(error, language, request_id) + b"]"

    def fail_again(self, error: GatewayError, language: str, request_id: str) -> bytes:
        return b""

    def _frame(self, chunk: dict[str, Any]) -> bytes:
        lead = b",\r\n" if self._begun else b"["
        self._begun = True
        return lead + dumps(chunk)


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error as google.rpc.Status, with the wait where there is one."""
    status = status_of(error)
    details: list[dict[str, Any]] = []
    if error.retry_after is not None:
        details.append({"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{math.ceil(error.retry_after)}s"})
    if error.param:
        violation = {"field": error.param, "description": error.text(language)}
        details.append({"@type": f"{_RPC}.BadRequest", "fieldViolations": [violation]})
    if error.kind == "insufficient_quota":
        spent = {"subject": str(error.details.get("rule", "")), "description": error.text(language)}
        details.append({"@type": f"{_RPC}.QuotaFailure", "violations": [spent]})
    if request_id:
        details.append({"@type": f"{_RPC}.RequestInfo", "requestId": request_id})
    body = {"code": status, "message": error.text(language), "status": _STATUS.get(status, "INTERNAL")}
    return status, {"error": {**body, "details": details}}


_RPC = "type.googleapis.com/google.rpc"


def array_envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, list[dict[str, Any]]]:
    """The error of a stream without alt=sse that never began: an array of one."""
    status, body = envelope(error, language, request_id)
    return status, [body]


def write_token_count(tokens: int) -> shapes.TokenCount:
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


INPUT_LIMIT, OUTPUT_LIMIT = 1_048_576, 65_536
"""What Google publishes for the models; the web app itself names no limits."""


def model_object(card: ModelCard, language: str = "en") -> shapes.GoogleModel:
    """One model, as GET models/{id} answers it."""
    return {
        "name": f"models/{card.id}",
        "version": "001",
        "displayName": card.name,
        "description": card.description.for_(language),
        "inputTokenLimit": INPUT_LIMIT,
        "outputTokenLimit": OUTPUT_LIMIT,
        "supportedGenerationMethods": [
            *(["predictLongRunning"] if card.kind == "video" else []),
            *("generateContent", "streamGenerateContent", "countTokens"),
        ],
    }


def model_listing(
    cards: list[ModelCard], *, page_size: int = 50, page_token: str = "", language: str = "en"
) -> dict[str, Any]:
    """One page of GET models; the token is the place where the page begins."""
    page, token = page_of(cards, page_size, page_token)
    listing: dict[str, Any] = {"models": [model_object(card, language) for card in page]}
    return {**listing, "nextPageToken": token} if token else listing


def page_of(items: Sequence[T], page_size: int, page_token: str) -> tuple[Sequence[T], str]:
    """A page and the token of the next one, "" at the end; BadRequest for a token that was never given."""
    start = whole(page_token or "0")
    if start is None or (page_token and start >= len(items)):
        raise BadRequest("pageToken is not one of ours", "pageToken 无效", param="pageToken")
    end = start + max(1, min(page_size or 50, 1000))
    return items[start:end], str(end) if end < len(items) else ""
