from __future__ import annotations

import numpy as np
import pytest

from gemgate.imaging.logo_profiles import (
    OUTLINE,
    PROFILES,
    RUNS48,
    RUNS96,
    V2_LARGE,
    Profile,
    profiles_from_json,
    profiles_to_json,
)
from gemgate.imaging.shape import alpha_of, coverage_of, from_outline, from_runs


@pytest.mark.parametrize(("runs", "numbers", "uneven"), [(RUNS48, 57, 72), (RUNS96, 124, 192)])
def test_run_tables_give_maps_of_sixteenths_that_turn_but_do_not_mirror(runs, numbers, uneven):
    coverage = from_runs(runs)
    assert sum(len(row) for row in runs) == numbers
    assert np.array_equal(coverage * 16, np.round(coverage * 16))
    assert np.array_equal(coverage, np.rot90(coverage))
    assert int((coverage != coverage[:, ::-1]).sum()) == uneven
    assert coverage[len(runs), len(runs)] == 1
    assert coverage[0, 0] == 0


@pytest.mark.parametrize("runs", [RUNS48, RUNS96])
def test_the_outline_draws_the_same_star_to_two_sixteenths(runs):
    exact = from_runs(runs)
    drawn = from_outline(exact.shape[0], OUTLINE)
    assert np.abs(exact - drawn).max() <= 2 / 16
    assert np.abs(exact - drawn).mean() < 0.002


@pytest.mark.parametrize("size", [24, 36, 46, 47, 131])
def test_the_outline_can_be_drawn_at_any_size(size):
    drawn = from_outline(size, OUTLINE)
    assert drawn.shape == (size, size)
    assert np.array_equal(drawn, np.rot90(drawn))
    assert drawn.mean() == pytest.approx(from_runs(RUNS96).mean(), abs=0.01)


def test_the_soft_map_overshoots_inside_its_edge_and_is_flat_in_its_middle():
    coverage = coverage_of(V2_LARGE)
    assert 1.02 < coverage.max() < 1.2
    assert coverage[48, 48] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_shipped_profile_can_be_drawn_and_says_how_well_it_is_known(profile):
    alpha = alpha_of(profile)
    assert alpha.shape == (profile.size, profile.size)
    assert alpha.max() == pytest.approx(profile.peak, rel=0.1)
    assert profile.known == ("measured" if profile.name in {"v1-48", "v1-96"} else "reported")
    with pytest.raises(ValueError, match="read-only"):
        alpha[0, 0] = 1


def test_profiles_travel_as_json():
    own = Profile("own", 8, 10, 12, 0.4, known="calibrated", quarter=((0, 5, 16, 16),) * 4)
    assert profiles_from_json(profiles_to_json([own, *PROFILES])) == (own, *PROFILES)
    assert profiles_from_json('{"profiles": [{"name": "x", "size": 40, "right": 1, "bottom": 2, "peak": 0.3}]}')


@pytest.mark.parametrize(
    "row",
    [
        "{}",
        '{"name": "x", "size": 47, "right": 1, "bottom": 2, "peak": 0.3, "shape": "runs48"}',
        '{"name": "x", "size": 48, "right": 1, "bottom": 2, "peak": 1.5}',
        '{"name": "x", "size": 48, "right": -1, "bottom": 2, "peak": 0.5}',
        '{"name": "x", "size": 48, "right": 1, "bottom": 2, "peak": 0.5, "quarter": [[1, 2], [3]]}',
        '{"name": "x", "size": 8, "right": 1, "bottom": 2, "peak": 0.5, "shape": "rune"}',
        '{"name": "x", "size": 8, "right": 1, "bottom": 2, "peak": 0.5, "colour": "red"}',
        '{"name": "x", "size": "8", "right": 1, "bottom": 2, "peak": 0.5}',
        "[]",
    ],
)
def test_a_wrong_profile_is_refused_with_a_reason(row):
    with pytest.raises(ValueError, match="logo profile"):
        profiles_from_json('{"profiles": [' + row + "]}")
