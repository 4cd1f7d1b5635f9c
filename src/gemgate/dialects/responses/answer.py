"""OpenAI responses, the way out: the response object and its items (docs/client-contracts.md 3).

Ids are made from the response's own: item n of `resp_x` is `msg_x_n`, `fc_x_n`, `rs_x_n` or `ig_x_n`, so that whoever
keeps responses can find the one an item belongs to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gemgate.chat import (
    Ended,
    Found,
    ImageGenerated,
    Message,
    Reply,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.dialects.openai import envelope as openai_envelope
from gemgate.dialects.openai import error_code
from gemgate.dialects.openai_content import CONTAINER, Conversation
from gemgate.dialects.openai_tools import SEARCH, Toolbox, object_of, text_input
from gemgate.dialects.responses.request import ResponsesRequest, toolbox
from gemgate.dialects.wire import LONG_WAIT, Base64, ResponseMeta, image_facts, image_markdown, served_by, status_of
from gemgate.errors import GatewayError
from gemgate.findings import Findings, attributed
from gemgate.images import GeneratedImage

if TYPE_CHECKING:
    from gemgate.dialects.shapes import responses as shapes

Item = dict[str, Any]


def write(reply: Reply, meta: ResponseMeta, body: ResponsesRequest, model: str) -> dict[str, Any]:
    """The finished response object."""
    box = toolbox(body)
    items: list[Item] = []
    for part in reply.parts:
        if isinstance(part, Found):
            if part.findings.sources:
                newest = items[-1]["content"][0]
                newest["annotations"] = citations_of(part.findings, items[:-1], newest["text"])
            items += run_items(part.findings, len(items), meta)
            items += search_items(part.findings, len(items), meta, box) if part.findings.sources else ()
        else:
            items.append(item_of(part, len(items), meta, box))
    return finished(response_object(meta, body, model), items, reply.ended)


def citations_of(found: Findings, before: Sequence[Item], text: str) -> list[shapes.UrlCitation]:
    """The annotations of `text`, the newest of the answer: `before` are the items in front of it, which have the rest
    of what is cited. What leans on words in those stands empty at the end.
    """
    gone = sum(len(item["content"][0]["text"]) for item in before if item["type"] == "message")
    return [
        {
            "type": "url_citation",
            "start_index": start - gone if start >= gone else len(text),
            "end_index": end - gone if start >= gone else len(text),
            "title": source.title,
            "url": source.url,
        }
        for source, start, end in attributed(found, gone + len(text))
    ]


def search_items(found: Findings, index: int, meta: ResponseMeta, box: Toolbox) -> list[Item]:
    """The call of the search tool, where one was offered. What Google's app searched for it does not tell."""
    if not box.hosted.intersection(SEARCH):
        return []
    sources = [{"type": "url", "url": source.url} for source in found.sources]
    action = {"type": "search", "query": "", "sources": sources}
    return [{"id": item_id("ws", index, meta), "type": "web_search_call", "status": "completed", "action": action}]


def run_items(found: Findings, index: int, meta: ResponseMeta) -> list[Item]:
    """The programs that were run, as calls of the interpreter that was offered; in the text they stand as well."""
    return [
        {
            "id": item_id("ci", at, meta),
            "type": "code_interpreter_call",
            "status": "completed",
            "code": run.code,
            "container_id": CONTAINER + meta.id.removeprefix("resp_"),
            "outputs": [{"type": "logs", "logs": run.output}] if run.output else [],
        }
        for at, run in enumerate(found.runs, index)
    ]


def response_object(meta: ResponseMeta, body: ResponsesRequest, model: str) -> dict[str, Any]:
    """A response that has begun: every field that echoes the request, and no output yet."""
    reasoning = body.reasoning
    prompt = {} if body.prompt is None else {"prompt": body.prompt.model_dump(include={"id", "variables", "version"})}
    return {
        "id": meta.id,
        "object": "response",
        "created_at": meta.created,
        "status": "queued" if body.background else "in_progress",
        "background": bool(body.background),
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": (reasoning.summary or reasoning.generate_summary) if reasoning else None,
        },
        "service_tier": "default",
        "store": body.store is not False,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "text": _text(body),
        "tool_choice": "auto" if body.tool_choice is None else body.tool_choice,
        "tools": [_tool(tool) for tool in body.tools or ()],
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": body.user,
        **prompt,
    }


def _text(body: ResponsesRequest) -> dict[str, Any]:
    text = body.text.model_dump(by_alias=True, exclude_unset=True, exclude_none=True) if body.text else {}
    wanted = {"type": "text", **text.get("format", {})}
    if wanted["type"] == "json_schema":
        wanted.setdefault("name", "answer")
    return {**text, "format": wanted}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as responses echo it: functions flat."""
    function = tool.get("function")
    function = function if isinstance(function, dict) else tool
    if tool.get("type") != "function":
        return tool
    return {
        "type": "function",
        "name": function.get("name"),
        "description": function.get("description"),
        "parameters": function.get("parameters"),
        "strict": bool(function.get("strict")),
    }


CUT: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Reasons for which an answer is `incomplete`, and what OpenAI calls them."""


def finished(response: dict[str, Any], items: list[Item], ended: Ended) -> dict[str, Any]:
    """The response with its output, usage and final status; of one that was cut off the last message is incomplete."""
    cut = CUT.get(ended.reason)
    if cut and items and items[-1]["type"] == "message":
        items = [*items[:-1], {**items[-1], "status": "incomplete"}]
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": items,
        "usage": usage(ended.usage),
        "served_model": served_by([ended]),
    }


def usage(usage: Usage) -> shapes.ResponseUsage:
    """The usage object; `estimated` says that Google names no counts."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
    }


def item_of(
    part: TextDelta | ThoughtDelta | ToolCalled | ImageGenerated, index: int, meta: ResponseMeta, box: Toolbox
) -> Item:
    """A finished output item; `box` are the request's tools."""
    match part:
        case TextDelta(text):
            return message_item(text, index, meta)
        case ThoughtDelta(text):
            return reasoning_item(text, index, meta)
        case ToolCalled(call):
            return call_item(call, index, meta, box)
        case ImageGenerated(image) if image.data is not None:
            return image_item(image, image.data, index, meta)
        case ImageGenerated(image):
            return message_item(image_markdown(image, meta), index, meta)


def message_item(
    text: str,
    index: int,
    meta: ResponseMeta,
    status: str = "completed",
    notes: Sequence[shapes.UrlCitation] = (),
) -> Item:
    return {
        "id": item_id("msg", index, meta),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [text_part(text, notes)],
    }


def text_part(text: str, notes: Sequence[shapes.UrlCitation] = ()) -> shapes.OutputText:
    return {"type": "output_text", "text": text, "annotations": list(notes), "logprobs": []}


def reasoning_item(text: str, index: int, meta: ResponseMeta) -> Item:
    return {
        "id": item_id("rs", index, meta),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}],
    }


def call_item(call: ToolCall, index: int, meta: ResponseMeta, box: Toolbox) -> Item:
    """A call in the form of its tool."""
    offered = box.find(call)
    place = {"namespace": offered.namespace} if offered.namespace else {}
    match offered.form:
        case "function":
            item: Item = {"name": offered.name, "arguments": call.arguments, **place}
            return {**_call_head("fc", "function_call", call, index, meta), **item}
        case "custom":
            item = {"name": offered.name, "input": text_input(call.arguments), **place}
            return {**_call_head("ctc", "custom_tool_call", call, index, meta), **item}
        case "local_shell_call":
            action = {"type": "exec", "env": {}, **object_of(call.arguments)}
            return {**_call_head("lsh", "local_shell_call", call, index, meta), "action": action}
        case "shell_call":
            action = {"timeout_ms": None, "max_output_length": None, **object_of(call.arguments)}
            return {**_call_head("sh", "shell_call", call, index, meta), "action": action, "environment": None}
        case "apply_patch_call":
            head = _call_head("apc", "apply_patch_call", call, index, meta)
            return {**head, "operation": object_of(call.arguments)}
        case "tool_search_call":
            item = {"arguments": object_of(call.arguments), "execution": "client"}
            return {**_call_head("tsc", "tool_search_call", call, index, meta), **item}


def _call_head(prefix: str, kind: str, call: ToolCall, index: int, meta: ResponseMeta) -> Item:
    return {"id": item_id(prefix, index, meta), "type": kind, "status": "completed", "call_id": call.id}


_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}


def image_item(image: GeneratedImage, data: bytes, index: int, meta: ResponseMeta) -> Item:
    """An image as the hosted image tool answers it, with its measured facts beside it."""
    return {
        "id": item_id("ig", index, meta),
        "type": "image_generation_call",
        "status": "completed",
        "result": Base64(data),
        "output_format": _FORMATS.get(image.mime, "png"),
        "size": str(image.size),
        "revised_prompt": image.prompt or None,
        "facts": image_facts(image, meta.language),
    }


def item_id(prefix: str, index: int, meta: ResponseMeta) -> str:
    return f"{prefix}_{meta.id.removeprefix('resp_')}_{index}"


def owner_of(item_id: str) -> str | None:
    """The id of the response that an item of ours belongs to; None for foreign ids."""
    match = re.fullmatch(r"(?:msg|fc|rs|ig|ws|ci|ctc|lsh|sh|apc|tsc)_(.+)_\d+", item_id)
    return f"resp_{match.group(1)}" if match else None


def message_of_item(item: Item) -> Message | None:
    """A stored output item as words, to resolve references to it."""
    conversation = Conversation()
    conversation.add(item, "item", strict=False)
    return conversation.said[0] if conversation.said else None


def write_token_count(tokens: int) -> shapes.InputTokens:
    return {"object": "response.input_tokens", "input_tokens": tokens}


def write_deleted(response_id: str) -> shapes.DeletedResponse:
    return {"id": response_id, "object": "response", "deleted": True}


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error. A long wait is a used-up limit: Codex says until when, instead of sleeping on it."""
    status, body = openai_envelope(error, language, request_id)
    if status == 429 and error.retry_after is not None and error.retry_after > LONG_WAIT:
        body["error"] |= {"type": "usage_limit_reached", "resets_in_seconds": math.ceil(error.retry_after)}
    return status, body


def failure(error: GatewayError, language: str) -> dict[str, Any]:
    """The `error` of a response that failed; OpenAI's clients know few codes, ours stands beside."""
    code = "rate_limit_exceeded" if status_of(error) == 429 else "server_error"
    if error.kind in ("refused", "bad_request", "output_invalid", "prompt_too_long"):
        code = "invalid_prompt"
    return {"code": code, "message": error.text(language), "type": error_code(error) or error.kind}
