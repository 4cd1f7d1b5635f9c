"""The story of a call, from the words of a caller to the words of Google and back. The file to read first.

admit:            resolve the model, count the call.
chat:             plan the conversation, send what is new (`dispatch`), tell what comes through the turn (tools, JSON),
                  finish pictures on the way, remember where it stands.
generate_images:  the same road, `n` times; each picture is fetched and finished on the session that made it.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from gemgate import catalog
from gemgate.accounts import Capability
from gemgate.attachments import Attachments
from gemgate.catalog import ModelCard
from gemgate.chat import (
    ChatRequest,
    Ended,
    Event,
    File,
    Fold,
    Image,
    ImageGenerated,
    Message,
    Text,
    TextDelta,
    ThoughtDelta,
    ToolCalled,
    Usage,
)
from gemgate.conversations import Conversations, Plan
from gemgate.dialects import transcript
from gemgate.dispatch import Attempt, Continues, Dispatcher, Errand, Journal, Material
from gemgate.errors import Broken, Forbidden, GatewayError
from gemgate.image_pipeline import ImagePipeline, Order
from gemgate.images import GeneratedImage, ImageOptions, ImageRequest
from gemgate.pool import AccountPool
from gemgate.ports import (
    Accepted,
    Answered,
    Answering,
    Caller,
    Clock,
    Fact,
    ImageFound,
    Limiter,
    Observer,
    Quota,
    Thread,
    Upload,
)
from gemgate.prompting import structured_output, tokens, tool_calls, turns
from gemgate.prompting.compose import Composed, compose
from gemgate.prompting.picture import picture_prompt
from gemgate.prompting.stops import StopFilter


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
        attachments: Attachments,
        pictures: ImagePipeline,
        conversations: Conversations,
        *,
        clock: Clock,
        observer: Observer,
        default_model: str = catalog.DEFAULT_MODEL,
        default_image_model: str = catalog.DEFAULT_IMAGE_MODEL,
        temporary_chats: bool = False,
    ) -> None:
        self.pool = pool
        self.pictures = pictures
        self.conversations = conversations
        self._limiter = limiter
        self._attachments = attachments
        self._dispatcher = Dispatcher(pool, attachments, observer, clock)
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
        check_scope(card, caller)
        return Admission(card, await self._limiter.take(caller, card.id), caller)

    async def chat(
        self, request: ChatRequest, admission: Admission, *, background: bool = False, journal: Journal | None = None
    ) -> AsyncGenerator[Event, None]:
        """One answer as events: Began, deltas, calls and pictures, Ended. Every failure is a GatewayError.

        background, journal: a batch's; see `Errand`.
        """
        request = replace(request, temporary=request.temporary or self._temporary_chats)
        plan = await self.conversations.plan(request, admission.card, admission.caller)
        answer = _ChatAnswer(
            self, replace(request, messages=plan.messages), admission, plan, background=background, journal=journal
        )
        untouched = False
        try:
            async with aclosing(answer.events()) as events:
                async for event in events:
                    yield event
        except GatewayError as error:
            untouched = error.generated == "no"
            raise
        finally:
            await asyncio.shield(answer.close(untouched=untouched))

    async def generate_images(self, request: ImageRequest, admission: Admission) -> list[GeneratedImage | GatewayError]:
        """`n` pictures, each a generation of its own; what succeeded beside the errors of what did not.

        When none succeeded the first error is raised: then there is nothing to deliver.
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
        journal: Journal | None = None,
    ) -> GeneratedImage:
        """One picture by one generation; NoImage, Refused, Spent or SignedOut when a text came instead.

        background, journal: a batch's; see `Errand`.
        """
        card = admission.card
        options = request.options
        if options.long_side is None and card.long_side is not None:
            options = replace(options, long_side=card.long_side)
        order = order or Order(
            request.prompt, card.id, options, admission.caller, tuple(upload.sha256 for upload in uploads)
        )
        material = Material(picture_prompt(request.prompt, options, references=len(uploads)), tuple(uploads))

        async def everything(_: bool) -> Material:
            return material

        errand = Errand(
            card,
            admission.caller,
            ("image", "upload") if uploads else ("image",),
            everything,
            temporary=True,
            exact=True,
            expects_picture=True,
            background=background,
            journal=journal,
        )
        image: GeneratedImage | None = None
        try:
            async with aclosing(self._dispatcher.pieces(errand)) as pieces:
                async for attempt, piece in pieces:
                    if isinstance(piece, ImageFound) and image is None:
                        image = await self.pictures.deliver(attempt.lease.upstream, piece.ref, order)
        except GatewayError:
            if image is None:
                raise  # once the picture is here, what goes wrong behind it does not matter any more
        if image is None:
            raise Broken("The answer ended without a picture", "回答中没有图片", generated="maybe")
        return image


class _ChatAnswer:
    """One answer being given. A repair turn is a second errand of the same answer."""

    def __init__(
        self,
        gateway: Gateway,
        request: ChatRequest,
        admission: Admission,
        plan: Plan,
        *,
        background: bool,
        journal: Journal | None,
    ) -> None:
        self._background = background
        self._journal = journal
        self._gateway = gateway
        self._request = request
        self._admission = admission
        self._plan = plan
        sentinel = plan.known.sentinel if plan.known and plan.known.sentinel else ""
        self._turn = turns.begin(request, sentinel or tool_calls.sentinel(secrets.token_bytes(8)), _call_id)
        self._stops = StopFilter(request.stop)
        self._written, self._thought = tokens.Meter(), tokens.Meter()
        self._fold = Fold()
        self._last: Attempt | None = None
        self._thread: Thread | None = None
        self._failed_cid = ""

    async def events(self) -> AsyncGenerator[Event, None]:
        errand = self._errand()
        began = False
        while True:
            outcome: turns.Settled | turns.Again | None = None
            async with aclosing(self._gateway._dispatcher.pieces(errand)) as pieces:  # noqa: SLF001 - one class in two
                async for attempt, piece in pieces:
                    self._last, self._thread = attempt, None
                    match piece:
                        case Accepted(cid):
                            self._failed_cid = cid
                        case Answering():
                            if not began:
                                began = True
                                self._fold.add(attempt.began)
                                yield attempt.began
                        case TextDelta(text):
                            for event in self._told(self._turn.feed(self._stops.feed(text))):
                                yield event
                            if self._stops.hit is not None:
                                break
                        case ThoughtDelta(text):
                            self._thought.add(text)
                            if self._request.include_thoughts:
                                for event in self._told(self._turn.think(text)):
                                    yield event
                        case ImageFound(ref):
                            pictures = self._gateway.pictures
                            image = ImageGenerated(await pictures.deliver(attempt.lease.upstream, ref, self._order()))
                            self._fold.add(image)
                            yield image
                        case Answered():
                            self._thread = piece.thread
                            for event in self._told(self._turn.feed(self._stops.finish())):
                                yield event
            outcome = self._turn.finish()
            for event in self._told(list(outcome.events)):
                yield event
            if isinstance(outcome, turns.Settled):
                break
            errand = self._repair(errand, outcome)
        ended = Ended(
            "stop_sequence" if self._stops.hit is not None else outcome.reason, self._usage(), self._stops.hit
        )
        self._fold.add(ended)
        await self._remember()
        yield ended

    def _told(self, events: list[turns.Out]) -> list[turns.Out]:
        """What goes out, counted and collected."""
        for event in events:
            self._fold.add(event)
            if isinstance(event, TextDelta):
                self._written.add(event.text)
            elif isinstance(event, ToolCalled):
                self._written.add(event.call.name + event.call.arguments)
        return events

    def _errand(self) -> Errand:
        request, plan = self._request, self._plan
        known = plan.known
        continues = Continues(known.account, known.identity, known.offer, known.thread) if known else None
        files = any(isinstance(part, Image | File) for message in plan.messages for part in message.parts)
        needs: tuple[Capability, ...] = (self._admission.card.capability, *(("upload",) if files else ()))
        return Errand(
            self._admission.card,
            self._admission.caller,
            needs,
            self._material,
            continues=continues,
            reuse=plan.reuse,
            temporary=request.temporary,
            thinking=bool(request.thinking),
            exact=not request.stream,
            background=self._background,
            conversation_id=plan.conversation_id,
            journal=self._journal,
        )

    async def _material(self, continued: bool) -> Material:
        """What is new to the conversation, or everything."""
        turn = self._turn
        if continued:
            told = structured_output.instructions(self._request.response_format)
            composed = compose(
                self._plan.tail, instructions=told, reminder=turn.reminder, sentinel=turn.sentinel, continuing=True
            )
        else:
            composed = compose(self._plan.messages, instructions=turn.instructions, sentinel=turn.sentinel)
        return await self._loaded(composed)

    async def _loaded(self, composed: Composed) -> Material:
        owner = self._admission.caller.tenant
        uploads = await self._gateway._attachments.load(composed.attachments, owner)  # noqa: SLF001
        return Material(composed.text, uploads)

    def _repair(self, errand: Errand, again: turns.Again) -> Errand:
        """The second errand: in the same chat where there is one, else told from the beginning."""
        last, thread = self._last, self._thread
        continues = None
        if last is not None and thread is not None and thread.cid and not self._request.temporary:
            continues = Continues(last.lease.account, last.identity, last.lease.offer.id, thread)
        history = (
            *self._plan.messages,
            Message("assistant", (Text(again.answer),)),
            Message("user", (Text(again.prompt),)),
        )

        async def material(continued: bool) -> Material:
            if continued:
                return Material(again.prompt)
            turn = self._turn
            return await self._loaded(compose(history, instructions=turn.instructions, sentinel=turn.sentinel))

        return replace(errand, material=material, continues=continues, journal=None)

    def _order(self) -> Order:
        """What a picture inside a chat answer is made for: the last thing the user said."""
        asked = next((m.text for m in reversed(self._request.messages) if m.role == "user"), "")
        options = self._request.images or ImageOptions()
        if options.long_side is None and self._admission.card.long_side is not None:
            options = replace(options, long_side=self._admission.card.long_side)
        return Order(asked, self._admission.card.id, options, self._admission.caller)

    def _usage(self) -> Usage:
        prompt = tokens.Meter()
        for message in self._request.messages:
            prompt.add(message.text)
        prompt.add(self._turn.instructions)
        usage = Usage(prompt.tokens, self._written.tokens, self._thought.tokens)
        data: dict[str, str | int | float | bool | None] = {
            "model": self._admission.card.id,
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens + usage.reasoning_tokens,
        }
        self._gateway._observer.note(Fact("chat.tokens", self._admission.caller.request_id, data))  # noqa: SLF001
        return usage

    async def _remember(self) -> None:
        """The history with this answer now stands in a conversation at Google."""
        last, thread = self._last, self._thread
        if last is None or thread is None or not thread.cid or self._request.temporary:
            return
        await self._gateway.conversations.remember(
            self._plan,
            transcript.message_of(self._fold.reply()),
            thread,
            account=last.lease.account,
            identity=last.identity,
            offer=last.lease.offer.id,
            tenant=self._admission.caller.tenant,
            sentinel=self._turn.sentinel,
        )
        self._failed_cid = ""

    async def close(self, *, untouched: bool) -> None:
        """Whatever happened: give the conversation back, and remember what has to be deleted.

        untouched: certainly nothing was said in it; otherwise nobody knows any more where it stands.
        """
        conversations = self._gateway.conversations
        await conversations.release(self._plan, lost=not untouched)
        if self._failed_cid and self._last is not None and not self._request.temporary:
            await conversations.clutter(
                self._failed_cid,
                account=self._last.lease.account,
                identity=self._last.identity,
                tenant=self._admission.caller.tenant,
            )


def _call_id(number: int) -> str:
    del number
    return "call_" + uuid.uuid4().hex[:24]


def check_scope(card: ModelCard, caller: Caller) -> None:
    """Forbidden when the caller's key is for other models."""
    if caller.models and card.id not in caller.models:
        allowed = ", ".join(sorted(caller.models))
        raise Forbidden(
            f"The key {caller.tenant} is not for the model {card.id}; it is for: {allowed}",
            f"密钥 {caller.tenant} 不能使用模型 {card.id}，仅可使用：{allowed}",
            param="model",
            code="model_not_allowed",
        )


def simple_request(prompt: str, model: str | None = None) -> ChatRequest:
    """One user message, as the simple routes and the command line send it: never kept in the history."""
    return ChatRequest((Message("user", (Text(prompt),)),), model, temporary=True)
