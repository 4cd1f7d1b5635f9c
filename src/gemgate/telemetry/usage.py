"""The ledger of usage, written behind the calls: each costs a few additions here, and a moment later its sums are added
to the database together with those of others.

A call is a request for an answer that came as far as a model, or a task of a durable one: the request that ordered it
is none beside it. What a killed process had not written yet, a moment's worth, is lost and never counted twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from gemgate.errors import StorageDown
from gemgate.ports.runtime import Listener, TelemetryEvent
from gemgate.ports.usage import UsageOf, UsageStore, UsageSums

BEHIND = 1.0
"""Seconds for which sums are gathered before they are written together."""
AGAIN = 2.0
"""Seconds until the next try when the database is away."""
DAY, HOUR = 86_400.0, 3_600.0
OTHER = "other"
"""Stands for a model's name that is none, and for those that a day has too many of: callers choose the names."""
MOST_NAMES = 200
_NAME = re.compile(r"[\w.:/@+-]{1,80}", re.ASCII)

Data = Mapping[str, Any]


@dataclass(slots=True)
class _Call:
    """One call, or one run of a task, while it runs. began: epoch seconds."""

    id: str
    began: float
    key: str = ""
    dialect: str = ""
    kind: str = "chat"
    model: str = ""
    account: str = ""
    served: str = ""
    trouble: str = ""
    admitted: bool = False
    ordered: bool = False
    finishing: bool = False
    sums: UsageSums = field(default_factory=UsageSums)


_Fold = Callable[[_Call, Data], None]

Settled = Callable[[str, UsageSums, bool], None]
"""Hears of a call's or a task's end, or of a run's: its id, what it cost, and whether that was all."""

_running: ContextVar[_Call | None] = ContextVar("usage_running", default=None)
"""The run of a task in whose course something happens: its facts may name a request, or none."""


class UsageLedger:
    """An observer that keeps the ledger. now: epoch seconds; settled: hears of each call that was admitted."""

    def __init__(self, store: UsageStore, now: Callable[[], float], settled: Settled = lambda *_: None) -> None:
        self.store = store
        self._now = now
        self._settled = settled
        self._open: dict[str, _Call] = {}
        self._waiting: dict[UsageOf, UsageSums] = {}
        self._unsure: dict[UsageOf, UsageSums] = {}
        self._writer, self._number = secrets.token_hex(8), 1
        self._told = asyncio.Event()
        self._writing = asyncio.Lock()
        self._names: set[str] = set()
        self._names_of = 0
        self.listeners: Mapping[str, Listener] = {
            **{name: self._folding(fold) for name, fold in _FOLDS.items()},
            "request.identified": self._identified,
            "request.done": self._request_done,
            "request.abandoned": self._abandoned,
            "task.begun": self._run_begun,
            **dict.fromkeys(_RUN_ENDS, self._run_done),
        }

    @property
    def unwritten(self) -> int:
        """Rows that wait for the database."""
        return len(self._waiting) + len(self._unsure)

    def _folding(self, fold: _Fold) -> Listener:
        def take(fact: TelemetryEvent) -> None:
            call = _running.get() or self._open.get(fact.request_id)
            if call is not None:
                fold(call, fact.data)

        return take

    def _identified(self, fact: TelemetryEvent) -> None:
        data = fact.data
        call = _Call(fact.request_id, self._now(), str(data["tenant"]), str(data["dialect"]))
        call.kind, call.ordered = _kind_of(str(data["operation"]))
        self._open[fact.request_id] = call

    def _request_done(self, fact: TelemetryEvent) -> None:
        call = self._open.get(fact.request_id)
        if call is None:
            return
        call.sums.seconds = max(float(fact.data["seconds"] or 0.0), 1e-6)
        if call.finishing and not call.ordered:
            return  # nobody waits for its images any more, and they are still made
        del self._open[fact.request_id]
        if call.admitted and not call.ordered:
            outcome = call.trouble or ("caller_left" if fact.data["status"] == 499 else "ok")
            self._finished(call, outcome)

    def _abandoned(self, fact: TelemetryEvent) -> None:
        """Its caller left: it ends with its images, which may be after its request."""
        call = self._open.get(fact.request_id)
        if call is None:
            return
        call.finishing = fact.data["outcome"] == "finishing"
        if not call.finishing and call.sums.seconds:
            del self._open[fact.request_id]
            self._finished(call, "caller_left")

    def _run_begun(self, fact: TelemetryEvent) -> None:
        _running.set(self._task(fact.data))

    def _run_done(self, fact: TelemetryEvent) -> None:
        run = _running.get()
        if run is None or run.id != fact.data["task"]:
            return
        _running.set(None)
        run.sums.seconds = float(fact.data.get("seconds") or 0.0)
        if fact.name in ("task.done", "task.failed", "task.cancelled"):
            ended = {"task.done": "ok", "task.cancelled": "cancelled"}
            self._finished(run, ended.get(fact.name) or str(fact.data.get("error") or "internal"))
        else:
            self._enter(run, "unfinished")
            self._settled(run.id, run.sums, False)

    def _task(self, data: Data) -> _Call:
        run = _Call(str(data["task"]), self._now(), str(data["tenant"]), str(data["dialect"]), admitted=True)
        run.kind, run.model = str(data["usage"]), str(data["model"])
        return run

    def _finished(self, call: _Call, outcome: str) -> None:
        call.sums.calls = 1
        self._enter(call, outcome)
        self._settled(call.id, call.sums, True)

    def _enter(self, call: _Call, outcome: str) -> None:
        day, second = divmod(self._now(), DAY)
        of = UsageOf(
            int(day), int(second // HOUR), call.key, call.account, self._name(call.model, int(day)),
            call.served, call.dialect, call.kind, outcome,
        )  # fmt: skip
        waiting = self._waiting.get(of)
        if waiting is None:
            self._waiting[of] = call.sums
            self._told.set()
        else:
            waiting.add(call.sums)

    def _name(self, model: str, day: int) -> str:
        if day != self._names_of:
            self._names, self._names_of = set(), day
        if model in self._names:
            return model
        if len(self._names) >= MOST_NAMES or not _NAME.fullmatch(model):
            return OTHER if model else ""
        self._names.add(model)
        return model

    async def tend(self) -> None:
        """Write what waits, together, a moment after it came; runs for ever, and leaves nothing when it is ended."""
        try:
            while True:
                await self._told.wait()
                await asyncio.sleep(BEHIND)
                try:
                    await self.written()
                except StorageDown:
                    await asyncio.sleep(AGAIN)
        finally:
            with contextlib.suppress(StorageDown):
                await self.written()

    async def written(self) -> None:
        """Return when the sums of all that ended so far stand in the database. StorageDown: they wait on."""
        async with self._writing:
            await self._write()  # what an earlier try left unsure
            self._unsure, self._waiting = self._waiting, {}
            self._told.clear()
            await self._write()  # what ends meanwhile waits for its own moment: calls never stop ending

    async def _write(self) -> None:
        if not self._unsure:
            return
        try:
            await self.store.add(self._writer, self._number, self._unsure, self._now())
        except BaseException:
            self._told.set()  # perhaps they are written: under their number they are not added again
            raise
        self._unsure, self._number = {}, self._number + 1


def _kind_of(operation: str) -> tuple[str, bool]:
    """What an operation makes, by its name; and whether it only orders a batch, whose tasks are the calls."""
    first = operation.partition(".")[0]
    kinds = {"images": "image", "generate-images": "image", "videos": "video", "music": "music", "audio": "audio"}
    return kinds.get(first, "chat"), first in ("batch", "batches")


def _admitted(call: _Call, data: Data) -> None:
    call.admitted, call.model, call.key = True, str(data["asked"]), str(data["tenant"])


def _tokens(call: _Call, data: Data) -> None:
    call.sums.tokens_in += int(data["prompt"])
    call.sums.tokens_out += int(data["completion"])


def _sent(call: _Call, data: Data) -> None:
    call.account, call.model, call.served = str(data["account"]), call.model or str(data["model"]), "unknown"
    if int(data["attempt"]) > 1:
        call.sums.retries += 1


def _granted(call: _Call, data: Data) -> None:
    if data["repair"] and int(data["attempt"]) == 1:
        call.sums.retries += 1


def _ended(call: _Call, data: Data) -> None:
    if data["generated"] != "no":
        call.sums.generations += 1
    if data["served"]:
        call.served = str(data["served"])


def _signed(call: _Call, data: Data) -> None:
    if data["served"]:
        call.served = str(data["served"])


def _image(call: _Call, data: Data) -> None:
    call.sums.images += 1
    call.sums.bytes += int(data["bytes"])


def _media(call: _Call, data: Data) -> None:
    call.sums.videos += data["media"] == "video"
    call.sums.bytes += int(data["bytes"])


def _failed(call: _Call, data: Data) -> None:
    call.trouble = str(data["kind"])


def _ordered(call: _Call, data: Data) -> None:
    call.ordered = True


_RUN_ENDS = ("task.done", "task.failed", "task.cancelled", "task.waiting", "task.given_back", "task.lost")
_FOLDS: Mapping[str, _Fold] = {
    "call.admitted": _admitted,
    "limit.refused": _admitted,
    "chat.tokens": _tokens,
    "lease.granted": _granted,
    "attempt.sent": _sent,
    "attempt.signed": _signed,
    "attempt.ended": _ended,
    "image.delivered": _image,
    "media.delivered": _media,
    "request.failed": _failed,
    "request.task": _ordered,
}
