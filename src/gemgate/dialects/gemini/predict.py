"""Gemini's `models/{model}:predict`, by which Google's SDKs ask for images: `generate_images`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from gemgate.dialects import wire
from gemgate.dialects.gemini.request import ImageConfig, Wishes, image_options
from gemgate.dialects.wire import Base64, inline_file
from gemgate.errors import BadRequest
from gemgate.files import Inline
from gemgate.images import GeneratedImage, ImageRequest


class PredictImage(Wishes):
    bytes_base64_encoded: str | None = Field(default=None, min_length=1)
    mime_type: str = ""


class Instance(Wishes):
    """reference_images, mask: forms of editing that are not served; see `read_prediction`."""

    prompt: str = Field(pattern=r"\S")
    image: PredictImage | None = None
    reference_images: Any = None
    mask: Any = None


class PredictParameters(Wishes):
    sample_count: int | None = Field(default=None, ge=1, le=8)
    aspect_ratio: str | None = None
    sample_image_size: str | None = None
    image_size: str | None = None


class PredictRequest(Wishes):
    """Body of models/{model}:predict, for images."""

    instances: list[Instance] = Field(min_length=1, max_length=1)
    parameters: PredictParameters | None = None


def read_prediction(body: PredictRequest, model: str) -> tuple[ImageRequest, tuple[str, ...]]:
    """What is asked, and the wishes that are not honoured; BadRequest for images in forms that are not read."""
    instance, parameters = body.instances[0], body.parameters or PredictParameters()
    if instance.reference_images is not None or instance.mask is not None:
        raise BadRequest(
            "referenceImages and masks are not read here; send pictures as inlineData to :generateContent",
            "这里不支持 referenceImages 和 mask；请用 :generateContent 的 inlineData 发送图片",
            param="instances[0].referenceImages",
        )
    references: tuple[Inline, ...] = ()
    if instance.image is not None:
        data = instance.image.bytes_base64_encoded
        if data is None:
            raise BadRequest(
                "instances[0].image needs bytesBase64Encoded",
                "instances[0].image 需要 bytesBase64Encoded",
                param="instances[0].image",
            )
        where = "instances[0].image.bytesBase64Encoded"
        references = (inline_file(data, where, instance.image.mime_type),)
    size = parameters.sample_image_size or parameters.image_size
    wanted = wire.read(ImageConfig, {"aspectRatio": parameters.aspect_ratio, "imageSize": size})
    request = ImageRequest(
        instance.prompt, model, parameters.sample_count or 1, references, image_options(wanted, "parameters")
    )
    ignored = (*wire.ignored(body), *wire.ignored(instance), *wire.ignored(parameters, prefix="parameters."))
    return request, ignored


def write_prediction(images: Sequence[GeneratedImage]) -> dict[str, Any]:
    """The images that were made."""
    return {
        "predictions": [{"bytesBase64Encoded": Base64(image.data or b""), "mimeType": image.mime} for image in images]
    }
