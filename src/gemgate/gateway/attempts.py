"""What the dispatcher tells of one prompt on its way: who was passed over, who took it, how each try ended and why.

The rule of the file: facts only, of plain values; a model's words that an error quotes stay out of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gemgate.chat import Began, Reuse
from gemgate.errors import GatewayError
from gemgate.gateway.served_model import Served
from gemgate.policy.model_rank import named
from gemgate.pool.pool import Lease
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

Then = Literal[
    "other_account", "signed_in", "fresh_chat", "same_account", "maybe_generated", "spoken", "no_help", "last_try"
]
"""What was done after a failed try: sent again, or why not."""
SENT_AGAIN: frozenset[Then] = frozenset({"other_account", "signed_in", "fresh_chat", "same_account"})

Data = dict[str, str | int | float | bool | None]


@dataclass(slots=True)
class AttemptRecorder:
    """Records the attempts of one prompt request. prompt: its number among the request's; repair: "tools" or "json".

    purpose: "chat" or "generate_content", as the GenAI conventions call it.
    """

    observer: Observer
    clock: Clock
    request_id: str
    prompt: int
    model: str
    purpose: str
    repair: str = ""
    number: int = 1
    _asked: float = 0.0
    _sent: float = 0.0
    _since: float = 0.0
    _upstream: float = 0.0
    _spoke: bool = False
    _first: float | None = None
    _served: str = ""

    def lease_requested(self, number: int) -> None:
        """A lease is asked for, for this try."""
        self.number = number
        self._asked = self.clock.monotonic()

    def lease_granted(self, lease: Lease, reuse: Reuse, *, again: bool) -> None:
        """The lease is there. again: the same account once more."""
        choice = lease.choice
        for one in choice.skipped:
            self._emit(
                "lease.skipped",
                account=one.account, state=one.state, why=one.why.en, why_zh=one.why.zh, until=one.until or None,
            )  # fmt: skip
        why = choice.why if choice.why != "preferred" else "again" if again else "conversation"
        self._emit(
            "lease.granted",
            account=lease.account_name, why=why, reuse=reuse, repair=self.repair,
            queue=choice.waited, pace=choice.paced,
        )  # fmt: skip

    def lease_refused(self, error: GatewayError) -> None:
        """Nobody takes it."""
        queue = self.clock.monotonic() - self._asked
        self._emit("lease.refused", queue=queue, repair=self.repair, **_trouble(error))

    def sent(self, lease: Lease, began: Began) -> None:
        """The prompt goes to Google now."""
        self._sent = self._since = self.clock.monotonic()
        self._upstream, self._spoke, self._first, self._served = 0.0, False, None, ""
        self._emit(
            "attempt.sent",
            account=lease.account_name, model=self.model, offer=lease.model.name, reuse=began.reuse, filed=began.filed,
        )  # fmt: skip

    def ended(self, lease: Lease, error: BaseException | None = None) -> None:
        """It is not there any more: how long that took, and how it ended."""
        if error is None:
            self._ended(lease, "answered", "yes")
        elif isinstance(error, GatewayError):
            self._ended(lease, "failed", error.generated, error.kind)
        else:
            self._ended(lease, "stopped", "maybe")

    def received(self, *, spoke: bool) -> None:
        """A piece came. What the listener does with it is not Google's time."""
        now = self.clock.monotonic()
        self._upstream += now - self._since
        self._since = now
        if spoke and not self._spoke:
            self._spoke = True
            self._first = now - self._sent
            self._emit("attempt.spoke", seconds=self._first, model=self.model, purpose=self.purpose)

    def unknown(self, field: str) -> None:
        """Google's answer held something that this version does not know."""
        self._emit("answer.unknown", field=field)

    def not_stored(self) -> None:
        """Google answered whole, and kept nothing of the conversation."""
        self._emit("answer.not_stored")

    def consumer_done(self) -> None:
        """The listener is done with the piece; from now on it is Google's time again."""
        self._since = self.clock.monotonic()

    def served_by(self, served: str, painter: str) -> None:
        """Google has said at the end of the answer who gave it, or nothing."""
        self._served = served
        self._emit("attempt.signed", served=named(served), painter=painter and named(painter))

    def downgraded(self, lease: Lease, served: Served, cause: str) -> None:
        """Another model answered than was asked for; why, as far as Google tells when it is asked."""
        self._emit(
            "attempt.lowered",
            account=lease.account_name, asked=named(served.asked), served=named(served.name), cause=cause,
        )  # fmt: skip

    def failed(self, lease: Lease, error: GatewayError) -> None:
        self._emit("attempt.failed", account=lease.account_name, generated=error.generated, **_trouble(error))

    def decision(self, then: Then) -> None:
        """What follows from a failure."""
        self._emit("attempt.then", then=then)

    def _ended(self, lease: Lease, outcome: str, generated: str, kind: str = "") -> None:
        self._emit(
            "attempt.ended",
            account=lease.account_name, model=self.model, served=named(self._served), purpose=self.purpose,
            outcome=outcome, generated=generated, kind=kind, upstream=self._upstream, first=self._first,
        )  # fmt: skip

    def _emit(self, name: str, **data: str | int | float | bool | None) -> None:
        self.observer.emit(
            TelemetryEvent(name, self.request_id, {"errand": self.prompt, "attempt": self.number, **data}),
        )


def _trouble(error: GatewayError) -> Data:
    return {"kind": error.kind, "code": error.code, "why": error.plain("en"), "why_zh": error.plain("zh")}
