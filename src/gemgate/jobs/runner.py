"""Carries out one task by the gateway, exactly as a single request would be, and says what to store of it.

An image is looked for under the task's own name before anything is generated, and is stored under that name before the
task is settled: a finished image is never made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gemgate.batches import Batch, BatchKind, Claim, Deferred, Done, Task
from gemgate.caller import Caller, Cost, Quota
from gemgate.catalog import RESEARCH, ModelCard
from gemgate.chat import ChatRequest, Event, ImageGenerated, Reply, afold
from gemgate.dialects import openai_chat, openai_images, responses, wire
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import (
    BadRequest,
    ClientError,
    GatewayError,
    ModelGone,
    ModelNotFound,
    ModelNotServed,
    NoAccount,
    PromptTooLong,
    Refused,
    StorageDown,
)
from gemgate.files import Source
from gemgate.frozen import frozen
from gemgate.gateway.admission import Admission
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.gateway import Gateway, only_in_background
from gemgate.gateway.image_delivery import ImageJob
from gemgate.gateway.response_history import previous_messages, referenced_messages
from gemgate.images import GeneratedImage, ImageOptions, ImageRequest
from gemgate.jobs.emitted import Emitted, lost, unread
from gemgate.jobs.event_log import AnswerCall, EventAppender, EventLog
from gemgate.jobs.journal import NotToBeSentAgain, TaskJournal
from gemgate.jobs.media_runner import MediaRunner
from gemgate.jobs.payloads import dumps, error_value, image_value, load_spec, loads
from gemgate.jobs.research_runner import ResearchRunner
from gemgate.offload import offload
from gemgate.ports.conversations import ResponseStore, StoredResponse
from gemgate.ports.runtime import Clock
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered

SINGLE_KINDS: tuple[BatchKind, ...] = ("image_call", "response", "interaction", "answer", "video", "music", "research")
"""Kinds of single calls, whose errors are raised again or shown in their dialect."""
PARTS = 16
"""Names set aside for each task: one for each of its generations."""


@frozen
class Runner:
    gateway: Gateway
    attachments: Attachments
    clock: Clock
    responses: ResponseStore
    log: EventLog | None = None
    """Of durable answers; None where there are none."""
    media: MediaRunner | None = None
    """The same for videos and music."""
    research: ResearchRunner | None = None

    async def run(self, claim: Claim, journal: TaskJournal) -> Done | Deferred:
        """The result to store, or when to look again. GatewayError says why there is none."""
        await self._admit(claim)
        match claim.batch.kind:
            case "images" | "image_call":
                return await self._image(claim, journal)
            case "generations" | "edits":
                return await self._images(claim, journal)
            case "responses":
                return await self._response_line(claim, journal)
            case "chat":
                return await self._chat(claim, journal)
            case "response" | "interaction" | "answer":
                return await self._answer(claim, journal)
            case "video" | "music":
                assert self.media is not None
                return await self.media.run(claim, journal)
            case "research":
                assert self.research is not None
                return await self.research.run(claim, journal)

    async def forget(self, batch: Batch) -> None:
        """Files that only the batch leads to go with it, those of a run that ended after it was forgotten too."""
        match batch.kind:
            case "video" | "music" if self.media is not None:
                await self.media.forget(batch)
            case "research" if self.research is not None:
                await self.research.forget(batch)

    async def _admit(self, claim: Claim) -> None:
        """Charge the task to the budgets, once, where its key has room for what it makes. OverBudget, NoRoom; never
        for one whose prompt may have left before.
        """
        if claim.batch.need not in ("text", "text_call", "research") and not claim.task.checkpoint.account:
            await self.gateway.media_room.check(claim.batch.tenant)
        budgets, task = self.gateway.budgets, claim.task
        if budgets is None:
            return
        if task.checkpoint.account:
            budgets.resume(task.id)
            return
        await budgets.take(task.id, claim.batch.tenant, None, _cost(claim), at_once=self.ends_at_once(claim))

    async def _image(self, claim: Claim, journal: TaskJournal) -> Done:
        spec = load_spec(claim.task.payload or claim.batch.defaults)
        image = await self._made(claim, journal, spec.model, spec.options, spec.references)
        return Done(dumps(image_value(image)))

    async def _images(self, claim: Claim, journal: TaskJournal) -> Done:
        """A line for images or edits: its `n` images one after the other, each a generation of its own."""
        call = images_call(claim.batch, claim.task)
        request = call.request
        made: list[dict[str, Any]] = []
        failures: list[GatewayError] = []
        for part in range(request.n):
            journal.begin(part)
            model = request.model or self.gateway.default_image_model
            try:
                image = await self._made(claim, journal, model, request.options, request.references, part)
            except (ClientError, Refused, ModelGone, ModelNotServed, PromptTooLong) as error:
                failures.append(error)
            else:
                made.append(image_value(image))
        if not made:
            raise failures[0]
        errors = [openai_images.envelope(error, "en", "")[1]["error"] for error in failures]
        return Done(dumps({"created": int(self.clock.now()), "pictures": made, "errors": errors}))

    async def _chat(self, claim: Claim, journal: TaskJournal) -> Done:
        """A line for /v1/chat/completions: never kept in the account's history (docs/decisions.md 8)."""
        task, batch = claim.task, claim.batch
        body = wire.read(openai_chat.ChatCompletionRequest, line_of(task)["body"])
        request = replace(openai_chat.read_request(body), stream=False, temporary=True, conversation_id=None)
        card = self._card(request.model or self.gateway.default_model, batch.tenant)
        admission = Admission(card, Quota(), _caller(batch), request.model_policy or self.gateway.model_policy)
        replies: list[Reply] = []
        for part in range(request.n):
            journal.begin(part)
            answer = self.gateway.chat(request, admission, background=True, journal=journal)
            async with aclosing(answer) as events:
                replies.append(await afold(events))
        written = openai_chat.write(
            replies, self._meta("chatcmpl-", claim), body.model or card.id, openai_chat.toolbox(body)
        )
        return Done(dumps(written | ({"ignored": list(request.ignored)} if request.ignored else {})))

    async def _answer(self, claim: Claim, journal: TaskJournal) -> Done:
        """A durable answer, or the `n` of a call: what is said stands in the log, behind what earlier runs said."""
        batch, log = claim.batch, self.log
        assert log is not None
        payload = claim.task.payload

        def read() -> tuple[AnswerCall, ChatRequest]:
            call = AnswerCall.load(payload)
            return call, call.chat()

        call, request = await offload(len(payload), read)
        earlier, row = await log.read(batch.id)
        appender = EventAppender(log, claim, self.clock, row)
        about = loads(batch.metadata)
        caller = replace(_caller(batch), language=about["language"])
        admission = Admission(self._card(batch.model, batch.tenant), Quota(), caller, call.policy)
        reason = ""
        for part in range(request.n):
            emitted = Emitted(event for answer, event in earlier if answer == part)
            if emitted.ended is None:
                journal.begin(part)
                journal.only_read = emitted.spoke or bool(journal.earlier.account)
                told = self.gateway.chat(request, admission, background=not about["awaited"], journal=journal)
                await _append(told, emitted, appender, part, journal)
                await appender.finish()
            assert emitted.ended is not None
            reason = emitted.ended.reason
        return Done(dumps({"reason": reason}))

    async def _response_line(self, claim: Claim, journal: TaskJournal) -> Done:
        """A line for /v1/responses; kept to be continued like any other, unless `store` is false."""
        task, batch = claim.task, claim.batch
        meta = self._meta("resp_", claim)
        if task.attempt > 1 and (kept := await self.responses.get(meta.id, batch.tenant)):
            return Done(kept.body)  # an earlier run came as far as that
        body = wire.read(responses.ResponsesRequest, line_of(task)["body"])
        find = partial(self.responses.get, tenant=batch.tenant)
        previous = await previous_messages(find, body.previous_response_id)
        references = await referenced_messages(find, body)
        request = replace(responses.read_request(body, previous, references), stream=False, temporary=True)
        card = self._card(request.model or self.gateway.default_model, batch.tenant)
        admission = Admission(card, Quota(), _caller(batch), request.model_policy or self.gateway.model_policy)
        async with aclosing(self.gateway.chat(request, admission, background=True, journal=journal)) as events:
            reply = await afold(events)
        answer = responses.write(reply, meta, body, body.model or card.id)
        written = wire.dumps(answer | ({"ignored": list(request.ignored)} if request.ignored else {})).decode()
        if body.store is not False:
            said = answered(responses.continuation(body, previous, references), transcript.message_of(reply))
            stored = StoredResponse(meta.id, batch.tenant, written, transcript.dump(said), meta.created)
            await self.responses.save(stored)
        return Done(written)

    def _meta(self, prefix: str, claim: Claim) -> ResponseMeta:
        """The same id whenever the task is run."""
        digest = hashlib.sha256(claim.task.id.encode()).hexdigest()
        about = loads(claim.batch.metadata)
        base_url, language = about.get("base_url", ""), about.get("language", "en")
        return ResponseMeta(f"{prefix}{digest[:32]}", int(self.clock.now()), base_url, language)

    async def _made(
        self,
        claim: Claim,
        journal: TaskJournal,
        model: str,
        options: ImageOptions,
        references: Sequence[Source],
        part: int = 0,
    ) -> GeneratedImage:
        """The image that an earlier run stored, or a new one, stored."""
        task, batch = claim.task, claim.batch
        if not task.prompt.strip():
            raise BadRequest("prompt is empty", "prompt 为空", param="prompt")
        card = self._card(model, batch.tenant)
        caller = _caller(batch)
        if options.long_side is None and card.long_side is not None:
            options = replace(options, long_side=card.long_side)
        order = ImageJob(
            task.prompt,
            card.id,
            options,
            caller,
            batch=batch.id,
            key=image_key(batch.id, task.seq, part),
            created_at=batch.created_at,
        )
        images = self.gateway.images
        if task.attempt > 1 and (image := await images.stored_for(order)):
            return image
        uploads = await self.attachments.load(references, _caller(batch), images_only=True)
        image = await self.gateway.generate_image(
            ImageRequest(task.prompt, model, options=options),
            Admission(card, Quota(), caller, options.model_policy or self.gateway.model_policy),
            uploads,
            order=replace(order, references=tuple(upload.sha256 for upload in uploads)),
            background=batch.kind != "image_call",
            journal=journal,
        )
        if not image.name:
            raise _not_kept(image)
        return image

    def _card(self, model: str, tenant: str) -> ModelCard:
        """The model as it is offered now. One that only an account still signing in may have is waited for."""
        pool = self.gateway.pool
        try:
            card = self.gateway.resolve(model, tenant)
        except ModelNotFound:
            if all(account.is_open for account in pool.accounts):
                raise
            raise NoAccount(
                f"No account that is signed in has the model {model}",
                f"已登录的账号中没有模型 {model}",
                code="no_account",
            ) from None
        if card.kind == "research":  # a line of a batch: it has a door of its own
            raise only_in_background(model)
        return card

    def failure(self, claim: Claim, error: GatewayError) -> str:
        """What is kept of an error: for an error file, or to be raised again."""
        if claim.batch.kind == "images":
            return ""
        if claim.batch.kind in SINGLE_KINDS:
            return dumps(error_value(error))
        status, body = openai_chat.envelope(error, loads(claim.batch.metadata).get("language", "en"), "")
        return dumps({"status": status, "body": body})

    def ends_at_once(self, claim: Claim) -> bool:
        """Whether a failure is the answer: somebody waits for it, as for that of a call without a job.

        Not after a process died over the task: nobody waits on that connection any more.
        """
        awaited = claim.batch.kind in SINGLE_KINDS and loads(claim.batch.metadata)["awaited"]
        return bool(awaited and not claim.task.checkpoint.account)

    def may_become_available(self, claim: Claim, error: GatewayError) -> bool:
        """Whether an account that is out of service now has the model that those in service lack."""
        if error.code != "model_not_available":
            return False
        model = self._model_of(claim)
        card = self.gateway.resolve(model, claim.batch.tenant)
        return any(
            not account.is_open or (card.offer(account.models) and not account.status(card.capability).usable)
            for account in self.gateway.pool.accounts
        )

    def _model_of(self, claim: Claim) -> str:
        if claim.batch.kind in ("images", "image_call"):
            return load_spec(claim.task.payload or claim.batch.defaults).model
        if claim.batch.kind == "research":
            return RESEARCH.id
        if claim.batch.kind in SINGLE_KINDS:
            return claim.batch.model
        default = self.gateway.default_model if claim.batch.need == "text" else self.gateway.default_image_model
        return str(line_of(claim.task)["body"].get("model") or default)


async def _append(
    answer: AsyncGenerator[Event, None], emitted: Emitted, appender: EventAppender, part: int, journal: TaskJournal
) -> None:
    """Write down what is new of an answer."""
    try:
        async with aclosing(answer) as events:
            async for event in events:
                if isinstance(event, ImageGenerated) and not event.image.name:
                    raise _not_kept(event.image)
                if (new := emitted.rest(event)) is not None:
                    await appender.add(part, new)
    except NotToBeSentAgain:
        raise (unread() if journal.earlier.cid else lost()) from None


def _not_kept(image: GeneratedImage) -> StorageDown:
    return StorageDown(
        f"The picture was made and could not be stored: {image.note.en}",
        f"图片已生成但无法存储：{image.note.zh}",
        generated="maybe",
        code="storage_unavailable",
    )


def _cost(claim: Claim) -> Cost:
    match claim.batch.kind:
        case "images" | "image_call":
            return Cost(images=1)
        case "generations" | "edits":
            try:
                return Cost(images=images_call(claim.batch, claim.task).request.n)
            except ClientError:
                return Cost()  # its run says what is wrong with the line
        case "video":
            return Cost(videos=1)
    return Cost(images=1 if claim.batch.need in ("image", "image_call") else 0)


def image_key(batch_id: str, seq: int, part: int = 0) -> str:
    """Six hex digits of the task for its picture's name, no two alike within a batch."""
    base = int(hashlib.sha256(batch_id.encode()).hexdigest()[:6], 16)
    return f"{(base + seq * PARTS + part) & 0xFFFFFF:06x}"


def line_of(task: Task) -> dict[str, Any]:
    """A line of OpenAI's input file: `{custom_id, body}`."""
    line: dict[str, Any] = loads(task.payload)
    return line


def images_call(batch: Batch, task: Task) -> openai_images.ImagesCall:
    """The words of a line for /v1/images/generations or /v1/images/edits."""
    if batch.kind == "edits":
        return openai_images.read_edits(wire.read(openai_images.EditsRequest, line_of(task)["body"]))
    return openai_images.read_generations(wire.read(openai_images.GenerationsRequest, line_of(task)["body"]))


def _caller(batch: Batch) -> Caller:
    """Who ordered it; their links to images of ours are known by the address under which they called us."""
    about = loads(batch.metadata)
    host, request_id = urlsplit(about.get("base_url", "")).netloc, about.get("request_id", "")
    return Caller(tenant=batch.tenant, client="batch", host=host, request_id=request_id)
