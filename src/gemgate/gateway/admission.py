"""What a call may do and use, judged before anything is sent: scopes of keys, rate limits."""

from __future__ import annotations

from gemgate.caller import Caller, Cost, Quota
from gemgate.catalog import ModelCard
from gemgate.chat import ChatRequest
from gemgate.errors import (
    Forbidden,
)
from gemgate.frozen import frozen
from gemgate.policy.model_rank import Policy

JobData = dict[str, str | int | float | bool | None]


@frozen
class Charge:
    """What a call is charged to the budgets: None for nothing. durable: its tasks are charged when they run, and now it
    is only looked whether there is enough.
    """

    cost: Cost | None = None
    durable: bool = False


NOTHING = Charge()


@frozen
class Admission:
    """A call that was resolved and counted once, however many generations it takes (docs/decisions.md 7).

    model_policy: what becomes of an answer by another model than was asked for.
    """

    card: ModelCard
    quota: Quota
    caller: Caller
    model_policy: Policy = "report"


def charge_of(chat: ChatRequest, *, durable: bool = False) -> Charge:
    """A chat's: one call, and the images that it demands."""
    return Charge(Cost(images=chat.n if chat.demands_image else 0), durable)


def check_scope(card: ModelCard, caller: Caller) -> None:
    """Forbidden when the caller's key is for other models."""
    if caller.models and card.id not in caller.models:
        allowed = ", ".join(sorted(caller.models))
        raise Forbidden(
            f"The key {caller.tenant} is not for the model {card.id}; it is for: {allowed}",
            f"密钥 {caller.tenant} 不能使用模型 {card.id}，仅可使用：{allowed}",
            param="model",
            code="model_not_allowed",
        )
