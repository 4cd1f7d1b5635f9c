"""The ledger of usage as facts make it: what is a call, and sums that hold however often it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.errors import StorageDown
from gemgate.ports.runtime import TelemetryEvent
from gemgate.ports.usage import UsageOf, UsageSums
from gemgate.telemetry import Observers
from gemgate.telemetry.usage import MOST_NAMES, OTHER, UsageLedger

NOON = 20_000 * 86_400.0 + 12 * 3_600


class Kept:
    """A store in memory that keeps the promises of the port, and fails as it is told: before, or after writing."""

    def __init__(self) -> None:
        self.sums: dict[UsageOf, UsageSums] = {}
        self.written: dict[str, int] = {}
        self.fails: list[str] = []

    async def add(self, writer: str, number: int, sums: Mapping[UsageOf, UsageSums], now: float) -> None:
        how = self.fails.pop(0) if self.fails else ""
        if how == "before":
            raise StorageDown("away")
        if self.written.get(writer, 0) < number:
            self.written[writer] = number
            for of, more in sums.items():
                self.sums.setdefault(of, UsageSums()).add(more)
        if how == "after":
            raise StorageDown("gone while it committed")

    @property
    def total(self) -> UsageSums:
        total = UsageSums()
        for one in self.sums.values():
            total.add(one)
        return total


class Told:
    """A ledger and the facts of calls."""

    def __init__(self, store: Kept) -> None:
        self.ledger = UsageLedger(store, lambda: NOON)  # type: ignore[arg-type]
        self.observers = Observers([self.ledger])
        self.number = 0

    def fact(self, name: str, request: str = "", **data: str | float | bool | None) -> None:
        self.observers.emit(TelemetryEvent(name, request, dict(data)))

    def begin(self, operation: str = "chat.completions", asked: str = "gemini-3-pro", key: str = "kim") -> str:
        self.number += 1
        request = f"req_{id(self)}_{self.number}"
        self.fact("request.identified", request, operation=operation, dialect="openai", tenant=key, client=f"key:{key}")
        self.fact("call.admitted", request, asked=asked, model="gemini-3-pro", tenant=key, client=f"key:{key}")
        return request

    def attempt(self, request: str, number: int = 1, generated: str = "yes", repair: str = "") -> None:
        tried = {"errand": 1, "attempt": number}
        self.fact("lease.granted", request, **tried, account="alice", repair=repair, why="only", reuse="miss")
        self.fact("attempt.sent", request, **tried, account="alice", model="gemini-3-pro", offer="3 Pro")
        self.fact("attempt.ended", request, **tried, account="alice", served="3 Pro", generated=generated)

    def done(self, request: str, status: int = 200) -> None:
        self.fact("request.done", request, operation="chat.completions", status=status, seconds=0.5)


async def test_a_call_is_what_its_facts_say() -> None:
    store = Kept()
    told = Told(store)
    request = told.begin()
    told.attempt(request, generated="no")
    told.attempt(request, 2)
    told.attempt(request, repair="json")
    told.fact("chat.tokens", request, model="m", prompt=11, completion=7)
    told.fact("image.delivered", request, bytes=500)
    told.done(request)
    await told.ledger.written()
    (of,) = store.sums
    assert of == UsageOf(20_000, 12, "kim", "alice", "gemini-3-pro", "3 Pro", "openai", "chat", "ok")
    assert store.sums[of] == UsageSums(1, 11, 7, 1, 0, 0.5, 500, 2, 2)


async def test_outcomes() -> None:
    store = Kept()
    told = Told(store)
    failed = told.begin()
    told.fact("request.failed", failed, kind="spent", code=None)
    told.done(failed, 429)
    told.done(told.begin(), 499)
    told.fact("request.identified", "look", operation="models", dialect="openai", tenant="kim", client="key:kim")
    told.done("look")  # asks for no answer
    ordering = told.begin("batches.create")
    told.done(ordering)  # its tasks are the calls
    durable = told.begin("images.generations")
    told.fact("request.task", durable, id="imgtask_1")
    told.done(durable)
    await told.ledger.written()
    assert sorted(of.outcome for of in store.sums) == ["caller_left", "spent"]


async def test_calls_that_end_while_sums_are_written_wait_for_the_next_moment() -> None:
    """A transaction for each call, without a pause: a fifth of what a chat cost when they came one by one."""

    class Busy(Kept):
        async def add(self, writer: str, number: int, sums: Mapping[UsageOf, UsageSums], now: float) -> None:
            await super().add(writer, number, sums, now)
            if number < 100:
                told.done(told.begin())

    store = Busy()
    told = Told(store)
    told.done(told.begin())
    await told.ledger.written()
    assert (store.total.calls, told.ledger.unwritten) == (1, 1)
    await told.ledger.written()
    assert (store.total.calls, told.ledger.unwritten) == (2, 1)


async def test_images_of_a_caller_who_left_are_counted_with_its_call() -> None:
    store = Kept()
    told = Told(store)
    early, late = told.begin("images.generations"), told.begin("images.generations")
    for request in (early, late):
        told.fact("request.abandoned", request, outcome="finishing")
    told.fact("image.delivered", early, bytes=3)
    told.fact("request.abandoned", early, outcome="finished")
    told.done(early, 499)
    told.done(late, 499)
    await told.ledger.written()
    assert store.total.calls == 1
    told.fact("image.delivered", late, bytes=4)
    told.fact("request.abandoned", late, outcome="finished")
    await told.ledger.written()
    assert (store.total.calls, store.total.images, store.total.bytes) == (2, 2, 7)
    assert {of.outcome for of in store.sums} == {"caller_left"}
    assert not told.ledger._open


async def test_what_happens_in_a_run_of_a_task_is_the_task_s() -> None:
    store = Kept()
    told = Told(store)

    async def run(name: str, end: str, **more: str) -> None:
        told.fact("task.begun", task=name, tenant="kim", dialect="openai", usage="batch_chat", model="")
        await asyncio.sleep(0)
        await asyncio.gather(asyncio.to_thread(lambda: None), inner(name))
        told.fact(end, task=name, seconds=1.0, **more)

    async def inner(name: str) -> None:
        told.attempt("")
        told.fact("image.delivered", "", bytes=len(name))

    ends = [("a", "task.done"), ("bb", "task.waiting"), ("ccc", "task.cancelled")]
    await asyncio.gather(*(run(*one) for one in ends), run("dddd", "task.failed", error="refused"))
    await told.ledger.written()
    found = {of.outcome: (sums.calls, sums.bytes, sums.generations) for of, sums in store.sums.items()}
    assert found == {"ok": (1, 1, 1), "unfinished": (0, 2, 1), "cancelled": (1, 3, 1), "refused": (1, 4, 1)}
    assert {(of.model, of.kind) for of in store.sums} == {("gemini-3-pro", "batch_chat")}


async def test_names_that_callers_choose_are_few_and_short() -> None:
    store = Kept()
    told = Told(store)
    for number in range(MOST_NAMES + 20):
        told.done(told.begin(asked=f"gpt-{number}"))
    told.done(told.begin(asked="a secret sentence"))
    await told.ledger.written()
    names = {of.model for of in store.sums}
    assert len(names) == MOST_NAMES + 1
    assert OTHER in names
    assert "a secret sentence" not in names


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("call"), st.sampled_from(["ok", "spent"]), st.integers(0, 3)),
            st.tuples(st.just("fail"), st.sampled_from(["before", "after"]), st.integers(1, 2)),
            st.tuples(st.just("write"), st.just(""), st.just(0)),
            st.tuples(st.just("kill"), st.just(""), st.just(0)),
        ),
        max_size=40,
    )
)
@settings(max_examples=150)
def test_sums_are_the_calls_made_however_often_it_is_killed(steps: list[tuple[str, str, int]]) -> None:
    async def lived() -> None:
        store, made, behind = Kept(), UsageSums(), UsageSums()
        told = Told(store)
        for what, how, number in steps:
            match what:
                case "call":
                    request = told.begin(key=f"key{number}")
                    for _ in range(number):
                        told.attempt(request)
                    if how != "ok":
                        told.fact("request.failed", request, kind=how)
                    told.done(request)
                    one = UsageSums(calls=1, seconds=0.5, generations=number)
                    made.add(one)
                    behind.add(one)
                case "fail":
                    store.fails += [how] * number
                case "write":
                    try:
                        await told.ledger.written()
                    except StorageDown:
                        pass
                    else:
                        behind = UsageSums()
                case "kill":
                    # What stood behind may be lost, or be written by a commit whose answer never came; never doubled.
                    assert made.calls - behind.calls <= store.total.calls <= made.calls
                    assert made.generations - behind.generations <= store.total.generations <= made.generations
                    made, behind, told = store.total, UsageSums(), Told(store)
                    made = UsageSums(**{name: getattr(made, name) for name in ("calls", "seconds", "generations")})
        store.fails = []
        await told.ledger.written()
        assert (store.total.calls, store.total.generations) == (made.calls, made.generations)

    asyncio.run(lived())
