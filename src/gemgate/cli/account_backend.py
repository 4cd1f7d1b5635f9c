"""Where `gemgate accounts` does its work: over the API of the gateway that runs, or on the database when none does.

Both give and take the same facts, those of `GET /api/accounts`. Cookies go through, and are never given back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import aiohttp

from gemgate.accounts import Capability, Cookies
from gemgate.assembly.identities import chosen, identities
from gemgate.assembly.node import local_url, open_service
from gemgate.assembly.service import Service
from gemgate.assembly.storage import holder_of, key_file, open_storage, sqlite_path, vault_of
from gemgate.caller import Caller
from gemgate.cli.address import address_of, unreachable
from gemgate.cli.terminal import say
from gemgate.errors import BadRequest, ClientError, Conflict, Forbidden, GatewayError, LocalText, NotFound
from gemgate.frozen import frozen
from gemgate.ports.accounts import AccountSetup, AccountStore, StoredAccount
from gemgate.settings import Settings
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.vault import add_key
from gemgate.web.routes.accounts import account_of
from gemgate.web.routes.identities import identity_facts
from gemgate.web.routes.lives import lives_of

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=180, sock_connect=5)
"""Signing in may take as long as Google takes."""
MEASURING = aiohttp.ClientTimeout(total=2400, sock_connect=5)
"""Six whole answers."""
GLANCE = aiohttp.ClientTimeout(total=5)

Facts = dict[str, Any]


class AccountBackend(Protocol):
    """What can be done with accounts, wherever they are. Every method raises GatewayError."""

    where: str
    """For people: which of the two ways this is."""
    lives: bool
    """Whether accounts sign in by themselves there."""

    async def all(self) -> list[Facts]: ...

    async def one(self, name: str) -> Facts:
        """An account with its last lines of the audit."""
        ...

    async def set_up(self, setup: AccountSetup, cookies: Cookies | None = None) -> Facts:
        """A new account, or an old one set up anew, and signed in with these cookies where there are any."""
        ...

    async def replace_cookies(self, name: str | None, cookies: Cookies) -> str:
        """Sign in with new cookies; the account's name. None: the only one, else "default"."""
        ...

    async def run_action(self, name: str, action: str, capability: Capability | None = None) -> Facts:
        """test, refresh, pause, resume or reset."""
        ...

    async def pair(self, name: str) -> Facts:
        """A code that pairs a browser with the account, once, and until when."""
        ...

    async def identities(
        self, source: str, cookies: Cookies | None, google: str | None, proxy: str | None = None
    ) -> Facts:
        """Who is signed in there; google: which one is meant, by its address, "" = the only one, None = all. proxy: the
        way out of the account that it is for.
        """
        ...

    async def survival(self) -> Facts:
        """How long sessions lived, by what kept them alive."""
        ...

    async def measure(self, name: str) -> Facts:
        """Find out how much of a prompt the account reads, with at most six prompts."""
        ...

    async def remove(self, name: str) -> None: ...


@asynccontextmanager
async def opened(settings: Settings, url: str | None, node: str | None, language: str) -> AsyncIterator[AccountBackend]:
    """The desk for these settings. url: the gateway to ask, else it is looked for; node: which one of a fleet."""
    found = address_of(url) if url else await running(settings)
    if found is not None:
        key = settings.admin_key.get_secret_value() if settings.admin_key else ""
        headers = {"accept-language": language, **({"authorization": f"Bearer {key}"} if key else {})}
        base = found.rstrip("/") + "/"
        async with aiohttp.ClientSession(base, timeout=REQUEST_TIMEOUT, headers=headers) as http:
            yield _Online(http, base, node)
        return
    async with open_service(settings, resident=False, exclusive=True) as service:
        yield _Offline(service, language)


def resident(service: Service, language: str) -> AccountBackend:
    """On a service of this process, which runs its accounts itself."""
    return _Offline(service, language, lives=True)


async def running(settings: Settings) -> str | None:
    """Where a gateway on our database answers: the lock beside SQLite says it, on PostgreSQL we knock at our own port.

    Conflict when one runs and cannot be reached.
    """
    owner = holder_of(settings)
    if owner is None and sqlite_path(settings):
        return None
    url = owner.url if owner and owner.url else local_url(settings)
    if await _answers(url):
        return url
    if owner is not None:
        raise Conflict(
            f"gemgate ({owner}) runs on {settings.data_dir}, but does not answer; say where it does with --url",
            f"gemgate（{owner}）正在使用 {settings.data_dir}，但没有响应；请用 --url 指定其地址",
        )
    return None


async def _answers(url: str) -> bool:
    """Whether a gemgate is there."""
    try:
        async with aiohttp.ClientSession(timeout=GLANCE) as http, http.get(f"{url}/health") as answer:
            return "client_ready" in await answer.json()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return False


class _Online:
    """A gateway that runs."""

    lives = True

    def __init__(self, http: aiohttp.ClientSession, base: str, node: str | None) -> None:
        self.where = say(f"over the running gateway at {base.rstrip('/')}", f"通过正在运行的网关 {base.rstrip('/')}")
        self._http = http
        self._base = base
        self._query = {"node": node} if node else {}

    async def all(self) -> list[Facts]:
        accounts: list[Facts] = (await self._ask("GET", "api/accounts"))["accounts"]
        return accounts

    async def one(self, name: str) -> Facts:
        return await self._ask("GET", _path(name))

    async def set_up(self, setup: AccountSetup, cookies: Cookies | None = None) -> Facts:
        facts = {
            "name": setup.name,
            "source": setup.source,
            "proxy": setup.proxy,
            "lanes": setup.lanes,
            "weight": setup.weight,
            "number": setup.number,
            "language": setup.language,
            "desktop": setup.desktop,
            "rotate": setup.rotate,
            "cookies": cookies.as_dict() if cookies else None,
        }
        return await self._ask("POST", "api/accounts", facts)

    async def replace_cookies(self, name: str | None, cookies: Cookies) -> str:
        body = {"cookies": cookies.as_dict(), **({"account": name} if name else {})}
        return str((await self._ask("POST", "api/cookies", body))["account"])

    async def run_action(self, name: str, action: str, capability: Capability | None = None) -> Facts:
        return await self._ask("POST", f"{_path(name)}/{action}", {"capability": capability} if capability else None)

    async def pair(self, name: str) -> Facts:
        return await self._ask("POST", f"{_path(name)}/pairing")

    async def identities(
        self, source: str, cookies: Cookies | None, google: str | None, proxy: str | None = None
    ) -> Facts:
        place = {"cookies": cookies.as_dict()} if cookies else {"source": source}
        return await self._ask("POST", "api/identities", {**place, "google": google, "proxy": proxy})

    async def survival(self) -> Facts:
        return await self._ask("GET", "api/lives")

    async def measure(self, name: str) -> Facts:
        return await self._ask("POST", f"{_path(name)}/measure", timeout=MEASURING)

    async def remove(self, name: str) -> None:
        await self._ask("DELETE", _path(name))

    async def _ask(
        self, method: str, path: str, body: Facts | None = None, *, timeout: aiohttp.ClientTimeout = REQUEST_TIMEOUT
    ) -> Facts:
        try:
            asking = self._http.request(method, path, json=body, params=self._query, timeout=timeout)
            async with asking as answer:
                try:
                    body = await answer.json()
                except (aiohttp.ContentTypeError, ValueError):
                    body = {}
                if answer.ok and isinstance(body, dict):
                    return body
                raise _refusal(answer.status, body if isinstance(body, dict) else {}, self._base)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self._base.rstrip("/"), error, generated="maybe") from None


def _path(name: str) -> str:
    return f"api/accounts/{quote(name, safe='')}"


def _refusal(status: int, body: Facts, base: str) -> GatewayError:
    """What the gateway said, and what to do where it is not said."""
    text = str(body.get("detail") or body.get("error") or f"HTTP {status}")
    if status in (401, 403):
        return Forbidden(
            f"{text}. Set ADMIN_KEY (in the environment, .env or gemgate.toml) to the gateway's admin key",
            f"{text}。请将 ADMIN_KEY（环境变量、.env 或 gemgate.toml）设为该网关的管理员密钥",
        )
    if status == 404 and "detail" not in body:
        host = urlsplit(base).netloc
        return ClientError(f"{host} is no gemgate: HTTP 404", f"{host} 不是 gemgate：HTTP 404")
    kinds: Mapping[int, type[GatewayError]] = {400: BadRequest, 404: NotFound}
    code = body.get("code")
    return kinds.get(status, GatewayError)(text, code=code if isinstance(code, str) else None)


class _Offline:
    """The database, while no gateway runs on it. States are the last known ones, unless accounts live in here."""

    def __init__(self, service: Service, language: str, *, lives: bool = False) -> None:
        self.where = say("accounts of this process", "本进程的账号") if lives else _where(service.settings)
        self.lives = lives
        self._service = service
        self._account_registry = service.account_registry
        self._language = language
        self._caller = Caller(client="cli", admin=True, language=language)

    async def all(self) -> list[Facts]:
        kept = {one.name: one for one in await self._account_registry.store.all()}
        return [self._row(kept[account.name]) for account in self._service.pool.accounts if account.name in kept]

    async def one(self, name: str) -> Facts:
        self._account_registry.account(name)
        facts = self._row(await self._account_registry.store.get(name))
        lines = await self._account_registry.store.audit_lines(name, limit=50)
        facts["audit"] = [
            {"at": one.at, "actor": one.actor, "action": one.action, "detail": one.detail} for one in lines
        ]
        return facts

    async def set_up(self, setup: AccountSetup, cookies: Cookies | None = None) -> Facts:
        await self._check_free(setup.name)
        await self._account_registry.add(setup, self._caller, cookies=cookies)
        return await self.one(setup.name)

    async def replace_cookies(self, name: str | None, cookies: Cookies) -> str:
        await self._check_free(name)
        return (await self._account_registry.replace_cookies(name, cookies, self._caller)).name

    async def run_action(self, name: str, action: str, capability: Capability | None = None) -> Facts:
        await self._check_free(name)
        account = await self._account_registry.run_action(name, action, self._caller, capability)
        if action in ("test", "refresh"):
            return {**account_of(account, self._account_registry, self._service.clock.now(), self._language)}
        return await self.one(name)

    async def pair(self, name: str) -> Facts:
        code, expires_at = await self._service.paired.offer(name, self._caller)
        return {"account": name, "code": code, "expires_at": expires_at, "gateway": local_url(self._service.settings)}

    async def identities(
        self, source: str, cookies: Cookies | None, google: str | None, proxy: str | None = None
    ) -> Facts:
        found = await identities(self._service, source, cookies, proxy)
        answer: Facts = {"identities": [identity_facts(one, self._language) for one in found]}
        if google is not None:
            answer["chosen"] = identity_facts(chosen(found, google), self._language)
        return answer

    async def survival(self) -> Facts:
        return {**await lives_of(self._account_registry.lives, self._language)}

    async def measure(self, name: str) -> Facts:
        await self._check_free(name)
        await self._service.measure(name, self._caller)
        return await self.one(name)

    async def remove(self, name: str) -> None:
        await self._check_free(name)
        await self._account_registry.remove(name, self._caller)

    def _row(self, kept: StoredAccount) -> Facts:
        """As it was left: nobody is signed in here, so the word is the one that was stored."""
        account = self._account_registry.account(kept.name)
        facts: Facts = {**account_of(account, self._account_registry, self._service.clock.now(), self._language)}
        if facts["state"] == "starting":
            zh = self._language.startswith("zh")
            facts |= {"state": kept.state, "why": kept.error_zh if zh else kept.error_en}
        return facts

    async def _check_free(self, name: str | None) -> None:
        """Conflict for an account that a node runs: what is changed beside it, it would not notice."""
        running = {} if self.lives else await running_accounts(self._account_registry.store, time.time())
        taken = {name: running[name]} if name in running else running if name is None else {}
        for account, owner in taken.items():
            raise Conflict(
                f"The account {account} is run by the node {owner}: give that node's address with --url",
                f"账号 {account} 由节点 {owner} 运行，请用 --url 指定该节点的地址",
            )


@frozen
class RekeyResult:
    """What `resealed` did. key: which one seals now; locked: accounts that no key opens; hint: what to do next."""

    changed: int
    key: LocalText
    locked: tuple[str, ...]
    hint: LocalText


async def rekeyed(settings: Settings) -> RekeyResult:
    """Seal what is stored with a new key of the key file, or with the first of COOKIE_KEYS. No gateway may run."""
    made = settings.cookie_keys is None
    async with open_storage(settings, exclusive=True) as storage:
        for account, owner in (await running_accounts(storage.accounts, time.time())).items():
            raise Conflict(
                f"The node {owner} runs the account {account}; stop all nodes first. With COOKIE_KEYS nothing has "
                "to be stopped: put the new key first everywhere and restart one node after the other",
                f"节点 {owner} 正在运行账号 {account}，请先停止所有节点。使用 COOKIE_KEYS 时无需停止："
                "请在各处把新密钥放在第一位，再逐个重启节点",
            )
        if made:
            add_key(key_file(settings))
        vault = vault_of(settings)
        store = SqlAccountStore(storage.database, vault)
        changed = await store.rewrap() + await SqlAlertStore(storage.database, vault).rewrap()
        changed += await SqlJobStore(storage.database, vault).rewrap()
        locked = tuple(kept.name for kept in await store.all() if kept.trouble is not None)
    if made:
        path = key_file(settings)
        hint = LocalText(
            f"The older keys stay in {path}, below the new one: older backups need them. Copy the file apart.",
            f"旧密钥仍在 {path} 中，位于新密钥之后：旧备份需要它们。请将该文件另存一份。",
        )
        return RekeyResult(changed, LocalText(f"a new key in {path}", f"{path} 中的新密钥"), locked, hint)
    first = LocalText("the first key of COOKIE_KEYS", "COOKIE_KEYS 的第一个密钥")
    hint = LocalText("The other keys only open older backups now.", "其余密钥此后仅用于打开旧备份。")
    return RekeyResult(changed, first, locked, hint)


async def running_accounts(store: AccountStore, now: float) -> dict[str, str]:
    """Accounts that a node holds at the moment, and which node."""
    return {kept.name: kept.owner for kept in await store.all() if kept.owner and kept.lease_until > now}


def _where(settings: Settings) -> str:
    place = sqlite_path(settings)
    if place:
        return say(f"in the database {place}; no gateway runs on it", f"直接使用数据库 {place}；没有网关在运行")
    url = local_url(settings)
    return say(
        f"in the PostgreSQL database; no gateway answers at {url}", f"直接使用 PostgreSQL 数据库；{url} 没有网关响应"
    )
