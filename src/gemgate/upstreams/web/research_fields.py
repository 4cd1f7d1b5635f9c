"""What a chat says of a deep research (docs/google-wire.md 6.8): plan, progress, report. No I/O in here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gemini_webapi.utils import get_nested_value as at
from gemini_webapi.utils.parsing import get_field

from gemgate.findings import Findings
from gemgate.research import ResearchPlan, ResearchReport, ResearchState
from gemgate.upstreams.web.fields import rows
from gemgate.upstreams.web.marks import clean
from gemgate.upstreams.web.rich_content import CANVAS_KEY, cited, numbered_sources, once, with_favicon

_PLAN, _STARTED, _TASK, _STATE = "56", "57", "58", "70"
"""Rich fields of a research, by key."""
_RUNNING: Final = (2, 3)
_CITATIONS: Final = 43
_MOST_STEPS: Final = 1000


def state_of(fields: Mapping[str, Any], *, said: str = "", thread: tuple[str | None, ...] = ()) -> ResearchState | None:
    """What one turn says of a research, by its rich fields and canvas; None where it says nothing of one."""
    if not fields:
        return None
    plan, report, task = _plan(fields.get(_PLAN)), None, None
    for row in rows(fields.get(CANVAS_KEY)):
        if at(row, [3]):  # a canvas of any other kind names no task
            task, report = True, report or _report(row, fields)
    started = bool(task or fields.get(_STARTED) or fields.get(_STATE) in _RUNNING)
    if plan is None and not started:
        return None
    steps, pages = tuple(_steps(fields.get(_TASK))), once([*with_favicon([fields.get(_TASK)])])
    return ResearchState(plan, True, started, steps, pages, report, said, thread)


def _plan(field: Any) -> ResearchPlan | None:
    """`[title,[[n,label,body]..],eta,[confirm],..]`."""
    if not isinstance(field, list):
        return None
    steps = []
    for row in rows(at(field, [1])):
        label, body = _text(at(row, [1])), _text(at(row, [2]))
        steps.append(f"{label}: {body}" if label and body else label or body)
    title, eta, confirm = _text(at(field, [0])), _text(at(field, [2])), _text(at(field, [3, 0]))
    return ResearchPlan(title, tuple(filter(None, steps)), eta, confirm) if title or steps or confirm else None


def _steps(field: Any) -> Iterator[tuple[str, str]]:
    """Every pair of a heading and words, in the order of the wire."""
    waiting, left = [field], _MOST_STEPS
    while waiting and left:
        match waiting.pop():
            case [str(heading), str(body)] if "://" not in heading:
                left -= 1
                yield _text(heading), _text(body)
            case list() as inside:
                waiting.extend(reversed(inside))


def _report(row: Any, fields: Mapping[str, Any]) -> ResearchReport | None:
    """The document of a research once its text is there."""
    raw = at(row, [4]) or at(row, [17, 0])
    if not isinstance(raw, str) or not raw.strip():
        return None
    groups = get_field(at(row, [17, 1]), _CITATIONS) or get_field(at(row, [5]), _CITATIONS)
    numbered = [*numbered_sources(groups)]
    sources = once([*numbered, *with_favicon([row, *fields.values()])])
    found = Findings(sources=sources, citations=tuple(cited(raw, numbered, sources)))
    return ResearchReport(_text(at(row, [2])), clean(raw), found)


def _text(value: Any) -> str:
    return " ".join(clean(value).split()) if isinstance(value, str) else ""
