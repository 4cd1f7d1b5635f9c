"""One prompt on its way to whichever account takes it: lease, upload, send once, tell what comes.

The only place where a prompt may be sent again, and only while `generated` is "no" and nothing was told yet: on the
same account after a fresh sign-in or in a fresh conversation, else on another one (decisions.md 1). What an earlier,
cut off run of a durable prompt request left at Google is looked for first.
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
    forget_frames,
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

    def _recorder(self, prompt_request: PromptRequest) -> AttemptRecorder:
        purpose = "generate_content" if prompt_request.image == "must" else "chat"
        request_id, number = prompt_request.caller.request_id, next(self._numbers)
        return AttemptRecorder(
            self._observer, self._clock, request_id, number, prompt_request.card.id, purpose, prompt_request.repair
        )

    async def stream(self, prompt_request: PromptRequest) -> AsyncGenerator[tuple[Attempt, UpstreamEvent], None]:
        """The pieces of one answer. While a piece is being looked at, the account that said it is still held."""
        recorder = self._recorder(prompt_request)
        if prompt_request.journal is not None and (
            left := await self._find_earlier_result(prompt_request, prompt_request.journal.earlier)
        ):
            for raw in left[1]:
                piece = (
                    await self._with_served_model(prompt_request, left[0], raw, recorder)
                    if isinstance(raw, Completed)
                    else raw
                )
                check_image_outcome(prompt_request, left[0], piece)
                yield left[0], piece
            return
        tried: list[str] = []
        again: str | None = None
        mended: set[Remedy] = set()
        failure: GatewayError | None = None
        for number in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            attempt: Attempt | None = None
            prefer = again or (prompt_request.continues.account if prompt_request.continues else None)
            recorder.lease_requested(number)
            try:
                async with self._pool.lease(
                    prompt_request.card,
                    needs=prompt_request.needs,
                    prefer=prefer,
                    avoid=tried,
                    insists=self._needs_its_account(prompt_request),
                    background=prompt_request.background,
                ) as lease:
                    attempt = self._attempt(prompt_request, lease, number)
                    recorder.lease_granted(lease, attempt.began, again=again is not None)
                    prompt = await self._prompt(prompt_request, attempt)
                    await self._note(prompt_request, attempt)
                    with recorder.sending(lease, attempt.began):
                        async with aclosing(lease.upstream.stream(prompt)) as stream:
                            async for raw in stream:
                                if isinstance(raw, Unknown):
                                    recorder.unknown(raw.field)
                                    continue
                                piece = raw
                                recorder.received(lease, spoke=not isinstance(piece, Accepted))
                                if isinstance(piece, Accepted | ImageReady):
                                    await self._note(prompt_request, attempt, piece)
                                if isinstance(piece, Accepted):
                                    attempt.cid = piece.cid
                                else:
                                    attempt.spoke = True
                                if isinstance(piece, Completed):
                                    lease.account.told_left(piece.left)
                                    if piece.stored and not prompt_request.temporary:
                                        lease.account.saw_chats()
                                if isinstance(piece, Completed) and not piece.stored:
                                    recorder.not_stored()
                                    if not prompt_request.temporary and lease.account.unkept != lease.session_epoch:
                                        lease.account.unkept = lease.session_epoch  # one look a session tells enough
                                        await self._verify_session(lease)
                                if isinstance(raw, Completed):
                                    piece = await self._with_served_model(prompt_request, attempt, raw, recorder)
                                check_image_outcome(prompt_request, attempt, piece)
                                yield attempt, piece
                                recorder.consumer_done()
                    return
            except GatewayError as error:
                if lease is None or attempt is None:
                    recorder.lease_refused(error)
                    # Nobody (else) can take it. The accounts' standings say it best, unless they tell of no trouble.
                    silent = isinstance(failure, Unreachable) or self._any_usable(prompt_request)
                    raise failure if isinstance(error, NoAccount) and failure and silent else error from None
                recorder.failed(lease, error)
                guest_like = error.remedy == "reload"  # refused with a fresh page as well
                if guest_like or (isinstance(error, SignedOut) and error.generated == "maybe"):
                    await self._verify_session(lease)
                if attempt.spoke or number == MAX_TRIES:
                    recorder.decision("spoken" if attempt.spoke else "last_try")
                    raise
                forget_frames(error)
                failure = error
                if (mend := self._remedied(prompt_request, attempt, error, mended)) is not None:
                    prompt_request, again = mend, lease.account_name
                    recorder.decision("fresh_chat" if error.remedy == "fresh_chat" else "same_account")
                    continue
                if attempt.continued and await self._chat_is_gone(attempt, prompt_request, error):
                    prompt_request = replace(prompt_request, continues=None, reuse="replay")
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

    def _attempt(self, prompt_request: PromptRequest, lease: Lease, number: int) -> Attempt:
        known = prompt_request.continues
        continued = (
            known is not None
            and known.account == lease.account_name
            and known.identity == lease.account.identity
            and known.offer == lease.model.id
        )
        reuse: Reuse = "hit" if continued else "replay" if known else prompt_request.reuse
        began = Began(lease.model.name, lease.account_name, reuse, number, prompt_request.conversation_id)
        return Attempt(lease, began, continued)

    async def _prompt(self, prompt_request: PromptRequest, attempt: Attempt) -> Prompt:
        content = await prompt_request.content(
            attempt.continued, attempt.lease.account.walls.of(temporary=prompt_request.temporary)
        )
        attempt.began = replace(
            attempt.began,
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
            cause = await served_model.examine(account, prompt_request.needs, served)
            recorder.downgraded(attempt.lease, served, cause)
        judged = painter if prompt_request.card.kind == "image" else served
        if prompt_request.model_policy == "require" and judged.fits is False:
            raise served_model.not_served(judged, cause)
        return replace(piece, served=served.name, painter=painter.name)

    async def _uploaded(self, lease: Lease, content: PromptContent) -> tuple[SentFile, ...]:
        """The prompt's files on this account; what goes wrong is held against its uploads, not against its answers."""
        try:
            return await self._attachments.upload(lease.account, content.uploads)
        except GatewayError as error:
            error.capability = "upload"
            raise

    def _needs_its_account(self, prompt_request: PromptRequest) -> bool:
        """Whether elsewhere the conversation could not be told in the text: it is worth waiting for its account."""
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
        return any(one.is_open and one.reads_more_than(lease.account) for one in others)

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

    async def _find_earlier_result(
        self, prompt_request: PromptRequest, checkpoint: Checkpoint
    ) -> tuple[Attempt, list[UpstreamEvent]] | None:
        """What an earlier run of the same prompt request left at Google, as pieces; None when it left no answer.

        Only the session that began it can look, and looking generates nothing. While it is still being signed in or
        Google is still writing, it is worth waiting for: another generation would be one too many.
        """
        account = self._pool.account(checkpoint.account)
        if account is None or account.identity != checkpoint.identity or not (checkpoint.cid or checkpoint.image):
            return None
        if not account.is_open:
            if account.status().state == "starting":
                raise still_signing_in(account.name)
            return None
        offer = prompt_request.card.offer(account.models)
        if offer is None:
            return None
        attempt = Attempt(
            Lease(account, offer, account.session_epoch), Began(offer.name, account.name), continued=False
        )
        if checkpoint.image:
            return attempt, [
                ImageReady(ImageRef(**json.loads(checkpoint.image))),
                Completed(Thread((checkpoint.cid,)), ""),
            ]
        for pause in RETRY_DELAYS:
            await self._clock.sleep(pause)
            pieces = await account.upstream.read_chat(checkpoint.cid)
            if pieces is None:
                return None
            if any(isinstance(piece, Completed) for piece in pieces):
                return attempt, pieces
        return None

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
            attempt.lease.account.handles = {}
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
