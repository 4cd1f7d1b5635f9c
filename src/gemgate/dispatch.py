"""One prompt on its way to whichever account takes it: lease, upload, send once, tell what comes.

The only place where a prompt may be sent again, and only while `generated` is "no" and nothing was told yet: on the
same account after a fresh sign-in or in a fresh conversation, else on another one (decisions.md 1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NoReturn

from gemgate.accounts import Capability
from gemgate.attachments import Attachments
from gemgate.catalog import ModelCard
from gemgate.chat import Began, Reuse
from gemgate.errors import (
    AccountError,
    Blocked,
    Broken,
    GatewayError,
    ModelGone,
    NoAccount,
    NoImage,
    Refused,
    SignedOut,
    Spent,
    Unreachable,
)
from gemgate.pool import AccountPool, Lease
from gemgate.ports import Accepted, Answered, Caller, Fact, ImageFound, Observer, Piece, Prompt, Thread, Upload
from gemgate.prompting.refusal import meaning_of

MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""

Data = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Material:
    """What a prompt is made of."""

    text: str
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True, slots=True)
class Continues:
    """A conversation to go on in; only its own account, identity and model can."""

    account: str
    identity: str
    offer: str
    thread: Thread


@dataclass(frozen=True, slots=True)
class Errand:
    """One prompt to be answered.

    needs:           capabilities it uses, the main one first.
    material:        what to send: with True what is new to `continues`, with False everything; asked for when needed.
    reuse:           what is reported when it does not go on in `continues`.
    expects_picture: an answer without one is an error, judged while the account is still held.
    background:      a batch's; leaves a lane to interactive calls.
    """

    card: ModelCard
    caller: Caller
    needs: tuple[Capability, ...]
    material: Callable[[bool], Awaitable[Material]]
    continues: Continues | None = None
    reuse: Reuse = "miss"
    temporary: bool = False
    thinking: bool = False
    exact: bool = False
    expects_picture: bool = False
    background: bool = False
    conversation_id: str = ""


@dataclass(slots=True)
class Attempt:
    """One try of an errand: what the one who listens may use while the account is held."""

    lease: Lease
    began: Began
    continued: bool
    cid: str = ""
    pictures: int = 0
    spoke: bool = field(default=False)

    @property
    def identity(self) -> str:
        return self.lease.member.identity


class Dispatcher:
    """Knows the pool and the attachments; tells the observer of every try."""

    def __init__(self, pool: AccountPool, attachments: Attachments, observer: Observer) -> None:
        self._pool = pool
        self._attachments = attachments
        self._observer = observer

    async def pieces(self, errand: Errand) -> AsyncGenerator[tuple[Attempt, Piece], None]:
        """The pieces of one answer. While a piece is being looked at, the account that said it is still held."""
        tried: list[str] = []
        again: str | None = None
        failure: GatewayError | None = None
        for number in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            attempt: Attempt | None = None
            prefer = again or (errand.continues.account if errand.continues else None)
            try:
                async with self._pool.lease(
                    errand.card,
                    needs=errand.needs,
                    prefer=prefer,
                    avoid=tried,
                    background=errand.background,
                ) as lease:
                    attempt = self._attempt(errand, lease, number)
                    prompt = await self._prompt(errand, attempt)
                    self._note_sent(errand, attempt, number)
                    async with aclosing(lease.upstream.stream(prompt)) as stream:
                        async for piece in stream:
                            if isinstance(piece, Accepted):
                                attempt.cid = piece.cid
                            else:
                                attempt.spoke = True
                            if errand.expects_picture:
                                _judge(attempt, piece)
                            yield attempt, piece
                    return
            except GatewayError as error:
                if lease is None or attempt is None:
                    # Nobody (else) can take it. The accounts' standings say it best, unless only the way was closed.
                    closed = isinstance(error, NoAccount) and isinstance(failure, Unreachable)
                    raise failure if closed and failure is not None else error from None
                self._note_failed(errand, attempt, number, error)
                if isinstance(error, SignedOut) and error.generated == "maybe":
                    await self._look_after(lease)
                if attempt.spoke or number == MAX_TRIES:
                    raise
                failure = error
                if attempt.continued and await self._lost(attempt, errand, error):
                    errand = replace(errand, continues=None, reuse="replay")
                    again = lease.account
                    continue
                if error.generated != "no" or not _another_may_help(error):
                    raise
                if isinstance(error, SignedOut) and await self._signed_in_again(lease, error, second=again is not None):
                    again = lease.account
                    continue
                again = None
                tried.append(lease.account)

    def _attempt(self, errand: Errand, lease: Lease, number: int) -> Attempt:
        known = errand.continues
        continued = (
            known is not None
            and known.account == lease.account
            and known.identity == lease.member.identity
            and known.offer == lease.offer.id
        )
        reuse: Reuse = "hit" if continued else "replay" if known else errand.reuse
        began = Began(lease.offer.name, lease.account, reuse, number, errand.conversation_id)
        return Attempt(lease, began, continued)

    async def _prompt(self, errand: Errand, attempt: Attempt) -> Prompt:
        material = await errand.material(attempt.continued)
        thread = errand.continues.thread if attempt.continued and errand.continues else None
        return Prompt(
            text=material.text,
            offer=attempt.lease.offer,
            files=await self._sent_up(attempt.lease, material),
            thread=thread,
            temporary=errand.temporary,
            extended_thinking=errand.thinking,
            exact=errand.exact,
        )

    async def _sent_up(self, lease: Lease, material: Material) -> tuple[tuple[str, str], ...]:
        """The prompt's files on this account; what goes wrong is held against its uploads, not against its answers."""
        try:
            return await self._attachments.send_up(lease.member, material.uploads)
        except GatewayError as error:
            error.capability = "upload"
            raise

    async def _lost(self, attempt: Attempt, errand: Errand, error: GatewayError) -> bool:
        """Whether Google does not know the conversation any more, so that nothing can have been said in it.

        Its owner may have deleted it. A model that does not fit the history is refused before anything is generated.
        """
        if isinstance(error, ModelGone):
            return True
        if not isinstance(error, Broken) or errand.continues is None:
            return False
        try:
            return not await attempt.lease.upstream.knows(errand.continues.thread.cid)
        except GatewayError:
            return False

    async def _signed_in_again(self, lease: Lease, error: SignedOut, *, second: bool) -> bool:
        """One shared refresh for all calls whose session died; whether the account is worth one more try.

        A session that is refused right after signing in anew is dead, whatever its start page says.
        """
        if second:
            lease.member.signed_out(error)
            return False
        try:
            await lease.member.sign_in(seen=lease.generation)
        except GatewayError:
            return False
        return True

    async def _look_after(self, lease: Lease) -> None:
        """An answer sounded as if the session were a guest's: ask Google, and believe what it says."""
        try:
            await lease.upstream.ping()
        except SignedOut as error:
            lease.member.signed_out(error)
        except GatewayError:
            return

    def _note_sent(self, errand: Errand, attempt: Attempt, number: int) -> None:
        data: Data = {
            "account": attempt.lease.account,
            "model": errand.card.id,
            "served": attempt.lease.offer.name,
            "attempt": number,
            "reuse": attempt.began.reuse,
        }
        self._observer.note(Fact("attempt.sent", errand.caller.request_id, data))

    def _note_failed(self, errand: Errand, attempt: Attempt, number: int, error: GatewayError) -> None:
        data: Data = {
            "account": attempt.lease.account,
            "attempt": number,
            "kind": error.kind,
            "generated": error.generated,
            "why": error.en,
        }
        self._observer.note(Fact("attempt.failed", errand.caller.request_id, data))


def _another_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)


def _judge(attempt: Attempt, piece: Piece) -> None:
    """At the end of an answer that should have brought a picture: raise what the words instead of it mean."""
    match piece:
        case ImageFound():
            attempt.pictures += 1
        case Answered(text=text) if not attempt.pictures:
            _no_picture(text)
        case _:
            pass


def _no_picture(text: str) -> NoReturn:
    """Every meaning has its own error, and with it its own consequence for the account (spec 2.4).

    A generation happened, so none of these is tried again here.
    """
    shown = text.strip()[:300] or "(no text)"
    match meaning_of(text):
        case "quota":
            raise Spent(
                f"Google says the account's pictures are used up: {shown}",
                f"该账号的图片额度已用完：{shown}",
                generated="maybe",
                code="image_quota",
            )
        case "signed_out":
            raise SignedOut(
                f"Google answered as if nobody were signed in: {shown}",
                f"Google 的回答表明账号未登录：{shown}",
                generated="maybe",
                code="cookie_expired",
            )
        case "wrong_model":
            raise ModelGone(
                f"This model makes no pictures: {shown}",
                f"该模型不能生成图片：{shown}",
                generated="maybe",
                code="model_not_available",
            )
        case "refusal":
            raise Refused(
                f"Google refused to make this picture: {shown}",
                f"Google 拒绝生成这张图片：{shown}",
                answer=text,
                generated="maybe",
                code="content_policy_violation",
            )
        case "other":
            raise NoImage(
                f"Google answered with text instead of a picture: {shown}",
                f"Google 返回了文字而不是图片：{shown}",
                answer=text,
                generated="maybe",
                code="no_image",
            )
