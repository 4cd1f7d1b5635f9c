"""Routes that make pictures, and the route that shows stored ones."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from email.utils import formatdate

from fastapi import APIRouter, Request, Response

from gemgate.chat import Usage
from gemgate.dialects import openai_images, simple, wire
from gemgate.dialects.openai_images import ImagesCall
from gemgate.dialects.simple import PicturesCall
from gemgate.errors import GatewayError, NotFound, Unauthorized
from gemgate.images import GeneratedImage, ImageRequest
from gemgate.policy import links
from gemgate.ports import Blob, BlobFacts, Caller
from gemgate.prompting import tokens
from gemgate.stores.blobs import mime_of
from gemgate.web.answers import large_json_response
from gemgate.web.call import Call, call_of
from gemgate.web.operation import operation
from gemgate.web.reading import read_form, read_with, unless_gone
from gemgate.web.streaming import HEADERS as STREAM_HEADERS

router = APIRouter()


@operation(router, "POST", "/v1/images/generations", "images.generations", body=openai_images.GenerationsRequest)
async def generations(request: Request, caller: Caller) -> Response:
    """Pictures from a prompt, in OpenAI's shape."""
    limit = call_of(request).service.settings.max_body_bytes
    call = await read_with(
        request,
        limit,
        lambda b: openai_images.read_generations(wire.read(openai_images.GenerationsRequest, wire.parse_json(b))),
    )
    return await _openai_answer(request, call, caller)


async def edits(request: Request, caller: Caller) -> Response:
    """A picture edited in words: multipart as the SDK sends it, OpenAI's JSON, or the simple JSON (decisions.md 17)."""
    limit = call_of(request).service.settings.max_body_bytes
    request.scope["gemgate.envelope"] = openai_images.envelope
    if request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(request, limit)
        return await _openai_answer(request, openai_images.read_edits_form(form.fields, form.files), caller)

    def read(body: bytes) -> ImagesCall | PicturesCall:
        value = wire.parse_json(body)
        if openai_images.is_simple_edit(value):
            request.scope["gemgate.envelope"] = simple.envelope
            return simple.read_images(wire.read(simple.EditImageRequest, value))
        return openai_images.read_edits(wire.read(openai_images.EditsRequest, value))

    call = await read_with(request, limit, read)
    if isinstance(call, PicturesCall):
        return await _simple_answer(request, call, caller)
    return await _openai_answer(request, call, caller)


for _path in ("/v1/images/edits", "/v1/images/edit"):
    operation(router, "POST", _path, "images.edits", body=openai_images.EditsRequest)(edits)


@operation(router, "POST", "/v1/generate-images", "generate-images", body=simple.GenerateImagesRequest)
async def generate_images(request: Request, caller: Caller) -> Response:
    """Pictures from a prompt, or an edit when `image` is given."""
    limit = call_of(request).service.settings.max_body_bytes
    call = await read_with(
        request, limit, lambda b: simple.read_images(wire.read(simple.GenerateImagesRequest, wire.parse_json(b)))
    )
    return await _simple_answer(request, call, caller)


async def _openai_answer(request: Request, wanted: ImagesCall, caller: Caller) -> Response:
    call = call_of(request)
    images, failures, _ = await _made(request, call, wanted.request, caller)
    stamp = call.stamp("", request)
    text = tokens.estimate(wanted.request.prompt)
    shown = tokens.IMAGE_TOKENS * len(wanted.request.references)
    usage = Usage(text + shown, tokens.IMAGE_TOKENS_OUT * len(images))
    if wanted.stream:
        body = await asyncio.to_thread(openai_images.write_events, images, wanted, stamp, usage, image_tokens=shown)
        return Response(body, headers=STREAM_HEADERS)
    answer = await asyncio.to_thread(
        openai_images.write,
        images,
        wanted,
        stamp,
        usage,
        image_tokens=shown,
        failures=failures,
        language=caller.language,
    )
    return large_json_response(answer)


async def _simple_answer(request: Request, wanted: PicturesCall, caller: Caller) -> Response:
    call = call_of(request)
    images, failures, model = await _made(request, call, wanted.request, caller)
    stamp = call.stamp("", request)
    answer = await asyncio.to_thread(
        simple.write_images, images, wanted, stamp, model, failures=failures, language=caller.language
    )
    return large_json_response(answer)


async def _made(
    request: Request, call: Call, wanted: ImageRequest, caller: Caller
) -> tuple[Sequence[GeneratedImage], Sequence[GatewayError], str]:
    """The pictures, what failed beside them, and the id of the model that was asked."""
    gateway = call.service.gateway
    admission = await gateway.admit_images(wanted.model, caller)
    call.admitted(admission.quota)
    results = await unless_gone(request, gateway.generate_images(wanted, admission))
    images = [result for result in results if isinstance(result, GeneratedImage)]
    failures = [result for result in results if isinstance(result, GatewayError)]
    return images, failures, wanted.model or admission.card.id


_NAME = re.compile(r"\d{6}/\d{8}/[\w.-]{1,120}")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
FOREVER = "public, max-age=31536000, immutable"


@operation(
    router, "GET", "/images/{name:path}", "images.stored", level="open", produces="image/*", summary="A stored picture"
)
async def stored(request: Request, caller: Caller) -> Response:
    """Open on loopback, else with a client key or a signed link (decisions.md 12). Names never change their bytes."""
    call = call_of(request)
    name = request.path_params["name"]
    _check_link(request, call, caller)
    if not _NAME.fullmatch(name) or ".." in name:
        raise _no_picture(name)
    store = call.service.blobs
    facts = await store.stat("images/" + name)
    if facts is None:
        raise _no_picture(name)
    headers = _headers(facts)
    if request.headers.get("if-none-match", "").strip() in (headers["etag"], "*"):
        return Response(status_code=304, headers=headers)
    blob = await store.get("images/" + name)
    return _ranged(request, blob, headers, mime_of(name))


def _check_link(request: Request, call: Call, caller: Caller) -> None:
    key = call.service.link_key
    if key is None or caller.admin or caller.tenant:
        return
    query = request.query_params
    path = request.url.path
    if links.holds(path, query.get("exp", ""), query.get("sig", ""), call.service.clock.now(), key):
        return
    raise Unauthorized(
        "This link is not signed, or it has expired; ask for the picture again, or send an API key",
        "该链接未签名或已过期，请重新获取链接，或提供 API 密钥",
        code="link_expired",
    )


def _no_picture(name: str) -> NotFound:
    return NotFound(f"There is no picture {name[:120]}", f"图片 {name[:120]} 不存在", code="picture_not_found")


def _headers(facts: BlobFacts) -> dict[str, str]:
    return {
        "etag": f'"{facts.etag}"',
        "last-modified": formatdate(facts.modified, usegmt=True),
        "cache-control": FOREVER,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'",
    }


def _ranged(request: Request, blob: Blob, headers: dict[str, str], mime: str) -> Response:
    """The whole picture, or the one range that was asked for."""
    size = len(blob.data)
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if not wanted or request.headers.get("if-range", headers["etag"]) != headers["etag"]:
        return Response(blob.data, headers=headers, media_type=mime)
    first, last = wanted.groups()
    if not first and not last:
        return Response(blob.data, headers=headers, media_type=mime)
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Response(blob.data[start : end + 1], 206, headers, media_type=mime)
