"""Routes of image batches in the simple dialect: order, watch, steer, fetch (docs/client-contracts.md 7)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from gemgate.batches import Batch, Task
from gemgate.caller import Caller
from gemgate.dialects import prompt_files, simple_batches, wire
from gemgate.dialects.prompt_files import PromptFile
from gemgate.dialects.rows import SSE
from gemgate.dialects.simple_batches import BatchOrder, BatchStatus, BatchView, TaskError, TaskResult
from gemgate.dialects.wire import ResponseMeta
from gemgate.digits import whole
from gemgate.errors import BadRequest, NotFound
from gemgate.jobs.batches import IMAGES, Jobs, Submitter, digest_of, scope
from gemgate.jobs.payloads import image_of, loads
from gemgate.offload import offload
from gemgate.web import forecasts, sse
from gemgate.web.context import NodeContext
from gemgate.web.json_response import LONG, json_response
from gemgate.web.operation import Router, operation, serves
from gemgate.web.request_body import read_body, whole_number
from gemgate.web.routes.archive import archive
from gemgate.web.streaming import StreamingResponse
from gemgate.web.unmet import unmet

router = Router()

PAGE, PAGE_BASE64 = 1000, 50
"""Results in one answer unless the caller asks for another number; with base64 each of them is a whole image."""
MOST = 10_000
EVENTS = 200
MOVES = ("eta_seconds", "ready_at")
"""Fields that change all the time, and are no news by themselves."""
HEARTBEAT = b": still working\n\n"


@serves(router, "batch.create")
async def create(context: NodeContext) -> Response:
    """Order many pictures at once; they are made in the background and survive a restart.

    The body is JSON, or a file of prompts: `text/plain`, `text/csv` or `application/jsonl`, with wishes in the query.
    """
    jobs = context.service.jobs
    body = await read_body(context.request, context.service.settings.max_body_bytes)
    kind = context.request.headers.get("content-type", "")
    wishes = {name: value for name, value in context.request.query_params.items() if name in simple_batches.FILE_WISHES}
    order = await offload(len(body), lambda: _read(body, kind, wishes))
    unmet(context, order.ignored)
    order = replace(order, idempotency_key=context.request.headers.get("idempotency-key") or order.idempotency_key)
    digest = digest_of(body + repr(wishes).encode() if wishes else body)
    submitter = Submitter(context.caller, context.base_url)
    batch = await jobs.submit_images(order, submitter, digest, admitted=context.admitted)
    return json_response(
        simple_batches.write_created(_state(batch), context.request.headers.get("accept-language", ""))
    )


PREVIEWED = 500
"""Items that a preview shows."""


@operation(
    router,
    "POST",
    "/v1/batch/images/preview",
    "batch.preview",
    group="batches",
    answers="simple.BatchPreview",
    body=simple_batches.BatchImagesRequest,
)
async def preview(context: NodeContext) -> Response:
    """What a file of prompts (text, CSV, JSONL) would order, and which lines would be refused; nothing is ordered."""
    body = await read_body(context.request, context.service.settings.max_body_bytes)
    kind = context.request.headers.get("content-type", "")
    found = await offload(len(body), lambda: _previewed(body, kind))
    chinese = context.caller.language.lower().startswith("zh")
    return json_response(
        {
            "form": found.form,
            "total": len(found.items),
            "items": [{"line": line, **item} for line, item in found.items[:PREVIEWED]],
            "refused": [
                {"line": one.line, "error": one.zh if chinese else one.en} for one in found.refused[:PREVIEWED]
            ],
        }
    )


def _previewed(body: bytes, kind: str) -> PromptFile:
    return prompt_files.read(body, kind) if prompt_files.is_file(kind) else prompt_files.of_order(wire.parse_json(body))


def _read(body: bytes, kind: str, wishes: Mapping[str, str]) -> BatchOrder:
    """JSON, or a file of prompts whose common wishes stand in the query."""
    if prompt_files.is_file(kind):
        given: dict[str, Any] = {**wishes, "items": prompt_files.read(body, kind).orders()}
    else:
        given = wire.parse_json(body)
    return simple_batches.read_batch(wire.read(simple_batches.BatchImagesRequest, given))


@operation(
    router,
    "GET",
    "/v1/batch",
    "batch.list",
    group="batches",
    answers="simple.BatchRows",
    query={"limit": "integer", "after": "string"},
)
async def listing(context: NodeContext) -> Response:
    """The caller's batches, newest first; an admin's are everybody's, with their `key` and whether they are `own`."""
    limit = whole_number(context.request, "limit", 50, least=1, most=500)
    store = context.service.jobs.store
    batches, total = await store.latest(scope(context.caller), IMAGES, limit, context.request.query_params.get("after"))
    answer = simple_batches.write_listing([_state(batch) for batch in batches], total)
    if context.caller.admin:
        for row, batch in zip(answer["batches"], batches, strict=True):
            row |= {"key": batch.tenant or None, "own": batch.tenant == context.caller.tenant}
    return json_response(answer)


@operation(
    router,
    "GET",
    "/v1/batch/{batch_id}/status",
    "batch.status",
    group="batches",
    answers="simple.BatchState",
    query={"limit": "integer", "offset": "integer"},
)
async def status(context: NodeContext) -> Response:
    """How a batch stands, with its pictures; beyond a thousand results they come in pages (`next_offset`)."""
    jobs = context.service.jobs
    batch = await _batch(context)
    usual = PAGE_BASE64 if batch.as_base64 else PAGE
    limit = whole_number(context.request, "limit", usual, least=0, most=MOST)
    offset = whole_number(context.request, "offset", 0, least=0, most=10 * MOST)
    tasks, following = await jobs.page(batch, offset, limit) if limit else ([], None)
    state = replace(await _told(jobs, batch, context.caller), next_offset=following)
    meta = context.meta("")
    done = tuple(_done(jobs, visible(task, batch, context.caller)) for task in tasks if task.status == "done")
    errors = tuple(_failed(task, context.caller.language) for task in tasks if task.status == "failed")
    state = replace(state, errors=errors)
    if not batch.as_base64:
        return json_response(simple_batches.write_status(replace(state, done=done), meta))
    pieces = _with_images(context, simple_batches.write_status(state, meta), done, meta)
    return StreamingResponse(pieces, media_type="application/json")


async def _with_images(
    context: NodeContext, answer: dict[str, object], done: tuple[TaskResult, ...], meta: ResponseMeta
) -> AsyncGenerator[bytes, None]:
    """The status as JSON, with one image at a time in memory."""
    head, _, tail = wire.dumps(answer).partition(b'"results":[]')
    yield head + b'"results":['
    for number, each in enumerate(done):
        result = await _result(context, each, meta)
        yield b"," if number else b""
        for at in range(0, len(result), LONG):
            yield result[at : at + LONG]
    yield b"]" + tail


async def _result(context: NodeContext, done: TaskResult, meta: ResponseMeta) -> bytes:
    try:
        blob = await context.service.blobs.get("images/" + done.image.name)
        done = replace(done, image=replace(done.image, data=blob.data))
    except NotFound:
        pass  # somebody took the file away: its link says so as well
    size = done.image.nbytes
    return await offload(size, lambda: wire.dumps(simple_batches.write_result(done, meta, as_base64=True)))


def _action_route(verb: str, summary: str, action: Callable[[Jobs, Batch], Awaitable[Batch]]) -> None:
    async def steer(context: NodeContext) -> Response:
        jobs = context.service.jobs
        batch = await action(jobs, await _batch(context))
        state = await _told(jobs, batch, context.caller)
        return json_response(simple_batches.write_status(state, context.meta("")))

    operation(
        router, "POST", f"/v1/batch/{{batch_id}}/{verb}", f"batch.{verb}",
        group="batches", answers="simple.BatchState", summary=summary,
    )(steer)  # fmt: skip


_action_route("cancel", "Give a batch up: what is made stays", lambda jobs, batch: jobs.change(batch, "cancelled"))
_action_route("pause", "Begin no more of a batch for now", lambda jobs, batch: jobs.change(batch, "paused"))
_action_route("resume", "Go on with a paused batch", lambda jobs, batch: jobs.change(batch, "active"))
_action_route("retry", "Queue what failed or was cancelled once more", lambda jobs, batch: jobs.retry_failed(batch))


@operation(
    router,
    "GET",
    "/v1/batch/{batch_id}/events",
    "batch.events",
    group="batches",
    query={"after": "integer"},
    produces=(SSE,),
)
async def events(context: NodeContext) -> Response:
    """Live progress: `status`, `result` and `failure` events until the batch has ended.

    Each result has the number of its end as event id; with `Last-Event-ID` (or `?after=`) those behind it are told.
    """
    batch = await _batch(context)
    seen = context.request.headers.get("last-event-id", "") or context.request.query_params.get("after", "0")
    number = whole(seen)
    if number is None:
        raise BadRequest("Last-Event-ID must be a number", "Last-Event-ID 必须是数字", param="after")
    chunks = _progress(context, batch, number)
    return await sse.answer(context.request, chunks, lambda: HEARTBEAT, sse.Opened(), {})


async def _progress(context: NodeContext, batch: Batch, seen: int) -> AsyncGenerator[bytes, None]:
    jobs, meta = context.service.jobs, context.meta("")
    shown: dict[str, object] = {}
    async for _ in jobs.watch(batch.id):
        found = await jobs.store.get(None, batch.id)
        if found is None:
            return
        while seen < found.settled and (tasks := await jobs.store.ended(batch.id, seen, EVENTS)):
            yield b"".join(_event(jobs, visible(task, batch, context.caller), meta, context.caller) for task in tasks)
            seen = tasks[-1].settled
        now = simple_batches.write_status(await _told(jobs, found, context.caller), meta)
        counts = {name: value for name, value in now.items() if name not in ("results", "errors", *MOVES)}
        if counts != shown:
            yield simple_batches.write_event("status", now)
            shown = counts
        if not found.tally.open:
            return


def _event(jobs: Jobs, task: Task, meta: ResponseMeta, caller: Caller) -> bytes:
    number = b"id: %d\n" % task.settled
    if task.status == "done":
        data = simple_batches.write_result(_done(jobs, task), meta, as_base64=False)
        return number + simple_batches.write_event("result", data)
    if task.status == "failed":
        return number + simple_batches.write_event(
            "failure", simple_batches.write_failure(_failed(task, caller.language))
        )
    return b""


@operation(
    router, "GET", "/v1/batch/{batch_id}/archive", "batch.archive", group="batches", produces=("application/zip",),
    summary="The pictures made so far as a ZIP, with manifest.json and manifest.csv",
)  # fmt: skip
async def zipped(context: NodeContext) -> Response:
    batch = await _batch(context)
    pieces = archive(context.service.jobs, context.service.blobs, batch, status_of(batch), context.caller)
    headers = {"content-disposition": f'attachment; filename="{batch.id}.zip"', "cache-control": "no-store"}
    return StreamingResponse(pieces, headers=headers, media_type="application/zip")


async def _batch(context: NodeContext) -> Batch:
    return await context.service.jobs.get(context.caller, context.request.path_params["batch_id"], IMAGES)


def visible(task: Task, batch: Batch, caller: Caller) -> Task:
    """The task as the caller may see it: its prompt is for its owner alone."""
    return task if batch.tenant == caller.tenant else replace(task, prompt="")


def status_of(batch: Batch) -> BatchStatus:
    """The word of docs/decisions.md 18: processing while anything may still change."""
    tally = batch.tally
    if batch.state in ("cancelled", "expired"):
        return "cancelled"
    if tally.open:
        return "paused" if batch.state == "paused" else "processing"
    return "failed" if tally.failed and not tally.done else "completed"


def _state(batch: Batch) -> BatchView:
    tally = batch.tally
    return BatchView(
        batch_id=batch.id,
        total=tally.total,
        completed=tally.done,
        failed=tally.failed,
        status=status_of(batch),
        concurrency=batch.concurrency,
        asked=batch.requested_concurrency,
        created_at=batch.created_at,
        model=batch.model,
        as_base64=batch.as_base64,
        cancelled=tally.cancelled,
    )


async def _told(jobs: Jobs, batch: Batch, caller: Caller) -> BatchView:
    """With when it will be over, and what it waits for."""
    planned = await jobs.planner.of_batch(batch)
    ready: Mapping[str, Any] = forecasts.told(planned, jobs.clock.now(), caller.language) if planned else {}
    return replace(_state(batch), forecast=ready, standstill=jobs.standstill(batch))


def _done(jobs: Jobs, task: Task) -> TaskResult:
    image = image_of(loads(task.result), task.prompt)
    return TaskResult(task.id, replace(image, url=jobs.gateway.images.url_of(image.name)))


def _failed(task: Task, language: str) -> TaskError:
    error = task.error_zh if language.lower().startswith("zh") else task.error
    return TaskError(task.id, error, task.code, task.retryable)
