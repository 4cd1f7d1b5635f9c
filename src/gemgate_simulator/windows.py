"""What the service counts of an account: its windows of five hours and of a week, and actions for each model
(docs/google-wire.md 6.1, 7.2). A window begins anew when its end has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemgate_simulator.accounts import Account, Tier

SHORT, WEEK = 5 * 3600, 7 * 86_400
LENGTHS = (SHORT, WEEK, WEEK)
"""Seconds of each kind: five hours, a week, credits."""
ACTIONS: Mapping[tuple[Tier, str], tuple[tuple[int, int], ...]] = {
    ("free", "Flash"): ((5, 15), (1, 200)),
    ("pro", "Pro"): ((6, 25),),
    ("plus", "Pro"): ((6, 25),),
    ("ultra", "Pro"): ((6, 25),),
}
"""Numbers of actions and how many of them there are, by plan and model, as they were seen; of others none were."""


def ends(account: Account, now: float) -> list[int]:
    """When each window ends; those that have ended begin anew."""
    while len(account.ends) < len(LENGTHS):
        account.ends.append(now + LENGTHS[len(account.ends)])
    used = list(account.used)
    for n, length in enumerate(LENGTHS):
        while account.ends[n] <= now:
            account.ends[n] += length
            if n < len(used):
                used[n] = 0.0
            if n == 0:
                account.taken.clear()
    account.used = (used[0], used[1])
    return [int(end) for end in account.ends]


def take(account: Account, model: str, now: float) -> None:
    """A generation by this model, named as in `Model.name`."""
    ends(account, now)
    short, week = (min(1.0, used + spent) for used, spent in zip(account.used, account.spends, strict=True))
    account.used = (short, week)
    account.taken[model] += 1


def rows(account: Account, now: float) -> list[Any]:
    """The rows of jSf9Qc: what is left, how much is used, kind, reset."""
    first, second, third = ends(account, now)
    short, week = account.used
    return [
        [round(100 * (1 - short)), short, 1, [[first]]],
        [round(1000 * (1 - week)), week, 2, [[second]]],
        [50, 0.0, 3, [[third]]],
    ]


def quota(account: Account | None, model: str, now: float) -> Any:
    """What every answer tells: `[rows of the model's actions, its hex id]`."""
    if account is None:
        return [[], ""]
    reset = [ends(account, now)[0], 0]
    found = [
        [[action], 1, round(100 * (total - left) / total), reset, total, left]
        for action, total, left in _left(account, model)
    ]
    return [found, next((one.id for one in account.models if one.name == model), "")]


def spent(account: Account, model: str, now: float) -> bool:
    """Whether one of the model's actions is used up."""
    ends(account, now)
    return any(left <= 0 for _, _, left in _left(account, model))


def _left(account: Account, model: str) -> list[tuple[int, int, int]]:
    category = next((one.category for one in account.models if one.name == model), "")
    actions = ACTIONS.get((account.tier, category), ())
    return [(action, total, max(0, total - account.taken[model])) for action, total in actions]
