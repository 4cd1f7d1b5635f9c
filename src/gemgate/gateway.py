"""The story of a call, from the words of a caller to the words of Google and back. The file to read first.

admit:            resolve the model, count the call.
chat:             for each try: lease an account, compose the prompt, send it once, tell what comes.
generate_images:  the same road, `n` times; each picture is fetched and finished on the session that made it.

Before the first event an account's trouble may move the call elsewhere, and only when it is certain that nothing was
generated; after it an error ends the answer in-band.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NoReturn

from gemgate import catalog
from gemgate.accounts import Capability
from gemgate.attachments import Attachments
from gemgate.catalog import ModelCard
from gemgate.chat import (
    Began,
    ChatRequest,
    Ended,
    Event,
    ImageGenerated,
    Message,
    Text,
    TextDelta,
    ThoughtDelta,
    Usage,
)
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
from gemgate.image_pipeline import ImagePipeline, Order
from gemgate.images import GeneratedImage, ImageOptions, ImageRequest
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
    Upload,
)
from gemgate.prompting import tokens
from gemgate.prompting.compose import compose
from gemgate.prompting.picture import picture_prompt
from gemgate.prompting.refusal import meaning_of
from gemgate.prompting.stops import StopFilter

MAX_TRIES = 3
"""Prompts sent upstream for one answer at most; every try but the last was certainly not processed."""

Data = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that was resolved and counted once, however many generations it takes (decisions.md 7)."""

    card: ModelCard
    quota: Quota
    caller: Caller


@dataclass(frozen=True, slots=True)
class Errand:
    """One prompt on its way to whichever account takes it.

    expects_picture: an answer without one is an error, judged while the account is still held.
    background:      a batch's; leaves a lane to interactive calls.
    """

    admission: Admission
    text: str
    capability: Capability
    uploads: tuple[Upload, ...] = ()
    temporary: bool = False
    thinking: bool = False
    exact: bool = False
    expects_picture: bool = False
    background: bool = False


@dataclass(slots=True)
class _Attempt:
    """One try of an errand: what the consumer may use while the account is held."""

    lease: Lease
    began: Began
    said: list[str] = field(default_factory=list)
    pictures: int = 0


class Gateway:
    """What doors call. It knows ports and the pool, never an adapter."""

    def __init__(
        self,
        pool: AccountPool,
        limiter: Limiter,
        attachments: Attachments,
        pictures: ImagePipeline,
        *,
        clock: Clock,
        observer: Observer,
        default_model: str = catalog.DEFAULT_MODEL,
        default_image_model: str = catalog.DEFAULT_IMAGE_MODEL,
        temporary_chats: bool = False,
    ) -> None:
        self.pool = pool
        self.pictures = pictures
        self._limiter = limiter
        self._attachments = attachments
        self._clock = clock
        self._observer = observer
        self._default_model = default_model
        self._default_image_model = default_image_model
        self._temporary_chats = temporary_chats

    def models(self) -> list[ModelCard]:
        """Every model a caller may name: the catalogue, then what the accounts really offer."""
        return catalog.listing(self.pool.offers())

    async def admit(self, model: str | None, caller: Caller) -> Admission:
        """Resolve a chat's model and count one call. ModelNotFound, RateLimited."""
        return await self._admit(model or self._default_model, caller)

    async def admit_images(self, model: str | None, caller: Caller) -> Admission:
        """The same for pictures, with their own default model."""
        return await self._admit(model or self._default_image_model, caller)

    async def _admit(self, model: str, caller: Caller) -> Admission:
        card = catalog.resolve(model, self.pool.offers())
        return Admission(card, await self._limiter.take(caller, card.id), caller)

    async def chat(self, request: ChatRequest, admission: Admission) -> AsyncGenerator[Event, None]:
        """One answer as events: Began, deltas and pictures, Ended. Every failure is a GatewayError."""
        composed = compose(request.messages)
        errand = Errand(
            admission,
            composed.text,
            admission.card.capability,
            uploads=await self._attachments.load(composed.attachments, admission.caller.tenant),
            temporary=request.temporary or self._temporary_chats,
            thinking=bool(request.thinking),
            exact=not request.stream,
        )
        order = self._order(request.messages, request.images or ImageOptions(), admission)
        stops = StopFilter(request.stop)
        written, thought = tokens.Meter(), tokens.Meter()
        async with aclosing(self._pieces(errand)) as pieces:
            async for attempt, piece in pieces:
                match piece:
                    case Answering():
                        yield attempt.began
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
                        yield ImageGenerated(await self.pictures.deliver(attempt.lease.upstream, piece.ref, order))
                    case Answered():
                        if rest := stops.finish():
                            written.add(rest)
                            yield TextDelta(rest)
        prompt_tokens = tokens.estimate(composed.text) + tokens.IMAGE_TOKENS * len(composed.attachments)
        usage = Usage(prompt_tokens, written.tokens, thought.tokens)
        self._note_tokens(admission, usage)
        yield Ended("stop_sequence" if stops.hit is not None else "stop", usage, stops.hit)

    async def generate_images(self, request: ImageRequest, admission: Admission) -> list[GeneratedImage | GatewayError]:
        """`n` pictures, each a generation of its own; what succeeded beside the errors of what did not.

        One failure alone is raised: then there is nothing to deliver.
        """
        uploads = await self._attachments.load(request.references, admission.caller.tenant, pictures_only=True)
        made = await asyncio.gather(
            *(self.generate_image(request, admission, uploads) for _ in range(request.n)), return_exceptions=True
        )
        results: list[GeneratedImage | GatewayError] = []
        for outcome in made:
            if isinstance(outcome, BaseException) and not isinstance(outcome, GatewayError):
                raise outcome
            results.append(outcome)
        if all(isinstance(result, GatewayError) for result in results):
            assert isinstance(results[0], GatewayError)
            raise results[0]
        return results

    async def generate_image(
        self,
        request: ImageRequest,
        admission: Admission,
        uploads: Sequence[Upload] = (),
        *,
        order: Order | None = None,
        background: bool = False,
    ) -> GeneratedImage:
        """One picture by one generation; NoImage, Refused, Spent or SignedOut when a text came instead."""
        card = admission.card
        options = request.options
        if options.long_side is None and card.long_side is not None:
            options = replace(options, long_side=card.long_side)
        order = order or Order(
            request.prompt, card.id, options, admission.caller, tuple(upload.sha256 for upload in uploads)
        )
        errand = Errand(
            admission,
            picture_prompt(request.prompt, options, references=len(uploads)),
            "image",
            uploads=tuple(uploads),
            temporary=True,
            exact=True,
            expects_picture=True,
            background=background,
        )
        image: GeneratedImage | None = None
        try:
            async with aclosing(self._pieces(errand)) as pieces:
                async for attempt, piece in pieces:
                    if isinstance(piece, ImageFound) and image is None:
                        image = await self.pictures.deliver(attempt.lease.upstream, piece.ref, order)
        except GatewayError:
            if image is None:
                raise  # once the picture is here, what goes wrong behind it does not matter any more
        if image is None:
            raise Broken("The answer ended without a picture", "回答中没有图片", generated="maybe")
        return image

    async def _pieces(self, errand: Errand) -> AsyncGenerator[tuple[_Attempt, Piece], None]:
        """The pieces of one answer, over as many accounts as it safely takes. While a piece is being looked at, the
        account that said it is still held.
        """
        tried: list[str] = []
        again: str | None = None
        failure: GatewayError | None = None
        for number in range(1, MAX_TRIES + 1):
            lease: Lease | None = None
            spoke = False
            try:
                async with self.pool.lease(
                    errand.admission.card,
                    capability=errand.capability,
                    prefer=again,
                    avoid=tried,
                    background=errand.background,
                ) as lease:
                    attempt = _Attempt(lease, Began(lease.offer.name, lease.account, attempts=number))
                    prompt = await self._prompt(errand, lease)
                    self._note_attempt(errand.admission, lease, number)
                    async with aclosing(lease.upstream.stream(prompt)) as stream:
                        async for piece in stream:
                            spoke = True
                            if errand.expects_picture:
                                _judge(attempt, piece)
                            yield attempt, piece
                    return
            except GatewayError as error:
                if lease is None:
                    # Nobody (else) can take it. The accounts' standings say it best, unless only the way was closed.
                    closed = isinstance(error, NoAccount) and isinstance(failure, Unreachable)
                    raise failure if closed and failure is not None else error from None
                self._note_failure(errand.admission, lease, number, error)
                if isinstance(error, SignedOut) and error.generated == "maybe":
                    await self._look_after(lease)
                if spoke or error.generated != "no" or number == MAX_TRIES or not _another_may_help(error):
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

    async def _look_after(self, lease: Lease) -> None:
        """An answer sounded as if the session were a guest's: ask Google, and believe what it says."""
        try:
            await lease.upstream.ping()
        except SignedOut as error:
            await lease.member.signed_out(error)
        except GatewayError:
            return

    async def _prompt(self, errand: Errand, lease: Lease) -> Prompt:
        return Prompt(
            text=errand.text,
            offer=lease.offer,
            files=await self._attachments.send_up(lease.member, errand.uploads),
            temporary=errand.temporary,
            extended_thinking=errand.thinking,
            exact=errand.exact,
        )

    def _order(self, messages: Sequence[Message], options: ImageOptions, admission: Admission) -> Order:
        """What a picture inside a chat answer is made for: the last thing the user said."""
        asked = next((message.text for message in reversed(messages) if message.role == "user"), "")
        if options.long_side is None and admission.card.long_side is not None:
            options = replace(options, long_side=admission.card.long_side)
        return Order(asked, admission.card.id, options, admission.caller)

    def _note_tokens(self, admission: Admission, usage: Usage) -> None:
        data: Data = {
            "model": admission.card.id,
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens + usage.reasoning_tokens,
        }
        self._observer.note(Fact("chat.tokens", admission.caller.request_id, data))

    def _note_attempt(self, admission: Admission, lease: Lease, number: int) -> None:
        data: Data = {
            "account": lease.account,
            "model": admission.card.id,
            "served": lease.offer.name,
            "attempt": number,
        }
        self._observer.note(Fact("attempt.sent", admission.caller.request_id, data))

    def _note_failure(self, admission: Admission, lease: Lease, number: int, error: GatewayError) -> None:
        data: Data = {
            "account": lease.account,
            "attempt": number,
            "kind": error.kind,
            "generated": error.generated,
            "why": error.en,
        }
        self._observer.note(Fact("attempt.failed", admission.caller.request_id, data))


def _another_may_help(error: GatewayError) -> bool:
    """Whether another account, or the same one signed in anew, can do better."""
    return isinstance(error, AccountError | Blocked | Unreachable)


def _judge(attempt: _Attempt, piece: Piece) -> None:
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


def simple_request(prompt: str, model: str | None = None) -> ChatRequest:
    """One user message, as the simple routes and the command line send it: never kept in the history."""
    return ChatRequest((Message("user", (Text(prompt),)),), model, temporary=True)
