"""Which web conversation a chat goes on in, and what of it still has to be said.

A chat that continues a known history goes on where it stands and sends only what is new; everything else is told from
the beginning in a new conversation. Histories never cross tenants. Two callers never continue one conversation at once:
the second tells it anew (a fork).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gemgate.caller import Caller
from gemgate.catalog import ModelCard
from gemgate.chat import ChatRequest, File, Image, Message, Reuse
from gemgate.errors import GatewayError, NoRoom, NotFound, StorageDown
from gemgate.files import Inline
from gemgate.offload import offload
from gemgate.pool.pool import AccountPool
from gemgate.ports.conversations import Conversation, ConversationStore
from gemgate.ports.runtime import Clock
from gemgate.ports.upstream import Thread
from gemgate.prompting import transcript
from gemgate.prompting.fingerprint import Chain, chain, chained, scope
from gemgate.prompting.prefill import answered, begun

LEASE_SLACK = 60.0
STORE_TIMEOUT = 1.5
"""Seconds that a call waits for the store. Without it a history is told anew, which costs less than an error."""
STORE_RETRY_AFTER = 2.0
"""Seconds after which a store that was away is asked again."""
HEAVY = 500_000
"""Bytes of files beyond which they are hashed in a thread."""
DELETED_AT_ONCE = 20
"""Chats that are deleted at Google in one go."""
DELETED_AGAIN = 60.0
"""Seconds after which one that could not be deleted is tried again."""

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class ConversationPlan:
    """How one answer begins.

    messages: the whole history, as it would be told in a new conversation.
    known:    the conversation to go on in, leased to us; None starts a new one.
    named:    the conversation that the caller has named, as far as it is known.
    new:      how many messages at the end `known` has not heard.
    reuse:    what to report unless the conversation turns out to be lost on the way.
    chain:    fingerprints of the history; scope: what they were made with.
    deleted:  its conversation was, while this answer went on; with these accounts.
    """

    messages: tuple[Message, ...]
    scope: str
    chain: Chain
    reuse: Reuse
    known: Conversation | None = None
    named: Conversation | None = None
    new: int = 0
    conversation_id: str = ""
    owner: str = ""
    cid: str = ""
    created_at: float = field(default=0.0)
    deleted: AccountPool | None = None

    @property
    def names(self) -> list[str]:
        return self.chain.names

    @property
    def tail(self) -> tuple[Message, ...]:
        return self.messages[len(self.messages) - self.new :]


async def _with_files(messages: Iterable[Message], work: Callable[[], T]) -> T:
    """The result of `work` on messages; from a thread when large files are among them, so that the loop goes on."""
    sources = [part.source for message in messages for part in message.parts if isinstance(part, Image | File)]
    if not sources:
        return work()
    return await offload(sum(len(one.data) for one in sources if isinstance(one, Inline)), work, small=HEAVY)


class Conversations:
    """`delete_after` seconds of rest a conversation is deleted at Google; None keeps it (HISTORY).

    tracks: chats that nothing goes on in any more are remembered too, to be told apart from the owner's own
    (ACCOUNT_HISTORY).
    """

    def __init__(
        self,
        store: ConversationStore,
        *,
        clock: Clock,
        lease_seconds: float,
        delete_after: float | None = None,
        tracks: bool = False,
    ) -> None:
        self.store = store
        self._clock = clock
        self._lease_seconds = lease_seconds + LEASE_SLACK
        self._delete_after = delete_after
        self._tracks = tracks or bool(delete_after)
        self._away_until = 0.0
        self._under_way: set[ConversationPlan] = set()

    @property
    def under_way(self) -> int:
        """Chats that are being answered right now."""
        return len(self._under_way)

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The store's answer; StorageDown soon, and at once while it is known to be away."""
        if self._clock.monotonic() < self._away_until:
            raise _away()
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                return await question()
        except (StorageDown, TimeoutError):
            self._away_until = self._clock.monotonic() + STORE_RETRY_AFTER
            raise _away() from None

    async def plan(
        self, request: ChatRequest, card: ModelCard, caller: Caller, *, fresh: bool = False
    ) -> ConversationPlan:
        """Where this chat goes on. What is found is leased until `remember` or `release`.

        fresh: in a new conversation, so that its last answer can be no other one than this chat's.
        """
        where = scope(caller.tenant, card.web, request.tools)
        messages = request.messages
        named: Conversation | None = None
        if request.conversation_id:
            conversation_id = request.conversation_id
            named = await self._ask(lambda: self.store.get(caller.tenant, conversation_id))
            if named is None and not await self._ask(lambda: self.store.has_room(caller.tenant)):
                raise _crowded(self.store.per_key)
            messages = await _with_files(messages, lambda: self._with_stored(named, where, request.messages))
        chain = await _with_files(messages, lambda: chained(where, messages))
        plan = ConversationPlan(messages, where, chain, "miss", conversation_id=request.conversation_id or "")
        self._under_way.add(plan)
        plan.named = named
        plan.created_at = named.created_at if named else self._clock.now()
        if fresh or request.temporary or len(messages) < 2:
            return plan
        try:
            with contextlib.suppress(StorageDown):
                found = await self._ask(lambda: self.store.find(caller.tenant, plan.names[:-1]))
                if found is not None:
                    plan.owner = f"{caller.request_id}/{secrets.token_hex(4)}"
                    await self._continue(plan, found)
        except BaseException:
            await self.release(plan)  # nobody else can: the caller left, and has no plan to give back
            raise
        return plan

    async def _continue(self, plan: ConversationPlan, found: Conversation) -> None:
        """Lease the conversation in which the history stands, if nothing speaks against it."""
        names, messages = plan.names, plan.messages
        new = names[-2::-1].index(found.tip) + 1  # messages that say nothing share the name before them
        unsent = messages[len(messages) - new : len(messages) - 1 if begun(messages) else None]
        if any(message.role == "assistant" for message in unsent):
            plan.reuse = "fork"  # the history was edited after the place we know
        elif await self._leased(plan, found):
            plan.known, plan.new, plan.reuse = found, new, "hit"
        else:
            plan.reuse = "fork"  # somebody else goes on in it right now

    async def _leased(self, plan: ConversationPlan, found: Conversation) -> bool:
        try:
            return await self._ask(
                lambda: self.store.lease(found.id, plan.owner, self._clock.now(), self._lease_seconds)
            )
        except asyncio.CancelledError:
            plan.known = found  # it may have been granted all the same; releasing lets go of ours alone
            raise

    def _with_stored(
        self, named: Conversation | None, where: str, messages: tuple[Message, ...]
    ) -> tuple[Message, ...]:
        """The whole history of a conversation known by its id: callers send all of it, its end, or what is new."""
        if named is None or not named.named or named.tip in chain(where, messages):
            return messages
        if not named.transcript:
            raise _forgotten()
        stored = transcript.load(named.transcript)
        kept, given = ([chain(where, [message])[0] for message in part] for part in (stored, messages))
        overlap = range(min(len(kept), len(given) - 1), 0, -1)
        known = next((length for length in overlap if kept[-length:] == given[:length]), 0)
        return stored + messages[known:]

    async def remember(
        self,
        plan: ConversationPlan,
        answer: Message,
        thread: Thread,
        *,
        account: str,
        identity: str,
        offer: str,
        tenant: str,
        sentinel: str = "",
    ) -> None:
        """The answer is given: from now on the history with it is known to stand in `thread`.

        A store that is away does not spoil the answer: the history will be told anew.
        """
        now = self._clock.now()
        history = answered(plan.messages, answer)
        named = bool(plan.conversation_id)
        previous = plan.known
        if previous or plan.named:
            await self._outgrown(plan, thread)
        if len(history) > len(plan.messages):
            await _with_files((answer,), lambda: plan.chain.add(answer))
            tip = plan.names[-1]
        else:  # the answer has become one with a message that was hashed without it
            tip = (await _with_files(history, lambda: chain(plan.scope, history)))[-1]
        written = await _with_files(history, lambda: transcript.dump(history)) if named else ""
        conversation = Conversation(
            id=plan.conversation_id or (previous.id if previous else secrets.token_hex(16)),
            tenant=tenant,
            tip=tip,
            length=len(history),
            account=account,
            identity=identity,
            offer=offer,
            thread=thread,
            created_at=previous.created_at if previous else plan.created_at,
            updated_at=now,
            sentinel=sentinel,
            named=named,
            transcript=written,
            delete_at=self._due(),
        )
        plan.known = None
        with contextlib.suppress(StorageDown):
            if plan.deleted is not None:
                await self.delete(conversation, plan.deleted)
            elif not self.store.save_soon(conversation):
                there = {one.id for one in (previous, plan.named) if one is not None}
                await self._ask(lambda: self.store.save(conversation, anew=conversation.id not in there))
            if previous is not None and previous.id != conversation.id:
                replaced = previous.id
                await self._ask(lambda: self.store.forget(replaced))

    async def _outgrown(self, plan: ConversationPlan, thread: Thread) -> None:
        """Remember the chats in which a conversation stood until now, where it goes on in another one."""
        stood = {one.thread.cid: one for one in (plan.named, plan.known) if one is not None}
        for cid, one in stood.items():
            if cid != thread.cid:
                await self.mark_abandoned(cid, account=one.account, identity=one.identity, tenant=one.tenant)

    def over(self, plan: ConversationPlan) -> None:
        """Its chat is not answered any more."""
        self._under_way.discard(plan)

    async def release(self, plan: ConversationPlan, *, lost: bool = False) -> None:
        """No answer came. `lost`: the conversation may have moved on without us, so nobody can rely on it any more."""
        self.over(plan)
        if plan.known is None:
            return
        known, plan.known = plan.known, None
        if plan.deleted is not None:
            return
        with contextlib.suppress(StorageDown):
            await self._ask(lambda: self._release_lease(known, plan.owner, lost=lost))

    async def _release_lease(self, known: Conversation, owner: str, *, lost: bool) -> None:
        if lost and not known.named:
            if self._tracks and known.thread.cid:
                # It still stands in the account's history and is ours to delete.
                await self.store.save(replace(known, tip="", delete_at=self._due()), anew=False)
            else:
                await self.store.forget(known.id)
        elif lost:
            await self.store.save(replace(known, tip=""), anew=False)
        else:
            await self.store.release(known.id, owner)

    async def delete(self, conversation: Conversation, pool: AccountPool) -> None:
        """Forget it here, and delete it at Google when it was begun by us and its account can be reached now. An answer
        that is under way in it does not bring it back.
        """
        for plan in self._under_way:
            if any(one is not None and one.id == conversation.id for one in (plan.known, plan.named)):
                plan.deleted = pool
        await self._deleted(conversation, pool)
        await self.store.forget(conversation.id)

    async def delete_due(self, pool: AccountPool) -> int:
        """Delete at Google what has rested long enough; how many. Ours only: nothing else has a row here.

        What cannot be deleted now waits behind the others: an account that is not open, or a chat that Google does not
        let go, keeps no other one.
        """
        done = 0
        for conversation in await self.store.due(self._clock.now(), DELETED_AT_ONCE):
            if await self._deleted(conversation, pool):
                await self.store.forget(conversation.id)
                done += 1
            else:
                await self.store.put_off(conversation.id, self._clock.now() + DELETED_AGAIN)
        return done

    async def _deleted(self, conversation: Conversation, pool: AccountPool) -> bool:
        """Whether Google has it no longer, as far as we can reach: it is deleted there, or its account is not ours."""
        account, cid = pool.account(conversation.account), conversation.thread.cid
        if account is None or account.identity != conversation.identity or not cid:
            return True
        if account.is_open:
            with contextlib.suppress(GatewayError):
                await account.upstream.delete_chat(cid)
                return True
        return False

    async def mark_abandoned(self, cid: str, *, account: str, identity: str, tenant: str) -> None:
        """A conversation was opened at Google and its answer failed: remember it if it is to be deleted, or told apart
        from those of the account's owner.
        """
        if not self._tracks or not cid:
            return
        now = self._clock.now()
        left = Conversation(
            secrets.token_hex(16), tenant, "", 0, account, identity, "", Thread((cid,)), now, now, delete_at=self._due()
        )
        with contextlib.suppress(StorageDown):
            await self._ask(lambda: self.store.save(left))

    def _due(self) -> float:
        """When what rests from now on is deleted at Google; 0 for never."""
        return self._clock.now() + self._delete_after if self._delete_after else 0.0


def _forgotten() -> NotFound:
    return NotFound(
        "What was said in this conversation is not kept any more, for newer chats of this key take all the room "
        "(CHATS_PER_KEY_MB): send its whole history, or begin another one",
        "该对话的内容已不再保存：此密钥较新的对话已占满空间（CHATS_PER_KEY_MB）。请发送完整历史，或开始新的对话",
        param="conversation_id",
        code="conversation_forgotten",
    )


def _crowded(most: int) -> NoRoom:
    return NoRoom(
        f"Named conversations of one key may be {most} (CONVERSATIONS_PER_KEY), and so many are here: delete some, or "
        "leave conversation_id out",
        f"单个密钥的命名对话上限为 {most} 个（CONVERSATIONS_PER_KEY），已达上限：请先删除一些，或去掉 conversation_id",
        param="conversation_id",
        code="conversations_full",
    )


def _away() -> StorageDown:
    return StorageDown(
        "The database that holds conversations is away; leave conversation_id out, or try again",
        "保存对话的数据库不可用；请去掉 conversation_id 或稍后重试",
        code="database_unavailable",
        retry_after=5.0,
    )
