"""From an image on Google's wire to a delivered one: fetch, measure, lift the logo, provenance, store.

CPU work runs in worker threads with a deadline; after it, or after any doubt, the original is delivered. The facts say
what was done: nothing is promised that was not measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from gemgate import imaging
from gemgate.caller import Caller
from gemgate.catalog import CARDS
from gemgate.dialects.image_options import model_for
from gemgate.errors import NO_TEXT, ClientError, GatewayError, LocalText, NoRoom, StorageDown, Unprocessable
from gemgate.frozen import frozen
from gemgate.gateway.beside_images import before_key
from gemgate.images import GeneratedImage, ImageOptions, Logo, handle_of
from gemgate.imaging import ARITHMETIC, MAX_PIXELS, PIXEL_COST, PROFILES, Header, Profile, file_name, measure
from gemgate.policy import signed_links
from gemgate.policy.model_rank import named
from gemgate.ports.blobs import BlobStore
from gemgate.ports.gallery import Gallery, GalleryImage
from gemgate.ports.media_room import AnyRoom, MediaRoom
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.upstream import Fetched, ImageRef, Upstream

CPU_SECONDS = 30.0
LINK_SECONDS = 7 * 24 * 3600
FETCH_PATIENCE = 3.0
"""Seconds that a finished image waits for its entry in the gallery."""
NO_MEMORY = LocalText("memory is short: delivered as it came", "内存不足，按原样返回")
SLOW = LocalText("cleaning took too long", "处理耗时过长")
SPOOLED = LocalText(
    "the picture store is away: the picture waits on the gateway and is moved later",
    "图片存储不可用：图片暂存在网关上，稍后移入",
)
UNLISTED = LocalText("not in the gallery", "未列入图库")
RESTARTED = LocalText("stored before a restart, measured after it", "重启前存储，重启后重新测量")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each of its threads reserves as much again, and we need none
KEEP_TYPES = ("png", "jpg", "webp", "gif")


@frozen
class ImageJob:
    """What one image is made for: the prompt, and whose it will be.

    key and created_at fix the stored name of a batch image, so that a second run finds what the first one stored.
    """

    prompt: str
    model: str
    options: ImageOptions
    caller: Caller
    references: tuple[str, ...] = ()
    batch: str = ""
    key: str = ""
    created_at: float = 0.0


@frozen
class _Processed:
    """What the worker thread made of the fetched bytes."""

    data: bytes
    header: Header
    sha256: str
    logo: Logo
    resampled: bool
    note: LocalText
    before: bytes = b""


class ImagePipeline:
    """remove_logo: the service's setting; a request may say otherwise. link_key: signs our own links, None = open.

    room: whether a key's images may be kept; those of a batch, which had room when they began, are kept in any case.
    profiles: where logos are looked for. max_pixels: a larger image is not one that Google makes. fits: whether so
    many bytes of memory can be had, and so many reserved beside them.
    """

    def __init__(
        self,
        store: BlobStore,
        gallery: Gallery,
        *,
        clock: Clock,
        observer: Observer,
        remove_logo: bool = True,
        link_key: bytes | None = None,
        profiles: tuple[Profile, ...] = PROFILES,
        max_pixels: int = MAX_PIXELS,
        workers: int = 2,
        room: MediaRoom | None = None,
        fits: Callable[[int, int], bool] = lambda resident, virtual: True,
    ) -> None:
        self._store = store
        self._gallery = gallery
        self._clock = clock
        self._observer = observer
        self.remove_logo = remove_logo
        self._link_key = link_key
        self._profiles = profiles
        self._max_pixels = max_pixels
        self._watch: imaging.LogoDriftDetector | None = None
        self._watching = threading.Lock()
        self._fits = fits
        self._room = room or AnyRoom()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="picture")

    async def deliver(self, upstream: Upstream, ref: ImageRef, order: ImageJob) -> GeneratedImage:
        """The finished image, stored and remembered. Unprocessable when `size_policy=require` is not met."""
        try:
            return await self._delivered(upstream, ref, order)
        except GatewayError as error:
            raise error.with_(generated="maybe") from None  # Google has made it, whatever became of it here

    async def _delivered(self, upstream: Upstream, ref: ImageRef, order: ImageJob) -> GeneratedImage:
        began = self._clock.monotonic()
        try:
            fetched = await upstream.fetch_image(ref, order.options.long_side)
        except GatewayError as error:
            self._undelivered(order, error.kind, began)
            raise
        fetched_at = self._clock.monotonic()
        worked = await (self._measured(fetched.data) if ref.found else self._process(fetched, order))
        small, unlike = _too_small(worked.header, order), _unlike_announced(fetched, ref, self._max_pixels)
        worked = replace(worked, note=LocalText.joined(worked.note, small, unlike))
        worked_at = self._clock.monotonic()
        wanted = order.options.long_side
        delivered = max(worked.header.width, worked.header.height)
        if wanted and delivered < wanted and order.options.size_policy == "require":
            self._undelivered(order, "size", began)
            raise Unprocessable(
                f"Google delivered {delivered} px on the long side, {wanted} px were required",
                f"Google 返回的图片长边为 {delivered} 像素，未达到要求的 {wanted} 像素",
                code="size_not_met",
                generated="maybe",
                details={"requested": wanted, "delivered": delivered},
            )
        image = await self._keep(worked, fetched, order, ref.painter)
        stored_at = self._clock.monotonic()
        self._observer.emit(
            TelemetryEvent(
                "image.delivered",
                order.caller.request_id,
                {
                    "id": handle_of(image.name) if image.name else "",
                    "source": fetched.source,
                    "size": str(image.size),
                    "logo": image.logo,
                    "bytes": image.nbytes,
                    "fetched_bytes": len(fetched.data),
                    "fetch_seconds": round(fetched_at - began, 4),
                    "work_seconds": round(worked_at - fetched_at, 4),
                    "store_seconds": round(stored_at - worked_at, 4),
                },
            )
        )
        return image

    def _undelivered(self, order: ImageJob, kind: str, began: float) -> None:
        seconds = round(self._clock.monotonic() - began, 4)
        self._observer.emit(TelemetryEvent("image.failed", order.caller.request_id, {"kind": kind, "seconds": seconds}))

    async def _process(self, fetched: Fetched, order: ImageJob) -> _Processed:
        """The CPU part in a worker thread; past its deadline the original is delivered as it came."""
        loop = asyncio.get_running_loop()
        remove = self.remove_logo if order.options.remove_logo is None else order.options.remove_logo
        try:
            async with asyncio.timeout(CPU_SECONDS):
                return await loop.run_in_executor(self._threads, self._processed, fetched, order.options, remove)
        except TimeoutError:
            return await asyncio.to_thread(self._unprocessed, fetched.data, SLOW)
        except MemoryError:
            return await asyncio.to_thread(self._unprocessed, fetched.data, NO_MEMORY)

    async def _measured(self, data: bytes) -> _Processed:
        """An image of the web as it came: nothing is taken off it, and it says nothing of a generator."""
        header = measure(data, max_pixels=self._max_pixels)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        return _Processed(data, header, digest, "kept", False, NO_TEXT)

    def _unprocessed(self, data: bytes, note: LocalText) -> _Processed:
        """The pixels that Google sent; only provenance is added, which decodes nothing."""
        stamped = imaging.tag_provenance(data, changed=False)
        digest = hashlib.sha256(stamped.data).hexdigest()
        header = measure(data, max_pixels=self._max_pixels)
        return _Processed(stamped.data, header, digest, "kept", False, LocalText.joined(note, stamped.note))

    def _processed(self, fetched: Fetched, options: ImageOptions, remove: bool) -> _Processed:
        header = measure(fetched.data, max_pixels=self._max_pixels)
        pixels = header.width * header.height + (options.long_side or 0 if options.resample else 0) ** 2
        if not self._fits(pixels * PIXEL_COST, ARITHMETIC):
            raise MemoryError
        cleaned = imaging.clean(fetched.data, profiles=self._profiles, remove=remove, max_pixels=self._max_pixels)
        self._watch_logo(cleaned, fetched.data)
        data = cleaned.data
        header = measure(data, max_pixels=self._max_pixels)
        wanted = options.long_side
        resampled, sized = False, NO_TEXT
        if wanted and options.resample and max(header.width, header.height) != wanted:
            try:
                data = imaging.resample(data, wanted)
            except ClientError as why:
                sized = LocalText(f"not resampled: {why.en}", f"未重采样：{why.zh}")
            else:
                sized = _resampled(header)
                header, resampled = measure(data, max_pixels=self._max_pixels), True
        stamped = imaging.tag_provenance(data, changed=data is not fetched.data)
        data = stamped.data
        digest = hashlib.sha256(data).hexdigest()
        note = LocalText.joined(cleaned.note, sized, stamped.note)
        return _Processed(data, header, digest, cleaned.logo, resampled, note, cleaned.before)

    async def _keep(self, worked: _Processed, fetched: Fetched, order: ImageJob, painter: str) -> GeneratedImage:
        at = order.created_at or self._clock.now()
        moment = datetime.fromtimestamp(at, UTC)
        token = order.key or secrets.token_hex(3)
        image = GeneratedImage(
            width=worked.header.width,
            height=worked.header.height,
            nbytes=len(worked.data),
            mime=worked.header.mime,
            sha256=worked.sha256,
            source=fetched.source,
            logo=worked.logo,
            model=order.model,
            name=_name(order.prompt, moment, token, worked.header.extension),
            requested=order.options.long_side,
            resampled=worked.resampled,
            note=worked.note,
            prompt=order.prompt,
            painter=named(painter) if painter else "",
            data=worked.data,
        )
        try:
            # Of two runs of a batch task the first one's image counts: a name never changes its bytes.
            once = bool(order.key)
            if not once:
                await self._room.check(order.caller.tenant)
            while not await self._store.put("images/" + image.name, worked.data, image.mime, replace=not once):
                if first := await self.stored_for(order):
                    return first
                image = replace(image, name=_name(order.prompt, moment, secrets.token_hex(3), worked.header.extension))
        except (StorageDown, NoRoom) as error:
            return replace(_noted(image, LocalText(f"not stored: {error.en}", f"未存储：{error.zh}")), name="")
        if self._store.is_spooled("images/" + image.name):
            image = _noted(image, SPOOLED)
        facts = GalleryImage(replace(image, data=None), order.caller.tenant, at, order.references, order.batch)
        listed, _ = await asyncio.gather(
            self._listed(facts, certainly=once), self._keep_logo(image.name, worked.before)
        )
        if not listed:
            image = _noted(image, UNLISTED)
        return replace(image, url=self.url_of(image.name))

    async def _keep_logo(self, name: str, before: bytes) -> None:
        """For a look at before and after; the image is worth more than that."""
        if before:
            with contextlib.suppress(StorageDown, TimeoutError):
                async with asyncio.timeout(FETCH_PATIENCE):
                    await self._store.put(before_key(name), before, "application/json")

    async def _listed(self, facts: GalleryImage, *, certainly: bool) -> bool:
        """Whether the gallery has it. A batch finds its images there again; others are worth more than the list."""
        if certainly:
            await self._gallery.remember(facts)
            return True
        try:
            async with asyncio.timeout(FETCH_PATIENCE):
                await self._gallery.remember(facts)
        except (StorageDown, TimeoutError):
            return False
        return True

    async def stored_for(self, order: ImageJob) -> GeneratedImage | None:
        """The image that an earlier run stored under a batch task's name, or None."""
        moment = datetime.fromtimestamp(order.created_at, UTC)
        for extension in KEEP_TYPES:
            name = _name(order.prompt, moment, order.key, extension)
            if image := await self._gallery.find(name):
                if image.batch == order.batch:
                    return replace(image.image, url=self.url_of(name))
            elif await self._store.stat("images/" + name):
                return await self._remembered(name, order)
        return None

    async def _remembered(self, name: str, order: ImageJob) -> GeneratedImage:
        """Facts of an image whose bytes were stored but whose facts were not, measured anew."""
        data = (await self._store.get("images/" + name)).data
        header = measure(data, max_pixels=self._max_pixels)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        image = GeneratedImage(
            header.width, header.height, len(data), header.mime, digest, "stored", "kept", order.model, name,
            requested=order.options.long_side, prompt=order.prompt, note=RESTARTED,
        )  # fmt: skip
        await self._gallery.remember(
            GalleryImage(image, order.caller.tenant, order.created_at, order.references, order.batch)
        )
        return replace(image, url=self.url_of(name))

    def url_of(self, name: str) -> str:
        """Where a stored image can be fetched: the bucket's address, else our own route, signed if keys are used."""
        if url := self._store.url("images/" + name, LINK_SECONDS):
            return url
        path = "/images/" + name
        if self._link_key is None:
            return path
        return signed_links.signed(path, int(self._clock.now()) + LINK_SECONDS, self._link_key)

    def _watch_logo(self, cleaned: imaging.Cleaned, data: bytes) -> None:
        """Notice that the logo has moved: warned about once, never removed by guess
        (docs/logo.md 3). In a worker thread.
        """
        if cleaned.corner is None:
            return
        header = measure(data, max_pixels=self._max_pixels)
        with self._watching:
            self._watch = self._watch or imaging.LogoDriftDetector(self._profiles)
            moved = self._watch.note((header.width, header.height), cleaned.corner)
        if moved is not None:
            self._observer.emit(TelemetryEvent("logo.moved", data={"what": moved.text}))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _unlike_announced(fetched: Fetched, ref: ImageRef, max_pixels: int) -> LocalText:
    """What to say when the image is not of the size that Google announced; nothing when it is, or nothing was said."""
    if len(ref.announced) < 2 or not all(ref.announced[:2]):
        return NO_TEXT
    header = measure(fetched.data, max_pixels=max_pixels)
    width, height = ref.announced[:2]
    if (header.width, header.height) == (width, height):
        return NO_TEXT
    if fetched.source == "full_size" and (header.width, header.height) == (2 * width, 2 * height):
        from_ = f"{width}x{height}"  # what that route does (docs/google-wire.md 3.4)
        return LocalText(f"Google enlarged it from {from_}", f"由 Google 从 {from_} 放大")
    return LocalText(
        f"Google announced {width}x{height} and sent {header.width}x{header.height}",
        f"Google 声明为 {width}x{height}，实际返回 {header.width}x{header.height}",
    )


def _resampled(header: Header) -> LocalText:
    size = f"{header.width}x{header.height}"
    return LocalText(f"resampled from {size}", f"由 {size} 重采样")


def _noted(image: GeneratedImage, note: LocalText) -> GeneratedImage:
    return replace(image, note=LocalText.joined(image.note, note))


def _name(prompt: str, moment: datetime, token: str, extension: str) -> str:
    """The path of an image below /images."""
    return f"{moment:%Y%m}/{moment:%Y%m%d}/{file_name(prompt, moment, token, extension)}"


def _too_small(header: Header, order: ImageJob) -> LocalText:
    """That an image is smaller than asked, and whether its model could have been expected to deliver the size."""
    wanted = order.options.long_side
    if not wanted or max(header.width, header.height) >= wanted:
        return NO_TEXT
    said, said_zh = f"smaller than the {wanted} px asked for", f"小于要求的 {wanted} 像素"
    promising = model_for(None, order.options)
    asked = next((card for card in CARDS if card.id == order.model), None)
    if promising is None or (asked is not None and (asked.long_side or 0) >= wanted):
        return LocalText(f"{said}: this is what Google delivered", f"{said_zh}：Google 返回的就是这个尺寸")
    return LocalText(
        f"{said}: {order.model} does not promise it, {promising} does",
        f"{said_zh}：{order.model} 不保证该尺寸，{promising} 保证",
    )
