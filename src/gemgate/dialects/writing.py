"""What writes a dialect's answers, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from gemgate.chat import Event
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import GatewayError
from gemgate.frozen import frozen


class StreamWriter(Protocol):
    """A dialect's way to write events; one writer per stream, `index` tells several answers apart.

    heartbeat: what its clients skip, read anew each time; it may come before the first event. None: the dialect has no
    such thing, and the 200 waits for the first event however long that takes.
    """

    heartbeat: bytes | None
    media_type: str

    def event(self, index: int, event: Event) -> bytes: ...

    def close(self) -> bytes: ...

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes: ...


@frozen
class Answering:
    """What a writer is told of a call beside its body.

    model:         as the caller named it, else the one that answers.
    query:         of the call's address, read when it is asked for.
    prompt_tokens: their estimated number, counted when it is asked for.
    inline_images: whether images were asked for, so that they may go out as bytes.
    """

    meta: ResponseMeta
    model: str
    answers: int
    query: Callable[[], Mapping[str, str]]
    language: str
    prompt_tokens: Callable[[], int]
    inline_images: bool
