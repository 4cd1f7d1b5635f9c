"""From what a caller points at to bytes that may go up: inline, by link, or uploaded before.

Everything is checked before it is decoded or sent: size, type and pixels.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import mimetypes
from collections.abc import Iterable, Sequence

from gemgate import audio
from gemgate.caller import Caller
from gemgate.errors import BadRequest, ClientError, GatewayError, UnsupportedMedia
from gemgate.files import Inline, Link, Source, Stored, file_not_found
from gemgate.gateway.own_images import OwnImages
from gemgate.imaging import UnsupportedImage, measure
from gemgate.imaging.truncation import is_truncated
from gemgate.pool.account import Account
from gemgate.ports.files import FileStore
from gemgate.ports.outbound import Fetcher
from gemgate.ports.upstream import SentFile, Upload

MAX_FILES = 10
"""Files that one prompt may refer to (docs/google-wire.md 8.4)."""


MAX_LINKS = 20
"""Links of one request that are fetched. More than the web app takes files, so that the clearer refusal comes first."""
CONCURRENT_UPLOADS = 2
"""All files of a request are at most so many times as large as a single one may be."""


class Attachments:
    """`max_bytes` and `max_pixels` bound every single file."""

    def __init__(
        self,
        fetcher: Fetcher,
        files: FileStore | None,
        *,
        max_bytes: int,
        max_pixels: int,
        own: OwnImages | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._files = files
        self._own = own
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels

    async def load(
        self, sources: Iterable[Source], asker: Caller, *, images_only: bool = False, earlier: int = 0
    ) -> tuple[Upload, ...]:
        """The files behind `sources`, in their order; a ClientError names the first that cannot be used.

        earlier: so many of the first belong to earlier turns. One of those that cannot be had is a line of text
        in its place: a dead link must not end the conversation that it stands in.
        """
        sources, left = tuple(sources), CONCURRENT_UPLOADS * self._max_bytes
        if sum(isinstance(source, Link) for source in sources) > MAX_LINKS:
            raise BadRequest(
                f"More than {MAX_LINKS} links in one request",
                f"单个请求中的链接超过 {MAX_LINKS} 个",
                code="too_many_links",
            )
        loaded: list[Upload] = []
        for number, source in enumerate(sources, 1):
            try:
                loaded.append(await self._load(source, asker, images_only, number, left))
            except (ClientError, UnsupportedMedia) as error:
                if number > earlier:
                    raise error.with_(param=source.place or None) from None
                loaded.append(_missing(number, error))
            left -= len(loaded[-1].data)
        return tuple(loaded)

    async def _load(self, source: Source, asker: Caller, image: bool, number: int, left: int) -> Upload:
        found = await self._bytes(source, asker, min(left, self._max_bytes))
        if len(found.data) > left:
            raise BadRequest(
                f"The files of the request are larger than {CONCURRENT_UPLOADS * self._max_bytes / 1e6:g} MB together",
                f"请求中的文件总大小超过 {CONCURRENT_UPLOADS * self._max_bytes / 1e6:g} MB",
                code="file_too_large",
            )
        if len(found.data) > self._max_bytes:
            raise BadRequest(
                f"File {number} is larger than {self._max_bytes / 1e6:g} MB",
                f"第 {number} 个文件超过 {self._max_bytes / 1e6:g} MB",
                code="file_too_large",
            )
        mime = await asyncio.to_thread(self._type, found, image, number)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(found.data).hexdigest())
        return Upload(_named(found.name, mime, number), mime, found.data, digest)

    def is_own(self, source: Source, asker: Caller) -> bool:
        """Whether this is a link to an image of ours, which only means something beside who asks."""
        return isinstance(source, Link) and self._own is not None and self._own.name_of(source.url, asker) is not None

    def fetches(self, sources: Iterable[Source], asker: Caller) -> bool:
        """Whether any of these is had from elsewhere."""
        return any(isinstance(source, Link) and not self.is_own(source, asker) for source in sources)

    async def _bytes(self, source: Source, asker: Caller, most: int) -> Inline:
        match source:
            case Inline():
                return source
            case Link(url):
                if self._own is not None and (name := self._own.name_of(url, asker)) is not None:
                    return await self._own.read(name, url, asker)
                return await self._fetcher.fetch(url, most)
            case Stored(file_id, asked=asked):
                file = await self._files.get(file_id, asker.tenant) if self._files else None
                if file is None or self._files is None:
                    raise file_not_found(asked or file_id)
                return Inline(await self._files.read(file), file.mime, source.name or file.name)

    def _type(self, found: Inline, image: bool, number: int) -> str:
        """The type that the bytes themselves show; what is declared counts only where bytes show nothing."""
        try:
            mime = measure(found.data, max_pixels=self._max_pixels).mime
        except UnsupportedMedia:
            if not image and (recording := audio.kind_of(found.data)) is not None:
                return recording.mime
            declared = found.mime or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
            if image or declared.startswith("image/"):
                raise BadRequest(
                    f"File {number} is not a picture: send PNG, JPEG, WebP, GIF, AVIF or HEIC",
                    f"第 {number} 个文件不是图片：请使用 PNG、JPEG、WebP、GIF、AVIF 或 HEIC",
                    param="image",
                    code="invalid_image",
                ) from None
            return declared
        except UnsupportedImage as why:
            raise BadRequest(
                f"File {number}: {why.text.en}",
                f"第 {number} 个文件：{why.text.zh}",
                param="image",
                code="invalid_image",
            ) from None
        if is_truncated(found.data):
            raise BadRequest(
                f"File {number} is cut off: the picture has no end; send it whole",
                f"第 {number} 个文件不完整：图片缺少结尾，请发送完整的图片",
                param="image",
                code="invalid_image",
            )
        return mime

    async def upload(self, account: Account, uploads: Sequence[Upload]) -> tuple[SentFile, ...]:
        """Each file on this account, sent up where it is not there yet. BadRequest for more than it takes."""
        if len(uploads) > MAX_FILES:
            raise BadRequest(
                f"{len(uploads)} files with one prompt; Google takes {MAX_FILES} at most",
                f"一次提问附带了 {len(uploads)} 个文件；Google 最多接受 {MAX_FILES} 个",
                param="messages",
                code="too_many_files",
            )
        return tuple(await asyncio.gather(*map(account.upload, uploads)))


def text_bytes(upload: Upload) -> int:
    """UTF-8 bytes of text that a file adds to its prompt, 0 where that cannot be known (images, PDF, archives)."""
    mime = upload.mime.lower()
    if mime.startswith(("image/", "audio/", "video/")) or mime == "application/pdf" or b"\0" in upload.data[:4096]:
        return 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(upload.data[:4096])
    except UnicodeDecodeError:
        return len(upload.data) * 3 // 2 if mime.startswith("text/") else 0  # two bytes of GBK are three of UTF-8
    return len(upload.data)


def hides_text(upload: Upload) -> bool:
    """Whether a file may hold text that `text_bytes` cannot count: a PDF, an office document, an archive."""
    return not upload.mime.lower().startswith(("image/", "audio/", "video/")) and not text_bytes(upload)


_TELLS_NOTHING = ("text/", "application/octet-stream")


def _missing(number: int, error: GatewayError) -> Upload:
    """In place of a file of an earlier turn: what it was cannot be known any more."""
    data = f"File {number} of an earlier turn cannot be loaded any more: {error.en}\n".encode()
    return Upload(f"missing-{number}.txt", "text/plain", data, hashlib.sha256(data).hexdigest())


def _named(name: str, mime: str, number: int) -> str:
    """The file's own name; with an extension where it has none that says what it is, as a document's title has not."""
    ending = audio.ending_of(mime) or mimetypes.guess_extension(mime) or ""
    if not name:
        return f"file-{number}{ending}"
    if mimetypes.guess_type(name)[0] or mime.startswith(_TELLS_NOTHING):
        return name
    return name + ending
