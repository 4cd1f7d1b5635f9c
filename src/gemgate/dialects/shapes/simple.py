"""The simple dialect: texts, pictures and batches of them, music, uploads, conversations, cookies, models, errors."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.shapes import DateTime, Waiting
from gemgate.dialects.shapes.openai import MediaFailure
from gemgate.dialects.shapes.pictures import PictureFacts
from gemgate.dialects.simple_batches import BatchStatus
from gemgate.media import MediaState, SongLength

Bound = Literal["window", "rest", "pace", "concurrency", "no_account"]
"""What bounds a forecast: Google's windows, accounts that rest, how often prompts may start, how many run at once."""


class SimpleError(TypedDict):
    """code: the word to judge by, where there is one."""

    detail: str
    request_id: str
    code: NotRequired[str]


class Generated(TypedDict):
    """served_model: whom Google named, "unknown" where it named nobody."""

    text: str
    model: str
    served_model: str


class PictureError(TypedDict):
    error: str
    code: str


class Pictures(TypedDict):
    """images: data URLs or links, with the facts of each at its place in details. errors: of those that failed."""

    images: list[str]
    model: str
    details: list[PictureFacts]
    errors: NotRequired[list[PictureError]]


class Forecast(TypedDict):
    """When something will be done, what bounds it, what is not known. Null: not known, or beyond two weeks."""

    ready_at: DateTime | None
    eta_seconds: int | None
    limited_by: Bound | None
    limit: str | None
    beyond_two_weeks: bool
    unknown: list[str]


class Capacity(Forecast):
    """done_by, enough: null without `by`."""

    object: Literal["capacity"]
    images: int
    at: DateTime
    by: DateTime | None
    done_by: int | None
    enough: bool | None


class BatchOrdered(TypedDict):
    """note: where less runs at once than was asked for."""

    batch_id: str
    total: int
    status: Literal["processing"]
    message: str
    concurrency: int
    note: NotRequired[str]


class BatchPictureFacts(PictureFacts):
    """prompt: for the key that ordered it."""

    prompt: NotRequired[str]


class BatchResult(TypedDict):
    """url, or the picture itself as a data URL."""

    task_id: str
    url: NotRequired[str]
    image: NotRequired[str]
    details: BatchPictureFacts


class TaskFailure(TypedDict):
    task_id: str
    error: str
    code: str
    retryable: bool


class BatchCounts(TypedDict):
    """pending: what is not done, with what is being done."""

    batch_id: str
    total: int
    completed: int
    failed: int
    pending: int
    progress: str
    status: BatchStatus


class BatchState(BatchCounts, Waiting):
    """next_offset: where the next page of results begins, if there is one. The forecast's fields come while it runs.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    results: list[BatchResult]
    errors: list[TaskFailure]
    cancelled: NotRequired[int]
    next_offset: NotRequired[int]
    ready_at: NotRequired[DateTime | None]
    eta_seconds: NotRequired[int | None]
    limited_by: NotRequired[Bound | None]
    limit: NotRequired[str | None]
    beyond_two_weeks: NotRequired[bool]
    unknown: NotRequired[list[str]]


class BatchRow(BatchCounts):
    """key, own: for an admin."""

    model: str
    created_at: DateTime
    key: NotRequired[str | None]
    own: NotRequired[bool]


class BatchRows(TypedDict):
    total: int
    batches: list[BatchRow]


class PreviewItem(TypedDict):
    """What one line of the file asks for."""

    line: int
    prompt: str


class RefusedLine(TypedDict):
    line: int
    error: str


class BatchPreview(TypedDict):
    form: str
    total: int
    items: list[PreviewItem]
    refused: list[RefusedLine]


class MediaFileFacts(TypedDict):
    """What a stored film or sound says of itself, and where it is served."""

    name: str
    url: str
    mime_type: str
    bytes: int
    sha256: str
    seconds: float
    container: str
    codec: str
    width: NotRequired[int]
    height: NotRequired[int]
    sample_rate: NotRequired[int]
    channels: NotRequired[int]


class Music(Waiting):
    """needs_person: nothing goes on before an account is signed in, or one that was paused is resumed."""

    id: str
    object: Literal["music"]
    status: MediaState
    progress: int
    created_at: int
    completed_at: int | None
    model: str
    prompt: str
    length: SongLength
    instrumental: bool
    seconds: float | None
    files: list[MediaFileFacts]
    error: MediaFailure | None


class MusicList(TypedDict):
    object: Literal["list"]
    data: list[Music]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedMusic(TypedDict):
    id: str
    object: Literal["music.deleted"]
    deleted: bool


class Uploaded(TypedDict):
    """files: handles for the chat field `files`."""

    success: bool
    files: list[str]


class ConversationRow(TypedDict):
    conversation_id: str
    modified: DateTime
    size_kb: float


class Conversations(TypedDict):
    total: int
    conversations: list[ConversationRow]


class ConversationFacts(TypedDict, total=False):
    """account: for an admin. Times in epoch seconds."""

    account: str
    messages: int
    created: float
    modified: float
    model: str
    deleted_at: float


class ConversationState(TypedDict):
    conversation_id: str
    metadata: ConversationFacts


class Done(TypedDict):
    message: str


class CookiesTaken(TypedDict):
    """notice: what a person should know of these cookies."""

    success: bool
    message: str
    notice: NotRequired[str]
    account: NotRequired[str]


class CookieState(TypedDict):
    valid: bool
    message: str


class CatalogueModel(TypedDict):
    id: str
    name: str
    description: str


class CatalogueKinds(TypedDict):
    text: list[str]
    image: list[str]


class Catalogue(TypedDict):
    """background: models that answer in the background only."""

    models: list[CatalogueModel]
    categories: CatalogueKinds
    background: list[str]
    default: str


class PlanLimits(TypedDict):
    """Bytes; null: any number."""

    text: int | None
    with_files: int | None


class PlannedFile(TypedDict):
    name: str
    type: str
    bytes: int


class PlanError(TypedDict):
    code: str
    message: str


class ContextPlan(TypedDict):
    """Sizes in UTF-8 bytes, null where any number is read. context: `too_long` comes with an error, the others with
    what would be sent. account: for an admin.
    """

    object: Literal["context.plan"]
    dialect: str
    model: str
    conversation: str
    fits: bool
    limits: PlanLimits
    account: NotRequired[str]
    context: Literal["inline", "file", "too_long"]
    bytes: int
    limit: int | None
    text_bytes: NotRequired[int]
    filed_bytes: NotRequired[int]
    dropped_bytes: NotRequired[int]
    files_left_out: NotRequired[int]
    files_of_unknown_length: NotRequired[int]
    files: NotRequired[list[PlannedFile]]
    error: NotRequired[PlanError]
