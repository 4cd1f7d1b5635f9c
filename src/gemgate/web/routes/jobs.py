"""Everything that runs in the background, whatever ordered it, in one shape: for the command line and the page.

A job is what the database calls a batch: one task or many. Its texts are shown to its owner alone; an admin sees how
everybody's jobs stand.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from starlette.responses import Response

from gemgate.batches import Batch, BatchKind, JobStatus, Task
from gemgate.chat import Fold
from gemgate.dialects.openai_batches import LineError
from gemgate.dialects.simple_music import write_file
from gemgate.dialects.wire import rfc3339, waiting
from gemgate.errors import BadRequest
from gemgate.jobs.answers import BACKGROUND, KEYED
from gemgate.jobs.batches import OPENAI, scope
from gemgate.jobs.media import files_of
from gemgate.jobs.media_runner import kind_of
from gemgate.jobs.payloads import loads
from gemgate.media import MEDIA_KINDS
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.forecasts import told
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.media_routes import PATHS
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

if TYPE_CHECKING:
    from gemgate.dialects.shapes import jobs as shapes
    from gemgate.dialects.shapes.simple import TaskFailure

router = Router()

T = TypeVar("T", bound=str)
KINDS: tuple[BatchKind, ...] = get_args(BatchKind)
STATES: tuple[JobStatus, ...] = get_args(JobStatus)
PAGE = 100
"""Results in one answer unless the caller asks for another number."""
MOST_SECONDS = 55
"""Seconds that a long poll may wait: proxies cut at sixty."""
NO_FORECAST: dict[str, Any] = {"ready_at": None, "eta_seconds": None}
FORECASTS = 5
"""Jobs of a list that say when they will be done: the newest under way, for each costs a look at the database."""
ERRORS = 20
"""Failed tasks that a job names by itself; the others are among its results."""


@operation(
    router, "GET", "/api/jobs", "jobs.list", group="batches", answers="jobs.Jobs",
    query={"limit": "integer", "after": "string", "kind": "string", "status": "string"},
)  # fmt: skip
async def listing(context: NodeContext) -> Response:
    """The caller's jobs of all kinds and states, or of one, newest first; an admin's are everybody's."""
    limit = whole_number(context.request, "limit", 20, least=1, most=500)
    kinds, states = _chosen(context, "kind", KINDS), _chosen(context, "status", STATES)
    after = context.request.query_params.get("after")
    status = states[0] if len(states) == 1 else None
    found, total = await context.service.jobs.store.latest(scope(context.caller), kinds, limit, after, status)
    under_way = [batch for batch in found if batch.state == "active"][:FORECASTS]
    ready = {batch.id: await _forecast(context, batch) for batch in under_way}
    shown = [
        _job(context, batch) | {name: ready.get(batch.id, NO_FORECAST)[name] for name in NO_FORECAST} for batch in found
    ]
    return json_response({"object": "list", "data": shown, "total": total})


@operation(
    router, "GET", "/api/jobs/{job_id}", "jobs.get", group="batches", answers="jobs.WholeJob", query={"wait": "integer"}
)
async def one(context: NodeContext) -> Response:
    """How a job stands; with `wait` as soon as it changes, after so many seconds at the latest."""
    batch = await _own(context)
    seconds = whole_number(context.request, "wait", 0, least=0, most=MOST_SECONDS)
    if seconds and not batch.closed_at:
        before = batch
        changed = context.service.jobs.wait(batch.id, seconds, lambda now: now != before)
        await cancel_on_disconnect(context.request.receive, changed)
        batch = await _own(context)
    return json_response(await _told(context, batch))


@operation(
    router, "GET", "/api/jobs/{job_id}/results", "jobs.results", group="batches", answers="jobs.JobResults",
    query={"limit": "integer", "offset": "integer"},
)  # fmt: skip
async def results(context: NodeContext) -> Response:
    """What came of the tasks that have ended, in their order, page by page (`next_offset`)."""
    batch = await _own(context)
    limit = whole_number(context.request, "limit", PAGE, least=1, most=500)
    offset = whole_number(context.request, "offset", 0, least=0, most=10**9)
    tasks, following = await context.service.jobs.page(batch, offset, limit)
    told = [await _result(context, batch, task) for task in tasks]
    return large_json_response({"data": told, "next_offset": following})


@operation(router, "POST", "/api/jobs/{job_id}/cancel", "jobs.cancel", group="batches", answers="jobs.WholeJob")
async def cancel(context: NodeContext) -> Response:
    """Give a job up: what is made stays"""
    batch = await _own(context)
    changed = batch if batch.state == "cancelled" else await context.service.jobs.change(batch, "cancelled")
    return json_response(await _told(context, changed))


@operation(router, "POST", "/api/jobs/{job_id}/retry", "jobs.retry", group="batches", answers="jobs.WholeJob")
async def retry(context: NodeContext) -> Response:
    """Queue what failed or was cancelled once more"""
    return json_response(await _told(context, await context.service.jobs.retry_failed(await _own(context))))


def _chosen(context: NodeContext, name: str, words: tuple[T, ...]) -> tuple[T, ...]:
    """The one that the query names, or all; BadRequest for one that there is not."""
    wanted = context.request.query_params.get(name, "")
    chosen = tuple(word for word in words if wanted in ("", word))
    if not chosen:
        known = ", ".join(map(str, words))
        raise BadRequest(f"{name} must be one of {known}", f"{name} 必须是 {known} 之一", param=name)
    return chosen


async def _own(context: NodeContext) -> Batch:
    return await context.service.jobs.get(context.caller, context.request.path_params["job_id"], KINDS)


def _job(context: NodeContext, batch: Batch) -> dict[str, Any]:
    about, tally = loads(batch.metadata), batch.tally
    files = {name: about.get(f"{name}_file_id") for name in ("input", "output", "error")}
    usage = about.get("usage")
    ended = batch.ended_at if not tally.open else 0.0
    job = {
        "id": batch.id,
        "object": "job",
        "kind": batch.kind,
        "status": batch.status,
        "model": batch.model or None,
        "total": tally.total,
        "completed": tally.done,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "running": tally.running,
        "pending": tally.queued,
        "created_at": rfc3339(batch.created_at),
        "started_at": rfc3339(batch.started_at) if batch.started_at else None,
        "ended_at": rfc3339(ended) if ended else None,
        "expires_at": rfc3339(batch.expires_at) if batch.expires_at else None,
        "endpoint": about.get("endpoint"),
        "files": {name: file for name, file in files.items() if file} if batch.kind in OPENAI else {},
        "prompts_sent": batch.sent,
        "seconds": round(max(0.0, ended - batch.started_at), 1) if ended and batch.started_at else None,
        "usage": {"input_tokens": usage[0], "output_tokens": usage[1] + usage[2]} if usage else None,
        "own": batch.tenant == context.caller.tenant,
    }
    return job | ({"key": batch.tenant or None} if context.caller.admin else {})


async def _told(context: NodeContext, batch: Batch) -> dict[str, Any]:
    """With when it will be over, what it waits for, and why tasks failed."""
    jobs = context.service.jobs
    failed = await jobs.store.tasks(batch.id, status=("failed",), limit=ERRORS) if batch.tally.failed else ()
    more = {
        **await _forecast(context, batch),
        "waiting_for": None,
        **waiting(jobs.standstill(batch), context.caller.language),
        "errors": [_error(context, task) for task in failed],
    }
    found = loads(batch.metadata).get("errors") or []
    errors = [LineError.of(one).told(context.caller.language) for one in found[:ERRORS]]
    return _job(context, batch) | more | ({"input_errors": errors} if errors else {})


async def _forecast(context: NodeContext, batch: Batch) -> dict[str, Any]:
    jobs = context.service.jobs
    planned = await jobs.planner.of_batch(batch)
    return {**told(planned, jobs.clock.now(), context.caller.language)} if planned else NO_FORECAST


def _error(context: NodeContext, task: Task) -> TaskFailure:
    error = task.error_zh if context.caller.language.lower().startswith("zh") and task.error_zh else task.error
    return {"task_id": task.id, "code": task.code, "error": error, "retryable": task.retryable}


async def _result(context: NodeContext, batch: Batch, task: Task) -> dict[str, Any]:
    """A task that has ended: its pictures, else what it was answered; to others than its owner neither."""
    if task.status == "failed":
        return {"status": "failed", **_error(context, task)}
    told: dict[str, Any] = {"status": "done", "task_id": task.id}
    if batch.tenant != context.caller.tenant:
        return told
    if batch.kind in BACKGROUND:
        body = await context.service.background.shown(batch, context.caller.language)
        document = (loads(task.result) if task.result else {}).get("file")
        return told | {"body": body} | ({"files": [_document(context, document)]} if document else {})
    if batch.kind in KEYED:
        return told | {"body": {"answers": await _answers(context, batch)}}
    found = loads(task.result)
    if batch.kind in MEDIA_KINDS:
        path, base = PATHS[kind_of(batch)], context.base_url
        return told | {
            "prompt": task.prompt,
            "files": [write_file(batch.id, path, file, base) for file in files_of(task)],
        }
    images = found.get("pictures", [found] if "sha256" in found else [])
    told |= {"prompt": task.prompt} if task.prompt else {}
    told |= {"custom_id": loads(task.payload)["custom_id"]} if batch.kind in OPENAI else {}
    if not images:
        return told | {"body": found}
    url_of = context.service.gateway.images.url_of
    base = context.base_url
    return told | {
        "files": [
            {
                "name": image["name"].rpartition("/")[2],
                "url": base + url_of(image["name"]) if url_of(image["name"]).startswith("/") else url_of(image["name"]),
                "bytes": image["nbytes"],
                "sha256": image["sha256"],
            }
            for image in images
        ]
    }


def _document(context: NodeContext, file: dict[str, Any]) -> shapes.JobFile:
    """The report of a research, among the files of its key."""
    return {
        "name": file["name"],
        "url": f"{context.base_url}/v1/files/{file['id']}/content",
        "bytes": file["bytes"],
        "sha256": file["sha256"],
    }


async def _answers(context: NodeContext, batch: Batch) -> list[dict[str, Any]]:
    """What a call under a key was answered, in no dialect: the same call under its key gets it in its own."""
    folds: defaultdict[int, Fold] = defaultdict(Fold)
    for answer, event in await context.service.answers.said(batch):
        folds[answer].add(event)
    replies = [folds[answer].reply() for answer in sorted(folds)]
    return [
        {"text": one.text, "calls": [{"name": call.name, "arguments": call.arguments} for call in one.calls]}
        for one in replies
    ]
