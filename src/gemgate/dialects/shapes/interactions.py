"""Google's interactions: the object, its steps, errors."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import DateTime, Waiting
from gemgate.dialects.shapes.pictures import PictureFacts


class InteractionErrorBody(TypedDict):
    code: str
    message: str
    details: list[dict[str, Any]]


class InteractionError(TypedDict):
    error: InteractionErrorBody


class InteractionFailure(TypedDict):
    code: str
    message: str


class UrlNote(TypedDict):
    """Bytes of the text."""

    type: Literal["url_citation"]
    url: str
    title: str
    start_index: int
    end_index: int


class StepContent(TypedDict):
    """A text, or a picture, sound or film as base64 or by its address."""

    type: Literal["text", "image", "audio", "video"]
    text: NotRequired[str]
    annotations: NotRequired[list[UrlNote]]
    mime_type: NotRequired[str]
    data: NotRequired[str]
    uri: NotRequired[str]
    facts: NotRequired[PictureFacts]


class OutputStep(TypedDict):
    type: Literal["model_output"]
    content: list[StepContent]


class ThoughtStep(TypedDict):
    type: Literal["thought"]
    summary: list[StepContent]


class CallStep(TypedDict):
    """A call: of one of the caller's functions, or of what Google's app did."""

    type: Literal["function_call", "google_search_call", "code_execution_call"]
    id: str
    name: NotRequired[str]
    arguments: Any


class ResultStep(TypedDict):
    type: Literal["google_search_result", "code_execution_result"]
    call_id: str
    result: Any


class TokensByModality(TypedDict):
    modality: str
    tokens: int


class InteractionUsage(TypedDict):
    """estimated: the web app names no counts."""

    total_input_tokens: int
    total_output_tokens: int
    total_thought_tokens: int
    total_cached_tokens: int
    total_tool_use_tokens: int
    total_tokens: int
    input_tokens_by_modality: list[TokensByModality]
    estimated: bool


class Interaction(Waiting):
    """What the request said stands in it again where it said something.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    id: str
    object: Literal["interaction"]
    status: Literal["in_progress", "requires_action", "completed", "incomplete", "failed", "cancelled"]
    model: NotRequired[str]
    agent: NotRequired[str]
    created: DateTime
    updated: DateTime
    steps: NotRequired[list[OutputStep | ThoughtStep | CallStep | ResultStep]]
    usage: NotRequired[InteractionUsage]
    served_model: NotRequired[str]
    errors: NotRequired[list[InteractionFailure]]
    input: NotRequired[Any]
    previous_interaction_id: NotRequired[str]
    system_instruction: NotRequired[str]
    tools: NotRequired[list[dict[str, Any]]]
    response_format: NotRequired[dict[str, Any] | list[dict[str, Any]]]
    response_mime_type: NotRequired[str]
    response_modalities: NotRequired[list[str]]
    labels: NotRequired[dict[str, str]]
    agent_config: NotRequired[Any]
    generation_config: NotRequired[dict[str, Any]]
