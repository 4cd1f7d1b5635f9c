"""What stands at places where the wire guide has something else is counted as unknown, and never ends an answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gemgate.ports.upstream import Completed, Unknown, UpstreamEvent
from gemgate.upstreams.web.answer import Answer

ODD: tuple[Any, ...] = (None, 0, 7, True, "", "odd", [], ["odd"], [7], ["odd", 7], {}, {"1": 7}, [[[7]]])


def read(*parts: list[Any]) -> list[UpstreamEvent]:
    answer = Answer("gemini-flash", None, exact=True)
    return answer.feed([orjson.dumps(parts).decode()]) + answer.finish()


def told(candidate: list[Any], *beside: Any) -> list[Any]:
    return ["wrb.fr", None, orjson.dumps([None, ["c_1", "r_1"], None, None, [candidate], *beside]).decode()]


def candidate(**odd: Any) -> list[Any]:
    row: list[Any] = ["rc_1", ["words"], *[None] * 6, [2], *[None] * 31]
    for place, value in odd.items():
        row[int(place[1:])] = value
    return row


@pytest.mark.parametrize("name", ODD)
def test_a_part_of_any_name(name: Any) -> None:
    found = read([name], told(candidate()))
    assert Unknown("part") in found
    assert isinstance(found[-1], Completed)
    assert found[-1].text == "words"


@pytest.mark.parametrize("place", [place for place in range(2, 40) if place != 8])
def test_a_candidate_with_anything_beside_its_text(place: int) -> None:
    for value in ODD:
        (*_, last) = read(told(candidate(**{f"p{place}": value})))
        assert isinstance(last, Completed)
        assert last.text == "words"


@pytest.mark.parametrize("key", ["1", "2", "7", "8", "44", "56", "57", "58", "60", "70", "87", "99"])
def test_a_rich_field_with_anything_in_it(key: str) -> None:
    for value in ODD:
        (*_, last) = read(told(candidate(p12=[{key: value}])))
        assert isinstance(last, Completed)
        assert last.text == "words"


@pytest.mark.parametrize("place", [*range(5, 46)])
def test_a_part_with_anything_beside_the_answer(place: int) -> None:
    for value in ODD:
        (*_, last) = read(told(candidate(), *[None] * (place - 5), value))
        assert isinstance(last, Completed)
        assert last.text == "words"
