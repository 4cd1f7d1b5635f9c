"""Forecasts as they are told: when something will be done, what bounds it, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gemgate.dialects.wire import rfc3339
from gemgate.errors import LocalText
from gemgate.policy.capacity import Bound, Forecast, Unknown

if TYPE_CHECKING:
    from gemgate.dialects.shapes import simple as shapes

BOUNDS: Final[dict[Bound, LocalText]] = {
    "window": LocalText("Google's usage windows of the accounts", "账号的 Google 用量窗口"),
    "rest": LocalText("accounts that rest", "账号正在冷却"),
    "pace": LocalText(
        "how often prompts may start (RPM_LIMIT, ADDRESS_RPM_LIMIT)", "启动频率（RPM_LIMIT、ADDRESS_RPM_LIMIT）"
    ),
    "concurrency": LocalText("how many run at once (CONCURRENCY, accounts)", "并发数（CONCURRENCY、账号数）"),
    "no_account": LocalText("there is no account that could", "没有可用的账号"),
}
UNKNOWN: Final[dict[Unknown, LocalText]] = {
    "seconds": LocalText(
        "how long one takes: no batch has made two of them lately", "每个任务的耗时：最近没有批次完成过两个任务"
    ),
    "cost": LocalText(
        "what one takes of a usage window: too few were made since it was watched", "每个任务占用的用量：样本不足"
    ),
    "refill": LocalText("when a used-up window of Google's begins anew", "已用完的 Google 用量窗口何时重置"),
    "elsewhere": LocalText("the usage windows of other nodes' accounts", "其他节点账号的用量窗口"),
}


def told(forecast: Forecast, now: float, language: str) -> shapes.Forecast:
    """The fields of a forecast: `ready_at` and `eta_seconds` null where that is not known, or beyond two weeks."""
    zh = language.lower().startswith("zh")
    ready = forecast.ready_at
    limit = BOUNDS[forecast.bound].zh if forecast.bound and zh else BOUNDS[forecast.bound].en if forecast.bound else ""
    return {
        "ready_at": rfc3339(ready) if ready is not None else None,
        "eta_seconds": max(0, round(ready - now)) if ready is not None else None,
        "limited_by": forecast.bound or None,
        "limit": (f"{limit} ({forecast.window})" if forecast.window else limit) or None,
        "beyond_two_weeks": forecast.beyond,
        "unknown": [UNKNOWN[one].zh if zh else UNKNOWN[one].en for one in forecast.unknown],
    }
