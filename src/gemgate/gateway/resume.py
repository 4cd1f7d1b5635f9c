"""What an earlier, cut off run of a durable prompt request left at Google: looked for before anything is sent again."""

from __future__ import annotations

import json

from gemgate.batches import Checkpoint
from gemgate.chat import Began
from gemgate.errors import NoAccount
from gemgate.gateway.prompt_request import Attempt, PromptRequest
from gemgate.pool.pool import AccountPool, Lease
from gemgate.ports.runtime import Clock
from gemgate.ports.upstream import Completed, ImageReady, ImageRef, Thread, UpstreamEvent

RETRY_DELAYS = (0.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds before each look at a chat in which Google may still be writing."""


async def find_earlier_result(
    pool: AccountPool, clock: Clock, prompt_request: PromptRequest, checkpoint: Checkpoint
) -> tuple[Attempt, list[UpstreamEvent]] | None:
    """What an earlier run of the same prompt request left at Google, as pieces; None when it left no answer.

    Only the session that began it can look, and looking generates nothing. While it is still being signed in or
    Google is still writing, it is worth waiting for: another generation would be one too many.
    """
    account = pool.account(checkpoint.account)
    if account is None or account.identity != checkpoint.identity or not (checkpoint.cid or checkpoint.image):
        return None
    if not account.is_open:
        if account.status().state == "starting":
            raise _still_signing_in(account.name)
        return None
    model = prompt_request.card.offer(account.models)
    if model is None:
        return None
    attempt = Attempt(Lease(account, model, account.session_epoch))
    attempt.began = Began(model.name, account.name)
    if checkpoint.image:
        return attempt, [
            ImageReady(ImageRef(**json.loads(checkpoint.image))),
            Completed(Thread((checkpoint.cid,)), ""),
        ]
    for pause in RETRY_DELAYS:
        await clock.sleep(pause)
        pieces = await account.upstream.read_chat(checkpoint.cid)
        if pieces is None:
            return None
        if any(isinstance(piece, Completed) for piece in pieces):
            return attempt, pieces
    return None


def _still_signing_in(name: str) -> NoAccount:
    return NoAccount(
        f"The account {name}, which holds the answer that was cut off, is still signing in",
        f"持有中断回答的账号 {name} 仍在登录",
        retry_after=2.0,
        code="no_account",
    )
