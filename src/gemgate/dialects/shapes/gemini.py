"""Google's Gemini API: answers, counts, models, files, pictures, operations, errors."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import DateTime


class GoogleErrorBody(TypedDict):
    code: int
    message: str
    status: str
    details: list[dict[str, Any]]


class GoogleError(TypedDict):
    """google.rpc.Status."""

    error: GoogleErrorBody


GoogleErrors = list[GoogleError]
"""The error of a stream that never began, where the stream is one array."""


class Blob(TypedDict):
    """data: base64."""

    mimeType: str
    data: str


class FileData(TypedDict):
    mimeType: str
    fileUri: str


class FunctionCall(TypedDict):
    name: str
    args: dict[str, Any]
    id: str


class ExecutableCode(TypedDict):
    language: Literal["PYTHON", "LANGUAGE_UNSPECIFIED"]
    code: str
    id: str


class CodeExecutionResult(TypedDict):
    outcome: str
    output: str
    id: str


class AnswerPart(TypedDict, total=False):
    """One of these; `thought` beside a text."""

    text: str
    thought: bool
    inlineData: Blob
    fileData: FileData
    functionCall: FunctionCall
    executableCode: ExecutableCode
    codeExecutionResult: CodeExecutionResult


class AnswerContent(TypedDict):
    parts: list[AnswerPart]
    role: Literal["model"]


class WebPage(TypedDict):
    uri: str
    title: str


class GroundingChunk(TypedDict):
    web: WebPage


class Segment(TypedDict):
    """Bytes of the text."""

    startIndex: int
    endIndex: int
    text: str


class GroundingSupport(TypedDict):
    segment: Segment
    groundingChunkIndices: list[int]


class GroundingMetadata(TypedDict):
    groundingChunks: list[GroundingChunk]
    groundingSupports: list[GroundingSupport]


class Candidate(TypedDict):
    content: AnswerContent
    index: int
    finishReason: NotRequired[Literal["STOP", "MAX_TOKENS", "SAFETY", "IMAGE_SAFETY", "NO_IMAGE"]]
    finishMessage: NotRequired[str]
    groundingMetadata: NotRequired[GroundingMetadata]


class ModalityTokens(TypedDict):
    modality: str
    tokenCount: int


class UsageMetadata(TypedDict):
    """estimated: the web app names no counts."""

    promptTokenCount: int
    candidatesTokenCount: int
    totalTokenCount: int
    promptTokensDetails: list[ModalityTokens]
    estimated: bool
    thoughtsTokenCount: NotRequired[int]


class PromptFeedback(TypedDict):
    blockReason: str


class GenerateContentResponse(TypedDict):
    """Without candidates the prompt was blocked. Of a stream only the last one has the usage."""

    candidates: NotRequired[list[Candidate]]
    promptFeedback: NotRequired[PromptFeedback]
    usageMetadata: NotRequired[UsageMetadata]
    modelVersion: NotRequired[str]
    responseId: str


GenerateContentResponses = list[GenerateContentResponse]


class TokenCount(TypedDict):
    totalTokens: int
    promptTokensDetails: list[ModalityTokens]


class GoogleModel(TypedDict):
    name: str
    version: str
    displayName: str
    description: str
    inputTokenLimit: int
    outputTokenLimit: int
    supportedGenerationMethods: list[str]


class GoogleModels(TypedDict):
    models: list[GoogleModel]
    nextPageToken: NotRequired[str]


class GoogleFile(TypedDict):
    """sizeBytes: a number as text. sha256Hash: base64."""

    name: str
    displayName: str
    mimeType: str
    sizeBytes: str
    createTime: DateTime
    updateTime: DateTime
    expirationTime: DateTime
    sha256Hash: str
    uri: str
    state: Literal["ACTIVE"]
    source: Literal["UPLOADED"]


class GoogleFiles(TypedDict):
    files: list[GoogleFile]
    nextPageToken: NotRequired[str]


class UploadAnswer(TypedDict, total=False):
    """The file once the upload has ended; before that nothing, and headers say how it goes on."""

    file: GoogleFile


class Prediction(TypedDict):
    bytesBase64Encoded: str
    mimeType: str


class Predictions(TypedDict):
    predictions: list[Prediction]


class OperationError(TypedDict):
    code: int
    message: str
    details: list[dict[str, Any]]


class VideoOperation(TypedDict):
    """done: with a response or an error."""

    name: str
    metadata: dict[str, Any]
    done: NotRequired[bool]
    error: NotRequired[OperationError]
    response: NotRequired[dict[str, Any]]


class Nothing(TypedDict):
    """An empty object."""
