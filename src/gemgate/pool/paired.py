"""Browsers that are paired with an account and push its cookies (docs/extension.md, ADR 19).

A browser gets its key for a code that counts once. It pushes the newest version of the cookies and, while nothing
changes, the same again as a sign of life: as long as it is heard of it rotates the session, and we do not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from weakref import WeakValueDictionary

from gemgate.accounts import Cookies
from gemgate.caller import Caller
from gemgate.errors import BadRequest, Conflict, NotFound, RateLimited
from gemgate.frozen import frozen
from gemgate.policy.token_bucket import Bucket
from gemgate.pool.account import Account
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.status import PairedBrowser
from gemgate.ports.pairings import CookiePush, PairingCode, PairingStore
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

CODE_SECONDS = 600.0
CODE_LENGTH = 10
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Of codes: 49 bits in ten letters, none of which looks like another."""
SIGN_OF_LIFE_SECONDS = 300.0
"""How often a browser is asked to push what has not changed."""
PUSHES_PER_MINUTE, PUSHES_AT_ONCE = 6, 6
"""New versions of one account: each is a sign-in at Google."""
MOST_VERSION = 2**53 - 1
"""The largest whole number that a browser counts exactly."""


@frozen
class Pushed:
    """What became of a push. taken: whether it was new; push: what counts now."""

    taken: bool
    push: CookiePush


class PairedBrowsers:
    """Codes for browsers, and what they push."""

    def __init__(self, registry: AccountRegistry, store: PairingStore, *, clock: Clock, observer: Observer) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock
        self._observer = observer
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._paces: dict[str, Bucket] = {}

    async def offer(self, name: str, caller: Caller) -> tuple[str, float]:
        """A code for a browser of this account, and when it expires in epoch seconds. NotFound; BadRequest for an
        account that has no use for cookies.
        """
        _check_web(self._registry.account(name))
        code = "".join(secrets.choice(_LETTERS) for _ in range(CODE_LENGTH))
        now = self._clock.now()
        await self._store.offer(PairingCode(digest_of(code), name, now + CODE_SECONDS), now)
        await self._registry.note(caller, "pairing code", name)
        return f"{code[:5]}-{code[5:]}", now + CODE_SECONDS

    async def redeem(self, code: str, caller: Caller) -> str:
        """The account that a code is for; NotFound for one that is unknown, used or expired."""
        plain = "".join(char for char in code.upper() if char.isalnum())
        account = await self._store.redeem(digest_of(plain), self._clock.now())
        if account is None:
            raise NotFound(
                "This code is wrong, used or older than ten minutes: ask for a new one (`gemgate accounts pair NAME`)",
                "配对码错误、已使用或已超过十分钟：请重新获取（gemgate accounts pair 账号名）",
                param="code",
                code="pairing_code",
            )
        await self._registry.note(caller, "browser paired", account)
        return account

    async def push(
        self, name: str, version: int, cookies: Cookies, caller: Caller, *, agent: str = "", language: str = ""
    ) -> Pushed:
        """Take a browser's cookies if they are newer than what came before; the same again is a sign of life.

        Conflict: an older version (`older_version`), or cookies of another Google account. NotFound; RateLimited; what
        signing in raises, and then the version does not count.
        """
        account = self._registry.account(name)
        _check_web(account)
        lock = self._turns.setdefault(name, asyncio.Lock())
        async with lock:
            before = await self._store.pushed(name)
            now, digest = self._clock.now(), _all_of(cookies)
            same = before is not None and (before.version, before.digest) == (version, digest)
            if before is not None and version <= before.version and not same:
                raise _older(before)
            self._heard(name, cookies, now)  # before it is recorded what keeps the session alive
            taken = not same and await self._take(account, cookies, caller)
            at = before.changed_at if before is not None and same else now
            push = CookiePush(name, version, digest, at, self._clock.now(), agent[:200], language[:40])
            if not await self._store.keep_push(push):
                raise _older(await self._store.pushed(name) or push)
            self._heard(name, cookies, push.seen_at)
        outcome = "alive" if same else "new" if taken else "known"
        self._observer.emit(TelemetryEvent("cookies.pushed", caller.request_id, {"account": name, "outcome": outcome}))
        return Pushed(not same, push)

    async def last(self, name: str) -> CookiePush | None:
        """The last push; None when there was none. NotFound."""
        return await self._store.pushed(self._registry.account(name).name)

    def _heard(self, name: str, cookies: Cookies, at: float) -> None:
        """A browser that has this session lives, for all accounts that go by its cookies."""
        for one in self._registry.sharing(self._registry.account(name)):
            one.browser = PairedBrowser(at, cookies.identity)

    async def _take(self, account: Account, cookies: Cookies, caller: Caller) -> bool:
        """Sign in with what is new; whether that was needed."""
        if account.is_open and cookies == account.cookies:
            return False
        pace = self._paces.setdefault(account.name, Bucket(PUSHES_PER_MINUTE, PUSHES_AT_ONCE))
        if (wait := pace.wait(self._clock.monotonic())) > 0:
            raise RateLimited(
                f"The cookies of {account.name} change too often; push again in {wait:.0f} seconds",
                f"账号 {account.name} 的 Cookie 变化过于频繁，请 {wait:.0f} 秒后再推送",
                retry_after=wait,
                code="too_many_pushes",
            )
        pace.reserve(self._clock.monotonic())
        account = await self._registry.replace_cookies(account.name, cookies, caller, unseen=True)
        await account.record.cookies_renewed(cookies)
        return True


def digest_of(code: str) -> str:
    """What is stored of a code."""
    return hashlib.sha256(f"gemgate pairing {code}".encode()).hexdigest()


def _all_of(cookies: Cookies) -> str:
    """Changes with any cookie of a push."""
    return hashlib.sha256(json.dumps(cookies.as_dict(), sort_keys=True).encode()).hexdigest()


def _check_web(account: Account) -> None:
    if account.upstream.kind != "web":
        raise BadRequest(
            f"The account {account.name} uses an API key and no cookies",
            f"账号 {account.name} 使用 API 密钥，不需要 Cookie",
            param="account",
        )


def _older(known: CookiePush) -> Conflict:
    return Conflict(
        f"Version {known.version} was pushed already, with other cookies: push a higher version",
        f"已推送过版本 {known.version}（内容不同）：请使用更高的版本号",
        param="version",
        code="older_version",
        details={"version": known.version},
    )
