"""What the dispatcher is asked to send, and one try of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gemgate.accounts import Capability, Walls
from gemgate.batches import Checkpoint
from gemgate.caller import Caller
from gemgate.catalog import ModelCard
from gemgate.chat import Began, Reuse
from gemgate.frozen import frozen
from gemgate.media import MediaRequest
from gemgate.policy.model_rank import Policy
from gemgate.pool.pool import Lease
from gemgate.ports.upstream import (
    Thread,
    Upload,
)
from gemgate.research import ResearchTurn


@frozen
class PromptContent:
    """What a prompt is made of, in UTF-8 bytes (see `prompting.fitting.Composed`).

    So many of them (`filed`) stand in uploads because the text was too long, and so many were `dropped`.
    files_left_out: of the caller's files, the oldest, that are only named; uncounted: files whose text nobody can
    count, which `bytes` leaves out.
    """

    text: str
    uploads: tuple[Upload, ...] = ()
    filed: int = 0
    bytes: int = 0
    limit: int = 0
    dropped: int = 0
    files_left_out: int = 0
    uncounted: int = 0


@frozen
class Continuation:
    """A conversation to go on in; only its own account, identity and model can."""

    account: str
    identity: str
    model: str
    thread: Thread


class Journal(Protocol):
    """What a durable prompt request remembers of its way. `earlier`: what a run before this one left at Google.

    seed: bytes nobody can guess, the same in every run: what was sent with them is read back with them. Empty for
    a call of one run.
    """

    earlier: Checkpoint
    seed: bytes

    async def note(self, checkpoint: Checkpoint) -> None:
        """Write down where it stands: right before the prompt leaves, when Google took it, when an image is there.

        Raises when the prompt must not leave, or nobody waits for its answer any more.
        """
        ...


@frozen
class PromptRequest:
    """One prompt to be answered.

    needs:           capabilities it uses, the main one first.
    content:         what to send: with True what is new to `continues`, with False everything, within the walls of the
                     account; asked for when needed. PromptTooLong.
    replay:          bytes of text that it takes to tell everything, if that is known.
    reuse:           what is reported when it does not go on in `continues`.
    image:           "must": an answer without one is an error, judged while the account is still held. "may": only if
                     its words say that the account is to blame.
    background:      a batch's; leaves a lane to interactive calls.
    journal:         of a durable prompt request.
    searches:        a tool that searches the web was offered and not forbidden.
    repair:          "tools" or "json" when it asks once more for a better form, else "".
    making:          a video or music that is wanted, None for neither. An answer whose words say that there will be
                     none is an error, judged while the account is still held.
    research:        a turn of a deep research: what is left of it is looked at before a plan is asked for, and an
                     answer that brings no plan or start is an error.
    model_policy:    "require" makes an error of an answer by another model, at its end.
    """

    card: ModelCard
    caller: Caller
    needs: tuple[Capability, ...]
    content: Callable[[bool, Walls], Awaitable[PromptContent]]
    continues: Continuation | None = None
    replay: int = 0
    reuse: Reuse = "miss"
    temporary: bool = False
    thinking: bool = False
    exact: bool = False
    image: Literal["no", "may", "must"] = "no"
    background: bool = False
    conversation_id: str = ""
    journal: Journal | None = None
    searches: bool = False
    repair: str = ""
    making: MediaRequest | None = None
    research: ResearchTurn = ""
    model_policy: Policy = "report"


@dataclass(slots=True)
class Attempt:
    """One try of a prompt request: what the one who listens may use while the account is held.

    number: of its tries; reuse: what is reported of its conversation. began: there when its prompt is.
    """

    lease: Lease
    number: int = 1
    reuse: Reuse = "miss"
    continued: bool = False
    began: Began = field(init=False)
    cid: str = ""
    images: int = 0
    spoke: bool = field(default=False)

    @property
    def identity(self) -> str:
        return self.lease.account.identity
