"""OpenAI's usage API, of its organization routes: buckets of time with what was used in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from gemgate.digits import whole
from gemgate.errors import BadRequest
from gemgate.frozen import frozen

DAY, HOUR = 86_400, 3_600
_WIDTHS = {"1d": (DAY, 7, 31), "1h": (HOUR, 24, 168)}
"""Seconds of a bucket, buckets of a page, and how many at most."""
_GROUPS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "size", "source")


class Sums(Protocol):
    """What was used."""

    calls: int
    tokens_in: int
    tokens_out: int
    images: int
    seconds: float


@frozen
class Result:
    """One kind of result: the kinds of calls that it sums up."""

    kinds: tuple[str, ...]


RESULTS: dict[str, Result] = {
    "completions": Result(("chat",)),
    "images": Result(("image",)),
    "audio_transcriptions": Result(("audio",)),
}


@frozen
class UsageQuery:
    """The query of one page. since, until: epoch seconds of its first bucket's start and its last one's end.

    last: where the whole time ends.
    """

    since: int
    until: int
    width: int
    last: int
    group_by: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def hourly(self) -> bool:
        return self.width == HOUR

    @property
    def since_day(self) -> int:
        return self.since // DAY

    @property
    def until_day(self) -> int:
        return math.ceil(self.until / DAY)


def read_usage_query(query: Iterable[tuple[str, str]], now: float) -> UsageQuery:
    """The query's parameters, lists repeated with or without `[]`. BadRequest. now: epoch seconds."""
    values: dict[str, list[str]] = {}
    for name, value in query:
        values.setdefault(name.removesuffix("[]"), []).extend(value.split(","))
    word = values.get("bucket_width", ["1d"])[0]
    if word not in _WIDTHS:
        raise BadRequest(
            "bucket_width is 1d or 1h: the ledger is kept by the hour",
            "bucket_width 只能是 1d 或 1h：用量按小时记录",
            param="bucket_width",
        )
    width, usual, most = _WIDTHS[word]
    start = _number(values, "start_time", None, 32_503_680_000)
    end = _number(values, "end_time", math.ceil(now), 32_503_680_000)
    buckets = _number(values, "limit", usual, most)
    first = _number(values, "page", start, 32_503_680_000) // width * width
    groups = tuple(dict.fromkeys(values.get("group_by", ())))
    if unknown := [one for one in groups if one not in _GROUPS]:
        raise BadRequest(f"group_by has no {unknown[0][:40]}", f"group_by 没有 {unknown[0][:40]}", param="group_by")
    if buckets < 1:
        raise BadRequest("limit is at least 1", "limit 至少为 1", param="limit")
    last = max(first, math.ceil(end / width) * width)
    until = min(last, first + buckets * width)
    return UsageQuery(first, until, width, last, groups, tuple(values.get("models", ()))[:100])


def _number(values: dict[str, list[str]], name: str, default: int | None, most: int) -> int:
    text = values.get(name, [""])[0]
    if not text and default is not None:
        return default
    number = whole(text)
    if number is None or number > most:
        raise BadRequest(
            f"{name} must be a whole number up to {most}", f"{name} 必须是不超过 {most} 的整数", param=name
        )
    return number


def bucket_page(what: str, asked: UsageQuery, rows: Sequence[tuple[dict[str, Any], Sums]]) -> dict[str, Any]:
    """The answer: every bucket of the page, also those in which nothing was used."""
    found: dict[int, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for of, sums in rows:
        at = int(of["day"]) * DAY + int(of.get("hour", 0)) * HOUR
        if not asked.since <= at < asked.until or (asked.models and of["model"] not in asked.models):
            continue
        group = _group(asked, of)
        results = found.setdefault(at, {})
        result = results.setdefault(tuple(group.values()), {**_empty(what), **group})
        _add(what, result, sums)
    buckets = [
        {
            "object": "bucket",
            "start_time": at,
            "end_time": at + asked.width,
            "results": list(found.get(at, {}).values()),
        }
        for at in range(asked.since, asked.until, asked.width)
    ]
    more = asked.until < asked.last
    return {"object": "page", "data": buckets, "has_more": more, "next_page": str(asked.until) if more else None}


def _group(asked: UsageQuery, of: dict[str, Any]) -> dict[str, Any]:
    """What the result is of; a dimension that is not asked by is null, as OpenAI has it."""
    known = {"api_key_id": of["key"], "model": of["model"], "batch": str(of["kind"]).startswith("batch_")}
    return {
        name: known.get(name) if name in asked.group_by else None
        for name in ("project_id", "user_id", "api_key_id", "model", "batch")
    }


def _empty(what: str) -> dict[str, Any]:
    result: dict[str, Any] = {"object": f"organization.usage.{what}.result", "num_model_requests": 0}
    match what:
        case "images":
            return result | {"images": 0, "size": None, "source": None}
        case "audio_transcriptions":
            return result | {"seconds": 0}
    return result | {"input_tokens": 0, "output_tokens": 0, "input_cached_tokens": 0}


def _add(what: str, result: dict[str, Any], sums: Sums) -> None:
    result["num_model_requests"] += sums.calls
    match what:
        case "images":
            result["images"] += sums.images
        case "audio_transcriptions":
            result["seconds"] += round(sums.seconds)
        case _:
            result["input_tokens"] += sums.tokens_in
            result["output_tokens"] += sums.tokens_out
