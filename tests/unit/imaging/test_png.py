"""PNG by surgery: the logo's pixels change, and nothing else in the file does."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from gemgate.imaging import clean, deflate
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_LARGE, V1_SMALL, V2_SMALL
from tests.support.image_files import chunk, chunks_of, decoded, encoded, filtered, header_chunk, png
from tests.support.image_kinds import paint

BEFORE = [
    (b"iCCP", b"own profile\0\0" + zlib.compress(b"not really a profile")),
    (b"caBX", b"\0\0\0\x20jumb manifest that clean leaves to stamp"),
    (b"tEXt", b"Comment\0before the pixels"),
]
AFTER = [
    (b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
    (b"prVt", b"somebody's own"),
]


def box_of(profile, pixels):
    bottom, right = pixels.shape[0] - profile.bottom, pixels.shape[1] - profile.right
    return np.s_[bottom - profile.size : bottom, right - profile.size : right]


def assert_only_the_box_changed(cleaned, marked, plain, profile, mode="RGB"):
    """Inside at most one level off the image without the logo, outside not one pixel off the one with it."""
    box = box_of(profile, marked)
    found = decoded(cleaned, mode).reshape(marked.shape)
    assert np.abs(found[box] - plain[box].astype(np.int16)).max() <= 1
    found[box] = marked[box]
    assert np.array_equal(found, marked)


@pytest.mark.parametrize(
    "filters", [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4), (4, 3, 2), (0, *[4] * 600)], ids=str
)
@pytest.mark.parametrize("profile", [V1_SMALL, V1_LARGE], ids=lambda profile: profile.name)
def test_whatever_the_row_filters_only_the_box_changes(filters, profile):
    plain = paint("leaves", 11, 520, 417)
    marked = draw(plain, profile)
    cleaned = clean(png(marked, filters=filters))
    assert (cleaned.logo, cleaned.profile) == ("removed", profile.name)
    assert_only_the_box_changed(cleaned.data, marked, plain, profile)


@pytest.mark.parametrize("filters", [(2,), (4,), (3, 4)], ids=str)
def test_rows_that_lean_on_each_other_for_many_bands_are_read_right(filters):
    plain = paint("landscape", 3, 1100, 300)
    marked = draw(plain, V2_SMALL)
    cleaned = clean(png(marked, filters=filters))
    assert cleaned.logo == "removed"
    assert_only_the_box_changed(cleaned.data, marked, plain, V2_SMALL)


@pytest.mark.parametrize(
    "written",
    [
        {"piece": 1 << 30},
        {"piece": 100},
        {"piece": 8192, "level": 1},
        {"level": 9, "window": 12},
        {"level": 6, "window": 9},
        {"level": 0},
        {"strategy": zlib.Z_HUFFMAN_ONLY},
        {"strategy": zlib.Z_FIXED},
        {"strategy": zlib.Z_RLE, "level": 1},
    ],
    ids=str,
)
def test_whatever_the_deflater_did_the_result_is_a_sound_file(written):
    plain = paint("portrait", 5, 600, 500)
    marked = draw(plain, V1_SMALL)
    before = png(marked, **written)
    cleaned = clean(before)
    assert cleaned.logo == "removed"
    assert_only_the_box_changed(cleaned.data, marked, plain, V1_SMALL)
    stream = b"".join(body for kind, body in chunks_of(cleaned.data) if kind == b"IDAT")
    assert len(zlib.decompress(stream)) == 600 * (1 + 500 * 3)


def test_every_chunk_and_the_start_of_the_pixels_stay_byte_for_byte():
    marked = draw(paint("fractal", 6, 900, 800), V1_SMALL)
    before = png(marked, before=BEFORE, after=AFTER)
    after = clean(before).data
    others = [each for each in chunks_of(before) if each[0] != b"IDAT"]
    assert [each for each in chunks_of(after) if each[0] != b"IDAT"] == others
    old = [body for kind, body in chunks_of(before) if kind == b"IDAT"]
    new = [body for kind, body in chunks_of(after) if kind == b"IDAT"]
    assert new[:-1] == old[: len(new) - 1]
    assert sum(map(len, new[:-1])) > 0.75 * sum(map(len, old))
    assert abs(len(after) - len(before)) < 0.1 * len(before)


def test_row_filters_stay_what_they_were():
    marked = draw(paint("grain", 2, 400, 400), V1_SMALL)
    stream = [
        zlib.decompress(b"".join(body for kind, body in chunks_of(data) if kind == b"IDAT"))
        for data in (png(marked), clean(png(marked)).data)
    ]
    assert stream[0][:: 1 + 400 * 3] == stream[1][:: 1 + 400 * 3]


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_grey_colour_and_alpha_with_and_without_interlacing(mode, channels, interlaced):
    plain = paint("vector", 8, 400, 410)
    colours = plain if channels >= 3 else plain[..., :1]
    alpha = np.full((400, 410, 1), 255, np.uint8)
    alpha[:50] = 17
    marked = draw(colours, V1_SMALL)
    pixels, plain = (
        np.concatenate([each, alpha], axis=2) if channels in {2, 4} else each for each in (marked, colours)
    )
    data = interlaced_png(pixels) if interlaced else png(pixels, before=BEFORE)
    assert decoded(data, mode).reshape(pixels.shape).tolist() == pixels.tolist()
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    assert_only_the_box_changed(cleaned.data, pixels, plain, V1_SMALL, mode)
    kinds = [kind for kind, _ in chunks_of(cleaned.data) if kind != b"IDAT"]
    assert kinds == [kind for kind, _ in chunks_of(data) if kind != b"IDAT"]


def interlaced_png(pixels, depth=8, colour=None, extra=()):
    """Adam7, written from the specification."""
    height, width, channels = pixels.shape
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b"".join(filtered(pixels[y::dy, x::dx], (1,)) for y, x, dy, dx in passes)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
    parts = [header_chunk(width, height, depth, colour, 1), *(chunk(*each) for each in (*BEFORE, *extra))]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")])


def test_a_logo_on_transparent_ground_is_left_alone():
    marked = draw(paint("leaves", 9, 300, 300), V1_SMALL)
    alpha = np.full((300, 300, 1), 200, np.uint8)
    data = png(np.concatenate([marked, alpha], axis=2))
    cleaned = clean(data)
    assert (cleaned.logo, cleaned.profile) == ("kept", "v1-48")
    assert cleaned.data is data
    assert "transparent" in cleaned.note.en


def kept_kinds():
    marked = draw(paint("portrait", 10, 300, 320), V1_SMALL)
    palette = Image.fromarray(marked).quantize(256)
    deep = (draw(paint("portrait", 10, 300, 320)[..., :1], V1_SMALL)[..., 0].astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in deep)
    sixteen = header_chunk(320, 300, 16, 0) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    frames = [Image.fromarray(marked), Image.fromarray(marked[::-1])]
    return {
        "palette": encoded(palette, "PNG"),
        "16 bits": b"\x89PNG\r\n\x1a\n" + sixteen,
        "animated": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "transparent colour": png(marked, before=[(b"tRNS", b"\0\1\0\2\0\3")]),
    }


@pytest.mark.parametrize("kind", ["palette", "16 bits", "animated", "transparent colour"])
def test_kinds_that_would_lose_something_are_looked_at_but_kept(kind):
    data = kept_kinds()[kind]
    cleaned = clean(data)
    assert (cleaned.logo, cleaned.profile) == ("kept", "v1-48")
    assert cleaned.data is data
    assert "left alone" in cleaned.note.en


def test_without_zlib_in_reach_the_result_is_the_same_image(monkeypatch):
    plain = paint("leaves", 12, 400, 400)
    data = png(draw(plain, V1_SMALL), before=BEFORE, after=AFTER)
    usual = clean(data)
    monkeypatch.setattr(deflate, "_library", lambda: None)
    other = clean(data)
    assert other.logo == "removed"
    assert np.array_equal(decoded(usual.data), decoded(other.data))
    assert [each for each in chunks_of(other.data) if each[0] != b"IDAT"] == [
        each for each in chunks_of(usual.data) if each[0] != b"IDAT"
    ]


def test_a_file_of_very_many_blocks_is_read_without_noting_them_all(monkeypatch):
    monkeypatch.setattr(deflate, "MAX_BOUNDARIES", 50)
    plain = paint("leaves", 13, 300, 300)
    marked = draw(plain, V1_SMALL)
    deflater = zlib.compressobj(6)
    stream = b""
    for row in range(300):
        stream += deflater.compress(filtered(marked, (1,))[row * 901 : (row + 1) * 901])
        stream += deflater.flush(zlib.Z_FULL_FLUSH)
    stream += deflater.flush()
    data = b"\x89PNG\r\n\x1a\n" + header_chunk(300, 300) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    assert_only_the_box_changed(cleaned.data, marked, plain, V1_SMALL)


def test_what_pillow_and_its_optimiser_write_is_surgery_too():
    plain = paint("noise", 14, 700, 640)
    marked = draw(plain, V1_SMALL)
    for options in ({}, {"optimize": True}, {"compress_level": 1}, {"compress_level": 0}):
        data = encoded(marked, "PNG", **options)
        cleaned = clean(data)
        assert cleaned.logo == "removed"
        assert_only_the_box_changed(cleaned.data, marked, plain, V1_SMALL)
        assert cleaned.data[: len(data) // 2] == data[: len(data) // 2]
    assert Image.open(io.BytesIO(data)).size == (640, 700)
