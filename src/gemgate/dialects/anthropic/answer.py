"""Anthropic messages, the way out: messages, their events, errors, models (docs/client-contracts.md 6).

Every event needs its `event:` line, or Anthropic's client drops it. Images are shown as Markdown: the dialect has no
image block for answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gemgate.catalog import ModelCard
from gemgate.chat import (
    Began,
    Ended,
    Event,
    Found,
    ImageGenerated,
    Reply,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.dialects.anthropic.listing import page_of
from gemgate.dialects.anthropic.messages import SEARCH_ID
from gemgate.dialects.wire import EVENTS, MarkdownJoiner, ResponseMeta, pieces, rfc3339, served_by, sse, status_of
from gemgate.errors import GatewayError, LocalText
from gemgate.findings import Findings, WebSource

if TYPE_CHECKING:
    from gemgate.dialects.shapes import anthropic as shapes

SIGNATURE = "gemgate"
"""Clients keep a signature beside every thinking block and source and send it back; ours proves nothing and is never
checked.
"""

_STOPS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}


def write(reply: Reply, meta: ResponseMeta, model: str, *, searches: bool = False) -> dict[str, Any]:
    """The whole message. searches: the client offered a tool that searches the web, and is shown its call."""
    message = _message(meta, model, reply.ended.usage)
    served = {"served_model": served_by([reply.ended])}
    return message | {"content": _content(reply, meta, searches=searches)} | _stop(reply.ended) | served


def _message(meta: ResponseMeta, model: str, usage: Usage) -> dict[str, Any]:
    return {
        "id": meta.id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": write_usage(usage),
    }


def _stop(ended: Ended) -> dict[str, Any]:
    stop: dict[str, Any] = {"stop_reason": _STOPS[ended.reason], "stop_sequence": ended.stop_sequence}
    if ended.reason == "content_filter":
        stop["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return stop


def _content(reply: Reply, meta: ResponseMeta, *, searches: bool) -> list[dict[str, Any]]:
    flow = MarkdownJoiner()
    blocks: list[dict[str, Any]] = []
    for part in reply.parts:
        match part:
            case ThoughtDelta(text):
                blocks.append({"type": "thinking", "thinking": text, "signature": SIGNATURE})
            case ToolCalled(call):
                blocks.append(_tool_use(call) | {"input": json.loads(call.arguments)})
            case Found(found):
                if found.sources:
                    blocks[-1]["citations"] = [*map(_citation, found.sources)]
                blocks += _calls(found, meta, searches=searches)
            case TextDelta() | ImageGenerated():
                text = flow.image(part.image, meta) if isinstance(part, ImageGenerated) else flow.text(part.text)
                if blocks and blocks[-1]["type"] == "text":
                    blocks[-1]["text"] += text
                else:
                    blocks.append({"type": "text", "text": text, "citations": None})
    return blocks


def _citation(source: WebSource) -> shapes.AnthropicCitation:
    """A source of the text. `cited_text` is the page's summary as Google tells it; for the words that lean on it the
    dialect has no field.
    """
    return {
        "type": "web_search_result_location",
        "cited_text": source.snippet,
        "encrypted_index": SIGNATURE,
        "title": source.title or None,
        "url": source.url,
    }


def _calls(found: Findings, meta: ResponseMeta, *, searches: bool) -> list[dict[str, Any]]:
    """What Google's app did with the tools that were offered: the code that it ran, and its search."""
    return [*_runs(found, meta), *(_search(found, meta) if searches and found.sources else ())]


def _runs(found: Findings, meta: ResponseMeta) -> Iterator[dict[str, Any]]:
    """Each program as a call and its result; in the text they stand as well. How it ended Google does not tell, and
    the dialect wants a number.
    """
    for number, run in enumerate(found.runs):
        call_id = f"{SEARCH_ID}{meta.id.removeprefix('msg_')}_{number}"
        printed = {"type": "code_execution_result", "stdout": run.output, "stderr": "", "return_code": 0, "content": []}
        yield {"type": "server_tool_use", "id": call_id, "name": "code_execution", "input": {"code": run.code}}
        yield {"type": "code_execution_tool_result", "tool_use_id": call_id, "content": printed}


def _search(found: Findings, meta: ResponseMeta) -> list[dict[str, Any]]:
    """The search as a call of the client's tool, and its results. What Google's app searched for it does not tell."""
    call_id = SEARCH_ID + meta.id.removeprefix("msg_")
    results = [
        {
            "type": "web_search_result",
            "url": source.url,
            "title": source.title or source.url,
            "encrypted_content": SIGNATURE,
            "page_age": None,
        }
        for source in found.sources
    ]
    return [
        {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": ""}},
        {"type": "web_search_tool_result", "tool_use_id": call_id, "content": results},
    ]


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": their_id(call.id), "name": call.name, "input": {}}


def their_id(call_id: str) -> str:
    """`call_x` -> `toolu_x`; other ids stay."""
    return "toolu_" + call_id.removeprefix("call_") if call_id.startswith("call_") else call_id


def write_usage(usage: Usage) -> shapes.MessageUsage:
    """The usage object; `estimated` says that Google names no counts."""
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "estimated": usage.estimated,
    }


class EventWriter:
    """Writes the events of one message. `prompt_tokens` goes into message_start; the final count comes at the end."""

    heartbeat: bytes | None = sse({"type": "ping"}, "ping")
    media_type = EVENTS

    def __init__(self, meta: ResponseMeta, model: str, *, prompt_tokens: int = 0, searches: bool = False) -> None:
        self._meta = meta
        self._searches = searches
        self._start = _message(meta, model, Usage(prompt_tokens))
        self._flow = MarkdownJoiner()
        self._index = 0
        self._open = ""

    def event(self, _: int, event: Event) -> bytes:
        match event:
            case Began():
                return _say("message_start", message=self._start)
            case TextDelta(text):
                return self._text(self._flow.text(text))
            case ImageGenerated(image):
                return self._text(self._flow.image(image, self._meta))
            case ThoughtDelta(text):
                empty = {"type": "thinking", "thinking": "", "signature": ""}
                return self._opened("thinking", empty) + self._delta(type="thinking_delta", thinking=text)
            case ToolCalled(call):
                return self._call(call)
            case Found(found):
                return self._found(found)
            case Ended():
                return self._end(event)

    def close(self) -> bytes:
        return b""

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        """An error after the stream began: an event of its own, and no message_stop."""
        return sse(envelope(error, language, request_id)[1], "error")

    def _text(self, text: str) -> bytes:
        empty = {"type": "text", "text": "", "citations": None}
        return self._opened("text", empty) + self._delta(type="text_delta", text=text)

    def _call(self, call: ToolCall) -> bytes:
        opening = self._opened("tool_use", _tool_use(call))
        parts = [self._delta(type="input_json_delta", partial_json=piece) for piece in pieces(call.arguments)]
        return b"".join([opening, *parts, self._closed()])

    def _found(self, found: Findings) -> bytes:
        """The sources: of the open text, and as a search behind it; and code that was run."""
        events = [self._delta(type="citations_delta", citation=_citation(source)) for source in found.sources]
        for block in _calls(found, self._meta, searches=self._searches):
            empty = {**block, "input": {}} if "input" in block else block
            events.append(self._opened(block["type"], empty))
            if "input" in block:
                events.append(self._delta(type="input_json_delta", partial_json=json.dumps(block["input"])))
            events.append(self._closed())
        return b"".join(events)

    def _opened(self, kind: str, empty: dict[str, Any]) -> bytes:
        """Make the open block one of `kind`: calls get one each, neighbouring deltas share theirs."""
        if self._open == kind:
            return b""
        closing = self._closed()
        self._open = kind
        return closing + _say("content_block_start", index=self._index, content_block=empty)

    def _closed(self) -> bytes:
        kind, index = self._open, self._index
        if not kind:
            return b""
        signed = self._delta(type="signature_delta", signature=SIGNATURE) if kind == "thinking" else b""
        self._open, self._index = "", index + 1
        return signed + _say("content_block_stop", index=index)

    def _delta(self, **delta: Any) -> bytes:
        return _say("content_block_delta", index=self._index, delta=delta)

    def _end(self, ended: Ended) -> bytes:
        closing = self._closed()
        facts = {"usage": write_usage(ended.usage), "served_model": served_by([ended])}
        return closing + _say("message_delta", delta=_stop(ended), **facts) + _say("message_stop")


def _say(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error in Anthropic's shape."""
    status = status_of(error)
    final = status < 500 or error.kind == "output_invalid"  # clients repeat an api_error by themselves
    kind = _TYPES.get(status) or ("invalid_request_error" if final else "api_error")
    detail: dict[str, Any] = {"type": kind, "message": _too_long(error) + error.text(language)}
    if error.code:
        detail["code"] = error.code
    return status, {"type": "error", "error": detail, "request_id": request_id}


def _too_long(error: GatewayError) -> str:
    """The words by which Anthropic's clients know that they have to compact; tokens counted as four bytes each."""
    if error.kind != "prompt_too_long" or "maximum" not in error.details:
        return "prompt is too long: " if error.kind == "prompt_too_long" else ""
    tokens, most = -(-error.details["bytes"] // 4), error.details["maximum"] // 4
    return f"prompt is too long: {tokens} tokens > {most} maximum. "


def write_token_count(tokens: int) -> shapes.MessageTokens:
    return {"input_tokens": tokens}


def model_object(card: ModelCard, created: int = 1_700_000_000) -> shapes.AnthropicModel:
    """One model, as GET /v1/models/{id} answers it; `lifecycle` is required since SDK 2."""
    return {
        "type": "model",
        "id": card.id,
        "display_name": card.name,
        "created_at": rfc3339(created),
        "lifecycle": "active",
    }


def model_listing(
    cards: list[ModelCard], *, limit: int = 20, after_id: str | None = None, before_id: str | None = None
) -> shapes.AnthropicModels:
    """One page of GET /v1/models; BadRequest for an unknown cursor."""
    page, more = page_of(cards, LocalText("model", "模型"), limit=limit, after_id=after_id, before_id=before_id)
    return {
        "data": [model_object(card) for card in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
