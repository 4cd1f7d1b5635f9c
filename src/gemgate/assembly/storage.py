"""Settings become stores: the database, blobs, keys for links."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from gemgate.ports.blobs import BlobStore
from gemgate.settings import Settings, SettingsError
from gemgate.stores import blobs
from gemgate.stores.blobs import SpoolingBlobStore
from gemgate.stores.sql.database import database_url as parsed_url


def database_url(settings: Settings) -> str | Path:
    """DATABASE_URL, in a fleet also DB_*, else a SQLite file in DATA_DIR."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return settings.db_url if settings.shared_database else settings.data_dir / "gemgate.sqlite3"


def sqlite_path(settings: Settings) -> Path | None:
    """The SQLite file, or None on PostgreSQL. GatewayError for a DATABASE_URL that is neither."""
    url = parsed_url(database_url(settings))
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def open_blobs(settings: Settings) -> BlobStore:
    """The image store: a folder, or a bucket with a folder beside it for what the bucket cannot take now."""
    primary = open_bucket(settings)
    if primary is None:
        return blobs.folder(settings.data_dir / "blobs")
    return SpoolingBlobStore(primary, blobs.folder(settings.data_dir / "spool"))


def open_bucket(settings: Settings) -> blobs.ObjectBlobStore | None:
    """The bucket alone, None when images go into a folder. SettingsError for what it lacks."""
    kind = settings.storage or ("r2" if settings.r2_bucket else "s3" if settings.s3_bucket else "folder")
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
        raise SettingsError(f"STORAGE={settings.storage or 'auto'} needs {name.upper()}")
    return str(value)


def link_key_of(settings: Settings) -> bytes | None:
    """The key that signs links to images; None where images are open: on loopback without keys."""
    if not settings.api_keys and (settings.on_loopback or settings.auth == "none"):
        return None
    if settings.internal_token:
        return hashlib.sha256(b"gemgate links " + settings.internal_token.get_secret_value().encode()).digest()
    path = settings.data_dir / "links.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        return key
