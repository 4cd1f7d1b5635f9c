"""Which model answers, and what the service calls it: the last word of an answer (docs/google-wire.md 2.1, 2.3, 2.4).

A session that is none any more and a quota that is used up are not errors: a lower model answers, and only its name
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemgate_simulator.accounts import FREE_MODELS, PAID_MODELS, Account, Model

PAINTER = "Nano Banana 2"
"""What paints on the first pass, whatever text model was chosen (3.1)."""


@dataclass(frozen=True, slots=True)
class Named:
    """The display name and the hex id that an answer carries, in the stream's last frame and in the history."""

    display: str
    id: str


def serving(account: Account | None, chosen: Model, *, thinking: bool) -> Named | None:
    """Who answers a prompt for the model `chosen`; None where the service names nobody."""
    if account is None:
        return _named(FREE_MODELS[-1], {})
    if account.unnamed:
        return None
    models = account.models
    lowered = account.downgraded or max(account.used) >= 1.0  # spent, and served all the same
    foreign = chosen in PAID_MODELS and chosen not in models
    if account.guest or foreign or (lowered and chosen.category == "Pro"):
        return _named(FREE_MODELS[-1] if account.guest else models[-1], account.renamed)
    extended = " Extended" if thinking and chosen.extended else ""
    named = _named(chosen, account.renamed)
    return Named(named.display + extended, named.id)


def _named(model: Model, renamed: dict[str, str]) -> Named:
    return Named(renamed.get(model.id, model.display), model.id)
