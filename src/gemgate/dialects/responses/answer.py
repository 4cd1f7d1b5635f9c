"""OpenAI responses, the way out: the response object and its items (api_contract.md 3).

Ids are made from the response's own: item n of `resp_x` is `msg_x_n`, `fc_x_n`, `rs_x_n` or `ig_x_n`, so that whoever
keeps responses can find the one an item belongs to.
"""

from __future__ import annotations

import re
from typing import Any

from gemgate.chat import (
    Ended,
    ImageGenerated,
    Message,
    Reply,
    Text,
    TextDelta,
    Thought,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.dialects.openai import error_code
from gemgate.dialects.responses.request import ResponsesRequest, ToolBody
from gemgate.dialects.wire import Base64, Stamp, image_facts, image_markdown, status_of
from gemgate.errors import GatewayError
from gemgate.images import GeneratedImage

Item = dict[str, Any]


def write(reply: Reply, stamp: Stamp, body: ResponsesRequest, model: str) -> dict[str, Any]:
    """The finished response object."""
    items = [item_of(part, index, stamp) for index, part in enumerate(reply.parts)]
    return finished(response_object(stamp, body, model), items, reply.ended)


def response_object(stamp: Stamp, body: ResponsesRequest, model: str) -> dict[str, Any]:
    """A response that has begun: every field that echoes the request, and no output yet."""
    reasoning = body.reasoning
    return {
        "id": stamp.id,
        "object": "response",
        "created_at": stamp.created,
        "status": "in_progress",
        "background": False,
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
    }


def _text(body: ResponsesRequest) -> dict[str, Any]:
    text = body.text.model_dump(by_alias=True, exclude_unset=True, exclude_none=True) if body.text else {}
    wanted = {"type": "text", **text.get("format", {})}
    if wanted["type"] == "json_schema":
        wanted.setdefault("name", "answer")
    return {**text, "format": wanted}


def _tool(tool: ToolBody) -> dict[str, Any]:
    if tool.type != "function":
        return tool.model_dump(exclude_unset=True)
    function = tool.function or {}
    return {
        "type": "function",
        "name": tool.name or function.get("name"),
        "description": tool.description or function.get("description"),
        "parameters": tool.parameters or function.get("parameters"),
        "strict": tool.strict if tool.strict is not None else function.get("strict", False),
    }


def finished(response: dict[str, Any], items: list[Item], ended: Ended) -> dict[str, Any]:
    """The response with its output, usage and final status."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    cut = reasons.get(ended.reason)
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": items,
        "usage": usage(ended.usage),
    }


def usage(usage: Usage) -> dict[str, Any]:
    """The usage object; `estimated` says that Google names no counts."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
    }


def item_of(part: TextDelta | ThoughtDelta | ToolCalled | ImageGenerated, index: int, stamp: Stamp) -> Item:
    """A finished output item."""
    match part:
        case TextDelta(text):
            return message_item(text, index, stamp)
        case ThoughtDelta(text):
            return reasoning_item(text, index, stamp)
        case ToolCalled(call):
            return call_item(call, index, stamp)
        case ImageGenerated(image) if image.data is not None:
            return image_item(image, image.data, index, stamp)
        case ImageGenerated(image):
            return message_item(image_markdown(image, stamp), index, stamp)


def message_item(text: str, index: int, stamp: Stamp, status: str = "completed") -> Item:
    return {
        "id": item_id("msg", index, stamp),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [text_part(text)],
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(text: str, index: int, stamp: Stamp) -> Item:
    return {
        "id": item_id("rs", index, stamp),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}],
    }


def call_item(call: ToolCall, index: int, stamp: Stamp) -> Item:
    return {
        "id": item_id("fc", index, stamp),
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}


def image_item(image: GeneratedImage, data: bytes, index: int, stamp: Stamp) -> Item:
    """A picture as the hosted picture tool answers it, with its measured facts beside it."""
    return {
        "id": item_id("ig", index, stamp),
        "type": "image_generation_call",
        "status": "completed",
        "result": Base64(data),
        "output_format": _FORMATS.get(image.mime, "png"),
        "size": str(image.size),
        "revised_prompt": image.prompt or None,
        "facts": image_facts(image),
    }


def item_id(prefix: str, index: int, stamp: Stamp) -> str:
    return f"{prefix}_{stamp.id.removeprefix('resp_')}_{index}"


def owner_of(item_id: str) -> str | None:
    """The id of the response that an item of ours belongs to; None for foreign ids."""
    match = re.fullmatch(r"(?:msg|fc|rs|ig)_(.+)_\d+", item_id)
    return f"resp_{match.group(1)}" if match else None


def message_of_item(item: Item) -> Message | None:
    """A stored output item as words, to resolve references to it."""
    match item:
        case {"type": "message", "content": list(content)}:
            texts = tuple(Text(part["text"]) for part in content if part.get("type") == "output_text")
            return Message("assistant", texts)
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
            return Message("assistant", (ToolCall(call_id, name, arguments),))
        case {"type": "reasoning", "summary": list(summary)}:
            return Message("assistant", tuple(Thought(part["text"]) for part in summary))
        case _:
            return None


def write_token_count(tokens: int) -> dict[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": tokens}


def write_deleted(response_id: str) -> dict[str, Any]:
    return {"id": response_id, "object": "response", "deleted": True}


def failure(error: GatewayError, language: str) -> dict[str, Any]:
    """The `error` of a response that failed; OpenAI's clients know few codes, ours stands beside."""
    code = "rate_limit_exceeded" if status_of(error) == 429 else "server_error"
    if error.kind in ("refused", "bad_request"):
        code = "invalid_prompt"
    return {"code": code, "message": error.text(language), "type": error_code(error) or error.kind}
