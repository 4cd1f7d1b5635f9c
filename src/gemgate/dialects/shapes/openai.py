"""OpenAI's objects: errors, chat completions, models, pictures, files, videos, recordings, batches, usage."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gemgate.dialects.openai_batches import Status
from gemgate.dialects.shapes import Waiting
from gemgate.dialects.shapes.pictures import PictureFacts
from gemgate.media import MediaState


class OpenAIErrorBody(TypedDict):
    """`code` is the word to judge by."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str


class OpenAIError(TypedDict):
    error: OpenAIErrorBody


class CachedTokens(TypedDict):
    cached_tokens: int


class ReasoningTokens(TypedDict):
    reasoning_tokens: int


class CompletionUsage(TypedDict):
    """estimated: Google names no counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens
    completion_tokens_details: ReasoningTokens
    estimated: bool


class CitedUrl(TypedDict):
    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(TypedDict):
    type: Literal["url_citation"]
    url_citation: CitedUrl


class CalledFunction(TypedDict):
    """arguments: JSON."""

    name: str
    arguments: str


class CalledCustomTool(TypedDict):
    name: str
    input: str


class MessageToolCall(TypedDict):
    id: str
    type: Literal["function", "custom"]
    function: NotRequired[CalledFunction]
    custom: NotRequired[CalledCustomTool]


class ImageUrl(TypedDict):
    """url: a link, or a data URL."""

    url: str


class MessageImage(TypedDict):
    type: Literal["image_url"]
    image_url: ImageUrl
    index: int


class CompletionMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Annotation]
    reasoning_content: NotRequired[str]
    images: NotRequired[list[MessageImage]]
    tool_calls: NotRequired[list[MessageToolCall]]


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class CompletionChoice(TypedDict):
    index: int
    message: CompletionMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(TypedDict):
    """served_model: whom Google named, "unknown" where it named nobody. suggestions: questions to ask next."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage
    system_fingerprint: None
    served_model: str
    conversation_id: NotRequired[str]
    suggestions: NotRequired[list[str]]


class OpenAIModel(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(TypedDict):
    object: Literal["list"]
    data: list[OpenAIModel]


class PictureTokens(TypedDict):
    text_tokens: int
    image_tokens: int


class PicturesUsage(TypedDict):
    input_tokens: int
    input_tokens_details: PictureTokens
    output_tokens: int
    total_tokens: int
    estimated: bool


class OpenAIPicture(PictureFacts):
    """A picture as link or base64, and what was measured of it."""

    url: NotRequired[str]
    b64_json: NotRequired[str]
    revised_prompt: NotRequired[str]


class OpenAIPictures(TypedDict):
    """errors: of the pictures that were not made, beside those that were."""

    created: int
    data: list[OpenAIPicture]
    usage: PicturesUsage
    errors: NotRequired[list[OpenAIErrorBody]]


class OpenAIFile(TypedDict):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: None


class OpenAIFiles(TypedDict):
    object: Literal["list"]
    data: list[OpenAIFile]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(TypedDict):
    id: str
    object: Literal["file"]
    deleted: bool


class MediaFailure(TypedDict):
    code: str
    message: str


class Video(Waiting):
    """seconds, size: as measured once it is here, before that as wished. The measured facts come with its file.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    id: str
    object: Literal["video"]
    status: MediaState
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: None
    model: str
    prompt: str
    remixed_from_video_id: str | None
    seconds: str
    size: str
    error: MediaFailure | None
    width: NotRequired[int]
    height: NotRequired[int]
    bytes: NotRequired[int]
    container: NotRequired[str]
    codec: NotRequired[str]
    sha256: NotRequired[str]


class Videos(TypedDict):
    object: Literal["list"]
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVideo(TypedDict):
    id: str
    object: Literal["video.deleted"]
    deleted: bool


class TranscriptUsage(TypedDict):
    """By tokens, which are estimated, or by seconds."""

    type: Literal["tokens", "duration"]
    input_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    total_tokens: NotRequired[int]
    estimated: NotRequired[bool]
    seconds: NotRequired[float]


class Transcript(TypedDict):
    """The fields from task to words are those of `response_format=verbose_json`; of what nobody measured nothing is
    said.
    """

    text: str
    usage: NotRequired[TranscriptUsage]
    task: NotRequired[Literal["transcribe", "translate"]]
    language: NotRequired[str]
    duration: NotRequired[float | None]
    segments: NotRequired[list[Any]]
    words: NotRequired[list[Any]]


class BatchLineError(TypedDict):
    code: str
    message: str
    line: int | None
    param: str | None


class BatchLineErrors(TypedDict):
    object: Literal["list"]
    data: list[BatchLineError]


class BatchRequestCounts(TypedDict):
    total: int
    completed: int
    failed: int


class OpenAIBatchUsage(TypedDict):
    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class OpenAIBatch(Waiting):
    """Times in epoch seconds, null for what has not come.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    id: str
    object: Literal["batch"]
    endpoint: str
    model: str | None
    errors: BatchLineErrors | None
    input_file_id: str
    completion_window: str
    status: Status
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    expires_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchRequestCounts
    usage: OpenAIBatchUsage | None
    metadata: dict[str, str] | None


class OpenAIBatches(TypedDict):
    object: Literal["list"]
    data: list[OpenAIBatch]
    first_id: str | None
    last_id: str | None
    has_more: bool


class UsageResult(TypedDict):
    """Of completions tokens, of images their number, of recordings seconds. What was not grouped by is null."""

    object: str
    num_model_requests: int
    project_id: None
    user_id: None
    api_key_id: str | None
    model: str | None
    batch: bool | None
    input_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    input_cached_tokens: NotRequired[int]
    images: NotRequired[int]
    size: NotRequired[None]
    source: NotRequired[None]
    seconds: NotRequired[int]


class UsageBucket(TypedDict):
    object: Literal["bucket"]
    start_time: int
    end_time: int
    results: list[UsageResult]


class UsageBuckets(TypedDict):
    object: Literal["page"]
    data: list[UsageBucket]
    has_more: bool
    next_page: Annotated[str | None, Field(description="the `page` to ask for next")]
