"""The last requests in memory, for the page and `GET /api/requests`: a ring of bounded records, so of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from gemgate.ports.runtime import Listener, TelemetryEvent
from gemgate.telemetry.clock import SystemClock
from gemgate.telemetry.request_record import REDUCERS, Reducer, RequestRecord

MOST_OPEN = 4096
"""Requests under way that are followed; what comes beyond is served as well, but not remembered."""


class RecentRequests:
    """`size` ended requests are kept, and those under way; of those that only looked at something, only refused ones.

    now: epoch seconds. ended: they are handed the record of every request that is over.
    """

    def __init__(
        self,
        size: int = 500,
        now: Callable[[], float] | None = None,
        ended: Sequence[Callable[[RequestRecord], None]] = (),
    ) -> None:
        self._size = size
        self._now = now or SystemClock().now
        self._tell = ended
        self._open: dict[str, RequestRecord] = {}
        self._ended: OrderedDict[str, RequestRecord] = OrderedDict()
        self._count = 0
        self._fold: dict[str, Listener] = {name: self._folding(fold) for name, fold in REDUCERS.items()}
        self.listeners = {**self._fold, "request.begun": self._begun, "request.done": self._done}

    def _folding(self, fold: Reducer) -> Listener:
        under_way, ended, now = self._open, self._ended, self._now

        def take(fact: TelemetryEvent) -> None:
            # Images of a caller who left come after its request's end
            record = under_way.get(fact.request_id) or ended.get(fact.request_id)
            if record is not None:
                fold(record, fact.data, now)

        return take

    def _begun(self, fact: TelemetryEvent) -> None:
        request_id = fact.request_id
        if request_id and len(self._open) < MOST_OPEN and self.get(request_id) is None:
            self._count += 1
            self._open[request_id] = RequestRecord(request_id, self._count, self._now())
        self._fold[fact.name](fact)

    def _done(self, fact: TelemetryEvent) -> None:
        self._fold[fact.name](fact)
        record = self._open.pop(fact.request_id, None)
        if record is None:
            return
        for tell in self._tell:
            tell(record)
        if record.is_call and self._size:
            self._ended[record.id] = record
            if len(self._ended) > self._size:
                self._ended.popitem(last=False)

    def overhead(self, request_id: str) -> float | None:
        """Seconds that we have added to a request under way; see `Record.overhead`."""
        record = self._open.get(request_id)
        return None if record is None else record.overhead(self._now())

    def get(self, request_id: str) -> RequestRecord | None:
        return self._open.get(request_id) or self._ended.get(request_id)

    def latest(self, before: int | None = None) -> Iterator[RequestRecord]:
        """Newest first by their beginning, those under way that ask for an answer among them; older than `before`."""
        under_way = (record for record in self._open.values() if record.is_call and record.operation)
        for record in sorted(chain(under_way, self._ended.values()), key=lambda record: -record.number):
            if before is None or record.number < before:
                yield record

    def __len__(self) -> int:
        return len(self._open) + len(self._ended)
