"""The admin page at `/`: its files, and the policy under which a browser runs them. Its figures come from the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from gemgate.errors import NotFound
from gemgate.policy.bucket_address import bucket_address
from gemgate.settings import Settings
from gemgate.web import paths
from gemgate.web.context import RequestContext
from gemgate.web.operation import Router, operation
from gemgate.web.page.assets import Asset, Assets

router = Router()
assets = Assets(Path(__file__).parent / "static")

FOREVER = "public, max-age=31536000, immutable"


@operation(router, "GET", "/", "page", group="any", level="open", produces=("text/html",), documented=False)
async def index(context: RequestContext) -> Response:
    """The page. It holds no secret and nothing of the service: all that is asked for, with a key or a session."""
    if not assets.ready:
        await asyncio.to_thread(assets.load)
    asset = assets.index
    headers = {"cache-control": "no-cache", "vary": "accept-encoding", **security_headers(context.state.settings)}
    return _answer(context.request, asset, headers)


@operation(router, "GET", "/docs", "page.docs", group="any", level="open", produces=("text/html",), documented=False)
async def docs(context: RequestContext) -> Response:
    """The API reference: a place of the page. The address is relative, for a page below a path of a proxy's."""
    up = "../" if context.request.scope.get(paths.SEEN, "").endswith("/") else "./"
    return Response(status_code=307, headers={"location": up + "#/reference"})


@operation(router, "GET", "/page/{version}/{name:path}", "page.file", group="any", level="open", documented=False)
async def file(context: RequestContext) -> Response:
    """A script or style of the page; an address with another version is one of a page that was updated meanwhile."""
    if not assets.ready:
        await asyncio.to_thread(assets.load)
    wanted = context.request.path_params
    asset = assets.files.get(wanted["name"])
    if asset is None or wanted["version"] != assets.version:
        raise NotFound(
            "There is no such file of the page; reload it", "页面文件不存在，请刷新页面", code="page_file_not_found"
        )
    headers = {"cache-control": FOREVER, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
    return _answer(context.request, asset, headers)


def _answer(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    headers["etag"] = asset.etag
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    packed = asset.packed if "gzip" in request.headers.get("accept-encoding", "") else None
    if packed is not None:
        headers["content-encoding"] = "gzip"
    return Response(packed or asset.data, headers=headers, media_type=asset.mime)


def security_headers(settings: Settings) -> dict[str, str]:
    """Scripts and styles from here only, none inline but the import map; images also from where they are stored."""
    images = " ".join(["'self'", "data:", "blob:", *_image_origins(settings)])
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' '{assets.import_map_hash}'",
        "style-src": "'self'",
        "img-src": images,
        "media-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


def _image_origins(settings: Settings) -> list[str]:
    """Where links to images may point besides here: the bucket, and our own public address."""
    found: list[str] = []
    name = settings.s3_bucket or ""
    bucket, virtual = bucket_address(settings.s3_endpoint or "", name, settings.s3_addressing)
    for address, below in (
        (settings.public_base_url, ""),
        (settings.r2_public_url, ""),
        (bucket, "" if virtual else f"/{name}/"),
    ):
        parts = urlsplit(address or "")
        if parts.scheme and parts.netloc:
            found.append(f"{parts.scheme}://{parts.netloc}{below}")
    if settings.r2_account_id:
        found.append(f"https://{settings.r2_account_id}.r2.cloudflarestorage.com/{settings.r2_bucket}/")
    return list(dict.fromkeys(found))
