"""Does one deep research: asks for a plan once, starts it once, lets go of the account, and looks into the chat until
the report is there.

What must survive is the chat. Before either of its two turns leaves the journal says so; from then on that turn is only
looked for, in its chat or in the list of chats, and never sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import field, replace
from typing import Final

from gemgate.batches import Batch, Claim, Deferred, Done
from gemgate.caller import Caller
from gemgate.catalog import RESEARCH
from gemgate.dialects.wire import rfc3339
from gemgate.errors import Broken, GatewayError, Interrupted, NoAccount, Refused, Spent, Stalled, TooLarge
from gemgate.files import StoredFile
from gemgate.frozen import frozen
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.prompt_request import PromptContent, PromptRequest
from gemgate.gateway.research_outcome import none_left, refused, research_refusal
from gemgate.jobs.event_log import EventLog
from gemgate.jobs.held_chats import HeldChats
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.payloads import dumps, loads
from gemgate.jobs.research_place import Phase, ResearchPlace, ResearchSpec, TurnJournal
from gemgate.jobs.research_story import Story
from gemgate.jobs.rules import JobRules
from gemgate.pool.account import Account
from gemgate.ports.files import FileStore
from gemgate.ports.history import ChatLedger
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import Completed, Researcher
from gemgate.research import ResearchPlan, ResearchReport, ResearchState, ResearchTurn

MIME: Final = "text/markdown"
CONFIRM: Final = "Start research"
"""What starts a plan that does not say it itself."""
_ANY_LENGTH: Final = 1 << 40


@frozen
class ResearchRunner:
    gateway: Gateway
    log: EventLog
    files: FileStore
    clock: Clock
    observer: Observer
    rules: JobRules
    ledger: ChatLedger
    _finding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def forget(self, batch: Batch) -> None:
        """The document of one that is forgotten goes with it."""
        if (file := await self.files.get(file_id(batch.id), batch.tenant)) is not None:
            await self.files.delete(file)

    async def run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        """Where the plan or the report is, or when to look again. GatewayError says why there is none."""
        try:
            return await self._run(claim, journal)
        except GatewayError as error:
            begun = bool((journal.checkpoint or journal.earlier).image)  # then its account is the only one
            spent = isinstance(error, Spent) or (isinstance(error, NoAccount) and error.quota and not begun)
            final = spent and (begun or not self._chats.others_may)
            if isinstance(error, NoAccount) and not final:
                raise
            told = none_left(error, self._reset_of(error)) if final else error
            self.observer.emit(TelemetryEvent("research.failed", data={"kind": told.kind}))
            if final:
                raise told from None
            raise

    def _reset_of(self, error: GatewayError) -> str:
        """When there will be some again, "" where nobody says."""
        if isinstance(error, Spent):
            return rfc3339(error.resets_at) if error.resets_at else ""
        return rfc3339(self.clock.now() + error.retry_after) if error.retry_after else ""

    @property
    def _chats(self) -> HeldChats:
        return HeldChats(self.gateway.pool, "research", "研究")

    async def _run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        """One step after the other, as far as they go now."""
        spec = ResearchSpec.of(claim.batch, claim.task.prompt)
        story = await Story.of(self.log, claim, self.clock)
        place = ResearchPlace.of(journal.earlier, self.clock.now())
        place = place or (replace(spec.source, phase="source") if spec.source else None)
        if place is None or (place.phase == "source" and spec.plans):
            place, plan = await self._plan(claim, journal, spec, place)
        elif place.phase == "planning":
            place, plan = await self._find_plan(claim, journal, spec, place)
        else:
            plan = None
        if place.phase == "planning":
            return self._later(place)
        await story.began(RESEARCH.web, place.account)
        if plan is not None:
            await journal.note(place.checkpoint())
            if spec.plans:
                await story.ends_with_plan(plan)
                self._delivered("plan", place)
                return Done(dumps({"plan": place.dump(), "reason": "stop"}))
            await story.planned(plan)
        elif spec.plans and place.phase == "planned":
            _, plan = await self._find_plan(claim, journal, spec, replace(place, thread=(place.cid,)))
            await story.ends_with_plan(plan or _gone())
            return Done(dumps({"plan": place.dump(), "reason": "stop"}))
        if place.phase in ("source", "planned"):
            place, state = await self._start(claim, journal, place)
        else:
            place, state = await self._look(place)
        if state is not None:
            await story.progress(state)
            if state.report is not None:
                return await self._kept(claim, story, place, state.report)
        await story.appender.finish()
        return self._later(place)

    def _later(self, place: ResearchPlace) -> Deferred:
        """Look again, soon at first and the less often the longer it takes. Says when it has taken too long."""
        waited = max(0.0, self.clock.now() - place.since)
        if place.phase in ("planning", "starting") and waited > self.rules.research_doubt:
            raise _interrupted(place.phase)
        if waited > self.rules.research_patience:
            raise _late(self.rules.research_patience)
        look = self.rules.research_look
        return Deferred(
            min(look, look / 5 + waited) + waited / 20, False, "research_in_progress",
            "Google is doing the research", "Google 正在进行研究", place.checkpoint(),
        )  # fmt: skip

    # The two turns

    async def _plan(
        self, claim: Claim, journal: TaskJournal, spec: ResearchSpec, before: ResearchPlace | None
    ) -> tuple[ResearchPlace, ResearchPlan | None]:
        """Ask for a plan, or for another one behind the one before."""
        place, found = await self._send(claim, journal, before, "plan", spec.prompt)
        if found is None or found.plan is None:
            return place, None
        return replace(place, phase="planned", confirm=found.plan.confirm), found.plan

    async def _start(
        self, claim: Claim, journal: TaskJournal, before: ResearchPlace
    ) -> tuple[ResearchPlace, ResearchState | None]:
        place, found = await self._send(claim, journal, before, "start", before.confirm or CONFIRM)
        return (place, None) if found is None else (replace(place, phase="started", since=self.clock.now()), found)

    async def _send(
        self, claim: Claim, journal: TaskJournal, before: ResearchPlace | None, turn: ResearchTurn, text: str
    ) -> tuple[ResearchPlace, ResearchState | None]:
        """Send one turn, once. Nothing is known of it (None) where its answer broke off: from then on it is looked
        for.
        """
        phase: Phase = "planning" if turn == "plan" else "starting"
        request_id = loads(claim.batch.metadata)["request_id"]
        caller = Caller(tenant=claim.batch.tenant, client="research", request_id=request_id)
        request = PromptRequest(
            RESEARCH, caller, ("research",), self._chats.turn(PromptContent(text), before.account if before else None),
            continues=before.continuation() if before else None, replay=_ANY_LENGTH if before else 0,
            exact=True, research=turn, journal=TurnJournal(journal, before, phase, self.clock.now()),
        )  # fmt: skip
        try:
            async with aclosing(self.gateway.send(request)) as pieces:
                async for attempt, piece in pieces:
                    if isinstance(piece, Completed):
                        where = attempt.lease.account_name, attempt.identity, attempt.lease.model.id
                        turns = before.turns + 1 if before else 1
                        now = self.clock.now()
                        return ResearchPlace(phase, *where, piece.thread.metadata, turns, now), piece.research
        except GatewayError as error:
            sent = journal.checkpoint
            if error.generated == "no" and before is not None and sent is not None:
                await journal.note(before.checkpoint())  # it did not leave, and may
            answered = isinstance(error, Spent) or (isinstance(error, Refused) and error.answer)
            if error.generated == "no" or sent is None or answered:
                raise
        sent = journal.checkpoint
        place = ResearchPlace.of(sent, self.clock.now()) if sent is not None else None
        if place is None:
            raise _interrupted(phase)
        return place, None

    # Looking

    async def _find_plan(
        self, claim: Claim, journal: TaskJournal, spec: ResearchSpec, place: ResearchPlace
    ) -> tuple[ResearchPlace, ResearchPlan | None]:
        """The plan that a turn asked for which may have left; None while it is not there."""
        account, researcher = self._account(place)
        if not place.cid:
            async with self._finding:  # two of the same words each have a chat of their own
                chats = await researcher.find_chats(spec.prompt, claim.batch.started_at)
                known = await self.ledger.made(chats)
                place = replace(place, thread=(next((cid for cid in chats if cid not in known), ""),))
                if place.cid:
                    await journal.note(place.checkpoint())
        state = await researcher.read_research(place.cid) if place.cid else None
        if state is None or not state.whole or state.thread[1] == place.rid:
            return place, None
        if state.plan is None:
            raise research_refusal(state.said) or refused(state.said)
        offer = place.offer or _offer(account)
        found = replace(place, phase="planned", offer=offer, thread=state.thread, turns=place.turns + 1)
        return replace(found, confirm=state.plan.confirm), state.plan

    async def _look(self, place: ResearchPlace) -> tuple[ResearchPlace, ResearchState | None]:
        """How far it has come; nothing is sent."""
        _, researcher = self._account(place)
        state = await researcher.read_research(place.cid)
        if state is None or (place.phase == "starting" and state.thread[1] == place.rid):
            return place, None  # the turn before: ours is not there (yet)
        if not state.started and state.whole:
            why = research_refusal(state.said)
            if why is not None or place.phase == "starting":
                raise why or refused(state.said)
        if place.phase == "starting" and state.started:
            turns = place.turns + 1
            place = replace(place, phase="started", thread=state.thread, turns=turns, since=self.clock.now())
        return place, state

    def _account(self, place: ResearchPlace) -> tuple[Account, Researcher]:
        """The account that has the chat. NoAccount, Broken."""
        account = self._chats.account(place.account, place.identity)
        if not isinstance(account.upstream, Researcher):
            raise self._chats.away(place.account)
        return account, account.upstream

    async def _kept(self, claim: Claim, story: Story, place: ResearchPlace, report: ResearchReport) -> Done:
        """Tell the report, and keep it as a document."""
        batch, data = claim.batch, report.text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(data).hexdigest()
        file = StoredFile(
            id=file_id(batch.id),
            owner=batch.tenant,
            name=f"{batch.id}.md",
            mime=MIME,
            bytes=len(data),
            sha256=digest,
            purpose="assistants_output",
            created_at=self.clock.now(),
        )
        await story.ends_with_report(report)  # first: of one that was given up meanwhile nothing is kept
        kept = True
        try:
            if await self.files.get(file.id, batch.tenant) is None:
                await self.files.add(file, data)
        except TooLarge:
            kept = False  # the key has no room for it; the report is told all the same
        self._delivered("report", place)
        facts = {"id": file.id, "name": file.name, "bytes": file.bytes, "sha256": digest} if kept else None
        return Done(dumps({"file": facts, "place": place.dump(), "reason": "stop"}))

    def _delivered(self, what: str, place: ResearchPlace) -> None:
        seconds = round(max(0.0, self.clock.now() - place.since), 3)
        self.observer.emit(TelemetryEvent("research.delivered", data={"what": what, "seconds": seconds}))


def file_id(batch_id: str) -> str:
    """Of the report of a research: the same in every run."""
    return f"file-{hashlib.sha256(b'report of ' + batch_id.encode()).hexdigest()[:32]}"


def _offer(account: Account) -> str:
    """Id of the model that a research is asked of."""
    offer = RESEARCH.offer(account.models)
    return offer.id if offer else ""


def _interrupted(phase: Phase) -> Interrupted:
    what, zh = ("plan", "计划") if phase == "planning" else ("start", "启动")
    return Interrupted(
        f"The {what} of the research broke off, and nothing of it was found in the account's chats: it is not asked "
        "for again, because it may have been heard",
        f"研究的{zh}请求中断，且未在账号对话中找到；由于 Google 可能已收到，不会重复请求",
        generated="maybe",
        code="research_interrupted",
    )


def _gone() -> ResearchPlan:
    raise Broken(
        "The plan cannot be read any more: its chat is gone",
        "无法再读取该计划：对话已不存在",
        generated="maybe",
        code="research_lost",
    )


def _late(seconds: float) -> Stalled:
    return Stalled(
        f"Google finished no report within {seconds:g} seconds",
        f"Google 在 {seconds:g} 秒内没有完成报告",
        generated="maybe",
        code="research_timeout",
    )
