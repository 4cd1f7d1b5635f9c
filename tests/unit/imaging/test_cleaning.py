"""The contract of `clean`: evidence first, the box only, and otherwise the very bytes that were given."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from gemgate.imaging import PROFILES, Profile, clean, cleaning
from gemgate.imaging.evidence import Evidence
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL, V2_LARGE
from tests.support.image_files import decoded, encoded, png
from tests.support.image_kinds import KINDS, paint

SAVED = [("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {"quality": 80}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize(("form", "options"), SAVED, ids=str)
def test_an_unmarked_image_is_handed_back_byte_for_byte(form, options):
    for kind in KINDS:
        data = encoded(paint(kind, 31, 310, 330), form, **options)
        cleaned = clean(data)
        assert (cleaned.logo, cleaned.profile, cleaned.note.en) == ("absent", "", "")
        assert cleaned.data is data


@pytest.mark.parametrize(("form", "options"), SAVED, ids=str)
def test_a_cleaned_image_is_clean(form, options):
    once = clean(encoded(draw(paint("leaves", 32), V1_SMALL), form, **options))
    assert once.logo == "removed"
    again = clean(once.data)
    assert again.logo == "absent"
    assert again.data is once.data


def test_what_was_found_and_what_is_left_are_told():
    cleaned = clean(png(draw(paint("leaves", 33), V2_LARGE)))
    assert (cleaned.logo, cleaned.profile) == ("removed", "v2-96")
    assert cleaned.evidence == pytest.approx(1, abs=0.3)
    assert cleaned.amplitude == pytest.approx(1, abs=0.1)
    assert abs(cleaned.left) < 0.1
    assert cleaned.corner is None


def test_with_removal_off_it_only_looks():
    data = png(draw(paint("leaves", 34), V1_SMALL))
    cleaned = clean(data, remove=False)
    assert (cleaned.logo, cleaned.profile, cleaned.left) == ("kept", "v1-48", cleaned.amplitude)
    assert cleaned.data is data
    assert "left on" in cleaned.note.en


def test_a_lift_that_leaves_something_gives_the_original_back(monkeypatch):
    data = png(draw(paint("leaves", 35), V1_SMALL))
    monkeypatch.setattr(cleaning, "residual", lambda *_, **__: Evidence(0.1, 1.0, 0.21))
    cleaned = clean(data)
    assert cleaned.logo == "kept"
    assert cleaned.data is data
    assert "cleanly" in cleaned.note.en


def test_a_profile_of_the_users_own_is_used_and_only_that():
    own = Profile("own", 60, 21, 35, 0.4)
    data = png(draw(paint("leaves", 36), own))
    assert clean(data).logo == "absent"
    cleaned = clean(data, profiles=(own, *PROFILES))
    assert (cleaned.logo, cleaned.profile) == ("removed", "own")
    assert clean(png(draw(paint("leaves", 36), V1_SMALL)), profiles=(own,)).logo == "absent"
    assert clean(data, profiles=()).logo == "absent"


def test_the_size_of_the_image_does_not_choose_the_profile():
    for profile in PROFILES[:5]:
        for size in ((300, 700), (700, 320)):
            marked = draw(paint("landscape", 37, *size), profile)
            assert clean(png(marked, filters=(1,))).profile == profile.name


def test_an_unmarked_image_offers_its_corner_for_the_watch():
    pixels = paint("leaves", 38, 500, 600)
    corner = clean(png(pixels)).corner
    assert corner is not None
    assert np.array_equal(corner, pixels[-420:, -420:])
    small = clean(png(pixels[:100, :90])).corner
    assert small is not None
    assert small.shape == (100, 90, 3)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not a picture"),
        (b"just some text, nothing else", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (encoded(paint("flat", 1, 100, 100), "GIF"), "image/gif"),
        (encoded(paint("flat", 1, 100, 100), "AVIF"), "image/avif"),
    ],
)
def test_what_cannot_be_looked_at_is_handed_back_with_the_reason(data, word):
    cleaned = clean(data)
    assert cleaned.logo == "kept"
    assert cleaned.data is data
    assert word in cleaned.note.en


def test_too_many_pixels_are_not_decoded():
    data = png(draw(paint("leaves", 39), V1_SMALL))
    cleaned = clean(data, max_pixels=512 * 512 - 1)
    assert (cleaned.logo, cleaned.data) == ("kept", data)
    assert "512x512" in cleaned.note.en
    assert clean(data, max_pixels=512 * 512).logo == "removed"


def test_running_out_of_memory_gives_the_original_back(monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(cleaning, "open_image", exhausted)
    data = png(paint("leaves", 40, 100, 100))
    assert clean(data).data is data
    assert "memory" in clean(data).note.en


def test_nothing_of_the_image_outside_the_box_moves_even_on_adversarial_content():
    for kind in ("sparkle", "checker", "halftone", "noise"):
        marked = draw(paint(kind, 41, 400, 400), V1_SMALL)
        after = decoded(clean(png(marked)).data)
        after[-80:-32, -80:-32] = marked[-80:-32, -80:-32]
        assert np.array_equal(after, marked)


def test_what_stood_in_the_box_is_kept_with_its_place():
    plain = paint("leaves", 33)
    marked = draw(plain, V2_LARGE)
    kept = json.loads(clean(png(marked)).before)
    height, width = marked.shape[:2]
    left, top = round(kept["left"] * width), round(kept["top"] * height)
    piece = decoded(base64.b64decode(kept["png"]))
    high, wide = piece.shape[:2]
    assert (wide, high) == (round(kept["width"] * width), round(kept["height"] * height)) == (96, 96)
    assert np.array_equal(piece, marked[top : top + high, left : left + wide])
    assert clean(png(plain)).before == b""
