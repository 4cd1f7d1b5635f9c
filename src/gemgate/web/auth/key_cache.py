"""Keys made on the page and its sessions, as the door knows them.

They are few, so all of them are kept in memory: a call asks no database. Another process's changes are here within
`EVERY` seconds; what nobody knows yet is looked for at once, but not more often than once a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress

from gemgate.caller import NO_BUDGET, Budget
from gemgate.errors import GatewayError, NotFound, StorageDown, said
from gemgate.ports.keys import ClientKey, KeyStore, PageSession
from gemgate.ports.runtime import Clock

EVERY = 2.0
ALONE = 60.0
"""The same where no other process makes keys: beside a SQLite file, which one gateway owns."""
PATIENCE = 4.0
"""Seconds that the database may take."""
SESSION_SECONDS = 24 * 3600.0
USED_EVERY = 60.0
"""Seconds between two notes of a key's use, so that calls write nothing."""
PREFIX = "gmg_"
"""Keys made here begin like this: one that is revoked is refused even where none is needed."""


class KeyCache:
    """`admin_key`: a session's digest is made with it, so another admin key ends all sessions."""

    def __init__(self, store: KeyStore, clock: Clock, admin_key: str) -> None:
        self._store = store
        self._clock = clock
        self._admin_key = admin_key.encode()
        self._keys: Sequence[ClientKey] = ()
        self._by_digest: dict[str, ClientKey] = {}
        self._sessions: dict[str, PageSession] = {}
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._used: dict[str, float] = {}
        self._noted_at = clock.monotonic()

    @property
    def keys(self) -> Sequence[ClientKey]:
        """All of them, newest first."""
        return self._keys

    @property
    def sessions(self) -> Sequence[PageSession]:
        now = self._clock.now()
        return [session for session in self._sessions.values() if now < session.expires_at]

    def client_key(self, secret: str) -> ClientKey | None:
        """The key whose secret this is, if it still holds; its use is noted."""
        key = self._by_digest.get(digest_of(secret)) if secret.startswith(PREFIX) else None
        now = self._clock.now()
        if key is None or not key.holds(now):
            return None
        self._used[key.id] = now
        return key

    def session(self, token: str) -> PageSession | None:
        session = self._sessions.get(self._session_digest(token))
        return session if session is not None and self._clock.now() < session.expires_at else None

    async def run(self, every: float = EVERY) -> None:
        """Keep up with other processes, for ever; `every`: seconds between two looks.

        While the database is away, what is known still counts.
        """
        while True:
            with suppress(GatewayError):  # the database says so itself wherever it is asked
                await self.refresh()
                await self._note_use()
            await self._clock.sleep(every)

    async def refresh(self) -> None:
        """Read everything again. StorageDown, also for a database that does not answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._read()
        except TimeoutError:
            raise StorageDown(
                "The database does not answer; keys that are known still count",
                "数据库无响应；已知的密钥仍然有效",
                code="database_unavailable",
                retry_after=5.0,
            ) from None

    async def _read(self) -> None:
        async with self._reading:
            keys = await self._store.keys()
            sessions = await self._store.sessions(self._clock.now())
            self._keys = keys
            self._by_digest = {key.digest: key for key in keys}
            self._sessions = {session.digest: session for session in sessions}
            self._read_at = self._clock.monotonic()

    async def refresh_if_stale(self) -> None:
        """Something came that is not known: another process may have made it a moment ago."""
        if self._clock.monotonic() - self._read_at >= 1.0:
            await self.refresh()

    async def make_key(
        self,
        name: str,
        *,
        models: Collection[str] = (),
        operations: Collection[str] = (),
        per_hour: int | None = None,
        seconds: float = 0.0,
        account: str = "",
        budget: Budget = NO_BUDGET,
    ) -> tuple[ClientKey, str]:
        """A new key and its secret, which is not kept. `seconds` until it expires, 0 = never. account: of a paired
        browser. Conflict.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._clock.now()
        key = ClientKey(
            "key_" + secrets.token_hex(6),
            name,
            digest_of(secret),
            secret[-4:],
            now,
            frozenset(models),
            frozenset(operations),
            per_hour,
            now + seconds if seconds else 0.0,
            account=account,
            budget=budget,
        )
        await self._store.add_key(key)
        await self.refresh()
        return key, secret

    async def set_budget(self, key_id: str, budget: Budget) -> ClientKey:
        """From now on the key's calls are counted against it; NotFound."""
        if not await self._store.set_budget(key_id, budget):
            raise _no_key(key_id)
        await self.refresh()
        return next(one for one in self._keys if one.id == key_id)

    async def revoke_key(self, key_id: str) -> ClientKey:
        """From now on it opens nothing; NotFound."""
        key = next((one for one in self._keys if one.id == key_id), None)
        if key is None or not await self._store.revoke_key(key_id, self._clock.now()):
            raise _no_key(key_id)
        await self.refresh()
        return key

    async def begin_session(self, address: str, agent: str) -> tuple[PageSession, str]:
        """A session for a browser that showed the admin key, and the token that goes into its cookie."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        digest = self._session_digest(token)
        session = PageSession(secrets.token_hex(6), digest, now, now + SESSION_SECONDS, address, agent[:120])
        await self._store.add_session(session)
        await self.refresh()
        return session, token

    async def end_session(self, session_id: str) -> None:
        await self._store.end_session(session_id)
        await self.refresh()

    async def end_sessions(self) -> None:
        """Sign out everywhere."""
        await self._store.end_sessions()
        await self.refresh()

    async def _note_use(self) -> None:
        if not self._used or self._clock.monotonic() - self._noted_at < USED_EVERY:
            return
        used, self._used = self._used, {}
        self._noted_at = self._clock.monotonic()
        await self._store.used(used)

    def _session_digest(self, token: str) -> str:
        return hmac.new(self._admin_key, token.encode(), hashlib.sha256).hexdigest()


def digest_of(secret: str) -> str:
    """What is stored of a secret. It has 256 random bits: a plain hash tells nothing, and no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_token(session_token: str) -> str:
    """What the page sends back with every change: only who can read our answers knows it, and the cookie alone
    does not do.
    """
    return hmac.new(session_token.encode(), b"gemgate csrf", hashlib.sha256).hexdigest()[:32]


def _no_key(key_id: str) -> NotFound:
    return NotFound(
        f"There is no key {said(key_id)}", f"密钥 {said(key_id)} 不存在", param="key_id", code="key_not_found"
    )
