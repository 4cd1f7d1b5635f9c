"""The tables of policy/: breaker, pacer, balance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.account_choice import Candidate, choose
from gemgate.policy.circuit_breaker import Circuit, Rules
from gemgate.policy.pacer import Pacer

RULES = Rules()
NOW = 1_000_000.0


def fail(circuit: Circuit, times: int, now: float = NOW) -> Circuit:
    for _ in range(times):
        circuit = circuit.settled("failed", now=now, random=0.5, rules=RULES, reason="boom")
    return circuit


def test_three_failures_in_a_row_open_for_a_quarter_of_an_hour() -> None:
    assert fail(Circuit(), 2).admits(NOW)
    opened = fail(Circuit(), 3)
    assert not opened.admits(NOW)
    assert opened.until == NOW + 900 * 1.05
    assert opened.reason == "boom"


def test_a_success_between_failures_starts_the_count_again() -> None:
    circuit = fail(Circuit(), 2).settled("ok", now=NOW, random=0, rules=RULES)
    assert fail(circuit, 2).admits(NOW)


def test_a_usage_limit_rests_an_hour_or_until_the_stated_reset() -> None:
    hour = Circuit().settled("limited", now=NOW, random=0, rules=RULES)
    assert hour.until == NOW + 3600
    stated = Circuit().settled("limited", now=NOW, random=0, rules=RULES, resets_at=NOW + 50)
    assert stated.until == NOW + 50


def test_after_the_rest_exactly_one_probe_is_let_in() -> None:
    circuit = Circuit().settled("limited", now=NOW, random=0, rules=RULES)
    later = NOW + 3601
    assert circuit.phase(later) == "half_open"
    assert circuit.admits(later)
    probing = circuit.entered(later)
    assert not probing.admits(later)
    assert probing.settled("ok", now=later, random=0, rules=RULES) == Circuit()
    again = probing.settled("failed", now=later, random=0, rules=RULES)
    assert again.until == later + 900
    freed = probing.settled("cancelled", now=later, random=0, rules=RULES)
    assert freed.admits(later)


def test_an_old_success_does_not_close_what_opened_meanwhile() -> None:
    opened = Circuit().settled("limited", now=NOW, random=0, rules=RULES)
    assert opened.settled("ok", now=NOW + 5, random=0, rules=RULES) == opened


def test_zero_seconds_switch_a_rule_off() -> None:
    off = Rules(failure_seconds=0, limit_seconds=0)
    assert Circuit().settled("limited", now=NOW, random=0, rules=off).admits(NOW)
    circuit = Circuit()
    for _ in range(9):
        circuit = circuit.settled("failed", now=NOW, random=0, rules=off)
    assert circuit.admits(NOW)


@given(st.lists(st.sampled_from(["ok", "failed", "limited", "blocked", "cancelled"]), max_size=30), st.floats(0, 0.99))
def test_no_circuit_stays_open_for_ever(outcomes: list, dice: float) -> None:
    circuit, now = Circuit(), NOW
    for outcome in outcomes:
        if circuit.admits(now):
            circuit = circuit.entered(now)
        circuit = circuit.settled(outcome, now=now, random=dice, rules=RULES)
        now += 60
    assert circuit.phase(now + 7200 * 1.2) != "open"


def test_the_pacer_lets_sixty_start_in_any_minute() -> None:
    pacer = Pacer(60)
    starts = [100.0 + pacer.reserve(100.0, 0.5) for _ in range(150)]
    assert starts[59] == 100.0
    assert starts[60] == 160.0
    assert all(later - earlier >= 60 for earlier, later in zip(starts, starts[60:], strict=False))


def test_the_gap_doubles_with_every_429_and_goes_away_again() -> None:
    pacer = Pacer(0)
    assert pacer.reserve(0, 0.5) == pacer.reserve(0, 0.5) == 0
    gaps = []
    for _ in range(7):
        pacer.limited()
        gaps.append(pacer.current_delay)
    assert gaps == [2, 4, 8, 16, 32, 60, 60]
    assert pacer.consecutive_429s == 7
    for _ in range(60):
        pacer.succeeded()
    assert pacer.current_delay == 0


def test_a_start_that_was_not_used_is_given_back() -> None:
    pacer = Pacer(1)
    assert pacer.reserve(10, 0.5) == 0
    wait = pacer.reserve(11, 0.5)
    pacer.cancel(11 + wait)
    assert pacer.reserve(12, 0.5) == 58


def test_the_least_busy_account_for_its_weight_is_chosen_then_the_longest_unused() -> None:
    assert choose([Candidate("a", 2), Candidate("b", 1)]).name == "b"
    assert choose([Candidate("a", 2, weight=4), Candidate("b", 1)]).name == "a"
    assert choose([Candidate("a", 0, last_used=5), Candidate("b", 0, last_used=3)]).name == "b"
    assert choose([Candidate("a", 5), Candidate("b", 0)], prefer="a").name == "a"
    assert choose([Candidate("a", 0, weight=0)]) is None
    assert choose([Candidate("a", 0, left=0.0), Candidate("b", 9)]).name == "b"
    assert choose([Candidate("a", 0, left=0.0)]).name == "a"


def test_the_account_with_most_left_takes_the_call_and_what_is_not_known_counts_as_usual() -> None:
    assert choose([Candidate("a", 0, left=0.3), Candidate("b", 0, left=0.8)]).name == "b"
    assert choose([Candidate("a", 0, left=0.3), Candidate("b", 2, left=0.8)]).name == "a"
    assert choose([Candidate("a", 0, last_used=2, left=0.81), Candidate("b", 0, last_used=1, left=0.79)]).name == "b"
    three = [Candidate("a", 0, left=0.2), Candidate("b", 0), Candidate("c", 0, left=0.8)]
    assert choose(three).name == "c"
    assert choose(three[:2]).name == "a", "of one that says nothing as much is taken to be left as of the other"
