"""Deep research: a plan in one turn, its start in the next, a report that only reading the chat brings
(docs/google-wire.md 6.8).

Both turns go on when their connection is closed. Who starts a plan twice, asks again while one runs, or begins one
though the gates are shut, has broken a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from gemgate_simulator.script import Answer, Prompt
from gemgate_simulator.web_results import Page, icon, research_plan, research_task

CONFIRM: Final = "Start research"
_TASK: Final = "agency-placeholder-task-id"
_ANNOUNCED: Final = (
    "I've put together a research plan. If you need to update it, let me know before I start the research!\n\n"
    "http://googleusercontent.com/deep_research_confirmation_content/0"
)
_BEGUN: Final = "I'm on it. I'll let you know when the research is finished. You can leave this chat meanwhile."
_OVER: Final = "I've completed your research. Feel free to ask me follow-up questions or request changes."
SPENT: Final = "You've reached your Deep Research limit. It will be available again as soon as your limit resets."
_DAY: Final = 86_400


class ResearchHabits(TypedDict, total=False):
    """Fields of `Habits`."""

    looks: int
    budget: int
    pages: tuple[Page, ...]
    report: str
    title: str
    silent: bool
    failing: str


_PAGES: Final[tuple[Page, ...]] = (
    ("https://example.org/foxes", "Foxes of the north", "They turn white."),
    ("https://example.com/snow", "Snow and camouflage", "White on white."),
    ("https://example.net/ice", "Ice ages", "Cold and long."),
)
_REPORT: Final = (
    "# Foxes in snow\n\nArctic foxes turn white in winter. [cite: 1]\n\n## Why\n\n"
    "White fur hides them from prey and from bears. [cite: 1, 2]\n\nIt took a long cold time. [cite: 3]\n"
)


@dataclass(slots=True)
class Habits:
    """How research goes from now on.

    looks: reads of the chat until the report stands there. budget: how many an account may still start, -1 for any.
    pages: what is visited, and cited by number. silent: whether the gates say nothing of research. failing: words in
    place of the report.
    """

    looks: int = 3
    budget: int = -1
    pages: tuple[Page, ...] = _PAGES
    report: str = _REPORT
    title: str = "Foxes in snow"
    silent: bool = False
    failing: str = ""


@dataclass(slots=True, eq=False)
class Research:
    """One research of a chat, over its turns. looks: reads that it still takes once it was started."""

    owner: str
    cid: str
    prompt: str
    habits: Habits
    looks: int
    plans: int = 1
    started: bool = False
    stopped: bool = False

    @property
    def is_over(self) -> bool:
        return self.stopped or self.looks <= 0

    @property
    def runs(self) -> bool:
        return self.started and not self.is_over

    def looked(self) -> None:
        """Somebody reads the chat."""
        self.looks -= self.started

    def stop(self) -> None:
        self.stopped = True

    @property
    def fails(self) -> bool:
        return bool(self.habits.failing) and self.is_over

    @property
    def text(self) -> str:
        """The words of the turn that started it."""
        if self.fails:
            return self.habits.failing
        return _OVER if self.is_over else _BEGUN

    def rich(self) -> dict[int, Any]:
        """The fields of the turn that started it: a page more is visited at each look."""
        if self.fails or self.stopped:
            return {}
        pages = self.habits.pages
        seen = len(pages) if self.is_over else max(1, min(len(pages), self.habits.looks - self.looks))
        return research_task(pages[:seen], over=self.is_over)

    def sheets(self) -> list[Any]:
        """The document of that turn: its text is empty while it runs."""
        if self.fails or self.stopped:
            return []
        row: list[Any] = [None] * 18
        row[0], row[2], row[3] = f"{self.cid}_report", self.habits.title, _TASK
        row[4] = self.habits.report.replace("<", "&lt;") if self.is_over else ""
        if self.is_over:
            entries = [[None, None, None, [[icon(url), url, title]]] for url, title, _ in self.habits.pages]
            groups = [[[f" [cite: {n}]"], [entry]] for n, entry in enumerate(entries, 1)]
            row[17] = [row[4], [*[None] * 43, groups]]
        return [row]


@dataclass(slots=True)
class Asked:
    """What becomes of one turn: the answer, its research, and the rule that was broken, "" for none."""

    answer: Answer
    research: Research | None = None
    started: bool = False
    rule: str = ""


class Researches:
    """Every research that was asked for, by its chat."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.habits = Habits()
        self.of: dict[str, Research] = {}
        self.started: list[Research] = []
        self._clock = clock

    def gates(self) -> list[Any]:
        """What MyzX6c answers: rows of what an agent may do; those that count more than one are of research."""
        left = self.habits.budget
        rows: list[Any] = [[3, False, 1, None, None]]
        if not self.habits.silent:
            reset = [[int(self._clock()) + _DAY, 0]]
            rows.append([2, left != 0, 5, None, reset])
        return [None, rows]

    def planned(self, prompt: Prompt) -> Asked:
        """A plan is asked for, or another one in the same chat."""
        known = self.of.get(prompt.cid)
        running = [one for one in self.of.values() if one.owner == prompt.account and one.runs]
        doubled = any(one.cid == prompt.cid or one.prompt == prompt.text for one in running)
        waiting = known is None and any(
            one.owner == prompt.account and one.prompt == prompt.text and not one.started for one in self.of.values()
        )
        rule = "a plan was asked for while a research ran" if doubled else ""
        rule = rule or ("the same plan was asked for twice" if waiting else "")
        if self.habits.budget == 0:
            return Asked(Answer(SPENT), rule=rule or "a research was asked for though its gate is shut")
        research = known or Research(prompt.account, prompt.cid, prompt.text, self.habits, self.habits.looks, plans=0)
        research.plans += 1
        self.of[prompt.cid] = research
        about = prompt.text if known is None else f"{research.prompt} ({prompt.text})"
        steps = [f"Find pages about {about[:60]}", "Compare what they say", "Write the report"]
        title = self.habits.title if known is None else f"{self.habits.title}, revised"
        return Asked(Answer(_ANNOUNCED, rich=research_plan(title, steps), chars=60), research, rule=rule)

    def start(self, prompt: Prompt) -> Asked:
        """The plan of this chat is confirmed."""
        research = self.of.get(prompt.cid)
        if research is None:
            return Asked(Answer("There is no plan yet."), rule="a research was started without a plan")
        rule = "" if prompt.text == CONFIRM else f"a plan was confirmed with {prompt.text[:40]!r}, not {CONFIRM!r}"
        if research.started:
            return Asked(Answer(research.text), research, rule="a plan was confirmed twice")
        if self.habits.budget > 0:
            self.habits.budget -= 1
        research.started = True
        self.started.append(research)
        return Asked(Answer(_BEGUN, rich=research_task((), over=False), chars=60), research, started=True, rule=rule)
