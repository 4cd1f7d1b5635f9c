"""Deep research: ordered in the background by OpenAI's responses or Google's interactions, given up, forgotten.

Each is a batch of one task with the id of its response or interaction, and is shown, followed and gone on from as those
are (`jobs.background`). A plan is used once: whoever accepts or changes it again gets the one from before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from gemgate.batches import Batch, TaskDraft
from gemgate.caller import Caller, Quota
from gemgate.catalog import RESEARCH
from gemgate.dialects.research import ResearchCall
from gemgate.errors import BadRequest, Conflict, GatewayError
from gemgate.frozen import frozen
from gemgate.jobs.answers import AnswerKind, AnswerOrder, Answers, is_open
from gemgate.jobs.batches import WINDOW, Jobs, Submitter, digest_of
from gemgate.jobs.payloads import dumps, loads
from gemgate.jobs.research_place import ResearchPlace
from gemgate.offload import offload
from gemgate.ports.upstream import Researcher

PRIORITY = 1000
"""Above that of any batch, as other single calls."""


@frozen
class Researches:
    """What doors call."""

    answers: Answers

    @property
    def _jobs(self) -> Jobs:
        return self.answers.jobs

    async def submit(
        self,
        order: AnswerOrder,
        call: ResearchCall,
        plan: ResearchPlace | None,
        origin: Submitter,
        admitted: Callable[[Quota], None],
    ) -> Batch:
        """A research, counted and entered; or the one that came under this key, or of this plan, before.

        plan: that it accepts or changes, None for a new one. admitted: hears what is left once it is counted. Conflict
        when the plan was used for something else.
        """
        jobs, caller = self._jobs, origin.caller
        key, digest = (f"research {order.key}", order.digest) if order.key else ("", "")
        if plan is not None:
            key = f"research of {plan.cid} {plan.rid}"
            digest = digest_of(call.prompt.encode("utf-8", "surrogatepass") if call.plans else b"start")
        try:
            found = await jobs.find_by_idempotency_key(origin, key, digest)
        except Conflict:
            if plan is None:
                raise
            raise _plan_used() from None
        again = found is not None and plan is not None and await jobs.generated_nothing(found)
        if found is not None and not again:
            return found
        elsewhere = await jobs.elsewhere(jobs.lanes)
        admitted((await jobs.gateway.admit_order(RESEARCH, caller, later=elsewhere > 0)).quota)
        if found is not None:
            return await jobs.retry_failed(found)
        about = {
            "base_url": origin.base_url,
            "language": caller.language,
            "request_id": caller.request_id,
            "awaited": False,
            "answers": 1,
            "inline": False,
            "research": {"plans": call.plans, "source": asdict(plan) if plan else None},
        }
        batch = Batch(
            id=order.id,
            kind="research",
            tenant=caller.tenant,
            created_at=order.created_at,
            concurrency=1,
            requested_concurrency=1,
            need="research",
            priority=PRIORITY,
            model=order.chat.model or RESEARCH.id,
            defaults=order.call.dump_echo(),
            metadata=dumps(about),
            idempotency_key=key,
            digest=digest,
            expires_at=order.created_at + WINDOW,
        )
        payload = await offload(len(batch.defaults), order.call.dump)
        hook = self.answers.webhook if order.kind == "response" else ("", "")
        return await jobs.submit_answer(batch, TaskDraft(call.prompt, payload), hook, prefix="")

    async def plan_of(self, caller: Caller, previous: str) -> ResearchPlace | None:
        """Where the plan stands that an interaction of the caller's has made; None where it made none. BadRequest while
        it is being made.
        """
        if not previous:
            return None
        batch = await self._jobs.store.get(caller.tenant, previous)
        if batch is None or batch.kind != "research":
            return None
        task = await self.answers.task(batch)
        if task.status != "done":
            raise BadRequest(
                f"{previous[:100]} has no plan (yet), so nothing can go on from it",
                f"{previous[:100]} 尚无研究计划，无法继续",
                param="previous_interaction_id",
                code="response_not_completed",
            )
        found = loads(task.result)  # a report is no plan: what follows it is another research
        return ResearchPlace.load(loads(found["plan"])) if "plan" in found else None

    async def stop(self, batch_id: str) -> None:
        """Tell Google that one that was given up shall end, where its account is here. Never raises."""
        with suppress(GatewayError):
            batch = await self._jobs.store.get(None, batch_id)
            if batch is None or batch.kind != "research":
                return
            tasks = await self._jobs.store.tasks(batch_id, limit=1)
            left = tasks[0].checkpoint if tasks else None
            account = self._jobs.gateway.pool.account(left.account) if left and left.cid else None
            if left is None or account is None or not account.is_open or account.identity != left.identity:
                return
            if isinstance(account.upstream, Researcher):
                await account.upstream.stop_chat(left.cid)

    async def forget(self, caller: Caller, answer_id: str, kind: AnswerKind) -> bool:
        """As `Answers.forget`; of a research Google stops, and its document goes with it."""
        batch = await self.answers.find(caller, answer_id, kind)
        if batch is not None and is_open(batch):
            await self.stop(batch.id)
        known = await self.answers.forget(caller, answer_id, kind)
        if batch is not None:
            await self._jobs.worker.runner.forget(batch)
        return known


def _plan_used() -> Conflict:
    return Conflict(
        "The plan was accepted or changed before; go on from what came of that",
        "该计划已被接受或修改，请从其后续结果继续",
        param="previous_interaction_id",
        code="plan_used",
    )
