"""One prompt on its way to whichever account takes it: lease, upload, send once, tell what comes.

The only place where a prompt may be sent again, and only while `generated` is "no" and nothing was told yet: on the
same account after a fresh sign-in or in a fresh conversation, else on another one (decisions.md 1). What an earlier,
cut off run of a durable errand left at Google is looked for first.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace

from gemgate.batches import Checkpoint
from gemgate.chat import Began, Reuse
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
from gemgate.gateway.attempts import AttemptRecorder
from gemgate.gateway.image_refusals import check_image_outcome
from gemgate.gateway.prompt_request import Attempt, PromptContent, PromptRequest
from gemgate.pool.pool import AccountPool, Lease
from gemgate.ports.runtime import Clock, Observer
from gemgate.ports.upstream import (
    Accepted,
    Completed,
    ImageReady,
    ImageRef,
    Prompt,
    SentFile,
    Thread,
    Unknown,
    UpstreamEvent,
)

MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""
RETRY_DELAYS = (0.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds before each look at a chat in which Google may still be writing."""


class Dispatcher:
    """Knows the pool and the attachments; tells the observer of every try."""

    def __init__(self, pool: AccountPool, attachments: Attachments, observer: Observer, clock: Clock) -> None:
        self._pool = pool
        self._attachments = attachments
        self._observer = observer
        self._clock = clock
        self._numbers = itertools.count(1)

    def _recorder(self, errand: PromptRequest) -> AttemptRecorder:
        purpose = "generate_content" if errand.image == "must" else "chat"
        request_id, number = errand.caller.request_id, next(self._numbers)
        return AttemptRecorder(self._observer, self._clock, request_id, number, errand.card.id, purpose, errand.repair)

    async def stream(self, errand: PromptRequest) -> AsyncGenerator[tuple[Attempt, UpstreamEvent], None]:
        """The pieces of one answer. While a piece is being looked at, the account that said it is still held."""
        recorder = self._recorder(errand)
        if errand.journal is not None and (left := await self._find_earlier_result(errand, errand.journal.earlier)):
            for raw in left[1]:
                piece = (
                    await self._with_served_model(errand, left[0], raw, recorder) if isinstance(raw, Completed) else raw
                )
                check_image_outcome(errand, left[0], piece)
                yield left[0], piece
            return
        tried: list[str] = []
        again: str | None = None
        mended: set[Remedy] = set()
        failure: GatewayError | None = None
        for number in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            attempt: Attempt | None = None
            prefer = again or (errand.continues.account if errand.continues else None)
            recorder.lease_requested(number)
            try:
                async with self._pool.lease(
                    errand.card,
                    needs=errand.needs,
                    prefer=prefer,
                    avoid=tried,
                    insists=self._needs_its_account(errand),
                    background=errand.background,
                ) as lease:
                    attempt = self._attempt(errand, lease, number)
                    recorder.lease_granted(lease, attempt.began, again=again is not None)
                    prompt = await self._prompt(errand, attempt)
                    await self._note(errand, attempt)
                    with recorder.sending(lease, attempt.began):
                        async with aclosing(lease.upstream.stream(prompt)) as stream:
                            async for raw in stream:
                                if isinstance(raw, Unknown):
                                    recorder.unknown(raw.field)
                                    continue
                                piece = raw
                                recorder.received(lease, spoke=not isinstance(piece, Accepted))
                                if isinstance(piece, Accepted | ImageReady):
                                    await self._note(errand, attempt, piece)
                                if isinstance(piece, Accepted):
                                    attempt.cid = piece.cid
                                else:
                                    attempt.spoke = True
                                if isinstance(piece, Completed) and not piece.stored:
                                    recorder.not_stored()
                                    if not errand.temporary and lease.account.unkept != lease.session_epoch:
                                        lease.account.unkept = lease.session_epoch  # one look a session tells enough
                                        await self._verify_session(lease)
                                if isinstance(raw, Completed):
                                    piece = await self._with_served_model(errand, attempt, raw, recorder)
                                check_image_outcome(errand, attempt, piece)
                                yield attempt, piece
                                recorder.consumer_done()
                    return
            except GatewayError as error:
                if lease is None or attempt is None:
                    recorder.lease_refused(error)
                    # Nobody (else) can take it. The accounts' standings say it best, unless they tell of no trouble.
                    silent = isinstance(failure, Unreachable) or self._any_usable(errand)
                    raise failure if isinstance(error, NoAccount) and failure and silent else error from None
                recorder.failed(lease, error)
                guest_like = error.remedy == "reload"  # refused with a fresh page as well
                if guest_like or (isinstance(error, SignedOut) and error.generated == "maybe"):
                    await self._verify_session(lease)
                if attempt.spoke or number == MAX_TRIES:
                    recorder.decision("spoken" if attempt.spoke else "last_try")
                    raise
                failure = error
                if (mend := self._remedied(errand, attempt, error, mended)) is not None:
                    errand, again = mend, lease.account_name
                    recorder.decision("fresh_chat" if error.remedy == "fresh_chat" else "same_account")
                    continue
                if attempt.continued and await self._chat_is_gone(attempt, errand, error):
                    errand = replace(errand, continues=None, reuse="replay")
                    again = lease.account_name
                    recorder.decision("fresh_chat")
                    continue
                if error.generated != "no" or not (
                    _other_account_may_help(error) or self._reads_more(error, lease, tried)
                ):
                    recorder.decision("maybe_generated" if error.generated != "no" else "no_help")
                    raise
                if isinstance(error, SignedOut) and await self._signed_in_again(lease, error, second=again is not None):
                    again = lease.account_name
                    recorder.decision("signed_in")
                    continue
                recorder.decision("other_account")
                again = None
                tried.append(lease.account_name)

    def _attempt(self, errand: PromptRequest, lease: Lease, number: int) -> Attempt:
        known = errand.continues
        continued = (
            known is not None
            and known.account == lease.account_name
            and known.identity == lease.account.identity
            and known.offer == lease.model.id
        )
        reuse: Reuse = "hit" if continued else "replay" if known else errand.reuse
        began = Began(lease.model.name, lease.account_name, reuse, number, errand.conversation_id)
        return Attempt(lease, began, continued)

    async def _prompt(self, errand: PromptRequest, attempt: Attempt) -> Prompt:
        material = await errand.content(attempt.continued, attempt.lease.account.walls.of(temporary=errand.temporary))
        attempt.began = replace(
            attempt.began,
            filed=material.filed,
            bytes=material.bytes,
            limit=material.limit,
            dropped=material.dropped,
            files_left_out=material.files_left_out,
            uncounted=material.uncounted,
        )
        thread = errand.continues.thread if attempt.continued and errand.continues else None
        return Prompt(
            text=material.text,
            offer=attempt.lease.model,
            files=await self._uploaded(attempt.lease, material),
            thread=thread,
            temporary=errand.temporary,
            extended_thinking=errand.thinking,
            exact=errand.exact,
            long_side=errand.card.long_side,
            pictures=errand.image != "no",
        )

    async def _with_served_model(
        self, errand: PromptRequest, attempt: Attempt, piece: Completed, recorder: AttemptRecorder
    ) -> Completed:
        """The end of an answer, with whom Google names for it; ModelNotServed where another was asked and required."""
        member = attempt.lease.account
        served = served_model.serving_model(attempt.lease.model, member.models, piece)
        painter = served_model.image_model(errand.card, piece)
        recorder.served_by(served.name, painter.name)
        cause: served_model.Cause = "unknown"
        if served.fits is False:
            cause = await served_model.examine(member, errand.needs, served)
            recorder.downgraded(attempt.lease, served, cause)
        judged = painter if errand.card.kind == "image" else served
        if errand.model_policy == "require" and judged.fits is False:
            raise served_model.not_served(judged, cause)
        return replace(piece, served=served.name, painter=painter.name)

    async def _uploaded(self, lease: Lease, material: PromptContent) -> tuple[SentFile, ...]:
        """The prompt's files on this account; what goes wrong is held against its uploads, not against its answers."""
        try:
            return await self._attachments.upload(lease.account, material.uploads)
        except GatewayError as error:
            error.capability = "upload"
            raise

    def _needs_its_account(self, errand: PromptRequest) -> bool:
        """Whether elsewhere the conversation could not be told in the text: it is worth waiting for its account."""
        known = errand.continues
        holder = self._pool.account(known.account) if known else None
        if holder is None or holder.identity != (known.identity if known else ""):
            return False
        return 0 < holder.walls.of(temporary=errand.temporary).plain < errand.replay

    def _reads_more(self, error: GatewayError, lease: Lease, tried: Sequence[str]) -> bool:
        """Whether a prompt that is too long for this account fits another one's walls."""
        if not isinstance(error, PromptTooLong):
            return False
        others = [one for one in self._pool.accounts if one is not lease.account and one.name not in tried]
        return any(one.is_open and one.reads_more_than(lease.account) for one in others)

    def _any_usable(self, errand: PromptRequest) -> bool:
        return any(member.status(*errand.needs).usable for member in self._pool.accounts)

    async def _note(self, errand: PromptRequest, attempt: Attempt, piece: Accepted | ImageReady | None = None) -> None:
        """Write down how far a durable errand has come: its prompt leaves, was taken, or has brought a picture."""
        if errand.journal is None:
            return
        trail = Checkpoint(attempt.lease.account_name, attempt.identity)
        match piece:
            case Accepted(cid):
                trail = replace(trail, cid=cid)
            case ImageReady(ref):
                trail = replace(trail, cid=attempt.cid, image=json.dumps(asdict(ref)))
        await errand.journal.note(trail)

    async def _find_earlier_result(
        self, errand: PromptRequest, trail: Checkpoint
    ) -> tuple[Attempt, list[UpstreamEvent]] | None:
        """What an earlier run of the same errand left at Google, as pieces; None when it left no answer.

        Only the session that began it can look, and looking generates nothing. While it is still being signed in or
        Google is still writing, it is worth waiting for: another generation would be one too many.
        """
        member = self._pool.account(trail.account)
        if member is None or member.identity != trail.identity or not (trail.cid or trail.image):
            return None
        if not member.is_open:
            if member.status().state == "starting":
                raise still_signing_in(member.name)
            return None
        offer = errand.card.offer(member.models)
        if offer is None:
            return None
        attempt = Attempt(Lease(member, offer, member.session_epoch), Began(offer.name, member.name), continued=False)
        if trail.image:
            return attempt, [ImageReady(ImageRef(**json.loads(trail.image))), Completed(Thread((trail.cid,)), "")]
        for pause in RETRY_DELAYS:
            await self._clock.sleep(pause)
            pieces = await member.upstream.read_chat(trail.cid)
            if pieces is None:
                return None
            if any(isinstance(piece, Completed) for piece in pieces):
                return attempt, pieces
        return None

    def _remedied(
        self, errand: PromptRequest, attempt: Attempt, error: GatewayError, mended: set[Remedy]
    ) -> PromptRequest | None:
        """The errand as it may go out once more on the same account, each remedy once; None when none helps.

        Only the code itself knows that nothing was generated (docs/google-wire.md 4.1).
        """
        remedy = error.remedy
        if error.generated != "no" or remedy in ("", "reload") or remedy in mended:
            return None
        if remedy == "fresh_chat" and not attempt.continued:
            return None
        mended.add(remedy)
        if remedy == "upload":
            attempt.lease.account.handles = {}
        return replace(errand, continues=None, reuse="replay") if remedy == "fresh_chat" else errand

    async def _chat_is_gone(self, attempt: Attempt, errand: PromptRequest, error: GatewayError) -> bool:
        """Whether Google does not know the conversation any more, so that nothing can have been said in it.

        Its owner may have deleted it. A model that does not fit the history is refused before anything is generated.
        """
        if isinstance(error, ModelGone):
            return True
        if not isinstance(error, Broken) or errand.continues is None:
            return False
        try:
            return not await attempt.lease.upstream.has_chat(errand.continues.thread.cid)
        except GatewayError:
            return False

    async def _signed_in_again(self, lease: Lease, error: SignedOut, *, second: bool) -> bool:
        """One shared refresh for all calls whose session died; whether the account is worth one more try.

        A session that is refused right after signing in anew is dead, whatever its start page says.
        """
        if second:
            lease.account.signed_out(error)
            return False
        try:
            await lease.account.sign_in(seen=lease.session_epoch)
        except GatewayError:
            return False
        return True

    async def _verify_session(self, lease: Lease) -> None:
        """An answer sounded as if the session were a guest's: ask Google, and believe what it says."""
        try:
            await lease.upstream.ping()
        except SignedOut as error:
            lease.account.signed_out(error)
        except GatewayError:
            return


def still_signing_in(name: str) -> NoAccount:
    return NoAccount(
        f"The account {name}, which holds the answer that was cut off, is still signing in",
        f"持有中断回答的账号 {name} 仍在登录",
        retry_after=2.0,
        code="no_account",
    )


def _other_account_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)
