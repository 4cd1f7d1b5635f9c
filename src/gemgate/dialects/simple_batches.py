"""Batches of images in the simple dialect: exact shapes of docs/client-contracts.md 7 and docs/decisions.md 18."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from gemgate.accounts import Standstill
from gemgate.dialects import wire
from gemgate.dialects.image_options import MAX_REFERENCES, Started, left_over, model_for, options_of, references_of
from gemgate.dialects.image_tasks import WebhookBody, read_webhook
from gemgate.dialects.simple import ImageFields
from gemgate.dialects.wire import ResponseMeta, image_facts, image_link, inline, rfc3339, sse, waiting
from gemgate.errors import BadRequest, BadValue
from gemgate.files import Source
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, ImageOptions

if TYPE_CHECKING:
    from gemgate.dialects.shapes import simple as shapes

BatchStatus = Literal["queued", "processing", "paused", "completed", "failed", "cancelled"]

MAX_PROMPTS = 10_000
PRIORITIES = 100

Words = Annotated[str, Field(max_length=32_000)]


class BatchItemBody(ImageFields, Started):
    """One image of a batch. `references`: base64, data: URLs, public links, or ids of uploaded files."""

    prompt: Words
    references: list[Any] | str | None = Field(default=None)


class BatchImagesRequest(ImageFields, Started):
    """Body of POST /v1/batch/images: `prompts`, or `items` with wishes of their own, or both. Images to start
    from that stand beside them are every item's.
    """

    prompts: list[Words] | None = Field(default=None, min_length=1, max_length=MAX_PROMPTS)
    items: list[BatchItemBody] | None = Field(default=None, min_length=1, max_length=MAX_PROMPTS)
    response_type: Literal["url", "base64"] = "url"
    concurrency: int = Field(default=2, ge=1)
    priority: int = Field(default=0, ge=-PRIORITIES, le=PRIORITIES)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    webhook: WebhookBody | str | None = None
    webhook_secret: str = Field(default="", max_length=500, repr=False)

    @model_validator(mode="after")
    def _something_to_do(self) -> BatchImagesRequest:
        count = len(self.prompts or ()) + len(self.items or ())
        if not 1 <= count <= MAX_PROMPTS:
            raise BadValue(
                f"prompts and items together must be 1 to {MAX_PROMPTS}",
                f"prompts 与 items 合计必须为 1 到 {MAX_PROMPTS} 项",
            )
        return self


FILE_WISHES = frozenset(BatchImagesRequest.model_fields) - {"prompts", "items"}
"""What may stand in the query beside a file of prompts."""


@frozen
class TaskResult:
    """A finished task; `data` are the image's bytes when base64 was asked for."""

    task_id: str
    image: GeneratedImage


@frozen
class TaskError:
    task_id: str
    error: str
    code: str
    retryable: bool


@frozen
class BatchView:
    """A batch as it stands. `pending` includes what is running; times in epoch seconds, 0 = not yet or not known.

    asked: the concurrency that the caller named, `concurrency` the one in force. next_offset: where the next page of
    `done` and `errors` begins, None when this is all of them. forecast: fields that say when it will be done.
    """

    batch_id: str
    total: int
    completed: int
    failed: int
    status: BatchStatus
    concurrency: int = 2
    asked: int = 2
    created_at: float = 0.0
    model: str = ""
    as_base64: bool = False
    done: tuple[TaskResult, ...] = ()
    errors: tuple[TaskError, ...] = ()
    forecast: Mapping[str, Any] = field(default_factory=dict)
    standstill: Standstill | None = None
    cancelled: int = 0
    next_offset: int | None = None

    @property
    def pending(self) -> int:
        return max(0, self.total - self.completed - self.failed - self.cancelled)


@frozen
class BatchItem:
    """One image that is ordered; `model` and `options` None = as the whole batch."""

    prompt: str
    model: str | None = None
    options: ImageOptions | None = None
    references: tuple[Source, ...] = ()


@frozen
class BatchOrder:
    """What was ordered, and how the images are wanted. webhook: an address and the secret that signs, "" = none."""

    items: tuple[BatchItem, ...]
    model: str | None
    concurrency: int
    as_base64: bool
    options: ImageOptions
    priority: int = 0
    idempotency_key: str = ""
    webhook: tuple[str, str] = ("", "")
    ignored: tuple[str, ...] = ()

    @property
    def prompts(self) -> tuple[str, ...]:
        return tuple(item.prompt for item in self.items)


def read_batch(body: BatchImagesRequest) -> BatchOrder:
    """The order; BadRequest (from the wire model) for an empty one. Blank prompts fail when their turn comes."""
    given = body.given()
    options, shared = options_of(given), references_of(given)
    items = [BatchItem(prompt, references=shared) for prompt in body.prompts or ()]
    items += [_item(item, options, shared, f"items[{at}]") for at, item in enumerate(body.items or ())]
    return BatchOrder(
        tuple(items),
        model_for(body.model, options),
        body.concurrency,
        body.response_type == "base64",
        options,
        body.priority,
        body.idempotency_key or "",
        read_webhook(body.webhook, body.webhook_secret),
        (*left_over(body), *dict.fromkeys(f"items[].{name}" for item in body.items or () for name in left_over(item))),
    )


def read_item(value: Mapping[str, Any]) -> BatchItem:
    """One item alone, as a file of prompts has it; BadRequest."""
    return _item(wire.read(BatchItemBody, dict(value)), ImageOptions(), (), "item")


def _item(body: BatchItemBody, common: ImageOptions, shared: tuple[Source, ...], where: str) -> BatchItem:
    given = body.given()
    options = options_of(given, common, f"{where}.")
    references = (*shared, *references_of(given, f"{where}."))
    if len(references) > MAX_REFERENCES:
        raise BadRequest(
            f"{where}: at most {MAX_REFERENCES} images", f"{where}：最多 {MAX_REFERENCES} 张图片", param=where
        )
    own = None if options == common else options
    return BatchItem(body.prompt, model_for(body.model, options) if own else body.model, own, references)


def write_created(batch: BatchView, language: str = "zh") -> shapes.BatchOrdered:
    """The answer to POST /v1/batch/images, at once.

    language: what the caller asked for, "" = nothing. Who asks for nothing gets the Chinese sentence of the contract.
    """
    chinese = not language or language.lower().startswith("zh")
    message = f"批量任务已创建，{batch.concurrency}并发处理中"
    if not chinese:
        message = f"The batch is ordered; {batch.concurrency} at once"
    answer: shapes.BatchOrdered = {
        "batch_id": batch.batch_id,
        "total": batch.total,
        "status": "processing",
        "message": message,
        "concurrency": batch.concurrency,
    }
    if batch.asked != batch.concurrency:
        clamped = f"concurrency {batch.asked} is more than the lanes there are; {batch.concurrency} in force"
        clamped_zh = f"请求的并发数 {batch.asked} 超过可用通道，实际为 {batch.concurrency}"
        answer["note"] = clamped_zh if chinese and language else clamped
    return answer


def write_status(batch: BatchView, meta: ResponseMeta) -> dict[str, Any]:
    """The answer to GET /v1/batch/{id}/status."""
    answer: dict[str, Any] = {
        "batch_id": batch.batch_id,
        "total": batch.total,
        "completed": batch.completed,
        "failed": batch.failed,
        "pending": batch.pending,
        "progress": f"{batch.completed}/{batch.total}",
        "status": batch.status,
        "results": [write_result(done, meta, as_base64=batch.as_base64) for done in batch.done],
        "errors": [write_failure(failed) for failed in batch.errors],
    }
    if batch.cancelled:
        answer["cancelled"] = batch.cancelled
    if batch.next_offset is not None:
        answer["next_offset"] = batch.next_offset
    return {**answer, **batch.forecast, **waiting(batch.standstill, meta.language)}


def write_result(done: TaskResult, meta: ResponseMeta, *, as_base64: bool) -> dict[str, Any]:
    """`{task_id, url}` or `{task_id, image}`, with the image's facts, and its prompt for whoever may read it."""
    result: dict[str, Any] = {"task_id": done.task_id}
    if as_base64 and done.image.data is not None:
        result["image"] = inline(done.image)
    else:
        result["url"] = image_link(done.image, meta)
    prompt = {"prompt": done.image.prompt} if done.image.prompt else {}
    return {**result, "details": image_facts(done.image, meta.language) | prompt}


def write_failure(failed: TaskError) -> shapes.TaskFailure:
    return {
        "task_id": failed.task_id,
        "error": failed.error,
        "code": failed.code,
        "retryable": failed.retryable,
    }


def write_listing(batches: Sequence[BatchView], total: int) -> shapes.BatchRows:
    """The answer to GET /v1/batch: newest first, without results."""
    rows: list[shapes.BatchRow] = [
        {
            "batch_id": batch.batch_id,
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
            "pending": batch.pending,
            "progress": f"{batch.completed}/{batch.total}",
            "status": batch.status,
            "model": batch.model,
            "created_at": rfc3339(batch.created_at),
        }
        for batch in batches
    ]
    return {"total": total, "batches": rows}


def write_event(name: Literal["status", "result", "failure"], data: Mapping[str, Any]) -> bytes:
    """One event of GET /v1/batch/{id}/events."""
    return sse(data, name)


def write_manifest_entry(
    task_id: str, prompt: str, status: str, file: str, outcome: TaskResult | TaskError | None, language: str
) -> dict[str, Any]:
    """One task of manifest.json; `file`: its name in the ZIP, "" when it is not there."""
    entry: dict[str, Any] = {"task_id": task_id, "prompt": prompt, "status": status}
    if isinstance(outcome, TaskResult):
        entry |= {"file": file, **image_facts(outcome.image, language)}
    elif isinstance(outcome, TaskError):
        entry |= write_failure(outcome)
    return entry


MANIFEST_COLUMNS = (
    "task_id", "status", "file", "prompt", "width", "height", "bytes", "mime", "sha256", "source", "logo", "model",
    "requested", "delivered", "resampled", "note", "error", "code", "retryable",
)  # fmt: skip


def write_manifest_row(entry: dict[str, Any]) -> bytes:
    """The same as a line of manifest.csv; a cell that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_cell(entry.get(name)) for name in MANIFEST_COLUMNS])
    return out.getvalue().encode()


def write_manifest_header() -> bytes:
    """The first line of manifest.csv; the mark in front lets spreadsheets read it as UTF-8."""
    return b"\xef\xbb\xbf" + ",".join(MANIFEST_COLUMNS).encode() + b"\r\n"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
