"""Paintings, their files, their sizes and the links' options: all pure."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gemgate.imaging import clean, measure
from gemgate.imaging.containers import open_container
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_LARGE, V2_SMALL
from gemgate.imaging.xmp import with_source
from gemgate_simulator.encode import Options, caption, captioned, encoded, options, sized
from gemgate_simulator.paint import (
    KINDS,
    Kind,
    Mime,
    Painting,
    decoded,
    edited,
    fingerprint,
    frame_width,
    mark,
    painted,
    profile_of,
    read_mark,
    seed_of,
    stamped,
)
from gemgate_simulator.sizes import ASPECTS, Resolution, aspect_of, official, within

TYPES: tuple[Mime, ...] = ("image/png", "image/jpeg", "image/webp")


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_decides_every_pixel(kind: Kind) -> None:
    one = painted(kind, seed_of("a cat"), (640, 401))
    assert one.shape == (401, 640, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, painted(kind, seed_of("a cat"), (640, 401)))
    assert not np.array_equal(one, painted(kind, seed_of("a dog"), (640, 401)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(8, 8), (9, 300), (1584, 672), (513, 511)])
def test_every_kind_can_be_painted_at_every_size(kind: Kind, size: tuple[int, int]) -> None:
    pixels = painted(kind, 1, size)
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.flags.writeable


def test_the_kinds_look_different() -> None:
    def colours(kind: Kind) -> int:
        return len(np.unique(painted(kind, 3, (256, 256)).reshape(-1, 3), axis=0))

    assert colours("vector") < 40 < colours("gradient") < colours("photo")
    steps = np.abs(np.diff(painted("gradient", 3, (512, 512)).astype(int), axis=0))
    assert steps.max() <= 6
    assert np.abs(np.diff(painted("noise", 3, (256, 256)).astype(int), axis=0)).mean() > 10


@pytest.mark.parametrize(
    ("aspect", "resolution", "size"),
    [
        ("1:1", "1K", (1024, 1024)),
        ("16:9", "1K", (1376, 768)),
        ("9:16", "1K", (768, 1376)),
        ("1:1", "2K", (2048, 2048)),
        ("16:9", "2K", (2816, 1536)),
        ("9:16", "2K", (1536, 2752)),
        ("2:3", "2K", (1696, 2528)),
        ("21:9", "2K", (3168, 1344)),
        ("1:1", "4K", (4096, 4096)),
        ("16:9", "4K", (5632, 3072)),
        ("2:3", "0.5K", (424, 632)),
        ("4:5", "0.5K", (464, 576)),
    ],
)
def test_sizes_are_the_official_ones(aspect: str, resolution: Resolution, size: tuple[int, int]) -> None:
    assert official(aspect, resolution) == size


@pytest.mark.parametrize(
    ("prompt", "aspect"),
    [
        ("a cat", "1:1"),
        ("Generate an image. Aspect ratio 16:9.\n\na cat", "16:9"),
        ("画一只猫，比例 3：4", "3:4"),
        ("a cat in landscape format", "16:9"),
        ("竖版海报", "9:16"),
        ("an aspect ratio of 16:10 please", "3:2"),
        ("a clock that shows 10:10", "1:1"),
        ("train at 12:45:10", "1:1"),
        ("a portrait of a man", "1:1"),
    ],
)
def test_the_aspect_is_read_from_the_prompt(prompt: str, aspect: str) -> None:
    assert aspect_of(prompt) == aspect
    assert aspect in ASPECTS


def test_a_limit_makes_sizes_smaller_in_proportion() -> None:
    assert within((2816, 1536), 1408) == (1408, 768)
    assert within((1024, 1024), 2048) == (1024, 1024)
    assert within((1024, 10), None) == (1024, 10)


@pytest.mark.parametrize(
    ("generation", "size", "profile"),
    [
        ("v1", (1024, 1024), V1_SMALL),
        ("v1", (1376, 768), V1_SMALL),
        ("v1", (2048, 2048), V1_LARGE),
        ("v2", (1024, 1024), V2_SMALL),
        ("v2", (2816, 1536), V2_LARGE),
        ("none", (1024, 1024), None),
        ("v1", (60, 60), None),
    ],
)
def test_the_logo_goes_by_generation_and_size(generation: str, size: tuple[int, int], profile: object) -> None:
    assert profile_of(generation, size) == profile  # type: ignore[arg-type]


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["photo", "vector", "gradient"])
def test_the_stamp_is_one_that_imaging_finds_and_lifts(generation: str, kind: Kind) -> None:
    found = 0
    for seed in range(6):
        plain = painted(kind, seed, (1376, 768))
        profile = profile_of(generation, (1376, 768))  # type: ignore[arg-type]
        assert profile is not None
        result = clean(encoded(stamped(plain, profile), Painting()))
        found += result.logo == "removed"
        if result.logo == "removed":
            assert np.abs(decoded(result.data).astype(int) - plain).max() <= 1
    assert found >= 5


def test_a_moved_logo_stands_where_its_profile_says() -> None:
    moved = replace(V1_SMALL, name="moved", right=200, bottom=150)
    plain = painted("vector", 1, (1024, 1024))
    profile = profile_of(moved, (1024, 1024))
    changed = np.argwhere((stamped(plain, profile) != plain).any(axis=2))
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    assert (left, top) >= (1024 - 248, 1024 - 198)
    assert (right, bottom) <= (1024 - 201, 1024 - 151)


def test_an_edit_is_the_negative_in_a_frame() -> None:
    reference = painted("photo", 2, (640, 480))
    result = edited(reference, 7, (640, 480))
    edge = frame_width((640, 480))
    inside = (slice(edge, -edge), slice(edge, -edge))
    assert np.array_equal(result[inside], 255 - reference[inside])
    assert len(np.unique(result[:edge].reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(result[0, 0], edited(reference, 8, (640, 480))[0, 0])
    assert edited(reference, 7, (320, 240)).shape == (240, 320, 3)


@pytest.mark.parametrize("mime", TYPES)
@pytest.mark.parametrize("extras", [{}, {"c2pa": True}, {"xmp": with_source(), "c2pa": True, "icc": True}])
def test_files_carry_what_they_are_told_to(mime: Mime, extras: dict[str, object]) -> None:
    pixels = painted("vector", 3, (512, 300))
    painting = Painting(mime=mime, quality=100, **extras)  # type: ignore[arg-type]
    data = encoded(pixels, painting)
    container = open_container(data, header := measure(data))
    assert (header.mime, header.width, header.height) == (mime, 512, 300)
    assert container.has_c2pa is bool(extras.get("c2pa"))
    assert container.xmp == extras.get("xmp")
    with Image.open(io.BytesIO(data)) as image:
        assert bool(image.info.get("icc_profile")) is bool(extras.get("icc"))
    difference = np.abs(decoded(data).astype(int) - pixels)
    assert difference.mean() < 4 if mime == "image/jpeg" else difference.max() == 0
    assert data == encoded(pixels, painting)


@pytest.mark.parametrize("mime", TYPES)
def test_a_caption_says_where_a_file_came_from(mime: Mime) -> None:
    data = encoded(painted("photo", 3, (64, 64)), Painting(mime=mime))
    noted = captioned(data, {"generation": 7, "prompt": "画一只猫"})
    assert caption(data) is None
    assert fingerprint(noted) == fingerprint(data)
    assert caption(noted) == (None if mime == "image/webp" else {"generation": 7, "prompt": "画一只猫"})
    assert caption(b"GIF89a") is None


@pytest.mark.parametrize("size", [(256, 256), (64, 64), (2048, 300)])
@pytest.mark.parametrize("number", [0, 1, 4242, 0xFFFFFFFF])
def test_a_mark_survives_lossy_files(size: tuple[int, int], number: int) -> None:
    pixels = painted("photo", 1, size)
    assert read_mark(pixels) is None
    mark(pixels, number)
    for mime in TYPES:
        assert read_mark(encoded(pixels, Painting(mime=mime, quality=80))) == number


def test_a_tiny_image_has_no_mark() -> None:
    assert read_mark(painted("photo", 1, (20, 20))) is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", Options()),
        ("s512", Options(512)),
        ("s1024-rj", Options(1024, "rj")),
        ("s0-d-I", Options(0, attachment=True, text=True)),
        ("d-I", Options(attachment=True, text=True)),
        ("s64-rw", Options(64, "rw")),
        ("x12", None),
        ("s1024-zz", None),
    ],
)
def test_options_of_links_are_read(words: str, wanted: Options | None) -> None:
    assert options(words) == wanted


def test_links_give_the_size_and_the_format_they_ask_for() -> None:
    data = encoded(painted("photo", 1, (1376, 768)), Painting())

    def got(words: str) -> tuple[str, int, int]:
        wanted = options(words)
        assert wanted is not None
        file, mime = sized(data, wanted)
        header = measure(file)
        assert mime == header.mime
        return header.mime, header.width, header.height

    assert got("s1024-rj") == ("image/jpeg", 1024, 572)
    assert got("s2048-rj") == ("image/jpeg", 1376, 768)
    assert got("s4096-rj") == ("image/jpeg", 1376, 768)
    assert got("s2048") == ("image/png", 1376, 768)
    assert got("") == ("image/png", 512, 286)
    assert got("s256-rw") == ("image/webp", 256, 143)
    whole = options("s0")
    assert whole is not None
    assert fingerprint(sized(data, whole)[0]) == fingerprint(data) == hashlib.sha256(decoded(data)).hexdigest()


@pytest.mark.parametrize(
    "wrong", [{"kind": "oil"}, {"mime": "image/gif"}, {"logo": "v3"}, {"size": (4, 4)}, {"size": (90_000, 10)}]
)
def test_a_painting_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"one of|pixels"):
        Painting(**wrong)  # type: ignore[arg-type]
