"""The words of conversations that callers know by an id (`conversation_id`), for the key they belong to alone.

Others are kept as fingerprints of their histories only, and have no words to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from gemgate.errors import BadRequest, NotFound
from gemgate.offload import offload
from gemgate.ports.conversations import Conversation
from gemgate.prompting.transcript import Excerpt, excerpt, readable
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

WORDS, LONGEST_SEARCH = 8, 200
"""Words of a search, and its characters: every word costs a look at every conversation."""
AT_ONCE, LOOKED_AT = 20, 400
"""Conversations that are read together, and at most for one page: a transcript may hold megabytes of pictures."""
PRIVATE = {"cache-control": "no-store"}


@operation(
    router, "GET", "/api/conversations", "conversations.kept", group="any", answers="operating.FoundConversations",
    query={"q": "string", "limit": "integer", "offset": "integer"},
    summary="The caller's conversations whose words are kept, newest first, or those with certain words",
)  # fmt: skip
async def listing(context: NodeContext) -> Response:
    """`q`: words that all have to stand in it. `next_offset` goes on where this page ends, null at the end; a page of
    a search may be short, and even empty, before that. `excerpt`: where the first word was found.
    """
    request, store = context.request, context.service.gateway.conversations.store
    limit = whole_number(request, "limit", 50, least=1, most=100)
    offset = whole_number(request, "offset", 0, least=0, most=10**7)
    words = _words(request.query_params.get("q", ""))
    shown: list[dict[str, Any]] = []
    until = offset + LOOKED_AT
    following: int | None = offset
    while following is not None and len(shown) < limit and following < until:
        found = await store.worded(context.caller.tenant, words, AT_ONCE, following)
        texts = await offload(sum(len(one.transcript) for one in found), lambda found=found: _excerpts(found, words))  # type: ignore[misc]
        for place, (one, text) in enumerate(zip(found, texts, strict=True)):
            if text is not None and len(shown) < limit:
                shown.append(_entry(context, one) | {"title": text.title, "excerpt": text.found or None})
                if len(shown) == limit and place + 1 < len(found):
                    following += place + 1
                    break
        else:
            following = following + AT_ONCE if len(found) == AT_ONCE else None
    return json_response({"conversations": shown, "next_offset": following}, 200, PRIVATE)


@operation(
    router, "GET", "/api/conversations/{conversation_id}", "conversations.read", group="any",
    answers="operating.ReadConversation", summary="What was said in one conversation",
)  # fmt: skip
async def read(context: NodeContext) -> Response:
    """`parts`: `text`, `thought`, `call`, `result`; of pictures and files their names, types and sizes."""
    wanted = context.request.path_params["conversation_id"]
    found = await context.service.gateway.conversations.store.get(context.caller.tenant, wanted)
    if found is None or not found.transcript:
        raise NotFound(
            f"No words of a conversation {wanted[:100]} are kept",
            f"没有保存会话 {wanted[:100]} 的内容",
            code="conversation_not_kept",
        )
    said = await offload(len(found.transcript), lambda: readable(found.transcript))
    return json_response(_entry(context, found) | {"said": said}, 200, PRIVATE)


def _excerpts(found: Sequence[Conversation], words: Sequence[str]) -> list[Excerpt | None]:
    return [excerpt(one.transcript, words) for one in found]


def _entry(context: NodeContext, found: Conversation) -> shapes.KeptConversation:
    return {
        "id": found.id,
        "messages": found.length,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "account": found.account if context.caller.admin else None,
    }


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.split()))
    if len(text) > LONGEST_SEARCH or len(words) > WORDS:
        raise BadRequest(
            f"At most {WORDS} words and {LONGEST_SEARCH} characters can be searched for",
            f"最多可搜索 {WORDS} 个词、{LONGEST_SEARCH} 个字符",
            param="q",
        )
    return words
