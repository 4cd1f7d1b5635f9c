"""Faults that cannot be are refused when they are asked for; the demo model has its tricks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gemgate_simulator.demo import demo, paced
from gemgate_simulator.google import Google
from gemgate_simulator.record import Call, Record
from gemgate_simulator.script import Answer, Fault, Prompt, Said, Upload
from tests.support.handmade_calls import Hand, parts, snapshots, texts


@pytest.mark.parametrize(
    ("where", "kind", "more", "told"),
    [
        ("nowhere", "reset", {}, "unknown place"),
        ("generate", "explode", {}, "unknown kind"),
        ("generate", "status", {}, "needs status="),
        ("generate", "reset", {"status": 500}, "needs status="),
        ("generate", "code", {}, "needs code="),
        ("init", "code", {"code": 1}, "cannot happen at 'init'"),
        ("generate", "guest", {}, "only at init"),
        ("upload", "reject7", {}, "cannot happen at 'upload'"),
        ("upload", "reset", {"after_frames": 1}, "after_frames"),
        ("generate", "status", {"status": 500, "after_frames": 1}, "before the first frame"),
        ("generate", "reset", {"early": True, "match": "x"}, "neither prompt nor frames"),
    ],
)
def test_impossible_faults_are_refused(where: str, kind: Any, more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Google().fault(where, kind, **more)


@pytest.mark.parametrize(
    ("fault", "generates"),
    [
        ({"kind": "status", "status": 401}, False),
        ({"kind": "status", "status": 429}, False),
        ({"kind": "status", "status": 503}, True),
        ({"kind": "code", "code": 1037}, False),
        ({"kind": "code", "code": 1037, "after_frames": 1}, True),
        ({"kind": "code", "code": 1013}, True),
        ({"kind": "captcha"}, False),
        ({"kind": "reset"}, True),
        ({"kind": "empty"}, True),
    ],
)
def test_what_a_fault_leaves_certain(fault: dict[str, Any], generates: bool) -> None:
    assert Fault("generate", **fault).generates is generates


def test_an_answer_says_its_text_in_one_way() -> None:
    with pytest.raises(ValueError, match="one of text, frames and raw"):
        Answer("a", frames=("b",))
    with pytest.raises(ValueError, match="chars"):
        Answer("a", chars=0)
    with pytest.raises(ValueError, match="brings its own"):
        Google().reply("x", Answer("a"), pace=1.0)


def said(text: str, *history: str, **more: Any) -> str:
    return demo(Prompt(text, "alice", "gemini-pro", history=tuple(Said(one, "...") for one in history), **more)).text


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("count to 12", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
        ("请从一数到3", "1, 2, 3"),
        ("say: hello there", "hello there"),
        ("请说“你好”", "你好"),
        ("What is 12 * 12?", "12 × 12 = 144"),
        ("7-9", "7 - 9 = -2"),
        ("hello", "You said: hello"),
        ("在吗", "你说的是：在吗"),
        ("what is my name?", "You have not told me your name yet."),
        ("我叫什么名字", "你还没有告诉我你的名字。"),
    ],
)
def test_the_demo_model_answers_sensibly(prompt: str, answer: str) -> None:
    assert said(prompt) == answer


def test_the_demo_model_remembers_the_conversation() -> None:
    assert said("what did I say first?", "apples", "pears") == "The first thing you said was: apples"
    assert said("what did I say?", "apples", "pears") == "Before this you said: pears"
    assert said("我最先说了什么", "苹果") == "你最先说的是：苹果"
    assert said("我叫什么", "我叫小明") == "你叫小明。"
    assert said("who are you") == "I am gemgate's demo model, posing as gemini-pro. I know only a few tricks."


def test_the_demo_model_writes_verse_and_code_and_sees_files() -> None:
    assert "\n" in said("write a poem")
    assert "星" in said("写一首诗")
    assert "```python" in said("show me python code")
    files = (Upload("/id", "a.txt", "text/plain", b"abc"),)
    assert said("hello", files=files).startswith("I received these files:\n- a.txt (text/plain, 3 bytes)\n\n")


def test_the_demo_model_thinks_when_asked_to() -> None:
    assert demo(Prompt("hello", "alice", "gemini-pro", thinking=True)).thoughts
    assert not demo(Prompt("hello", "alice", "gemini-pro")).thoughts
    assert "用户" in demo(Prompt("你好", "alice", "gemini-pro", thinking=True)).thoughts
    assert paced(0.5)(Prompt("hello", "alice", "gemini-pro")).pace == 0.5


def test_thoughts_arrive_when_extended_thinking_is_on(google: Google) -> None:
    hand = Hand(google)
    slots = hand.slots("hello")
    slots[80] = 2
    found = parts(google.handle(hand.generate(slots=slots)))
    assert snapshots(found)[-1][4][0][37][0][0].startswith("**Understanding")
    assert texts(found)[-1] == "You said: hello"


def test_a_record_survives_the_way_through_json(google: Google) -> None:
    hand = Hand(google)
    file = google.handle(hand.upload(b"data", "a.txt")).body.decode()
    slots = hand.slots("look")
    slots[0][3] = [[[file], "a.txt"]]
    google.handle(hand.generate(slots=slots))
    google.handle(hand.generate(headers={"Origin": None}))
    again = Record.from_dict(google.record.as_dict())
    assert again.as_dict() == google.record.as_dict()
    assert (again.received, again.generations_of("alice", "look"), again.requests_of("generate")) == (2, 1, 2)
    assert isinstance(again.calls[0], Call)
