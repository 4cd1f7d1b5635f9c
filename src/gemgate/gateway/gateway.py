"""The story of a call, from the words of a caller to the words of Google and back. The file to read first.

admit:            resolve the model, count the call.
chat:             an `answer` plans the conversation, sends what is new (`dispatch`), tells what comes through the turn
                  (tools, JSON), finishes images on the way, remembers where it stands.
generate_images:  the same road, `n` times; each image is fetched and finished on the session that made it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from gemgate import catalog
from gemgate.accounts import Walls
from gemgate.caller import Caller, Cost, Quota
from gemgate.catalog import ModelCard
from gemgate.chat import (
    Began,
    ChatRequest,
    Event,
    Reuse,
)
from gemgate.errors import (
    BadRequest,
    Broken,
    GatewayError,
    LimitError,
    ModelNotFound,
    ModelNotServed,
    PromptTooLong,
    forget_frames,
)
from gemgate.gateway.admission import NOTHING, Admission, Charge, JobData, check_scope
from gemgate.gateway.answer import ChatAnswer, Planned, draft_call_id, from_image, within_walls
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.dispatch import Dispatcher
from gemgate.gateway.image_delivery import ImageJob, ImagePipeline
from gemgate.gateway.prompt_request import Attempt, Journal, PromptContent, PromptRequest
from gemgate.gateway.transcripts import only_words
from gemgate.images import GeneratedImage, ImageRequest
from gemgate.policy.model_rank import Policy
from gemgate.pool.pool import AccountPool
from gemgate.ports.budgets import Budgets
from gemgate.ports.limits import Limiter
from gemgate.ports.media_room import AnyRoom, MediaRoom
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import Completed, ImageReady, Researcher, Upload, UpstreamEvent
from gemgate.prompting import turns
from gemgate.prompting.compose import attachments_of
from gemgate.prompting.image_prompts import image_prompt
from gemgate.prompting.tokens import prompt_tokens


class Gateway:
    """What doors call. It knows ports and the pool, never an adapter."""

    def __init__(
        self,
        pool: AccountPool,
        limiter: Limiter,
        attachments: Attachments,
        images: ImagePipeline,
        conversations: Conversations,
        *,
        clock: Clock,
        observer: Observer,
        default_model: str = catalog.DEFAULT_MODEL,
        default_image_model: str = catalog.DEFAULT_IMAGE_MODEL,
        aliases: catalog.Aliases = catalog.NO_ALIASES,
        temporary_chats: bool = False,
        model_policy: Policy = "report",
        budgets: Budgets | None = None,
        media_room: MediaRoom | None = None,
    ) -> None:
        self.pool = pool
        self.images = images
        self.conversations = conversations
        self._limiter = limiter
        self.budgets = budgets
        self.media_room = media_room or AnyRoom()
        self._attachments = attachments
        self._dispatcher = Dispatcher(pool, attachments, observer, clock)
        self._clock = clock
        self._observer = observer
        self.default_model = default_model
        self.aliases = aliases
        self.default_image_model = default_image_model
        self._temporary_chats = temporary_chats
        self.model_policy: Policy = model_policy

    def models(self, tenant: str = "") -> list[ModelCard]:
        """Every model a caller may name: the catalogue, what the accounts really offer, and the caller's aliases."""
        cards = catalog.listing(self.pool.models(), self.aliases, tenant)
        return [*cards, catalog.RESEARCH] if self.researches else cards

    @property
    def researches(self) -> bool:
        """Whether an account that is signed in can be asked for deep research."""
        return any(
            one.is_open and isinstance(one.upstream, Researcher) and catalog.RESEARCH.offer(one.models) is not None
            for one in self.pool.accounts
        )

    def resolve(self, model: str, tenant: str) -> ModelCard:
        """The model that a caller means. ModelNotFound."""
        return catalog.resolve(model, self.pool.each_model(), self.aliases, tenant, lambda: self.models(tenant))

    async def admit(
        self,
        model: str | None,
        caller: Caller,
        policy: Policy | None = None,
        *,
        later: bool = False,
        charge: Charge = NOTHING,
        card: ModelCard | None = None,
    ) -> Admission:
        """Resolve a chat's model and count one call. policy: the call's own. ModelNotFound, NoAccount, RateLimited.

        later: it waits for an account. charge: to the budgets. card: what `resolve` has said of the model already.
        """
        return await self._admit(model or self.default_model, caller, policy, charge, later=later, card=card)

    async def admit_images(
        self,
        model: str | None,
        caller: Caller,
        policy: Policy | None = None,
        *,
        later: bool = False,
        charge: Charge = NOTHING,
    ) -> Admission:
        """The same for images, with their own default model. later: a batch's, which waits for an account."""
        return await self._admit(model or self.default_image_model, caller, policy, charge, later=later)

    async def admit_order(self, card: ModelCard, caller: Caller, *, later: bool = False) -> Admission:
        """The same for a video, music or a deep research. later: accounts of other nodes may take it."""
        check_scope(card, caller)
        if not later:
            self.pool.check(card)
        if card.kind != "research":
            await self.media_room.check(caller.tenant)
        charge = Charge(Cost(videos=1 if card.kind == "video" else 0), durable=True)
        return Admission(card, await self._count(card.id, card, caller, charge), caller, self.model_policy)

    async def _admit(
        self,
        model: str,
        caller: Caller,
        policy: Policy | None,
        charge: Charge,
        *,
        later: bool = False,
        card: ModelCard | None = None,
    ) -> Admission:
        card = card or self.resolve(model, caller.tenant)
        if card.kind == "research":
            raise only_in_background(model)
        check_scope(card, caller)
        _check_answers(card)
        if not later:
            self.pool.check(card)  # a call that nobody can take uses up no limit
        if card.kind == "image" or (charge.cost is not None and charge.cost.images):
            await self.media_room.check(caller.tenant)  # nor one that there is no room for
        if charge.cost is not None and card.kind == "image" and not charge.cost.images:
            charge = replace(charge, cost=replace(charge.cost, images=1))
        quota = await self._count(model, card, caller, charge)
        return Admission(card, quota, caller, policy or self.model_policy)

    async def _count(self, model: str, card: ModelCard, caller: Caller, charge: Charge = NOTHING) -> Quota:
        """Count one call against the caller's limits and budgets. RateLimited."""
        facts: JobData = {"asked": model, "model": card.id, "tenant": caller.tenant, "client": caller.client}
        try:
            quota = await self._limiter.take(caller, card.id)
            quota = await self._charge(quota, caller, charge)
        except LimitError as error:
            rule = error.details.get("rule", "closed")
            self._observer.emit(TelemetryEvent("limit.refused", caller.request_id, {**facts, "rule": rule}))
            raise
        self._observer.emit(TelemetryEvent("call.admitted", caller.request_id, facts))
        return quota

    async def _charge(self, quota: Quota, caller: Caller, charge: Charge) -> Quota:
        """The quota with what is left of the budgets, the call charged to them. OverBudget."""
        if self.budgets is None or charge.cost is None:
            return quota
        if charge.durable:
            await self.budgets.check(caller.tenant, caller.budget, charge.cost)
            return quota
        try:
            left = await self.budgets.take(caller.request_id, caller.tenant, caller.budget, charge.cost, at_once=True)
        except BaseException:  # its caller may be gone, and the charge be there all the same: nobody else gives it back
            self.budgets.settle(caller.request_id, Cost(0), over=True)
            raise
        return replace(quota, left=left) if left else quota

    def chat(
        self, request: ChatRequest, admission: Admission, *, background: bool = False, journal: Journal | None = None
    ) -> AsyncGenerator[Event, None]:
        """One answer as events: Began, deltas, calls and images, Ended. Every failure is a GatewayError.

        background, journal: a batch's; see `PromptRequest`.
        """
        _check_answers(admission.card)
        answer = self._answer(request, admission, background=background, journal=journal)
        events = from_image(answer.events()) if answer.demands_image else answer.events()
        return events if request.transcription is None else only_words(events)

    def _answer(
        self,
        request: ChatRequest,
        admission: Admission,
        *,
        background: bool = False,
        journal: Journal | None = None,
    ) -> ChatAnswer:
        return ChatAnswer(
            replace(request, temporary=True) if self._temporary_chats else request,
            admission,
            dispatcher=self._dispatcher,
            attachments=self._attachments,
            images=self.images,
            conversations=self.conversations,
            observer=self._observer,
            background=background,
            journal=journal,
        )

    async def plan_context(self, request: ChatRequest, caller: Caller) -> Planned:
        """How this chat would be sent now; nothing is sent or generated.

        The account that holds the conversation would be asked, else any: the one that reads least is told, unless only
        another can read it. Counted like a call when links have to be fetched for it. The errors of a chat that is
        refused before it is sent.
        """
        card = self.resolve(request.model or self.default_model, caller.tenant)
        check_scope(card, caller)
        request = replace(request, temporary=request.temporary or self._temporary_chats)
        answer = self._answer(request, Admission(card, Quota(), caller))
        plan = await answer.begin()
        known = plan.known
        try:
            able = [one for one in self.pool.accounts if one.is_open and card.offer(one.models) is not None]
            if not able:
                raise self.pool.no_account_error(card.capability)
            fetches = self._attachments.fetches(attachments_of(plan.messages), caller)
            quota = await self._count(request.model or self.default_model, card, caller) if fetches else None
            holder = next(
                (one for one in able if known and (one.name, one.identity) == (known.account, known.identity)), None
            )
            able.sort(key=lambda one: (one.walls.plain or math.inf, one.walls.with_files or math.inf))
            reuse: Reuse = plan.reuse if holder or known is None else "replay"
            for account in [holder] if holder else [able[0], able[-1]]:
                walls = account.walls.of(temporary=request.temporary)
                try:
                    content = await answer.prompt_content(holder is not None, walls)
                except PromptTooLong as error:
                    planned = Planned(card, account.name, walls, reuse, None, error, quota)
                else:
                    return Planned(card, account.name, walls, reuse, content, quota=quota)
            return planned
        finally:
            await answer.close(untouched=True)

    def send(self, prompt_request: PromptRequest) -> AsyncGenerator[tuple[Attempt, UpstreamEvent], None]:
        """The pieces of the answer to one prompt, for who knows what to make of them."""
        return self._dispatcher.stream(prompt_request)

    def check_models(self, models: Iterable[str], caller: Caller) -> None:
        """Forbidden for one that the caller's key is not for; unknown ones are told of later."""
        for model in {one for one in models if one} if caller.models else ():
            with suppress(ModelNotFound):
                check_scope(self.resolve(model, caller.tenant), caller)

    def count_tokens(self, request: ChatRequest, tenant: str = "") -> int:
        """Estimated tokens of everything that would be said. ModelNotFound; BadRequest for schemas that are none."""
        self.resolve(request.model or self.default_model, tenant)
        return prompt_tokens(request, turns.parser_for(request, lambda: "0" * 16, draft_call_id).instructions)

    async def generate_images(
        self,
        request: ImageRequest,
        admission: Admission,
        *,
        done: Callable[[GeneratedImage | GatewayError], None] = lambda _: None,
        began: Callable[[Began], None] = lambda _: None,
        journal: Journal | None = None,
    ) -> list[GeneratedImage | GatewayError]:
        """`n` images, each a generation of its own; what succeeded beside the errors of what did not.

        When none succeeded an error is raised, the first that may have cost a generation: whoever would send the call
        again has to know. `done` hears of each result at once, `began` of each image that Google brings, before that.
        journal: of all of them together.
        """
        uploads = await self._attachments.load(request.references, admission.caller, images_only=True)

        async def one() -> GeneratedImage | GatewayError:
            result: GeneratedImage | GatewayError
            try:
                result = await self.generate_image(request, admission, uploads, began=began, journal=journal)
            except GatewayError as error:
                forget_frames(error)
                result = error
            done(result)
            return result

        async def each() -> list[GeneratedImage | GatewayError]:
            async with asyncio.TaskGroup() as group:  # not here: it holds our task, and that one our error
                making = [group.create_task(one()) for _ in range(request.n)]
            return [task.result() for task in making]

        return at_least_one(await each())

    async def generate_image(
        self,
        request: ImageRequest,
        admission: Admission,
        uploads: Sequence[Upload] = (),
        *,
        order: ImageJob | None = None,
        background: bool = False,
        journal: Journal | None = None,
        began: Callable[[Began], None] = lambda _: None,
    ) -> GeneratedImage:
        """One image by one generation; NoImage, Refused, Spent or SignedOut when a text came instead.

        background, journal: a batch's; see `PromptRequest`.
        """
        card = admission.card
        options = request.options
        if options.long_side is None and card.long_side is not None:
            options = replace(options, long_side=card.long_side)
        order = order or ImageJob(
            request.prompt, card.id, options, admission.caller, tuple(upload.sha256 for upload in uploads)
        )
        content = PromptContent(image_prompt(request.prompt, options, references=len(uploads)), tuple(uploads))

        async def everything(_continued: bool, walls: Walls) -> PromptContent:
            return within_walls(content, walls)

        prompt_request = PromptRequest(
            card,
            admission.caller,
            ("image", "upload") if uploads else ("image",),
            everything,
            temporary=True,
            exact=True,
            image="must",
            background=background,
            journal=journal,
            model_policy=admission.model_policy,
        )
        image: GeneratedImage | None = None
        try:
            async with aclosing(self._dispatcher.stream(prompt_request)) as pieces:
                async for attempt, piece in pieces:
                    if isinstance(piece, ImageReady) and image is None:
                        began(attempt.began)
                        image = await self.images.deliver(attempt.lease.upstream, piece.ref, order)
                    elif isinstance(piece, Completed) and image is not None:
                        image = replace(image, painter=piece.painter or image.painter)
        except GatewayError as error:
            if image is None or isinstance(error, ModelNotServed):
                raise  # once the image is here, what goes wrong behind it does not matter any more
        if image is None:
            raise Broken("The answer ended without a picture", "回答中没有图片", generated="maybe")
        return image


def at_least_one(outcomes: list[GeneratedImage | GatewayError]) -> list[GeneratedImage | GatewayError]:
    """The outcomes, when an image is among them; else the first error that may have cost a generation is raised."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, GatewayError)]
    if len(errors) < len(outcomes):
        return outcomes
    try:
        raise min(errors, key=lambda error: error.generated == "no")
    finally:
        del outcomes, errors  # the error holds this frame


def _check_answers(card: ModelCard) -> None:
    """BadRequest for a model that makes videos or music: it is waited for by itself, never inside of another job."""
    path = {"video": "/v1/videos", "music": "/v1/music"}.get(card.kind)
    if path:
        raise BadRequest(
            f"{card.id} is asked in a chat of its own, or by {path}, which is a job already; neither in a batch nor in "
            "the background of another call",
            f"{card.id} 请在普通对话中或通过 {path} 使用（其本身就是后台任务），不能放入批处理或其他后台调用",
            param="model",
            code="unsupported_parameter",
        )


def only_in_background(model: str) -> BadRequest:
    """Deep research takes minutes: no connection waits for it, as in the official APIs."""
    return BadRequest(
        f"{model[:100]} takes minutes and runs in the background only: POST /v1/responses with background: true, or "
        "POST /v1beta/interactions with agent and background: true",
        f"{model[:100]} 需要数分钟，只能在后台运行：请用 POST /v1/responses 并设置 background: true，"
        "或用 POST /v1beta/interactions 并设置 agent 和 background: true",
        param="background",
        code="background_required",
    )
