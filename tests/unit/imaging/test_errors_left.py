"""How far a cleaned image is from the one that never had the logo: one level in a PNG, a few in a JPEG."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gemgate.imaging import Profile, clean
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_LARGE, V2_SMALL
from tests.support.image_files import Pixels, decoded, encoded
from tests.support.image_kinds import KINDS, TEST_SEEDS, paint

PROFILES = (V1_SMALL, V1_LARGE, V2_SMALL, V2_LARGE)
SAVED = {
    "png": ("PNG", {"compress_level": 1}),
    "jpeg95": ("JPEG", {"quality": 95}),
    "jpeg90": ("JPEG", {"quality": 90}),
}


def box_error(plain: Pixels, profile: Profile, saved: str) -> tuple[float, float, float] | None:
    """Mean and maximum in the box and maximum outside it, in levels, against the unmarked image saved the same way;
    None when the logo was not removed."""
    form, options = SAVED[saved]
    cleaned = clean(encoded(draw(plain, profile), form, **options))
    if cleaned.logo != "removed":
        return None
    error = np.abs(decoded(cleaned.data) - decoded(encoded(plain, form, **options)))
    bottom, right = error.shape[0] - profile.bottom, error.shape[1] - profile.right
    place = np.s_[bottom - profile.size : bottom, right - profile.size : right]
    mean, most = float(error[place].mean()), float(error[place].max())
    error[place] = 0
    return mean, most, float(error.max())


def test_a_png_comes_back_within_one_level_and_is_untouched_elsewhere():
    for kind in KINDS:
        for profile in (V1_SMALL, V1_LARGE):
            found = box_error(paint(kind, TEST_SEEDS, 300, 320), profile, "png")
            if found:
                assert found[1] <= 1
                assert found[2] == 0


def test_a_jpeg_of_quality_95_comes_back_within_three_levels():
    images = [paint(kind, TEST_SEEDS + 5, 1024, 1024) for kind in ("leaves", "landscape", "portrait", "fractal")]
    found = [box_error(pixels, V1_SMALL, "jpeg95") for pixels in images]
    assert all(found)
    assert np.mean([each[0] for each in found if each]) <= 3.0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_errors_in_full(capsys):
    jobs = [(kind, TEST_SEEDS + 100 + seed) for kind in KINDS for seed in range(8)]
    table: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    with ProcessPoolExecutor() as processes:
        for rows in processes.map(_all_errors, jobs, chunksize=2):
            for key, found in rows:
                table[key] += [found] if found else []
    with capsys.disabled():
        print(f"\n{len(jobs)} pictures of 1024 x 1024")
        print("removed, mean of box means, their 99 %, max in and outside the box")
        for (name, saved), found in sorted(table.items()):
            means, most, outside = map(np.array, zip(*found, strict=True))
            tail = f"{np.quantile(means, 0.99):6.2f} {most.max():4.0f} {outside.max():4.0f}"
            print(f"{name:6} {saved:7} {len(found):4} {means.mean():6.3f} {tail}")
    for name in ("v1-48", "v1-96"):
        assert max(each[1] for each in table[name, "png"]) <= 1
        assert max(each[2] for each in table[name, "png"]) == 0
        assert np.mean([each[0] for each in table[name, "jpeg95"]]) <= 3.0


def _all_errors(job: tuple[str, int]) -> list[tuple[tuple[str, str], tuple[float, float, float] | None]]:
    plain = paint(*job, 1024, 1024)
    return [((each.name, saved), box_error(plain, each, saved)) for each in PROFILES for saved in SAVED]
