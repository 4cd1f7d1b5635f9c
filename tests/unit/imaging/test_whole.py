"""Whether a file is all there, strictly for what is downloaded, and leniently for what people send."""

from __future__ import annotations

import numpy as np
import pytest

from gemgate.imaging.truncation import is_truncated, is_whole
from tests.support.image_files import encoded

NOISE = np.random.default_rng(4).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_half_a_file_is_cut_and_a_whole_one_with_something_behind_it_is_not(form: str) -> None:
    data = encoded(NOISE, form)
    assert is_whole(data)
    assert not is_truncated(data)
    assert not is_truncated(data + b"a film that a camera put behind its picture" * 100)
    for half in (data[: len(data) // 2], data[:40], data[:-12]):
        assert is_truncated(half)
        assert not is_whole(half)
