"""A deep research is entered, whatever dialect it came in: always in the background."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from gemgate.dialects.research import ResearchCall
from gemgate.jobs.answers import AnswerKind
from gemgate.jobs.batches import Submitter
from gemgate.jobs.research_place import ResearchPlace
from gemgate.web.answers import Asked, followed, key_of, name_ignored, order_of
from gemgate.web.context import NodeContext
from gemgate.web.json_response import large_json_response


async def entered(
    context: NodeContext, asked: Asked, kind: AnswerKind, call: ResearchCall, plan: ResearchPlace | None
) -> Response:
    """Enter it and answer at once, or follow it. plan: that it accepts or changes."""
    key = key_of(context)
    order = await order_of(context, asked, kind, key)
    if not (key or plan):
        context.note("task.entering")  # a fleet's gateway must not have another node enter it as well
    origin = Submitter(context.caller, context.base_url)
    batch = await context.service.researches.submit(order, call, plan, origin, context.admitted)
    context.note("request.task", id=batch.id)
    unread = ("input",) if plan is not None and not call.plans else ()  # that a plan is accepted says all
    name_ignored(context, replace(asked.chat, ignored=(*call.ignored, *unread)))
    if asked.chat.stream:
        return await followed(context, batch, "")
    return large_json_response(await context.service.background.shown(batch, context.caller.language))
