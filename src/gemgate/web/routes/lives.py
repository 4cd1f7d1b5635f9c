"""Admin route: how long sessions lived, by what kept them alive, and how good the forecasts were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from gemgate.errors import LocalText
from gemgate.policy.session_arm import NAMES
from gemgate.policy.session_end import ENDS
from gemgate.pool.lives import ArmLives, SessionLives
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

router = Router()
_UNKNOWN = LocalText("unknown", "未知")
MOST_STEPS = 200
"""Steps of a curve that are told: a page has no room for more."""


@operation(
    router,
    "GET",
    "/api/lives",
    "lives.list",
    group="any",
    answers="accounts.Lives",
    level="admin",
    summary="How long sessions lived, by what kept them alive",
)
async def listing(context: NodeContext) -> Response:
    """Kaplan-Meier curves with 95 % intervals (Greenwood, log-log); what was replaced or lives is censored."""
    return json_response(await lives_of(context.service.account_registry.lives, context.caller.language))


async def lives_of(lives: SessionLives, language: str) -> shapes.Lives:
    """The curves as the page and the API show them. Seconds; shares of 1."""
    score = await lives.scored()
    return {
        "arms": [_arm_of(arm, language) for arm in lives.arms()],
        "score": {
            "brier": round(score.brier, 4),
            "base": round(score.base, 4),
            "asked": score.asked,
            "horizon": score.horizon,
        }
        if score
        else None,
    }


def _arm_of(arm: ArmLives, language: str) -> shapes.Arm:
    curve = arm.curve
    low, high = curve.median_interval
    every = max(1, -(-len(curve.steps) // MOST_STEPS))
    return {
        "arm": arm.arm,
        "name": NAMES[arm.arm].for_(language),
        "n": curve.n,
        "deaths": curve.deaths,
        "alive": arm.alive,
        "replaced": arm.replaced,
        "seen": round(curve.seen, 1),
        "median": curve.median,
        "median_low": low,
        "median_high": high,
        "ended_by": [
            {"reason": reason, "title": _title(reason).for_(language), "deaths": deaths}
            for reason, deaths in arm.ended_by.items()
        ],
        "steps": [
            {
                "age": round(step.age, 1),
                "at_risk": step.at_risk,
                "deaths": step.deaths,
                "alive": round(step.alive, 6),
                "error": round(step.error, 6),
                "low": round(step.low, 6),
                "high": round(step.high, 6),
            }
            for step in curve.steps[::-every][::-1]
        ],
    }


def _title(reason: str) -> LocalText:
    return next((end.title for word, end in ENDS.items() if word == reason), _UNKNOWN)
