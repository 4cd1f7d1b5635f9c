"""One chat answer: its prompt is composed for the account that takes it, and what comes back is read as events."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from gemgate.accounts import Capability, Walls
from gemgate.caller import Quota
from gemgate.catalog import ModelCard
from gemgate.chat import (
    ChatRequest,
    Ended,
    Event,
    File,
    Fold,
    Found,
    Image,
    ImageGenerated,
    Message,
    Reason,
    Reuse,
    Text,
    TextDelta,
    ThoughtDelta,
    ToolCalled,
    ToolResult,
    Usage,
)
from gemgate.errors import (
    BadRequest,
    GatewayError,
    PromptTooLong,
)
from gemgate.findings import NOTHING_FOUND, Findings, WebImage
from gemgate.frozen import frozen
from gemgate.gateway.admission import Admission, JobData
from gemgate.gateway.attachments import MAX_FILES, Attachments, hides_text, text_bytes
from gemgate.gateway.conversations import ConversationPlan, Conversations
from gemgate.gateway.dispatch import Dispatcher
from gemgate.gateway.image_delivery import ImageJob, ImagePipeline
from gemgate.gateway.prompt_request import Attempt, Continuation, Journal, PromptContent, PromptRequest
from gemgate.gateway.transcripts import asked_for
from gemgate.images import ImageOptions
from gemgate.lazy_import import load
from gemgate.offload import next_stage, offload
from gemgate.policy.model_rank import rank
from gemgate.ports.runtime import Observer, TelemetryEvent
from gemgate.ports.upstream import Accepted, Completed, ImageReady, ImageRef, Started, Thread, Upload, UpstreamEvent
from gemgate.prompting import schemas, structured_output, tokens, tool_calls, transcript, turns
from gemgate.prompting.beside import split, unfinished
from gemgate.prompting.compose import attachments_of, compose, files_to_answer
from gemgate.prompting.fingerprint import call_id
from gemgate.prompting.fitting import Composed, size, too_long
from gemgate.prompting.image_prompts import image_hints
from gemgate.prompting.prefill import PrefillFilter, begun
from gemgate.prompting.search_hints import search_hint
from gemgate.prompting.stops import StopFilter
from gemgate.prompting.tokens import prompt_tokens

_ANY_IMAGE = ImageOptions()
LONG_PROMPT = 256_000
"""Characters of messages beyond which a prompt is written in a thread."""
MOST_FETCHED = 10
"""Images of the web that are fetched with the account for one answer; the rest stay links."""
FETCH_SECONDS = 30.0
"""How long an answer waits for all of them."""
LONG_ANSWER = 64_000
"""Characters, by what a schema asks of each, beyond which the end of an answer is parsed in a thread."""


@frozen
class Planned:
    """How a chat would be sent: what goes up, or why it cannot. reuse: as an answer would report it.

    quota: what is left, where the plan was counted.
    """

    card: ModelCard
    account: str
    walls: Walls
    reuse: Reuse
    content: PromptContent | None
    refusal: PromptTooLong | None = None
    quota: Quota | None = None


class ChatAnswer:
    """One answer being given. A repair turn is a second prompt request of the same answer."""

    def __init__(
        self,
        request: ChatRequest,
        admission: Admission,
        *,
        dispatcher: Dispatcher,
        attachments: Attachments,
        images: ImagePipeline,
        conversations: Conversations,
        observer: Observer,
        background: bool,
        journal: Journal | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._attachments = attachments
        self._image_pipeline = images
        self._conversations = conversations
        self._observer = observer
        self._background = background
        self._journal = journal
        self._request = request
        self._admission = admission
        self._written, self._thought = tokens.TokenCounter(), tokens.TokenCounter()
        self._fold = Fold()
        self._began = False
        self._last: Attempt | None = None
        self._thread: Thread | None = None
        self._failed_cid = ""
        self._found = NOTHING_FOUND
        self._whole = ""
        self._received = 0
        self._served = ""
        self._images: list[ImageGenerated] = []

    async def begin(self) -> ConversationPlan:
        """Find where it is said, which `close` gives back. The errors of a chat that is refused before it is sent."""
        request, card, journal = self._request, self._admission.card, self._journal
        if request.transcription is not None:
            request = asked_for(request, request.transcription, card)
        if request.tools or request.response_format.schema:  # a stored one comes without the door, which loads it
            await load(*schemas.LIBRARIES)
        durable = journal is not None  # what a run left is read back as the last answer of its conversation
        plan = await self._conversations.plan(request, card, self._admission.caller, fresh=durable)
        if plan.messages is not request.messages:
            request = replace(request, messages=plan.messages)

        def sentinel() -> str:
            stands = plan.known.sentinel if plan.known else ""
            seed = journal.seed if journal else b""
            return stands or tool_calls.sentinel(seed or secrets.token_bytes(8))

        try:
            self._turn = turns.parser_for(request, sentinel, draft_call_id)
            self._prefill = PrefillFilter(begun(plan.messages))
            self._stops = StopFilter(request.stop)
        except BaseException:
            await self._conversations.release(plan)
            raise
        self._request, self._plan = request, plan
        return plan

    def _shown(self) -> list[ImageGenerated]:
        """The images that were not sent yet. They stand at one place, whether the words came in pieces or whole: an
        image between two deltas would cut a word in two.
        """
        shown, self._images = self._images, []
        for image in shown:
            self._fold.add(image)
        return shown

    async def events(self) -> AsyncGenerator[Event, None]:
        """The answer, its images behind its words; they are sent even when it breaks off before its end."""
        plan = await self.begin()
        reason: Reason = "stop"
        untouched = False
        try:
            known: JobData = {"messages": len(plan.messages), "new": plan.new or len(plan.messages)}
            self._observer.emit(TelemetryEvent("chat.planned", self._admission.caller.request_id, known))
            prompt_request = self._prompt_request()
            await next_stage()
            while True:
                async with aclosing(self._dispatcher.stream(prompt_request)) as pieces:
                    async for attempt, piece in pieces:
                        for event in await self._received_piece(attempt, piece):
                            yield event
                        if self._stops.hit is not None:
                            break
                if self._stops.hit is not None:
                    break
                for event in self._emit(await self._fed(self._prefill.finish())):
                    yield event
                outcome = await self._finished()
                for event in self._emit(outcome.events):
                    yield event
                if isinstance(outcome, turns.Finished):
                    reason = outcome.reason
                    for event in self._emit(_text(self._stops.finish())):
                        yield event
                    break
                prompt_request = self._repair(prompt_request, outcome)
            for beside in self._beside(reason):
                yield beside
            for image in self._shown():
                yield image
            ended = Ended(
                "stop_sequence" if self._stops.hit is not None else reason,
                self._usage(),
                self._stops.hit,
                self._served,
                self._check_model_policy(),
            )
            self._fold.add(ended)
            await self._remember()
            yield ended
        except GatewayError as error:
            for image in self._shown():
                yield image
            untouched = error.generated == "no"
            raise
        finally:
            await self.close(untouched=untouched)

    async def _received_piece(self, attempt: Attempt, piece: UpstreamEvent) -> Sequence[Event]:
        """What one piece of Google's answer gives the caller; an image is finished while its account is held."""
        self._last, self._thread = attempt, None
        match piece:
            case Accepted(cid):
                self._failed_cid = cid
            case Started():
                if not self._began:
                    self._began = True
                    self._fold.add(attempt.began)
                    return (attempt.began,)
            case TextDelta(text):
                self._received += len(text)
                return self._emit(await self._fed(self._prefill.feed(text)))
            case ThoughtDelta(text):
                self._thought.add(text)
                if self._request.include_thoughts:
                    return self._emit(self._turn.feed_thought(text))
            case ImageReady(ref):
                image = await self._image_pipeline.deliver(attempt.lease.upstream, ref, self._order())
                self._images.append(ImageGenerated(image))
            case Completed():
                self._thread, self._whole = piece.thread if piece.stored else None, piece.text
                self._found = await self._with_private(attempt, piece.findings)
                self._served = piece.served
                if not piece.stored:
                    self._failed_cid = ""
        return ()

    async def _with_private(self, attempt: Attempt, found: Findings) -> Findings:
        """What only the account can fetch becomes an image of ours; where that fails it stays the link that it is."""
        private = [image for image in found.images if image.private][:MOST_FETCHED]
        if not private:
            return found
        done: set[WebImage] = set()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                for image in private:
                    order = replace(self._order(), prompt=image.alt or "web image", options=ImageOptions())
                    ref = ImageRef(image.url, "", "", "", "", alt=image.alt, found=True)
                    with suppress(GatewayError):  # the pipeline has told why
                        stored = await self._image_pipeline.deliver(attempt.lease.upstream, ref, order)
                        self._images.append(ImageGenerated(stored))
                        done.add(image)
        except TimeoutError:
            late: JobData = {"kind": "timeout", "seconds": FETCH_SECONDS}
            self._observer.emit(TelemetryEvent("image.failed", self._admission.caller.request_id, late))
        return replace(found, images=tuple(image for image in found.images if image not in done))

    def _beside(self, reason: Reason) -> Iterator[TextDelta | Found]:
        """What came beside the words of a finished answer, behind them. Only counts go into the facts."""
        if not self._found:
            return
        beside = unfinished(self._found)
        if self._stops.hit is None and reason == "stop":
            beside = split(
                self._found,
                self._whole,
                self._fold.text,
                cites=self._request.cites,
                runs=self._request.runs_code,
                in_text=self._fold.ends_in_text,
                free=self._request.response_format.kind == "text",
                chinese=self._admission.caller.language.startswith("zh"),
            )
        data: JobData = {**self._found.counts, "shown": beside.whole}
        self._observer.emit(TelemetryEvent("answer.beside", self._admission.caller.request_id, data))
        if beside.appendix:
            appendix = beside.appendix if self._fold.has_text else beside.appendix.lstrip("\n")
            self._written.add(appendix)
            yield self._added(TextDelta(appendix))
        if beside.native:
            yield self._added(Found(beside.native))

    def _added(self, event: TextDelta | Found) -> TextDelta | Found:
        self._fold.add(event)
        return event

    def _check_model_policy(self) -> tuple[str, ...]:
        """What was asked for and, as Google's name of the model shows, not given (docs/google-wire.md 2.5)."""
        got = rank(self._served)
        asked = self._request.thinking and got is not None and not got.painter
        return (
            (self._request.thinking_field or "thinking",)
            if asked and got and not (got.extended or got.thinking)
            else ()
        )

    async def _fed(self, text: str) -> list[turns.Out]:
        """What may go out with it; calls that ask much are validated beside the event loop."""
        if self._turn.cost(text) > LONG_ANSWER:
            return await asyncio.to_thread(self._turn.feed, text)
        return self._turn.feed(text)

    async def _finished(self) -> turns.Finished | turns.RepairNeeded:
        """The end of the turn; long answers are parsed and validated beside the event loop."""
        if max(self._received * self._turn.weight, self._turn.cost("")) > LONG_ANSWER:
            return await asyncio.to_thread(self._turn.finish)
        return self._turn.finish()

    def _emit(self, events: Iterable[turns.Out]) -> list[turns.Out]:
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
    def demands_image(self) -> bool:
        """Whether the caller rather waits for an image than for words: an offer is not an order."""
        return self._admission.card.kind == "image" or self._request.demands_image

    def _prompt_request(self) -> PromptRequest:
        request, plan = self._request, self._plan
        known = plan.known
        continues = Continuation(known.account, known.identity, known.offer, known.thread) if known else None
        files = any(isinstance(part, Image | File) for message in plan.messages for part in message.parts)
        main: Capability = "image" if self.demands_image else self._admission.card.capability
        needs: tuple[Capability, ...] = (main, *(("upload",) if files else ()))
        return PromptRequest(
            self._admission.card,
            self._admission.caller,
            needs,
            self.prompt_content,
            continues=continues,
            replay=_bytes(plan.messages) if continues else 0,
            reuse=plan.reuse,
            temporary=request.temporary,
            thinking=bool(request.thinking),
            model_policy=self._admission.model_policy,
            exact=not request.stream,
            background=self._background,
            conversation_id=plan.conversation_id,
            image="may" if self.demands_image else "no",
            searches=request.search in ("offered", "demanded"),
            journal=self._journal,
        )

    async def prompt_content(self, continued: bool, walls: Walls) -> PromptContent:
        """What is new to the conversation, or everything."""
        turn, plan = self._turn, self._plan
        asked = image_hints(self._request.images or _ANY_IMAGE, demanded=self.demands_image)
        hints = "\n\n".join(filter(None, (asked, search_hint(self._request.search))))
        if continued:
            instructions = "\n\n".join(
                filter(None, (structured_output.instructions(self._request.response_format), hints))
            )
            before = plan.messages[: len(plan.messages) - plan.new]
            writing = partial(compose, plan.tail, reminder=turn.reminder, continuing=True, before=before)
            return await self._fitted(
                plan.tail, partial(writing, instructions=instructions, sentinel=turn.sentinel), walls
            )
        instructions = "\n\n".join(filter(None, (turn.instructions, hints)))
        everything = partial(compose, plan.messages, instructions=instructions, sentinel=turn.sentinel)
        return await self._fitted(plan.messages, everything, walls)

    async def _fitted(self, messages: Sequence[Message], write: Callable[..., Composed], walls: Walls) -> PromptContent:
        """The prompt of these messages within the walls, its files loaded: their text counts as well."""
        asker = self._admission.caller
        own: tuple[Upload, ...] = ()
        unloaded = 0
        if sources := attachments_of(messages):
            newest = files_to_answer(messages)
            unloaded = max(0, len(sources) - max(MAX_FILES, newest))
            own = await self._attachments.load(sources[unloaded:], asker, earlier=len(sources) - unloaded - newest)
        sizes = [0] * unloaded + [text_bytes(upload) for upload in own]
        composing = partial(write, walls=walls, file_sizes=sizes, most_files=MAX_FILES, unloaded=unloaded)
        composed = await offload(sum(map(len, _texts(messages))), composing, small=LONG_PROMPT)
        if not composed.text.strip() and not composed.attachments:
            raise BadRequest("The messages say nothing: all of them are empty", "消息内容全部为空", param="messages")
        sent = [upload for at, upload in enumerate(own, unloaded) if at not in composed.left_out]
        made = composed.attachments[len(sent) :]
        ours = await self._attachments.load(made, asker) if made else ()
        return PromptContent(
            composed.text,
            (*sent, *ours),
            composed.filed,
            composed.bytes,
            composed.limit,
            composed.dropped,
            len(composed.left_out),
            sum(map(hides_text, sent)),
        )

    def _repair(self, prompt_request: PromptRequest, again: turns.RepairNeeded) -> PromptRequest:
        """The second prompt request: in the same chat where there is one, else in a new one from the beginning."""
        last, thread = self._last, self._thread
        continues = None
        if last is not None and thread is not None and thread.cid and not self._request.temporary:
            continues = Continuation(last.lease.account_name, last.identity, last.lease.model.id, thread)
        history = (
            *self._plan.messages,
            Message("assistant", (Text(again.answer),)),
            Message("user", (Text(again.prompt),)),
        )

        async def content(continued: bool, walls: Walls) -> PromptContent:
            turn = self._turn
            try:
                if continued:
                    return within_walls(PromptContent(again.prompt), walls)
                everything = partial(compose, history, instructions=turn.instructions, sentinel=turn.sentinel)
                return await self._fitted(history, everything, walls)
            except PromptTooLong as error:
                raise error.with_(generated="maybe") from None  # the answer that is to be mended was generated

        return replace(prompt_request, content=content, continues=continues, journal=None, repair=again.what)

    def _order(self) -> ImageJob:
        """What an image inside a chat answer is made for: the last thing the user said."""
        asked = next((m.text for m in reversed(self._request.messages) if m.role == "user"), "")
        options = self._request.images or ImageOptions()
        if options.long_side is None and self._admission.card.long_side is not None:
            options = replace(options, long_side=self._admission.card.long_side)
        return ImageJob(asked, self._admission.card.id, options, self._admission.caller)

    def _usage(self) -> Usage:
        prompt = prompt_tokens(self._request, self._turn.instructions)
        usage = Usage(prompt, self._written.tokens, self._thought.tokens)
        data: JobData = {
            "model": self._admission.card.id,
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens + usage.reasoning_tokens,
        }
        self._observer.emit(TelemetryEvent("chat.tokens", self._admission.caller.request_id, data))
        return usage

    async def _remember(self) -> None:
        """The history with this answer now stands in a conversation at Google."""
        last, thread = self._last, self._thread
        if last is None or thread is None or not thread.cid or self._request.temporary:
            return
        await self._conversations.remember(
            self._plan,
            transcript.message_of(self._fold.reply()),
            thread,
            account=last.lease.account_name,
            identity=last.identity,
            offer=last.lease.model.id,
            tenant=self._admission.caller.tenant,
            sentinel=self._turn.sentinel,
        )
        self._failed_cid = ""

    async def close(self, *, untouched: bool) -> None:
        """Whatever happened: give the conversation back, and remember what has to be deleted, whoever is cut off.

        untouched: certainly nothing was said in it; otherwise nobody knows any more where it stands.
        """
        self._conversations.over(self._plan)
        if self._plan.known is not None or self._failed_cid:
            await asyncio.shield(self._given_back(untouched=untouched))

    async def _given_back(self, *, untouched: bool) -> None:
        await self._conversations.release(self._plan, lost=not untouched)
        if self._failed_cid and self._last is not None and not self._request.temporary:
            await self._conversations.mark_abandoned(
                self._failed_cid,
                account=self._last.lease.account_name,
                identity=self._last.identity,
                tenant=self._admission.caller.tenant,
            )


async def from_image(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Hold everything back until an image is there or the answer is over.

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


def within_walls(content: PromptContent, walls: Walls) -> PromptContent:
    """A prompt that cannot be split, if the account reads all of it. PromptTooLong."""
    files = sum(map(text_bytes, content.uploads))
    total = size(content.text) + files
    limit = walls.with_files if files else walls.plain
    if limit and total > limit:
        raise too_long(total, limit)
    return replace(content, bytes=total, limit=limit)


def _text(text: str) -> list[turns.Out]:
    return [TextDelta(text)] if text else []


def draft_call_id(number: int) -> str:
    """An id for while the answer is read; `_identified` gives the one that the caller sees."""
    return f"call_{number}"


def _identified(event: turns.Out) -> turns.Out:
    if not isinstance(event, ToolCalled):
        return event
    call = event.call
    return ToolCalled(replace(call, id=call_id(call.name, call.arguments, secrets.token_bytes(6))))
