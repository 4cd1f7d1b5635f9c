"""One prompt on its way to whichever account takes it: lease, upload, send once, hand on what comes.

Failover between accounts: the only place where a prompt may be sent again, and only while `generated` is "no" and the
caller got nothing yet: on the same account after a fresh sign-in or in a fresh conversation, else on another one
(docs/decisions.md 1). What an earlier, cut off run of a durable prompt request left at Google is looked for first
(`resume`).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict, dataclass, field, replace

from gemgate.batches import Checkpoint
from gemgate.chat import Began, Reuse, TextDelta, ThoughtDelta
from gemgate.errors import (
    AccountError,
    Blocked,
    Broken,
    GatewayError,
    ModelGone,
    NoAccount,
    PromptTooLong,
    Remedy,
    SignedOut,
    Unreachable,
)
from gemgate.gateway import served_model
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.attempts import SENT_AGAIN, AttemptRecorder, Then
from gemgate.gateway.image_refusals import check_image_outcome
from gemgate.gateway.media_outcome import check_media_outcome
from gemgate.gateway.prompt_request import Attempt, PromptContent, PromptRequest
from gemgate.gateway.research_outcome import check_research_budget, check_research_outcome
from gemgate.gateway.resume import find_earlier_result
from gemgate.pool.pool import AccountPool, Lease
from gemgate.ports.runtime import Clock, Observer
from gemgate.ports.upstream import (
    Accepted,
    Completed,
    ImageReady,
    Prompt,
    SentFile,
    Started,
    Unknown,
    UpstreamEvent,
)

_WORDS = (TextDelta, ThoughtDelta, Started)
"""What is handed on as it comes."""
MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""


@dataclass(slots=True)
class _Tries:
    """How far one prompt request has come over its tries. again: the account that is to take it once more."""

    prompt_request: PromptRequest
    tried: list[str] = field(default_factory=list)
    again: str | None = None
    remedies: set[Remedy] = field(default_factory=set)
    failure: GatewayError | None = None


class Dispatcher:
    """Knows the pool and the attachments; tells the observer of every try."""

    def __init__(self, pool: AccountPool, attachments: Attachments, observer: Observer, clock: Clock) -> None:
        self._pool = pool
        self._attachments = attachments
        self._observer = observer
        self._clock = clock
        self._numbers = itertools.count(1)

    def _recorder(self, prompt_request: PromptRequest) -> AttemptRecorder:
        purpose = "generate_content" if prompt_request.image == "must" else "chat"
        request_id, number = prompt_request.caller.request_id, next(self._numbers)
        return AttemptRecorder(
            self._observer, self._clock, request_id, number, prompt_request.card.id, purpose, prompt_request.repair
        )

    async def stream(self, prompt_request: PromptRequest) -> AsyncGenerator[tuple[Attempt, UpstreamEvent], None]:
        """The pieces of one answer. While a piece is being looked at, the account that said it is still held."""
        recorder, journal = self._recorder(prompt_request), prompt_request.journal
        if journal is not None and (
            found := await find_earlier_result(self._pool, self._clock, prompt_request, journal.earlier)
        ):
            attempt, pieces = found
            for piece in pieces:
                yield attempt, await self._checked(prompt_request, attempt, piece, recorder)
            return
        tries = _Tries(prompt_request)
        for number in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            made: Attempt | None = None
            request = tries.prompt_request
            recorder.lease_requested(number)
            try:
                async with self._lease(tries) as lease:
                    attempt = made = self._attempt(request, lease, number)
                    recorder.lease_granted(lease, attempt.reuse, again=tries.again is not None)
                    if request.research == "plan":
                        await check_research_budget(lease)
                    prompt = await self._prompt(request, attempt)
                    await self._note(request, attempt)
                    recorder.sent(lease, attempt.began)
                    try:
                        async with aclosing(lease.upstream.stream(prompt)) as stream:
                            async for raw in stream:
                                if isinstance(raw, Unknown):
                                    recorder.unknown(raw.field)
                                    continue
                                spoke = not isinstance(raw, Accepted)
                                recorder.received(spoke=spoke)
                                attempt.spoke |= spoke
                                if isinstance(raw, _WORDS):
                                    yield attempt, raw
                                else:
                                    yield attempt, await self._received(request, attempt, raw, recorder)
                                recorder.consumer_done()
                    except BaseException as error:
                        recorder.ended(lease, error)
                        raise
                    recorder.ended(lease)
                    return
            except GatewayError as error:
                if lease is None or made is None:
                    recorder.lease_refused(error)
                    # Nobody (else) can take it. The accounts' states say it best, unless they tell of no trouble.
                    silent = isinstance(tries.failure, Unreachable) or self._any_usable(request)
                    if isinstance(error, NoAccount) and tries.failure and silent:
                        raise tries.failure.with_() from None  # a copy: what this frame holds must not hold this frame
                    raise
                recorder.failed(lease, error)
                decision = await self._decide(tries, made, error, last=number == MAX_TRIES)
                recorder.decision(decision)
                if decision not in SENT_AGAIN:
                    raise

    def _lease(self, tries: _Tries) -> AbstractAsyncContextManager[Lease]:
        request = tries.prompt_request
        return self._pool.lease(
            request.card,
            needs=request.needs,
            prefer=tries.again or (request.continues.account if request.continues else None),
            avoid=tries.tried,
            insists=self._needs_its_account(request),
            background=request.background,
        )

    async def _received(
        self,
        prompt_request: PromptRequest,
        attempt: Attempt,
        piece: Accepted | ImageReady | Completed,
        recorder: AttemptRecorder,
    ) -> UpstreamEvent:
        """What is no word of the answer, written down and checked, while its account is held."""
        if not isinstance(piece, Completed):
            await self._note(prompt_request, attempt, piece)
            if isinstance(piece, Accepted):
                attempt.cid = piece.cid
                return piece
        else:
            account = attempt.lease.account
            account.usage.told(prompt_request.needs[0], piece.left, self._clock.now())
            if piece.stored and not prompt_request.temporary:
                account.saw_chats()
            if not piece.stored:
                recorder.not_stored()
                if not prompt_request.temporary and account.needs_verifying(attempt.lease.session_epoch):
                    await self._verify_session(attempt.lease)
        return await self._checked(prompt_request, attempt, piece, recorder)

    async def _checked(
        self, prompt_request: PromptRequest, attempt: Attempt, piece: UpstreamEvent, recorder: AttemptRecorder
    ) -> UpstreamEvent:
        """The piece, its end with the model that Google names; raises where it is not what was asked for."""
        if isinstance(piece, Completed):
            piece = await self._with_served_model(prompt_request, attempt, piece, recorder)
        check_image_outcome(prompt_request, attempt, piece)
        if prompt_request.making is not None and isinstance(piece, Completed):
            check_media_outcome(prompt_request.making.kind, piece)
        if prompt_request.research and isinstance(piece, Completed):
            check_research_outcome(prompt_request.research, piece)
        return piece

    async def _decide(self, tries: _Tries, attempt: Attempt, error: GatewayError, *, last: bool) -> Then:
        """What follows from a failed try. `tries` says afterwards what is sent next, and to whom."""
        lease = attempt.lease
        guest_like = error.remedy == "reload"  # refused with a fresh page as well
        if guest_like or (isinstance(error, SignedOut) and error.generated == "maybe"):
            await self._verify_session(lease)
        if attempt.spoke or last:
            return "spoken" if attempt.spoke else "last_try"
        tries.failure = error.with_()
        request = tries.prompt_request
        if (mended := self._remedied(request, attempt, error, tries.remedies)) is not None:
            tries.prompt_request, tries.again = mended, lease.account_name
            return "fresh_chat" if error.remedy == "fresh_chat" else "same_account"
        if attempt.continued and await self._chat_is_gone(attempt, request, error):
            tries.prompt_request = replace(request, continues=None, reuse="replay")
            tries.again = lease.account_name
            return "fresh_chat"
        if error.generated != "no":
            return "maybe_generated"
        if not (_other_account_may_help(error) or self._reads_more(error, lease, tries.tried)):
            return "no_help"
        if isinstance(error, SignedOut) and await self._signed_in_again(lease, error, second=tries.again is not None):
            tries.again = lease.account_name
            return "signed_in"
        tries.again = None
        tries.tried.append(lease.account_name)
        return "other_account"

    def _attempt(self, prompt_request: PromptRequest, lease: Lease, number: int) -> Attempt:
        known = prompt_request.continues
        continued = (
            known is not None
            and known.account == lease.account_name
            and known.identity == lease.account.identity
            and known.model == lease.model.id
        )
        reuse: Reuse = "hit" if continued else "replay" if known else prompt_request.reuse
        return Attempt(lease, number, reuse, continued)

    async def _prompt(self, prompt_request: PromptRequest, attempt: Attempt) -> Prompt:
        content = await prompt_request.content(
            attempt.continued, attempt.lease.account.walls.of(temporary=prompt_request.temporary)
        )
        attempt.began = Began(
            attempt.lease.model.name,
            attempt.lease.account_name,
            attempt.reuse,
            attempt.number,
            prompt_request.conversation_id,
            filed=content.filed,
            bytes=content.bytes,
            limit=content.limit,
            dropped=content.dropped,
            files_left_out=content.files_left_out,
            uncounted=content.uncounted,
        )
        thread = prompt_request.continues.thread if attempt.continued and prompt_request.continues else None
        return Prompt(
            text=content.text,
            offer=attempt.lease.model,
            files=await self._uploaded(attempt.lease, content),
            thread=thread,
            temporary=prompt_request.temporary,
            extended_thinking=prompt_request.thinking,
            exact=prompt_request.exact,
            long_side=prompt_request.card.long_side,
            images=prompt_request.image != "no",
            searches=prompt_request.searches,
            making=prompt_request.making,
            research=prompt_request.research,
        )

    async def _with_served_model(
        self, prompt_request: PromptRequest, attempt: Attempt, piece: Completed, recorder: AttemptRecorder
    ) -> Completed:
        """The end of an answer, with whom Google names for it; ModelNotServed where another was asked and required."""
        account = attempt.lease.account
        served = served_model.serving_model(attempt.lease.model, account.models, piece)
        painter = served_model.image_model(prompt_request.card, piece)
        recorder.served_by(served.name, painter.name)
        cause: served_model.Cause = "unknown"
        if served.fits is False:
            cause = await served_model.examine(account, prompt_request.needs, served, self._clock.now())
            recorder.downgraded(attempt.lease, served, cause)
        judged = painter if prompt_request.card.kind == "image" else served
        if prompt_request.model_policy == "require" and judged.fits is False:
            raise served_model.not_served(judged, cause)
        told = served.name, painter.name
        return piece if told == (piece.served, piece.painter) else replace(piece, served=told[0], painter=told[1])

    async def _uploaded(self, lease: Lease, content: PromptContent) -> tuple[SentFile, ...]:
        """The prompt's files on this account; what goes wrong is held against its uploads, not against its answers."""
        if not content.uploads:
            return ()
        try:
            return await self._attachments.upload(lease.account, content.uploads)
        except GatewayError as error:
            raise error.with_(capability="upload") from None

    def _needs_its_account(self, prompt_request: PromptRequest) -> bool:
        """Whether elsewhere the conversation would not fit as text: it is worth waiting for its account."""
        known = prompt_request.continues
        holder = self._pool.account(known.account) if known else None
        if holder is None or holder.identity != (known.identity if known else ""):
            return False
        return 0 < holder.walls.of(temporary=prompt_request.temporary).plain < prompt_request.replay

    def _reads_more(self, error: GatewayError, lease: Lease, tried: Sequence[str]) -> bool:
        """Whether a prompt that is too long for this account fits another one's walls."""
        if not isinstance(error, PromptTooLong):
            return False
        others = [one for one in self._pool.accounts if one is not lease.account and one.name not in tried]
        return any(one.is_open and one.walls.hold_more_than(lease.account.walls) for one in others)

    def _any_usable(self, prompt_request: PromptRequest) -> bool:
        return any(account.status(*prompt_request.needs).usable for account in self._pool.accounts)

    async def _note(
        self, prompt_request: PromptRequest, attempt: Attempt, piece: Accepted | ImageReady | None = None
    ) -> None:
        """Write down how far a durable request has come: its prompt leaves, was taken, or has brought an image."""
        if prompt_request.journal is None:
            return
        checkpoint = Checkpoint(attempt.lease.account_name, attempt.identity)
        match piece:
            case Accepted(cid):
                checkpoint = replace(checkpoint, cid=cid)
            case ImageReady(ref):
                checkpoint = replace(checkpoint, cid=attempt.cid, image=json.dumps(asdict(ref)))
        await prompt_request.journal.note(checkpoint)

    def _remedied(
        self, prompt_request: PromptRequest, attempt: Attempt, error: GatewayError, mended: set[Remedy]
    ) -> PromptRequest | None:
        """The prompt request as it may go out once more on the same account, each remedy once; None when none helps.

        Only the code itself knows that nothing was generated (docs/google-wire.md 4.1).
        """
        remedy = error.remedy
        if error.generated != "no" or remedy in ("", "reload") or remedy in mended:
            return None
        if remedy == "fresh_chat" and not attempt.continued:
            return None
        mended.add(remedy)
        if remedy == "upload":
            attempt.lease.account.forget_uploads()
        return replace(prompt_request, continues=None, reuse="replay") if remedy == "fresh_chat" else prompt_request

    async def _chat_is_gone(self, attempt: Attempt, prompt_request: PromptRequest, error: GatewayError) -> bool:
        """Whether Google does not know the conversation any more, so that nothing can have been said in it.

        Its owner may have deleted it. A model that does not fit the history is refused before anything is generated.
        """
        if isinstance(error, ModelGone):
            return True
        if not isinstance(error, Broken) or prompt_request.continues is None:
            return False
        try:
            return not await attempt.lease.upstream.has_chat(prompt_request.continues.thread.cid)
        except GatewayError:
            return False

    async def _signed_in_again(self, lease: Lease, error: SignedOut, *, second: bool) -> bool:
        """One shared refresh for all calls whose session died; whether the account is worth one more try.

        A session that is refused right after signing in anew is dead, whatever its start page says.
        """
        if second:
            lease.account.signed_out(error, lease.session_epoch)
            return False
        try:
            await lease.account.sign_in(seen=lease.session_epoch)
        except GatewayError:
            return False
        return True

    async def _verify_session(self, lease: Lease) -> None:
        """An answer sounded as if the session were a guest's: ask Google, and believe what it says."""
        epoch = lease.account.session_epoch
        try:
            await lease.upstream.ping()
        except SignedOut as error:
            lease.account.signed_out(error.with_(reason="guest"), epoch)
        except GatewayError:
            return


def _other_account_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)
