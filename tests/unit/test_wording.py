"""Snapshots cut anywhere join to the whole text, whatever stands in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.upstreams.web.wording import HOLD, Wording, clean

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
]
fragments = st.sampled_from(FRAGMENTS)
texts = st.lists(fragments, max_size=30).map("".join)


@given(texts, st.lists(st.integers(0, 400), max_size=20))
@settings(max_examples=400, deadline=None)
def test_deltas_join_to_the_cleaned_text_wherever_snapshots_end(text: str, ends: list[int]) -> None:
    wording = Wording()
    said = [wording.feed(text[:end]) for end in sorted(ends)]
    said.append(wording.feed(text, final=True))
    assert "".join(said) == clean(text)
    assert not wording.revised


@given(texts, texts, st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_a_change_within_the_held_back_tail_is_never_seen(stable: str, tail: str, at: int) -> None:
    """Google rewrites the end: nothing of it had been sent, so the deltas join to the new text."""
    stable = "x" * 2 * HOLD + stable
    wording = Wording()
    first = wording.feed(stable + "#" * min(at, HOLD))
    rest = wording.feed(stable + tail, final=True)
    assert first + rest == clean(stable + tail)


def test_an_exact_reader_gets_nothing_before_the_end() -> None:
    wording = Wording(exact=True)
    assert wording.feed("half of it") == ""
    assert wording.feed("another text", final=True) == "another text"
