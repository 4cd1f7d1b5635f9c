"""The gallery: facts, previews, lineage and bytes of delivered pictures.

An admin sees the pictures of all keys with their prompts, as in a batch's status and archive: they run the service and
could read its database. A key sees its own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.dialects.wire import image_facts
from gemgate.errors import NotFound
from gemgate.gateway.thumbnails import MIME, key_of
from gemgate.jobs.batches import scope
from gemgate.ports.gallery import GalleryImage
from gemgate.web.context import RequestContext, context_of
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()

FOREVER = "private, max-age=31536000, immutable"
SAFE = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"}
QUERY = {"limit": "integer", "after": "string", "key": "string", "batch": "string"}


@operation(router, "GET", "/api/gallery", "images.gallery", query=QUERY)
async def listing(request: Request, caller: Caller) -> Response:
    """Delivered pictures, newest first; an admin's are those of all keys, or of one: `?key=NAME`."""
    call = context_of(request)
    gallery = call.service.gallery
    query = request.query_params
    limit = whole_number(request, "limit", 48, least=1, most=200)
    tenant, batch = scope(caller), query.get("batch", "")
    if tenant is None and "key" in query:
        tenant = query["key"]
    after = await _picture(call, caller, query["after"]) if query.get("after") else None
    found = await gallery.page(tenant, limit + 1, after=after, batch=batch)
    shown = [entry(call, caller, picture) for picture in found[:limit]]
    following = shown[-1]["id"] if len(found) > limit else None
    total = await gallery.amount(tenant, batch)
    return json_response({"pictures": shown, "next": following, "total": total})


@operation(router, "GET", "/api/gallery/{id}", "images.gallery.get")
async def one(request: Request, caller: Caller) -> Response:
    """One picture, what it was made from and what was made from it."""
    call = context_of(request)
    picture = await _picture(call, caller, request.path_params["id"])
    gallery, tenant = call.service.gallery, scope(caller)
    parents = await gallery.with_bytes(picture.references, tenant) if picture.references else ()
    children = await gallery.made_from(picture.image.sha256, tenant)
    shown = entry(call, caller, picture)
    shown["made_from"] = [entry(call, caller, parent) for parent in parents]
    shown["made_into"] = [entry(call, caller, child) for child in children]
    return json_response(shown)


@operation(router, "GET", "/api/gallery/{id}/thumb", "images.gallery.thumb", produces=MIME)
async def thumb(request: Request, caller: Caller) -> Response:
    """A preview of at most 320 pixels each way."""
    call = context_of(request)
    picture = await _picture(call, caller, request.path_params["id"])
    headers = {"cache-control": FOREVER, "etag": f'"{picture.handle}"', **SAFE}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(await call.service.thumbnails.get(picture), headers=headers, media_type=MIME)


@operation(router, "GET", "/api/gallery/{id}/file", "images.gallery.file", produces="image/*")
async def file(request: Request, caller: Caller) -> Response:
    """The picture itself; with `?download=1` to be saved."""
    call = context_of(request)
    picture = await _picture(call, caller, request.path_params["id"])
    headers = {"cache-control": FOREVER, "etag": f'"{picture.image.sha256[:32]}"', **SAFE}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if request.query_params.get("download"):
        name = picture.image.name.rpartition("/")[2]
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    blob = await call.service.blobs.get("images/" + picture.image.name)
    return Response(blob.data, headers=headers, media_type=picture.image.mime)


@operation(router, "DELETE", "/api/gallery/{id}", "images.gallery.delete")
async def delete(request: Request, caller: Caller) -> Response:
    """Delete a picture for good: file, preview and facts."""
    call = context_of(request)
    picture = await _picture(call, caller, request.path_params["id"])
    await call.service.blobs.delete(["images/" + picture.image.name, key_of(picture.image.name)])
    await call.service.gallery.forget([picture.image.name])
    return json_response({"id": picture.handle, "deleted": True})


async def _picture(call: RequestContext, caller: Caller, handle: str) -> GalleryImage:
    """A picture that the caller may see; NotFound."""
    picture = await call.service.gallery.by_handle(handle)
    if picture is None or scope(caller) not in (None, picture.tenant):
        raise NotFound(f"There is no picture {handle[:40]}", f"图片 {handle[:40]} 不存在", code="picture_not_found")
    return picture


def entry(call: RequestContext, caller: Caller, picture: GalleryImage) -> dict[str, Any]:
    """A picture as lists show it; `own` says whether the caller's own key made it."""
    where = f"/api/gallery/{picture.handle}"
    return {
        "id": picture.handle,
        "created_at": picture.created_at,
        "key": picture.tenant or None,
        "own": picture.tenant == caller.tenant,
        "prompt": picture.image.prompt,
        "url": call.service.gateway.pictures.url_of(picture.image.name),
        "batch": picture.batch or None,
        "references": len(picture.references),
        "thumb": f"{where}/thumb",
        "file": f"{where}/file",
        "details": image_facts(picture.image),
    }
