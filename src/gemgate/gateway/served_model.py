"""Another model answered than was asked for: what the caller hears of it, and what it says of the account.

Google lowers the model in silence for a session that is none any more and for a quota that is used up
(docs/google-wire.md 2.4). Which of the two it is can be asked at once, without generating anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from gemgate.accounts import AccountModel, Capability
from gemgate.catalog import ModelCard
from gemgate.errors import GatewayError, ModelNotServed, SignedOut
from gemgate.frozen import frozen
from gemgate.policy.model_rank import fits, is_painter, named, rank
from gemgate.pool.account import Account
from gemgate.ports.upstream import Completed

Cause = Literal["guest", "spent", "unknown"]

_CAUSES: dict[str, tuple[str, str]] = {
    "guest": ("the session is answered like a guest's", "该会话已被当作访客"),
    "spent": ("the account's usage window is full", "该账号的用量窗口已用完"),
    "unknown": ("Google gives no reason", "Google 未说明原因"),
}


@frozen
class Served:
    """Whom Google names. asked: what it was asked for. fits: None where nothing can be said.

    painted: whether these are names of painters.
    """

    asked: str
    name: str
    fits: bool | None
    painted: bool = False


def serving_model(model: AccountModel, models: Sequence[AccountModel], answered: Completed) -> Served:
    """Who wrote: Google's name of it, or the name that the account's own list has for the id that it gave."""
    name = answered.served or next((one.display for one in models if one.id == answered.served_id), "")
    model = next((one for one in models if one.id == model.base), model)  # a gem is no model of its own
    asked = model.name if rank(model.name) else model.display
    return Served(asked, named(name) if name else "", fits(asked, name))


def image_model(card: ModelCard, answered: Completed) -> Served:
    """Who painted, against what an image model's id asks for (3.1)."""
    name = answered.painter or (answered.served if is_painter(answered.served) else "")
    asked = f"{'pro' if card.web.endswith('pro') else 'flash'} image"
    return Served(asked, named(name) if name else "", fits(asked, name), painted=True)


async def examine(account: Account, needs: Sequence[Capability], served: Served, now: float) -> Cause:
    """Ask Google why a lower model answered. A guest is signed out; else the Pro capability rests, and only that."""
    epoch = account.session_epoch
    try:
        await account.upstream.ping()
    except SignedOut as error:
        account.signed_out(error.with_(reason="guest"), epoch)
        return "guest"
    except GatewayError:
        return "unknown"
    with suppress(GatewayError):  # what was known before stands
        account.usage.read(await account.upstream.usage(), now)
    full = [one.window for one in account.usage.standings(needs, now) if one.window.used >= 1.0]
    cause: Cause = "spent" if full else "unknown"
    if "pro" in needs:
        why = f"{served.name} answered instead of {served.asked}; {_CAUSES[cause][0]}"
        account.lower_prompt_limit("pro", why, max((window.resets_at or 0.0 for window in full), default=0.0) or None)
    return cause


def not_served(served: Served, cause: Cause) -> ModelNotServed:
    """The error of `require`: something was generated, by another model than the one that counts."""
    en, zh = _CAUSES[cause] if not served.painted else _CAUSES["unknown"]
    return ModelNotServed(
        f"Google answered with {served.name}, not with {served.asked} as MODEL_POLICY=require wants ({en})",
        f"Google 实际使用 {served.name} 作答，而不是所要求的 {served.asked}（MODEL_POLICY=require；{zh}）",
        generated="maybe",
        param="model",
        code="model_not_served",
        details={"asked": served.asked, "served": served.name, "cause": cause},
    )
