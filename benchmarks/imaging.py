"""Taking the logo off against simply decoding and encoding the image: what the pictures' own codecs cost.

Everything is measured in the same run, in turns. Bars: PNG at least ten times faster than Pillow's default decode and
encode, not slower than OpenCV's; finding and lifting within 15 ms at 4096 x 4096 without the codec. OpenCV is measured
where it is installed; it is no dependency.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image
from tests.support.image_kinds import Pixels, paint

from gemgate.imaging import clean
from gemgate.imaging.logo import draw, find, remove, residual
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_LARGE, Profile

CASES = [
    (1024, V1_SMALL),
    (1024, V1_LARGE),
    (2048, V1_LARGE),
    (2048, V2_LARGE),
    (4096, V1_LARGE),
    (4096, V2_LARGE),
]
ROUNDS = {1024: 15, 2048: 7, 4096: 3}


def main() -> None:
    """Print the tables."""
    images = {side: image(side) for side in sorted({side for side, _ in CASES})}
    opencv = _opencv()
    print("PNG, best ms; 'Pillow' and 'OpenCV' decode and encode with their defaults")
    print(f"{'size':>6} {'logo':>6} {'clean':>8} {'Pillow':>8} {'faster':>7} {'OpenCV':>8} {'faster':>7} {'bytes':>7}")
    for side, profile in CASES:
        _png_row(images[side], profile, opencv)
    print("\nother formats, ms: clean against Pillow's decode and encode with the same options")
    for pixels in images.values():
        for name, form, options in OTHERS:
            _other_row(pixels, name, form, options)
    print("\nfinding and lifting without the codec, ms (all profiles tried, evidence measured again)")
    for side, pixels in images.items():
        _pixel_row(pixels, side)


def image(side: int) -> Pixels:
    """A photo-like image with detail in every pixel: about 11 bits per pixel as PNG, like the service's own."""
    tiles = [paint(kind, 2_000_001, side // 2, side // 2) for kind in ("portrait", "leaves", "landscape", "fractal")]
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG q95", "JPEG", {"quality": 95}),
    ("WebP q80", "WEBP", {"quality": 80}),
    ("WebP lossless", "WEBP", {"lossless": True, "method": 0, "quality": 20}),
]


def _png_row(plain: Pixels, profile: Profile, opencv: Any) -> None:
    marked = draw(plain, profile)
    data = _saved(marked, "PNG")
    packed = np.frombuffer(data, np.uint8)
    works: list[Callable[[], object]] = [
        lambda: clean(data),
        lambda: (Image.open(io.BytesIO(data)).load(), _saved(marked, "PNG")),
    ]
    if opencv is not None:
        works.append(lambda: opencv.imencode(".png", opencv.imdecode(packed, opencv.IMREAD_UNCHANGED)))
    ours, pillow, *others = _in_turns(works, ROUNDS[len(plain)])
    other = f"{others[0]:8.0f} {others[0] / ours:6.1f}x" if others else f"{'-':>8} {'-':>7}"
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    grown = 100 * (len(cleaned.data) / len(data) - 1)
    print(f"{len(plain):6} {profile.name:>6} {ours:8.1f} {pillow:8.0f} {pillow / ours:6.1f}x {other} {grown:+6.2f}%")


def _other_row(plain: Pixels, name: str, form: str, options: dict[str, Any]) -> None:
    data = _saved(draw(plain, V1_LARGE), form, **options)
    works: list[Callable[[], object]] = [
        lambda: clean(data),
        lambda: _saved(Image.open(io.BytesIO(data)), form, **options),
    ]
    ours, pillow = _in_turns(works, ROUNDS[len(plain)])
    print(f"{len(plain):6} {name:14} {ours:8.1f} {pillow:8.1f} {pillow / ours:6.2f}x  {clean(data).logo}")


def _pixel_row(plain: Pixels, side: int) -> None:
    marked = draw(plain, V1_LARGE)[-420:]
    size = (side, side)

    def work() -> None:
        sighting = find(marked, size=size)
        assert sighting is not None
        residual(sighting, remove(marked, sighting.profile, size=size), lossy=False, size=size)

    whole, looking = _in_turns([work, lambda: find(marked, size=size)], 20)
    print(f"{side:6} {whole:8.2f}   only looking {looking:8.2f}")


def _saved(pixels: Pixels | Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(out, form, **options)
    return out.getvalue()


def _in_turns(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Best milliseconds of each over the rounds; all take turns, so that a busy machine is busy for all."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, own in zip(works, times, strict=True):
            start = perf_counter()
            work()
            own.append((perf_counter() - start) * 1000)
    return [min(each) for each in times]


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        print("OpenCV is not installed, its columns are empty: pip install opencv-python-headless")
        return None
    return cv2


if __name__ == "__main__":
    main()
