"""The accounts' own chats at Google, for whoever runs the gateway, and only where ACCOUNT_HISTORY opens them.

Nothing is kept here: each question goes to Google, in the pace of the account and of its way out, as prompts do. What
was said under the key of somebody else is never shown, found, changed or exported, only named as theirs; deleted is
only what this gateway has made.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import field, replace
from typing import ParamSpec, TypeVar, cast

from gemgate.caller import Caller
from gemgate.errors import BadRequest, Blocked, Broken, Busy, Conflict, Forbidden, GatewayError, NotFound, SignedOut
from gemgate.frozen import frozen
from gemgate.policy.history_place import Place
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.history import PAGE, ChatLedger, ChatPage, ChatTurn, HistoryKeeper, ListedChat, TurnPage
from gemgate.ports.history import ChatHistory as Chats
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

T = TypeVar("T")
P = ParamSpec("P")

_CHAT_ID = re.compile(r"c_[0-9A-Za-z_-]{1,100}")
TURNS_AT_ONCE = 50
"""Of an export: a page of them is one answer of Google's in memory."""
LONGEST_CHAT = 5_000
"""Turns of a chat that an export holds, the newest ones; it says where there are more."""
LARGEST_CHAT = 32_000_000
"""The same in characters."""
MOST_EXPORTS = 2
"""At the same time: each holds a chat in memory."""
PATIENCE = 20
"""How often an export waits for its turn at one call before it gives up."""


@frozen
class KeptChat:
    """A chat of an account. tenant: for whom this gateway made it, None where it did not."""

    account: str
    chat: ListedChat
    tenant: str | None = None

    def is_open_to(self, caller: Caller) -> bool:
        """Whether its words are for this caller: the owner's own chats, and those of the caller's own key."""
        return self.tenant is None or self.tenant == caller.tenant


@frozen
class HistoryPage:
    """place: where the next page begins, None behind the last one. problems: accounts that could not be asked.

    by_titles: Google has no search for an account, so its titles were looked through.
    """

    chats: tuple[KeptChat, ...] = ()
    place: Place | None = None
    problems: Mapping[str, GatewayError] = field(default_factory=dict)
    by_titles: bool = False


@frozen
class WholeChat:
    """A chat to be written down, its turns in the order in which they were said. cut: older ones are missing."""

    kept: KeptChat
    turns: tuple[ChatTurn, ...]
    cut: bool = False


@frozen
class NotExported:
    """What an export has to leave out, and why. chat_id: "" for the rest of the account."""

    account: str
    chat_id: str
    error: GatewayError


@frozen
class ExportEnd:
    """The end of an export that was not broken off. place: where the next one goes on; None when this was all."""

    place: Place | None


Exported = WholeChat | NotExported | ExportEnd


class History:
    """enabled: what ACCOUNT_HISTORY says."""

    def __init__(
        self,
        pool: AccountPool,
        registry: AccountRegistry,
        ledger: ChatLedger,
        *,
        clock: Clock,
        observer: Observer,
        enabled: bool,
    ) -> None:
        self._pool = pool
        self._registry = registry
        self._ledger = ledger
        self._clock = clock
        self._observer = observer
        self._enabled = enabled
        self._exports = 0

    async def page(self, place: Place | None, limit: int, name: str = "", query: str = "") -> HistoryPage:
        """Chats of one account, or of all, one after the other; with a query those in which it is found.

        One account that cannot be asked does not hide the others; the only one that was named raises.
        """
        names = self._names(name)
        if not names:
            return HistoryPage()
        place = place or Place(names[0], "found" if query else "pinned")
        if place.account not in names:
            raise _unknown_place()
        try:
            found, by_titles, following = await self._found(place, limit, query)
        except GatewayError as error:
            if name or isinstance(error, BadRequest | Busy):
                raise
            return HistoryPage(place=_behind(place.account, names, query), problems={place.account: error})
        chats = await self._known(place.account, found)
        return HistoryPage(tuple(chats), following or _behind(place.account, names, query), by_titles=by_titles)

    async def _found(self, place: Place, limit: int, query: str) -> tuple[Sequence[ListedChat], bool, Place | None]:
        """Chats from this place on, whether only titles were looked at, and where the account's next ones are."""
        account = self._account(place.account)
        if place.shelf == "found":
            page = await self._call(account, "search", lambda chats: chats.search(query, place.token))
            if page is not None:
                return page.chats, False, replace(place, token=page.token) if page.token else None
            place = Place(account.name, "pinned")
        words = query.casefold()
        found: list[ListedChat] = []
        looked = 0
        while True:
            page = await self._listed(account, place, limit - looked)
            looked += len(page.chats)
            found += [chat for chat in page.chats if words in chat.title.casefold()]
            following = place.following(page.token)
            if following is None or following.shelf == place.shelf or looked >= limit:
                return found, bool(query), following
            place = following

    async def _listed(self, account: Account, place: Place, limit: int) -> ChatPage:
        pinned = place.shelf == "pinned"
        return await self._call(account, "list", lambda chats: chats.chats(limit, place.token, pinned=pinned))

    async def _known(self, name: str, chats: Sequence[ListedChat]) -> list[KeptChat]:
        made = await self._ledger.made([chat.id for chat in chats])
        return [KeptChat(name, chat, made.get(chat.id)) for chat in chats]

    async def one(self, name: str, chat_id: str, caller: Caller) -> KeptChat:
        """A chat with its title, as far as Google tells it. Forbidden for one of another key."""
        account = self._account(name)
        await self._own(name, chat_id, caller)
        told = await self._call(account, "look", lambda chats: chats.chat(chat_id))
        return (await self._known(name, [told or ListedChat(chat_id, "")]))[0]

    async def turns(self, name: str, chat_id: str, limit: int, token: str, caller: Caller) -> TurnPage:
        """What was said in a chat, the newest first. NotFound; Forbidden for one of another key."""
        account = self._account(name)
        await self._own(name, chat_id, caller)
        return await self._turns(account, chat_id, limit, token)

    async def _turns(self, account: Account, chat_id: str, limit: int, token: str) -> TurnPage:
        page = await self._call(account, "read", lambda chats: chats.turns(chat_id, limit, token))
        if page is None:
            raise _no_chat(account.name, chat_id)
        return page

    async def rename(self, name: str, chat_id: str, title: str, caller: Caller) -> bool | None:
        """Give a chat another title; whether Google shows it now, None where it does not tell."""
        told = await self._changed(name, chat_id, caller, "rename", lambda chats: chats.rename(chat_id, title))
        return None if told is None else told.title == title

    async def pin(self, name: str, chat_id: str, caller: Caller, *, pinned: bool) -> bool | None:
        """Pin a chat or take it down; whether Google shows it so now, None where it does not tell."""
        told = await self._changed(name, chat_id, caller, "pin", lambda chats: chats.pin(chat_id, pinned=pinned))
        return None if told is None else told.pinned is pinned

    async def _changed(
        self, name: str, chat_id: str, caller: Caller, what: str, change: Callable[[Chats], Awaitable[None]]
    ) -> ListedChat | None:
        account = self._account(name)
        await self._own(name, chat_id, caller)
        await self._turns(account, chat_id, 1, "")
        await self._call(account, what, change)
        await self._registry.note(caller, f"history {what}", name, chat_id)
        return await self._call(account, "look", lambda chats: chats.chat(chat_id))

    async def delete(self, name: str, chat_id: str, caller: Caller) -> None:
        """Delete for good what this gateway has made, whoever asked for it. Forbidden for all else."""
        account = self._account(name)
        if await self._made_for(name, chat_id) is None:
            raise Forbidden(
                "This chat was not made by this gateway, so it is not deleted here; its owner can in the Gemini app",
                "该对话不是由本网关创建的，因此不会在此删除；账号所有者可在 Gemini 应用中删除",
                code="not_made_here",
            )
        await self._turns(account, chat_id, 1, "")
        await self._call(account, "delete", lambda _: account.upstream.delete_chat(chat_id))
        await self._registry.note(caller, "history delete", name, chat_id)
        if await self._call(account, "read", lambda chats: chats.turns(chat_id, 1)) is not None:
            raise Broken(
                "Google was asked to delete the chat, and still has it",
                "已请求 Google 删除该对话，但它仍然存在",
                generated="no",
                code="not_deleted",
            )

    async def export(
        self, caller: Caller, place: Place | None, most: int, name: str = "", chat_id: str = ""
    ) -> AsyncGenerator[Exported, None]:
        """Chats to be written down, one after the other; `most` at most. With `chat_id` that one alone.

        Begins with a check of what may be wrong with the question, so that it can still be answered with an error.
        """
        self._names(name)
        found = self._exported(caller, place, most, name, chat_id)
        await anext(found)
        return cast("AsyncGenerator[Exported, None]", found)

    async def _exported(
        self, caller: Caller, place: Place | None, most: int, name: str, chat_id: str
    ) -> AsyncGenerator[Exported | None, None]:
        """The same, behind a first None: from then on its place among the exports is given back whatever happens."""
        if self._exports >= MOST_EXPORTS:
            raise Busy(
                f"{MOST_EXPORTS} exports run already; try again when one has ended",
                f"已有 {MOST_EXPORTS} 个导出在进行，请等待其结束后重试",
                retry_after=60.0,
                code="too_many_exports",
            )
        self._exports += 1
        try:
            only = await self._whole(await self.one(name, chat_id, caller)) if chat_id else None
            await self._registry.note(caller, "history export", name, chat_id)
            yield None
            if only is not None:
                yield only
                yield ExportEnd(None)
                return
            async with aclosing(self._all(caller, place, most, name)) as found:
                async for one in found:
                    yield one
        finally:
            self._exports -= 1

    async def _all(self, caller: Caller, place: Place | None, most: int, name: str) -> AsyncGenerator[Exported, None]:
        """Where `most` is reached within a page, the next export begins with that page and skips what was in this."""
        left = most
        while True:
            here = place
            try:
                page = await self._patiently(self.page, here, PAGE, name)
            except GatewayError as error:
                yield NotExported(name, "", error)
                yield ExportEnd(here)
                return
            for account, trouble in page.problems.items():
                yield NotExported(account, "", trouble)
            start = here or Place(page.chats[0].account if page.chats else "", "pinned")
            for number, kept in enumerate(page.chats):
                if number < start.skip or not kept.is_open_to(caller):
                    continue
                if not left:
                    yield ExportEnd(replace(start, skip=number))
                    return
                left -= 1
                try:
                    whole = await self._whole(kept)
                except GatewayError as error:
                    yield NotExported(kept.account, kept.chat.id, error)
                    if isinstance(error, SignedOut | Blocked | Conflict | Busy):
                        page = replace(page, place=_behind(kept.account, self._names(name), ""))
                        break
                else:
                    yield whole
            if page.place is None:
                break
            place = page.place
        yield ExportEnd(None)

    async def _whole(self, kept: KeptChat) -> WholeChat:
        account, token = self._account(kept.account), ""
        turns: list[ChatTurn] = []
        characters = 0
        while len(turns) < LONGEST_CHAT and characters < LARGEST_CHAT:
            page = await self._patiently(self._turns, account, kept.chat.id, TURNS_AT_ONCE, token)
            turns += page.turns
            characters += sum(len(turn.prompt) + len(turn.answer) + len(turn.thoughts) for turn in page.turns)
            token = page.token
            if not token or not page.turns:
                token = ""
                break
        return WholeChat(kept, tuple(reversed(turns)), cut=bool(token))

    async def _patiently(self, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait for one's turn where others have booked the pace; what is asked here generates nothing."""
        for _ in range(PATIENCE):
            try:
                return await ask(*args, **kwargs)
            except Busy as error:
                await self._clock.sleep(error.retry_after or 5.0)
        return await ask(*args, **kwargs)

    async def _call(self, account: Account, what: str, ask: Callable[[Chats], Awaitable[T]]) -> T:
        """One call to Google, in the pace of the account; once more when its session was over and could be renewed."""
        keeper = account.upstream
        assert isinstance(keeper, HistoryKeeper)
        if not account.is_open:
            await account.sign_in(seen=account.session_epoch)
        for renewed in (False, True):
            epoch, outcome = account.session_epoch, "ok"
            await self._pool.paced(account)
            try:
                with account.going_out():
                    return await ask(keeper.history)
            except GatewayError as error:
                outcome = error.kind
                if renewed or not isinstance(error, SignedOut):
                    raise
            finally:
                facts = TelemetryEvent("history.called", data={"account": account.name, "what": what, "kind": outcome})
                self._observer.emit(facts)
            await account.sign_in(seen=epoch)
        raise AssertionError

    async def _made_for(self, name: str, chat_id: str) -> str | None:
        """The tenant for whom this gateway made it, None where it did not. NotFound for what is no chat's id."""
        if not _CHAT_ID.fullmatch(chat_id):
            raise _no_chat(name, chat_id)
        return (await self._ledger.made([chat_id])).get(chat_id)

    async def _own(self, name: str, chat_id: str, caller: Caller) -> None:
        """Forbidden for a chat that was made under another key."""
        tenant = await self._made_for(name, chat_id)
        if not KeptChat(name, ListedChat(chat_id, ""), tenant).is_open_to(caller):
            raise Forbidden(
                "This chat was made under another key: what was said in it is for that key alone",
                "该对话由其他密钥创建，其内容仅对该密钥可见",
                code="other_key",
            )

    def _names(self, name: str) -> list[str]:
        """The account of this name, or all that have a history. Forbidden while the setting is off."""
        if name:
            return [self._account(name).name]
        self._check_open()
        return [one.name for one in self._pool.accounts if isinstance(one.upstream, HistoryKeeper) and not one.paused]

    def _account(self, name: str) -> Account:
        self._check_open()
        account = self._registry.account(name)
        if not isinstance(account.upstream, HistoryKeeper):
            raise BadRequest(
                f"The account {name} uses the official API, which keeps no chats",
                f"账号 {name} 使用官方 API，没有对话历史",
                param="account",
            )
        if account.paused:
            raise Conflict(
                f"The account {name} is paused: nothing is asked of Google with it. Resume it first",
                f"账号 {name} 已暂停，不会向 Google 发出请求，请先恢复",
                code="account_paused",
            )
        return account

    def _check_open(self) -> None:
        if not self._enabled:
            raise Forbidden(
                "The accounts' own history is closed; ACCOUNT_HISTORY=true opens it to the admin key",
                "账号历史未开放；设置 ACCOUNT_HISTORY=true 后可用管理密钥访问",
                code="history_closed",
            )


def _behind(name: str, names: Sequence[str], query: str) -> Place | None:
    """Where the next account's chats begin."""
    later = names[names.index(name) + 1 :] if name in names else ()
    return Place(later[0], "found" if query else "pinned") if later else None


def _no_chat(name: str, chat_id: str) -> NotFound:
    return NotFound(
        f"The account {name} has no chat {chat_id[:80]}", f"账号 {name} 没有对话 {chat_id[:80]}", code="chat_not_found"
    )


def _unknown_place() -> BadRequest:
    return BadRequest(
        "cursor is of an account that is not asked here; begin again without one",
        "cursor 属于未查询的账号，请去掉 cursor 重新开始",
        param="cursor",
        code="invalid_cursor",
    )
