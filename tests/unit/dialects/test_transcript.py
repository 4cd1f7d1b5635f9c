"""What stores remember of a conversation."""

from __future__ import annotations

import pytest

from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult, fold
from gemgate.files import Inline, Link, Stored
from gemgate.prompting import transcript
from tests.support.chat_events import ANSWERS, CALL, image

MESSAGES = (
    Message("system", (Text("Be kind."),)),
    Message("user", (Text("Look"), Image(Inline(b"\x00\xff", "image/png", "a.png")), File(Stored("file-1"))), "Ann"),
    Message("assistant", (Thought("hm"), ToolCall("c1", "f", '{"a":1}'))),
    Message("tool", (ToolResult("c1", "f", (Text("42"), Image(Link("https://example.com/x.png"))), is_error=True),)),
)


def test_messages_come_back_as_they_were() -> None:
    assert transcript.load(transcript.dump(MESSAGES)) == MESSAGES
    assert transcript.load(transcript.dump(())) == ()


def test_what_is_no_transcript_is_refused() -> None:
    with pytest.raises(ValueError, match="not a stored part"):
        transcript.load('[{"role": "user", "name": "", "parts": [{"video": 1}]}]')


def test_a_reply_becomes_the_assistants_message() -> None:
    assert transcript.message_of(fold(ANSWERS["calls"])) == Message(
        "assistant", (Text("Looking."), CALL, ToolCall("call_2", "list_files", "{}"))
    )
    picture = transcript.message_of(fold(ANSWERS["picture"])).parts[1]
    assert picture == Image(Inline(image().data or b"", "image/png"))
    assert isinstance(transcript.message_of(fold(ANSWERS["stored picture"])).parts[0], Text)
