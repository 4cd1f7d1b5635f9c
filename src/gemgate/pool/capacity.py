"""The accounts of this process as makers of answers, for a forecast: lanes, paces, and what their windows leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gemgate.accounts import Capability
from gemgate.policy.capacity import Budget, Capacity, Source, Unknown
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.usage import AccountUsage

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
    same = [one.usage for one in pool.accounts if one.usage.tier == account.usage.tier]
    found, missing = budgets(account.usage, capability, pool.reserve, now, usual_costs(same, capability))
    unknown += missing
    return Source(
        account.name,
        pool.lanes_for_batches(account),
        account.egress.name,
        account.pacer.rpm,
        status.until if not status.usable else 0.0,
        found,
    )


def usual_costs(usages: Iterable[AccountUsage], capability: Capability) -> dict[str, float]:
    """What a call of a capability takes of each window on average over accounts of one plan, where it was measured."""
    found: dict[str, list[float]] = {}
    for usage in usages:
        for window, costs in usage.costs().items():
            if capability in costs:
                found.setdefault(window, []).append(costs[capability])
    return {window: sum(costs) / len(costs) for window, costs in found.items()}


def budgets(
    usage: AccountUsage, capability: Capability, reserve: float, now: float, usual: Mapping[str, float] | None = None
) -> tuple[tuple[Budget, ...], list[Unknown]]:
    """What an account's windows leave to batches, in calls; and what of that is not known. usual: what a call takes of
    a window where this account was not measured.
    """
    found: list[Budget] = []
    unknown: list[Unknown] = []
    for standing in usage.standings([capability], now):
        window = standing.window
        cost = standing.cost if standing.cost is not None else (usual or {}).get(window.name)
        if cost is None:
            unknown.append("cost")
            continue
        cost = max(cost, LEAST_COST)
        drain = usage.drain(window.name, capability, now, DRAIN_SECONDS) / cost
        left, full = max(0.0, standing.left - reserve) / cost, (1.0 - reserve) / cost
        found.append(Budget(window.name, left, full, window.resets_at, usage.length(window), drain))
    return tuple(found), unknown
