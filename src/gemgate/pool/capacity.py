"""The accounts of this process as makers of answers, for a forecast: lanes, paces, and what their windows leave."""

from __future__ import annotations

from gemgate.accounts import Capability
from gemgate.policy.capacity import Budget, Capacity, Source, Unknown
from gemgate.policy.usage_windows import LENGTHS
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.usage import Standing

DRAIN_SECONDS = 3 * 3600.0
"""How far back it is looked what others than batches take of the windows."""

LEAST_COST = 1e-6
"""What a call takes of a window at least, where that was too little to be seen."""


def capacity(pool: AccountPool, capability: Capability, seconds: float | None, now: float) -> Capacity:
    """What batches of such calls have to work with. Accounts that nobody but a person can bring back are left out."""
    unknown: list[Unknown] = []
    sources = [_source(pool, account, capability, unknown, now) for account in _makers(pool, capability)]
    paces = {one.egress.name: one.egress.pace.per_minute for one in pool.accounts if one.egress.pace.per_minute}
    return Capacity(sources, seconds, paces=paces, unknown=unknown)


def _makers(pool: AccountPool, capability: Capability) -> list[Account]:
    """The accounts that take such calls, now or after a rest with an end; a fallback where there is no other."""
    makers = [one for one in pool.accounts if one.is_open and not one.paused and one.weight > 0]
    makers = [one for one in makers if (status := one.status(capability)).usable or status.until]
    return [one for one in makers if not one.fallback] or makers


def _source(pool: AccountPool, account: Account, capability: Capability, unknown: list[Unknown], now: float) -> Source:
    status = account.status(capability)
    budgets = []
    for standing in account.usage.standings([capability], now):
        drain = account.usage.drain(standing.window.name, capability, now, DRAIN_SECONDS)
        budget = _budget(standing, pool.reserve, drain)
        if budget is None:
            unknown.append("cost")
        else:
            budgets.append(budget)
    return Source(
        account.name,
        pool.lanes_for_batches(account),
        account.egress.name,
        account.pacer.rpm,
        status.until if not status.usable else 0.0,
        tuple(budgets),
    )


def _budget(standing: Standing, reserve: float, drain: float) -> Budget | None:
    """A window in calls; None where it is not known what one takes of it."""
    window, cost = standing.window, standing.cost
    if cost is None:
        return None
    cost = max(cost, LEAST_COST)
    return Budget(
        window.name,
        max(0.0, standing.left - reserve) / cost,
        (1.0 - reserve) / cost,
        window.resets_at,
        LENGTHS.get(window.name),
        drain / cost,
    )
