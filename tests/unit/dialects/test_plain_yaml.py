"""The part of YAML that is read means what PyYAML says it means; all else is refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects.gateways import plain_yaml
from gemgate.errors import BadRequest

WORDS = st.text("abcXYZ019 _-./:#'\"*&[]{}!,@?|>%é中", max_size=12)
NAMES = st.text("abcXYZ_-", min_size=1, max_size=8).filter(lambda name: name.strip("-") == name)
VALUES: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES.filter(lambda value: isinstance(value, dict | list)))
def test_what_is_written_by_pyyaml_is_read_or_refused_and_never_misread(value: Any) -> None:
    text = yaml.safe_dump(value, default_style=None, allow_unicode=True, width=10_000)
    with suppress(BadRequest):
        assert yaml.load(text, yaml.BaseLoader) == texts(plain_yaml.read(text))


def texts(value: Any) -> Any:
    """Ours as PyYAML's loader of texts has them."""
    if isinstance(value, dict):
        return {name: texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [texts(inner) for inner in value]
    return {None: "null", True: "true", False: "false"}.get(value, value)


LINES = st.lists(
    st.sampled_from(
        ["a: 1", "b:", "  c: x # y", "- d", "  - e: 'f'", "    g: \"h\"", "i: [j, k]", "- l: m", "  n: o", "#p", "  q",
         "r: |", "s: &t u", "v: *t", "-", "w: {}", "x: 'it''s'", "y: a: b", "z: \"#\""]
    ),
    max_size=8,
)  # fmt: skip


@given(LINES)
def test_what_is_read_is_what_pyyaml_reads(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        ours = plain_yaml.read(text)
    except BadRequest:
        return
    assert normal(ours) == normal(yaml.load(text, yaml.BaseLoader))


def normal(value: Any) -> Any:
    """Nothing, empty and null are one."""
    if isinstance(value, dict):
        return {name: normal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    return "" if value in (None, "null", "~") else str(value).lower()


@pytest.mark.parametrize(
    "text",
    ["a: &b c", "a: *b", "a: !!str b", "a: |\n  b", "a:\n\t- b", "a: {b: c}", "---\na: b\n---\nc: d", "a: b\na: c"],
)
def test_what_is_not_read_is_refused_by_its_line(text: str) -> None:
    with pytest.raises(BadRequest, match=r"Line \d"):
        plain_yaml.read(text)


def test_a_deep_or_long_text_is_refused() -> None:
    with pytest.raises(BadRequest):
        plain_yaml.read("\n".join("  " * depth + "a:" for depth in range(3000)))
    with pytest.raises(BadRequest):
        plain_yaml.read("- " * 5000 + "a")
    with pytest.raises(BadRequest):
        plain_yaml.read("a\n" * 30_000)
