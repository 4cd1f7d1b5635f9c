"""A caller who may leave: what the journal of a call remembers while somebody waits for it, in memory alone."""

from __future__ import annotations

from gemgate.batches import Checkpoint
from gemgate.errors import Conflict


class CallerPresence:
    """The journal of a call that is not durable. sent: a prompt of it has gone to Google; left: nobody waits any more.

    Once the caller has left, what is under way may end, and no further prompt goes out.
    """

    def __init__(self) -> None:
        self.earlier = Checkpoint()
        self.seed = b""
        self.sent = False
        self.left = False

    async def note(self, checkpoint: Checkpoint) -> None:
        """Conflict for a prompt that nobody would hear the answer of."""
        if self.left and not checkpoint.cid and not checkpoint.image:
            raise Conflict("The caller left before the prompt was sent", "调用方在提示发送前已离开", code="caller_left")
        self.sent = True
