"""Recordings are told by their bytes, and last as long as they say themselves; what does not say it is unknown."""

from __future__ import annotations

import pytest

from gemgate import audio
from tests.support import audio_files as made

FRAME = 1152 / 44_100

KINDS = {
    "WAV": (made.wav(1.5), audio.WAV, 1.5),
    "WAV of unknown size": (made.streamed_wav(1.5), audio.WAV, 1.5),
    "MP3": (made.mp3(100), audio.MP3, 100 * FRAME),
    "MP3 with tags": (made.mp3(100, head=made.id3(), tail=b"TAG" + bytes(125)), audio.MP3, 100 * FRAME),
    "MP3 with a note of its length": (made.mp3(100, head=made.xing()), audio.MP3, 100 * FRAME),
    "MP3 with something between": (made.mp3(100, tail=b"something else" + made.MP3_FRAME), audio.MP3, None),
    "FLAC": (made.flac(2.0), audio.FLAC, 2.0),
    "FLAC of unknown length": (made.flac(0.0), audio.FLAC, None),
    "Opus": (made.opus(3.0), audio.OGG, 3.0),
    "Vorbis": (made.vorbis(3.0), audio.OGG, 3.0),
    "M4A": (made.mp4(4.0), audio.M4A, 4.0),
    "sound in MP4": (made.mp4(4.0, brand=b"isom"), audio.M4A, 4.0),
    "film in MP4": (made.mp4(4.0, brand=b"isom", handler=b"vide"), audio.MP4, 4.0),
    "fragments in MP4": (made.mp4(0.0), audio.M4A, None),
    "WebM": (made.webm(), audio.WEBM, None),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_length_are_those_of_the_bytes(name: str) -> None:
    data, kind, seconds = KINDS[name]
    assert audio.kind_of(data) is kind
    assert audio.seconds_of(data) == (None if seconds is None else pytest.approx(seconds, abs=0.001))


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"hello", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xfb\x90\x00" + bytes(900),
     b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypheic" + bytes(50), b"\xff\xd8\xff\xe0" + bytes(50)],
)  # fmt: skip
def test_other_bytes_are_no_recording(data: bytes) -> None:
    assert audio.kind_of(data) is None
    assert audio.seconds_of(data) is None


@pytest.mark.parametrize("name", KINDS)
def test_a_recording_that_is_cut_off_raises_nothing(name: str) -> None:
    data = KINDS[name][0]
    for size in [*range(200), *range(200, len(data), 97)]:
        seconds = audio.seconds_of(data[:size])
        assert seconds is None or 0 < seconds <= 4.001


def test_a_file_of_crumbs_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    crumbs = {
        "WAV": made.wav()[:12] + b"note\0\0\0\0" * 9 + made.wav()[12:],
        "MP3": made.mp3(50),
        "Opus": made.opus() + b"OggS".ljust(27, b"\0") * 9,
        "M4A": b"\0\0\0\x0cftypM4A " + b"\0\0\0\x08free" * 9 + made.mp4()[16:],
    }
    assert all(audio.seconds_of(data) for data in crumbs.values())
    monkeypatch.setattr(audio, "MOST_BOXES", 5)
    monkeypatch.setattr(audio, "MOST_FRAMES", 40)
    assert {name: audio.seconds_of(data) for name, data in crumbs.items()} == dict.fromkeys(crumbs)


def test_names_and_types_go_together_on_every_system() -> None:
    for kind in audio.KINDS:
        assert audio.type_of_name(f"a{kind.ending.upper()}") == kind.mime
        assert audio.ending_of(kind.mime) == kind.ending
    assert audio.type_of_name("a.pdf") is None
    assert audio.ending_of("image/png") is None
