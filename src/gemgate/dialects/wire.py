"""What all dialects share: reading JSON safely, stamps, the status of each kind of error, SSE bytes."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails

from gemgate.accounts import Standstill
from gemgate.chat import UNKNOWN, Ended
from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.files import Inline, Link, Source
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage
from gemgate.validation import problem

if TYPE_CHECKING:
    from gemgate.dialects.shapes import Waiting
    from gemgate.dialects.shapes import pictures as shapes

MAX_DEPTH = 200
"""Nesting beyond which a JSON body is refused: far above any real schema, far below the interpreter's limit."""

MAX_ITEMS = 150_000
"""Texts, keys and places of lists in one JSON body: 20 times a long day of a coding agent, a quarter of a second."""

STATUS: dict[str, int] = {
    "bad_request": 400,
    "refused": 400,
    "no_video": 400,
    "no_music": 400,
    "no_research": 400,
    "no_image": 400,
    "model_gone": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "prompt_too_long": 400,
    "unsupported_media": 415,
    "unprocessable": 422,
    "model_not_served": 422,
    "output_invalid": 422,  # final: clients repeat every 5xx, and each time is a generation
    "rate_limited": 429,
    "insufficient_quota": 429,
    "spent": 429,
    "internal": 500,
    "upstream": 502,
    "unreachable": 502,
    "drift": 502,
    "account": 503,
    "busy": 503,
    "signed_out": 503,
    "storage": 503,
    "rejected": 503,
    "blocked": 503,
    "no_account": 503,
    "timeout": 504,
}


LONG_WAIT = 60.0
"""Official clients sleep through a Retry-After; beyond this many seconds they are told not to
(docs/client-contracts.md 0.8).
"""


def status_of(error: GatewayError) -> int:
    """The HTTP status of an error; NoAccount is 429 when waiting alone helps (docs/decisions.md 3)."""
    if error.kind == "no_account" and getattr(error, "quota", False):
        return 429
    return STATUS[error.kind]


@frozen
class ResponseMeta:
    """What a writer must not make up: ids and time. `base_url` makes links absolute, without a slash at the end.
    `language`: of whoever asked, for what is told in words.
    """

    id: str
    created: int
    base_url: str = ""
    language: str = "en"


def _failing_fast(schema: CoreSchema) -> CoreSchema:
    """The same pydantic schema, all lists of which end at their first error."""
    waiting: list[Any] = [schema]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, list | tuple):
            waiting.extend(inner)
        elif isinstance(inner, dict):
            if inner.get("type") in ("list", "tuple"):
                inner["fail_fast"] = True
            waiting.extend(value for key, value in inner.items() if key != "metadata")
    return schema


class Body(BaseModel):
    """Base of all wire models: unknown fields are tolerated, ours are checked.

    `defer_build`: a dialect's validators are built when its first request comes, not when the process starts.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, protected_namespaces=(), populate_by_name=True, defer_build=True
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Lists end at their first wrong item: an error for each would be a hundred times the body."""
        return _failing_fast(handler(source))


class Echo(Body):
    """A wire model that keeps what it does not know."""

    model_config = ConfigDict(
        extra="allow", frozen=True, protected_namespaces=(), populate_by_name=True, defer_build=True
    )


def _no_limit(value: object) -> object:
    return None if value in (0, -1) and not isinstance(value, bool) else value


Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_no_limit)]
"""How much may be written; 0 and -1 are how some clients say that there is no limit."""

M = TypeVar("M", bound=BaseModel)


MODEL_POLICY = "`require` makes an answer by another model than asked an error, as the header `x-gemgate-model-policy`"
"""What a body's `model_policy` says, for the API's description."""


class Wishes(Body):
    """A request: what it does not know it keeps, so that `ignored` can name it."""

    model_config = ConfigDict(
        extra="allow", frozen=True, protected_namespaces=(), populate_by_name=True, defer_build=True
    )


_NOTES = frozenset(
    {
        *("user", "metadata", "store", "stream", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
        *("continue_final_message", "add_generation_prompt"),
    }
)
"""Fields that are notes of the caller and ask for nothing in the answer, or for what is done anyway: an answer that has
begun goes on."""
_NO_WISH: tuple[object, ...] = (None, "", "auto", "default", [], {})
NAMED_AT_MOST = 40
"""Ignored fields that a header names; a body may have any number."""


def ignored(body: BaseModel, *not_honoured: str, prefix: str = "") -> tuple[str, ...]:
    """Wishes of a request that change nothing, for `x-gemgate-ignored`: known fields that are not honoured, and all
    unknown ones. Empty and "auto" are no wish; `prefix` is the path of a nested object, with its dot.
    """
    given = sorted(body.model_fields_set.intersection(not_honoured), key=not_honoured.index)
    known = [name for name in given if getattr(body, name) is not None]
    unknown = [name for name, value in (body.model_extra or {}).items() if is_wish(name, value)]
    return tuple(prefix + header_safe(name) for name in (known + unknown)[:NAMED_AT_MOST])


def is_wish(name: str, value: object) -> bool:
    """Whether a field that nobody reads asks for something."""
    return name not in _NOTES and not any(value is none or value == none for none in _NO_WISH)


def header_safe(name: str) -> str:
    """A name out of a body, as a header may carry it."""
    return re.sub(r"[^\w.\[\]$-]", "_", name, flags=re.ASCII)[:64]


_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


_NUL = rb"\u0000"
_NULS = re.compile(rb"\\u0000|\\.", re.DOTALL)


def load_json(text: bytes) -> Any:
    """Any JSON value; orjson.JSONDecodeError. Halves of surrogate pairs, which JavaScript writes when it cuts a text,
    become U+FFFD; NULs, which PDFs and binary output leave in texts and PostgreSQL has none of, go.
    """
    if _NUL in text:
        text = _NULS.sub(lambda m: b"" if m.group(0) == _NUL else m.group(0), text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in str(error):
            raise
        return orjson.loads(_ESCAPES.sub(lambda m: rb"\ufffd" if m.group(2) else m.group(0), text))


THE_BODY = LocalText("The body", "请求体")


def parse_json(body: bytes, name: LocalText = THE_BODY) -> dict[str, Any]:
    """A JSON object from a request body; BadRequest, by its name, for anything else, however malformed or made of
    crumbs.
    """
    if has_more_items(body, MAX_ITEMS):
        raise BadRequest(
            f"{name.en} has more than {MAX_ITEMS} items", f"{name.zh}包含超过 {MAX_ITEMS} 个元素", code="too_many_items"
        )
    try:
        value = load_json(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{name.en} is not valid JSON: {error}", f"{name.zh}不是有效的 JSON：{error}") from None
    if not isinstance(value, dict):
        raise BadRequest(f"{name.en} must be a JSON object", f"{name.zh}必须是 JSON 对象")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise BadRequest(
            f"{name.en} is nested deeper than {MAX_DEPTH} levels", f"{name.zh}嵌套超过 {MAX_DEPTH} 层", code="too_deep"
        )
    return value


_WINDOW = 65_536


def has_more_items(body: bytes, most: int) -> bool:
    """Whether JSON has more than `most` texts and places, told before any of them is made.

    Commas and brackets inside of texts do not count. Ends at the first one too many; the interpreter is never held for
    more than a window.
    """
    if len(body) <= most:
        return False
    found, inside, kept = 0, False, b""
    for at in range(0, len(body), _WINDOW):
        window = kept + body[at : at + _WINDOW]
        odd = (len(window) - len(window.rstrip(b"\\"))) % 2
        kept = b"\\" * odd  # an escape that goes on in the next window
        window = window[: len(window) - odd].replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = window.split(b'"')
        between = b"".join(pieces[inside::2])
        found += len(pieces) // 2 + between.count(b",") + between.count(b"[") + between.count(b"{")
        inside ^= len(pieces) % 2 == 0
        if found > most:
            return True
    return False


def _deeper_than(value: Any, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def read(model: type[M], value: dict[str, Any], at: str = "") -> M:
    """`value` as a wire model; BadRequest names the first field that does not fit. `at`: its place in the body."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = _first(error)
        where = f"{at}.{field_path(first['loc'])}" if at else field_path(first["loc"])
        if first["type"] == "missing":
            raise BadRequest(f"Missing required parameter: {where}", f"缺少必需参数：{where}", param=where) from None
        why = problem(first)
        raise BadRequest(f"Invalid value for {where}: {why.en}", f"参数 {where} 无效：{why.zh}", param=where) from None


def read_inner(model: type[M], value: Any, where: str) -> M:
    """An object inside of a body, at `where`; BadRequest names the field from there."""
    if not isinstance(value, Mapping):
        raise BadRequest(f"{where} must be an object", f"{where} 必须是对象", param=where)
    try:
        return read(model, dict(value))
    except BadRequest as error:
        raise BadRequest(f"{where}: {error}", f"{where}：{error.zh}", param=f"{where}.{error.param}") from None


def declared_schema(schema: object, where: str) -> Mapping[str, Any]:
    """What a tool declares its arguments to be. Nothing, and PHP's empty array, are no arguments; what is no object is
    refused with its place.
    """
    if schema in (None, [], "", {}):
        return {"type": "object", "properties": {}}
    if not isinstance(schema, Mapping):
        raise BadRequest(
            f"Invalid value for {where}: it is no JSON Schema object",
            f"参数 {where} 无效：不是 JSON Schema 对象",
            param=where,
            code="invalid_json_schema",
        )
    return schema


def _first(error: ValidationError) -> ErrorDetails:
    """The first thing that is wrong; where several forms are allowed, what the form that fits best complains of."""
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    if first["loc"][-1:] and first["loc"][-1] in _UNION_WORDS:
        field = first["loc"][:-1]
        return max((e for e in errors if e["loc"][: len(field)] == field), key=lambda e: len(e["loc"]))
    return first


def field_path(loc: tuple[int | str, ...]) -> str:
    """`messages[2].content` from pydantic's location; names of union branches are left out."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_$][\w$-]*", step) and not step[:1].isupper() and step not in _UNION_WORDS:
            path += f".{step}" if path else step
    return path or "body"


_UNION_WORDS = frozenset({"str", "int", "float", "bool", "list", "dict", "none", "function-after", "constrained-str"})

_DATA_URL = re.compile(
    r"""data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+(?:=(?:"[^"]*"|[^",;]*))?)*?)(;base64)?,""", re.IGNORECASE
)
_IMAGES = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
"""How the base64 of an image begins."""


def source_of_url(url: str, param: str, *, name: str = "") -> Source:
    """A data: URL as bytes, an http(s) one as a link, and bare base64 that begins as an image does as that image;
    BadRequest for everything else.
    """
    url = url.strip()
    if url[:5].lower() == "data:":
        match = _DATA_URL.match(url, 0, 300)
        if not match or not match.group(3):
            raise BadRequest(
                f"{param} is a data URL that is not base64", f"{param} 不是 base64 编码的 data URL", param=param
            )
        return inline_file(url[match.end() :], param, match.group(1) or "", name)
    if url[:8].lower().startswith(("http://", "https://")):
        scheme, _, rest = url.partition("://")
        return Link(f"{scheme.lower()}://{rest}", name=name, place=param)
    if mime := next((mime for start, mime in _IMAGES.items() if url.startswith(start)), ""):
        return inline_file(url, param, mime, name)
    if is_own_path(url):
        return Link(url, name=name, place=param)
    raise BadRequest(
        f"{param} must be a data: URL or a public http(s) URL",
        f"{param} 必须是 data: URL 或公开的 http(s) URL",
        param=param,
    )


def is_own_path(text: str) -> bool:
    """Whether this is a path to an image of our own, or nothing: `/images/…`, below the path of a proxy or not."""
    return text.startswith("/") and "/images/" in text[:300]


def inline_file(text: str, param: str, mime: str = "", name: str = "") -> Inline:
    """A file that stands in the body as base64."""
    return Inline(decode_base64(text, param), mime.lower(), name, place=param)


def decode_base64(text: str, param: str) -> bytes:
    """Standard or URL-safe base64, padded or not, with line breaks or not; BadRequest otherwise."""
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    if "\n" in text or "\r" in text or " " in text:
        text = "".join(text.split())
    try:
        data = _decoded(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadRequest(f"{param} is not valid base64", f"{param} 不是有效的 base64", param=param) from None
    if not data:
        raise BadRequest(f"{param} is empty", f"{param} 为空", param=param)
    return data


def _decoded(text: str) -> bytes:
    """The bytes of padded base64; ValueError for anything else, and for padding that is not at the end."""
    if 0 <= text.find("=") < len(text) - 2:
        raise ValueError("padding")
    slices = range(0, len(text), DECODED_AT_ONCE)
    return b"".join([binascii.a2b_base64(text[at : at + DECODED_AT_ONCE], strict_mode=True) for at in slices])


def file_of(files: Sequence[tuple[str, Inline]]) -> Inline:
    """The part `file` of a form that uploads one; BadRequest when it is missing or empty."""
    file = next((file for name, file in files if name == "file"), None)
    if file is None:
        raise BadRequest("Missing required parameter: file", "缺少必需参数：file", param="file")
    if not file.data:
        raise BadRequest("file is empty", "file 为空", param="file")
    return file


def inline_image(text: str, param: str) -> Inline:
    """An image given as base64, with or without a data: prefix; never a path."""
    if text[:5].lower() != "data:":
        return inline_file(text, param)
    source = source_of_url(text, param)
    assert isinstance(source, Inline)
    if source.mime and not is_image(source.mime):
        raise BadRequest(f"{param} is {source.mime}, not a picture", f"{param} 是 {source.mime}，不是图片", param=param)
    return source


def dumps(value: Any) -> bytes:
    """JSON of anything that was read from JSON, also of what the fast encoder refuses: huge whole numbers, lone halves
    of surrogate pairs.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, Base64):
        return str(value)
    raise TypeError(type(value).__name__)


@frozen
class Base64:
    """Bytes that stand in JSON as base64, behind `prefix`; made while they are written, so never a copy of them all."""

    data: bytes = field(repr=False)
    prefix: str = ""

    def pieces(self) -> Iterator[bytes]:
        """The text in pieces; every three bytes are four characters, so pieces of threes join without a seam."""
        if self.prefix:
            yield self.prefix.encode()
        view = memoryview(self.data)
        for at in range(0, len(view), ENCODED_AT_ONCE):
            yield binascii.b2a_base64(view[at : at + ENCODED_AT_ONCE], newline=False)

    def __str__(self) -> str:
        return b"".join(self.pieces()).decode()


ENCODED_AT_ONCE = 3 << 16
DECODED_AT_ONCE = 4 << 18
"""Bytes and characters of base64 done in one go: the interpreter can do nothing else meanwhile."""


def image_link(image: GeneratedImage, meta: ResponseMeta) -> str:
    """An address under which the image can be had: its link, made absolute, else a data URL."""
    if image.url:
        return image.url if "://" in image.url else meta.base_url + image.url
    return str(inline(image))


def inline(image: GeneratedImage) -> Base64:
    """The image as a data URL."""
    return Base64(image.data or b"", f"data:{image.mime};base64,")


def image_markdown(image: GeneratedImage, meta: ResponseMeta) -> str:
    """The image as dialects without image parts show it."""
    title = re.sub(r"[\[\]\s]+", " ", image.prompt[:80]).strip()
    return f"![{title or 'image'}]({image_link(image, meta)})"


class MarkdownJoiner:
    """Text and images as one Markdown text, a blank line round each image, whole or piece by piece."""

    def __init__(self) -> None:
        self._before: Literal["", "text", "image"] = ""

    def text(self, text: str) -> str:
        gap = "\n\n" if self._before == "image" else ""
        self._before = "text"
        return gap + text

    def image(self, image: GeneratedImage, meta: ResponseMeta) -> str:
        gap = "\n\n" if self._before else ""
        self._before = "image"
        return gap + image_markdown(image, meta)


def served_by(ended: Iterable[Ended]) -> str:
    """Whom Google named for these answers, each once; "unknown" for one of which it said nothing."""
    return ", ".join(dict.fromkeys(one.served or UNKNOWN for one in ended))


def image_facts(image: GeneratedImage, language: str) -> shapes.PictureFacts:
    """The measured facts of a delivered image (docs/client-contracts.md 8), as they stand beside it in every dialect
    of ours.
    """
    facts: shapes.PictureFacts = {
        "width": image.width,
        "height": image.height,
        "bytes": image.nbytes,
        "mime": image.mime,
        "sha256": image.sha256,
        "source": image.source,
        "logo": image.logo,
        "model": image.model,
        "requested": image.requested,
        "delivered": image.size.long_side,
        "resampled": image.resampled,
    }
    if image.painter:
        facts["painter"] = image.painter
    if image.note.en:
        facts["note"] = image.note.for_(language)
    return facts


def waiting(standstill: Standstill | None, language: str) -> Waiting:
    """What a job says of itself while nothing of it can go on; nothing while something can."""
    if standstill is None:
        return {}
    told: Waiting = {"waiting_for": standstill.why.text(language)}
    return {**told, "needs_person": True} if standstill.needs_person else told


def rfc3339(seconds: float) -> str:
    """`2026-11-21T10:00:00Z` of epoch seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_image(mime: str) -> bool:
    return mime.lower().startswith("image/")


EVENTS = "text/event-stream; charset=utf-8"
"""The media type of server-sent events."""


def sse(value: Any, event: str = "") -> bytes:
    """One server-sent event of a JSON value."""
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + dumps(value) + b"\n\n"


def pieces(text: str, size: int = 512) -> Iterator[str]:
    """`text` in pieces, for arguments that were held back and are sent at once."""
    return (text[at : at + size] for at in range(0, len(text), size))
