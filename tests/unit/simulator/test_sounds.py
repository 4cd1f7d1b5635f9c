"""Recordings in a prompt: one whose bytes, type and name do not agree is not there, and nobody says so."""

from __future__ import annotations

import pytest

from gemgate_simulator.google import Google
from tests.support import audio_files as made
from tests.support.handmade_calls import Hand, referred, whole

MP3 = "audio/mpeg"


@pytest.mark.parametrize(
    ("data", "name", "mime", "heard"),
    [
        (made.wav(), "a.wav", "audio/wav", True),
        (made.mp3(), "a.mp3", MP3, True),
        (made.mp3(head=made.id3()), "a.mp3", MP3, True),
        (made.flac(), "a.flac", "audio/flac", True),
        (made.opus(), "a.ogg", "audio/ogg", True),
        (made.mp4(), "a.m4a", "audio/mp4", True),
        (made.mp4(handler=b"vide"), "a.mp4", "video/mp4", True),
        (made.webm(), "a.webm", "video/webm", True),
        (made.wav(), "a.mp3", MP3, False),
        (made.wav(), "a.mp3", "audio/wav", False),
        (made.wav(), "a.wav", MP3, False),
        (made.wav(), "a", "audio/wav", False),
        (made.wav(), "a.wav", "audio/x-wav", False),
        (b"no sound", "a.mp3", MP3, False),
        (made.mp4(handler=b"vide"), "a.m4a", "audio/mp4", False),
    ],
)
def test_a_recording_is_heard_if_all_agrees(google: Google, data: bytes, name: str, mime: str, heard: bool) -> None:
    hand = Hand(google)
    sent = whole(google.handle(hand.upload(data, name))).decode()
    slots = hand.slots("what is said?")
    slots[0][3] = [referred(sent, name, mime)]
    whole(google.handle(hand.generate(slots=slots)))
    assert [file.mime for file in google.record.calls[-1].files] == ([mime] if heard else [])
    assert list(google.record.violations) == []
