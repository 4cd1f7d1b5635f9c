from __future__ import annotations

import re
from contextlib import suppress

import pytest
from PIL import Image

from gemgate.errors import BadRequest, TooLarge, UnsupportedMedia
from gemgate.imaging import Header, measure
from tests.support.image_files import chunk, encoded, header_chunk

SMALL = Image.new("RGB", (37, 23), (10, 200, 30))
ALPHA = Image.new("RGBA", (37, 23), (10, 200, 30, 99))

FILES = [
    ("PNG", SMALL, {}, Header("image/png", 37, 23)),
    ("PNG", SMALL.convert("1"), {}, Header("image/png", 37, 23, 1)),
    ("PNG", SMALL.convert("I;16"), {}, Header("image/png", 37, 23, 16)),
    ("PNG", SMALL, {"save_all": True, "append_images": [ALPHA]}, Header("image/png", 37, 23, 8, animated=True)),
    ("JPEG", SMALL, {}, Header("image/jpeg", 37, 23)),
    ("JPEG", SMALL, {"progressive": True, "exif": b"Exif\0\0" + b"x" * 60_000}, Header("image/jpeg", 37, 23)),
    ("JPEG", SMALL.convert("CMYK"), {}, Header("image/jpeg", 37, 23)),
    ("WEBP", SMALL, {}, Header("image/webp", 37, 23)),
    ("WEBP", SMALL, {"lossless": True}, Header("image/webp", 37, 23)),
    ("WEBP", ALPHA, {"exif": b"Exif\0\0MM"}, Header("image/webp", 37, 23)),
    ("WEBP", SMALL, {"save_all": True, "append_images": [ALPHA]}, Header("image/webp", 37, 23, 8, animated=True)),
    ("GIF", SMALL, {}, Header("image/gif", 37, 23)),
    ("AVIF", SMALL, {}, Header("image/avif", 37, 23)),
]


@pytest.mark.parametrize(("form", "image", "options", "expected"), FILES, ids=range(len(FILES)))
def test_type_and_size_are_read_from_the_header(form, image, options, expected):
    assert measure(encoded(image, form, **options)) == expected


def test_a_heic_gives_its_largest_item_and_depth():
    def box(kind, body):
        return (len(body) + 8).to_bytes(4, "big") + kind + body

    def ispe(width, height):
        return box(b"ispe", b"\0" * 4 + width.to_bytes(4, "big") + height.to_bytes(4, "big"))

    properties = box(b"ipco", ispe(512, 512) + ispe(4032, 3024) + box(b"pixi", b"\0\0\0\0\3\x0a\x0a\x0a"))
    meta = box(b"meta", b"\0\0\0\0" + box(b"hdlr", b"\0" * 20) + box(b"iprp", properties))
    assert measure(box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta) == Header("image/heic", 4032, 3024, 10)


def test_only_the_first_bytes_are_needed():
    for form, image, options, expected in FILES:
        data = encoded(image, form, **options)
        if form in {"PNG", "GIF", "WEBP"}:
            assert measure(data[:64]).width == expected.width


def test_a_bomb_is_refused_by_what_it_claims():
    bomb = b"\x89PNG\r\n\x1a\n" + header_chunk(60_000, 60_000) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(TooLarge, match="60000x60000") as refused:
        measure(bomb)
    assert "像素" in refused.value.zh
    assert measure(bomb, max_pixels=0).width == 60_000
    assert measure(encoded(SMALL, "PNG"), max_pixels=37 * 23).height == 23


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"<svg/>", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypisom" + b"\0" * 40]
)
def test_other_files_are_unsupported(data):
    with pytest.raises(UnsupportedMedia) as refused:
        measure(data)
    assert re.search("[\u4e00-\u9fff]", refused.value.zh)


def test_every_cut_of_every_header_is_an_answer_or_a_documented_error():
    for form, image, options, _ in FILES:
        data = encoded(image, form, **options)
        for end in range(min(len(data), 700)):
            with suppress(BadRequest, UnsupportedMedia, TooLarge):
                measure(data[:end])


def test_extensions_are_those_of_the_bytes():
    assert measure(encoded(SMALL, "JPEG")).extension == "jpg"
    assert measure(encoded(SMALL, "WEBP")).extension == "webp"
