"""How images are wanted and what they start from, in every spelling: OpenAI's, Google's, OpenRouter's, and those of
the front ends that sit on top of them. One reader for all routes.

Sizes, shapes and qualities: `size` (pixels, a shape, or 1K, 2K, 4K), `aspect`, `aspect_ratio`, `aspectRatio`,
`image_size`, `imageSize`, `resolution`, `width` with `height`, `quality`, alone or in `image_config`, `imageConfig`,
`google` and `extra_body`. Empty and "auto" are no wish.
References: `image`, `images`, `image_url`, `image_urls` and the like; base64, data: URLs, links, our own links, ids of
files, alone, in objects and in lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

from pydantic import Field

from gemgate.catalog import CARDS
from gemgate.dialects.wire import MODEL_POLICY, Wishes, ignored, inline_image, is_own_path
from gemgate.errors import BadRequest
from gemgate.files import Inline, Link, Source, Stored
from gemgate.images import ImageOptions, ModelPolicy, SizePolicy

ASPECTS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
"""The shapes Google's image models name."""
LARGE = 2048
"""Pixels from which a size is more than a shape: smaller ones every model exceeds by itself."""
MOST_PIXELS = 16384
LONGEST = 8
"""How many times as long as it is wide a picture may be: a wish beyond that is a slip, and would cost a generation."""
MAX_REFERENCES = 10
"""Files that one prompt may refer to (docs/google-wire.md 8.4)."""

_SIZES = ("size", "image_size", "imageSize", "resolution")
_SHAPES = ("aspect", "aspect_ratio", "aspectRatio")
_INSIDE = ("extra_body", "google", "image_config", "imageConfig")
SPELLINGS = (*_SIZES, *_SHAPES, "quality", "width", "height", *_INSIDE)
"""Fields of a body that are read here."""

_LONG_SIDES = {"0.5k": 512, "512": 512, "512px": 512, "1k": 1024, "2k": 2048, "4k": 4096}
_PIXELS = re.compile(r"(\d{1,5})\s*[x*×]\s*(\d{1,5})")
_SHAPE = re.compile(r"(\d{1,2})\s*[:：/]\s*(\d{1,2})")
_WORDS = {"square": "1:1", "landscape": "3:2", "portrait": "2:3"}
_NONE = ("", "auto", "default", "none")


def model_for(named: str | None, options: ImageOptions) -> str | None:
    """The model of a call for images: the one that was named, else one that promises the size; None = the default.

    A model that promises 2k or 4k is the only way to so many pixels (docs/google-wire.md 3.4).
    """
    if named or not options.long_side or options.long_side < LARGE:
        return named
    side = options.long_side
    promising = [card for card in CARDS if card.kind == "image" and card.long_side]
    fitting = [card for card in promising if (card.long_side or 0) >= side]
    # Of several that promise the same, the one whose id says so
    return min(fitting or promising, key=lambda card: (abs((card.long_side or 0) - side), not card.id.endswith("k"))).id


class Painting(Wishes):
    """The fields of a body that say how images are wanted; base of wire models.

    size: "1k", "2k", "4k", "1024x1536", a shape like "16:9", or "auto". aspect: a shape.
    """

    size: str | int | None = None
    aspect: str | None = None
    aspect_ratio: str | None = None
    quality: str | None = None
    image_size: str | None = None
    image_config: dict[str, Any] | None = None
    size_policy: SizePolicy | None = None
    resample: bool | None = None
    remove_logo: bool | None = None
    model_policy: ModelPolicy | None = Field(default=None, description=MODEL_POLICY)

    def given(self) -> dict[str, Any]:
        """The fields as the caller named them."""
        named = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        return {**named, **(self.model_extra or {})}


class Started(Painting):
    """What may also start from images."""

    image: Any = Field(default=None, description="Base64, a data: URL, a link or a file's id; several as a list")
    images: Any = None


def named_options(given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """What `given` says of an image, as fields of ImageOptions; BadRequest names the field that says nothing we know.

    A field of the body itself outweighs one of an object inside it.
    """
    found: dict[str, Any] = {}
    for name in _INSIDE:
        if isinstance(inner := given.get(name), Mapping):
            found |= named_options(inner, f"{where}{name}.")
    for name in _SIZES:
        if text := _text(given.get(name)):
            found |= _size(text, where + name)
    if (width := _text(given.get("width"))) and (height := _text(given.get("height"))):
        found |= _size(f"{width}x{height}", where + "width")
    for name in _SHAPES:
        if text := _text(given.get(name)):
            found["aspect"] = _shape(text, where + name)
    if text := _text(given.get("quality")):
        if text in _LONG_SIDES:
            found["long_side"] = _LONG_SIDES[text]
        else:
            found["quality"] = text
    return found


def options_of(given: Mapping[str, Any], common: ImageOptions | None = None, where: str = "") -> ImageOptions:
    """The wishes of a body; what it leaves open is as in `common`."""
    named = named_options(given, where)
    for name in ("size_policy", "resample", "remove_logo", "model_policy"):
        if given.get(name) is not None:
            named[name] = given[name]
    base = common or ImageOptions()
    fields = {name: getattr(base, name) for name in ImageOptions.__dataclass_fields__}
    return ImageOptions(**{**fields, **named})


def of_a_chat(body: Wishes, *, asked: bool) -> tuple[ImageOptions | None, tuple[str, ...]]:
    """How the images of a chat are wanted, by fields that its wire model does not know, and those fields that say it.

    asked: whether images are; of a chat in words nothing is read, and all of it is named as ignored.
    """
    given = {name: value for name, value in (body.model_extra or {}).items() if name in SPELLINGS}
    if not given:
        return (options_of(given) if asked else None), ()
    honoured = tuple(name for name in given if asked and named_options({name: given[name]}))
    if {"width", "height"} <= given.keys():
        honoured = (*honoured, "width", "height")
    return (options_of(given) if asked else None), honoured


def left_over(body: Wishes) -> tuple[str, ...]:
    """The wishes that change nothing, for `x-gemgate-ignored`: what nobody reads, and any quality but a high one."""
    text = _text(getattr(body, "quality", None))
    low = ("quality",) if text and text not in (*_LONG_SIDES, "high", "hd") else ()
    return (*low, *(name for name in ignored(body) if name not in (*SPELLINGS, *REFERENCES)))


def _text(value: object) -> str:
    """A value in lower case, "" for what is no wish; BadRequest is left to who knows what it should be."""
    if value is None or isinstance(value, bool | Mapping | list):
        return ""
    text = str(value).strip().lower()
    return "" if text in _NONE else text


def _size(text: str, where: str) -> dict[str, Any]:
    if text in _LONG_SIDES:
        return {"long_side": _LONG_SIDES[text]}
    if text in _WORDS or _SHAPE.fullmatch(text):
        return {"aspect": _shape(text, where)}
    if found := _PIXELS.fullmatch(text):
        width, height = int(found[1]), int(found[2])
        if max(width, height) <= MOST_PIXELS and _can_be(width, height):
            longest = max(width, height)
            sized = {"long_side": longest} if longest >= LARGE else {}
            return {"aspect": aspect_of(width, height), **sized}
    raise BadRequest(
        f'{where} must be "1K", "2K", "4K", WIDTHxHEIGHT, a shape like 16:9, or "auto"',
        f'{where} 必须是 "1K"、"2K"、"4K"、宽x高、16:9 之类的比例或 "auto"',
        param=where,
    )


def _can_be(across: int, down: int) -> bool:
    return 0 < max(across, down) <= LONGEST * min(across, down)


def shape(text: str, where: str) -> str | None:
    """The shape as "16:9" of what somebody typed, None for no wish; BadRequest for none. where: its name there."""
    wish = _text(text)
    return _shape(wish, where) if wish else None


def _shape(text: str, where: str) -> str:
    if text in _WORDS:
        return _WORDS[text]
    found = _SHAPE.fullmatch(text) or _PIXELS.fullmatch(text)
    if found and _can_be(across := int(found[1]), down := int(found[2])):
        return f"{across}:{down}" if max(across, down) < 100 else aspect_of(across, down)
    raise BadRequest(
        f"{where} must be a shape such as {', '.join(ASPECTS)}, no longer than {LONGEST}:1",
        f"{where} 必须是比例，例如 {'、'.join(ASPECTS)}，长宽比不超过 {LONGEST}:1",
        param=where,
    )


def aspect_of(width: int, height: int) -> str:
    """The shape nearest to these pixels (within 3 %), else their reduced ratio."""
    ratio = width / height
    for aspect in ASPECTS:
        across, _, down = aspect.partition(":")
        if abs(ratio / (int(across) / int(down)) - 1) <= 0.03:
            return aspect
    divisor = gcd(width, height)
    return f"{width // divisor}:{height // divisor}"


REFERENCES = (
    "image",
    "images",
    "image_url",
    "image_urls",
    "input_image",
    "input_images",
    "reference_images",
    "references",
)
"""Fields of a body that hold images to start from."""


def is_reference(name: str) -> bool:
    """Whether a part of a form, `image`, `image[]`, `images[0]`, is an image to start from."""
    return re.sub(r"\[\d*\]$", "", name) in REFERENCES


def references_of(given: Mapping[str, Any], where: str = "") -> tuple[Source, ...]:
    """The images that a body starts from, in their order; BadRequest for what is none, and for too many."""
    found: list[Source] = []
    for name in REFERENCES:
        found += _sources(given.get(name), where + name)
    if len(found) > MAX_REFERENCES:
        raise BadRequest(f"At most {MAX_REFERENCES} images", f"最多 {MAX_REFERENCES} 张图片", param=where + "image")
    return tuple(found)


def _sources(value: object, where: str) -> list[Source]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [_source(value, where)]
    if isinstance(value, Mapping):
        return [_object(value, where)]
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [source for at, one in enumerate(value) for source in _sources(one, f"{where}[{at}]")]
    raise BadRequest(f"{where} must be a picture or a list of them", f"{where} 应为图片或图片列表", param=where)


def _source(text: str, where: str) -> Source:
    if text.startswith("file-"):
        return Stored(text, place=where)
    if text[:8].lower().startswith(("http://", "https://")) or is_own_path(text):
        return Link(text, place=where)
    return inline_image(text, where)


_HOLDERS = ("image_url", "url", "b64_json", "base64", "data", "image", "source", "inlineData", "inline_data", "file_id")


def _object(value: Mapping[str, Any], where: str) -> Source:
    """The image in an object: `{"image_url": …}`, `{"url": …}`, `{"b64_json": …}`, `{"file_id": …}` and the like."""
    for name in _HOLDERS:
        inner = value.get(name)
        if isinstance(inner, str) and inner:
            return Stored(inner, place=f"{where}.{name}") if name == "file_id" else _source(inner, f"{where}.{name}")
        if isinstance(inner, Mapping):
            return _object(inner, f"{where}.{name}")
    raise BadRequest(f"{where} needs image_url or file_id", f"{where} 需要 image_url 或 file_id", param=where)


def references_of_form(files: Sequence[tuple[str, Inline]], fields: Sequence[tuple[str, str]]) -> tuple[Source, ...]:
    """The images of a multipart form: parts with a file, and text parts that hold base64 or a link."""
    found: list[Source] = []
    for name, file in files:
        if is_reference(name):
            if not file.data:
                raise BadRequest("image is empty", "image 为空", param="image")
            found.append(file)
    for name, text in fields:
        if is_reference(name):
            found += _sources(text, name)
    if len(found) > MAX_REFERENCES:
        raise BadRequest(f"At most {MAX_REFERENCES} images", f"最多 {MAX_REFERENCES} 张图片", param="image")
    return tuple(found)
