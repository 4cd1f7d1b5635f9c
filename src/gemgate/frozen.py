"""Frozen values: what `@dataclass(frozen=True, slots=True)` means, held by the type checker.

At run time dataclasses freeze by a call for each field that is set, which makes the making of a value several times
as dear, and a chat makes some hundred of them. Nothing is assigned to a value all the same: mypy refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass of slots that is compared and hashed by its fields, and never changed."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
