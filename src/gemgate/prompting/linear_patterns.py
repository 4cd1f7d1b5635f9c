"""Patterns of callers, run by an engine of linear time: Rust's, through pydantic."""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from pydantic_core import ValidationError as PatternMismatch


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> SchemaValidator | None:
    """The pattern in the linear engine; None for look-arounds and back-references, which it does not know."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError:
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` occurs in `text`; a pattern that cannot be checked at a bounded cost counts as met."""
    matcher = _matcher(pattern)
    if matcher is None:
        return True
    try:
        matcher.validate_python(text)
    except PatternMismatch:
        return False
    return True
