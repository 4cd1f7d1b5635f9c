"""Claims tasks, runs them, and settles them, for as long as the process lives.

A task belongs to this process while its lease lasts; the heartbeat extends it, however long a generation takes. Claims
are made only while an account could take the call, so a batch whose accounts all rest waits in the database.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from gemgate.accounts import Capability
from gemgate.batches import Batch, Cancelled, Claim, Deferred, Done, Failed, Need, Released, TaskOutcome
from gemgate.errors import (
    AccountError,
    Blocked,
    ClientError,
    GatewayError,
    ModelGone,
    PromptTooLong,
    Refused,
    StorageDown,
    forget_frames,
)
from gemgate.jobs import usage
from gemgate.jobs.journal import JournalUnavailable, LeaseLost, TaskJournal
from gemgate.jobs.resting import until_due
from gemgate.jobs.rules import JobRules
from gemgate.jobs.runner import Runner
from gemgate.policy.backoff import Verdict, judge, may_be_asked_again
from gemgate.pool.pool import AccountPool
from gemgate.ports.jobs import JobStore, LeaseStatus
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent
from gemgate.ports.wakeup import Wakeup

NEEDS: Mapping[Need, Capability] = {
    "image": "image",
    "text": "text",
    "image_call": "image",
    "text_call": "text",
    "video": "video",
    "music": "music",
    "research": "research",
}
SINGLE: tuple[Need, ...] = ("image_call", "text_call", "video", "music", "research")
"""Of single calls, for which somebody waits or will soon ask."""
LOST_WITH_US: tuple[Need, ...] = ("image", "text", "image_call", "text_call")
"""Of what Google goes on with without us, the chat is looked into later."""
MAX_LAPSES = 100
"""Runs in a row without an end after which a task is given up: something in it ends the process each time."""

RELEASE_TIMEOUT = 5.0
"""Seconds in which what was stopped must have been written down as given back."""

Data = dict[str, str | int | float | bool | None]


@dataclass(eq=False, slots=True)
class _Run:
    """A task under way here. why: for what reason it is being stopped, "" = it is not. ended: only its row is left.

    error: the kind of what went wrong. told: its message as facts may have it.
    """

    claim: Claim
    journal: TaskJournal
    began: float
    task: asyncio.Task[None] | None = None
    why: Literal["", "lost", "given up", "stopping"] = ""
    ended: bool = False
    error: str = ""
    told: str = ""

    def stop(self, why: Literal["lost", "given up", "stopping"]) -> None:
        if not self.why and not self.ended and self.task is not None:
            self.why = why
            self.task.cancel()


@dataclass(slots=True)
class Worker:
    """`owner`: this process, told from every other one that ever ran. `touched` hears of batches that changed.

    adopt: take over accounts that no living node runs.
    """

    store: JobStore
    runner: Runner
    pool: AccountPool
    owner: str
    clock: Clock
    random: Random
    observer: Observer
    rules: JobRules
    adopt: Callable[[], Awaitable[None]]
    touched: Callable[[str], None] = lambda batch_id: None
    ready: Callable[[Need], bool] = lambda need: True
    """Whether what such a task makes has a place to go to; until then none is begun."""
    given_up: Callable[[str], None] = lambda batch_id: None
    """Hears of batches that were cancelled here."""
    _runs: set[_Run] = field(default_factory=set)
    _named: dict[str, float] = field(default_factory=dict)
    """Batches with a head start of ours, and until when."""
    _wakeup: Wakeup = field(init=False)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock)
    _stopping: bool = False

    @property
    def running(self) -> int:
        return len(self._runs)

    def __post_init__(self) -> None:
        self._wakeup = Wakeup(self.clock)

    def wake(self) -> None:
        """There may be something to do."""
        self._wakeup.wake()

    def expect(self, batch_id: str) -> None:
        """A single call was entered here, and has a head start: nobody else claims it for a moment."""
        self._named[batch_id] = self.clock.monotonic() + self.rules.head_start

    async def work(self) -> None:
        """Until it is cancelled; then what runs is given back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._every(self.rules.beat, self._beat))
                group.create_task(self._listen())
                await self._begin()
                while True:
                    await until_due(self.store, self._wakeup, self.rules)
                    await self._ignore_outage(self._claim_free)
                    await self._wakeup.wait(self.rules.poll)
        finally:
            await self._release()

    @property
    def generating(self) -> int:
        """Tasks whose answer Google may be writing: it throws one away whose connection is closed before its end."""
        return len(self._generating())

    def _generating(self) -> list[asyncio.Task[None]]:
        return [run.task for run in self._runs if run.task is not None and run.claim.batch.need in LOST_WITH_US]

    async def stop(self, patience: float = 0.0) -> None:
        """Claim nothing more, let what runs end within the grace, and give the rest back.

        patience: seconds for those that are `generating`, where they are more than the grace.
        """
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT), self._claiming:
                pass  # a claim under way may have been granted: then it is among those that are given back
        ending = [run.task for run in self._runs if run.task is not None]
        if ending:
            await asyncio.wait(ending, timeout=self.rules.grace)
        if (left := self._generating()) and patience > self.rules.grace:
            await asyncio.wait(left, timeout=patience - self.rules.grace)
        await self._release()

    def cancel(self, batch_id: str) -> None:
        """A batch was cancelled: stop what runs of it here."""
        self.given_up(batch_id)
        for run in self._runs:
            if run.claim.batch.id == batch_id:
                run.stop("given up")

    async def _begin(self) -> None:
        """Nobody else can hold a lease beside a SQLite file whose only worker we are: what is held is a dead one's."""

        async def free() -> None:
            if await self.store.sole() and (freed := await self.store.free()):
                self._note("tasks.freed", {"count": freed})

        await self._ignore_outage(free)

    async def _claim_free(self) -> None:
        """Take back what ran out elsewhere, then claim for every lane there is."""
        if lapsed := await self.store.expire():
            self._note("tasks.lapsed", {"count": lapsed})
        while needs := self._capacity():
            accounts = [account.name for account in self.pool.accounts]
            async with self._claiming:
                now = self.clock.monotonic()
                self._named = {name: until for name, until in self._named.items() if until > now}
                claim = await self.store.claim(self.owner, needs, self.rules.lease, accounts, tuple(self._named))
                if claim is None:
                    return
                self._start(claim)

    def _capacity(self) -> list[Need]:
        """What could be run now: for what there are accounts that take calls, and lanes for one more."""
        if self._stopping:
            return []
        return [need for need in NEEDS if len(self._runs) < self.lanes(need) and self.ready(need)]

    def lanes(self, need: Need) -> int:
        """Lanes for it at the moment; a single call is no batch, and none is kept free from it."""
        ability = NEEDS[need]
        return self.pool.all_lanes(ability) if need in SINGLE else self.pool.background_lanes(ability)

    def _start(self, claim: Claim) -> None:
        for older in self._runs:
            if older.claim.task.id == claim.task.id:
                older.stop("lost")  # our own lease ran out before we noticed
        run = _Run(claim, TaskJournal(self.store, claim), self.clock.monotonic())
        self._runs.add(run)
        run.task = asyncio.create_task(self._run(run), name=claim.task.id)
        self.touched(claim.batch.id)

    async def _run(self, run: _Run) -> None:
        self._note("task.begun", usage.begun(run.claim))
        try:
            outcome = await self._outcome(run)
            run.ended = True
            if outcome is None or not await self._settle(run, outcome):
                await self._ignore_outage(partial(self._forgotten, run.claim.batch))
        finally:
            self._runs.discard(run)
            self.touched(run.claim.batch.id)
            self.wake()

    async def _outcome(self, run: _Run) -> TaskOutcome | None:
        """How the run ended; None when there is nothing to say because somebody else has the task."""
        claim = run.claim
        if (lapses := claim.task.lapses) >= MAX_LAPSES:
            return Failed("worker_lost", f"It ended its process {lapses} times", f"任务已中断 {lapses} 次", True)
        try:
            if claim.task.checkpoint.cid and self.pool.account(claim.task.checkpoint.account) is None:
                await self.adopt()  # only with its account can be read what the task left behind
            return await self.runner.run(claim, run.journal)
        except LeaseLost:
            self._note("task.lost", _about(claim))
            return None
        except JournalUnavailable:
            return Released()
        except GatewayError as error:
            forget_frames(error)
            return self._decided(run, error)
        except asyncio.CancelledError:
            match run.why:
                case "lost":
                    self._note("task.lost", _about(claim))
                    return None
                case "given up":
                    return Cancelled()
                case _:
                    return Released()
        except Exception as bug:  # noqa: BLE001 - the door of tasks: a bug must not leave one held for ever
            self._note("task.crashed", _about(claim) | {"why": f"{type(bug).__name__}: {bug}", "trace": _trace(bug)})
            forget_frames(bug)
            run.error = "internal"
            return Failed("internal_error", "Something went wrong inside gemgate", "gemgate 内部错误", True)

    def _decided(self, run: _Run, error: GatewayError) -> TaskOutcome:
        """The table of `policy.backoff`, and what the next run should know."""
        claim, rules = run.claim, self.rules.backoff
        run.error, run.told = error.kind, error.plain("en")
        if isinstance(error, StorageDown):  # what was made stays at Google until it can be kept
            verdict = Verdict("wait", self.rules.poll)
        elif self.runner.ends_at_once(claim):
            verdict = Verdict("fail")
        elif self.runner.may_become_available(claim, error):
            verdict = Verdict("wait", rules.look_again)
        else:
            in_service = self._may_be_served(run)
            verdict = judge(error, claim.task.failures, in_service=in_service, random=self.random(), rules=rules)
        code = error.code or error.kind
        concluded = isinstance(error, AccountError | Blocked | ClientError | Refused | ModelGone | PromptTooLong)
        checkpoint = run.journal.ended(error, verdict, concluded=concluded)
        if verdict.kind == "fail":
            result = self.runner.failure(claim, error)
            return Failed(code, error.en, error.zh, may_be_asked_again(error), result, checkpoint)
        return Deferred(verdict.after, verdict.kind == "again", code, error.en, error.zh, checkpoint)

    def _may_be_served(self, run: _Run) -> bool:
        """Whether the account that ran it takes calls as before; without one, whether any does."""
        ability = NEEDS[run.claim.batch.need]
        sent = run.journal.checkpoint
        account = self.pool.account(sent.account) if sent is not None else None
        accounts = [account] if account is not None else self.pool.accounts
        return any(one.is_open and one.status(ability).usable for one in accounts)

    async def _forgotten(self, batch: Batch) -> None:
        """A run that had lost its task: where its batch was forgotten, what it made is nobody's."""
        if await self.store.get(None, batch.id) is None:
            await self.runner.forget(batch)

    async def _settle(self, run: _Run, outcome: TaskOutcome) -> bool:
        """Write it down, however long the database is away; after that nobody else can. False: it had lost its task."""
        while True:
            try:
                counted = await self.store.settle(run.claim, outcome)
                break
            except StorageDown:
                await self.clock.sleep(self.rules.poll)
        data = _about(run.claim)
        data["seconds"] = round(self.clock.monotonic() - run.began, 3)
        match outcome:
            case _ if not counted:
                self._note("task.lost", data)
            case Done():
                self._note("task.done", data)
            case Failed(code, en):
                self._note("task.failed", data | {"code": code, "why": run.told or en, "error": run.error})
            case Cancelled():
                self._note("task.cancelled", data)
            case Deferred(after, counts, code, en):
                data |= {"code": code, "why": run.told or en, "after": round(after, 2), "try": counts}
                self._note("task.waiting", data)
            case _:
                self._note("task.given_back", data)
        return counted

    async def _beat(self) -> None:
        """Extend our leases, and let go of what is not ours any more."""
        before = list(self._runs)
        held = await self.store.renew(self.owner, [run.claim.task.id for run in before], self.rules.lease)
        for run in before:
            still: LeaseStatus | None = held.get(run.claim.task.id)
            if still is None or still.attempt != run.claim.task.attempt:
                run.stop("lost")
            elif still.given_up:
                run.stop("given up")

    async def _listen(self) -> None:
        """Hear of changes by other processes; without that there is the poll."""
        while True:
            try:
                async with aclosing(self.store.changes()) as changes:
                    async for batch_id in changes:
                        self.touched(batch_id)
                        self.wake()
                return
            except StorageDown:
                await self.clock.sleep(5.0)

    async def _every(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self.clock.sleep(seconds)
            await self._ignore_outage(action)

    async def _ignore_outage(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do it; while the database is away nothing can be done, and that is not the end."""
        try:
            await action()
        except StorageDown as error:
            self._note("tasks.waiting", {"why": error.en})

    async def _release(self) -> None:
        """Stop everything that runs; the leases are free for the next process at once."""
        runs = [run.task for run in self._runs if run.task is not None]
        for run in tuple(self._runs):
            run.stop("stopping")
        if runs:
            await asyncio.wait(runs, timeout=RELEASE_TIMEOUT)

    def _note(self, name: str, data: Data) -> None:
        self.observer.emit(TelemetryEvent(name, data=data))


def _trace(bug: Exception) -> str:
    return "".join(traceback.format_exception(bug, limit=-6))


def _about(claim: Claim) -> Data:
    return {
        "batch": claim.batch.id,
        "task": claim.task.id,
        "kind": claim.batch.kind,
        "attempt": claim.task.attempt,
        "failures": claim.task.failures,
    }
