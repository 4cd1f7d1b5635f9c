"""Test images without a single file: every kind of content a logo may stand on, drawn from a seed.

`paint(kind, seed)` is deterministic. Seeds below TEST_SEEDS chose the thresholds; the tests of detection use those
above, so the two share no source image.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
Random = np.random.Generator
TEST_SEEDS = 1_000_000


@lru_cache(maxsize=64)
def paint(kind: str, seed: int, height: int = 512, width: int = 512) -> Pixels:
    """One image, height x width x 3, read-only."""
    dice = np.random.default_rng([sum(kind.encode()), seed])
    pixels = KINDS[kind](dice, height, width)
    pixels.flags.writeable = False
    return pixels


def to_pixels(image: NDArray[np.floating]) -> Pixels:
    return np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8)


def colour(dice: Random, low: float = 0, high: float = 255) -> NDArray[np.float64]:
    return dice.uniform(low, high, 3)


def clouds(dice: Random, height: int, width: int, power: float) -> NDArray[np.float64]:
    """1/f^power noise, mean 0, deviation 1."""
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :]
    amplitude = np.hypot(fx, fy)
    amplitude[0, 0] = 1
    spectrum = np.fft.rfft2(dice.standard_normal((height, width))) / amplitude**power
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(height, width))
    return np.asarray(field / field.std())


def ramp(dice: Random, height: int, width: int) -> NDArray[np.float64]:
    """0..1 across the image in a random direction."""
    angle = dice.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width]
    field = x * np.cos(angle) / width + y * np.sin(angle) / height
    return np.asarray((field - field.min()) / max(float(np.ptp(field)), 1e-9))


def gradient(dice: Random, h: int, w: int) -> Pixels:
    t = ramp(dice, h, w)[..., None]
    return to_pixels(colour(dice) * t + colour(dice) * (1 - t))


def radial(dice: Random, h: int, w: int) -> Pixels:
    y, x = np.mgrid[0:h, 0:w]
    t = np.clip(np.hypot(x - dice.uniform(0, w), y - dice.uniform(0, h)) / dice.uniform(0.3, 1.2) / w, 0, 1)
    return to_pixels(colour(dice) * t[..., None] + colour(dice) * (1 - t[..., None]))


def fractal(dice: Random, h: int, w: int) -> Pixels:
    power = dice.uniform(0.9, 2.2)
    shared = clouds(dice, h, w, power)
    layers = [dice.uniform(0.6, 1) * shared + dice.uniform(0, 0.5) * clouds(dice, h, w, power) for _ in range(3)]
    return to_pixels(np.dstack(layers) * dice.uniform(10, 60) + colour(dice, 40, 215))


def noise(dice: Random, h: int, w: int) -> Pixels:
    grey = dice.standard_normal((h, w, 1)) * dice.uniform(2, 45)
    return to_pixels(colour(dice, 20, 235) + grey + dice.standard_normal((h, w, 3)) * dice.uniform(0, 25))


def grain(dice: Random, h: int, w: int) -> Pixels:
    """Soft content under film grain."""
    base = clouds(dice, h, w, 2)[..., None] * dice.uniform(10, 40) + colour(dice, 30, 220)
    return to_pixels(base + dice.standard_normal((h, w, 1)) * dice.uniform(1, 12))


def stripes(dice: Random, h: int, w: int) -> Pixels:
    y, x = np.mgrid[0:h, 0:w]
    angle, period = dice.uniform(0, np.pi), dice.uniform(2.5, 40)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + dice.uniform(0, 6))
    wave = np.sign(wave) if dice.random() < 0.5 else wave
    return to_pixels(colour(dice) + wave[..., None] * colour(dice, 5, 110))


def checker(dice: Random, h: int, w: int) -> Pixels:
    y, x = np.mgrid[0:h, 0:w]
    side = int(dice.integers(2, 50))
    cell = ((x + dice.integers(0, 50)) // side + (y + dice.integers(0, 50)) // side) % 2
    return to_pixels(np.where(cell[..., None] == 1, colour(dice), colour(dice)))


def page(dice: Random, h: int, w: int) -> Pixels:
    """A page of text-like lines; sometimes light on dark."""
    dark = dice.random() < 0.3
    ink, paper = (
        (colour(dice, 150, 255), colour(dice, 0, 60)) if dark else (colour(dice, 0, 90), colour(dice, 215, 255))
    )
    image = Image.new("RGB", (w, h), tuple(int(v) for v in paper))
    pen = ImageDraw.Draw(image)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,;"))
    size = int(dice.integers(9, 34))
    font = ImageFont.load_default(size)
    for line in range(-5, h, int(size * dice.uniform(1.1, 1.6))):
        words = ["".join(dice.choice(letters, int(dice.integers(2, 11)))) for _ in range(w // size)]
        pen.text((int(dice.integers(-20, 5)), line), " ".join(words), tuple(int(v) for v in ink), font=font)
    return np.asarray(image)


def flat(dice: Random, h: int, w: int) -> Pixels:
    return np.broadcast_to(to_pixels(colour(dice, 0, 235)), (h, w, 3)).copy()


def vector(dice: Random, h: int, w: int) -> Pixels:
    """Flat shapes with sharp, anti-aliased edges."""
    image = Image.new("RGB", (w * 2, h * 2), tuple(int(v) for v in colour(dice)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(dice.integers(5, 90))):
        corners = [
            (int(dice.integers(0, w * 2)), int(dice.integers(0, h * 2))) for _ in range(int(dice.integers(3, 6)))
        ]
        ink = tuple(int(v) for v in colour(dice))
        if dice.random() < 0.5:
            pen.polygon(corners, fill=ink)
        else:
            (x, y), r = corners[0], int(dice.integers(5, 200))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    return np.asarray(image.resize((w, h), Image.Resampling.BOX))


def near_white(dice: Random, h: int, w: int) -> Pixels:
    """Paper, snow, a product on a light table: bright, but not at the end of the scale."""
    return to_pixels(
        dice.uniform(222, 246) + clouds(dice, h, w, 1.5)[..., None] * dice.uniform(0.5, 3) + dice.uniform(-3, 3, 3)
    )


def near_black(dice: Random, h: int, w: int) -> Pixels:
    return to_pixels(colour(dice, 0, 14) + clouds(dice, h, w, 1.5)[..., None] * dice.uniform(0.3, 4))


def night(dice: Random, h: int, w: int) -> Pixels:
    """Dark sky with stars of every size, some of them cross-shaped."""
    sky = clouds(dice, h, w, 1.8)[..., None] * 6 + colour(dice, 5, 40)
    for _ in range(int(dice.integers(50, 500))):
        y, x = int(dice.integers(0, h)), int(dice.integers(0, w))
        sky[y, x] += dice.uniform(40, 255)
        if dice.random() < 0.1:
            arm = int(dice.integers(3, 20))
            sky[max(y - arm, 0) : y + arm, x] += 90
            sky[y, max(x - arm, 0) : x + arm] += 90
    return to_pixels(sky)


def bokeh(dice: Random, h: int, w: int) -> Pixels:
    y, x = np.mgrid[0:h, 0:w]
    scene = np.broadcast_to(colour(dice, 0, 90), (h, w, 3)).copy()
    for _ in range(int(dice.integers(15, 60))):
        r = dice.uniform(6, 60)
        edge = np.clip(r - np.hypot(x - dice.uniform(0, w), y - dice.uniform(0, h)), 0, 2) / 2
        scene += edge[..., None] * (colour(dice, 60, 255) - scene) * dice.uniform(0.1, 0.8)
    return to_pixels(scene + dice.standard_normal((h, w, 1)) * dice.uniform(0, 3))


def leaves(dice: Random, h: int, w: int) -> Pixels:
    """Photo-like: opaque discs of every size over each other, shaded, textured, slightly blurred, with grain."""
    image = Image.new("RGB", (w, h), tuple(int(v) for v in colour(dice)))
    pen = ImageDraw.Draw(image)
    for r in sorted(4 / dice.uniform(0.012, 1, 900), reverse=True):
        cx, cy, stretch = dice.uniform(0, w), dice.uniform(0, h), dice.uniform(0.4, 1)
        pen.ellipse(
            (cx - r, cy - r * stretch, cx + r, cy + r * stretch), fill=tuple(int(v) for v in colour(dice, 10, 245))
        )
    scene = np.asarray(image.filter(ImageFilter.GaussianBlur(dice.uniform(0.4, 1.6))), np.float64)
    shade = 0.5 + ramp(dice, h, w)[..., None] * dice.uniform(0.2, 0.8)
    texture = clouds(dice, h, w, dice.uniform(0.8, 1.6))[..., None] * dice.uniform(2, 14)
    return to_pixels(scene * shade + texture + dice.standard_normal((h, w, 1)) * dice.uniform(0.5, 4))


def landscape(dice: Random, h: int, w: int) -> Pixels:
    """Photo-like: a sky, ridges with rising texture, haze."""
    t = np.linspace(0, 1, h)[:, None, None]
    scene = colour(dice, 90, 250) * (1 - t) + colour(dice, 120, 255) * t + np.zeros((h, w, 3))
    y = np.arange(h)[:, None]
    for layer in range(int(dice.integers(2, 6))):
        ridge = h * (0.25 + 0.14 * layer) + clouds(dice, 8, w, 1.3)[0] * h * 0.06
        ground = colour(dice, 10, 200) + clouds(dice, h, w, dice.uniform(0.7, 1.5))[..., None] * dice.uniform(3, 22)
        scene = np.where((y > ridge[None, :])[..., None], ground, scene)
    return to_pixels(scene + dice.standard_normal((h, w, 1)) * dice.uniform(0, 3))


def foliage(dice: Random, h: int, w: int) -> Pixels:
    """Grass and fur: noise drawn out in one direction, high contrast."""
    image = Image.fromarray(to_pixels(dice.standard_normal((h, w * 2)) * 40 + 128))
    image = image.resize((w * 2, h * int(dice.integers(2, 7))), Image.Resampling.BICUBIC).crop((0, 0, w * 2, h * 2))
    image = image.rotate(float(dice.uniform(0, 180)), Image.Resampling.BILINEAR)
    strands = np.asarray(image.crop((w // 2, h // 2, w // 2 + w, h // 2 + h)), np.float64)[..., None] - 128
    return to_pixels(colour(dice, 40, 160) + strands * dice.uniform(0.5, 2.2) * dice.uniform(0.5, 1.2, 3))


def tiles(dice: Random, h: int, w: int) -> Pixels:
    """Brickwork with mortar and wear."""
    y, x = np.mgrid[0:h, 0:w]
    bw, bh, gap = int(dice.integers(16, 70)), int(dice.integers(10, 40)), int(dice.integers(1, 5))
    row = y // bh
    mortar = (y % bh < gap) | ((x + row * (bw // 2)) % bw < gap)
    brick = colour(dice, 60, 200) + clouds(dice, h, w, 1.0)[..., None] * dice.uniform(3, 20)
    return to_pixels(np.where(mortar[..., None], colour(dice, 90, 240), brick))


def resaved(dice: Random, h: int, w: int) -> Pixels:
    """An image that was a JPEG before."""
    before = (leaves, landscape, vector)[int(dice.integers(0, 3))](dice, h, w)
    out = io.BytesIO()
    Image.fromarray(before).save(out, "JPEG", quality=int(dice.integers(60, 96)))
    return np.asarray(Image.open(out).convert("RGB"))


def sparkle(dice: Random, h: int, w: int) -> Pixels:
    """Adversarial: white four-pointed stars in the corner, of another size, place, strength or outline."""
    scene = (gradient, fractal, flat, leaves)[int(dice.integers(0, 4))](dice, h, w).astype(np.float64)
    for _ in range(int(dice.integers(1, 4))):
        half = dice.uniform(14, 70)
        cx, cy = w - dice.uniform(30, 260), h - dice.uniform(30, 260)
        y, x = np.abs(np.mgrid[0:h, 0:w] - np.array([cy, cx])[:, None, None]) / half
        inside = np.clip((1 - (x ** dice.uniform(0.4, 0.75) + y ** dice.uniform(0.4, 0.75))) * half * 0.5, 0, 1)
        scene += (inside * dice.uniform(0.15, 1))[..., None] * (255 - scene)
    return to_pixels(scene)


def snow(dice: Random, h: int, w: int) -> Pixels:
    """White flakes and highlights over something else."""
    scene = (landscape, leaves)[int(dice.integers(0, 2))](dice, h, w).astype(np.float64)
    y, x = np.mgrid[0:h, 0:w]
    for _ in range(40):
        r = dice.uniform(2, 25)
        flake = np.exp(-(((x - dice.uniform(0, w)) ** 2 + (y - dice.uniform(0, h)) ** 2) / r**2))
        scene += flake[..., None] * (255 - scene) * dice.uniform(0.2, 0.9)
    return to_pixels(scene)


def halftone(dice: Random, h: int, w: int) -> Pixels:
    y, x = np.mgrid[0:h, 0:w]
    angle, period = dice.uniform(0, np.pi / 2), dice.uniform(4, 14)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    dots = np.cos(2 * np.pi * u / period) * np.cos(2 * np.pi * v / period)
    tone = ramp(dice, h, w) * 1.6 - 0.8
    return to_pixels(np.where((dots > tone)[..., None], colour(dice, 0, 130), colour(dice, 130, 250)))


def portrait(dice: Random, h: int, w: int) -> Pixels:
    """Photo-like: one large soft object before a blurred ground, the commonest generated image."""
    ground = Image.fromarray(leaves(dice, h, w)).filter(ImageFilter.GaussianBlur(dice.uniform(4, 20)))
    y, x = np.mgrid[0:h, 0:w]
    cx, cy, r = dice.uniform(0.3, 1) * w, dice.uniform(0.4, 1) * h, dice.uniform(0.2, 0.6) * w
    edge = np.clip((r - np.hypot(x - cx, (y - cy) * dice.uniform(0.5, 1))) / dice.uniform(1, 8), 0, 1)[..., None]
    skin = colour(dice, 60, 230) * (0.6 + 0.4 * ramp(dice, h, w)[..., None]) + clouds(dice, h, w, 1.4)[..., None] * 4
    return to_pixels(skin * edge + np.asarray(ground, np.float64) * (1 - edge) + dice.standard_normal((h, w, 1)) * 1.5)


Kind = Callable[[Random, int, int], Pixels]
KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(gradient, radial, fractal, noise, grain, stripes, checker, page, flat, vector, near_white, near_black),
        *(night, bokeh, leaves, landscape, foliage, sparkle, tiles, resaved, snow, halftone, portrait),
    )
}
