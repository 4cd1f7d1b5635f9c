"""One prompt on its way to whichever account takes it: lease, upload, send once, tell what comes.

The only place where a prompt may be sent again, and only while `generated` is "no" and nothing was told yet: on the
same account after a fresh sign-in or in a fresh conversation, else on another one (decisions.md 1). What an earlier,
cut off run of a durable errand left at Google is looked for first.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from gemgate import downgrade
from gemgate.accounts import Capability, Walls
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
    PromptTooLong,
    Refused,
    Remedy,
    SignedOut,
    Spent,
    Unreachable,
)
from gemgate.narration import Narrator
from gemgate.policy.served import Policy
from gemgate.pool import AccountPool, Lease
from gemgate.ports import (
    Accepted,
    Answered,
    Caller,
    Clock,
    ImageFound,
    ImageRef,
    Observer,
    Piece,
    Prompt,
    SentFile,
    Thread,
    Unknown,
    Upload,
)
from gemgate.prompting.refusal import meaning_of
from gemgate.work import Trail

MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""

LOOK_AGAIN = (0.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds before each look at a chat in which Google may still be writing."""


@dataclass(frozen=True, slots=True)
class Material:
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


@dataclass(frozen=True, slots=True)
class Continues:
    """A conversation to go on in; only its own account, identity and model can."""

    account: str
    identity: str
    offer: str
    thread: Thread


class Journal(Protocol):
    """What a durable errand remembers of its way. `earlier`: what a run before this one left at Google."""

    earlier: Trail

    async def note(self, trail: Trail) -> None:
        """Write down where it stands: right before the prompt leaves, when Google took it, when a picture is there.

        Raises when the prompt must not leave, or nobody waits for its answer any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Errand:
    """One prompt to be answered.

    needs:           capabilities it uses, the main one first.
    material:        what to send: with True what is new to `continues`, with False everything, within the walls of the
                     account; asked for when needed. PromptTooLong.
    replay:          bytes of text that it takes to tell everything, if that is known.
    reuse:           what is reported when it does not go on in `continues`.
    picture:         "must": an answer without one is an error, judged while the account is still held. "may": only if
                     its words say that the account is to blame.
    background:      a batch's; leaves a lane to interactive calls.
    journal:         of a durable errand.
    repair:          "tools" or "json" when it asks once more for a better form, else "".
    model_policy:    "require" makes an error of an answer by another model, at its end.
    """

    card: ModelCard
    caller: Caller
    needs: tuple[Capability, ...]
    material: Callable[[bool, Walls], Awaitable[Material]]
    continues: Continues | None = None
    replay: int = 0
    reuse: Reuse = "miss"
    temporary: bool = False
    thinking: bool = False
    exact: bool = False
    picture: Literal["no", "may", "must"] = "no"
    background: bool = False
    conversation_id: str = ""
    journal: Journal | None = None
    repair: str = ""
    model_policy: Policy = "report"


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

    def __init__(self, pool: AccountPool, attachments: Attachments, observer: Observer, clock: Clock) -> None:
        self._pool = pool
        self._attachments = attachments
        self._observer = observer
        self._clock = clock
        self._numbers = itertools.count(1)

    def _narrator(self, errand: Errand) -> Narrator:
        purpose = "generate_content" if errand.picture == "must" else "chat"
        request_id, number = errand.caller.request_id, next(self._numbers)
        return Narrator(self._observer, self._clock, request_id, number, errand.card.id, purpose, errand.repair)

    async def pieces(self, errand: Errand) -> AsyncGenerator[tuple[Attempt, Piece], None]:
        """The pieces of one answer. While a piece is being looked at, the account that said it is still held."""
        told = self._narrator(errand)
        if errand.journal is not None and (left := await self._left_behind(errand, errand.journal.earlier)):
            for raw in left[1]:
                piece = await self._signed(errand, left[0], raw, told) if isinstance(raw, Answered) else raw
                _judge(errand, left[0], piece)
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
            told.asks(number)
            try:
                async with self._pool.lease(
                    errand.card,
                    needs=errand.needs,
                    prefer=prefer,
                    avoid=tried,
                    insists=self._insists(errand),
                    background=errand.background,
                ) as lease:
                    attempt = self._attempt(errand, lease, number)
                    told.granted(lease, attempt.began, again=again is not None)
                    prompt = await self._prompt(errand, attempt)
                    await self._note(errand, attempt)
                    with told.sending(lease, attempt.began):
                        async with aclosing(lease.upstream.stream(prompt)) as stream:
                            async for raw in stream:
                                if isinstance(raw, Unknown):
                                    told.unknown(raw.field)
                                    continue
                                piece = raw
                                told.came(lease, spoke=not isinstance(piece, Accepted))
                                if isinstance(piece, Accepted | ImageFound):
                                    await self._note(errand, attempt, piece)
                                if isinstance(piece, Accepted):
                                    attempt.cid = piece.cid
                                else:
                                    attempt.spoke = True
                                if isinstance(piece, Answered):
                                    lease.member.told_left(piece.left)
                                    if piece.stored and not errand.temporary:
                                        lease.member.saw_chats()
                                if isinstance(piece, Answered) and not piece.stored:
                                    told.not_stored()
                                    if not errand.temporary and lease.member.unkept != lease.generation:
                                        lease.member.unkept = lease.generation  # one look a session tells enough
                                        await self._look_after(lease)
                                if isinstance(raw, Answered):
                                    piece = await self._signed(errand, attempt, raw, told)
                                _judge(errand, attempt, piece)
                                yield attempt, piece
                                told.waits()
                    return
            except GatewayError as error:
                if lease is None or attempt is None:
                    told.refused(error)
                    # Nobody (else) can take it. The accounts' standings say it best, unless they tell of no trouble.
                    silent = isinstance(failure, Unreachable) or self._in_service(errand)
                    raise failure if isinstance(error, NoAccount) and failure and silent else error from None
                told.failed(lease, error)
                guest_like = error.remedy == "reload"  # refused with a fresh page as well
                if guest_like or (isinstance(error, SignedOut) and error.generated == "maybe"):
                    await self._look_after(lease)
                if attempt.spoke or number == MAX_TRIES:
                    told.then("spoken" if attempt.spoke else "last_try")
                    raise
                failure = error
                if (mend := self._mended(errand, attempt, error, mended)) is not None:
                    errand, again = mend, lease.account
                    told.then("fresh_chat" if error.remedy == "fresh_chat" else "same_account")
                    continue
                if attempt.continued and await self._lost(attempt, errand, error):
                    errand = replace(errand, continues=None, reuse="replay")
                    again = lease.account
                    told.then("fresh_chat")
                    continue
                if error.generated != "no" or not (_another_may_help(error) or self._reads_more(error, lease, tried)):
                    told.then("maybe_generated" if error.generated != "no" else "no_help")
                    raise
                if isinstance(error, SignedOut) and await self._signed_in_again(lease, error, second=again is not None):
                    again = lease.account
                    told.then("signed_in")
                    continue
                told.then("other_account")
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
        material = await errand.material(attempt.continued, attempt.lease.member.walls.of(temporary=errand.temporary))
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
            offer=attempt.lease.offer,
            files=await self._sent_up(attempt.lease, material),
            thread=thread,
            temporary=errand.temporary,
            extended_thinking=errand.thinking,
            exact=errand.exact,
            long_side=errand.card.long_side,
            pictures=errand.picture != "no",
        )

    async def _signed(self, errand: Errand, attempt: Attempt, piece: Answered, told: Narrator) -> Answered:
        """The end of an answer, with whom Google names for it; ModelNotServed where another was asked and required."""
        member = attempt.lease.member
        served = downgrade.writer(attempt.lease.offer, member.offers, piece)
        painter = downgrade.painter(errand.card, piece)
        told.signed(served.name, painter.name)
        cause: downgrade.Cause = "unknown"
        if served.fits is False:
            cause = await downgrade.examine(member, errand.needs, served)
            told.lowered(attempt.lease, served, cause)
        judged = painter if errand.card.kind == "image" else served
        if errand.model_policy == "require" and judged.fits is False:
            raise downgrade.not_served(judged, cause)
        return replace(piece, served=served.name, painter=painter.name)

    async def _sent_up(self, lease: Lease, material: Material) -> tuple[SentFile, ...]:
        """The prompt's files on this account; what goes wrong is held against its uploads, not against its answers."""
        try:
            return await self._attachments.send_up(lease.member, material.uploads)
        except GatewayError as error:
            error.capability = "upload"
            raise

    def _insists(self, errand: Errand) -> bool:
        """Whether elsewhere the conversation could not be told in the text: it is worth waiting for its account."""
        known = errand.continues
        holder = self._pool.member(known.account) if known else None
        if holder is None or holder.identity != (known.identity if known else ""):
            return False
        return 0 < holder.walls.of(temporary=errand.temporary).plain < errand.replay

    def _reads_more(self, error: GatewayError, lease: Lease, tried: Sequence[str]) -> bool:
        """Whether a prompt that is too long for this account fits another one's walls."""
        if not isinstance(error, PromptTooLong):
            return False
        others = [one for one in self._pool.members if one is not lease.member and one.name not in tried]
        return any(one.is_open and one.reads_more_than(lease.member) for one in others)

    def _in_service(self, errand: Errand) -> bool:
        return any(member.standing(*errand.needs).usable for member in self._pool.members)

    async def _note(self, errand: Errand, attempt: Attempt, piece: Accepted | ImageFound | None = None) -> None:
        """Write down how far a durable errand has come: its prompt leaves, was taken, or has brought a picture."""
        if errand.journal is None:
            return
        trail = Trail(attempt.lease.account, attempt.identity)
        match piece:
            case Accepted(cid):
                trail = replace(trail, cid=cid)
            case ImageFound(ref):
                trail = replace(trail, cid=attempt.cid, picture=json.dumps(asdict(ref)))
        await errand.journal.note(trail)

    async def _left_behind(self, errand: Errand, trail: Trail) -> tuple[Attempt, list[Piece]] | None:
        """What an earlier run of the same errand left at Google, as pieces; None when it left no answer.

        Only the session that began it can look, and looking generates nothing. While it is still being signed in or
        Google is still writing, it is worth waiting for: another generation would be one too many.
        """
        member = self._pool.member(trail.account)
        if member is None or member.identity != trail.identity or not (trail.cid or trail.picture):
            return None
        if not member.is_open:
            if member.standing().state == "starting":
                raise _signing_in(member.name)
            return None
        offer = errand.card.offer(member.offers)
        if offer is None:
            return None
        attempt = Attempt(Lease(member, offer, member.generation), Began(offer.name, member.name), continued=False)
        if trail.picture:
            return attempt, [ImageFound(ImageRef(**json.loads(trail.picture))), Answered(Thread((trail.cid,)), "")]
        for pause in LOOK_AGAIN:
            await self._clock.sleep(pause)
            pieces = await member.upstream.read_chat(trail.cid)
            if pieces is None:
                return None
            if any(isinstance(piece, Answered) for piece in pieces):
                return attempt, pieces
        return None

    def _mended(self, errand: Errand, attempt: Attempt, error: GatewayError, mended: set[Remedy]) -> Errand | None:
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
            attempt.lease.member.handles = {}
        return replace(errand, continues=None, reuse="replay") if remedy == "fresh_chat" else errand

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


def _signing_in(name: str) -> NoAccount:
    return NoAccount(
        f"The account {name}, which holds the answer that was cut off, is still signing in",
        f"持有中断回答的账号 {name} 仍在登录",
        retry_after=2.0,
        code="no_account",
    )


def _another_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)


def _judge(errand: Errand, attempt: Attempt, piece: Piece) -> None:
    """At the end of an answer that should have brought a picture: raise what the words instead of it mean."""
    match piece:
        case ImageFound():
            attempt.pictures += 1
        case Answered(text=text) if errand.picture != "no" and not attempt.pictures:
            if (error := _no_picture(text, account_only=errand.picture == "may")) is not None:
                raise error
        case _:
            pass


def _no_picture(text: str, *, account_only: bool) -> GatewayError | None:
    """Every meaning has its own error, and with it its own consequence for the account (spec 2.4).

    A generation happened, so none of these is tried again here.
    """
    shown = text.strip()[:300] or "(no text)"
    match meaning_of(text):
        case "quota":
            return Spent(
                f"Google says the account's pictures are used up: {shown}",
                f"该账号的图片额度已用完：{shown}",
                generated="maybe",
                code="image_quota",
                quoted=shown,
            )
        case "signed_out":
            return SignedOut(
                f"Google answered as if nobody were signed in: {shown}",
                f"Google 的回答表明账号未登录：{shown}",
                generated="maybe",
                code="cookie_expired",
                quoted=shown,
            )
        case _ if account_only:
            return None
        case "wrong_model":
            return ModelGone(
                f"This model makes no pictures: {shown}",
                f"该模型不能生成图片：{shown}",
                generated="maybe",
                code="model_not_available",
                quoted=shown,
            )
        case "refusal":
            return Refused(
                f"Google refused to make this picture: {shown}",
                f"Google 拒绝生成这张图片：{shown}",
                answer=text,
                generated="maybe",
                code="content_policy_violation",
                quoted=shown,
            )
        case "other":
            return NoImage(
                f"Google answered with text instead of a picture: {shown}",
                f"Google 返回了文字而不是图片：{shown}",
                answer=text,
                generated="maybe",
                code="no_image",
                quoted=shown,
            )
