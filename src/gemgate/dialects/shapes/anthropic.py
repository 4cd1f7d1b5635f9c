"""Anthropic's messages, counts, models, errors."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import DateTime


class AnthropicErrorBody(TypedDict):
    type: str
    message: str
    code: NotRequired[str]


class AnthropicError(TypedDict):
    type: Literal["error"]
    error: AnthropicErrorBody
    request_id: str


class AnthropicCitation(TypedDict):
    """cited_text: the page's summary."""

    type: Literal["web_search_result_location"]
    cited_text: str
    encrypted_index: str
    title: str | None
    url: str


class TextBlock(TypedDict):
    type: Literal["text"]
    text: str
    citations: list[AnthropicCitation] | None


class ThinkingBlock(TypedDict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseBlock(TypedDict):
    """Of the caller's tools, and (`server_tool_use`) of those that Google's app ran."""

    type: Literal["tool_use", "server_tool_use"]
    id: str
    name: str
    input: Any


class ToolResultBlock(TypedDict):
    type: Literal["web_search_tool_result", "code_execution_tool_result"]
    tool_use_id: str
    content: list[dict[str, Any]] | dict[str, Any]


class ThinkingTokens(TypedDict):
    thinking_tokens: int


class MessageUsage(TypedDict):
    """estimated: Google names no counts."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: ThinkingTokens
    estimated: bool


class AnthropicMessage(TypedDict):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[TextBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock]
    stop_reason: Literal["end_turn", "stop_sequence", "tool_use", "max_tokens", "refusal"]
    stop_sequence: str | None
    stop_details: NotRequired[dict[str, Any]]
    usage: MessageUsage
    served_model: str


class MessageTokens(TypedDict):
    input_tokens: int


class AnthropicModel(TypedDict):
    type: Literal["model"]
    id: str
    display_name: str
    created_at: DateTime
    lifecycle: Literal["active"]


class AnthropicModels(TypedDict):
    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class AnthropicFile(TypedDict):
    type: Literal["file"]
    id: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: DateTime
    expires_at: DateTime | None
    downloadable: Literal[True]


class AnthropicFiles(TypedDict):
    """next_page: the `page` to ask for next, where SDK 2 turns pages; first_id, last_id: for those before it."""

    data: list[AnthropicFile]
    has_more: bool
    first_id: str | None
    last_id: str | None
    next_page: str | None


class DeletedAnthropicFile(TypedDict):
    type: Literal["file_deleted"]
    id: str
