"""Answers that can be gone on from by their id: responses and interactions.

One is stored before its last event leaves, so that whoever has seen its end can continue it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gemgate.chat import Ended, Event, Fold, Reply
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import StorageDown
from gemgate.ports.conversations import StoredResponse
from gemgate.web.answers import Events
from gemgate.web.context import NodeContext

STORE_TIMEOUT = 2.0
"""Seconds that a finished answer waits until it is kept."""


async def stored(
    answer: Events, context: NodeContext, meta: ResponseMeta, texts: Callable[[Reply], tuple[str, str]]
) -> AsyncGenerator[tuple[int, Event], None]:
    """The same events; right before the last one goes out the answer is kept, as the body and transcript of `texts`."""
    fold = Fold()
    async with aclosing(answer):
        async for number, event in answer:
            fold.add(event)
            if isinstance(event, Ended):
                written, text = await asyncio.to_thread(texts, fold.reply())
                kept = StoredResponse(meta.id, context.caller.tenant, written, text, meta.created)
                try:
                    async with asyncio.timeout(STORE_TIMEOUT):
                        await context.service.responses.save(kept)
                except (StorageDown, TimeoutError):
                    # The answer is worth more than that it can be continued by its id.
                    context.note("response.not_kept")
            yield number, event
