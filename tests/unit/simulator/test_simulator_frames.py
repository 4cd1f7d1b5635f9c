"""The frames we write are read by the client library's own parser, however they are spelled and wherever cut."""

from __future__ import annotations

import codecs
import json
import random
from itertools import pairwise
from typing import Any

from gemini_webapi.utils import StreamingFrameParser, extract_json_from_response, get_rich_content_field
from hypothesis import given
from hypothesis import strategies as st

from gemgate_simulator.frames import (
    CONTEXT,
    PLAIN,
    PREFIX,
    PROGRESS,
    QUOTA,
    Style,
    batch_answer,
    batches,
    candidate,
    chop,
    frame,
    growing,
    part,
    progress,
    service,
    snapshot,
    sparse_fields,
    units,
    wire,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
STYLES = st.integers(0, 2**32).map(lambda seed: Style.drawn(random.Random(seed)))


def read(chunks: list[bytes]) -> list[Any]:
    """As the library reads a stream: incremental decoding, then its parser."""
    parser, decoder = StreamingFrameParser(), codecs.getincrementaldecoder("utf-8")(errors="replace")
    found = [part for chunk in chunks for part in parser.feed(decoder.decode(chunk))]
    return [*found, *parser.feed(decoder.decode(b"", final=True)), *parser.flush()]


@given(st.lists(TEXT, min_size=1, max_size=6), STYLES, st.lists(st.integers(0, 4000), max_size=12))
def test_every_spelling_and_every_cut_reads_the_same(words: list[str], style: Style, cuts: list[int]) -> None:
    sent = [part("otAQ7b", [text, {"n": text}], style) for text in words]
    data = PREFIX + b"".join(frame([one], style) for one in sent)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in pairwise(places)]
    assert read(chunks) == sent
    assert [json.loads(one[2])[0] for one in read(chunks)] == words


@given(TEXT, STYLES, st.randoms(use_true_random=False))
def test_chopping_loses_nothing_and_cuts_no_more_than_it_may(text: str, style: Style, dice: random.Random) -> None:
    data = frame([part(None, [text], style)], style)
    pieces = list(chop(data, style, dice))
    assert b"".join(pieces) == data
    assert 1 <= len(pieces) <= style.cuts + 1
    assert all(pieces)


@given(TEXT)
def test_counts_are_in_utf16_units(text: str) -> None:
    assert units(text) == sum(2 if ord(char) > 0xFFFF else 1 for char in text)


def test_the_count_begins_at_the_newline_and_may_include_the_last_one() -> None:
    assert frame(["😀"], PLAIN) == '8\n["😀"]\n'.encode()
    assert frame(["😀"], Style(count_newline=False)).startswith(b"7\n")
    assert frame(["é"], Style(escape_unicode=True)) == b'12\n["\\u00e9"]\n'


def test_angle_brackets_may_be_escaped_inside_only() -> None:
    sent = part(None, ["a < b"], Style(escape_angle=True))
    assert "\\u003c" in sent[2]
    assert json.loads(sent[2]) == ["a < b"]


@given(st.lists(TEXT, min_size=1, max_size=4), STYLES)
def test_a_batch_answer_is_read_by_the_library(words: list[str], style: Style) -> None:
    sent = [part("hNvQHb", [text], style) for text in words]
    found = extract_json_from_response(batch_answer(sent, style).decode())
    assert [one for one in found if one[0] == "wrb.fr"] == sent
    assert style.extras == any(one[0] == "di" for one in found)


@given(st.dictionaries(st.integers(0, 90), TEXT.filter(bool), max_size=5), st.booleans())
def test_sparse_fields_are_found_where_the_library_looks(fields: dict[int, str], sparse: bool) -> None:
    row = candidate("rc_1", "text", rich=fields, style=Style(sparse=sparse))
    for number in range(90):
        assert get_rich_content_field(row, number) == fields.get(number)


def test_low_fields_stand_at_their_index_and_high_ones_in_the_dict() -> None:
    assert sparse_fields({1: "a", 43: "b"}) == [None, "a", {"44": "b"}]
    assert sparse_fields({1: "a"}, Style(sparse=True)) == [{"2": "a"}]


def test_a_snapshot_has_its_marks_where_the_protocol_says() -> None:
    beside = {PROGRESS: progress("Thinking", Style(positional=True)), CONTEXT: "AwAA", QUOTA: [[[[6], 1, 0, [7, 8]]]]}
    body = snapshot(("c_1", "r_1"), [candidate("rc_1", "hi", thoughts="hm")], beside)
    assert body[1] == ["c_1", "r_1"]
    assert (body[4][0][0], body[4][0][1][0], body[4][0][8][0], body[4][0][37][0][0]) == ("rc_1", "hi", 2, "hm")
    assert body[6][1][0] == "data_analysis_tool"
    assert body[25] == "AwAA"
    assert body[27][0][0][3] == [7, 8]
    assert service((None, "r_1"), CONTEXT, "AwAA") == [None, [None, "r_1"], {"26": "AwAA"}]


def test_only_the_angle_bracket_is_an_entity_on_the_wire() -> None:
    assert wire('<b> & "x" > \\*') == '&lt;b> & "x" > \\*'


@given(TEXT, st.integers(1, 20))
def test_growing_ends_with_the_whole_text_and_never_shrinks(text: str, chars: int) -> None:
    grown = list(growing(text, chars))
    assert grown[-1] == text
    assert all(later.startswith(earlier) and len(later) > len(earlier) for earlier, later in pairwise(grown))


@given(st.lists(st.binary(max_size=50)), st.integers(1, 100))
def test_batches_join_without_loss(frames: list[bytes], size: int) -> None:
    joined = list(batches(frames, size))
    assert b"".join(joined) == b"".join(frames)
    assert all(len(one) >= size for one in joined[:-1])


def test_drawn_styles_use_every_freedom() -> None:
    drawn = [Style.drawn(random.Random(seed)) for seed in range(200)]
    for freedom in ("escape_unicode", "escape_angle", "count_newline", "extras", "paired", "sparse"):
        assert {getattr(style, freedom) for style in drawn} == {True, False}
    assert {style.cuts for style in drawn} == {0, 1, 3, 6}
