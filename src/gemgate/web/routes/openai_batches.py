"""OpenAI's batches over uploaded JSONL files, on the same engine as the simple ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gemgate.batches import Batch
from gemgate.chat import Usage
from gemgate.dialects import openai_batches, wire
from gemgate.dialects.openai_batches import BatchCreateRequest, BatchRecord, LineError, Status
from gemgate.errors import BadRequest
from gemgate.jobs.batches import BATCH_KINDS, OPENAI, TEXT, WINDOW, Jobs, Submitter, scope
from gemgate.jobs.line_file import spooled
from gemgate.jobs.payloads import loads
from gemgate.web.auth.access import check_group
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation, serves
from gemgate.web.request_body import model_reader, read_with, whole_number
from gemgate.web.stored_files import owned
from gemgate.web.unmet import unmet

router = Router()


@serves(router, "batches.create")
async def create(context: NodeContext) -> Response:
    """Run the calls of an uploaded JSONL file in the background."""
    reader = model_reader(BatchCreateRequest, openai_batches.read_create)
    body, endpoint = await read_with(context.request, context.service.settings.max_body_bytes, reader)
    unmet(context, wire.ignored(body))
    file = await owned(context, body.input_file_id, context.caller.tenant)
    if file.purpose != "batch":
        raise BadRequest(
            f"The file {file.id} was uploaded for {file.purpose}; upload it with purpose=batch",
            f"文件 {file.id} 的用途是 {file.purpose}，请以 purpose=batch 上传",
            param="input_file_id",
            code="invalid_file_purpose",
        )
    about: dict[str, Any] = {
        "input_file_id": file.id,
        "metadata": dict(body.metadata) if body.metadata is not None else None,
        "language": context.caller.language,
    }
    if body.output_expires_after is not None:
        about["output_seconds"] = body.output_expires_after.seconds
    submitter = Submitter(context.caller, context.base_url)
    async with spooled(context.service.files.chunks(file), endpoint) as lines:
        if not lines.errors:
            check_group(context.caller, "chat" if BATCH_KINDS[endpoint] in TEXT else "images")
        batch = await context.service.jobs.submit_lines(lines, about, submitter, admitted=context.admitted)
    return json_response(openai_batches.batch_object(record_of(batch, context.service.jobs), context.caller.language))


@operation(
    router,
    "GET",
    "/v1/batches",
    "batches.list",
    group="batches",
    answers="openai.OpenAIBatches",
    query={"after": "string", "limit": "integer"},
)
async def listing(context: NodeContext) -> Response:
    """The caller's batches, newest first."""
    limit = whole_number(context.request, "limit", 20, least=1, most=100)
    jobs = context.service.jobs
    found, _ = await jobs.store.latest(
        scope(context.caller), OPENAI, limit + 1, context.request.query_params.get("after")
    )
    records, language = [record_of(batch, jobs) for batch in found], context.caller.language
    return json_response(openai_batches.batch_listing(records, limit=limit, language=language))


@operation(router, "GET", "/v1/batches/{batch_id}", "batches.get", group="batches", answers="openai.OpenAIBatch")
async def one(context: NodeContext) -> Response:
    """How one batch stands."""
    batch = await context.service.jobs.get(context.caller, context.request.path_params["batch_id"], OPENAI)
    return json_response(openai_batches.batch_object(record_of(batch, context.service.jobs), context.caller.language))


@operation(
    router, "POST", "/v1/batches/{batch_id}/cancel", "batches.cancel", group="batches", answers="openai.OpenAIBatch"
)
async def cancel(context: NodeContext) -> Response:
    """Give a batch up; what was answered is in its output file."""
    jobs = context.service.jobs
    batch = await jobs.get(context.caller, context.request.path_params["batch_id"], OPENAI)
    changed = batch if batch.state == "cancelled" else await jobs.change(batch, "cancelled")
    return json_response(openai_batches.batch_object(record_of(changed, jobs), context.caller.language))


def record_of(batch: Batch, jobs: Jobs) -> BatchRecord:
    """A batch as OpenAI's object needs it."""
    about = loads(batch.metadata)
    status = status_of(batch)
    usage = about.get("usage")
    return BatchRecord(
        id=batch.id,
        endpoint=about["endpoint"],
        input_file_id=about["input_file_id"],
        status=status,
        created_at=batch.created_at,
        expires_at=batch.expires_at or batch.created_at + WINDOW,
        metadata=about.get("metadata"),
        total=batch.tally.total,
        completed=batch.tally.done,
        failed=batch.tally.failed,
        times=_times(batch, status),
        output_file_id=about.get("output_file_id"),
        error_file_id=about.get("error_file_id"),
        errors=tuple(LineError.of(error) for error in about.get("errors", ())),
        model=batch.model or None,
        usage=Usage(*usage) if usage else None,
        standstill=jobs.standstill(batch),
    )


def status_of(batch: Batch) -> Status:
    match batch.state:
        case "invalid":
            return "failed"
        case "cancelled":
            return "cancelled" if batch.closed_at else "cancelling"
        case "expired" if batch.closed_at:
            return "expired"
    if batch.closed_at:
        return "completed"
    return "in_progress" if batch.tally.open else "finalizing"


def _times(batch: Batch, status: Status) -> Mapping[Status, float]:
    """When it came to stand as it does, as far as that is known."""
    if status == "failed":
        return {"failed": batch.closed_at}
    times: dict[Status, float] = {"in_progress": batch.started_at or batch.created_at}
    if batch.ended_at and not batch.tally.open:
        times["finalizing"] = batch.ended_at
    if batch.state == "cancelled":
        times["cancelling"] = batch.ended_at or batch.created_at
    if batch.closed_at:
        times[status] = batch.closed_at
    return times
