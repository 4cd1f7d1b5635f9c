"""What a response or an interaction goes on from: the one before it, and items that it only refers to by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import orjson

from gemgate.chat import Message
from gemgate.dialects import responses
from gemgate.errors import BadRequest
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript

Find = Callable[[str], Awaitable[StoredResponse | None]]
"""A stored answer of the caller's tenant by its id, however it was made."""


async def previous_messages(
    find: Find, answer_id: str | None, kind: Literal["response", "interaction"] = "response"
) -> tuple[Message, ...]:
    """The conversation up to `previous_response_id` or `previous_interaction_id`; BadRequest when the tenant has no
    such answer.
    """
    if answer_id is None:
        return ()
    found = await find(answer_id)
    if found is None:
        raise BadRequest(
            f"Previous {kind} with id {answer_id[:100]!r} not found; send the whole input instead",
            f"找不到 id 为 {answer_id[:100]!r} 的上一个 {kind}，请发送完整的 input",
            param=f"previous_{kind}_id",
            code=f"previous_{kind}_not_found",
        )
    return await offload(len(found.transcript), lambda: transcript.load(found.transcript))


async def referenced_messages(find: Find, body: responses.TokenCountRequest) -> dict[str, Message]:
    """What the items are that the input only refers to; ids that name none are left to the dialect to refuse."""
    found: dict[str, Message] = {}
    for item_id in responses.referenced(body):
        owner = responses.owner_of(item_id)
        stored = await find(owner) if owner else None
        for item in orjson.loads(stored.body)["output"] if stored else ():
            if item.get("id") == item_id and (message := responses.message_of_item(item)) is not None:
                found[item_id] = message
    return found
