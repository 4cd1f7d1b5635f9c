"""OpenAI batches: the objects of /v1/batches and the lines of their JSONL files (docs/client-contracts.md 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field

from gemgate.accounts import Standstill
from gemgate.chat import Usage
from gemgate.dialects.openai import envelope, error_code
from gemgate.dialects.wire import Body, Wishes, dumps, parse_json, read, waiting
from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.frozen import frozen

if TYPE_CHECKING:
    from gemgate.dialects.shapes import openai as shapes

__all__ = [
    "ENDPOINTS",
    "BatchCreateRequest",
    "BatchLine",
    "BatchRecord",
    "LineError",
    "LineReader",
    "batch_listing",
    "batch_object",
    "envelope",
    "read_create",
    "write_answer",
    "write_failure",
]

Endpoint = Literal["/v1/chat/completions", "/v1/responses", "/v1/images/generations", "/v1/images/edits"]
ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)
MAX_LINES = 50_000
MAX_ERRORS = 1000
"""Wrong lines of a file that are told; behind them it is read no further."""

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]


class OutputExpiry(Body):
    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=30 * 24 * 3600)


class BatchCreateRequest(Wishes):
    """Body of POST /v1/batches. output_expires_after: how long output and error file are kept once they are made."""

    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None
    output_expires_after: OutputExpiry | None = None


class LineBody(Body):
    custom_id: str = Field(min_length=1, max_length=512)
    method: Literal["POST"] = "POST"
    url: str
    body: dict[str, Any]


@frozen
class BatchLine:
    """One call of a batch; `line` counts from 1."""

    line: int
    custom_id: str
    body: dict[str, Any]


@frozen
class LineError:
    """Why a line cannot be run; `line` None when the whole file cannot."""

    code: str
    message: LocalText
    line: int | None = None
    param: str | None = None

    def stored(self) -> dict[str, Any]:
        return {**self.told("en"), "message_zh": self.message.zh}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> LineError:
        """What was stored; before there was Chinese, in English alone."""
        message = LocalText(stored["message"], stored.get("message_zh") or stored["message"])
        return cls(stored["code"], message, stored["line"], stored["param"])

    def told(self, language: str) -> shapes.BatchLineError:
        message = self.message.for_(language)
        return {"code": self.code, "message": message, "line": self.line, "param": self.param}


@frozen
class BatchRecord:
    """A batch as it stands; times in epoch seconds by the status that began then, absent = not yet."""

    id: str
    endpoint: str
    input_file_id: str
    status: Status
    created_at: float
    expires_at: float
    completion_window: str = "24h"
    metadata: Mapping[str, str] | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    times: Mapping[Status, float] = field(default_factory=dict)
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: tuple[LineError, ...] = ()
    model: str | None = None
    usage: Usage | None = None
    standstill: Standstill | None = None


def read_create(body: BatchCreateRequest) -> Endpoint:
    """The endpoint whose calls the batch makes; BadRequest for another one or another window."""
    if body.completion_window != "24h":
        raise BadRequest("completion_window must be 24h", "completion_window 必须是 24h", param="completion_window")
    for endpoint in ENDPOINTS:
        if body.endpoint == endpoint:
            return endpoint
    raise BadRequest(
        f"endpoint must be one of {', '.join(ENDPOINTS)}",
        f"endpoint 必须是 {'、'.join(ENDPOINTS)} 之一",
        param="endpoint",
        code="invalid_endpoint",
    )


class LineReader:
    """Reads an input file piece by piece: its calls, and in `errors` what is wrong with it line by line.

    A file with errors is not run at all. Of the calls that were given out only a digest of each id stays here.
    """

    def __init__(self, endpoint: str) -> None:
        self.errors: list[LineError] = []
        self.count = 0
        self._endpoint = endpoint
        self._number = 0
        self._rest: list[bytes] = []
        self._seen: set[bytes] = set()
        self._over = False

    def feed(self, piece: bytes) -> list[BatchLine]:
        """The calls that end in this piece."""
        whole, found, rest = piece.rpartition(b"\n")
        if not found:
            self._rest.append(piece)
            return []
        lines = list(self._read(b"".join([*self._rest, whole])))
        self._rest = [rest]
        return lines

    def close(self) -> list[BatchLine]:
        """The call of a last line that no line feed ends."""
        lines = list(self._read(b"".join(self._rest)))
        self._rest = []
        if not self.count and not self.errors:
            self.errors.append(LineError("empty_file", LocalText("The file holds no calls", "文件中没有调用")))
        return lines

    def _read(self, data: bytes) -> Iterator[BatchLine]:
        for given in data.split(b"\n"):
            self._number += 1
            raw = given.removeprefix(b"\xef\xbb\xbf" if self._number == 1 else b"").strip()
            if self._over or not raw:
                continue
            if self.count + len(self.errors) >= MAX_LINES:
                many = LocalText(f"The file has more than {MAX_LINES} lines", f"文件超过 {MAX_LINES} 行")
                self.errors.append(LineError("too_many_tasks", many))
            elif (line := self._judged(raw)) is not None:
                self.count += 1
                yield line
                continue
            self._over = self.count + len(self.errors) > MAX_LINES or len(self.errors) >= MAX_ERRORS

    def _judged(self, raw: bytes) -> BatchLine | None:
        """A line that can be run; None for a wrong one, which is among the errors then."""
        try:
            line = _line(raw, self._number, self._endpoint)
        except BadRequest as error:
            why = LocalText(error.en, error.zh)
            self.errors.append(LineError(error.code or "invalid_json_line", why, self._number, error.param))
            return None
        digest = hashlib.blake2b(line.custom_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._seen:
            name = repr(line.custom_id)
            message = LocalText(
                f"custom_id {name} stands in an earlier line too", f"custom_id {name} 在之前的行中已出现"
            )
            self.errors.append(LineError("duplicate_custom_id", message, self._number, "custom_id"))
            return None
        self._seen.add(digest)
        return line


def _line(raw: bytes, number: int, endpoint: str) -> BatchLine:
    body = read(LineBody, parse_json(raw, LocalText(f"Line {number}", f"第 {number} 行")))
    if body.url != endpoint:
        raise BadRequest(
            f"url is {body.url}, the batch is for {endpoint}",
            f"url 为 {body.url}，而该批次用于 {endpoint}",
            param="url",
            code="mismatched_endpoint",
        )
    for name in ("stream", "background"):
        if body.body.get(name):
            raise BadRequest(f"{name} cannot be used in a batch", f"批次中不能使用 {name}", param=f"body.{name}")
    return BatchLine(number, body.custom_id, body.body)


def write_answer(line_id: str, custom_id: str, request_id: str, status: int, body: Mapping[str, Any]) -> bytes:
    """A line of the output file: the call was answered, by a 200 or by an error of its own."""
    response = {"status_code": status, "request_id": request_id, "body": body}
    return dumps({"id": line_id, "custom_id": custom_id, "response": response, "error": None}) + b"\n"


def write_failure(line_id: str, custom_id: str, error: GatewayError, language: str = "en") -> bytes:
    """A line of the error file: the call was never answered (expired, cancelled, no account)."""
    problem = {"code": error_code(error) or error.kind, "message": error.text(language)}
    return dumps({"id": line_id, "custom_id": custom_id, "response": None, "error": problem}) + b"\n"


def batch_object(batch: BatchRecord, language: str = "en") -> shapes.OpenAIBatch:
    """One batch."""
    errors = [error.told(language) for error in batch.errors]
    at = {status: int(moment) for status, moment in batch.times.items()}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        "in_progress_at": at.get("in_progress"),
        "finalizing_at": at.get("finalizing"),
        "completed_at": at.get("completed"),
        "failed_at": at.get("failed"),
        "expired_at": at.get("expired"),
        "cancelling_at": at.get("cancelling"),
        "cancelled_at": at.get("cancelled"),
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": _usage(batch.usage) if batch.usage is not None else None,
        "metadata": dict(batch.metadata) if batch.metadata is not None else None,
        **waiting(batch.standstill, language),
    }


def _usage(usage: Usage) -> shapes.OpenAIBatchUsage:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def batch_listing(
    batches: Sequence[BatchRecord], *, after: str | None = None, limit: int = 20, language: str = "en"
) -> shapes.OpenAIBatches:
    """One page of all `batches`, newest first; BadRequest for an unknown cursor."""
    if not 1 <= limit <= 100:
        raise BadRequest("limit must be from 1 to 100", "limit 必须在 1 到 100 之间", param="limit")
    rows = sorted(batches, key=lambda batch: (batch.created_at, batch.id), reverse=True)
    if after is not None:
        at = next((at for at, batch in enumerate(rows) if batch.id == after), None)
        if at is None:
            raise BadRequest("after names no batch", "after 不是已有的批次", param="after")
        rows = rows[at + 1 :]
    page = rows[:limit]
    return {
        "object": "list",
        "data": [batch_object(batch, language) for batch in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(rows) > len(page),
    }
