"""JPEG and WebP: encoded again like themselves, with everything round the pixels byte for byte."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from gemgate.imaging import clean, jpeg, webp
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from tests.support.image_files import decoded, encoded
from tests.support.image_kinds import paint

ICC = b"\0\0\0\x18" + b"not really a profile"


def box_mean(data, reference, profile):
    """Mean error in the logo's box against the same image without the logo, saved the same way."""
    error = np.abs(decoded(data) - decoded(reference))
    bottom, right = error.shape[0] - profile.bottom, error.shape[1] - profile.right
    return float(error[bottom - profile.size : bottom, right - profile.size : right].mean())


def metadata_of(data):
    return [data[each.start : each.end] for each in jpeg.segments(data) if each.is_metadata]


@pytest.mark.parametrize(
    "written",
    [
        {"quality": 95, "subsampling": 0},
        {"quality": 92, "subsampling": 1},
        {"quality": 90, "subsampling": 2},
        {"quality": 90, "progressive": True},
        {"quality": 85, "optimize": True},
        {"qtables": [[3] * 64, [5] * 64], "subsampling": 0},
        {"qtables": [[4] * 64], "subsampling": 0},
    ],
    ids=str,
)
def test_a_jpeg_keeps_its_tables_subsampling_scan_order_and_size(written):
    data = encoded(draw(paint("portrait", 21, 640, 600), V1_SMALL), "JPEG", **written)
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    old, new = (Image.open(io.BytesIO(each)) for each in (data, cleaned.data))
    assert new.quantization == old.quantization
    assert JpegImagePlugin.get_sampling(new) == JpegImagePlugin.get_sampling(old)
    assert new.info.get("progressive") == old.info.get("progressive")
    assert abs(len(cleaned.data) - len(data)) < 0.15 * len(data)


def test_a_jpegs_metadata_and_what_follows_its_end_stay_byte_for_byte():
    marked = draw(paint("landscape", 22, 500, 500), V1_SMALL)
    exif = Image.Exif()
    exif[0x010E] = "a description"
    data = encoded(marked, "JPEG", quality=93, exif=exif, icc_profile=ICC, comment=b"hello", dpi=(300, 300))
    foreign = jpeg.segment(jpeg.APP11, b"JP\0\1\0\0\0\1" + b"\0\0\0\x20jumb" + b"somebody's box")
    data = data[:2] + foreign + data[2:] + b"trailing bytes of a motion photo"
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    assert metadata_of(cleaned.data) == metadata_of(data)
    assert len(metadata_of(data)) == 5
    assert cleaned.data.endswith(b"\xff\xd9trailing bytes of a motion photo")


def test_a_grey_jpeg_stays_grey():
    marked = draw(paint("leaves", 23, 400, 400)[..., :1], V1_SMALL)[..., 0]
    cleaned = clean(encoded(marked, "JPEG", quality=95))
    assert cleaned.logo == "removed"
    assert Image.open(io.BytesIO(cleaned.data)).mode == "L"


def kept_jpegs():
    marked = Image.fromarray(draw(paint("leaves", 24, 300, 300), V1_SMALL))
    plain = encoded(marked, "JPEG", quality=95)
    return {
        "CMYK": encoded(marked.convert("CMYK"), "JPEG", quality=95),
        "RGB": encoded(marked, "JPEG", quality=95, keep_rgb=True),
        "several pictures": plain[:2] + jpeg.segment(jpeg.APP2, b"MPF\0II*\0") + plain[2:],
    }


@pytest.mark.parametrize("kind", ["CMYK", "RGB", "several pictures"])
def test_jpegs_that_cannot_be_written_again_are_left_alone(kind):
    data = kept_jpegs()[kind]
    cleaned = clean(data)
    assert cleaned.logo == "kept"
    assert cleaned.data is data
    assert cleaned.note.en


def test_a_lossless_webp_stays_lossless_and_exact():
    plain = paint("portrait", 25, 400, 420)
    marked = draw(plain, V1_SMALL)
    data = encoded(marked, "WEBP", lossless=True)
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    assert {each.kind for each in webp.chunks(cleaned.data)} == {b"VP8L"}
    difference = np.abs(decoded(cleaned.data) - plain)
    assert difference[-80:-32, -80:-32].max() <= 1
    difference[-80:-32, -80:-32] = 0
    assert difference.max() == 0


def test_a_lossless_webp_keeps_its_colours_under_transparency():
    marked = draw(paint("leaves", 26, 300, 300), V1_SMALL)
    alpha = np.full((300, 300, 1), 255, np.uint8)
    alpha[:40] = 0
    pixels = np.concatenate([marked, alpha], axis=2)
    cleaned = clean(encoded(pixels, "WEBP", lossless=True, exact=True))
    assert cleaned.logo == "removed"
    after = decoded(cleaned.data, "RGBA")
    after[-80:-32, -80:-32] = pixels[-80:-32, -80:-32]
    assert np.array_equal(after, pixels)


@pytest.mark.parametrize("quality", [75, 90, 95])
@pytest.mark.parametrize("kind", ["leaves", "portrait", "page", "noise"])
def test_a_lossy_webps_quality_is_read_off_its_quantisers(kind, quality):
    data = encoded(paint(kind, 27, 400, 400), "WEBP", quality=quality)
    vp8 = next(each.body for each in webp.chunks(data) if each.kind == b"VP8 ")
    assert -4 <= webp.quality_of(vp8) - quality <= 12


def test_a_lossy_webp_keeps_its_metadata_and_about_its_size():
    plain = paint("leaves", 28, 500, 520)
    written = {"quality": 90, "icc_profile": ICC, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0", "xmp": b"<x/>"}
    data = encoded(draw(plain, V1_SMALL), "WEBP", **written)
    data = webp.assemble([*webp.chunks(data), webp.Chunk(b"OWN ", b"odd")])
    cleaned = clean(data)
    assert cleaned.logo == "removed"
    kinds = [each.kind for each in webp.chunks(data)]
    assert (
        [each.kind for each in webp.chunks(cleaned.data)]
        == kinds
        == [*(b"VP8X", b"ICCP", b"VP8 ", b"EXIF", b"XMP ", b"OWN ")]
    )
    others = [each for each in webp.chunks(data) if each.kind != b"VP8 "]
    assert [each for each in webp.chunks(cleaned.data) if each.kind != b"VP8 "] == others
    assert abs(len(cleaned.data) - len(data)) < 0.2 * len(data)
    assert box_mean(cleaned.data, encoded(plain, "WEBP", quality=90), V1_SMALL) < 6


def test_an_animated_webp_is_left_alone():
    frames = [Image.fromarray(draw(paint("leaves", seed, 200, 200), V1_SMALL)) for seed in (1, 2)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    cleaned = clean(data)
    assert (cleaned.logo, cleaned.data) == ("kept", data)
    assert "animated" in cleaned.note.en
