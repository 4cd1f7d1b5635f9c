"""OpenAI images: generations and edits, and the images that answer them (docs/client-contracts.md 4).

One path takes three bodies of an edit: the SDK's multipart form, OpenAI's JSON, and the simple JSON of `simple.py`;
`is_simple_edit` tells the last two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gemgate.chat import Usage
from gemgate.dialects.image_options import (
    Started,
    is_reference,
    left_over,
    model_for,
    options_of,
    references_of,
    references_of_form,
)
from gemgate.dialects.image_tasks import TaskWishes, no_stream, read_webhook
from gemgate.dialects.openai import envelope, image_entry, unsupported
from gemgate.dialects.wire import ResponseMeta, read, sse
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Inline, Source
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, ImageRequest

if TYPE_CHECKING:
    from gemgate.dialects.shapes import openai as shapes

__all__ = [
    "EditsRequest",
    "GenerationsRequest",
    "ImagesCall",
    "envelope",
    "is_simple_edit",
    "read_edits",
    "read_edits_form",
    "read_generations",
    "read_generations_form",
    "write",
    "write_event",
    "write_failure",
]


class GenerationsRequest(TaskWishes, Started):
    """Body of POST /v1/images/generations; with an image to start from it is an edit."""

    prompt: str = Field(pattern=r"\S", max_length=32_000)
    model: str | None = None
    n: int | None = Field(default=None, ge=1, le=10)
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    mask: Any = None


class EditsRequest(GenerationsRequest):
    """OpenAI's JSON body of POST /v1/images/edits."""


@frozen
class ImagesCall:
    """A read request and how its answer is wanted."""

    request: ImageRequest
    as_url: bool = False
    stream: bool = False
    ignored: tuple[str, ...] = ()
    respond_async: bool = False
    webhook: tuple[str, str] = ("", "")


def read_generations(body: GenerationsRequest) -> ImagesCall:
    """The words of a request for images."""
    return _call(body, references_of(body.given()))


def is_simple_edit(body: Mapping[str, Any]) -> bool:
    """Whether a JSON body of /v1/images/edits is the simple dialect's: one `image`, and none of OpenAI's own words."""
    return "images" not in body and ("response_type" in body or "response_format" not in body)


def read_edits(body: EditsRequest) -> ImagesCall:
    """The words of an edit in OpenAI's JSON."""
    return _call(body, _some(references_of(body.given())))


def read_edits_form(fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, Inline]]) -> ImagesCall:
    """The words of an edit in the SDK's multipart form: text parts, and the parts that carry a file.

    One image comes as `image`, several as `image[]`, `image[0]` or `images`; everything else as text, numbers too.
    """
    call = read_generations_form(fields, files)
    _some(call.request.references)
    return call


def read_generations_form(fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, Inline]]) -> ImagesCall:
    """The same, for the words alone as well."""
    given, sent = list(fields), list(files)
    if any(name == "mask" for name, _ in sent):
        raise _no_mask()
    values = {name: value for name, value in given if not is_reference(name)}
    return _call(read(GenerationsRequest, values), references_of_form(sent, given))


def _some(references: tuple[Source, ...]) -> tuple[Source, ...]:
    if not references:
        raise BadRequest("Missing required parameter: image", "缺少必需参数：image", param="image")
    return references


def _no_mask() -> BadRequest:
    return unsupported(
        "mask",
        "mask is not supported: the web app edits by words; say in the prompt what shall change and where",
        "不支持 mask：网页版通过文字编辑，请在 prompt 中说明要修改的位置和内容",
    )


def _call(body: GenerationsRequest, references: tuple[Source, ...]) -> ImagesCall:
    if body.mask is not None:
        raise _no_mask()
    options = options_of(body.given())
    request = ImageRequest(body.prompt, model_for(body.model, options), body.n or 1, references, options)
    as_url, stream, later = body.response_format == "url", bool(body.stream), bool(body.respond_async)
    if stream and later:
        raise no_stream()
    hook = read_webhook(body.webhook, body.webhook_secret)
    return ImagesCall(request, as_url, stream, left_over(body), later, hook)


def write(
    images: Sequence[GeneratedImage],
    call: ImagesCall,
    meta: ResponseMeta,
    usage: Usage,
    *,
    image_tokens: int = 0,
    failures: Sequence[GatewayError] = (),
    language: str = "en",
) -> dict[str, Any]:
    """The ImagesResponse: what succeeded, and beside it what did not (docs/decisions.md 10).

    usage: estimates; `image_tokens` of its prompt tokens are the references'.
    """
    answer: dict[str, Any] = {
        "created": meta.created,
        "data": [image_entry(image, meta, as_url=call.as_url) for image in images],
        "usage": write_usage(usage, image_tokens),
    }
    if failures:
        answer["errors"] = [envelope(error, language, "")[1]["error"] for error in failures]
    return answer


def write_usage(usage: Usage, image_tokens: int) -> shapes.PicturesUsage:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"text_tokens": usage.prompt_tokens - image_tokens, "image_tokens": image_tokens},
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "estimated": usage.estimated,
    }


_FORMATS = {"image/jpeg": "jpeg", "image/webp": "webp"}


def write_event(
    image: GeneratedImage, call: ImagesCall, meta: ResponseMeta, usage: Usage, *, image_tokens: int = 0
) -> tuple[str, dict[str, Any]]:
    """`stream: true`: name and data of the event of a finished image; there is nothing partial to show."""
    kind = "image_edit.completed" if call.request.references else "image_generation.completed"
    event = {
        "type": kind,
        **image_entry(image, meta, as_url=call.as_url),
        "created_at": meta.created,
        "size": str(image.size),
        "quality": call.request.options.quality or "auto",
        "background": "auto",
        "output_format": _FORMATS.get(image.mime, "png"),
        "usage": write_usage(usage, image_tokens),
    }
    return kind, event


def write_failure(error: GatewayError, language: str, request_id: str) -> bytes:
    """The event of an image that failed beside others; the SDK raises it."""
    return sse({"type": "error", **envelope(error, language, request_id)[1]}, "error")
