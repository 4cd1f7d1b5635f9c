"""What the simulator saw: requests, prompts, counters and broken rules. It never holds the value of a cookie.

Lists are bounded (the newest stay); counters are exact.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from gemgate_simulator.exchange import Outcome
from gemgate_simulator.script import Upload

_REQUESTS = 50_000
_CALLS = 20_000
_CALL_BYTES = 256 << 20
"""Prompts and uploads of the kept calls together, in characters and bytes."""
_VIOLATIONS = 2_000
_IMAGES = 20_000
_FETCHES = 50


@dataclass(slots=True)
class Seen:
    """One request of any kind. account: whose cookies came, "" for a guest; status: 0 until answered."""

    time: float
    method: str
    host: str
    path: str
    where: str
    rpcids: tuple[str, ...]
    account: str
    http: str
    connection: int
    status: int = 0


@dataclass(slots=True)
class Call:
    """One StreamGenerate whose body arrived whole.

    read_bytes, read_file_bytes: how many bytes of the prompt and of each file reached the model, None = all of them.
    generated: it got past authentication, model checks and injected limits. outcome: "open" while it runs.
    served: the name of the model that the answer carries, "" for none. tool: what slot 49 asked for, 0 for nothing.
    """

    time: float
    account: str
    prompt: str
    model: str = ""
    thinking: bool = False
    temporary: bool = False
    files: tuple[Upload, ...] = ()
    cid: str = ""
    rid: str = ""
    generated: bool = False
    outcome: Outcome | str = "open"
    fault: str = ""
    frames: int = 0
    served: str = ""
    read_bytes: int | None = None
    read_file_bytes: tuple[int | None, ...] = ()
    tool: int = 0
    aspect: str = ""
    research: str = ""
    """Of the video that was asked for."""
    song: str = ""
    """Length and voice of the music that was asked for."""

    @property
    def read(self) -> str:
        """The prompt as far as it reached the model."""
        if self.read_bytes is None:
            return self.prompt
        return self.prompt.encode("utf-8", "surrogatepass")[: self.read_bytes].decode("utf-8", "surrogatepass")

    @property
    def read_files(self) -> tuple[bytes, ...]:
        """Each file as far as it reached the model."""
        counts = self.read_file_bytes or (None,) * len(self.files)
        return tuple(file.data[:count] for file, count in zip(self.files, counts, strict=True))

    @property
    def cut(self) -> bool:
        """Whether something of the prompt or of its files was dropped at a wall."""
        return self.read_bytes is not None or any(count is not None for count in self.read_file_bytes)


@dataclass(slots=True)
class Fetch:
    """One request for an image. route: "c8o8Fe", or the kind of link (`links.Route`); options: its end, "s2048-rj"."""

    time: float
    route: str
    options: str = ""
    status: int = 0
    outcome: Outcome | str = "open"

    def ended(self, outcome: Outcome) -> None:
        self.outcome = outcome


@dataclass(slots=True)
class Drawn:
    """One image that was generated. What it looks like without the logo: `Google.plain(id)`.

    number: the generation that made it (Record.generations then), from 1; logo: the name of the profile it bears, ""
    for none; kind: "given" for a script's own bytes; of: id of the upload or image it is an edit of.
    """

    id: str
    prompt: str
    account: str
    model: str
    number: int
    width: int
    height: int
    mime: str
    logo: str = ""
    kind: str = ""
    seed: int = 0
    of: str = ""
    cid: str = ""
    rid: str = ""
    fetches: list[Fetch] = field(default_factory=list)

    def note(self, fetch: Fetch) -> None:
        """Take note of a request for it; the newest stay."""
        self.fetches.append(fetch)
        del self.fetches[:-_FETCHES]


@dataclass(slots=True)
class Record:
    """Counters and lists; read them directly.

    received: StreamGenerate POSTs that arrived whole; headers_only: those whose body never did.
    generations: received ones for which the service may have generated. open_streams: answers under way now.
    """

    received: int = 0
    headers: int = 0
    generations: int = 0
    open_streams: int = 0
    cancelled: int = 0
    violations: deque[str] = field(default_factory=lambda: deque(maxlen=_VIOLATIONS))
    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=_REQUESTS))
    calls: deque[Call] = field(default_factory=deque)
    images: deque[Drawn] = field(default_factory=lambda: deque(maxlen=_IMAGES))
    peak: Counter[str] = field(default_factory=Counter)
    by_account: Counter[str] = field(default_factory=Counter)
    generated_by_account: Counter[str] = field(default_factory=Counter)
    refused_hosts: Counter[str] = field(default_factory=Counter)
    _open: Counter[str] = field(default_factory=Counter)
    _weight: int = 0

    @property
    def headers_only(self) -> int:
        return max(0, self.headers - self.received)

    def received_of(self, account: str | None = None, prompt: str | None = None) -> int:
        """How many were received, by account name and by a substring of the prompt (the newest 20,000 calls)."""
        return sum(_is(call, account, prompt) for call in self.calls)

    def generations_of(self, account: str | None = None, prompt: str | None = None) -> int:
        """The same for generations."""
        return sum(call.generated and _is(call, account, prompt) for call in self.calls)

    def requests_of(self, where: str, account: str | None = None) -> int:
        """How many requests went to a place ("generate", "init", "rotate", ...) or to an rpcid."""
        return sum(
            (seen.where == where or where in seen.rpcids) and account in (None, seen.account) for seen in self.requests
        )

    def images_of(self, account: str | None = None, prompt: str | None = None) -> list[Drawn]:
        """The images made for an account, by a substring of the prompt (the newest 20,000)."""
        return [drawn for drawn in self.images if _is(drawn, account, prompt)]

    def fetches_of(self, route: str, account: str | None = None, prompt: str | None = None) -> int:
        """How many requests for images took this route: "c8o8Fe", "preview", "hop1", "hop2", "original"."""
        return sum(fetch.route == route for drawn in self.images_of(account, prompt) for fetch in drawn.fetches)

    def violation(self, text: str) -> None:
        self.violations.append(text)

    def arrived(self, call: Call) -> None:
        """A StreamGenerate POST is here whole."""
        self.received += 1
        self.by_account[call.account] += 1
        while self.calls and (len(self.calls) >= _CALLS or self._weight > _CALL_BYTES):
            self._weight -= _weight(self.calls.popleft())
        self.calls.append(call)
        self._weight += _weight(call)

    def generating(self, call: Call) -> None:
        """It got past every check."""
        self._weight -= _weight(call)
        call.generated = True
        self._weight += _weight(call)
        self.generations += 1
        self.generated_by_account[call.account] += 1

    def opened(self, call: Call) -> None:
        """Its answer begins."""
        self.open_streams += 1
        self._open[call.account] += 1
        self.peak[call.account] = max(self.peak[call.account], self._open[call.account])

    def ended(self, call: Call, outcome: Outcome) -> None:
        """Its answer is over."""
        self.open_streams -= 1
        self._open[call.account] -= 1
        call.outcome = outcome
        if outcome == "cancelled":
            self.cancelled += 1

    def clear(self) -> None:
        """Start counting again; answers under way stay counted as open."""
        self.received = self.headers = self.generations = self.cancelled = 0
        for kept in (self.violations, self.requests, self.calls, self.images):
            kept.clear()
        self._weight = 0
        for counter in (self.peak, self.by_account, self.generated_by_account, self.refused_hosts):
            counter.clear()

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Record:
        """What `as_dict` wrote; uploads come back without their bytes."""
        counters = ("received", "headers", "generations", "open_streams", "cancelled")
        record = cls(**{name: row[name] for name in counters})
        record.violations.extend(row["violations"])
        record.requests.extend(Seen(**{**seen, "rpcids": tuple(seen["rpcids"])}) for seen in row["requests"])
        for call in row["calls"]:
            files = tuple(Upload(file["id"], file["name"], file["mime"], b"") for file in call["files"])
            read = tuple(call["read_file_bytes"])
            record.calls.append(Call(**{**call, "files": files, "read_file_bytes": read}))
        for drawn in row["pictures"]:
            record.images.append(Drawn(**{**drawn, "fetches": [Fetch(**fetch) for fetch in drawn["fetches"]]}))
        for name in ("peak", "by_account", "generated_by_account", "refused_hosts"):
            getattr(record, name).update(row[name])
        return record

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON can carry it; uploads without their bytes."""
        return {
            "received": self.received,
            "headers": self.headers,
            "headers_only": self.headers_only,
            "generations": self.generations,
            "open_streams": self.open_streams,
            "cancelled": self.cancelled,
            "violations": list(self.violations),
            "requests": [asdict(seen) for seen in self.requests],
            "calls": [_call(call) for call in self.calls],
            "pictures": [asdict(drawn) for drawn in self.images],
            "peak": dict(self.peak),
            "by_account": dict(self.by_account),
            "generated_by_account": dict(self.generated_by_account),
            "refused_hosts": dict(self.refused_hosts),
        }


def _weight(call: Call) -> int:
    return len(call.prompt) + (sum(len(file.data) for file in call.files) if call.generated else 0)


def _is(call: Call | Drawn, account: str | None, prompt: str | None) -> bool:
    return account in (None, call.account) and (prompt is None or prompt in call.prompt)


def _call(call: Call) -> dict[str, Any]:
    row = {name: getattr(call, name) for name in Call.__dataclass_fields__}
    row["files"] = [{"id": file.id, "name": file.name, "mime": file.mime} for file in call.files]
    return row
