"""Snapshots cut anywhere join to the whole text, whatever stands in it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.upstreams.web.marks import MARK, plain, suggestions
from gemgate.upstreams.web.text_deltas import HOLD, TextDeltas, clean

LINK = "http://googleusercontent.com/image_generation_content/0"
FRAGMENTS = [
    *(
        "&lt;",
        "&amp;",
        "&quot;",
        "&#39;",
        "&",
        ";",
        "&unknown;",
        "\\*",
        "\n",
        "\n```",
        "word ",
        "你好",
        "🚀",
        "a",
        "1",
        "/",
    ),
    *("h", "ht", "http", "https://", "https://googleusercontent.com/", "http://googleusercontent.com/a/b/12"),
    *(LINK, LINK + "\n\n"),
    *(
        '<FollowUp label="More" query="Tell me more"/>',
        '\n&lt;FollowUp label="a&amp;b" query=""/&gt;',
        '<FollowUp label="',
        '"/>',
    ),
    *("```python?code_reference&code_event_index=3", "```text?code_stdout&code_event_index=12\n", "?code_", "```"),
    *(
        "[cite: 1]",
        " [cite: 2, 13]",
        "[cite",
        ": 4",
        "]",
        " ",
        "<!-- end list -->",
        "\n\n&lt;!-- end list --&gt;",
        "\n\n\n",
    ),
    *("<ctrl94>thought\n", "&lt;ctrl94>thought", "<ctrl9", "thought", "<", ">", "lt;"),
    *("https://googleusercontent.com/youtube_content", "http://googleusercontent.com/card_content/2\n", "_content"),
]
fragments = st.sampled_from(FRAGMENTS)
texts = st.lists(fragments, max_size=30).map("".join)


@given(texts, st.lists(st.integers(0, 400), max_size=20))
@settings(max_examples=400)
def test_deltas_join_to_the_cleaned_text_wherever_snapshots_end(text: str, ends: list[int]) -> None:
    wording = TextDeltas()
    said = [wording.feed(text[:end]) for end in sorted(ends)]
    said.append(wording.feed(text, final=True))
    assert "".join(said) == clean(text)
    assert not wording.revised


@given(texts, texts, st.integers(0, 20))
@settings(max_examples=200)
def test_a_change_within_the_held_back_tail_is_never_seen(stable: str, tail: str, at: int) -> None:
    """Google rewrites the end: nothing of it had been sent, so the deltas join to the new text."""
    stable = "x" * 2 * HOLD + stable
    wording = TextDeltas()
    first = wording.feed(stable + "#" * min(at, HOLD))
    rest = wording.feed(stable + tail, final=True)
    assert first + rest == clean(stable + tail)


@given(texts)
def test_a_text_that_is_called_plain_has_no_mark(text: str) -> None:
    assert not (plain(text) and MARK.search(text))


def test_an_exact_reader_gets_nothing_before_the_end() -> None:
    wording = TextDeltas(exact=True)
    assert wording.feed("half of it") == ""
    assert wording.feed("another text", final=True) == "another text"


CUT = [
    ('A.\n\n<FollowUp label="More" query="Tell me more"/>\n<FollowUp label="Less" query="Less"/>', "A."),
    ('A.\n&lt;FollowUp label="M" query="More?"/&gt;', "A."),
    ("```python?code_reference&code_event_index=1\nprint(1)\n```", "```python\nprint(1)\n```"),
    ("```text?code_stdout&code_event_index=12\n1\n```\nOne.", "```text\n1\n```\nOne."),
    ("It is so [cite: 1]. And so [cite: 2, 3].", "It is so. And so."),
    ("* a\n* b\n\n<!-- end list -->\n\nc", "* a\n* b\n\nc"),
    ("&lt;ctrl94>thought\nHello", "Hello"),
    ("http://googleusercontent.com/immersive_entry_chip/0\n\nHere.", "Here."),
    ("https://googleusercontent.com/map_content\nHere.", "Here."),
    ("http://googleusercontent.com/deep_research_confirmation_content/7", ""),
    ('<FollowUp label="M" query="More?"/>', '<FollowUp label="M" query="More?"/>'),
    ("a[0] &lt; b ? `x` : [cite] <FollowUp/> ```python?x", "a[0] < b ? `x` : [cite] <FollowUp/> ```python?x"),
]


@pytest.mark.parametrize(("wire", "read"), CUT)
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_each_mark_goes_cut_at_every_place(wire: str, read: str, step: int) -> None:
    for before in ("", "x" * 100 + " "):
        wording = TextDeltas()
        said = [wording.feed((before + wire)[:end]) for end in range(1, len(before + wire), step)]
        expected = before + read if read or not before else before
        if before and read == wire:
            expected = clean(before + wire)
        assert "".join([*said, wording.feed(before + wire, final=True)]) == expected == clean(before + wire)


def test_suggestions_are_told_apart_from_the_text() -> None:
    assert suggestions(CUT[0][0]) == ("Tell me more", "Less")
    assert suggestions("none") == ()


def test_a_long_text_full_of_beginnings_costs_no_more_than_its_length() -> None:
    """Each size costs what it is long, not its square; counted in characters searched, not in seconds."""
    piece = 'a [cite <FollowUp label="x ```py http://googleusercontent.com/ &l \n\n'
    spent = []
    for times in (200, 800):
        text, wording = piece * times, TextDeltas()
        begun = time.process_time()
        for end in range(0, len(text), 40):
            wording.feed(text[:end])
        wording.feed(text, final=True)
        spent.append(time.process_time() - begun)
        assert wording.text == clean(text)
    assert spent[1] < 16 * spent[0] + 0.5
