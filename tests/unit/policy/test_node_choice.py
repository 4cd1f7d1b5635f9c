"""Shares are exact however calls come; load decides who takes part; a conversation's node comes first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.node_choice import Candidate, advance, choose


def share(weights: dict[str, float], calls: int) -> Counter[str]:
    passed = dict.fromkeys(weights, 0.0)
    took: Counter[str] = Counter()
    for _ in range(calls):
        nodes = [Candidate(name, weight, 0, 4, passed[name]) for name, weight in weights.items()]
        chosen = choose(nodes)
        assert chosen is not None
        took[chosen.name] += 1
        passed[chosen.name] = advance(passed[chosen.name], chosen.weight, min(passed.values()))
    return took


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6))
def test_shares_are_those_of_the_weights_to_a_call(weights: list[float]) -> None:
    named = {f"w{number}": weight for number, weight in enumerate(weights)}
    took = share(named, 200)
    for name, weight in named.items():
        assert abs(took[name] - 200 * weight / sum(weights)) <= len(weights)


def test_no_weight_no_calls() -> None:
    assert share({"a": 1.0, "b": 0.0}, 10) == {"a": 10}
    assert choose([Candidate("a", 0.0, 0, 4, 0.0)], prefer="a") is None
    assert choose([]) is None


def test_who_was_away_does_not_catch_up() -> None:
    passed = advance(0.0, 1.0, front=100.0)
    assert passed == 101.0


def test_a_full_node_is_passed_over_while_another_has_room() -> None:
    full, free = Candidate("full", 9.0, 4, 4, 0.0), Candidate("free", 1.0, 3, 4, 50.0)
    assert choose([full, free]) == free
    both = [Candidate("a", 1.0, 8, 4, 0.0), Candidate("b", 1.0, 5, 4, 9.0)]
    assert choose(both) == both[1], "of full ones the one with the shortest queue for its lanes"


def test_a_conversation_goes_where_it_stands_unless_too_many_wait_there() -> None:
    other = Candidate("other", 9.0, 0, 4, 0.0)
    assert choose([other, Candidate("home", 1.0, 7, 4, 99.0)], prefer="home") == Candidate("home", 1.0, 7, 4, 99.0)
    assert choose([other, Candidate("home", 1.0, 8, 4, 99.0)], prefer="home") == other
    alone = [Candidate("other", 9.0, 4, 4, 0.0), Candidate("home", 1.0, 8, 4, 99.0)]
    assert choose(alone, prefer="home") == alone[1], "nobody has room: then rather at home"
