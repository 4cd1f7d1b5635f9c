"""What the routes of videos and music share: ordering, waiting, listing, deleting, serving files by Range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from gemgate.dialects import image_tasks, simple_music
from gemgate.errors import BadRequest
from gemgate.jobs.batches import Submitter
from gemgate.jobs.media import MediaJobs, media_not_found
from gemgate.jobs.media_runner import key_of
from gemgate.media import ENDINGS, MadeMedia, MediaCall, MediaFile, MediaKind
from gemgate.web import ranges
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.request_body import whole_number
from gemgate.web.unmet import unmet

LONGEST_WAIT: Final = 300
"""Seconds of a long poll; a proxy may allow less."""
PATHS: Final[dict[MediaKind, str]] = {"video": "/v1/videos", "music": simple_music.PATH}
LIST_QUERY: Final = {"after": "string", "limit": "integer", "order": "string"}


def jobs_of(context: NodeContext, kind: MediaKind) -> MediaJobs:
    service = context.service
    return MediaJobs(service.jobs, service.blobs, kind, service.answers.webhook)


async def submitted(context: NodeContext, call: MediaCall) -> MadeMedia:
    """Entered, or the one that came under the call's idempotency key before."""
    unmet(context, call.ignored)
    key = image_tasks.read_idempotency_key(context.request.headers.get("idempotency-key"))
    if not key:
        context.note("task.entering")  # a fleet's gateway must not have another node enter it as well
    submitter = Submitter(context.caller, context.base_url)
    made = await jobs_of(context, call.request.kind).submit(call, key, submitter, admitted=context.admitted)
    context.note("request.task", id=made.id)
    return made


async def page(context: NodeContext, kind: MediaKind) -> tuple[Sequence[MadeMedia], bool]:
    """The caller's, the newest first unless the query says so, and whether there are more."""
    query = context.request.query_params
    limit = whole_number(context.request, "limit", 20, least=1, most=100)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("order is asc or desc", "order 只能是 asc 或 desc", param="order")
    after = query.get("after") or None
    return await jobs_of(context, kind).page(context.caller, after=after, limit=limit, oldest_first=order == "asc")


async def looked_at(context: NodeContext, kind: MediaKind, media_id: str) -> MadeMedia:
    """How it stands; with `wait` as soon as it has ended, after so many seconds at the latest."""
    seconds = whole_number(context.request, "wait", 0, least=0, most=LONGEST_WAIT)
    jobs = jobs_of(context, kind)
    if not seconds:
        return await jobs.get(context.caller, media_id)
    return await cancel_on_disconnect(context.request.receive, jobs.wait(context.caller, media_id, seconds))


def address_of(context: NodeContext, made: MadeMedia, file: MediaFile) -> str:
    """Where a file is served."""
    return str(simple_music.write_file(made.id, PATHS[made.kind], file, context.base_url)["url"])


async def served(context: NodeContext, made: MadeMedia, file: MediaFile) -> Response:
    """A file, whole or by Range. NotFound where it was deleted."""
    store = context.service.blobs
    facts = await store.stat(key_of(made.id, made.kind, file.mime))
    if facts is None:
        raise media_not_found(made.kind, made.id)
    headers = {
        "etag": f'"{facts.etag}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f'attachment; filename="{made.id}.{ENDINGS[file.mime]}"',
        "x-content-type-options": "nosniff",
    }
    return await ranges.answer(context.request, store, facts, headers, file.mime)
