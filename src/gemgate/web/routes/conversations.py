"""Stored conversations: those that callers know by an id of their own, and those that chats go on in by themselves."""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import simple
from gemgate.dialects.simple import ConversationEntry
from gemgate.errors import NotFound
from gemgate.ports.conversations import Conversation
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()


@operation(
    router,
    "GET",
    "/conversations",
    "conversations",
    group="any",
    answers="simple.Conversations",
    query={"limit": "integer", "offset": "integer"},
)
async def listing(context: NodeContext) -> Response:
    """The caller's stored conversations, newest first"""
    limit = whole_number(context.request, "limit", 100, least=1, most=1000)
    offset = whole_number(context.request, "offset", 0, least=0, most=10**9)
    store = context.service.gateway.conversations.store
    found, total = await store.latest(context.caller.tenant, limit, offset)
    entries = [ConversationEntry(c.id, c.updated_at, len(c.transcript)) for c in found]
    return json_response(simple.write_conversations(entries, total))


@operation(
    router,
    "GET",
    "/conversations/{conversation_id}",
    "conversations.get",
    group="any",
    answers="simple.ConversationState",
)
async def get(context: NodeContext) -> Response:
    """What is known of one conversation"""
    found = await _owned(context)
    facts = {
        "account": found.account if context.caller.admin else None,
        "messages": found.length,
        "created": found.created_at,
        "modified": found.updated_at,
        "model": found.offer,
        "deleted_at": found.delete_at or None,
    }
    return json_response(simple.write_conversation(found.id, {k: v for k, v in facts.items() if v is not None}))


@operation(
    router, "DELETE", "/conversations/{conversation_id}", "conversations.delete", group="any", answers="simple.Done"
)
async def delete(context: NodeContext) -> Response:
    """Forget one conversation, here and in the account's own history"""
    found = await _owned(context)
    await context.service.gateway.conversations.delete(found, context.service.pool)
    return json_response(simple.write_conversation_deleted())


async def _owned(context: NodeContext) -> Conversation:
    conversation_id = context.request.path_params["conversation_id"]
    found = await context.service.gateway.conversations.store.get(context.caller.tenant, conversation_id)
    if found is None:
        raise NotFound(
            f"There is no conversation {conversation_id[:100]}",
            f"会话 {conversation_id[:100]} 不存在",
            code="conversation_not_found",
        )
    return found
