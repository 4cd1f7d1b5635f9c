"""The story of a call, from the words of a caller to the words of Google and back. The file to read first.

chat: resolve the model, count the call, then for each try: lease an account, compose the prompt, send it once, tell
what comes. Before the first event an account's trouble may move the call elsewhere, and only when it is certain that
nothing was generated; after it an error ends the answer in-band.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from gemgate import catalog
from gemgate.catalog import ModelCard
from gemgate.chat import Began, ChatRequest, Ended, Event, Message, Text, TextDelta, ThoughtDelta, Usage
from gemgate.errors import AccountError, Blocked, GatewayError, NoAccount, SignedOut, Unreachable
from gemgate.pool import AccountPool, Lease
from gemgate.ports import (
    Answered,
    Answering,
    Caller,
    Clock,
    Fact,
    ImageFound,
    Limiter,
    Observer,
    Piece,
    Prompt,
    Quota,
)
from gemgate.prompting import tokens
from gemgate.prompting.compose import Composed, compose
from gemgate.prompting.stops import StopFilter

MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that was resolved and counted once, however many generations it takes (decisions.md 7)."""

    card: ModelCard
    quota: Quota
    caller: Caller


class Gateway:
    """What doors call. It knows ports and the pool, never an adapter."""

    def __init__(
        self,
        pool: AccountPool,
        limiter: Limiter,
        *,
        clock: Clock,
        observer: Observer,
        default_model: str = catalog.DEFAULT_MODEL,
        temporary_chats: bool = False,
    ) -> None:
        self.pool = pool
        self._limiter = limiter
        self._clock = clock
        self._observer = observer
        self._default_model = default_model
        self._temporary_chats = temporary_chats

    def models(self) -> list[ModelCard]:
        """Every model a caller may name: the catalogue, then what the accounts really offer."""
        return catalog.listing(self.pool.offers())

    async def admit(self, model: str | None, caller: Caller, *, default: str | None = None) -> Admission:
        """Resolve the model and count one call. ModelNotFound, RateLimited."""
        card = catalog.resolve(model or default or self._default_model, self.pool.offers())
        return Admission(card, await self._limiter.take(caller, card.id), caller)

    async def chat(self, request: ChatRequest, admission: Admission) -> AsyncGenerator[Event, None]:
        """One answer as events: Began, deltas, Ended. Every failure is a GatewayError."""
        composed = compose(request.messages)
        stops = StopFilter(request.stop)
        prompt_tokens = tokens.estimate(composed.text)
        written, thought = tokens.Meter(), tokens.Meter()
        async with aclosing(self._pieces(request, composed, admission)) as pieces:
            async for began, piece in pieces:
                match piece:
                    case Answering():
                        yield began
                    case TextDelta():
                        if passed := stops.feed(piece.text):
                            written.add(passed)
                            yield TextDelta(passed)
                        if stops.hit is not None:
                            break
                    case ThoughtDelta():
                        thought.add(piece.text)
                        if request.include_thoughts:
                            yield piece
                    case ImageFound():
                        pass
                    case Answered():
                        if rest := stops.finish():
                            written.add(rest)
                            yield TextDelta(rest)
        usage = Usage(prompt_tokens, written.tokens, thought.tokens)
        self._observer.note(
            Fact(
                "chat.tokens",
                admission.caller.request_id,
                {
                    "model": admission.card.id,
                    "prompt": prompt_tokens,
                    "completion": usage.completion_tokens + usage.reasoning_tokens,
                },
            )
        )
        yield Ended("stop_sequence" if stops.hit is not None else "stop", usage, stops.hit)

    async def _pieces(
        self, request: ChatRequest, composed: Composed, admission: Admission
    ) -> AsyncGenerator[tuple[Began, Piece], None]:
        """The pieces of one answer, over as many accounts as it safely takes."""
        tried: list[str] = []
        again: str | None = None
        failure: GatewayError | None = None
        for attempt in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            spoke = False
            try:
                async with self.pool.lease(admission.card, prefer=again, avoid=tried) as lease:
                    prompt = self._prompt(request, composed, lease)
                    began = Began(lease.offer.name, lease.account, attempts=attempt)
                    self._note_attempt(admission, lease, attempt)
                    async with aclosing(lease.upstream.stream(prompt)) as stream:
                        async for piece in stream:
                            spoke = True
                            yield began, piece
                    return
            except GatewayError as error:
                if lease is None:
                    # Nobody (else) can take it. The accounts' standings say it best, unless only the way was closed.
                    closed = isinstance(error, NoAccount) and isinstance(failure, Unreachable)
                    raise failure if closed and failure is not None else error from None
                self._note_failure(admission, lease, attempt, error)
                if spoke or error.generated != "no" or attempt == MAX_TRIES or not _another_may_help(error):
                    raise
                failure = error
                if isinstance(error, SignedOut) and await self._signed_in_again(lease, error, second=again is not None):
                    again = lease.account
                    continue
                again = None
                tried.append(lease.account)

    async def _signed_in_again(self, lease: Lease, error: SignedOut, *, second: bool) -> bool:
        """One shared refresh for all calls whose session died; whether the account is worth one more try.

        A session that is refused right after signing in anew is dead, whatever its start page says.
        """
        if second:
            await lease.member.signed_out(error)
            return False
        try:
            await lease.member.sign_in(seen=lease.generation)
        except GatewayError:
            return False
        return True

    def _prompt(self, request: ChatRequest, composed: Composed, lease: Lease) -> Prompt:
        return Prompt(
            text=composed.text,
            offer=lease.offer,
            temporary=request.temporary or self._temporary_chats,
            extended_thinking=bool(request.thinking),
            exact=not request.stream,
        )

    def _note_attempt(self, admission: Admission, lease: Lease, attempt: int) -> None:
        data: dict[str, str | int | float | bool | None] = {
            "account": lease.account,
            "model": admission.card.id,
            "served": lease.offer.name,
            "attempt": attempt,
        }
        self._observer.note(Fact("attempt.sent", admission.caller.request_id, data))

    def _note_failure(self, admission: Admission, lease: Lease, attempt: int, error: GatewayError) -> None:
        data: dict[str, str | int | float | bool | None] = {
            "account": lease.account,
            "attempt": attempt,
            "kind": error.kind,
            "generated": error.generated,
            "why": error.en,
        }
        self._observer.note(Fact("attempt.failed", admission.caller.request_id, data))


def _another_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)


def simple_request(prompt: str, model: str | None = None) -> ChatRequest:
    """One user message, as the simple routes and the command line send it: never kept in the history."""
    return ChatRequest((Message("user", (Text(prompt),)),), model, temporary=True)


def streamed(request: ChatRequest) -> ChatRequest:
    """The same request for a caller who reads along."""
    return replace(request, stream=True)


__all__ = ["Admission", "AsyncIterator", "Gateway", "simple_request", "streamed"]
