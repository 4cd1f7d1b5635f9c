"""What `meters.READ` shows, read where it is decided: the accounts' standings, the queue, batches, stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from gemgate.accounts import ACTION, CAPABILITIES
from gemgate.batches import BatchKind, TaskCounts
from gemgate.machine import PARTS, Part
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.ports.runtime import Clock
from gemgate.version import __version__

Value = tuple[str, tuple[str, ...], float]
"""Name of a metric, values of its labels, value."""


KINDS: tuple[BatchKind, ...] = get_args(BatchKind)
_PHASES = {"closed": 0.0, "half_open": 0.5, "open": 1.0}


def gauges(
    pool: AccountPool,
    clock: Clock,
    tallies: Mapping[BatchKind, TaskCounts] | None,
    *,
    degraded: bool,
    spooled: int,
    short: Sequence[Part] = (),
    unwritten: int = 0,
) -> Iterator[Value]:
    """Everything as it stands now. tallies: of tasks, None while the database is away; degraded: limits are counted per
    process; spooled: images waiting for a bucket; short: what the machine lacks; unwritten: rows of usage.
    """
    yield "gemgate_info", (__version__,), 1
    for state, count in Counter(account.status().state for account in pool.accounts).items():
        yield "gemgate_accounts", (state,), count
    for account in pool.accounts:
        yield from _account(account, clock)
    now = clock.now()
    for address in {account.egress.name: account.egress for account in pool.accounts}.values():
        yield "gemgate_address_blocked", (address.name,), _PHASES[address.circuit.phase(now)]
        yield "gemgate_address_thaw_seconds", (address.name,), max(0.0, address.circuit.until - now)
    yield "gemgate_queue_waiting", (), pool.waiting
    for kind in KINDS if tallies is not None else ():
        for status in ("queued", "running", "done", "failed", "cancelled"):
            yield "gemgate_batch_tasks", (kind, status), getattr((tallies or {}).get(kind, TaskCounts()), status)
    for part in PARTS:
        yield "gemgate_short", (part,), part in short
    yield "gemgate_limits_degraded", (), degraded
    yield "gemgate_storage_waiting", (), spooled
    yield "gemgate_usage_unwritten", (), unwritten


def _account(account: Account, clock: Clock) -> Iterator[Value]:
    name, now = account.name, clock.now()
    yield "gemgate_account_ready", (name,), account.is_open and account.status().usable
    yield "gemgate_lanes", (name,), account.lanes
    yield "gemgate_lanes_in_use", (name,), account.busy
    yield "gemgate_pace_delay_seconds", (name,), account.pacer.current_delay
    for capability in CAPABILITIES:
        circuit = account.circuits[capability]
        yield "gemgate_circuit_open", (name, capability), _PHASES[circuit.phase(now)]
        yield "gemgate_circuit_thaw_seconds", (name, capability), max(0.0, circuit.until - now)
    windows = account.usage.windows
    for window in ("5h", "weekly", "credits", "actions"):
        mine = [one for one in windows if one.name == window or (window == "actions" and one.name.startswith(ACTION))]
        if mine:
            fullest = max(mine, key=lambda one: one.used)
            yield "gemgate_usage_used_ratio", (name, window), fullest.used
            yield "gemgate_usage_reset_seconds", (name, window), max(0.0, (fullest.resets_at or now) - now)
    for capability in CAPABILITIES:
        if (standing := account.usage.binding([capability], now)) is not None:
            yield "gemgate_usage_left_ratio", (name, capability), standing.left
    if account.signed_in_at:
        yield "gemgate_session_age_seconds", (name,), max(0.0, now - account.signed_in_at)
        yield "gemgate_cookie_age_seconds", (name,), max(0.0, now - account.renewed_at)
