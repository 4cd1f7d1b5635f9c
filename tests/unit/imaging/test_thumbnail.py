from __future__ import annotations

import io

import pytest
from PIL import Image

from gemgate.errors import TooLarge, UnsupportedMedia
from gemgate.imaging import UnsupportedImage, measure, thumbnail
from tests.support.image_files import encoded
from tests.support.image_kinds import paint


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_a_thumbnail_is_a_small_webp_of_the_same_shape(form):
    small = thumbnail(encoded(paint("leaves", 1, 300, 600), form), 100)
    header = measure(small)
    assert (header.mime, header.width, header.height) == ("image/webp", 100, 50)
    assert len(small) < 10_000


def test_a_small_image_is_not_blown_up_and_transparency_stays():
    image = Image.new("RGBA", (20, 10), (255, 0, 0, 100))
    small = Image.open(io.BytesIO(thumbnail(encoded(image, "PNG"))))
    assert (small.size, small.mode) == ((20, 10), "RGBA")


def test_damaged_foreign_and_huge_files_are_errors():
    data = encoded(paint("leaves", 1, 300, 300), "JPEG")
    with pytest.raises(UnsupportedImage):
        thumbnail(encoded(paint("leaves", 1, 300, 300), "PNG")[:5000])
    with pytest.raises(UnsupportedMedia):
        thumbnail(b"text")
    with pytest.raises(TooLarge):
        thumbnail(data, max_pixels=1000)
