"""What a row of the table of dialects is: a dialect, its operations, and what each of them does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from gemgate.chat import ChatRequest, Message
from gemgate.dialects.writing import Answering, StreamWriter
from gemgate.errors import GatewayError, Refused
from gemgate.files import Inline
from gemgate.frozen import frozen

Group = Literal["any", "chat", "images", "batches", "files", "pairing"]
"""What a key's scope can name; `any`: whoever has a key; `pairing`: what paired browsers may, and all that they may."""

JSON, SSE = "application/json", "text/event-stream"
"""Media types of answers."""

ErrorBody = Callable[[GatewayError, str, str], tuple[int, Any]]
"""(error, language, request id) -> status and body."""


class Act(StrEnum):
    """What an operation does, as far as a fleet and metrics have to know."""

    CHAT = "chat"
    IMAGES = "images"
    TOKENS = "tokens"
    CHAT_BATCH = "chat batch"
    IMAGE_BATCH = "image batch"


@frozen
class ReadContext:
    """What a body is read with: parameters of the path, the messages it goes on from, and items it refers to by id."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    previous: tuple[Message, ...] = ()
    references: Mapping[str, Message] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One thing that clients of a dialect can ask for.

    answers:   the shape of its JSON answer, as `module.Name` of `dialects.shapes`. produces: media types of a good
               answer. errors: shapes of errors beside the dialect's own.
    group:     required: which scope of a key it needs.
    read:      (body, read context) -> chat. Without it a route module of its own reads.
    write:     (replies, body, answering) -> the whole answer; of TOKENS: (count) -> the answer.
    writer:    (body, answering) -> the writer of a stream.
    refused:   (error, answering) -> the answer that tells a refusal, where the dialect has one for it with 200.
    is_empty:  whether a body asks for no answer, only to be read.
    continues: the stored answer that a body goes on from. An operation that has it is served by a module of its own.
    large:     whole answers may carry images as base64.
    form:      (body's model, fields, files) -> the body, where clients send a form; else it is JSON.
    is_plain:  whether a body asks for an answer that is text and not JSON, so that nothing may stand before it.
    """

    method: str
    path: str
    name: str
    group: Group
    act: Act
    body: type[BaseModel]
    summary: str = ""
    query: Mapping[str, str] | None = None
    answers: str = ""
    produces: tuple[str, ...] = (JSON,)
    errors: tuple[str, ...] = ()
    documented: bool = True
    id_prefix: str = ""
    read: Callable[[Any, ReadContext], ChatRequest] | None = None
    write: Callable[..., Any] | None = None
    writer: Callable[[Any, Answering], StreamWriter] | None = None
    refused: Callable[[Refused, Answering], Any] | None = None
    is_empty: Callable[[Any], bool] | None = None
    continues: Callable[[Any], str | None] | None = None
    large: bool = False
    form: Callable[[Any, Sequence[tuple[str, str]], Sequence[tuple[str, Inline]]], Any] | None = None
    is_plain: Callable[[Any], bool] = lambda _: False

    @property
    def is_generic(self) -> bool:
        """Whether the one function for all dialects serves it."""
        return self.read is not None and self.continues is None


@dataclass(frozen=True, eq=False)
class Dialect:
    """name: of its codec's module and of its golden files; family: its name in records, metrics and traces.

    prefixes:     paths that are its own. shared: paths that it has part in, told by its client_marks.
    client_marks: headers that only its clients send.
    error_at:     (path, query) -> error body, where that depends on the route; else `error_body`.
    errors:       the shape of an error body, as `module.Name` of `dialects.shapes`.
    stream_error: what ends server-sent events that cannot go on.
    """

    name: str
    family: str
    prefixes: re.Pattern[str]
    error_body: ErrorBody
    stream_error: Callable[[GatewayError, str, str], bytes]
    operations: tuple[Operation, ...]
    shared: re.Pattern[str] | None = None
    client_marks: tuple[str, ...] = ()
    error_at: Callable[[str, Mapping[str, str]], ErrorBody] | None = None
    errors: str = ""
    gen_ai: str = "chat"
    """`gen_ai.operation.name` of its answers in words."""

    def speaks(self, headers: Mapping[str, str]) -> bool:
        """Whether a client is one of its own."""
        return any(mark in headers for mark in self.client_marks)

    def takes(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request is in this dialect."""
        if self.prefixes.match(path):
            return True
        return self.shared is not None and bool(self.shared.match(path)) and self.speaks(headers)
