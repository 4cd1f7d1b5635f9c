"""The gallery: facts, previews, lineage and bytes of delivered images.

An admin sees the images of all keys with their prompts, which stand in the database as they are. A key sees its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from gemgate.dialects.wire import image_facts
from gemgate.errors import BadRequest, NotFound
from gemgate.gateway.beside_images import before_key, keys_of
from gemgate.gateway.thumbnails import MIME
from gemgate.jobs.batches import scope
from gemgate.ports.gallery import GalleryImage, ImageSearch
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import CACHED, PICTURES, Router, operation
from gemgate.web.request_body import whole_number
from gemgate.web.routes.archive import chosen
from gemgate.web.streaming import StreamingResponse

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

FOREVER = "private, max-age=31536000, immutable"
SAFE = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"}
QUERY = {
    "limit": "integer",
    "after": "string",
    "offset": "integer",
    "key": "string",
    "batch": "string",
    "prompt": "string",
    "model": "string",
    "size": "string",
}
SIZES = {"1k": (0, 1536), "2k": (1536, 3072), "4k": (3072, 1 << 30)}
"""Pixels of the longer side, from and below."""
WORDS, LONGEST_SEARCH = 8, 200
"""Words of a search, and its characters: every word costs a look at every prompt."""
MOST_IN_ZIP = 250
"""Pictures: as many ids as an address has room for."""


@operation(
    router, "GET", "/api/gallery", "images.gallery", group="images", answers="operating.GalleryPage", query=QUERY
)
async def listing(context: NodeContext) -> Response:
    """Delivered pictures, newest first; an admin's are those of all keys, or of one: `?key=NAME`.

    prompt: words that stand in it; size: 1k, 2k or 4k. `after` or `offset`: where the page begins.
    """
    gallery = context.service.gallery
    query = context.request.query_params
    limit = whole_number(context.request, "limit", 48, least=1, most=200)
    offset = whole_number(context.request, "offset", 0, least=0, most=10**7)
    tenant, search = scope(context.caller), _search(context.request)
    if tenant is None and "key" in query:
        tenant = query["key"]
    after = await _image(context, query["after"]) if query.get("after") else None
    found = await gallery.page(tenant, limit + 1, after=after, offset=offset, search=search)
    shown = [entry(context, image) for image in found[:limit]]
    following = shown[-1]["id"] if len(found) > limit else None
    total = await gallery.amount(tenant, search)
    return json_response({"pictures": shown, "next": following, "total": total})


def _search(request: Request) -> ImageSearch:
    """What the query wants; BadRequest."""
    query = request.query_params
    prompt, size = query.get("prompt", ""), query.get("size", "")
    words = tuple(dict.fromkeys(prompt.split()))
    if len(prompt) > LONGEST_SEARCH or len(words) > WORDS:
        raise BadRequest(
            f"At most {WORDS} words and {LONGEST_SEARCH} characters can be searched for",
            f"最多可搜索 {WORDS} 个词、{LONGEST_SEARCH} 个字符",
            param="prompt",
        )
    if size and size not in SIZES:
        raise BadRequest(
            f"{size[:20]} is no size; use {', '.join(SIZES)}",
            f"尺寸 {size[:20]} 无效，可用：{'、'.join(SIZES)}",
            param="size",
        )
    return ImageSearch(query.get("batch", ""), words, query.get("model", ""), SIZES.get(size))


@operation(
    router, "GET", "/api/gallery/archive", "images.gallery.archive", group="images", query={"ids": "string"},
    produces=("application/zip",), summary="Chosen pictures as a ZIP",
)  # fmt: skip
async def zipped(context: NodeContext) -> Response:
    """`ids`: of the pictures, with commas between; one that is not there is refused before anything is sent."""
    ids = list(dict.fromkeys(one for one in context.request.query_params.get("ids", "").split(",") if one))
    if not 0 < len(ids) <= MOST_IN_ZIP:
        raise BadRequest(f"Name 1 to {MOST_IN_ZIP} pictures", f"请指定 1 至 {MOST_IN_ZIP} 张图片", param="ids")
    images = [await _image(context, one) for one in ids]
    headers = {"content-disposition": 'attachment; filename="pictures.zip"', "cache-control": "no-store"}
    return StreamingResponse(chosen(context.service.blobs, images), headers=headers, media_type="application/zip")


@operation(
    router, "GET", "/api/gallery/{id}", "images.gallery.get", group="images", answers="operating.GalleryPictureWithKin"
)
async def one(context: NodeContext) -> Response:
    """One picture, what it was made from and what was made from it."""
    image = await _image(context, context.request.path_params["id"])
    gallery, tenant = context.service.gallery, scope(context.caller)
    parents = await gallery.with_bytes(image.references, tenant) if image.references else ()
    children = await gallery.made_from(image.image.sha256, tenant)
    kin = {
        "made_from": [entry(context, parent) for parent in parents],
        "made_into": [entry(context, child) for child in children],
    }
    return json_response({**entry(context, image), **kin})


@operation(
    router, "GET", "/api/gallery/{id}/thumb", "images.gallery.thumb", group="images", produces=(MIME,), also=CACHED
)
async def thumb(context: NodeContext) -> Response:
    """A preview of at most 320 pixels each way."""
    image = await _image(context, context.request.path_params["id"])
    headers = {"cache-control": FOREVER, "etag": f'"{image.handle}"', **SAFE}
    if context.request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(await context.service.thumbnails.get(image), headers=headers, media_type=MIME)


@operation(
    router, "GET", "/api/gallery/{id}/file", "images.gallery.file", group="images", produces=PICTURES, also=CACHED
)
async def file(context: NodeContext) -> Response:
    """The picture itself; with `?download=1` to be saved."""
    image = await _image(context, context.request.path_params["id"])
    headers = {"cache-control": FOREVER, "etag": f'"{image.image.sha256[:32]}"', **SAFE}
    if context.request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if context.request.query_params.get("download"):
        name = image.image.name.rpartition("/")[2]
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    blob = await context.service.blobs.get("images/" + image.image.name)
    return Response(blob.data, headers=headers, media_type=image.image.mime)


@operation(
    router, "GET", "/api/gallery/{id}/logo", "images.gallery.logo", group="images", answers="operating.GalleryLogo"
)
async def logo(context: NodeContext) -> Response:
    """What stood in the logo's box before it was taken off, as a PNG, and where the box is.

    `left`, `top`, `width`, `height` are shares of the picture, `png` is base64. 404 for pictures without a logo, and
    for those made before it was kept.
    """
    image = await _image(context, context.request.path_params["id"])
    try:
        kept = await context.service.blobs.get(before_key(image.image.name))
    except NotFound:
        raise NotFound(
            "The logo of this picture is not kept: it was not taken off, or before logos were kept",
            "此图片的标志未保存：未曾去除，或在开始保存之前去除",
            code="logo_not_kept",
        ) from None
    return Response(kept.data, headers={"cache-control": FOREVER, **SAFE}, media_type="application/json")


@operation(
    router, "DELETE", "/api/gallery/{id}", "images.gallery.delete", group="images", answers="operating.DeletedPicture"
)
async def delete(context: NodeContext) -> Response:
    """Delete a picture for good: file, preview and facts."""
    image = await _image(context, context.request.path_params["id"])
    await context.service.blobs.delete(keys_of([image.image.name]))
    await context.service.gallery.forget([image.image.name])
    return json_response({"id": image.handle, "deleted": True})


async def _image(context: NodeContext, handle: str) -> GalleryImage:
    """An image that the caller may see; NotFound."""
    image = await context.service.gallery.by_handle(handle)
    if image is None or scope(context.caller) not in (None, image.tenant):
        raise NotFound(f"There is no picture {handle[:40]}", f"图片 {handle[:40]} 不存在", code="picture_not_found")
    return image


def entry(context: NodeContext, image: GalleryImage) -> shapes.GalleryPicture:
    """An image as lists show it; `own` says whether the caller's own key made it."""
    where = f"/api/gallery/{image.handle}"
    return {
        "id": image.handle,
        "created_at": image.created_at,
        "key": image.tenant or None,
        "own": image.tenant == context.caller.tenant,
        "prompt": image.image.prompt,
        "url": context.service.gateway.images.url_of(image.image.name),
        "batch": image.batch or None,
        "references": len(image.references),
        "thumb": f"{where}/thumb",
        "file": f"{where}/file",
        "details": image_facts(image.image, context.caller.language),
    }
