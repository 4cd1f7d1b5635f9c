"""What is told of a response over several runs: once, in order, with numbers that follow; and its events as JSON."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import orjson
import pytest

from gemgate.chat import Began, Ended, Event, ImageGenerated, TextDelta, ThoughtDelta, ToolCall, ToolCalled, Usage, fold
from gemgate.dialects import responses, wire
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import Interrupted, LocalText
from gemgate.images import GeneratedImage
from gemgate.jobs import background, event_json
from gemgate.jobs.answers import Answers
from gemgate.jobs.emitted import Emitted
from gemgate.jobs.event_log import AnswerCall, EventLog

if TYPE_CHECKING:
    from gemgate.batches import Batch
    from gemgate.jobs.batches import Jobs
    from gemgate.ports.blobs import BlobStore
    from gemgate.ports.response_log import ResponseLog

BODY = wire.read(responses.ResponsesRequest, {"input": "hello", "background": True})
BEGAN, ENDED = Began("Gemini", "alice"), Ended("stop", Usage(1, 2, 3), served="Gemini 3 Flash")
IMAGE = GeneratedImage(
    8,
    6,
    100,
    "image/png",
    "abc",
    "s0",
    "absent",
    "m",
    "202601/x.png",
    prompt="a fox",
    painter="p",
    note=LocalText("not in the gallery", "未列入图库"),
)
CALL = ToolCalled(ToolCall("call_1", "look", '{"a":1}'))
THOUGHT, TEXT = "First I think about it. ", "Then I say a lot of words about it, with 中文 and ä."


def cut(text: str, dice: random.Random) -> list[str]:
    places = sorted({0, len(text), *(dice.randrange(len(text)) for _ in range(dice.randrange(9)))})
    return [text[a:b] for a, b in itertools.pairwise(places)]


def one_run(dice: random.Random, tail: Sequence[Event]) -> list[Event]:
    """The same answer, in pieces of its own."""
    thoughts = [ThoughtDelta(piece) for piece in cut(THOUGHT, dice)]
    return [BEGAN, *thoughts, *(TextDelta(piece) for piece in cut(TEXT, dice)), *tail, ENDED]


@pytest.mark.parametrize(
    "tail", [(), (CALL,), (ImageGenerated(IMAGE),), (CALL, CALL)], ids=["text", "call", "image", "calls"]
)
@pytest.mark.parametrize("seed", range(60))
def test_runs_that_were_cut_anywhere_tell_the_answer_once(tail: Sequence[Event], seed: int) -> None:
    dice = random.Random(seed)
    log: list[Event] = []
    for last in (False, False, False, True):
        run = one_run(dice, tail)
        emitted = Emitted(log)
        if emitted.ended is not None:
            break
        heard = run if last else run[: dice.randrange(len(run) + 1)]
        log += [new for event in heard if (new := emitted.rest(event)) is not None]
    assert fold(log) == fold(one_run(dice, tail))
    stream = written(log)
    numbers = [int(number) for number in re.findall(rb'"sequence_number":(\d+)', stream)]
    assert numbers == list(range(len(numbers)))
    for after in range(-1, len(numbers)):
        assert stream.endswith(written(log, after))
        rest = re.findall(rb'"sequence_number":(\d+)', written(log, after))
        assert [int(number) for number in rest] == numbers[after + 1 :]


def written(log: Sequence[Event], after: int = -1) -> bytes:
    writer = responses.EventWriter(ResponseMeta("resp_1", 1), BODY, "m", after=after)
    return writer.queued() + b"".join(writer.event(0, event) for event in log)


@pytest.mark.parametrize(
    "run",
    [
        [TextDelta("Another beginning")],
        [TextDelta("The begi"), TextDelta("ng")],
        [TextDelta("The"), ENDED],
        [TextDelta("The"), CALL],
        [ENDED],
    ],
)
def test_another_answer_is_never_put_behind_what_was_told(run: list[Event]) -> None:
    emitted = Emitted([BEGAN, TextDelta("The be"), TextDelta("ginning")])
    with pytest.raises(Interrupted) as caught:
        list(map(emitted.rest, run))
    assert caught.value.code == "response_interrupted"
    assert caught.value.en != caught.value.zh


def test_other_thoughts_are_no_other_answer() -> None:
    emitted = Emitted([BEGAN, ThoughtDelta("Let me"), TextDelta("Yes")])
    run = [BEGAN, ThoughtDelta("I wonder"), ThoughtDelta(" about"), TextDelta("Yes, "), TextDelta("it is"), ENDED]
    assert [emitted.rest(event) for event in run] == [None, None, None, TextDelta(", "), TextDelta("it is"), ENDED]
    assert [Emitted([BEGAN, ThoughtDelta("Let me")]).rest(event) for event in run[1:4]] == [
        None,
        None,
        TextDelta("Yes, "),
    ]


class LastRow:
    """A log of a million rows, of which nobody may want all."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.row = event_json.dump([(0, event) for event in events])

    async def last(self, response_id: str) -> Sequence[tuple[int, str]]:
        return [(999_999, self.row)]


@pytest.mark.parametrize(("events", "over"), [([TextDelta("x")], False), ([TextDelta("x"), ENDED], True)])
async def test_a_look_at_what_runs_reads_its_last_row_alone(events: list[Event], over: bool) -> None:
    log = EventLog(cast("ResponseLog", LastRow(events)))
    answers = Answers(cast("Jobs", SimpleNamespace(wake_watchers=None)), log, cast("BlobStore", None))
    assert await answers.has_said_all(cast("Batch", SimpleNamespace(id="resp_1", started_at=1.0))) is over


def test_every_event_is_read_as_it_was_written() -> None:
    events = [BEGAN, ThoughtDelta("t"), TextDelta("ä\u0000"), CALL, ImageGenerated(IMAGE), ENDED]
    events.append(Ended("stop_sequence", Usage(), "END", unmet=("extended_thinking",)))
    said = [(number % 2, event) for number, event in enumerate(events)]
    assert event_json.load(event_json.dump(said)) == said
    with pytest.raises(ValueError, match="strange"):
        event_json.load(orjson.dumps([{"strange": 1}]).decode())


async def test_an_answer_that_is_gone_on_from_reads_what_its_batch_says_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def loads(text: str) -> object:
        read.append(text)
        return orjson.loads(text)

    monkeypatch.setattr(background, "loads", loads)
    about = '{"base_url": "http://here", "language": "en"}'
    batch = SimpleNamespace(id="resp_1", told_as="response", created_at=1.0, metadata=about, model="m", tenant="main")
    call = AnswerCall("responses.create", {"input": "hello", "background": True})

    async def found(*_: object) -> object:
        return batch

    async def said(*_: object) -> object:
        return [(0, BEGAN), (0, TextDelta("hi")), (0, ENDED)]

    async def task(*_: object) -> object:
        return SimpleNamespace(payload=call.dump())

    jobs = SimpleNamespace(store=SimpleNamespace(get=found))
    answers = cast("Answers", SimpleNamespace(jobs=jobs, said=said, task=task))
    stored = await background.BackgroundAnswers(answers).stored("resp_1", "main", "response")
    assert stored is not None
    assert "hi" in stored.body
    assert read == [about]
