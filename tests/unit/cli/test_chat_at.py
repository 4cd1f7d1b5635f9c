"""A chat's stream at a gateway: what it tells, and the error inside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from gemgate.cli.chat_at import _pieces
from gemgate.errors import GatewayError

THOUGHT = b'data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}\n\n'
TEXT = 'data: {"choices":[{"delta":{"content":"大海"}}]}\n\n'.encode()
ERROR = b'data: {"error":{"message":"It broke off"}}\n\n'
END = b"data: [DONE]\n\n"


def gateway(data: bytes) -> Any:
    async def lines(*_: Any) -> AsyncIterator[bytes]:
        for line in data.split(b"\n"):
            yield line

    return SimpleNamespace(lines=lines)


async def test_texts_and_thoughts_come_apart() -> None:
    pieces = [one async for one in _pieces(gateway(b": beat\n\n" + THOUGHT + TEXT + END), {})]
    assert pieces == [("Hm", True), ("大海", False)]


async def test_an_error_inside_the_stream_is_raised() -> None:
    pieces = _pieces(gateway(TEXT + ERROR + END), {})
    assert await anext(pieces) == ("大海", False)
    with pytest.raises(GatewayError, match="It broke off"):
        await anext(pieces)
