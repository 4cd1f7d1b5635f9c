"""Pictures and uploads as objects: a local folder, R2, or any S3, all through obstore (docs/decisions.md 27)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import quote, urlsplit

from gemgate.errors import NotFound, StorageDown
from gemgate.files import mime_of
from gemgate.lazy_import import later
from gemgate.policy.bucket_address import Addressing, bucket_address
from gemgate.ports.blobs import Blob, BlobFacts

if TYPE_CHECKING:
    import obstore
    import obstore.exceptions
    import obstore.store
else:
    obstore = later("obstore")

TIMEOUT = timedelta(seconds=20)
CHUNK = 1 << 20
PARTS_AT_ONCE = 3
"""Pieces of a file of 5 MB that are in memory at once while it is put; the default of the store is 12."""
_FULL = ("No space left", "Disk quota exceeded", "File too large")
PROBE = "probe"
"""The object that is put to find out whether a store takes any."""

Store: TypeAlias = "obstore.store.LocalStore | obstore.store.S3Store"
Creating = Literal["auto", "if-none-match", "oss", "cos", "look"]
"""How a bucket makes an object only if there is none: by HTTP's own condition, by Alibaba's or Tencent's header, or not
at all, so that it is looked for first. "auto" begins with what the host is known for, else with HTTP's.
"""

_FORBIDS = {"oss": "x-oss-forbid-overwrite", "cos": "x-cos-forbid-overwrite"}
"""Services that refuse a bucket's name in the path, by the end of their hosts."""


class ObjectBlobStore:
    """`public_url` is the bucket's own public address; without one, links of a bucket are presigned.

    opened: gives the store, at its first use. local: it is a folder. creating: how an object is made only once;
    creator: the same bucket with the header that says so.
    """

    def __init__(
        self,
        opened: Callable[[], Store],
        *,
        local: bool = False,
        public_url: str | None = None,
        creating: Creating = "if-none-match",
        creator: obstore.store.S3Store | None = None,
    ) -> None:
        self._opened = opened
        self._local = local
        self._creating: Creating = creating
        self._creator = creator
        self._public_url = public_url.rstrip("/") if public_url else None
        self.trouble: StorageDown | None = None
        """Why the last object could not be put; None when it could."""

    @cached_property
    def _store(self) -> Store:
        return self._opened()

    async def put(self, key: str, data: bytes, mime: str, *, replace: bool = True) -> bool:
        attributes: Any = None
        if not self._local:  # the folder refuses attributes
            attributes = {"Content-Type": mime, "Cache-Control": "public, max-age=31536000, immutable"}
        try:
            if replace:
                await obstore.put_async(self._store, key, data, attributes=attributes)
            else:
                await self._create(key, data, attributes)
        except obstore.exceptions.AlreadyExistsError:
            self.trouble = None
            return False
        except (obstore.exceptions.BaseError, OSError) as error:
            self.trouble = _down(error)
            raise self.trouble from None
        self.trouble = None
        return True

    @property
    def full(self) -> bool:
        """Whether nothing can be put now."""
        return self.trouble is not None

    async def probe(self) -> None:
        """Find out whether it takes objects again."""
        await self.put(PROBE, bytes(4096), "application/octet-stream")
        await self.delete([PROBE])

    @property
    def creating(self) -> Creating:
        """How objects are made only once, as far as it was found out."""
        return self._creating

    async def _create(self, key: str, data: bytes, attributes: Any) -> None:
        """Put what must not be there yet; obstore.exceptions.AlreadyExistsError.

        A store that knows no condition is asked whether it has the object. Two who do so at once may both write, but
        one name has one maker: names come from tasks, and a task has one lease.
        """
        if self._creating in ("auto", "if-none-match"):
            try:
                return await _put(self._store, key, data, attributes, "create")
            except obstore.exceptions.BaseError as error:
                if self._creating != "auto" or not _knows_no_condition(error):
                    raise
                self._creating = "look"
        if self._creator is not None:
            return await _put(self._creator, key, data, attributes, "overwrite")
        if await self.stat(key) is not None:
            raise obstore.exceptions.AlreadyExistsError(key)
        return await _put(self._store, key, data, attributes, "overwrite")

    async def put_file(self, key: str, path: Path, mime: str) -> None:
        attributes: Any = None if self._local else {"Content-Type": mime}
        try:
            await obstore.put_async(self._store, key, path, attributes=attributes, max_concurrency=PARTS_AT_ONCE)
        except (obstore.exceptions.BaseError, OSError) as error:
            self.trouble = _down(error)
            raise self.trouble from None
        self.trouble = None

    async def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        options: Any = {"range": {"offset": start} if end is None else (start, end)} if start or end else None
        try:
            result = await obstore.get_async(self._store, key, options=options)
            async for chunk in result.stream(CHUNK):
                yield bytes(chunk)
        except (FileNotFoundError, ValueError):
            raise NotFound(f"There is no {key}", f"{key} 不存在", code="blob_not_found") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _down(error) from None

    async def get(self, key: str) -> Blob:
        try:
            result = await obstore.get_async(self._store, key)
            data = await result.bytes_async()
        except (FileNotFoundError, ValueError):
            raise NotFound(f"There is no {key}", f"{key} 不存在", code="blob_not_found") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _down(error) from None
        return Blob(_facts(result.meta), data.to_bytes())

    async def stat(self, key: str) -> BlobFacts | None:
        try:
            return _facts(await obstore.head_async(self._store, key))
        except (FileNotFoundError, ValueError):
            return None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _down(error) from None

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue
            except (obstore.exceptions.BaseError, OSError) as error:
                raise _down(error) from None

    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        try:
            async for batch in obstore.list(self._store, prefix):
                for meta in batch:
                    yield _facts(meta)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _down(error) from None

    def url(self, key: str, seconds: int) -> str | None:
        if self._public_url:
            return f"{self._public_url}/{quote(key)}"
        if self._local:
            return None
        return obstore.sign(cast("obstore.store.S3Store", self._store), "GET", key, timedelta(seconds=seconds))

    @property
    def waiting(self) -> int:
        """Nothing: what is put stands where it belongs."""
        return 0

    def is_spooled(self, key: str) -> bool:
        del key
        return False


class SpoolingBlobStore:
    """Puts into `primary`; what it cannot take now waits in the `spool` folder and is served from there.

    While the primary is away everything new goes to the spool at once, so that nobody waits for its time-outs. `recall`
    finds what an earlier process left there; `drain`, called by a background loop, moves it once the primary is back.
    """

    def __init__(self, primary: ObjectBlobStore, spool: ObjectBlobStore) -> None:
        self._primary = primary
        self._spool = spool
        self._spooled: dict[str, str] = {}
        self._away = False
        self._moving = asyncio.Lock()
        """Held while one object moves, and while one that waits is written anew or deleted."""

    @property
    def waiting(self) -> int:
        """Objects in the spool."""
        return len(self._spooled)

    @property
    def trouble(self) -> StorageDown | None:
        """Why objects go to the spool, or not even there."""
        return (self._spool.trouble or self._primary.trouble) if self._away else None

    @property
    def full(self) -> bool:
        """Whether nothing can be put now."""
        return self._away and self._spool.full

    async def probe(self) -> None:
        """Find out whether the spool takes objects again; the bucket too when nothing waits that `drain` would try."""
        if self._spool.full:
            await self._spool.probe()
        if self._away and not self._spooled:
            await self._primary.probe()
            self._away = False

    async def load_spool(self) -> None:
        """Know again what an earlier process left in the spool; before anything is served."""
        async for facts in self._spool.list(""):
            self._spooled.setdefault(facts.key, mime_of(facts.key))

    async def put(self, key: str, data: bytes, mime: str, *, replace: bool = True) -> bool:
        if key in self._spooled and not replace:
            return False
        if not self._away:
            with contextlib.suppress(StorageDown):
                stored = await self._primary.put(key, data, mime, replace=replace)
                await self._forget(key)
                return stored
            self._away = True
        stored = await self._spool.put(key, data, mime, replace=replace)
        self._spooled[key] = mime
        return stored

    async def put_file(self, key: str, path: Path, mime: str) -> None:
        if not self._away:
            with contextlib.suppress(StorageDown):
                await self._primary.put_file(key, path, mime)
                return await self._forget(key)
            self._away = True
        await self._spool.put_file(key, path, mime)
        self._spooled[key] = mime
        return None

    async def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if key in self._spooled:
            try:
                async for piece in self._spool.chunks(key, start, end):
                    yield piece
                return
            except NotFound:
                pass  # moved meanwhile: it is said before the first piece
        async for piece in self._primary.chunks(key, start, end):
            yield piece

    async def get(self, key: str) -> Blob:
        if key in self._spooled:
            with contextlib.suppress(NotFound):  # moved meanwhile
                return await self._spool.get(key)
        return await self._primary.get(key)

    async def stat(self, key: str) -> BlobFacts | None:
        facts = await self._spool.stat(key) if key in self._spooled else None
        return facts or await self._primary.stat(key)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            await self._forget(key)
        await self._primary.delete(keys)

    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        async for facts in self._spool.list(prefix):
            self._spooled.setdefault(facts.key, mime_of(facts.key))
            yield facts
        async for facts in self._primary.list(prefix):
            if facts.key not in self._spooled:
                yield facts

    def url(self, key: str, seconds: int) -> str | None:
        return None if key in self._spooled else self._primary.url(key, seconds)

    def is_spooled(self, key: str) -> bool:
        return key in self._spooled

    async def flush_spool(self) -> int:
        """Move what waits to the primary store; how much was moved. Ends quietly while the primary is away."""
        moved = 0
        for key in tuple(self._spooled):
            async with self._moving:
                mime = self._spooled.get(key)
                if mime is None:
                    continue
                with contextlib.suppress(NotFound):
                    blob = await self._spool.get(key)
                    try:
                        await self._primary.put(key, blob.data, mime)
                    except StorageDown:
                        self._spooled[key] = self._spooled.pop(key)  # another one is tried first the next time
                        return moved
                    moved += 1
                self._away = False
                del self._spooled[key]
                await self._spool.delete([key])
        return moved

    async def _forget(self, key: str) -> None:
        """What waits under this key waits no longer; from here on readers go to the primary store."""
        if key in self._spooled:
            async with self._moving:
                self._spooled.pop(key, None)
                await self._spool.delete([key])


async def _put(
    store: obstore.store.LocalStore | obstore.store.S3Store,
    key: str,
    data: bytes,
    attributes: Any,
    mode: Literal["create", "overwrite"],
) -> None:
    await obstore.put_async(store, key, data, attributes=attributes, mode=mode)


def _knows_no_condition(error: Exception) -> bool:
    """Whether a store answered that it does not implement `If-None-Match`."""
    return "501 Not Implemented" in str(error) or "NotImplemented" in str(error)


def folder(path: Path) -> ObjectBlobStore:
    """A store in a local folder, made if missing, readable by its owner only."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return ObjectBlobStore(lambda: obstore.store.LocalStore(os.fspath(path)), local=True)


def bucket(
    *,
    endpoint: str | None,
    name: str,
    key_id: str,
    secret: str,
    region: str = "auto",
    public_url: str | None = None,
    options: Mapping[str, Any] | None = None,
    addressing: Addressing = "auto",
    creating: Creating = "auto",
) -> ObjectBlobStore:
    """A store in an S3 bucket. R2 is `endpoint="https://ACCOUNT.r2.cloudflarestorage.com"` and region "auto".

    addressing: the bucket's name in the path or before the host; an endpoint that begins with it has it already.
    """
    endpoint, virtual = bucket_address(endpoint, name, addressing)
    if creating == "auto":
        creating = _known_way(endpoint)
    client: Any = {"timeout": TIMEOUT, "connect_timeout": timedelta(seconds=5)}
    if endpoint and endpoint.startswith("http://"):
        client["allow_http"] = True
    retry: Any = {"max_retries": 2, "retry_timeout": TIMEOUT}

    def opened(**more: Any) -> obstore.store.S3Store:
        return obstore.store.S3Store(
            name,
            endpoint=endpoint,
            region=region,
            access_key_id=key_id,
            secret_access_key=secret,
            virtual_hosted_style_request=virtual,
            client_options=cast("Any", {**client, **(options or {}), **more}),
            retry_config=retry,
        )

    creator = opened(default_headers={_FORBIDS[creating]: "true"}) if creating in _FORBIDS else None
    store = opened()
    return ObjectBlobStore(lambda: store, public_url=public_url, creating=creating, creator=creator)


def _known_way(endpoint: str | None) -> Creating:
    host = urlsplit(endpoint or "").hostname or ""
    if host.endswith(".aliyuncs.com"):
        return "oss"
    return "cos" if host.endswith(".myqcloud.com") else "auto"


def _facts(meta: Any) -> BlobFacts:
    etag = str(meta["e_tag"] or f"{meta['size']:x}-{meta['last_modified'].timestamp():.0f}").strip('"')
    return BlobFacts(meta["path"], meta["size"], meta["last_modified"].timestamp(), etag)


def _down(error: Exception) -> StorageDown:
    if any(words in str(error) for words in _FULL):
        return StorageDown(
            "The disk of the picture store is full; make room",
            "图片存储所在磁盘已满，请清理空间",
            code="storage_unavailable",
            retry_after=60.0,
        )
    return StorageDown(
        f"The picture store cannot be reached ({type(error).__name__}); check STORAGE and its settings",
        f"图片存储不可用（{type(error).__name__}），请检查 STORAGE 相关设置",
        code="storage_unavailable",
    )
