"""What Google says beside an answer, by key or by place, and behind it (docs/google-wire.md 4.1, 6.1)."""

from __future__ import annotations

import json

import pytest

from gemgate.errors import Broken, SignedOut, Spent
from gemgate.ports.upstream import Completed, Unknown
from gemgate.upstreams.web.answer import Answer
from gemgate_simulator import Simulator
from tests.integration.upstream.conftest import SignIn, answered, joined, pieces

IDS = ["c_1", "r_1"]
TEXT = [None, IDS, None, None, [["rc_1", ["hello"], *[None] * 6, [2]]]]


def frame(*bodies: object, status: object = None) -> str:
    return json.dumps([["wrb.fr", None, json.dumps(body), None, None, status, "generic"] for body in bodies])


def code(number: int) -> str:
    info = [13, None, [["type.googleapis.com/assistant.boq.bard.application.BardErrorInfo", [number]]]]
    return json.dumps([["wrb.fr", None, None, None, None, info, "generic"]])


def placed(**fields: object) -> list[object]:
    body: list[object] = [None, IDS, None, None, None]
    for name, value in sorted(fields.items(), key=lambda item: int(item[0][1:])):
        number = int(name[1:])
        body += [None] * (number - len(body)) + [value]
    return body


QUOTA = [[[[6], 1, 12, [1_790_000_000, 0], 25, 22], ["a new kind"]], "e6fa609c3fa255c0"]
SPARSE = [[None, IDS, {key: value}] for key, value in {"11": ["A title"], "28": QUOTA, "26": "AwAAAA"}.items()]
PLACED = [placed(_10=["A title"], _25="AwAAAA", _27=QUOTA)]


@pytest.mark.parametrize("beside", [SPARSE, PLACED], ids=["by key", "by place"])
def test_context_and_quota_are_read_in_both_forms(beside: list[object]) -> None:
    answer = Answer("m", None, exact=True)
    told = answer.feed([frame([None, [None, "r_1"], {"18": "r_1"}]), frame(TEXT), frame(*beside)])
    last = answer.finish()[-1]
    assert isinstance(last, Completed)
    assert (last.text, last.thread.metadata[:3], last.thread.metadata[9]) == ("hello", ("c_1", "r_1", "rc_1"), "AwAAAA")
    assert not any(isinstance(piece, Unknown) for piece in told)  # a title is known, and left alone
    assert [(w.name, round(w.used, 2), w.resets_at) for w in answer.left] == [("action 6", 0.12, 1_790_000_000)]


@pytest.mark.parametrize(
    "progress",
    [[None, IDS, {"7": [*[None] * 5, ["Loading Nano Banana Pro..."]]}],
     placed(_6=[None, ["data_analysis_tool", None, ["Loading Nano Banana Pro..."]]])],
    ids=["by key", "by place"],
)  # fmt: skip
def test_progress_is_read_in_both_forms_and_is_no_end(progress: list[object]) -> None:
    answer = Answer("m", None, exact=True)
    answer.feed([frame(progress)])
    assert answer.progress == "Loading Nano Banana Pro..."
    assert not answer.complete
    answer.feed([frame(TEXT), frame(progress)])
    assert answer.complete  # what was finished stays finished


def test_what_is_not_known_is_told_once() -> None:
    answer = Answer("m", None, exact=True)
    odd = frame([None, IDS, {"99": [1], "18": "r_1"}], placed(_31=[1]))
    found = answer.feed([odd, odd, json.dumps([["new.kind", 1]]), frame(None, status=[9])])
    found += answer.feed([frame(TEXT), code(4711)])
    assert [p.field for p in found if isinstance(p, Unknown)] == [
        "frame 98", "frame 31", "part", "status 9", "code 4711",
    ]  # fmt: skip
    assert answer.failure is None


def test_a_frame_of_content_without_a_conversation_is_told() -> None:
    answer = Answer("m", None, exact=True)
    found = answer.feed([frame([None, None, None, None, TEXT[4]])])
    assert Unknown("frame without cid") in found


@pytest.mark.parametrize("number", [1096, 1013, 4711])
def test_a_code_behind_a_finished_answer_is_a_note(number: int) -> None:
    answer = Answer("m", None, exact=True)
    answer.feed([frame(TEXT), code(number)])
    assert answer.failure is None
    last = answer.finish()[-1]
    assert isinstance(last, Completed)
    assert (last.text, last.stored) == ("hello", False)


@pytest.mark.parametrize(
    ("status", "error"),
    [([7], SignedOut), ([16], SignedOut), ([8], Spent), ([3], Broken), ([13], Broken), ([5], Broken)],
)
def test_a_status_without_a_code_is_an_error(status: list[int], error: type[Exception]) -> None:
    answer = Answer("m", None, exact=True)
    answer.feed([frame(None, status=status)])
    assert isinstance(answer.failure, error)
    assert answer.failure.generated == ("maybe" if status == [13] else "no")


def test_an_error_frame_of_its_own_is_read() -> None:
    answer = Answer("m", None, exact=True)
    answer.feed([json.dumps([["er", None, None, None, None, 1037, None]])])
    assert isinstance(answer.failure, Spent)


@pytest.mark.parametrize("positional", [False, True], ids=["by key", "by place"])
async def test_a_conversation_goes_on_in_both_forms(sim2: Simulator, signed_in: SignIn, positional: bool) -> None:
    sim2.google.world.switches.positional = positional
    sim2.google.reply("", lambda prompt: f"{len(prompt.history)} before")
    sim2.google.account("alice").tier = "free"
    upstream = await signed_in(sim2)
    first = answered(await pieces(upstream, "one"))
    assert first.thread.metadata[9]
    second = await pieces(upstream, "two", thread=first.thread)
    assert [(one.name, one.left, one.total) for one in answered(second).left] == [
        ("action 5", 13, 15),
        ("action 1", 198, 200),
    ]
    assert joined(second) == "1 before"
    assert not sim2.record.violations


@pytest.mark.parametrize("positional", [False, True], ids=["by key", "by place"])
@pytest.mark.parametrize("temporary", [False, True], ids=["saved", "temporary"])
async def test_an_answer_that_is_not_kept_is_whole(
    sim2: Simulator, signed_in: SignIn, positional: bool, temporary: bool
) -> None:
    sim2.google.world.switches.positional = positional
    sim2.google.account("alice").stores = False
    sim2.google.reply("one", "the whole answer", chars=4)
    upstream = await signed_in(sim2)
    found = await pieces(upstream, "one", temporary=temporary)
    assert joined(found) == "the whole answer"
    assert not answered(found).stored
    assert sim2.record.requests_of("hNvQHb") == 0
