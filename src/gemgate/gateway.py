"""The story of a call, from the words of a caller to the words of Google and back. The file to read first.

admit:            resolve the model, count the call.
chat:             plan the conversation, send what is new (`dispatch`), tell what comes through the turn (tools, JSON),
                  finish pictures on the way, remember where it stands.
generate_images:  the same road, `n` times; each picture is fetched and finished on the session that made it.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial

from gemgate import catalog
from gemgate.accounts import Capability, Walls
from gemgate.attachments import MAX_FILES, Attachments, hides_text, text_bytes
from gemgate.catalog import ModelCard
from gemgate.chat import (
    Began,
    ChatRequest,
    Ended,
    Event,
    File,
    Fold,
    Image,
    ImageGenerated,
    Message,
    Part,
    Reason,
    Reuse,
    Text,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    ToolResult,
    Usage,
)
from gemgate.conversations import Conversations, Plan
from gemgate.dialects import transcript
from gemgate.dispatch import Attempt, Continues, Dispatcher, Errand, Journal, Material
from gemgate.errors import (
    BadRequest,
    Broken,
    Forbidden,
    GatewayError,
    LimitError,
    ModelNotFound,
    ModelNotServed,
    PromptTooLong,
)
from gemgate.findings import NOTHING_FOUND, markdown
from gemgate.image_pipeline import ImagePipeline, Order
from gemgate.images import GeneratedImage, ImageOptions, ImageRequest
from gemgate.policy.served import Policy, rank
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
from gemgate.prompting.compose import attachments_of, compose, files_to_answer
from gemgate.prompting.fingerprint import call_id
from gemgate.prompting.fitting import Composed, size, too_long
from gemgate.prompting.picture import picture_hints, picture_prompt
from gemgate.prompting.prefill import PrefillFilter, begun
from gemgate.prompting.stops import StopFilter

Data = dict[str, str | int | float | bool | None]

LONG_PROMPT = 256_000
"""Characters of messages beyond which a prompt is written in a thread."""
LONG_ANSWER = 64_000
"""Characters beyond which the end of an answer is parsed in a thread."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that was resolved and counted once, however many generations it takes (decisions.md 7).

    model_policy: what becomes of an answer by another model than was asked for.
    """

    card: ModelCard
    quota: Quota
    caller: Caller
    model_policy: Policy = "report"


@dataclass(frozen=True, slots=True)
class Planned:
    """How a chat would be sent: what goes up, or why it cannot. reuse: as an answer would report it.

    quota: what is left, where the plan was counted.
    """

    card: ModelCard
    account: str
    walls: Walls
    reuse: Reuse
    material: Material | None
    refusal: PromptTooLong | None = None
    quota: Quota | None = None


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
        aliases: catalog.Aliases = catalog.NO_ALIASES,
        temporary_chats: bool = False,
        model_policy: Policy = "report",
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
        self._aliases = aliases
        self._default_image_model = default_image_model
        self._temporary_chats = temporary_chats
        self.model_policy: Policy = model_policy

    def models(self, tenant: str = "") -> list[ModelCard]:
        """Every model a caller may name: the catalogue, what the accounts really offer, and the caller's aliases."""
        return catalog.listing(self.pool.offers(), self._aliases, tenant)

    def resolve(self, model: str, tenant: str) -> ModelCard:
        """The model that a caller means. ModelNotFound."""
        return catalog.resolve(model, self.pool.offers(), self._aliases, tenant)

    async def admit(self, model: str | None, caller: Caller, policy: Policy | None = None) -> Admission:
        """Resolve a chat's model and count one call. policy: the call's own. ModelNotFound, NoAccount, RateLimited."""
        return await self._admit(model or self._default_model, caller, policy)

    async def admit_images(
        self, model: str | None, caller: Caller, policy: Policy | None = None, *, later: bool = False
    ) -> Admission:
        """The same for pictures, with their own default model. later: a batch's, which waits for an account."""
        return await self._admit(model or self._default_image_model, caller, policy, later=later)

    async def _admit(self, model: str, caller: Caller, policy: Policy | None, *, later: bool = False) -> Admission:
        card = self.resolve(model, caller.tenant)
        check_scope(card, caller)
        if not later:
            self.pool.check(card)  # a call that nobody can take uses up no limit
        return Admission(card, await self._count(model, card, caller), caller, policy or self.model_policy)

    async def _count(self, model: str, card: ModelCard, caller: Caller) -> Quota:
        """Count one call against the caller's limits. RateLimited."""
        facts: Data = {"asked": model, "model": card.id, "tenant": caller.tenant, "client": caller.client}
        try:
            quota = await self._limiter.take(caller, card.id)
        except LimitError as error:
            rule = error.details.get("rule", "closed")
            self._observer.note(Fact("limit.refused", caller.request_id, {**facts, "rule": rule}))
            raise
        self._observer.note(Fact("call.admitted", caller.request_id, facts))
        return quota

    async def chat(
        self, request: ChatRequest, admission: Admission, *, background: bool = False, journal: Journal | None = None
    ) -> AsyncGenerator[Event, None]:
        """One answer as events: Began, deltas, calls and pictures, Ended. Every failure is a GatewayError.

        background, journal: a batch's; see `Errand`.
        """
        request = replace(request, temporary=request.temporary or self._temporary_chats)
        plan = await self.conversations.plan(request, admission.card, admission.caller)
        known: Data = {"messages": len(plan.messages), "new": plan.new or len(plan.messages)}
        self._observer.note(Fact("chat.planned", admission.caller.request_id, known))
        answer = _ChatAnswer(
            self, replace(request, messages=plan.messages), admission, plan, background=background, journal=journal
        )
        untouched = False
        try:
            told = _from_picture(answer.events()) if answer.demands_picture else answer.events()
            async with aclosing(told) as events:
                async for event in events:
                    yield event
        except GatewayError as error:
            untouched = error.generated == "no"
            raise
        finally:
            await asyncio.shield(answer.close(untouched=untouched))

    async def plan_context(self, request: ChatRequest, caller: Caller) -> Planned:
        """How this chat would be sent now; nothing is sent or generated.

        The account that holds the conversation would be asked, else any: the one that reads least is told, unless only
        another can read it. Counted like a call when links have to be fetched for it. The errors of a chat that is
        refused before it is sent.
        """
        card = self.resolve(request.model or self._default_model, caller.tenant)
        check_scope(card, caller)
        request = replace(request, temporary=request.temporary or self._temporary_chats)
        plan = await self.conversations.plan(request, card, caller)
        known = plan.known
        told = replace(request, messages=plan.messages)
        answer = _ChatAnswer(self, told, Admission(card, Quota(), caller), plan, background=False, journal=None)
        try:
            able = [one for one in self.pool.members if one.is_open and card.offer(one.offers) is not None]
            if not able:
                raise self.pool.nobody(card.capability)
            fetches = self._attachments.fetches(attachments_of(plan.messages), caller)
            quota = await self._count(request.model or self._default_model, card, caller) if fetches else None
            holder = next(
                (one for one in able if known and (one.name, one.identity) == (known.account, known.identity)), None
            )
            able.sort(key=lambda one: (one.walls.plain or math.inf, one.walls.with_files or math.inf))
            reuse: Reuse = plan.reuse if holder or known is None else "replay"
            for member in [holder] if holder else [able[0], able[-1]]:
                walls = member.walls.of(temporary=request.temporary)
                try:
                    material = await answer.material(holder is not None, walls)
                except PromptTooLong as error:
                    planned = Planned(card, member.name, walls, reuse, None, error, quota)
                else:
                    return Planned(card, member.name, walls, reuse, material, quota=quota)
            return planned
        finally:
            await answer.close(untouched=True)

    def check_models(self, models: Iterable[str], caller: Caller) -> None:
        """Forbidden for one that the caller's key is not for; unknown ones are told of later."""
        for model in {one for one in models if one} if caller.models else ():
            with suppress(ModelNotFound):
                check_scope(self.resolve(model, caller.tenant), caller)

    def count_tokens(self, request: ChatRequest, tenant: str = "") -> int:
        """Estimated tokens of everything that would be said. ModelNotFound; BadRequest for schemas that are none."""
        self.resolve(request.model or self._default_model, tenant)
        return _prompt_tokens(request, turns.begin(request, "0" * 16, _call_id).instructions)

    async def generate_images(
        self,
        request: ImageRequest,
        admission: Admission,
        *,
        done: Callable[[GeneratedImage | GatewayError], None] = lambda _: None,
        began: Callable[[Began], None] = lambda _: None,
    ) -> list[GeneratedImage | GatewayError]:
        """`n` pictures, each a generation of its own; what succeeded beside the errors of what did not.

        When none succeeded an error is raised, the first that may have cost a generation: whoever would send the call
        again has to know. `done` hears of each result at once, `began` of each picture that Google brings, before that.
        """
        uploads = await self._attachments.load(request.references, admission.caller, pictures_only=True)

        async def one() -> GeneratedImage | GatewayError:
            result: GeneratedImage | GatewayError
            try:
                result = await self.generate_image(request, admission, uploads, began=began)
            except GatewayError as error:
                result = error
            done(result)
            return result

        async with asyncio.TaskGroup() as group:
            making = [group.create_task(one()) for _ in range(request.n)]
        results = [task.result() for task in making]
        errors = [result for result in results if isinstance(result, GatewayError)]
        if len(errors) == len(results):
            raise min(errors, key=lambda error: error.generated == "no")
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
        began: Callable[[Began], None] = lambda _: None,
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

        async def everything(_continued: bool, walls: Walls) -> Material:
            return _within(material, walls)

        errand = Errand(
            card,
            admission.caller,
            ("image", "upload") if uploads else ("image",),
            everything,
            temporary=True,
            exact=True,
            picture="must",
            background=background,
            journal=journal,
            model_policy=admission.model_policy,
        )
        image: GeneratedImage | None = None
        try:
            async with aclosing(self._dispatcher.pieces(errand)) as pieces:
                async for attempt, piece in pieces:
                    if isinstance(piece, ImageFound) and image is None:
                        began(attempt.began)
                        image = await self.pictures.deliver(attempt.lease.upstream, piece.ref, order)
                    elif isinstance(piece, Answered) and image is not None:
                        image = replace(image, painter=piece.painter or image.painter)
        except GatewayError as error:
            if image is None or isinstance(error, ModelNotServed):
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
        self._prefill = PrefillFilter(begun(plan.messages))
        self._stops = StopFilter(request.stop)
        self._written, self._thought = tokens.Meter(), tokens.Meter()
        self._fold = Fold()
        self._last: Attempt | None = None
        self._thread: Thread | None = None
        self._failed_cid = ""
        self._found = NOTHING_FOUND
        self._received = 0
        self._served = ""
        self._pictures: list[ImageGenerated] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """The answer, its pictures behind its words; they are told even when it breaks off before its end."""
        try:
            async with aclosing(self._events()) as events:
                async for event in events:
                    yield event
        except GatewayError:
            for picture in self._shown():
                yield picture
            raise

    def _shown(self) -> list[ImageGenerated]:
        """The pictures that were not told yet. They stand at one place, whether the words came in pieces or whole: a
        picture between two deltas would cut a word in two.
        """
        shown, self._pictures = self._pictures, []
        for picture in shown:
            self._fold.add(picture)
        return shown

    async def _events(self) -> AsyncGenerator[Event, None]:
        errand = self._errand()
        began = False
        reason: Reason = "stop"
        while True:
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
                            self._received += len(text)
                            for event in self._told(self._turn.feed(self._prefill.feed(text))):
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
                            image = await pictures.deliver(attempt.lease.upstream, ref, self._order())
                            self._pictures.append(ImageGenerated(image))
                        case Answered():
                            self._thread, self._found = piece.thread if piece.stored else None, piece.findings
                            self._served = piece.served
                            if not piece.stored:
                                self._failed_cid = ""
            if self._stops.hit is not None:
                break
            for event in self._told(self._turn.feed(self._prefill.finish())):
                yield event
            outcome = await self._finished()
            for event in self._told(outcome.events):
                yield event
            if isinstance(outcome, turns.Settled):
                reason = outcome.reason
                for event in self._told(_text(self._stops.finish())):
                    yield event
                break
            errand = self._repair(errand, outcome)
        for picture in self._shown():
            yield picture
        appendix = self._appendix(reason)
        self._tell_found(shown=appendix is not None)
        if appendix:
            self._fold.add(appendix)
            self._written.add(appendix.text)
            yield appendix
        ended = Ended(
            "stop_sequence" if self._stops.hit is not None else reason,
            self._usage(),
            self._stops.hit,
            self._found,
            self._served,
            self._unmet(),
        )
        self._fold.add(ended)
        await self._remember()
        yield ended

    def _tell_found(self, *, shown: bool) -> None:
        """How much came beside the words: counts, never a content."""
        found = self._found
        if found:
            data: Data = {
                "sources": len(found.sources),
                "pictures": len(found.pictures),
                "documents": len(found.documents),
                "suggestions": len(found.suggestions),
                "shown": shown,
            }
            self._gateway._observer.note(Fact("answer.beside", self._admission.caller.request_id, data))  # noqa: SLF001

    def _appendix(self, reason: Reason) -> TextDelta | None:
        """Sources, web pictures and documents behind the words, where nobody counts on the words' form."""
        if self._stops.hit is not None or reason != "stop" or self._request.response_format.kind != "text":
            return None
        text = markdown(self._found, chinese=self._admission.caller.language.startswith("zh"))
        return TextDelta(text if self._fold.has_text else text.lstrip("\n")) if text else None

    def _unmet(self) -> tuple[str, ...]:
        """Wishes that Google's name of the model shows not to have been met (docs/google-wire.md 2.5)."""
        got = rank(self._served)
        wished = self._request.thinking and got is not None and not got.painter
        return ("extended_thinking",) if wished and got and not (got.extended or got.thinking) else ()

    async def _finished(self) -> turns.Settled | turns.Again:
        """The end of the turn; long answers are parsed and validated beside the event loop."""
        if self._received > LONG_ANSWER:
            return await asyncio.to_thread(self._turn.finish)
        return self._turn.finish()

    def _told(self, events: Iterable[turns.Out]) -> list[turns.Out]:
        """What goes out, up to a stop sequence; counted and collected."""
        out: list[turns.Out] = []
        for event in events:
            if isinstance(event, TextDelta):
                out += _text(self._stops.feed(event.text))
            elif self._stops.hit is None:
                out += [*_text(self._stops.finish()), _identified(event)]
        for event in out:
            self._fold.add(event)
            if isinstance(event, TextDelta):
                self._written.add(event.text)
            elif isinstance(event, ToolCalled):
                self._written.add(event.call.name + event.call.arguments)
        return out

    @property
    def demands_picture(self) -> bool:
        """Whether the caller rather waits for a picture than for words: an offer is not an order."""
        return self._admission.card.kind == "image" or self._request.demands_picture

    def _errand(self) -> Errand:
        request, plan = self._request, self._plan
        known = plan.known
        continues = Continues(known.account, known.identity, known.offer, known.thread) if known else None
        files = any(isinstance(part, Image | File) for message in plan.messages for part in message.parts)
        main: Capability = "image" if self.demands_picture else self._admission.card.capability
        needs: tuple[Capability, ...] = (main, *(("upload",) if files else ()))
        return Errand(
            self._admission.card,
            self._admission.caller,
            needs,
            self.material,
            continues=continues,
            replay=_bytes(plan.messages) if continues else 0,
            reuse=plan.reuse,
            temporary=request.temporary,
            thinking=bool(request.thinking),
            model_policy=self._admission.model_policy,
            exact=not request.stream,
            background=self._background,
            conversation_id=plan.conversation_id,
            picture="may" if self.demands_picture else "no",
            journal=self._journal,
        )

    async def material(self, continued: bool, walls: Walls) -> Material:
        """What is new to the conversation, or everything."""
        turn, plan = self._turn, self._plan
        hints = picture_hints(self._request.images or ImageOptions(), demanded=self.demands_picture)
        if continued:
            told = "\n\n".join(filter(None, (structured_output.instructions(self._request.response_format), hints)))
            before = plan.messages[: len(plan.messages) - plan.new]
            writing = partial(compose, plan.tail, reminder=turn.reminder, continuing=True, before=before)
            return await self._fitted(plan.tail, partial(writing, instructions=told, sentinel=turn.sentinel), walls)
        told = "\n\n".join(filter(None, (turn.instructions, hints)))
        everything = partial(compose, plan.messages, instructions=told, sentinel=turn.sentinel)
        return await self._fitted(plan.messages, everything, walls)

    async def _fitted(self, messages: Sequence[Message], write: Callable[..., Composed], walls: Walls) -> Material:
        """The prompt of these messages within the walls, its files loaded: their text counts as well."""
        attachments = self._gateway._attachments  # noqa: SLF001
        asker = self._admission.caller
        sources = attachments_of(messages)
        newest = files_to_answer(messages)
        unloaded = max(0, len(sources) - max(MAX_FILES, newest))
        own = await attachments.load(sources[unloaded:], asker, earlier=len(sources) - unloaded - newest)
        sizes = [0] * unloaded + [text_bytes(upload) for upload in own]
        composing = partial(write, walls=walls, file_sizes=sizes, most_files=MAX_FILES, unloaded=unloaded)
        composed = await asyncio.to_thread(composing) if sum(map(len, _texts(messages))) > LONG_PROMPT else composing()
        if not composed.text.strip() and not composed.attachments:
            raise BadRequest("The messages say nothing: all of them are empty", "消息内容全部为空", param="messages")
        sent = [upload for at, upload in enumerate(own, unloaded) if at not in composed.left_out]
        ours = await attachments.load(composed.attachments[len(sent) :], asker)
        return Material(
            composed.text,
            (*sent, *ours),
            composed.filed,
            composed.bytes,
            composed.limit,
            composed.dropped,
            len(composed.left_out),
            sum(map(hides_text, sent)),
        )

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

        async def material(continued: bool, walls: Walls) -> Material:
            turn = self._turn
            try:
                if continued:
                    return _within(Material(again.prompt), walls)
                everything = partial(compose, history, instructions=turn.instructions, sentinel=turn.sentinel)
                return await self._fitted(history, everything, walls)
            except PromptTooLong as error:
                error.generated = "maybe"  # the answer that is to be mended was generated
                raise

        return replace(errand, material=material, continues=continues, journal=None, repair=again.what)

    def _order(self) -> Order:
        """What a picture inside a chat answer is made for: the last thing the user said."""
        asked = next((m.text for m in reversed(self._request.messages) if m.role == "user"), "")
        options = self._request.images or ImageOptions()
        if options.long_side is None and self._admission.card.long_side is not None:
            options = replace(options, long_side=self._admission.card.long_side)
        return Order(asked, self._admission.card.id, options, self._admission.caller)

    def _usage(self) -> Usage:
        prompt = _prompt_tokens(self._request, self._turn.instructions)
        usage = Usage(prompt, self._written.tokens, self._thought.tokens)
        data: Data = {
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


async def _from_picture(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Hold everything back until a picture is there or the answer is over.

    So words that mean trouble with the account become an error instead of an answer.
    """
    held: list[Event] | None = []
    async with aclosing(events):
        async for event in events:
            if held is None:
                yield event
                continue
            held.append(event)
            if isinstance(event, ImageGenerated | Ended):
                for early in held:
                    yield early
                held = None


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    """Of all messages, those of tool results too."""
    for message in messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            yield from (one.text for one in inner if isinstance(one, Text))


def _bytes(messages: Sequence[Message]) -> int:
    """UTF-8 bytes of all texts."""
    return sum(map(size, _texts(messages)))


def _within(material: Material, walls: Walls) -> Material:
    """A prompt that cannot be split, if the account reads all of it. PromptTooLong."""
    files = sum(map(text_bytes, material.uploads))
    total = size(material.text) + files
    limit = walls.with_files if files else walls.plain
    if limit and total > limit:
        raise too_long(total, limit)
    return replace(material, bytes=total, limit=limit)


def _text(text: str) -> list[turns.Out]:
    return [TextDelta(text)] if text else []


def _prompt_tokens(request: ChatRequest, instructions: str) -> int:
    """Estimated tokens of all messages, calls and results, of the attached pictures, and of the tools."""
    meter = tokens.Meter()
    meter.add(instructions)
    pictures = 0
    for message in request.messages:
        for part in message.parts:
            pictures += _count_part(meter, part)
    return meter.tokens + pictures * tokens.IMAGE_TOKENS


def _count_part(meter: tokens.Meter, part: Part) -> int:
    """Add the words of a part; how many attachments it has."""
    match part:
        case Text(text):
            meter.add(text)
        case ToolCall():
            meter.add(part.name + part.arguments)
        case ToolResult():
            return sum(_count_part(meter, inner) for inner in part.parts)
        case Image() | File():
            return 1
        case _:
            pass
    return 0


def _call_id(number: int) -> str:
    """An id for while the answer is read; `_identified` gives the one that the caller sees."""
    return f"call_{number}"


def _identified(event: turns.Out) -> turns.Out:
    if not isinstance(event, ToolCalled):
        return event
    call = event.call
    return ToolCalled(replace(call, id=call_id(call.name, call.arguments, secrets.token_bytes(6))))


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
