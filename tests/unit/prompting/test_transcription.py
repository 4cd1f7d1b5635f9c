"""What of an answer is the words of a recording, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.chat import Transcription
from gemgate.prompting.transcription import HELD, LONGEST_EXCUSE, Outcome, TranscriptFilter, instructions

LATE = "I'm sorry I am late; I could not find the hall. " * 20

ANSWERS: dict[str, tuple[Outcome, str]] = {
    "Good morning.": ("words", "Good morning."),
    "\n\n Good morning, and welcome to all of you.\nSit down.": (
        "words",
        "Good morning, and welcome to all of you.\nSit down.",
    ),
    LATE: ("words", LATE),
    "I went home early.": ("words", "I went home early."),
    "No.": ("words", "No."),
    "": ("empty", ""),
    " \n": ("empty", ""),
    "[no speech]": ("no_speech", ""),
    "`[No speech].`": ("no_speech", ""),
    "[no audio]": ("no_audio", ""),
    "[no speech] was what he said, again and again.": ("words", "[no speech] was what he said, again and again."),
    "I'm sorry, but I cannot listen to audio files.": ("refused", ""),
    "I’m unable to transcribe this recording.": ("refused", ""),
    "Please upload the audio file again so that I can help.": ("refused", ""),
    "It seems there is no audio file attached to your message.": ("refused", ""),
    "抱歉，我无法转写这段录音。": ("refused", ""),
    "我无法播放音频文件。": ("refused", ""),
}


@pytest.mark.parametrize("answer", ANSWERS)
@given(data=st.data())
def test_an_answer_is_judged_the_same_in_any_pieces(answer: str, data: st.DataObject) -> None:
    words, told, at = TranscriptFilter(), "", 0
    while at < len(answer):
        size = data.draw(st.integers(1, 60))
        told += words.feed(answer[at : at + size])
        at += size
    told += words.finish()
    outcome, text = ANSWERS[answer]
    assert (words.outcome, told.rstrip()) == (outcome, text.rstrip())


def test_words_are_told_as_they_come() -> None:
    words = TranscriptFilter()
    assert words.feed("Good morning, everybody") == ""
    assert words.feed(", and welcome.") == "Good morning, everybody, and welcome."
    assert words.feed(" Sit") == " Sit"
    excuse = TranscriptFilter()
    assert excuse.feed("I am sorry " * (LONGEST_EXCUSE // 11)) == ""
    assert len(excuse.feed("and so on " * HELD)) > LONGEST_EXCUSE


def test_only_what_is_wanted_is_asked_for() -> None:
    plain = instructions(Transcription())
    assert "in the language that is spoken" in plain
    assert "spelt" not in plain
    full = instructions(Transcription(True, ("de",), ("Ulm", "Münster"), " Dr. Zeiß "))
    assert "translated into English" in full
    assert full.endswith("\nDr. Zeiß")
    assert all(word in full for word in ("spoken in: de.", "Ulm, Münster"))
