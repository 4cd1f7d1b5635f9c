"""Values: compared and hashed by what they hold, copied with `replace`, without a place for anything else."""

from __future__ import annotations

import copy
import pickle
from dataclasses import field, fields, replace
from pathlib import Path

import pytest

import gemgate
from gemgate.frozen import frozen


@frozen
class Point:
    """Of a plane."""

    x: int
    y: int = 0
    note: str = field(default="", repr=False, compare=False)


def test_equal_values_are_one_key() -> None:
    assert Point(1) == Point(1, 0, "noted") != Point(2)
    assert {Point(1): "here"}[Point(1)] == "here"
    assert hash(Point(1)) != hash(Point(2))


def test_a_copy_is_another_value() -> None:
    one = Point(1)
    assert (replace(one, y=3), one) == (Point(1, 3), Point(1))
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert [each.name for each in fields(Point)] == ["x", "y", "note"]
    match one:
        case Point(x, y):
            assert (x, y) == (1, 0)
    assert repr(one) == "Point(x=1, y=0)"


def test_there_is_no_place_for_anything_else() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 1  # type: ignore[attr-defined]


def test_making_one_calls_nothing_for_its_fields() -> None:
    assert "__setattr__" not in vars(Point)
    assert "__setattr__" not in Point.__init__.__code__.co_names


def test_values_of_two_classes_differ_and_say_what_they_are() -> None:
    @frozen
    class Nothing:
        pass

    @frozen
    class Named:
        x: int

        def __repr__(self) -> str:
            return "as it says itself"

    values: list[object] = [Nothing(), Nothing(), Named(1), Named(1), 1]
    assert len(set(values)) == 3
    told = "test_values_of_two_classes_differ_and_say_what_they_are.<locals>.Nothing()"
    assert (repr(Nothing()), repr(Named(1))) == (told, "as it says itself")


def test_all_classes_of_values_share_what_compares_and_tells_them() -> None:
    @frozen
    class Other:
        x: int

    for name in ("__eq__", "__hash__", "__repr__"):
        assert vars(Other)[name] is vars(Point)[name], "a function for each class is 4 kB, and its compiler's time"


def test_one_kind_of_value_has_one_word() -> None:
    package = Path(gemgate.__file__).parent
    longer = {
        path.name
        for path in package.rglob("*.py")
        if "\n@dataclass(frozen=True, slots=True)\n" in path.read_text("utf-8")
    }
    assert longer <= {"catalog.py"}, "say @frozen; only what has a __hash__ of its own does without it"
