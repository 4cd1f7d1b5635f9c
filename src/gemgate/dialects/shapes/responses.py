"""OpenAI's responses: the object, its items, their ends."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import Waiting
from gemgate.dialects.shapes.openai import ReasoningTokens
from gemgate.dialects.shapes.pictures import PictureFacts

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class UrlCitation(TypedDict):
    type: Literal["url_citation"]
    start_index: int
    end_index: int
    title: str
    url: str


class OutputText(TypedDict):
    type: Literal["output_text"]
    text: str
    annotations: list[UrlCitation]
    logprobs: list[Any]


class OutputMessage(TypedDict):
    id: str
    type: Literal["message"]
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText]


class SummaryText(TypedDict):
    type: Literal["summary_text"]
    text: str


class ReasoningItem(TypedDict):
    id: str
    type: Literal["reasoning"]
    summary: list[SummaryText]


class CallItem(TypedDict):
    """A call of one of the caller's tools; what is called by which field depends on its type."""

    id: str
    type: Literal[
        "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "tool_search_call"
    ]
    status: ItemStatus
    call_id: str
    name: NotRequired[str]
    namespace: NotRequired[str]
    arguments: NotRequired[str | dict[str, Any]]
    input: NotRequired[str]
    action: NotRequired[dict[str, Any]]
    environment: NotRequired[None]
    operation: NotRequired[dict[str, Any]]
    execution: NotRequired[Literal["client"]]


class PictureItem(TypedDict):
    """result: base64."""

    id: str
    type: Literal["image_generation_call"]
    status: ItemStatus
    result: str
    output_format: Literal["png", "jpeg", "webp", "gif"]
    size: str
    revised_prompt: str | None
    facts: PictureFacts


class SearchedPage(TypedDict):
    type: Literal["url"]
    url: str


class SearchAction(TypedDict):
    type: Literal["search"]
    query: str
    sources: list[SearchedPage]


class SearchItem(TypedDict):
    id: str
    type: Literal["web_search_call"]
    status: ItemStatus
    action: SearchAction


class RunLogs(TypedDict):
    type: Literal["logs"]
    logs: str


class RunItem(TypedDict):
    id: str
    type: Literal["code_interpreter_call"]
    status: ItemStatus
    code: str
    container_id: str
    outputs: list[RunLogs]


class CachedInput(TypedDict):
    cached_tokens: int
    cache_write_tokens: int


class ResponseUsage(TypedDict):
    input_tokens: int
    input_tokens_details: CachedInput
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int
    estimated: bool


class ResponseFailure(TypedDict):
    """type: the word to judge by."""

    code: str
    message: str
    type: str


class WhyIncomplete(TypedDict):
    reason: Literal["max_output_tokens", "content_filter"]


class ReasoningEcho(TypedDict):
    effort: str | None
    summary: str | None


class OpenAIResponse(Waiting):
    """Fields from instructions to user tell the request again.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    error: ResponseFailure | None
    incomplete_details: WhyIncomplete | None
    instructions: Any
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage | ReasoningItem | CallItem | PictureItem | SearchItem | RunItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: ReasoningEcho
    service_tier: str
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float
    truncation: str
    usage: ResponseUsage | None
    user: str | None
    prompt: NotRequired[dict[str, Any]]
    served_model: NotRequired[str]


class InputTokens(TypedDict):
    object: Literal["response.input_tokens"]
    input_tokens: int


class DeletedResponse(TypedDict):
    id: str
    object: Literal["response"]
    deleted: bool
