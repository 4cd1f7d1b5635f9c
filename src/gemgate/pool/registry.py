"""The accounts of this process and what is stored of them: set up, restored, handed new cookies, paused, removed.

Only the node that owns an account refreshes it and generates with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gemgate.accounts import Capability, Cookies, account_not_found
from gemgate.caller import Caller
from gemgate.catalog import ModelCard
from gemgate.errors import BadRequest, Conflict, GatewayError, NotThisAccount
from gemgate.policy.session_forecast import Forecast
from gemgate.policy.token_bucket import Bucket
from gemgate.pool.account import Account
from gemgate.pool.lives import SessionLives
from gemgate.pool.pool import AccountPool
from gemgate.pool.prompt_limits import measure
from gemgate.pool.record import (
    AccountRecord,
    InMemoryRecord,
    Sessions,
    StoredRecord,
    one_session_twice,
)
from gemgate.pool.status import PHANTOM, Egress
from gemgate.pool.ways_out import WaysOut
from gemgate.ports.accounts import AccountSetup, AccountStore, AuditLine, StoredAccount
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

LEASE_SECONDS = 30.0
CLOSE_SECONDS = 5.0
"""How long what is being written may still take when an account, or all of them, are let go."""
ACTIONS = ("test", "refresh", "pause", "resume", "reset")
"""What people do with an account that is there."""

Build = Callable[[AccountSetup, Egress, AccountRecord], Awaitable[Account]]
"""Makes an account: upstream, source, pacer and all. Only the assembly knows how."""


class AccountRegistry:
    """`owner`: this node's name in leases; `pace`: makes the pace of one way out. `start` never waits for Google."""

    def __init__(
        self,
        pool: AccountPool,
        store: AccountStore,
        build: Build,
        *,
        owner: str,
        clock: Clock,
        observer: Observer,
        rotate_every: float,
        default_proxy: str | None = None,
        pace: Callable[[], Bucket] = Bucket,
    ) -> None:
        self.store = store
        self._pool = pool
        self.build = build
        self._owner = owner
        self._clock = clock
        self._observer = observer
        self._ways = WaysOut(store, owner=owner, pace=pace, general=default_proxy, clock=clock)
        self._own = True
        self._changing = asyncio.Lock()
        """Held by whoever changes which accounts run here: two of one name would rotate one session."""
        self._named: frozenset[str] = frozenset()
        self._records: dict[str, StoredRecord] = {}
        self._sessions = Sessions(pool)
        self.lives = SessionLives(store, rotate_every=rotate_every, clock=clock)
        self._renewed_at = clock.monotonic()
        self.on_added: Callable[[Account], None] = lambda account: None
        self.on_removed: Callable[[Account], None] = lambda account: None

    async def start(self, seeds: Sequence[AccountSetup], *, own: bool = True) -> None:
        """Set up what the settings name, restore what is stored, and take over the accounts that nobody else runs.

        own: False only looks on: accounts are used whoever owns them, and never renewed.
        """
        self._own = own
        await self.store.rewrap()
        for seed in seeds:
            await self.store.set_up(seed)
        await self._ways.load()
        await self.lives.load()
        self._named = frozenset(seed.name for seed in seeds)
        for kept in await self.store.all():
            if self._is_meant(kept):
                await self._join_or_note(kept)

    async def _join_or_note(self, kept: StoredAccount) -> None:
        """One account that cannot be run must not keep the others from running."""
        try:
            await self._adopt(kept)
        except BadRequest as error:
            self._observer.emit(TelemetryEvent("account.not_run", data={"account": kept.name, "why": error.en}))

    def _is_meant(self, kept: StoredAccount) -> bool:
        """Whether an account that is stored is to be used: what the settings once named and do not any more is not."""
        return kept.setup.origin == "admin" or kept.name in self._named

    async def _adopt(self, kept: StoredAccount, *, handed: bool = False) -> Account | None:
        """Run an account here, unless another node does."""
        if self._own and not await self.store.claim(kept.name, self._owner, LEASE_SECONDS):
            return None
        record = self._records[kept.name] = StoredRecord(
            kept,
            self.store,
            self._sessions,
            self.lives,
            owner=self._owner,
            clock=self._clock,
            observer=self._observer,
        )
        setup, way = await self._ways.chosen(kept.setup, kept.way)
        if way.name != kept.way:
            await self.store.keep_way(kept.name, way.name)
        account = await self.build(setup, way, record)
        account.restore(kept)
        account.handed = handed
        self._pool.add(account)
        self.on_added(account)
        return account

    async def _go(self, account: Account, way: str) -> None:
        """Another way out from now on; calls under way end on the old one."""
        self._pool.remove(account.name)
        self.on_removed(account)
        if (record := self._records.pop(account.name, None)) is not None:
            await record.close(CLOSE_SECONDS)
        await self.store.keep_way(account.name, way)
        await self._adopt(await self.store.get(account.name))
        data: dict[str, str | int | float | bool | None] = {"account": account.name, "way": way}
        self._observer.emit(TelemetryEvent("account.way", data=data | {"before": account.egress.name}))

    async def renew(self) -> None:
        """Keep our leases, let go of what another node took, and take over what nobody runs any more.

        After a time without the store nothing is taken over at first: the others could not renew theirs either.
        """
        async with self._changing:
            held = await self.store.renew(self._owner, LEASE_SECONDS)
            now = self._clock.monotonic()
            was_away = now - self._renewed_at > LEASE_SECONDS * 2 / 3
            self._renewed_at = now
            await self._ways.warm()
            for account in self._pool.accounts:
                if account.name not in held:
                    await self._release(account)
                elif (record := self._records.get(account.name)) is not None:
                    record.retry()
                    if way := self._ways.leads_elsewhere(record.setup, account):
                        await self._go(account, way)
            if was_away:
                return
            running = {account.name for account in self._pool.accounts}
            for kept in await self.store.all():
                if kept.name not in running and self._is_meant(kept):
                    await self._join_or_note(kept)

    async def lanes_elsewhere(self, usual: int) -> int:
        """Calls at once that the accounts of other living nodes take; `usual` where an account does not say."""
        now = self._clock.now()
        others = [kept for kept in await self.store.all() if kept.owner not in ("", self._owner)]
        return sum(kept.setup.lanes or usual for kept in others if kept.lease_until > now and not kept.paused)

    async def close(self) -> None:
        """Bring everything down, and give the accounts back."""
        await asyncio.gather(*(record.drain(CLOSE_SECONDS) for record in self._records.values()))
        await self.store.release(self._owner)

    # What operators do

    async def add(
        self, setup: AccountSetup, caller: Caller, *, only_new: bool = False, cookies: Cookies | None = None
    ) -> Account:
        """A new account, or an old one set up anew; it starts to run here. only_new: Conflict for one that is there.

        cookies: handed over with it, as by `replace_cookies`; where they do not sign in it is set up all the same.
        """
        account = await self._set_up(setup, caller, only_new=only_new, handed=cookies is not None)
        if cookies is None:
            return account
        try:
            return await self.replace_cookies(setup.name, cookies, caller)
        finally:
            account.handed = False

    async def _set_up(
        self, setup: AccountSetup, caller: Caller, *, only_new: bool = False, handed: bool = False
    ) -> Account:
        """handed: cookies for it follow; who sets this takes it back (`Account.handed`)."""
        _check_name(setup.name)
        check_proxy(setup.proxy)
        _check_desktop(setup.desktop)
        # a source that cannot be must not be stored
        await self.build(*await self._ways.chosen(setup, ""), InMemoryRecord())
        async with self._changing:
            if only_new and setup.name in {kept.name for kept in await self.store.all()}:
                raise _there_already(setup.name)
            await self.store.set_up(setup)
            if (old := self._pool.account(setup.name)) is not None:
                await self._release(old)
            await self.note(caller, "set up", setup.name, setup.source or "by hand")
            account = await self._adopt(await self.store.get(setup.name), handed=handed)
        if account is None:
            raise BadRequest(
                f"The account {setup.name} is run by another node", f"账号 {setup.name} 由其他节点运行", param="account"
            )
        return account

    async def replace_cookies(
        self, name: str | None, cookies: Cookies, caller: Caller, *, unseen: bool = False
    ) -> Account:
        """New cookies for an account: verified before the old ones are dropped, taken without a restart.

        Without a name the only account is meant; without any account one called "default" is made. unseen: a program
        sends them, again and again: see `Account.sign_in`, and only another session is worth a line of the audit.
        """
        account = self._chosen(name)
        if account is not None and account.upstream.kind == "official":
            raise BadRequest(
                f"The account {name} uses an API key and no cookies",
                f"账号 {name} 使用 API 密钥，不需要 Cookie",
                param="account",
            )
        number = account.number if account is not None else 0
        if (holder := self._sessions.account_with(cookies, number)) and (account is None or holder != account.name):
            raise one_session_twice(Conflict, holder)
        new = account is None
        session = account.cookies.identity if account is not None and account.cookies else ""
        if account is None:
            account = await self._set_up(AccountSetup(name or "default"), caller, handed=True)
        given = account
        try:
            account = await self._signed_in(account, cookies, unseen=unseen)
        except GatewayError as error:
            if new:  # nothing is left of an account that never was one
                await self.remove(account.name, caller)
            if isinstance(error, NotThisAccount):
                raise Conflict(error.en, error.zh, code=error.code) from None
            raise
        finally:
            given.handed = False
        if not unseen or cookies.identity != session:
            await self.note(caller, "cookies", account.name, f"session {cookies.identity}")
        return account

    async def _signed_in(self, account: Account, cookies: Cookies, *, unseen: bool) -> Account:
        """The account, with these cookies, also where it was set up anew meanwhile or goes another way."""
        while True:
            await account.sign_in(cookies=cookies, unseen=unseen)
            async with self._changing:
                now = self._pool.account(account.name)
            if now is None or now is account:
                return account
            account = now

    def _chosen(self, name: str | None) -> Account | None:
        if name is not None:
            return self._pool.account(name)
        accounts = [account for account in self._pool.accounts if account.upstream.kind == "web"]
        if len(accounts) > 1:
            names = ", ".join(account.name for account in accounts)
            raise BadRequest(
                f"Say which account: {names}", f"请指定账号：{names}", param="account", details={"accounts": names}
            )
        return accounts[0] if accounts else None

    def sharing(self, account: Account) -> list[Account]:
        """The account and those that go by the same cookies under other numbers."""
        held = account.cookies
        accounts = [
            one for one in self._pool.accounts if held and one.cookies and one.cookies.identity == held.identity
        ]
        return accounts or [account]

    def account(self, name: str) -> Account:
        """An account that runs here; NotFound."""
        if (account := self._pool.account(name)) is None:
            raise account_not_found(name)
        return account

    async def remove(self, name: str, caller: Caller) -> None:
        """Forget an account with its cookies; calls under way end as they do."""
        async with self._changing:
            await self._release(self.account(name))
            await self.store.remove(name)
        await self.lives.load()
        await self.note(caller, "removed", name)

    async def pause(self, name: str, paused: bool, caller: Caller) -> Account:
        account = self.account(name)
        account.pause(paused)
        await self.store.pause(name, paused)
        await self.note(caller, "paused" if paused else "resumed", name)
        return account

    async def run_action(self, name: str, action: str, caller: Caller, capability: Capability | None = None) -> Account:
        """One of `ACTIONS` by its name; BadRequest for any other. capability: the only one that is reset."""
        match action:
            case "test":
                return await self.test(name)
            case "refresh":
                return await self.refresh(name, caller)
            case "pause" | "resume":
                return await self.pause(name, action == "pause", caller)
            case "reset":
                return await self.reset(name, capability, caller)
        raise BadRequest(
            f"{action} is no action; use {', '.join(ACTIONS)}", f"未知操作 {action}，可用：{'、'.join(ACTIONS)}"
        )

    async def test(self, name: str) -> Account:
        """Ask Google how the account stands, cheaply, and believe it. Of a session that is refused its page says more
        of the end; and the source may have another by now.
        """
        account = self.account(name)
        if not account.is_open:
            await account.sign_in()
            return account
        epoch = account.session_epoch
        try:
            await account.upstream.ping()
        except GatewayError as error:
            if error.kind == "signed_out":
                if account.signed_out(error, epoch):
                    await account.sign_in()
                return account
            if error.code == PHANTOM:
                account.unwell(error, epoch)
            raise
        return account

    async def reset(self, name: str, capability: Capability | None, caller: Caller) -> Account:
        """Close circuits by hand."""
        account = self.account(name)
        account.reset(capability)
        await self.note(caller, "reset", name, capability or "all")
        return account

    async def measure(self, name: str, model: ModelCard, word: Callable[[], str], caller: Caller) -> Account:
        """Find out how much of a prompt the account reads, and remember it. At most six generations."""
        account = self.account(name)
        if account.upstream.kind != "web":
            raise BadRequest(
                f"The account {name} uses the official API, which says itself when a prompt is too long",
                f"账号 {name} 使用官方 API，提示过长时会直接返回错误",
                param="account",
            )
        if not account.is_open:
            await account.sign_in()
        others = [other.name for other in self._pool.accounts if other is not account]
        async with self._pool.lease(model, needs=("text", "upload"), prefer=name, avoid=others) as lease:
            walls = await measure(lease, word=word, now=self._clock.now(), tier=account.usage.tier)
        account.learn_walls(walls)
        await self.store.keep_walls(name, walls)
        await self.note(caller, "measured", name, f"{walls.plain} bytes, with files {walls.with_files}")
        account.changed()
        return account

    async def refresh(self, name: str, caller: Caller) -> Account:
        """Sign in anew now."""
        account = self.account(name)
        await self.note(caller, "refreshed", name)
        await account.sign_in()
        return account

    async def note(self, caller: Caller, action: str, account: str, detail: str = "") -> None:
        """A line of the audit: who did what, and when."""
        await self.store.audit(AuditLine(self._clock.now(), actor_of(caller), action, account, detail))
        self._observer.emit(TelemetryEvent("account.audit", caller.request_id, {"action": action, "account": account}))

    def forecast(self, account: Account) -> Forecast | None:
        """When the session likely dies, judged by the ones before it."""
        return self.lives.forecast(account)

    def desktop(self, account: Account) -> str:
        """Where a person reaches the account's browser, "" = nowhere."""
        record = self._records.get(account.name)
        return record.setup.desktop if record is not None else ""

    async def _release(self, account: Account) -> None:
        self._pool.remove(account.name)
        self.on_removed(account)
        if (record := self._records.pop(account.name, None)) is not None:
            await record.close(CLOSE_SECONDS)
        await self.store.release(self._owner, account.name)


def actor_of(caller: Caller) -> str:
    """How the audit names somebody."""
    return caller.tenant or ("admin" if caller.admin else caller.client)


def _there_already(name: str) -> Conflict:
    return Conflict(
        f"There is an account {name} already: change that one, or choose another name",
        f"账号 {name} 已存在：请修改该账号，或换一个名称",
        param="name",
        code="account_exists",
    )


def check_proxy(proxy: str | None) -> None:
    """BadRequest for what is no way out."""
    known = ("http://", "https://", "socks5://", "socks5h://", "socks4://")
    if not all(way.startswith(known) for way in (proxy or "").split()):
        raise BadRequest(
            "A proxy begins with http://, https:// or socks5://",
            "代理地址必须以 http://、https:// 或 socks5:// 开头",
            param="proxy",
        )


def _check_desktop(address: str) -> None:
    if address and not address.startswith(("http://", "https://")):
        raise BadRequest(
            "The address of a desktop begins with http:// or https://",
            "桌面地址必须以 http:// 或 https:// 开头",
            param="desktop",
        )


def _check_name(name: str) -> None:
    if not name or len(name) > 64 or not all(char.isalnum() or char in "-_.@" for char in name):
        raise BadRequest(
            "An account's name has up to 64 letters, digits or any of - _ . @",
            "账号名称最多 64 个字符，只能包含字母、数字和 - _ . @",
            param="account",
        )
