"""Routes for uploaded files: OpenAI's /v1/files and the simple /upload."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gemgate.caller import Caller
from gemgate.dialects import openai_files, simple
from gemgate.errors import BadRequest
from gemgate.web.context import node_context_of
from gemgate.web.errors import speaks_google
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_form, whole_number
from gemgate.web.routes import gemini_files
from gemgate.web.stored_files import keep, media_type, owned

router = Router()

LARGE = 4_000_000
"""Files beyond this many bytes are sent piece by piece."""


@operation(router, "POST", "/v1/files", "files.create", group="files", produces="application/json")
async def create(request: Request, caller: Caller) -> Response:
    """Upload a file for chats, edits and batches."""
    call = node_context_of(request)
    form = await read_form(request, call.service.settings.max_body_bytes)
    upload, purpose = openai_files.read_upload(dict(form.fields), form.files)
    return json_response(openai_files.file_object(await keep(call, upload, purpose, caller.tenant, "file-")))


@operation(
    router,
    "GET",
    "/v1/files",
    "files.list",
    group="files",
    query={"after": "string", "limit": "integer", "order": "string", "purpose": "string"},
)
async def listing(request: Request, caller: Caller) -> Response:
    """The caller's files, a page at a time."""
    if speaks_google(request):
        return await gemini_files.list_files(request, caller)
    query = request.query_params
    limit = whole_number(request, "limit", 10_000, least=1, most=10_000)
    files = await node_context_of(request).service.files.list(caller.tenant)
    page = openai_files.file_listing(
        files,
        after=query.get("after"),
        limit=limit,
        order=query.get("order", "desc"),
        purpose=query.get("purpose", ""),
    )
    return json_response(page)


@operation(router, "GET", "/v1/files/{file_id}", "files.get", group="files")
async def one(request: Request, caller: Caller) -> Response:
    """What is known of one file."""
    if speaks_google(request):
        return await gemini_files.get_file(request, caller)
    file = await owned(node_context_of(request), request.path_params["file_id"], caller.tenant)
    return json_response(openai_files.file_object(file))


@operation(
    router, "GET", "/v1/files/{file_id}/content", "files.content", group="files", produces="application/octet-stream"
)
async def content(request: Request, caller: Caller) -> Response:
    """The bytes of one file."""
    call = node_context_of(request)
    file = await owned(call, request.path_params["file_id"], caller.tenant)
    kind = media_type(file.mime) or "application/octet-stream"  # what was kept by older versions may be anything
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
        "x-content-type-options": "nosniff",
    }
    if file.bytes <= LARGE:
        return Response(
            await call.service.files.read(file),
            headers=headers,
            media_type=kind,
        )
    headers["content-length"] = str(file.bytes)
    return StreamingResponse(call.service.files.chunks(file), headers=headers, media_type=kind)


@operation(router, "DELETE", "/v1/files/{file_id}", "files.delete", group="files")
async def delete(request: Request, caller: Caller) -> Response:
    """Forget one file."""
    if speaks_google(request):
        return await gemini_files.delete_file(request, caller)
    call = node_context_of(request)
    file = await owned(call, request.path_params["file_id"], caller.tenant)
    await call.service.files.delete(file)
    return json_response(openai_files.write_deleted(file.id))


@operation(router, "POST", "/upload", "upload", group="files")
async def upload(request: Request, caller: Caller) -> Response:
    """Upload files under the key `files`; the answer's handles go into the chat field `files`."""
    call = node_context_of(request)
    form = await read_form(request, call.service.settings.max_body_bytes)
    given = [file for name, file in form.files if name in ("files", "files[]", "file")]
    if not given:
        raise BadRequest("Send at least one file under the key files", "请以 files 字段上传至少一个文件", param="files")
    kept = [await keep(call, file, "user_data", caller.tenant, "file-") for file in given]
    return json_response(simple.write_upload([file.id for file in kept]))
