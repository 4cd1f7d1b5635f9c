"""Routes for uploaded files: /v1/files, which OpenAI's, Anthropic's and Google's clients share, told apart by what they
send, and the simple /upload.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from gemgate.dialects import openai_files, simple
from gemgate.dialects.anthropic import files as anthropic_files
from gemgate.errors import BadRequest
from gemgate.web.context import NodeContext
from gemgate.web.errors import speaks_anthropic, speaks_google
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_form, whole_number
from gemgate.web.routes import gemini_files
from gemgate.web.stored_files import keep, media_type, owned
from gemgate.web.streaming import StreamingResponse

router = Router()

LARGE = 4_000_000
"""Files beyond this many bytes are sent piece by piece."""


@operation(
    router, "POST", "/v1/files", "files.create", group="files", answers="openai.OpenAIFile | anthropic.AnthropicFile"
)
async def create(context: NodeContext) -> Response:
    """Upload a file for chats, edits and batches."""
    form = await read_form(context.request, context.service.settings.max_body_bytes)
    if speaks_anthropic(context.request):
        upload, seconds = anthropic_files.read_upload(dict(form.fields), form.files)
        file = await keep(context, upload, anthropic_files.PURPOSE, context.caller.tenant, "file-", seconds)
        return json_response(anthropic_files.write_file(file))
    upload, purpose = openai_files.read_upload(dict(form.fields), form.files)
    return json_response(openai_files.file_object(await keep(context, upload, purpose, context.caller.tenant, "file-")))


@operation(
    router,
    "GET",
    "/v1/files",
    "files.list",
    group="files",
    answers="openai.OpenAIFiles | gemini.GoogleFiles | anthropic.AnthropicFiles",
    query={
        "after": "string",
        "limit": "integer",
        "order": "string",
        "purpose": "string",
        "page": "string",
        "after_id": "string",
        "before_id": "string",
        "ids[]": "string",
        "scope_id": "string",
    },
)
async def listing(context: NodeContext) -> Response:
    """The caller's files, a page at a time."""
    if speaks_google(context.request):
        return await gemini_files.list_files(context)
    query = context.request.query_params
    files = await context.service.files.list(context.caller.tenant)
    if speaks_anthropic(context.request):
        return json_response(
            anthropic_files.write_files(
                files,
                limit=whole_number(context.request, "limit", 20, least=1, most=1000),
                page=query.get("page"),
                after_id=query.get("after_id"),
                before_id=query.get("before_id"),
                ids={*query.getlist("ids[]"), *query.getlist("ids")},
                scope_id=query.get("scope_id"),
            )
        )
    limit = whole_number(context.request, "limit", 10_000, least=1, most=10_000)
    page = openai_files.file_listing(
        files,
        after=query.get("after"),
        limit=limit,
        order=query.get("order", "desc"),
        purpose=query.get("purpose", ""),
    )
    return json_response(page)


@operation(
    router,
    "GET",
    "/v1/files/{file_id}",
    "files.get",
    group="files",
    answers="openai.OpenAIFile | gemini.GoogleFile | anthropic.AnthropicFile",
)
async def one(context: NodeContext) -> Response:
    """What is known of one file."""
    if speaks_google(context.request):
        return await gemini_files.get_file(context)
    file = await owned(context, context.request.path_params["file_id"], context.caller.tenant)
    if speaks_anthropic(context.request):
        return json_response(anthropic_files.write_file(file))
    return json_response(openai_files.file_object(file))


@operation(router, "GET", "/v1/files/{file_id}/content", "files.content", group="files", produces=("*/*",))
async def content(context: NodeContext) -> Response:
    """The bytes of one file."""
    file = await owned(context, context.request.path_params["file_id"], context.caller.tenant)
    kind = media_type(file.mime) or "application/octet-stream"  # what was kept by older versions may be anything
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
        "x-content-type-options": "nosniff",
    }
    if file.bytes <= LARGE:
        return Response(
            await context.service.files.read(file),
            headers=headers,
            media_type=kind,
        )
    headers["content-length"] = str(file.bytes)
    return StreamingResponse(context.service.files.chunks(file), headers=headers, media_type=kind)


@operation(
    router,
    "DELETE",
    "/v1/files/{file_id}",
    "files.delete",
    group="files",
    answers="openai.DeletedFile | gemini.Nothing | anthropic.DeletedAnthropicFile",
)
async def delete(context: NodeContext) -> Response:
    """Forget one file."""
    if speaks_google(context.request):
        return await gemini_files.delete_file(context)
    file = await owned(context, context.request.path_params["file_id"], context.caller.tenant)
    await context.service.files.delete(file)
    if speaks_anthropic(context.request):
        return json_response(anthropic_files.write_deleted(file.id))
    return json_response(openai_files.write_deleted(file.id))


@operation(router, "POST", "/upload", "upload", group="files", answers="simple.Uploaded")
async def upload(context: NodeContext) -> Response:
    """Upload files under the key `files`; the answer's handles go into the chat field `files`."""
    form = await read_form(context.request, context.service.settings.max_body_bytes)
    given = [file for name, file in form.files if name in ("files", "files[]", "file")]
    if not given:
        raise BadRequest("Send at least one file under the key files", "请以 files 字段上传至少一个文件", param="files")
    kept = [await keep(context, file, "user_data", context.caller.tenant, "file-") for file in given]
    return json_response(simple.write_upload([file.id for file in kept]))
