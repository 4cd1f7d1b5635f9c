"""What lists and readers are shown of a stored transcript."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult
from gemgate.files import Inline, Link
from gemgate.prompting.transcript import ROUND, dump, excerpt, readable

HISTORY = (
    Message("developer", (Text("Be brief."),), ""),
    Message("user", (Text("Where is\nthe harbour?"), Image(Inline(b"cat" * 100, "image/png", "a.png"))), ""),
    Message("assistant", (Thought("a secret thought"), ToolCall("c1", "map", '{"q": 1}')), ""),
    Message("tool", (ToolResult("c1", "map", (Text("north"), File(Link("https://x.test/f"))), False),), ""),
)


def test_title_and_the_place_of_the_words() -> None:
    text = dump(HISTORY)
    found = excerpt(text, ("HARBOUR", "north"))
    assert found is not None
    assert found.title == "Where is the harbour?"
    assert "the harbour?" in found.found
    assert excerpt(text, ("thought",)) is None, "thoughts are no words of the conversation"
    assert excerpt(text, ("Y2F0",)) is None, "bytes are none either"
    assert excerpt("not json", ()) is None


def test_bytes_are_told_by_their_size() -> None:
    said = readable(dump(HISTORY))
    assert said[1]["parts"][1] == {"image": {"name": "a.png", "mime": "image/png", "bytes": 300}}
    assert said[3]["parts"][0]["result"]["parts"][1]["file"]["bytes"] is None
    assert said[2]["parts"][1]["call"]["name"] == "map"


@given(st.text(min_size=1), st.lists(st.text(min_size=1, max_size=9), max_size=3))
def test_what_stands_in_it_is_found(text: str, words: list[str]) -> None:
    found = excerpt(dump((Message("user", (Text(text),), ""),)), words)
    assert (found is not None) == all(word.casefold() in text.casefold() for word in words)
    if found and words:
        assert len(found.found) <= 2 * ROUND + len(words[0]) + 2
