"""A logo that has moved: searching, watching, calibrating."""

from __future__ import annotations

import numpy as np
import pytest

from gemgate.imaging import (
    PROFILES,
    LogoDriftDetector,
    Profile,
    UnsupportedImage,
    clean,
    profiles_from_json,
    profiles_to_json,
)
from gemgate.imaging.calibrate import from_black, from_images
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_drift import RING, SIZES
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_LARGE, V2_SMALL
from gemgate.imaging.search import MIN_SCORE, search
from gemgate.imaging.shape import alpha_of
from tests.support.image_files import png
from tests.support.image_kinds import KINDS, TEST_SEEDS, paint

PLAIN_KINDS = [kind for kind in KINDS if kind not in {"sparkle", "near_white", "stripes"}]
SIZE = (500, 500)
MOVED = Profile("moved", 64, 70, 41, 0.5)


def corner(seed, profile=None, kind=None):
    pixels = paint(kind or PLAIN_KINDS[seed % len(PLAIN_KINDS)], TEST_SEEDS + seed, *SIZE)
    return (draw(pixels, profile) if profile else pixels)[-420:, -420:]


@pytest.mark.parametrize("profile", [MOVED, Profile("x", 31, 140, 9, 0.3), Profile("x", 128, 20, 222, 0.5)], ids=str)
def test_three_images_give_a_moved_logos_exact_size_and_place(profile):
    found = search([corner(seed, profile) for seed in (0, 4, 9)])
    assert found is not None
    assert (found.size, found.right, found.bottom) == (profile.size, profile.right, profile.bottom)
    assert found.score > MIN_SCORE


def test_where_there_is_no_logo_the_score_stays_low():
    scores = [search([corner(3 * seed + i) for i in range(3)]) for seed in range(6)]
    assert all(found is not None and found.score < MIN_SCORE for found in scores)
    assert search([np.zeros((10, 10, 3), np.uint8)]) is None


def test_the_watch_tells_once_and_only_when_three_images_agree():
    watch = LogoDriftDetector()
    told = [watch.note(SIZE, corner(seed, MOVED if seed % 2 else None, "leaves")) for seed in range(9)]
    assert [bool(each) for each in told] == [False] * 5 + [True] + [False] * 3
    moved = told[5]
    assert moved is not None
    assert (moved.profile.size, moved.profile.right, moved.profile.bottom, moved.profile.peak) == (64, 70, 41, 0.5)
    assert moved.images == 3
    assert "64 px" in moved.text


def test_the_same_place_in_images_of_other_sizes_is_counted_apart():
    watch = LogoDriftDetector()
    told = [watch.note((500, 500 + seed), corner(seed, MOVED, "leaves")) for seed in range(4)]
    assert told == [None] * 4


def test_the_watch_does_not_report_the_places_that_are_known():
    watch = LogoDriftDetector()
    assert [watch.note(SIZE, corner(seed, V1_SMALL, "leaves")) for seed in range(4)] == [None] * 4


def test_the_candidate_removes_the_moved_logo_once_the_operator_opts_in():
    watch, images = LogoDriftDetector(), [paint("landscape", TEST_SEEDS + seed, *SIZE) for seed in range(3)]
    moved = None
    for pixels in images:
        cleaned = clean(png(draw(pixels, MOVED)))
        assert cleaned.logo == "absent"
        moved = watch.note(SIZE, cleaned.corner) or moved
    assert moved is not None
    cleaned = clean(png(draw(images[0], MOVED)), profiles=(moved.profile, *PROFILES))
    assert (cleaned.logo, cleaned.profile) == ("removed", moved.profile.name)


def test_the_watch_is_bounded_and_searches_seldom_where_there_never_is_anything(monkeypatch):
    searched = []
    monkeypatch.setattr("gemgate.imaging.logo_drift.search", lambda corners: searched.append(len(corners)))
    watch = LogoDriftDetector()
    for _ in range(RING + 50):
        watch.note(SIZE, np.zeros((420, 420, 3), np.uint8))
    assert len(searched) == RING + 5
    for width in range(100):
        watch.note((width, 1), np.zeros((8, 8, 3), np.uint8))
    assert len(watch._seen) == SIZES


@pytest.mark.parametrize("profile", [V1_SMALL, V1_LARGE, V2_SMALL], ids=lambda profile: profile.name)
def test_ten_pngs_give_the_known_map_bit_for_bit(profile):
    calibration = from_images([corner(seed, profile) for seed in range(10)])
    assert (calibration.confirms, calibration.different) == (profile.name, 0)
    assert np.array_equal(alpha_of(calibration.profile), alpha_of(profile))
    assert calibration.profile.steps == 16


def test_a_soft_map_is_read_in_finer_steps():
    calibration = from_images([corner(seed, V2_LARGE) for seed in range(12)])
    own = calibration.profile
    assert (own.size, own.right, own.bottom, own.steps) == (96, 192, 192, 1000)
    assert np.abs(alpha_of(own) - alpha_of(V2_LARGE)).max() < 0.02
    assert profiles_from_json(profiles_to_json([own])) == (own,)


def test_a_new_place_is_calibrated_and_then_removed():
    new = Profile("new", 72, 50, 40, 0.3)
    calibration = from_images([corner(seed, new) for seed in range(10)])
    assert calibration.confirms == ""
    data = png(draw(paint("tiles", TEST_SEEDS + 70), new))
    assert clean(data).logo == "absent"
    cleaned = clean(data, profiles=(calibration.profile,))
    assert (cleaned.logo, cleaned.profile) == ("removed", "own-72-50-40")


@pytest.mark.parametrize("profile", [V1_SMALL, V1_LARGE, V2_SMALL], ids=lambda profile: profile.name)
def test_one_black_image_gives_the_known_map(profile):
    dice = np.random.default_rng(5)
    black = dice.uniform(0, 5, (400, 400, 3)).astype(np.uint8)
    calibration = from_black(draw(black, profile))
    assert (calibration.confirms, calibration.pictures) == (profile.name, 1)


def test_too_few_or_wrong_images_are_refused_with_the_reason():
    with pytest.raises(UnsupportedImage, match="at least 10"):
        from_images([corner(seed, V1_SMALL) for seed in range(9)])
    with pytest.raises(UnsupportedImage, match="no logo"):
        from_images([corner(seed) for seed in range(10)])
    with pytest.raises(UnsupportedImage, match="not black"):
        from_black(draw(np.full((400, 400, 3), 120, np.uint8), V1_SMALL))
    with pytest.raises(UnsupportedImage, match="no logo"):
        from_black(np.zeros((400, 400, 3), np.uint8))
