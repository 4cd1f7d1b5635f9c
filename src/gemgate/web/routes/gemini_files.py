"""Google's files: resumable uploads, and what was uploaded (docs/client-contracts.md 5).

The first request of an upload needs a key; the others bring none, so their address is unguessable. Under `/v1` OpenAI's
routes have the path and hand Google's clients over to the functions here.
"""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import gemini, wire
from gemgate.digits import whole
from gemgate.errors import BadRequest
from gemgate.files import Inline, StoredFile
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_body, whole_number
from gemgate.web.stored_files import keep, owned

router = Router()

FILE_SECONDS = 48 * 3600.0
"""How long Google keeps an uploaded file, and so do we."""


async def start_upload(context: NodeContext) -> Response:
    """Begin a resumable upload, or take a whole file with X-Goog-Upload-Protocol: raw"""
    headers = context.request.headers
    protocol = headers.get("x-goog-upload-protocol", "")
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    if protocol == "raw":
        name = headers.get("x-goog-upload-file-name", "")
        mime = (headers.get("x-goog-upload-header-content-type") or headers.get("content-type", "")).partition(";")[0]
        return await _kept(context, Inline(raw, mime.strip().lower(), name), context.caller.tenant)
    if protocol != "resumable" or headers.get("x-goog-upload-command", "") != "start":
        raise BadRequest(
            "Begin an upload with X-Goog-Upload-Protocol: resumable and X-Goog-Upload-Command: start",
            "请使用 X-Goog-Upload-Protocol: resumable 和 X-Goog-Upload-Command: start 开始上传",
        )
    body = wire.read(gemini.UploadRequest, wire.parse_json(raw) if raw.strip() else {})
    start = gemini.read_upload(
        body,
        header_name=headers.get("x-goog-upload-file-name", ""),
        header_type=headers.get("x-goog-upload-header-content-type", ""),
        header_length=headers.get("x-goog-upload-header-content-length", ""),
    )
    upload_id = context.service.uploads.begin(context.caller.tenant, start.name, start.mime, start.size)
    context.headers["x-goog-upload-url"] = f"{context.base_url}{context.request.url.path}/{upload_id}"
    context.headers["x-goog-upload-status"] = "active"
    return json_response({})


async def continue_upload(context: NodeContext) -> Response:
    """Go on with a resumable upload; its address is its key"""
    uploads = context.service.uploads
    upload_id = context.request.path_params["upload_id"]
    context.headers["x-goog-upload-status"] = "final"
    upload = uploads.find(upload_id)
    context.headers["x-goog-upload-status"] = "active"
    commands = [word.strip() for word in context.request.headers.get("x-goog-upload-command", "").lower().split(",")]
    offset = context.request.headers.get("x-goog-upload-offset", "")
    data = await read_body(context.request, context.service.settings.max_body_bytes)
    if "cancel" in commands:
        uploads.cancel(upload_id)
        context.headers["x-goog-upload-status"] = "cancelled"
        return json_response({})
    if "upload" in commands:
        uploads.add(upload, whole(offset), data)
    elif "finalize" not in commands and "query" not in commands:
        raise BadRequest(
            "X-Goog-Upload-Command must be upload, finalize, query or cancel",
            "X-Goog-Upload-Command 必须是 upload、finalize、query 或 cancel",
        )
    if "finalize" not in commands:
        context.headers["x-goog-upload-size-received"] = str(len(upload.data))
        return json_response({})
    upload = uploads.finish(upload_id)
    context.headers["x-goog-upload-status"] = "final"
    return await _kept(context, Inline(bytes(upload.data), upload.mime, upload.name), upload.owner)


async def _kept(context: NodeContext, upload: Inline, owner: str) -> Response:
    if not upload.data:
        raise BadRequest("The file is empty", "文件为空")
    file = await keep(context, upload, "user_data", owner, "file-", FILE_SECONDS)
    base, version = _base(context)
    return json_response(gemini.write_uploaded(file, base, version))


async def list_files(context: NodeContext) -> Response:
    """The caller's files as Google lists them"""
    files = await context.service.files.list(context.caller.tenant)
    base, version = _base(context)
    page = gemini.write_files(
        files,
        base,
        version,
        page_size=whole_number(context.request, "pageSize", 10, least=0, most=1000),
        page_token=context.request.query_params.get("pageToken", ""),
    )
    return json_response(page)


async def get_file(context: NodeContext) -> Response:
    """One file as Google shows it"""
    file = await _owned(context)
    base, version = _base(context)
    return json_response(gemini.write_file(file, base, version))


async def delete_file(context: NodeContext) -> Response:
    """Forget one file"""
    file = await _owned(context)
    await context.service.files.delete(file)
    return json_response({})


async def _owned(context: NodeContext) -> StoredFile:
    name = context.request.path_params["file_id"]
    return await owned(context, gemini.file_id(name), context.caller.tenant, asked=gemini.written_name(name))


def _base(context: NodeContext) -> tuple[str, str]:
    """What stands before `/files/x` in the addresses of files: our own address with the tree's prefix, the version."""
    path = context.request.url.path
    version = "v1beta" if "/v1beta/" in path else "v1"
    prefix = "/gemini" if path.startswith("/gemini/") else ""
    return context.base_url + prefix, version


for _tree, _version in (("/gemini", "v1beta"), ("/gemini", "v1"), ("", "v1beta"), ("", "v1")):
    _shown = (_tree, _version) == ("/gemini", "v1beta")
    _upload = f"{_tree}/upload/{_version}/files"
    operation(
        router, "POST", _upload, "gemini.upload", group="files", answers="gemini.UploadAnswer", documented=_shown
    )(start_upload)
    for _method in ("POST", "PUT"):
        operation(
            router,
            _method,
            _upload + "/{upload_id}",
            "gemini.upload.continue",
            group="files",
            answers="gemini.UploadAnswer",
            level="open",
            documented=_shown,
        )(continue_upload)
    if (_tree, _version) == ("", "v1"):
        continue
    _files = f"{_tree}/{_version}/files"
    _query = {"pageSize": "integer", "pageToken": "string"}
    operation(
        router,
        "GET",
        _files,
        "gemini.files",
        group="files",
        answers="gemini.GoogleFiles",
        query=_query,
        documented=_shown,
    )(list_files)
    operation(
        router,
        "GET",
        _files + "/{file_id}",
        "gemini.files.get",
        group="files",
        answers="gemini.GoogleFile",
        documented=_shown,
    )(get_file)
    operation(
        router,
        "DELETE",
        _files + "/{file_id}",
        "gemini.files.delete",
        group="files",
        answers="gemini.Nothing",
        documented=_shown,
    )(delete_file)
