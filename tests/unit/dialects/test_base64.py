"""Base64 as it goes in and out: in slices, and no less strict for it."""

from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects import wire
from gemgate.errors import BadRequest
from gemgate.web.json_response import json_pieces, sse_pieces

LARGE = bytes(range(256)) * 20_000
"""More than one slice each way."""


def spellings(data: bytes) -> list[str]:
    plain = base64.b64encode(data).decode()
    return [plain, plain.rstrip("="), base64.urlsafe_b64encode(data).decode(), base64.encodebytes(data).decode()]


@given(st.binary(min_size=1, max_size=400))
def test_every_spelling_is_read(data: bytes) -> None:
    assert [wire.decode_base64(text, "image") for text in spellings(data)] == [data] * 4


@pytest.mark.parametrize("size", [wire.DECODED_AT_ONCE // 4 * 3 + more for more in (-1, 0, 1, 2, 1_000_000)])
def test_slices_join_without_a_seam(size: int) -> None:
    data = LARGE[:size]
    assert [wire.decode_base64(text, "image") for text in spellings(data)] == [data] * 4
    assert str(wire.Base64(data, "data:,")) == "data:," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "text",
    ["", "A", "A===", "=AAA", "AA=A", "AAA=AAAA", "é", "AA\0A", "AA==" * (1 << 19), "A" * (1 << 20) + "====", "!" * 8],
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        wire.decode_base64(text, "image")


@pytest.mark.parametrize("size", [0, 1, 2, 3, wire.ENCODED_AT_ONCE - 1, wire.ENCODED_AT_ONCE + 1, 1_000_000])
def test_bytes_stand_in_json_as_base64_in_pieces_or_at_once(size: int) -> None:
    data = LARGE[:size]
    value = {"a": [wire.Base64(data, "data:image/png;base64,"), 1], "b": "x"}
    told = {"a": ["data:image/png;base64," + base64.b64encode(data).decode(), 1], "b": "x"}
    pieces = list(json_pieces(value))
    assert orjson.loads(b"".join(pieces)) == orjson.loads(wire.dumps(value)) == told
    assert max(map(len, pieces)) <= 400_000
    assert b"".join(sse_pieces(value, "done")) == b"event: done\ndata: " + b"".join(pieces) + b"\n\n"


def test_other_objects_are_still_no_json() -> None:
    with pytest.raises(TypeError):
        wire.dumps({"a": object()})
