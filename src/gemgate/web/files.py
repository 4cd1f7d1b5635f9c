"""Routes for uploaded files: OpenAI's /v1/files and the simple /upload."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import uuid
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from gemgate.dialects import openai_files, simple
from gemgate.errors import BadRequest, NotFound
from gemgate.files import Inline, StoredFile
from gemgate.ports import Caller
from gemgate.web.answers import json_response
from gemgate.web.call import Call, call_of
from gemgate.web.operation import operation
from gemgate.web.reading import read_form

router = APIRouter()

MAX_NAME = 200


async def keep(call: Call, upload: Inline, purpose: str, owner: str, prefix: str, seconds: float = 0.0) -> StoredFile:
    """Store an upload of `owner`; its name is data, never a path. `seconds` until it expires, 0 = never."""
    now = call.service.clock.now()
    name = upload.name.replace("\\", "/").rpartition("/")[2][:MAX_NAME] or "file"
    mime = upload.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = await asyncio.to_thread(lambda: hashlib.sha256(upload.data).hexdigest())
    expires = now + seconds if seconds else 0.0
    file = StoredFile(prefix + uuid.uuid4().hex, owner, name, mime, len(upload.data), digest, purpose, now, expires)
    await call.service.files.add(file, upload.data)
    return file


async def owned(call: Call, file_id: str, owner: str) -> StoredFile:
    file = await call.service.files.get(file_id, owner)
    if file is None:
        raise NotFound(f"There is no file {file_id[:100]}", f"文件 {file_id[:100]} 不存在", param="file_id")
    return file


@operation(router, "POST", "/v1/files", "files.create", produces="application/json")
async def create(request: Request, caller: Caller) -> Response:
    """Upload a file for chats, edits and batches."""
    call = call_of(request)
    form = await read_form(request, call.service.settings.max_body_bytes)
    upload, purpose = openai_files.read_upload(dict(form.fields), form.files)
    return json_response(openai_files.file_object(await keep(call, upload, purpose, caller.tenant, "file-")))


@operation(router, "GET", "/v1/files", "files.list")
async def listing(request: Request, caller: Caller) -> Response:
    """The caller's files, a page at a time."""
    query = request.query_params
    limit = query.get("limit", "10000")
    if not limit.isdecimal():
        raise BadRequest("limit must be a number", "limit 必须是数字", param="limit")
    files = await call_of(request).service.files.list(caller.tenant)
    page = openai_files.file_listing(
        files,
        after=query.get("after"),
        limit=int(limit),
        order=query.get("order", "desc"),
        purpose=query.get("purpose", ""),
    )
    return json_response(page)


@operation(router, "GET", "/v1/files/{file_id}", "files.get")
async def one(request: Request, caller: Caller) -> Response:
    """What is known of one file."""
    file = await owned(call_of(request), request.path_params["file_id"], caller.tenant)
    return json_response(openai_files.file_object(file))


@operation(router, "GET", "/v1/files/{file_id}/content", "files.content", produces="application/octet-stream")
async def content(request: Request, caller: Caller) -> Response:
    """The bytes of one file."""
    call = call_of(request)
    file = await owned(call, request.path_params["file_id"], caller.tenant)
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
        "x-content-type-options": "nosniff",
    }
    return Response(await call.service.files.read(file), headers=headers, media_type=file.mime)


@operation(router, "DELETE", "/v1/files/{file_id}", "files.delete")
async def delete(request: Request, caller: Caller) -> Response:
    """Forget one file."""
    call = call_of(request)
    file = await owned(call, request.path_params["file_id"], caller.tenant)
    await call.service.files.delete(file)
    return json_response(openai_files.write_deleted(file.id))


@operation(router, "POST", "/upload", "upload")
async def upload(request: Request, caller: Caller) -> Response:
    """Upload files under the key `files`; the answer's handles go into the chat field `files`."""
    call = call_of(request)
    form = await read_form(request, call.service.settings.max_body_bytes)
    given = [file for name, file in form.files if name in ("files", "files[]", "file")]
    if not given:
        raise BadRequest("Send at least one file under the key files", "请以 files 字段上传至少一个文件", param="files")
    kept = [await keep(call, file, "user_data", caller.tenant, "file-") for file in given]
    return json_response(simple.write_upload([file.id for file in kept]))
