"""Settings become stores: the database and what is in it, blobs, keys for links."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from gemgate.caller import Budget
from gemgate.errors import SettingsError
from gemgate.frozen import frozen
from gemgate.ports.accounts import StoredAccount
from gemgate.ports.blobs import BlobStore
from gemgate.ports.runtime import Clock
from gemgate.settings import Settings
from gemgate.settings.folders import config_home
from gemgate.stores import blobs, instance_lock
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.stores.sql import migrate
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.budgets import SqlBudgets
from gemgate.stores.sql.conversations import SqlConversationStore, SqlResponseStore
from gemgate.stores.sql.database import Database, open_database, unopened
from gemgate.stores.sql.database import database_url as parsed_url
from gemgate.stores.sql.files import SqlFileStore
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.kept_media import MediaShare
from gemgate.stores.sql.kept_words import ChatShare
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.stores.sql.live_settings import SqlSettingStore
from gemgate.stores.sql.pairings import SqlPairingStore
from gemgate.stores.sql.response_log import SqlResponseLog
from gemgate.stores.sql.schema import account, account_circuit
from gemgate.stores.sql.usage import SqlUsageStore
from gemgate.stores.sql.usage_windows import SqlWindowStore
from gemgate.stores.vault import Vault, open_vault
from gemgate.telemetry import SystemClock


class Storage:
    """What is stored, by these settings. Each store is made when it is first asked for, and needs no closing: a command
    that reads rows wants neither a key nor a bucket.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock, *, only_look: bool = False) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self._only_look = only_look

    @cached_property
    def vault(self) -> Vault:
        """Opens what is sealed. GatewayError when there is no key and none can be made."""
        return vault_of(self.settings, only_look=self._only_look)

    @cached_property
    def blobs(self) -> BlobStore:
        """Images and uploads. SettingsError for what the bucket lacks."""
        return open_blobs(self.settings)

    @cached_property
    def files(self) -> SqlFileStore:
        return SqlFileStore(self.database, self.blobs, self.clock, int(self.settings.files_per_key_mb * 1e6))

    @cached_property
    def gallery(self) -> SqlGallery:
        return SqlGallery(self.database)

    @cached_property
    def accounts(self) -> SqlAccountStore:
        return SqlAccountStore(self.database, self.vault)

    @cached_property
    def conversations(self) -> SqlConversationStore:
        return SqlConversationStore(
            self.database,
            behind=self.database.is_sqlite,
            share=self.chat_share,
            per_key=self.settings.conversations_per_key,
        )

    @cached_property
    def windows(self) -> SqlWindowStore:
        return SqlWindowStore(self.database)

    @cached_property
    def chat_share(self) -> ChatShare:
        """What one key may have of kept answers, named conversations and jobs, together."""
        return ChatShare(int(self.settings.chats_per_key_mb * 1e6))

    @cached_property
    def media_share(self) -> MediaShare:
        """What one key may have of pictures, videos and music, together."""
        return MediaShare(self.database, int(self.settings.media_per_key_mb * 1e6))

    @cached_property
    def responses(self) -> SqlResponseStore:
        return SqlResponseStore(self.database, "resp_", share=self.chat_share)

    @cached_property
    def interactions(self) -> SqlResponseStore:
        return SqlResponseStore(self.database, "int_", share=self.chat_share)

    @cached_property
    def jobs(self) -> SqlJobStore:
        return SqlJobStore(self.database, self.vault, self.chat_share)

    @cached_property
    def response_log(self) -> SqlResponseLog:
        return SqlResponseLog(self.database, self.vault, self.chat_share)

    @cached_property
    def keys(self) -> SqlKeyStore:
        return SqlKeyStore(self.database)

    @cached_property
    def pairings(self) -> SqlPairingStore:
        return SqlPairingStore(self.database)

    @cached_property
    def budgets(self) -> SqlBudgets:
        return SqlBudgets(
            self.database, self.clock, Budget.parse(self.settings.budget), Budget.parse(self.settings.key_budget)
        )

    @cached_property
    def setting_changes(self) -> SqlSettingStore:
        return SqlSettingStore(self.database)

    @cached_property
    def usage(self) -> SqlUsageStore:
        return SqlUsageStore(self.database)

    @cached_property
    def alerts(self) -> SqlAlertStore:
        return SqlAlertStore(self.database, self.vault)


@asynccontextmanager
async def open_storage(
    settings: Settings,
    *,
    exclusive: bool,
    at: str | Path | None = None,
    holder_url: str = "",
    clock: Clock | None = None,
) -> AsyncIterator[Storage]:
    """The database open and on the newest schema, for as long as this lasts.

    exclusive: nobody else may hold the SQLite file meanwhile; StorageDown names who does. holder_url: where we answer,
    for whoever finds it held. at: another database than that of the settings.
    """
    where = database_url(settings) if at is None else at
    async with AsyncExitStack() as stack:
        if exclusive:
            stack.enter_context(held(where, holder_url))
        database = await open_database(where, held_by="" if exclusive else _other_holder(where))
        stack.push_async_callback(database.close)
        yield Storage(settings, database, clock or SystemClock())


@asynccontextmanager
async def as_it_is(settings: Settings) -> AsyncIterator[Storage]:
    """The database on whatever schema it has, for who only reads: nothing is made, upgraded or held for it."""
    database = unopened(database_url(settings), only_look=True)
    try:
        yield Storage(settings, database, SystemClock(), only_look=True)
    finally:
        await database.close()


@frozen
class Look:
    """What the database holds, for who only looks. older: its schema, where that is of an older gemgate.

    accounts: None where the older schema tells them otherwise than we read them.
    """

    older: str = ""
    accounts: tuple[StoredAccount, ...] | None = ()


async def look(settings: Settings) -> Look:
    """The accounts of the database as it is: nothing is made, upgraded or held for it.

    StorageDown: it is away. GatewayError: it is of a newer gemgate.
    """
    file = sqlite_path(settings)
    if file is not None and not file.exists():
        return Look()
    async with as_it_is(settings) as storage:
        async with storage.database.reading() as connection:
            there = await connection.run_sync(migrate.understood)
            told = there is not None and await connection.run_sync(migrate.holds, account, account_circuit)
        older = there if there and there != migrate.newest() else ""
        return Look(older, await storage.accounts.all() if told else None if older else ())


def held(where: str | Path, holder_url: str = "") -> AbstractContextManager[None]:
    """The lock of a SQLite database; on PostgreSQL nothing is locked."""
    path = file_of(where)
    return instance_lock.instance_lock(instance_lock.lock_path(path), holder_url) if path else nullcontext()


def holder_of(settings: Settings) -> instance_lock.LockHolder | None:
    """Who holds our SQLite database; None when nobody does, and on PostgreSQL."""
    path = sqlite_path(settings)
    return instance_lock.lock_holder(instance_lock.lock_path(path)) if path else None


def _other_holder(where: str | Path) -> str:
    """Which other process holds a SQLite database, in words; "" when none does."""
    path = file_of(where)
    holder = instance_lock.lock_holder(instance_lock.lock_path(path)) if path else None
    return str(holder) if holder is not None and holder.pid != os.getpid() else ""


def vault_of(settings: Settings, *, only_look: bool = False) -> Vault:
    """What seals cookies: COOKIE_KEYS, else the key file, made when it is missing unless we only look."""
    keys = settings.cookie_keys.get_secret_value() if settings.cookie_keys else None
    return open_vault(keys, key_file(settings), settings.data_dir, only_look=only_look)


def key_file(settings: Settings) -> Path:
    """Where the key that seals cookies lies, unless COOKIE_KEYS holds it."""
    return settings.cookie_key_file or config_home() / "cookie.key"


def database_url(settings: Settings) -> str | Path:
    """DATABASE_URL, in a fleet also DB_*, else a SQLite file in DATA_DIR."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return settings.db_url if settings.shared_database else settings.data_dir / "gemgate.sqlite3"


def sqlite_path(settings: Settings) -> Path | None:
    """The SQLite file, or None on PostgreSQL. GatewayError for a DATABASE_URL that is neither."""
    return file_of(database_url(settings))


def file_of(where: str | Path) -> Path | None:
    """The file of a SQLite database, or None of another."""
    url = parsed_url(where)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def open_blobs(settings: Settings) -> BlobStore:
    """The image store: a folder, or a bucket with a folder beside it for what the bucket cannot take now."""
    primary = open_bucket(settings)
    if primary is None:
        return blobs.folder(settings.data_dir / "blobs")
    return SpoolingBlobStore(primary, blobs.folder(settings.data_dir / "spool"))


def storage_kind(settings: Settings) -> str:
    """Where pictures go: `STORAGE`, else what the settings of a bucket are there for."""
    return settings.storage or ("r2" if settings.r2_bucket else "s3" if settings.s3_bucket else "folder")


def open_bucket(settings: Settings) -> blobs.ObjectBlobStore | None:
    """The bucket alone, None when images go into a folder. SettingsError for what it lacks."""
    kind = storage_kind(settings)
    if kind == "folder":
        return None
    if kind == "r2":
        return blobs.bucket(
            endpoint=f"https://{needed(settings, 'r2_account_id')}.r2.cloudflarestorage.com",
            name=needed(settings, "r2_bucket"),
            key_id=needed(settings, "r2_access_key_id"),
            secret=needed(settings, "r2_secret_access_key"),
            public_url=settings.r2_public_url,
        )
    return blobs.bucket(
        endpoint=settings.s3_endpoint,
        name=needed(settings, "s3_bucket"),
        key_id=needed(settings, "s3_access_key_id"),
        secret=needed(settings, "s3_secret_access_key"),
        region=settings.s3_region or "us-east-1",
        addressing=settings.s3_addressing,
        creating=settings.s3_creating,
    )


def needed(settings: Settings, name: str) -> str:
    """A setting that the chosen storage cannot do without; one clear line when it is missing."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not value:
        storage = f"STORAGE={settings.storage or 'auto'}"
        raise SettingsError(f"{storage} needs {name.upper()}", f"{storage} 需要设置 {name.upper()}")
    return str(value)


def link_key_of(settings: Settings) -> bytes | None:
    """The key that signs links to images; None where images are open: on loopback without keys.

    A node of a fleet signs wherever it listens: whom its gateway lets in it cannot know.
    """
    if settings.internal_token:
        return hashlib.sha256(b"gemgate links " + settings.internal_token.get_secret_value().encode()).digest()
    if not settings.api_keys and (settings.on_loopback or settings.auth == "none"):
        return None
    path = settings.data_dir / "links.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        return key
