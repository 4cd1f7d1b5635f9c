from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.imaging import file_name, keyword

AT = datetime(2026, 11, 21, 9, 57, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A red fox in the snow", "a-red-fox-in-the-snow"),
        ("一只猫坐在窗台上", "yi-zhi-mao-zuo-zai-chuang-tai-shang"),
        ("Кошка на окне", "koshka-na-okne"),
        ("ネコとコーヒー", "nekotokohi"),
        ("고양이 한 마리", "goyangi-han-mali"),
        ("Ünïcödé façade", "unicode-facade"),
        ("🐱 !!", "cat"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\system32", "c-windows-system32"),
        ("--help; rm -rf *", "help-rm-rf"),
        ("", "picture"),
        (" \n\t\0", "picture"),
        ("word " * 50, "word-word-word-word-word-word-word-word"),
        ("x" * 300, "x" * 40),
    ],
)
def test_keywords_are_short_plain_words_in_any_script(prompt, expected):
    assert keyword(prompt) == expected


@given(st.text())
def test_whatever_the_prompt_the_name_is_one_safe_ascii_component(prompt):
    name = file_name(prompt, AT, "a1b2c3", "png")
    assert re.fullmatch(r"20261121_095709_[a-z0-9]+(-[a-z0-9]+)*_a1b2c3\.png", name)
    assert len(name) <= 70


@pytest.mark.parametrize(
    ("hex6", "extension"), [("A1B2C3", "png"), ("a1b2c", "png"), ("../..", "png"), ("a1b2c3", ".png")]
)
def test_names_are_made_of_checked_parts_only(hex6, extension):
    with pytest.raises(ValueError, match="hex"):
        file_name("x", AT, hex6, extension)
