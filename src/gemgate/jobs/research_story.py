"""What a research has told so far, and what is told next: each thing once, however many runs there are."""

from __future__ import annotations

from dataclasses import dataclass

from gemgate.batches import Claim
from gemgate.chat import Began, Ended, Event, Found, TextDelta, ThoughtDelta, Usage
from gemgate.dialects.research import page_text, plan_text, step_text
from gemgate.findings import Findings
from gemgate.jobs.event_log import EventAppender, EventLog, Said
from gemgate.ports.runtime import Clock
from gemgate.prompting.tokens import estimate
from gemgate.research import ResearchPlan, ResearchReport, ResearchState


@dataclass(slots=True)
class Story:
    """The event log of one research. A line that stands in it is not told again, and nothing behind its end."""

    said: list[Said]
    appender: EventAppender
    prompt: str

    @classmethod
    async def of(cls, log: EventLog, claim: Claim, clock: Clock) -> Story:
        said, row = await log.read(claim.batch.id)
        return cls(said, EventAppender(log, claim, clock, row), claim.task.prompt)

    @property
    def has_ended(self) -> bool:
        return any(isinstance(event, Ended) for _, event in self.said)

    async def began(self, offer: str, account: str) -> None:
        if not any(isinstance(event, Began) for _, event in self.said):
            await self._add(Began(offer, account))

    async def planned(self, plan: ResearchPlan) -> None:
        """The plan, as a step on the way."""
        await self._thought(plan_text(plan))

    async def progress(self, state: ResearchState) -> None:
        """What was done and read since it was last looked at."""
        for heading, words in state.steps:
            await self._thought(step_text(heading, words))
        for page in state.pages:
            await self._thought(page_text(page.url, page.title))

    async def ends_with_plan(self, plan: ResearchPlan) -> None:
        """The plan is what was asked for."""
        await self._end(plan_text(plan), Findings())

    async def ends_with_report(self, report: ResearchReport) -> None:
        await self._end(report.text, report.findings)

    async def _end(self, text: str, found: Findings) -> None:
        if self.has_ended:
            return
        told = "".join(event.text for _, event in self.said if isinstance(event, TextDelta))
        if not told:
            await self._add(TextDelta(text))
        if found.sources and not any(isinstance(event, Found) for _, event in self.said):
            await self._add(Found(found))
        thoughts = estimate(self._thoughts())
        await self._add(Ended("stop", Usage(estimate(self.prompt), estimate(text), thoughts)))
        await self.appender.finish()

    async def _thought(self, text: str) -> None:
        if text not in self._thoughts():
            await self._add(ThoughtDelta(text))

    def _thoughts(self) -> str:
        return "".join(event.text for _, event in self.said if isinstance(event, ThoughtDelta))

    async def _add(self, event: Event) -> None:
        self.said.append((0, event))
        await self.appender.add(0, event)
