"""Damaged and hostile files: an answer or a documented error, bounded memory, and never half an image."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gemgate.errors import BadRequest, TooLarge, UnsupportedMedia
from gemgate.imaging import UnsupportedImage, clean, measure, tag_provenance, thumbnail
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from tests.support.image_files import chunk, encoded, header_chunk, png
from tests.support.image_kinds import paint

MARKED = draw(paint("leaves", 61, 140, 150), V1_SMALL)
IMAGE = Image.fromarray(MARKED)
XMP = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
SEEDS = {
    "png": png(MARKED, before=[(b"iTXt", XMP)], piece=3000),
    "png alpha": encoded(IMAGE.convert("RGBA"), "PNG"),
    "png palette": encoded(IMAGE.quantize(64), "PNG"),
    "png 16 bits": encoded(IMAGE.convert("I;16"), "PNG"),
    "png animated": encoded(IMAGE, "PNG", save_all=True, append_images=[IMAGE.rotate(90)]),
    "jpeg": encoded(IMAGE, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "jpeg progressive": encoded(IMAGE, "JPEG", quality=90, progressive=True),
    "jpeg cmyk": encoded(IMAGE.convert("CMYK"), "JPEG"),
    "webp": encoded(IMAGE, "WEBP", quality=90, xmp=b"<x/>"),
    "webp lossless": encoded(IMAGE, "WEBP", lossless=True),
    "webp animated": encoded(IMAGE, "WEBP", save_all=True, append_images=[IMAGE.rotate(90)]),
    "gif": encoded(IMAGE, "GIF"),
    "avif": encoded(IMAGE, "AVIF"),
}


def try_everything(data: bytes) -> None:
    """Every public function that reads a file, on this one; what comes back whole must open."""
    with suppress(BadRequest, UnsupportedMedia, TooLarge):
        header = measure(data)
        assert 0 < header.width * header.height <= 50_000_000
    cleaned = clean(data)
    assert cleaned.logo in {"removed", "absent", "kept"}
    if cleaned.logo == "removed":
        Image.open(io.BytesIO(cleaned.data)).load()
        assert measure(cleaned.data) == measure(data)
    else:
        assert cleaned.data is data
    for changed in (False, True):
        stamped = tag_provenance(data, changed)
        if stamped.provenance == "left" and stamped.c2pa != "dropped":
            assert stamped.data is data
    with suppress(BadRequest, UnsupportedMedia, TooLarge, UnsupportedImage):
        thumbnail(data, 32)


@pytest.mark.parametrize("form", SEEDS)
def test_every_seed_is_what_it_says(form):
    Image.open(io.BytesIO(SEEDS[form])).load()
    try_everything(SEEDS[form])


@settings(max_examples=120)
@given(form=st.sampled_from(sorted(SEEDS)), share=st.floats(0, 1), tail=st.binary(max_size=8))
def test_a_file_cut_anywhere_is_an_answer(form, share, tail):
    data = SEEDS[form]
    try_everything(data[: int(len(data) * share)] + tail)


@settings(max_examples=300)
@given(
    form=st.sampled_from(sorted(SEEDS)),
    places=st.lists(st.tuples(st.floats(0, 1) | st.floats(0, 0.02), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_file_with_wrong_bytes_is_an_answer(form, places):
    data = bytearray(SEEDS[form])
    for share, byte in places:
        data[min(int(len(data) * share), len(data) - 1)] = byte
    try_everything(bytes(data))


@settings(max_examples=200)
@given(form=st.sampled_from(sorted(form for form in SEEDS if "png" in form)), data=st.data())
def test_a_png_whose_checksums_are_right_but_whose_chunks_are_not_is_an_answer(form, data):
    """Chunks changed, dropped, doubled and shuffled, each with its proper CRC."""
    file, parts, at = SEEDS[form], [], 8
    while at < len(file):
        length = int.from_bytes(file[at : at + 4], "big")
        parts.append((file[at + 4 : at + 8], file[at + 8 : at + 8 + length]))
        at += 12 + length
    index = data.draw(st.integers(0, len(parts) - 1))
    kind, body = parts[index]
    match data.draw(st.sampled_from(["change", "drop", "double", "empty", "move"])):
        case "change" if body:
            place = data.draw(st.integers(0, len(body) - 1))
            parts[index] = kind, body[:place] + data.draw(st.binary(min_size=1, max_size=4)) + body[place + 1 :]
        case "drop":
            del parts[index]
        case "double":
            parts.insert(index, parts[index])
        case "empty":
            parts[index] = kind, b""
        case _:
            parts.append(parts.pop(index))
    try_everything(file[:8] + b"".join(chunk(*part) for part in parts))


@settings(max_examples=60)
@given(
    st.binary(max_size=400), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b"GIF89a"])
)
def test_noise_behind_a_signature_is_an_answer(noise, signature):
    try_everything(signature + noise)


def bomb(width: int, height: int, stream: bytes, depth: int = 8, colour: int = 2) -> bytes:
    parts = header_chunk(width, height, depth, colour), chunk(b"IDAT", stream), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def peak_of(data: bytes) -> int:
    """Bytes that Python and NumPy allocate at most while the file is cleaned."""
    clean(SEEDS["png"])
    tracemalloc.start()
    try:
        clean(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_stream_that_inflates_to_far_more_than_the_image_costs_no_more_than_the_image():
    data = bomb(200, 200, zlib.compress(bytes(300 << 20), 9))
    assert clean(data).data is data
    assert peak_of(data) < 1 << 20


def test_a_header_that_claims_far_more_than_the_stream_has_is_damaged():
    data = bomb(7000, 7000, zlib.compress(b"nothing"))
    cleaned = clean(data)
    assert cleaned.data is data
    assert "more or fewer" in cleaned.note.en


def test_a_header_above_the_limit_allocates_nothing():
    data = bomb(60_000, 60_000, zlib.compress(b"nothing"))
    assert "60000x60000" in clean(data).note.en
    assert peak_of(data) < 1 << 20


def test_a_text_chunk_that_inflates_without_end_is_not_followed():
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(200 << 20), 9)
    data = png(MARKED, before=[(b"iTXt", text)])
    tracemalloc.start()
    stamped = tag_provenance(data, changed=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (stamped.provenance, stamped.data) == ("left", data)
    assert peak < 16 << 20
    assert clean(data).logo == "removed"


def test_a_jpeg_of_endless_scans_is_not_decoded():
    data = SEEDS["jpeg progressive"]
    scan = data.index(b"\xff\xda")
    cleaned = clean(data[:-2] + data[scan:-2] * 60 + b"\xff\xd9")
    assert cleaned.logo == "kept"
    assert "scans" in cleaned.note.en


@pytest.mark.parametrize(
    "damage", ["wrong crc", "wrong adler", "no end", "second stream", "gap", "bad filter", "ihdr twice"]
)
def test_a_png_that_is_damaged_somewhere_is_handed_back(damage):
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in MARKED))
    head, body, end = header_chunk(150, 140), chunk(b"IDAT", stream), chunk(b"IEND", b"")
    file = {
        "wrong crc": head + body[:-1] + bytes([body[-1] ^ 1]) + end,
        "wrong adler": head + chunk(b"IDAT", stream[:-1] + bytes([stream[-1] ^ 1])) + end,
        "no end": head + body,
        "second stream": head + chunk(b"IDAT", stream + stream) + end,
        "gap": head + chunk(b"IDAT", stream[:99]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", stream[99:]) + end,
        "bad filter": head + chunk(b"IDAT", zlib.compress(b"\5" + zlib.decompress(stream)[1:])) + end,
        "ihdr twice": head + head + body + end,
    }[damage]
    data = b"\x89PNG\r\n\x1a\n" + file
    cleaned = clean(data)
    if damage == "ihdr twice":
        assert cleaned.logo in {"removed", "kept"}
    else:
        assert cleaned.logo == "kept"
        assert cleaned.data is data
        assert cleaned.note.en


def test_pixels_of_one_row_or_column_are_no_trouble():
    for height, width in ((1, 1), (1, 500), (500, 1), (40, 500)):
        data = png(np.zeros((height, width, 3), np.uint8))
        assert clean(data).logo == "absent"
