"""Failures that both roads to Google have in common, in the same words."""

from __future__ import annotations

from gemgate.errors import STAGES, Broken, Generated, LocalText, Stalled


def broken(why: str | LocalText, generated: Generated = "maybe") -> Broken:
    why = LocalText.of(why)
    return Broken(
        f"Google's answer broke off or failed ({why.en})",
        f"Google 的回答中断或失败（{why.zh}）",
        generated=generated,
        code="upstream_error",
    )


def stalled(stage: str, seconds: float, generated: Generated = "maybe") -> Stalled:
    return Stalled(
        f"Google was silent for too long ({stage}: {seconds:g} s)",
        f"Google 响应超时（{STAGES.get(stage, stage)}：{seconds:g} 秒）",
        stage=stage,
        generated=generated,
        code="timeout",
    )
