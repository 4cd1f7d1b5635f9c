"""Request bodies, bounded before they are buffered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from gemgate.chat import ChatRequest
from gemgate.dialects import wire
from gemgate.digits import whole
from gemgate.errors import BadRequest, TooLarge, UnsupportedMedia
from gemgate.files import Inline
from gemgate.frozen import frozen
from gemgate.lazy_import import load, loaded
from gemgate.offload import offload
from gemgate.prompting import schemas, turns
from gemgate.web import streaming
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.upgrades import WHOLE

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

MAX_PARTS = 64
SCHEMA_WORDS = (b'"tools"', b'"functions"', b"schema", b"Schema")
"""One of these is in every body that brings a schema to compile."""

SILENCE_SECONDS, BODY_SECONDS, SLOWEST = 30.0, 60.0, 10_000
"""A body may pause so long, and comes within a minute plus its size at so many bytes a second."""


class _Arriving:
    """A body on its way. TooLarge as soon as it is known to exceed `limit` bytes, UnsupportedMedia if compressed."""

    def __init__(self, request: Request, limit: int) -> None:
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", ""):
            raise UnsupportedMedia(
                f"Content-Encoding {encoding} is not accepted; send the body as it is",
                f"不接受 Content-Encoding {encoding}，请发送未压缩的请求体",
            )
        declared = request.headers.get("content-length", "")
        if (whole(declared) or 0) > limit:
            raise too_large(limit)
        self.more = True
        self._request = request
        self._limit = limit
        self._size = 0
        self._begun = _now()

    async def next(self) -> bytes:
        """What comes next, perhaps nothing; `more` says whether that was not all. BadRequest when it is too slow."""
        if self._request.scope.get(WHOLE):
            message = await self._request.receive()
        else:
            # Cancelled is only the wait: a deadline round the whole body would run while others work on a chunk.
            late = min(self._begun + BODY_SECONDS + self._size / SLOWEST, _now() + SILENCE_SECONDS)
            try:
                async with asyncio.timeout_at(late):
                    message = await self._request.receive()
            except TimeoutError:
                raise BadRequest(
                    "The body did not come in time; send it without pauses", "请求体未能及时到达", code="body_timeout"
                ) from None
        if message["type"] != "http.request":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        self._size += len(chunk)
        if self._size > self._limit:
            raise too_large(self._limit)
        self.more = message.get("more_body", False)
        return chunk


async def chunks_of(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes; see `_Arriving`."""
    body = _Arriving(request, limit)
    while body.more:
        if chunk := await body.next():
            yield chunk


def _now() -> float:
    return asyncio.get_running_loop().time()


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes."""
    body, chunks = _Arriving(request, limit), list[bytes]()
    while body.more:
        chunks.append(await body.next())
    return b"".join(chunks)


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit / 1_000_000:g} MB (MAX_BODY_MB)",
        f"请求体超过 {limit / 1_000_000:g} MB（MAX_BODY_MB）",
        code="request_too_large",
    )


async def read_with(request: Request, limit: int, reader: Callable[[bytes], T]) -> T:
    """What `reader` makes of the body; a large one is read in a thread."""
    body = await read_body(request, limit)
    if not loaded(*schemas.LIBRARIES) and any(word in body for word in SCHEMA_WORDS):
        await load(*schemas.LIBRARIES)
    return await offload(len(body), lambda: reader(body))


def whole_number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A number of the query; BadRequest when it is none or out of bounds."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    number = whole(text)
    if number is None or not least <= number <= most:
        raise BadRequest(
            f"{name} must be a whole number from {least} to {most}",
            f"{name} 必须是 {least} 到 {most} 之间的整数",
            param=name,
        )
    return number


def model_reader(model: type[M], words: Callable[[M], T]) -> Callable[[bytes], tuple[M, T]]:
    """A reader of JSON bodies: the wire model, and the words it means."""

    def read(body: bytes) -> tuple[M, T]:
        wired = wire.read(model, wire.parse_json(body))
        return wired, judged(words(wired))

    return read


def judged(meant: T) -> T:
    """The same, a chat's schemas compiled where it is read, so that they are at hand when it is made; BadRequest."""
    if isinstance(meant, ChatRequest):
        turns.check_schemas(meant)
    return meant


Fields = list[tuple[str, str]]
Files = list[tuple[str, Inline]]


@frozen
class Form:
    """A multipart form: text fields and files, in their order."""

    fields: Fields
    files: Files


class _Parser(MultiPartParser):
    """Knows whether the last boundary came: the framework takes a body that was cut off for a short one."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    def discard(self) -> None:
        """Give up every file, finished or not."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_form(request: Request, limit: int) -> Form:
    """A multipart body, at most `limit` bytes; BadRequest for a malformed one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise BadRequest("The body must be multipart/form-data", "请求体必须是 multipart/form-data")
    await load(streaming.anyio)
    stream = chunks_of(request, limit)
    parser = _Parser(request.headers, stream, max_files=MAX_PARTS, max_fields=MAX_PARTS)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "the boundary is missing"
        raise BadRequest(f"The multipart body is malformed: {reason}", f"multipart 请求体格式错误：{reason}") from None
    finally:
        await stream.aclose()
    if not parser.ended:
        parser.discard()
        raise BadRequest(
            "The multipart body is malformed: it ends before its last boundary",
            "multipart 请求体格式错误：在结束边界之前中断",
        )
    found = Form([], [])
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                mime = (value.content_type or "").partition(";")[0].strip().lower()
                found.files.append((name, Inline(await value.read(), mime, (value.filename or "").replace("\0", ""))))
            else:
                found.fields.append((name, value.replace("\0", "")))
    finally:
        await form.close()
    return found


async def read_form_with(request: Request, limit: int, reader: Callable[[Form], T]) -> T:
    """What `reader` makes of a multipart form; a large one is read in a thread."""
    form = await read_form(request, limit)
    return await offload(sum(len(file.data) for _, file in form.files), lambda: reader(form))


def form_reader(
    model: type[M], body_of: Callable[[Any, Fields, Files], M], words: Callable[[M], T]
) -> Callable[[Form], tuple[M, T]]:
    """A reader of forms: the wire model, and the words it means."""

    def read(form: Form) -> tuple[M, T]:
        wired = body_of(model, form.fields, form.files)
        return wired, judged(words(wired))

    return read
