"""Frozen values: what `@dataclass(frozen=True, slots=True)` means, held by the type checker.

At run time dataclasses freeze by a call for each field that is set, which makes the making of a value several times
as dear, and a chat makes some hundred of them. Nothing is assigned to a value all the same: mypy refuses it.

They also write and compile a comparison, a hash and a text for each class: for our 300 that is 1.2 MB, and 40 ms of a
start. Ours share theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass of slots that is compared and hashed by its fields, and never changed."""
    made: Any = dataclass(slots=True, eq=False, repr=False)(cls)
    for name, method in (("__eq__", _equal), ("__hash__", _hash), ("__repr__", _told)):
        if name not in vars(made):
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _compared(value: Any) -> Any:
    """What it is compared and hashed by."""
    kind: Any = type(value)
    if kind not in _getters:
        names = [one.name for one in fields(kind) if one.compare]
        _getters[kind] = attrgetter(*names) if names else lambda _: ()
    return _getters[kind](value)


_getters: dict[type, Callable[[Any], Any]] = {}


def _equal(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _told(self: Any) -> str:
    told = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(told)})"
