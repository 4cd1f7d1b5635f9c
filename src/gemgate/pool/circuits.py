"""The circuit breakers of one account: one per capability, and the one of its way out, which other accounts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gemgate.accounts import CAPABILITIES, Capability
from gemgate.policy.circuit_breaker import CLOSED, Circuit, Outcome, Rules
from gemgate.pool.status import LOWERED, MAKING, Egress
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent


class AccountCircuits:
    """Moves the circuits as calls end, and tells the observer of each that opens or closes."""

    def __init__(
        self, account: str, egress: Egress, *, rules: Rules, clock: Clock, random: Random, observer: Observer
    ) -> None:
        self.by_capability: dict[Capability, Circuit] = dict.fromkeys(CAPABILITIES, CLOSED)
        self._account = account
        self._egress = egress
        self.rules = rules
        self._clock = clock
        self._random = random
        self._observer = observer

    def keeping_out(self, needs: Sequence[Capability], now: float) -> Circuit | None:
        """The circuit that keeps a call out: the last to thaw of its needs; without needs, if nothing is left to do."""
        shut = [circuit for c in needs or MAKING if not (circuit := self.by_capability[c]).admits(now)]
        if not shut or (not needs and len(shut) < len(MAKING)):
            return None
        return (max if needs else min)(shut, key=lambda circuit: circuit.until)

    def not_closed(self) -> dict[Capability, Circuit]:
        now = self._clock.now()
        return {c: circuit for c, circuit in self.by_capability.items() if circuit.phase(now) != "closed"}

    def started(self, needs: Sequence[Capability], now: float) -> None:
        """A call that needs these begins."""
        for need in needs:
            self.by_capability[need] = self.by_capability[need].entered(now)
        self.way_started(now)

    def ended(
        self, needs: Sequence[Capability], blamed: str, outcome: Outcome, reason: str, resets_at: float | None
    ) -> bool:
        """A call is over; whether any circuit moved. What went wrong is held against the capability that is blamed."""
        before, way = dict(self.by_capability), self._egress.circuit
        for need in needs:
            own: Outcome = outcome if outcome == "ok" or need == blamed else "cancelled"
            self._move(need, "cancelled" if outcome == "blocked" else own, reason, resets_at)
        self._move_way(outcome if outcome in ("ok", "blocked") else "cancelled", reason)
        if moved := (before, way) != (self.by_capability, self._egress.circuit):
            self._tell(before, way)
        return moved

    def lower(self, capability: Capability, why: str, resets_at: float | None) -> None:
        """Google serves less than this capability promises: it rests until the reset, and nothing else does."""
        before = dict(self.by_capability)
        self._move(capability, "lowered", LOWERED + why, resets_at)
        self._tell(before, self._egress.circuit)

    def reset(self, capability: Capability | None) -> None:
        """Close one, or all and that of the way out."""
        before, way = dict(self.by_capability), self._egress.circuit
        for name in [capability] if capability else CAPABILITIES:
            self.by_capability[name] = CLOSED
        if capability is None:
            self._egress.circuit = CLOSED
        self._tell(before, way)

    def way_started(self, now: float) -> None:
        """Something goes out."""
        self._egress.circuit = self._egress.circuit.entered(now)

    def way_ended(self, before: Circuit, outcome: Outcome, reason: str) -> bool:
        """What went out is over, and the way was like this before; whether its circuit moved."""
        self._move_way(outcome, reason)
        self._tell(self.by_capability, before)
        return self._egress.circuit != before

    def _move(self, capability: Capability, outcome: Outcome, reason: str, resets_at: float | None) -> None:
        self.by_capability[capability] = self._settled(self.by_capability[capability], outcome, reason, resets_at)

    def _move_way(self, outcome: Outcome, reason: str) -> None:
        self._egress.circuit = self._settled(self._egress.circuit, outcome, reason, None)

    def _settled(self, circuit: Circuit, outcome: Outcome, reason: str, resets_at: float | None) -> Circuit:
        return circuit.settled(
            outcome,
            now=self._clock.now(),
            random=self._random(),
            rules=self.rules,
            reason=reason,
            resets_at=resets_at,
        )

    def _tell(self, circuits: Mapping[Capability, Circuit], way: Circuit) -> None:
        """Of the circuits that opened or closed since they were like this."""
        for capability, before in circuits.items():
            if (now := self.by_capability[capability]).until != before.until:
                data = {"account": self._account, "capability": capability, **_data(now)}
                self._observer.emit(TelemetryEvent("account.circuit", data=data))
        if (now := self._egress.circuit).until != way.until:
            data = {"address": self._egress.name, **_data(now)}
            self._observer.emit(TelemetryEvent("address.circuit", data=data))


def _data(circuit: Circuit) -> dict[str, str | int | float | bool | None]:
    return {"open": bool(circuit.until), "until": circuit.until or None, "why": circuit.reason}
