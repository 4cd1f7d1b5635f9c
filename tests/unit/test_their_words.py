"""What Google or a model said, where a message of ours quotes it: told to callers, shown on pages and terminals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.errors import GatewayError, Refused, their_words
from gemgate.gateway.image_refusals import image_refusal
from gemgate.gateway.media_outcome import media_refusal
from gemgate.telemetry.logs import masked
from gemgate.upstreams.official.errors import of_status

KEY = "AIzaSyA-1234567890abcdefghijklmnopqrstu"
STEERING = "\x1b]0;x\x07 \u202egnp.exe\u202c\r\n"
HOSTILE = f"I can't create that image.{STEERING}Ask ann.example@gmail.example about {KEY} " + "x" * 9999


def _official(status: int, text: str) -> GatewayError:
    return of_status(status, {"error": {"message": text, "status": "X"}}, now=0.0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500])
def test_the_key_that_google_names_is_not_told(status: int) -> None:
    """As Google says it: Permission denied: Consumer 'api_key:...' has been suspended."""
    error = _official(status, f"Permission denied: Consumer 'api_key:{KEY}' has been suspended.")
    for text in (error.en, error.zh):
        assert "has been suspended" in text
        assert KEY[:12] not in text
    assert KEY[:12] not in masked(f"Consumer 'api_key:{KEY}'")


@pytest.mark.parametrize("kind", ["image", "video", "music", "official"])
def test_a_refusal_is_one_harmless_line(kind: str) -> None:
    match kind:
        case "image":
            error = image_refusal(HOSTILE, account_only=False)
        case "official":
            error = _official(403, HOSTILE)
        case "video" | "music":
            error = media_refusal(kind, HOSTILE.replace("that image", f"that {kind}"))
    assert error is not None
    for text in (error.en, error.zh):
        assert len(text) < 700
        assert text.isprintable(), text
        assert "ann.example" not in text
        assert KEY[:12] not in text
        assert "an…@gmail.example" in text


@given(st.text(max_size=3000), st.sampled_from(["", KEY, "ann@gmail.example", "\x9b31m", "\u2066"]))
def test_whatever_they_say_fits_and_steers_nothing(text: str, inside: str) -> None:
    said = their_words(text[:100] + " " + inside + " " + text[100:])
    assert len(said) <= 300
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or "\u202a" <= letter <= "\u202e" for letter in said)
    assert KEY not in said
    assert "ann@" not in said
    error = Refused(f"It said: {said}", f"它说：{said}", quoted=said)
    assert not said or said not in error.plain() or len(said) < 12
