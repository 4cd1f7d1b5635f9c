"""One request as the facts about it tell, folded while it runs: what was asked, who took it and why, what it cost.

`REDUCERS` says what every fact adds. A record is bounded: what comes beyond `MOST` of a kind is only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemgate.errors import NO_TEXT, LocalText
from gemgate.frozen import frozen

if TYPE_CHECKING:
    from gemgate.dialects.shapes.figures import Timings

MOST = 48
"""Attempts, images or repairs of one request that are kept in detail."""

Data = Mapping[str, Any]
Now = Callable[[], float]
"""The moment, in epoch seconds."""


@frozen
class PassedOver:
    """An account that could not take an attempt: its state word, "tried", "no_model" or "fallback". Epoch seconds."""

    account: str
    state: str
    why: LocalText = NO_TEXT
    until: float = 0.0


@frozen
class Failure:
    """What went wrong."""

    kind: str
    text: LocalText
    code: str = ""


@dataclass(slots=True)
class AttemptRecord:
    """One account that was asked for one prompt. Seconds.

    prompt_request: the prompt it belongs to; repair: "tools" or "json" when it asks again for a better form.
    why:       conversation (it stands there), again (after signing in), least_busy, only, fallback.
    offer:     the account's model that Google was asked for; served: what Google named at the end, "unknown" where it
    named none, "" while that is open; painter: the same of images; lowered: why another model answered than was asked
    for: guest, spent, unknown; "" where none did.
    outcome:   waiting, sent, answered, failed, stopped (by the caller or a stop sequence), refused (no account).
    generated: whether Google made something: no, maybe, yes.
    then:      after a failure, what was done: see `story`.
    sent_at, ended_at: epoch seconds; 0 while it has not come to that.
    unknown:   what of Google's answer this version does not know, each once; stored: False when Google kept nothing.
    """

    prompt_request: int
    number: int
    repair: str = ""
    account: str = ""
    why: str = ""
    served: str = ""
    offer: str = ""
    painter: str = ""
    lowered: str = ""
    reuse: str = ""
    queue: float = 0.0
    pace: float = 0.0
    first_byte: float | None = None
    upstream: float | None = None
    outcome: str = "waiting"
    generated: str = "no"
    trouble: Failure | None = None
    then: str = ""
    skipped: list[PassedOver] = field(default_factory=list)
    sent_at: float = 0.0
    ended_at: float = 0.0
    unknown: list[str] = field(default_factory=list)
    stored: bool = True

    def at_google(self, now: float) -> tuple[float, float]:
        """From its sending to the end of its answer; what the listener did meanwhile is not Google's time."""
        if self.ended_at and self.outcome != "answered":
            return self.sent_at, self.ended_at
        theirs = self.upstream if self.ended_at else self.first_byte
        return self.sent_at, now if theirs is None else self.sent_at + theirs


@dataclass(slots=True)
class ImageFacts:
    """One image on its way: by which route, how large, what became of its logo, and the seconds of each step.

    at: when it was done, in epoch seconds. id: under which the gallery has it, "" when it could not be stored.
    """

    source: str = ""
    size: str = ""
    logo: str = ""
    nbytes: int = 0
    download: float = 0.0
    work: float = 0.0
    store: float = 0.0
    failed: str = ""
    at: float = 0.0
    id: str = ""


@dataclass(slots=True)
class RequestRecord:
    """`began` in epoch seconds; `tenant` and `client` say whose it is; everything else is empty until told.

    beside: how much came with the words, by kind (`findings.Findings.counts`); beside_shown: whether the caller got all
    of it. task: the durable job that answers it. abandoned: what became of its images after its caller
    left: finishing, finished, failed or cancelled.
    """

    id: str
    number: int
    began: float
    operation: str = ""
    dialect: str = ""
    method: str = ""
    path: str = ""
    traceparent: str = ""
    tenant: str = ""
    client: str = ""
    status: int | None = None
    seconds: float | None = None
    streamed: bool = False
    first_byte: float | None = None
    model_asked: str = ""
    model: str = ""
    messages: int = 0
    new_messages: int = 0
    ignored: tuple[str, ...] = ()
    attempts: list[AttemptRecord] = field(default_factory=list)
    images: list[ImageFacts] = field(default_factory=list)
    prompt_tokens: int = 0
    output_tokens: int = 0
    filed: int = 0
    trouble: Failure | None = None
    in_band: bool = False
    kept_alive: bool = False
    left_out: int = 0
    beside: dict[str, int] = field(default_factory=dict)
    beside_shown: bool = True
    task: str = ""
    abandoned: str = ""

    @property
    def is_call(self) -> bool:
        """Whether it asked for an answer, or for something that was refused: the others are not worth keeping."""
        return bool(self.model) or self.method not in ("GET", "HEAD", "OPTIONS") or (self.status or 0) >= 400

    @property
    def generations(self) -> int:
        """Prompts for which Google made an answer, or may have."""
        return sum(attempt.generated != "no" for attempt in self.attempts)

    @property
    def repairs(self) -> list[str]:
        """What had to be asked for once more, in their order."""
        return [attempt.repair for attempt in self.attempts if attempt.number == 1 and attempt.repair]

    @property
    def last(self) -> AttemptRecord | None:
        """The attempt that decided."""
        return self.attempts[-1] if self.attempts else None

    def attempt(self, data: Data) -> AttemptRecord | None:
        """The attempt that a fact is about, begun if it is new; None beyond `MOST`."""
        prompt_request, number = data["errand"], data["attempt"]
        for attempt in reversed(self.attempts):
            if attempt.prompt_request == prompt_request and attempt.number == number:
                return attempt
        if not self.room(self.attempts):
            return None
        self.attempts.append(AttemptRecord(prompt_request, number))
        return self.attempts[-1]

    def room(self, kept: list[Any]) -> bool:
        """Whether one more is kept in detail; what is not is counted."""
        if len(kept) < MOST:
            return True
        self.left_out += 1
        return False

    def overhead(self, now: float) -> float:
        """Seconds that we have added so far: since it came, without the time in which Google was at work for it.

        Google is at work from a prompt's sending to the end of its answer (of one under way: to its first word, or
        until now), and while an image is fetched; prompts at the same time count once. Waiting for a lane or for an
        account's pace is ours. now: epoch seconds.
        """
        spans = [span for attempt in self.attempts if attempt.sent_at for span in (attempt.at_google(now),)]
        for image in self.images:
            fetched = image.at - image.store - image.work
            spans.append((fetched - image.download, fetched))
        theirs, reached = 0.0, self.began
        for begin, end in sorted(spans):
            theirs += max(0.0, min(end, now) - max(begin, reached))
            reached = max(reached, min(end, now))
        return max(0.0, now - self.began - theirs)

    def timings(self) -> Timings:
        """Seconds by stage; work of several attempts and images is added up."""
        return {
            "queue": shown(sum(attempt.queue + attempt.pace for attempt in self.attempts)),
            "first_byte": shown(self.first_byte),
            "upstream": shown(sum(attempt.upstream or 0.0 for attempt in self.attempts)),
            "download": shown(sum(image.download for image in self.images)),
            "logo": shown(sum(image.work for image in self.images)),
            "store": shown(sum(image.store for image in self.images)),
            "total": shown(self.seconds),
        }


def shown(seconds: float | None) -> float | None:
    """A time as answers tell it."""
    return None if seconds is None else round(seconds, 4)


def _begun(record: RequestRecord, data: Data, now: Now) -> None:
    record.method = str(data.get("method", ""))
    record.traceparent = str(data.get("traceparent", ""))


def _identified(record: RequestRecord, data: Data, now: Now) -> None:
    record.operation, record.dialect = str(data["operation"]), str(data["dialect"])
    record.tenant, record.client = str(data["tenant"]), str(data["client"])


def _admitted(record: RequestRecord, data: Data, now: Now) -> None:
    record.model_asked, record.model = str(data["asked"]), str(data["model"])
    record.tenant, record.client = str(data["tenant"]), str(data["client"])


def _ignored(record: RequestRecord, data: Data, now: Now) -> None:
    record.ignored = tuple(str(data["names"]).split(", "))


def _planned(record: RequestRecord, data: Data, now: Now) -> None:
    record.messages, record.new_messages = int(data["messages"]), int(data["new"])


def _skipped(record: RequestRecord, data: Data, now: Now) -> None:
    if (attempt := record.attempt(data)) and len(attempt.skipped) < MOST:
        attempt.skipped.append(
            PassedOver(data["account"], data["state"], LocalText(data["why"], data["why_zh"]), data["until"] or 0.0)
        )


def _granted(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.repair = data["repair"]
        attempt.account, attempt.why, attempt.reuse = data["account"], data["why"], data["reuse"]
        attempt.queue, attempt.pace = float(data["queue"]), float(data["pace"])


def _refused(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.outcome, attempt.queue, attempt.repair = "refused", float(data["queue"]), data["repair"]
        attempt.trouble = _trouble(data)


def _sent(record: RequestRecord, data: Data, now: Now) -> None:
    record.filed = max(record.filed, int(data["filed"]))
    if attempt := record.attempt(data):
        attempt.outcome, attempt.generated, attempt.offer = "sent", "maybe", data["offer"]
        attempt.sent_at = now()


def _spoke(record: RequestRecord, data: Data, now: Now) -> None:
    if record.first_byte is None:
        record.first_byte = max(0.0, now() - record.began)
    if attempt := record.attempt(data):
        attempt.first_byte = float(data["seconds"])


def _signed(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.served, attempt.painter = data["served"], data["painter"]


def _lowered(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.lowered = data["cause"]


def _failed(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.outcome, attempt.generated, attempt.trouble = "failed", data["generated"], _trouble(data)


def _then(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.then = data["then"]


def _ended(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.upstream, attempt.ended_at = float(data["upstream"]), now()
        if attempt.outcome == "sent":
            attempt.outcome = data["outcome"]
            attempt.generated = "yes" if data["outcome"] == "answered" else attempt.generated


def _unknown(record: RequestRecord, data: Data, now: Now) -> None:
    attempt = record.attempt(data)
    if attempt and data["field"] not in attempt.unknown and len(attempt.unknown) < MOST:
        attempt.unknown.append(str(data["field"]))


def _not_stored(record: RequestRecord, data: Data, now: Now) -> None:
    if attempt := record.attempt(data):
        attempt.stored = False


def _delivered(record: RequestRecord, data: Data, now: Now) -> None:
    if record.room(record.images):
        record.images.append(
            ImageFacts(
                data["source"], data["size"], data["logo"], int(data["bytes"]),
                data["fetch_seconds"], data["work_seconds"], data["store_seconds"],
                at=now(), id=str(data.get("id", "")),
            )
        )  # fmt: skip


def _undelivered(record: RequestRecord, data: Data, now: Now) -> None:
    if record.room(record.images):
        record.images.append(ImageFacts(download=data["seconds"], failed=data["kind"], at=now()))


def _beside(record: RequestRecord, data: Data, now: Now) -> None:
    kinds = ("sources", "pictures", "documents", "media", "runs", "suggestions")
    record.beside = {kind: int(data[kind]) for kind in kinds if data[kind]}
    record.beside_shown = bool(data["shown"])


def _tokens(record: RequestRecord, data: Data, now: Now) -> None:
    record.prompt_tokens += int(data["prompt"])
    record.output_tokens += int(data["completion"])


def _in_trouble(record: RequestRecord, data: Data, now: Now) -> None:
    record.trouble = _trouble(data)
    record.in_band = record.in_band or bool(data.get("in_band"))


def _streams(record: RequestRecord, data: Data, now: Now) -> None:
    record.streamed = True


def _task(record: RequestRecord, data: Data, now: Now) -> None:
    record.task = str(data["id"])


def _abandoned(record: RequestRecord, data: Data, now: Now) -> None:
    record.abandoned = str(data["outcome"])


def _kept_alive(record: RequestRecord, data: Data, now: Now) -> None:
    record.kept_alive = True


def _done(record: RequestRecord, data: Data, now: Now) -> None:
    record.operation = str(data["operation"])
    record.path = str(data["path"])
    record.status, record.seconds = int(data["status"]), float(data["seconds"])


def _trouble(data: Data) -> Failure:
    return Failure(str(data["kind"]), LocalText(str(data["why"]), str(data["why_zh"])), str(data.get("code") or ""))


Reducer = Callable[[RequestRecord, Data, Now], None]
"""Adds a fact's data to a record; few ask when that was."""

REDUCERS: Mapping[str, Reducer] = {
    "request.begun": _begun,
    "request.identified": _identified,
    "request.ignored": _ignored,
    "stream.opened": _streams,
    "answer.kept_alive": _kept_alive,
    "request.failed": _in_trouble,
    "request.task": _task,
    "request.abandoned": _abandoned,
    "request.done": _done,
    "call.admitted": _admitted,
    "chat.planned": _planned,
    "chat.tokens": _tokens,
    "lease.skipped": _skipped,
    "lease.granted": _granted,
    "lease.refused": _refused,
    "attempt.sent": _sent,
    "attempt.spoke": _spoke,
    "attempt.signed": _signed,
    "attempt.lowered": _lowered,
    "attempt.failed": _failed,
    "attempt.then": _then,
    "answer.unknown": _unknown,
    "answer.beside": _beside,
    "answer.not_stored": _not_stored,
    "attempt.ended": _ended,
    "image.delivered": _delivered,
    "image.failed": _undelivered,
}
