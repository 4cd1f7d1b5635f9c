from __future__ import annotations

import numpy as np
import pytest

from gemgate.imaging.logo import Box, box_of, draw, find, is_clean, reach, remove, residual
from gemgate.imaging.logo_profiles import (
    PROFILES,
    V1_LARGE,
    V1_SMALL,
    V2_PREVIEW,
    V2_PREVIEW_WIDE,
    V2_SMALL,
    V2_SMALL_CORNER,
    Profile,
)
from gemgate.imaging.shape import alpha_of
from tests.support.image_kinds import paint

EVERYWHERE = [profile for profile in PROFILES if box_of(profile, (512, 512))]


def test_the_logo_is_blended_as_white_over_the_image_halves_up():
    pixels = paint("portrait", 1)
    marked = draw(pixels, V1_SMALL)
    alpha = alpha_of(V1_SMALL).astype(np.float64)[..., None]
    box = np.s_[512 - 80 : 512 - 32, 512 - 80 : 512 - 32]
    assert np.array_equal(marked[box], np.floor(alpha * 255 + (1 - alpha) * pixels[box] + 0.5).astype(np.uint8))
    marked[box] = pixels[box]
    assert np.array_equal(marked, pixels)


@pytest.mark.parametrize("profile", [V1_SMALL, V1_LARGE, V2_SMALL], ids=lambda profile: profile.name)
def test_for_every_level_and_every_coverage_a_lift_is_exact_to_one_level(profile):
    side = profile.size + profile.bottom
    for level in range(256):
        pixels = np.full((side + 8, side + 8, 1), level, np.uint8)
        back = remove(draw(pixels, profile), profile)
        assert np.abs(back.astype(int) - level).max() <= 1


@pytest.mark.parametrize("profile", EVERYWHERE, ids=lambda profile: profile.name)
def test_each_logo_is_told_from_all_the_others_and_comes_off(profile):
    pixels = paint("leaves", 7)
    marked = draw(pixels, profile)
    sighting = find(marked)
    assert sighting is not None
    assert sighting.profile is profile
    assert sighting.evidence.share == pytest.approx(1, abs=0.3)
    assert sighting.evidence.amplitude == pytest.approx(1, abs=0.1)
    plain = remove(marked, profile)
    after = residual(sighting, plain, lossy=False)
    assert is_clean(sighting.evidence, after)
    assert abs(after.amplitude) < 0.1
    assert find(plain) is None


@pytest.mark.parametrize(("wrong", "true"), [(V1_SMALL, V2_SMALL_CORNER), (V2_SMALL_CORNER, V1_SMALL)])
def test_a_lift_of_the_wrong_strength_is_noticed(wrong, true):
    marked = draw(paint("landscape", 3), true)
    sighting = find(marked)
    assert sighting is not None
    after = residual(sighting, remove(marked, wrong), lossy=False)
    assert not is_clean(sighting.evidence, after)


def test_the_corner_is_enough_when_the_size_of_the_whole_is_given():
    pixels = draw(paint("fractal", 4, 900, 1408), V1_LARGE)
    size = (1408, 900)
    corner = pixels[-reach(PROFILES, size) :]
    sighting = find(corner, size=size)
    assert sighting is not None
    assert sighting.box == Box(1408 - 160, 900 - 160, 1408 - 64, 900 - 64)
    lifted = remove(corner, V1_LARGE, size=size)
    assert np.array_equal(lifted, remove(pixels, V1_LARGE)[-len(corner) :])


def test_grey_images_have_one_channel_and_work_the_same():
    grey = paint("tiles", 2)[..., 1:2]
    marked = draw(grey, V1_SMALL)
    sighting = find(marked)
    assert sighting is not None
    assert np.abs(remove(marked, sighting.profile).astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    ("profile", "size", "box"),
    [
        (V1_SMALL, (1024, 768), Box(944, 688, 992, 736)),
        (V1_LARGE, (160, 160), Box(0, 0, 96, 96)),
        (V1_LARGE, (159, 200), None),
        (V2_PREVIEW, (1376, 768), Box(1376 - 96 - 36, 768 - 96 - 36, 1376 - 96, 768 - 96)),
        (V2_PREVIEW_WIDE, (1024, 559), Box(1024 - 70 - 36, 559 - 70 - 36, 1024 - 70, 559 - 70)),
        (V2_PREVIEW, (1024, 559), None),
        (V2_PREVIEW, (2752, 1536), None),
        (Profile("wide", 20, 5, 7, 0.5), (25, 27), Box(0, 0, 20, 20)),
    ],
    ids=str,
)
def test_places_are_counted_from_the_bottom_right(profile, size, box):
    assert box_of(profile, size) == box


def test_a_image_too_small_for_any_logo_has_none():
    assert find(np.zeros((20, 30, 3), np.uint8)) is None
    assert reach(PROFILES, (30, 20)) == 0
    with pytest.raises(ValueError, match="does not fit"):
        draw(np.zeros((20, 30, 3), np.uint8), V1_SMALL)


@pytest.mark.parametrize("profile", [Profile("faint", 40, 20, 20, 0.005), Profile("tiny", 8, 0, 0, 0.01)], ids=str)
def test_a_logo_too_faint_to_have_edges_is_never_found(profile):
    assert find(draw(paint("leaves", 7), profile), [profile]) is None


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_plain_grounds_bear_no_logo(level):
    assert find(np.full((512, 512, 3), level, np.uint8)) is None
