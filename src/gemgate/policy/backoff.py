"""Retry or not: what becomes of a batch task whose run failed. A pure table, with randomness as an argument.

| the run failed because of                                     | then                                               |
|---------------------------------------------------------------|----------------------------------------------------|
| no account, a full queue, no way to Google                    | it waits for the thaw, and no try is used up       |
| an account that the failure took out of service (429, cookies)| it moves to another at once, no try used up        |
| an account that stays in service all the same                 | it is one of its tries                             |
| Google (5xx, reset, stall), drift, the image store          | it is one of its tries                             |
| the order itself, a refusal, or another model than is required| it has failed, and says why                        |

Tries are 2, 4, 8, 16 and 32 s apart (or what Retry-After says, if that is longer), five at most after the first.
"""

from __future__ import annotations

from typing import Literal

from gemgate.errors import (
    AccountError,
    Blocked,
    ClientError,
    GatewayError,
    Interrupted,
    LimitError,
    ModelGone,
    ModelNotServed,
    NoAccount,
    NoRoom,
    OutputInvalid,
    OverBudget,
    PromptTooLong,
    Refused,
    Unreachable,
)
from gemgate.frozen import frozen

Kind = Literal["again", "wait", "fail"]


@frozen
class Backoff:
    """Seconds, and numbers of tries.

    first: the wait after the first try; it doubles with each. tries: how many follow the first one.
    jitter: up to this part of a wait is added. look_again: a task that waits for an account looks again at least so
    often, because another account may come or one may be freed by hand. move: before it tries another account.
    budget: the same for one whose budget is used up, which may be raised.
    """

    first: float = 2.0
    tries: int = 5
    jitter: float = 0.25
    look_again: float = 15.0
    move: float = 0.5
    budget: float = 300.0


@frozen
class Verdict:
    """again: one try is used up; wait: none is; fail: it is over. `after` seconds."""

    kind: Kind
    after: float = 0.0


def judge(error: GatewayError, failures: int, *, in_service: bool, random: float, rules: Backoff) -> Verdict:
    """What to do after a run that failed.

    failures: tries used up before this one. in_service: whether the account that ran it takes calls as before.
    """
    if isinstance(error, OverBudget):
        return Verdict("wait", max(rules.move, min(error.retry_after or rules.budget, rules.budget)))
    if isinstance(error, NoAccount | LimitError | Unreachable):
        thaw = error.retry_after if error.retry_after is not None else rules.look_again
        return Verdict("wait", max(rules.move, min(thaw, rules.look_again)))
    if isinstance(error, AccountError | Blocked) and not in_service:
        return Verdict("wait", rules.move)
    final = ClientError | Refused | Interrupted | ModelGone | ModelNotServed | OutputInvalid | PromptTooLong
    if isinstance(error, final):
        return Verdict("fail")
    if failures >= rules.tries:
        return Verdict("fail")
    pause = rules.first * 2**failures * (1 + rules.jitter * random)
    return Verdict("again", max(pause, error.retry_after or 0.0))


def may_be_asked_again(error: GatewayError) -> bool:
    """Whether ordering a failed task once more makes sense: not for what is wrong with the order itself."""
    if isinstance(error, NoRoom):
        return True  # when some was deleted
    return not isinstance(error, ClientError | Refused | ModelGone | PromptTooLong)
