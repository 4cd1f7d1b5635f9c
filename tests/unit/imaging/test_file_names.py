"""Name and type of a file as Google gets them: they never disagree."""

from __future__ import annotations

import mimetypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.upstreams.web.file_names import fitting

MIMES = ["", "text/plain", "text/markdown", "application/pdf", "image/png", "image/jpeg", "application/octet-stream"]


@pytest.mark.parametrize(
    ("name", "mime", "expected"),
    [
        ("cat.png", "image/png", ("cat.png", "image/png")),
        ("cat.png", "image/jpeg", ("cat.png.jpg", "image/jpeg")),
        ("notes", "text/markdown", ("notes.md", "text/markdown")),
        ("notes.md", "text/plain", ("notes.md", "text/markdown")),
        ("main.py", "application/octet-stream", ("main.py", "text/x-python")),
        ("fake.png", "text/plain", ("fake.png.txt", "text/plain")),
        ("../../etc/menu.pdf", "application/pdf", ("menu.pdf", "application/pdf")),
        ("", "text/plain", ("file.txt", "text/plain")),
    ],
)
def test_the_ending_tells_the_type(name: str, mime: str, expected: tuple[str, str]) -> None:
    assert fitting(name, mime) == expected


@given(st.text(max_size=20), st.sampled_from(["", ".png", ".txt", ".PDF", ".tar.gz", ".mp4"]), st.sampled_from(MIMES))
def test_a_name_never_contradicts_its_type_and_fits_again(stem: str, ending: str, mime: str) -> None:
    name, told = fitting(stem + ending, mime)
    assert mimetypes.guess_type(name)[0] in (None, told)
    assert "/" not in name
    assert fitting(name, told) == (name, told)
