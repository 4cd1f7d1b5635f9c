"""The words of deep research: the plan that Google proposes, how far a run has come, and what an account may still ask
for.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gemgate.findings import NOTHING_FOUND, Findings, WebSource
from gemgate.frozen import frozen

ResearchTurn = Literal["", "plan", "start"]
"""What a prompt asks of a research: a plan (or another one), or the start of the plan before it; "" for neither."""


@frozen
class ResearchPlan:
    """What Google means to look into. steps: in its own words; eta: how long it thinks it takes; confirm: the prompt
    that starts it.
    """

    title: str = ""
    steps: tuple[str, ...] = ()
    eta: str = ""
    confirm: str = ""


@frozen
class ResearchReport:
    """The finished report as Markdown. findings: its sources, and which of its words lean on them."""

    title: str
    text: str = field(repr=False)
    findings: Findings = NOTHING_FOUND


@frozen
class ResearchState:
    """How far a research has come, as its chat says.

    plan: that its last turn proposes. whole: whether the answer of that turn is finished. started: whether a plan was
    taken and Google works on it. steps: what it has done, heading and words. pages: that it has visited. said: the
    words of the last turn. thread: where the chat stands.
    """

    plan: ResearchPlan | None = None
    whole: bool = True
    started: bool = False
    steps: tuple[tuple[str, str], ...] = ()
    pages: tuple[WebSource, ...] = ()
    report: ResearchReport | None = None
    said: str = field(default="", repr=False)
    thread: tuple[str | None, ...] = ()


@frozen
class ResearchBudget:
    """Whether an account may begin another research. resets_at: epoch seconds, None where Google does not say."""

    spent: bool
    resets_at: float | None = None
