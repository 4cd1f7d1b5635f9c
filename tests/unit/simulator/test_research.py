"""The simulator's deep research is strict: what would cost a second one, or misses the wire's shape, is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gemgate_simulator.google import Google
from gemgate_simulator.research import CONFIRM, SPENT, Habits, Researches
from gemgate_simulator.script import Prompt
from tests.support.handmade_calls import Hand

ASKED = Prompt("foxes", "alice", "gemini-flash", cid="c_1")
START = replace(ASKED, text=CONFIRM)
PLANS: dict[int, Any] = {49: 1, 54: [[[[[1]]]]], 55: [[1]]}
STARTS: dict[int, Any] = {17: [[1]], 49: 1, 54: [], 55: [], 97: [0]}


@pytest.fixture
def researches() -> Researches:
    found = Researches(lambda: 1000.0)
    found.habits = Habits(looks=2)
    return found


def test_a_plan_is_started_once_and_read_until_its_report_is_there(researches: Researches) -> None:
    assert researches.planned(ASKED).rule == ""
    started = researches.start(START)
    assert (started.rule, started.started) == ("", True)
    research = started.research
    assert research is not None
    assert research.sheets()[0][4] == ""
    research.looked()
    assert research.runs
    research.looked()
    assert not research.runs
    assert research.sheets()[0][4].startswith("# Foxes")
    assert "confirmed twice" in researches.start(START).rule


def test_what_would_be_a_second_one_breaks_a_rule(researches: Researches) -> None:
    researches.planned(ASKED)
    assert "asked for twice" in researches.planned(replace(ASKED, cid="c_2")).rule
    researches.start(START)
    assert "while a research ran" in researches.planned(replace(ASKED, text="only arctic ones")).rule
    assert "while a research ran" in researches.planned(replace(ASKED, cid="c_3")).rule
    assert not researches.planned(replace(ASKED, text="dogs", cid="c_4")).rule


def test_a_start_wants_a_plan_and_its_word(researches: Researches) -> None:
    assert "without a plan" in researches.start(START).rule
    researches.planned(ASKED)
    assert "not 'Start research'" in researches.start(replace(START, text="go")).rule


def test_a_shut_gate_is_told_and_not_to_be_ignored(researches: Researches) -> None:
    researches.habits.budget = 1
    researches.planned(ASKED)
    researches.start(START)
    assert researches.gates() == [None, [[3, False, 1, None, None], [2, False, 5, None, [[87_400, 0]]]]]
    asked = researches.planned(replace(ASKED, text="dogs", cid="c_2"))
    assert (asked.answer.text, asked.rule) == (SPENT, "a research was asked for though its gate is shut")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**PLANS, 54: None}, "do not go together"),
        ({**PLANS, 55: [[2]]}, "do not go together"),
        ({**PLANS, 97: [0]}, "do not go together"),
        ({**PLANS, 3: "!abc"}, "do not go together"),
        ({**PLANS, 45: 1}, "temporary chat"),
        ({**STARTS, 97: None}, "do not go together"),
        ({**STARTS, 54: [[[[[1]]]]]}, "do not go together"),
        ({**STARTS, 17: [[0]]}, "in the first turn"),
    ],
)
def test_slots_that_do_not_go_together_are_refused(google: Google, given: dict[int, Any], told: str) -> None:
    hand = Hand(google)
    slots = hand.slots("foxes")
    slots += [None] * (98 - len(slots))
    for place, value in given.items():
        slots[place] = value
    assert google.handle(hand.generate(slots=slots)).status == 400
    assert told in google.record.violations[-1]


@pytest.mark.parametrize("attested", [False, True])
def test_a_plan_of_the_right_slots_is_answered(google: Google, *, attested: bool) -> None:
    hand = Hand(google)
    slots = hand.slots("foxes")
    slots += [None] * (97 - len(slots))
    for place, value in {**PLANS, **({3: "!abc", 4: "0" * 32} if attested else {})}.items():
        slots[place] = value
    assert google.handle(hand.generate(slots=slots)).status == 200
    assert not google.record.violations
    assert google.record.calls[-1].research == "plan"
