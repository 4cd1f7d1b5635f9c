"""Every place and strength at which the second logo was reported: taken off where it stands, and nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gemgate.imaging.logo import draw, find, is_clean, remove, residual
from gemgate.imaging.logo_profiles import V1_SMALL, V2_LARGE, V2_PREVIEW, V2_SEVEN_EIGHTHS, V2_SMALL, Profile
from tests.support.image_files import decoded, encoded
from tests.support.image_kinds import KINDS, TEST_SEEDS, paint

SEED = TEST_SEEDS + 70_000
ANCHORS = [
    *(replace(V2_SMALL, name=f"48 at 96, {peak}", peak=peak) for peak in (0.15, 0.2, 0.25, 0.3)),
    *(replace(V2_SEVEN_EIGHTHS[0], name=f"42 at 82, {peak}", peak=peak) for peak in (0.2, 0.25, 0.3)),
    V2_LARGE,
]
GROUNDS = ["noise", "flat", "near_white"]


def ground(kind: str, size: tuple[int, int] = (512, 512)) -> np.ndarray:
    if kind == "flat":
        return np.full((*size, 3), (120, 90, 60), np.uint8)
    return paint(kind, SEED, *size)


def taken_off(pixels: np.ndarray, *, lossy: bool) -> tuple[Profile, np.ndarray] | None:
    found = find(pixels, lossy=lossy)
    if found is None:
        return None
    plain = remove(pixels, found.profile)
    assert is_clean(found.evidence, residual(found, plain, lossy=lossy))
    return found.profile, plain


@pytest.mark.parametrize("kind", [kind for kind in GROUNDS if kind == "flat" or kind in KINDS])
@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: anchor.name)
@pytest.mark.parametrize("lossy", [False, True], ids=["png", "jpeg"])
def test_the_logo_comes_off_at_every_anchor(anchor: Profile, kind: str, lossy: bool) -> None:
    source = ground(kind)
    marked = draw(source, anchor)
    if np.abs(marked.astype(int) - source).max() < 4:
        pytest.skip("white on white: nobody can see it")
    if lossy:
        marked = decoded(encoded(marked, "JPEG", quality=92)).astype(np.uint8)
    off = taken_off(marked, lossy=lossy)
    assert off is not None
    profile, plain = off
    assert (profile.size, profile.right) == (anchor.size, anchor.right)
    assert abs(profile.peak - anchor.peak) <= 0.051
    before, after = (np.abs(each.astype(int) - source)[-250:, -250:].mean() for each in (marked, plain))
    assert after < before


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_image_without_logo_keeps_every_pixel(kind: str) -> None:
    for seed in range(2):
        source = paint(kind, SEED + 1 + seed)
        assert find(source) is None
        assert find(decoded(encoded(source, "JPEG", quality=90)).astype(np.uint8), lossy=True) is None


def test_a_preview_bears_the_small_one() -> None:
    source = paint(GROUNDS[0], SEED, 572, 1024)
    anchor = replace(V2_PREVIEW, name="preview")
    off = taken_off(draw(source, anchor), lossy=False)
    assert off is not None
    assert (off[0].size, off[0].name) == (36, "v2-36")


def test_the_first_logo_is_still_told_from_the_second() -> None:
    off = taken_off(draw(ground("flat"), V1_SMALL), lossy=False)
    assert off is not None
    assert off[0].name == "v1-48"
