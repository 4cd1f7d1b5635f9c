"""Small previews of stored images: made once each, in few threads, kept beside the images."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gemgate import imaging
from gemgate.errors import Busy, NotFound, StorageDown, Unprocessable, system_words
from gemgate.gateway.beside_images import thumb_key
from gemgate.imaging import ARITHMETIC, PIXEL_COST
from gemgate.ports.blobs import BlobStore
from gemgate.ports.gallery import GalleryImage

AT_ONCE = 2
"""Pictures that are decoded at the same time: a page of fifty must not hold a gigabyte of pixels."""
MIME = "image/webp"


class Thumbnails:
    """`of` gives the same bytes for ever; whoever asks while one is being made waits for that one."""

    def __init__(self, blobs: BlobStore, fits: Callable[[int, int], bool] = lambda resident, virtual: True) -> None:
        self._fits = fits
        self._blobs = blobs
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, image: GalleryImage) -> bytes:
        """WebP. NotFound when the picture's file is gone, Unprocessable when its pixels cannot be read."""
        key = thumb_key(image.image.name)
        try:
            return (await self._blobs.get(key)).data
        except NotFound:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = asyncio.ensure_future(self._make(image, key))
                making.add_done_callback(lambda task: self._made(key, task))
            return await asyncio.shield(making)

    def _made(self, key: str, task: asyncio.Task[bytes]) -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waited has been told

    async def _make(self, image: GalleryImage, key: str) -> bytes:
        async with self._turns:
            if not self._fits(image.image.width * image.image.height * PIXEL_COST, ARITHMETIC):
                raise Busy("Memory is short: no preview is made now", "内存不足，暂不生成预览图", retry_after=5.0)
            original = await self._blobs.get("images/" + image.image.name)
            try:
                small = await asyncio.to_thread(lambda: imaging.thumbnail(original.data))
            except (imaging.UnsupportedImage, ValueError) as error:
                why = system_words(error)
                raise Unprocessable(
                    f"The picture cannot be decoded: {why.en}", f"无法解码图片：{why.zh}", code="undecodable"
                ) from None
        try:
            await self._blobs.put(key, small, MIME)
        except StorageDown:
            return small  # it is made again the next time
        return small
