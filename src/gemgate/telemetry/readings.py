"""What `meters.READ` shows, read where it is decided: the accounts' standings, the queue, batches, stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gemgate.accounts import CAPABILITIES
from gemgate.machine import PARTS, Part
from gemgate.member import Member
from gemgate.pool import AccountPool
from gemgate.ports import Clock
from gemgate.version import __version__
from gemgate.work import Tally

Value = tuple[str, tuple[str, ...], float]
"""Name of a metric, values of its labels, value."""


_PHASES = {"closed": 0.0, "half_open": 0.5, "open": 1.0}


def readings(
    pool: AccountPool, clock: Clock, tally: Tally | None, *, degraded: bool, spooled: int, short: Sequence[Part] = ()
) -> Iterator[Value]:
    """Everything as it stands now. tally: None while the database is away; degraded: limits are counted per process;
    spooled: pictures waiting for a bucket; short: what the machine lacks.
    """
    yield "gemgate_info", (__version__,), 1
    for state, count in Counter(member.standing().state for member in pool.members).items():
        yield "gemgate_accounts", (state,), count
    for member in pool.members:
        yield from _account(member, clock)
    now = clock.now()
    for address in {member.address.name: member.address for member in pool.members}.values():
        yield "gemgate_address_blocked", (address.name,), _PHASES[address.circuit.phase(now)]
        yield "gemgate_address_thaw_seconds", (address.name,), max(0.0, address.circuit.until - now)
    yield "gemgate_queue_waiting", (), pool.waiting
    for status in ("queued", "running", "done", "failed", "cancelled"):
        if tally is not None:
            yield "gemgate_batch_tasks", (status,), getattr(tally, status)
    for part in PARTS:
        yield "gemgate_short", (part,), part in short
    yield "gemgate_limits_degraded", (), degraded
    yield "gemgate_storage_waiting", (), spooled


def _account(member: Member, clock: Clock) -> Iterator[Value]:
    name, now = member.name, clock.now()
    yield "gemgate_account_ready", (name,), member.is_open and member.standing().usable
    yield "gemgate_lanes", (name,), member.lanes
    yield "gemgate_lanes_in_use", (name,), member.busy
    yield "gemgate_pace_delay_seconds", (name,), member.pacer.current_delay
    for capability in CAPABILITIES:
        circuit = member.circuits[capability]
        yield "gemgate_circuit_open", (name, capability), _PHASES[circuit.phase(now)]
        yield "gemgate_circuit_thaw_seconds", (name, capability), max(0.0, circuit.until - now)
    if member.signed_in_at:
        yield "gemgate_session_age_seconds", (name,), max(0.0, now - member.signed_in_at)
        yield "gemgate_cookie_age_seconds", (name,), max(0.0, now - member.renewed_at)
