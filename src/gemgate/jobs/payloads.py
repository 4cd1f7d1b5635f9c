"""What the job store keeps as JSON text: specs of images, where references come from, facts of made images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, fields
from typing import Any

import orjson

from gemgate.batches import Task
from gemgate.errors import Conflict, GatewayError, LocalText, NoAccount, Refused
from gemgate.files import Inline, Link, Source, Stored
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, ImageOptions


@frozen
class ImageSpec:
    """What one image of a batch shall be like; `references` are ids of stored files or links, never bytes."""

    model: str
    options: ImageOptions = field(default_factory=ImageOptions)
    references: tuple[Source, ...] = ()


def dump_spec(spec: ImageSpec) -> str:
    options = {name: value for name, value in asdict(spec.options).items() if value != _PLAIN[name]}
    value = {"model": spec.model, "options": options, "references": dump_sources(spec.references)}
    return orjson.dumps(value).decode()


def load_spec(text: str) -> ImageSpec:
    value = orjson.loads(text)
    return ImageSpec(value["model"], ImageOptions(**value["options"]), load_sources(value["references"]))


def dump_sources(sources: Iterable[Source]) -> list[dict[str, str]]:
    """Where references come from, as JSON has it."""
    return [_dump_source(one) for one in sources]


def load_sources(values: Iterable[Mapping[str, str]]) -> tuple[Source, ...]:
    """What `dump_sources` wrote."""
    return tuple(map(_load_source, values))


_PLAIN = asdict(ImageOptions())


def _dump_source(source: Source) -> dict[str, str]:
    match source:
        case Stored(id=file_id):
            return {"file": file_id}
        case Link(url=url):
            return {"url": url}
        case Inline():
            raise AssertionError("bytes are stored as a file first")


def _load_source(value: Mapping[str, str]) -> Source:
    return Stored(value["file"]) if "file" in value else Link(value["url"])


_FACTS = tuple(one.name for one in fields(GeneratedImage) if one.name not in ("data", "url", "prompt", "note"))


def image_value(image: GeneratedImage) -> dict[str, Any]:
    """The facts of a stored image; its address is made when somebody asks, its prompt stands in the task."""
    return {name: getattr(image, name) for name in _FACTS} | {"note": image.note.en, "note_zh": image.note.zh}


def image_of(value: Mapping[str, Any], prompt: str) -> GeneratedImage:
    facts = {name: each for name, each in value.items() if name not in ("note", "note_zh")}
    said = value.get("note", "")
    return GeneratedImage(**facts, note=LocalText(said, value.get("note_zh") or said), prompt=prompt)


def error_value(error: GatewayError) -> dict[str, Any]:
    """What an error has beside its texts and its code, which stand in the task."""
    return {
        "type": type(error).__name__,
        "generated": error.generated,
        "param": error.param,
        "code": error.code,
        "retry_after": error.retry_after,
        "quota": getattr(error, "quota", False),
        "answer": getattr(error, "answer", ""),
        "details": {name: one for name, one in error.details.items() if isinstance(one, int | float | str)},
    }


def error_of(value: Mapping[str, Any], en: str, zh: str) -> GatewayError:
    """The error that `error_value` tells of; of one that left nothing, it is not known whether it cost a generation."""
    made = _TYPES.get(value.get("type", ""), GatewayError)
    more: dict[str, Any] = {name: value.get(name) for name in ("param", "code", "retry_after")}
    if issubclass(made, NoAccount):
        more["quota"] = bool(value.get("quota"))
    if issubclass(made, Refused):
        more["answer"] = value.get("answer", "")
    return made(en, zh, generated=value.get("generated", "maybe"), details=value.get("details", {}), **more)


def error_of_task(task: Task) -> GatewayError:
    """Why a task that has ended has no result."""
    if task.status == "failed":
        error = error_of(loads(task.result), task.error, task.error_zh)
        return error if error.code else error.with_(code=task.code)
    return Conflict(
        "The task was cancelled or has expired",
        "任务已取消或已过期",
        code="task_cancelled",
        generated="maybe" if task.attempt else "no",
    )


def _types(of: type[GatewayError]) -> dict[str, type[GatewayError]]:
    """The classes of errors by their names."""
    found = {of.__name__: of}
    for below in of.__subclasses__():
        found |= _types(below)
    return found


_TYPES = _types(GatewayError)


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def loads(text: str) -> Any:
    """What `dumps` wrote; {} for an empty text."""
    return orjson.loads(text) if text else {}
