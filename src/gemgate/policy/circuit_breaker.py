"""The circuit breaker: when an account (per capability) or an address may be used. A pure table; time and randomness
are arguments.

| outcome of a call              | closed                    | half-open (the one probe)   |
|--------------------------------|---------------------------|-----------------------------|
| ok, or the caller's own fault  | failures = 0              | closed                      |
| failed (5xx, stall, reset)     | 3rd in a row: open 15 min | open 15 min                 |
| limited (1037), lowered model  | open to the reset, or 1 h | open to the reset, or 1 h   |
| blocked (1060, 429, captcha)   | open 2 h                  | open 2 h                    |
| cancelled                      | nothing                   | nothing, the probe is free  |

The jitter is fixed when a circuit opens, so a countdown never jumps. Seconds of 0 switch a rule off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from gemgate.frozen import frozen

Outcome = Literal["ok", "failed", "limited", "lowered", "blocked", "cancelled"]
Cause = Literal["", "limit", "lowered", "failures", "blocked"]
"""Why a circuit is open: a usage limit, a lower model in place of the one that was asked for, failures in a row, or a
block of the address. "" = it is closed."""
Phase = Literal["closed", "open", "half_open"]


@frozen
class Rules:
    """failures in a row open a circuit for `failure_seconds`; a usage limit for `limit_seconds` unless Google names
    the reset; a block of the address for `blocked_seconds`; all plus up to `jitter` of themselves.
    """

    failures: int = 3
    failure_seconds: float = 900.0
    limit_seconds: float = 3600.0
    blocked_seconds: float = 7200.0
    jitter: float = 0.1


@frozen
class Circuit:
    """`until` in epoch seconds, 0 = closed. `probing`: the one call of a half-open circuit is under way."""

    failures: int = 0
    until: float = 0.0
    opened_at: float = 0.0
    reason: str = ""
    probing: bool = False
    cause: Cause = ""

    def phase(self, now: float) -> Phase:
        if not self.until:
            return "closed"
        return "open" if now < self.until else "half_open"

    def admits(self, now: float) -> bool:
        """Whether a call may start now: any when closed, exactly one when half-open."""
        return not self.until or (self.phase(now) == "half_open" and not self.probing)

    def entered(self, now: float) -> Circuit:
        """The circuit after a call was let in."""
        return replace(self, probing=True) if self.until and self.phase(now) == "half_open" else self

    def settled(
        self,
        outcome: Outcome,
        *,
        now: float,
        random: float,
        rules: Rules,
        reason: str = "",
        resets_at: float | None = None,
    ) -> Circuit:
        """The circuit after a call ended. `random` in [0, 1) fixes the jitter; `resets_at` is Google's own reset."""
        if outcome == "cancelled":
            return replace(self, probing=False) if self.probing else self
        if outcome == "ok":
            # A call that began before the circuit opened says nothing about the limit that opened it.
            return self if self.phase(now) == "open" else CLOSED
        if outcome in ("limited", "lowered"):
            seconds = resets_at - now if resets_at and resets_at > now else rules.limit_seconds
            cause: Cause = "limit" if outcome == "limited" else "lowered"
            return self._opened(now, seconds if rules.limit_seconds else 0, random, rules, reason, cause)
        if outcome == "blocked":
            return self._opened(now, rules.blocked_seconds, random, rules, reason, "blocked")
        failures = self.failures + 1
        if failures < rules.failures and self.phase(now) == "closed":
            return replace(self, failures=failures)
        opened = self._opened(now, rules.failure_seconds, random, rules, reason, "failures")
        return replace(opened, failures=failures)

    def _opened(self, now: float, seconds: float, random: float, rules: Rules, reason: str, cause: Cause) -> Circuit:
        if seconds <= 0:
            return CLOSED
        until = now + seconds * (1 + rules.jitter * random)
        if self.until > until and self.phase(now) == "open":
            return replace(self, probing=False)
        return Circuit(0, until, now, reason, cause=cause)


CLOSED = Circuit()
