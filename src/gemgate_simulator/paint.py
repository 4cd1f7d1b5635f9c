"""Paintings from a seed: what the simulated service shows for a prompt, the same pixels every time.

Pure: a Painting goes in, uint8 pixels (height x width x 3) come out, without the logo or with it. Large images are
made of a small image enlarged and a tile of grain, so that time goes with memory and not with arithmetic.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gemgate.imaging.logo import box_of, draw
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_LARGE, V2_SMALL, Profile
from gemgate_simulator.sizes import Size

Pixels: TypeAlias = NDArray[np.uint8]
Kind: TypeAlias = Literal["photo", "vector", "gradient", "noise", "page"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Mime: TypeAlias = Literal["image/png", "image/jpeg", "image/webp"]
Generation: TypeAlias = Literal["v1", "v2", "none"]
"""Of the logo: docs/google-wire.md 3.6."""
Logo: TypeAlias = Generation | Literal["mix"]
"""A generation, or one by the seed: today's mostly, older ones still, some images without."""
LOGOS: Final[tuple[Logo, ...]] = ("v1", "v2", "none", "mix")

SMALLEST: Final = 8
_LARGEST: Final = 16_384
"""Pixels that a side may have."""
_TILE = 512
_CELL = 8
_BITS = 32
_CHECK = 8


@dataclass(frozen=True, slots=True)
class Painting:
    """An image as it is ordered. None leaves a choice to the prompt, to `Google.pictures`, or to the dice.

    kind:   what it looks like; "photo", "vector" and "gradient" are chosen by the dice, the others only by name. With
            no kind and an image uploaded, it is an edit of the first one, at that one's size.
    seed:   decides every pixel; None takes the prompt's, and the next one for the next image of the same prompt.
    size:   width, height.
    mime:   of the original; quality: of JPEG and WebP, 100 = lossless WebP.
    logo:   a generation, "none", "mix", or a Profile of its own for a moved or strange one.
    marked: the number of the generation stands in the pixels (`read_mark`).
    xmp:    a packet; c2pa: a manifest (made up); icc: a colour profile.
    of:     id of an uploaded file or of an image this one is an edit of.
    number: which generation made it, filled in by the simulator when the image is to be marked.
    """

    kind: Kind | None = None
    seed: int | None = None
    size: Size | None = None
    mime: Mime | None = None
    quality: int | None = None
    logo: Logo | Profile | None = None
    marked: bool | None = None
    xmp: bytes | None = None
    c2pa: bool | None = None
    icc: bool | None = None
    of: str = ""
    number: int = 0

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; one of {', '.join(KINDS)}")
        if self.mime is not None and self.mime not in get_args(Mime):
            raise ValueError(f"unknown type {self.mime!r}; one of {', '.join(get_args(Mime))}")
        if isinstance(self.logo, str) and self.logo not in LOGOS:
            raise ValueError(f"unknown logo {self.logo!r}; one of {', '.join(LOGOS)}, or a Profile")
        if self.size is not None and not all(SMALLEST <= side <= _LARGEST for side in self.size):
            raise ValueError(f"a picture has {SMALLEST} to {_LARGEST} pixels a side")


def seed_of(text: str) -> int:
    """A seed that goes with the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def profile_of(logo: Generation | Profile, size: Size) -> Profile | None:
    """The profile in which the service stamps an image of this size; None when it stamps none or none fits."""
    profile = logo if isinstance(logo, Profile) else _official(logo, size)
    return profile if profile is not None and box_of(profile, size) is not None else None


def _official(generation: Generation, size: Size) -> Profile | None:
    """By the short side, as docs/logo.md 1 reports it for each generation."""
    small = min(size) <= 1024
    match generation:
        case "v1":
            return V1_SMALL if small else V1_LARGE
        case "v2":
            return V2_SMALL if small else V2_LARGE
        case "none":
            return None


def stamped(pixels: Pixels, profile: Profile | None) -> Pixels:
    """The pixels with the logo on them."""
    return pixels if profile is None else draw(pixels, profile)


def painted(kind: Kind, seed: int, size: Size) -> Pixels:
    """An image without logo."""
    dice = np.random.default_rng([KINDS.index(kind), seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF])
    return _PAINTERS[kind](dice, size)


def edited(reference: Pixels, seed: int, size: Size) -> Pixels:
    """The negative of a reference image at `size`, in a frame whose colour goes with the seed."""
    height, width = reference.shape[:2]
    if (width, height) != size:
        reference = np.asarray(Image.fromarray(reference).resize(size, Image.Resampling.BICUBIC))
    out = 255 - reference
    edge = frame_width(size)
    colour = np.random.default_rng(seed & 0xFFFFFFFF).integers(40, 200, 3, dtype=np.uint8)
    out[:edge], out[-edge:], out[:, :edge], out[:, -edge:] = colour, colour, colour, colour
    return out


def frame_width(size: Size) -> int:
    """How many pixels the frame of an edited image takes on every side."""
    return max(1, min(size) // 64)


def decoded(data: bytes) -> Pixels:
    """The pixels of an image file as RGB; OSError or ValueError when it is none."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def fingerprint(data: bytes) -> str:
    """SHA-256 of an image's decoded RGB pixels."""
    return hashlib.sha256(decoded(data).tobytes()).hexdigest()


def mark(pixels: Pixels, number: int) -> None:
    """Write `number` (32 bits) into the top of the image in black and white cells that survive JPEG."""
    word = (number & 0xFFFFFFFF) << _CHECK | _check(number)
    bits = [word >> n & 1 for n in reversed(range(_BITS + _CHECK))]
    for bit, (top, left) in zip(bits, _cells(pixels), strict=True):
        pixels[top : top + _CELL, left : left + _CELL] = 255 * bit


def read_mark(image: bytes | Pixels) -> int | None:
    """The number that stands in the image, None when there is none."""
    pixels = decoded(image) if isinstance(image, bytes) else image
    if min(pixels.shape[:2]) < _CELL * 8:
        return None
    means = [pixels[top + 2 : top + 6, left + 2 : left + 6].mean() for top, left in _cells(pixels)]
    word = int("".join("1" if mean > 127 else "0" for mean in means), 2)
    number = word >> _CHECK
    return number if word & 0xFF == _check(number) and all(mean < 64 or mean > 191 for mean in means) else None


def _cells(pixels: Pixels) -> list[tuple[int, int]]:
    a_row = min(_BITS + _CHECK, pixels.shape[1] // _CELL)
    return [(n // a_row * _CELL, n % a_row * _CELL) for n in range(_BITS + _CHECK)]


def _check(number: int) -> int:
    return hashlib.sha256(f"mark {number & 0xFFFFFFFF}".encode()).digest()[0]


Dice: TypeAlias = np.random.Generator


def _photo(dice: Dice, size: Size) -> Pixels:
    """A landscape: sky, a sun, hills one behind the other in haze, cloudy light over all of it, and film grain."""
    width, height = _reduced(size, 8)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    top, glow = dice.uniform((30, 60, 110), (110, 150, 220)), dice.uniform((150, 120, 90), (225, 205, 190))
    scene = top + (glow - top) * np.minimum(1, down * dice.uniform(1.2, 2))[..., None]
    scene = np.broadcast_to(scene, (height, width, 3)).astype(np.float32)
    x = np.linspace(0, width / height, width, dtype=np.float32)[None]
    sun = np.exp(-(((x - dice.uniform(0.2, 0.8)) ** 2 + (down - dice.uniform(0.1, 0.4)) ** 2) / 0.003))
    scene += sun[..., None] * (230 - scene)
    ground, layers = dice.uniform((15, 40, 20), (80, 100, 80)), int(dice.integers(3, 6))
    for layer in range(layers):
        ridge = 0.35 + 0.5 * layer / layers + 0.07 * _ridge(dice, width)
        near = (layer + 1) / layers
        scene = np.where((down > ridge)[..., None], glow * (1 - near) * 0.7 + ground * (0.4 + 0.6 * near), scene)
    for cells, strength in ((5, 12.0), (40, 7.0)):
        scene += _cloud(dice, (width, height), cells) * np.float32(strength)
    return _grained(_enlarged(_levels(scene), size), dice, int(dice.integers(4, 12)))


def _noise(dice: Dice, size: Size) -> Pixels:
    """Strong grain on a colour."""
    ground = np.empty((2, 2, 3), np.uint8)
    ground[:] = dice.integers(20, 170, 3, dtype=np.uint8)
    return _grained(_enlarged(ground, size), dice, 64)


def _gradient(dice: Dice, size: Size) -> Pixels:
    """One colour running into another, straight or round."""
    width, height = _reduced(size, 16)
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle = dice.uniform(0, 2 * np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle)) / 2 if dice.random() < 0.6 else np.hypot(x, y) - 0.5
    share = np.clip(along + 0.5, 0, 1)[..., None]
    start, end = dice.uniform(10, 220, 3), dice.uniform(10, 220, 3)
    return _enlarged(_levels(start + (end - start) * share), size)


def _vector(dice: Dice, size: Size) -> Pixels:
    """Flat shapes with hard edges."""
    width, height = size
    image = Image.new("RGB", size, _colour(dice, 20, 220))
    pen = ImageDraw.Draw(image)
    for _ in range(int(dice.integers(8, 24))):
        x, y = float(dice.uniform(-0.1, 1) * width), float(dice.uniform(-0.1, 1) * height)
        reach = float(dice.uniform(0.05, 0.4) * min(size))
        corners = [(x, y), (x + reach, y + reach * 0.3), (x + reach * 0.4, y + reach)]
        match int(dice.integers(3)):
            case 0:
                pen.ellipse((x, y, x + reach, y + reach), fill=_colour(dice, 20, 220))
            case 1:
                pen.rectangle((x, y, x + reach, y + reach * 0.6), fill=_colour(dice, 20, 220))
            case _:
                pen.polygon(corners, fill=_colour(dice, 20, 220))
    return np.array(image)


def _page(dice: Dice, size: Size) -> Pixels:
    """Lines of letters, light on dark or dark on light."""
    ink, paper = _colour(dice, 0, 70), _colour(dice, 190, 230)
    if dice.random() < 0.5:
        ink, paper = paper, ink
    tile = Image.new("RGB", (min(size[0], 1024), min(size[1], 1024)), paper)
    pen = ImageDraw.Draw(tile)
    height = int(dice.integers(14, 30))
    font = ImageFont.load_default(height)
    letters = np.array(list("aabcdeeefghiiklmnooprsttuvwy    "))
    for line in range(0, tile.height, height + height // 3):
        pen.text((0, line), "".join(dice.choice(letters, tile.width // height * 3)), ink, font=font)
    width, tall = size
    repeats = (-(-tall // tile.height), -(-width // tile.width), 1)
    return np.ascontiguousarray(np.tile(np.asarray(tile), repeats)[:tall, :width])


_PAINTERS: Final[dict[Kind, Callable[[Dice, Size], Pixels]]] = {
    "photo": _photo,
    "vector": _vector,
    "gradient": _gradient,
    "noise": _noise,
    "page": _page,
}


def _colour(dice: Dice, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in dice.integers(low, high, 3))
    return red, green, blue


def _reduced(size: Size, by: int) -> Size:
    return max(2, -(-size[0] // by)), max(2, -(-size[1] // by))


def _cloud(dice: Dice, size: Size, cells: int) -> NDArray[np.float32]:
    """Smooth values about 0, one hill or valley per cell."""
    grid = Image.fromarray(dice.standard_normal((min(cells, size[1]), cells)).astype(np.float32))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC))[..., None]


def _ridge(dice: Dice, width: int) -> NDArray[np.float32]:
    """One row of hills and valleys about 0."""
    row = np.zeros((1, width), np.float32)
    for cells in (4, 9, 30):
        row += _cloud(dice, (width, 1), cells)[..., 0] / np.float32(cells**0.6)
    return row


def _levels(values: NDArray[np.floating]) -> Pixels:
    """To 8 bits, with room for grain above and below."""
    levels: Pixels = np.clip(values + 0.5, 6, 232).astype(np.uint8)
    return levels


def _enlarged(pixels: Pixels, size: Size) -> Pixels:
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _grained(pixels: Pixels, dice: Dice, strength: int) -> Pixels:
    """Add 0..strength to every value, in place; a tile of grain is repeated."""
    width = pixels.shape[1]
    tile = dice.integers(0, strength, (_TILE, _TILE, 3), dtype=np.uint8)
    band = np.tile(tile, (1, -(-width // _TILE), 1))[:, :width]
    for top in range(0, pixels.shape[0], _TILE):
        rows = pixels[top : top + _TILE]
        np.minimum(rows, 256 - strength, out=rows)
        rows += band[: len(rows)]
    return pixels
