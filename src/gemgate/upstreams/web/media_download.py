"""Fetching a video or music file with the session of its account, piece by piece to disk (docs/google-wire.md 6.6).

The file may come inside a protobuf message: what stands around the MP4 or MP3 file is left out. Fetching is reading: it
may be tried again, and generates nothing.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urljoin

from curl_cffi.requests import AsyncSession, Response
from gemini_webapi.constants import Headers

from gemgate.errors import Blocked, GatewayError, LocalText
from gemgate.findings import Media
from gemgate.imaging import media_files
from gemgate.upstreams import failures
from gemgate.upstreams.web import errors
from gemgate.upstreams.web.image_download import is_private

MOST_BYTES: Final = 2_000_000_000
MAX_HOPS: Final = 5
SECONDS: Final = 900.0
"""Of the whole download."""
_COPIED: Final = 1 << 20
_NAMES: Final = {"video": "video.mp4", "audio": "music.mp3"}


async def fetch(session: AsyncSession[Response], media: Media, path: Path, number: int, opi: str) -> int:
    """Write the file to `path`; its bytes. number: of the account among those of its cookies. Broken when it is cut,
    or none.
    """
    query = urlencode({"filename": media.name or _NAMES[media.kind], "opi": opi, "authuser": number})
    url = media.url + ("&" if "?" in media.url else "?") + query
    for _ in range(MAX_HOPS):
        if not is_private(url):
            raise errors.drift(
                LocalText("the address of a video or music leads away from Google", "视频或音乐的地址指向 Google 之外"),
                "maybe",
            )
        status, location = await _get(session, url, path)
        if status == 200:
            return await asyncio.to_thread(_unwrapped, path, media.nbytes)
        if not (300 <= status < 400 and location):
            raise _of_status(status)
        url = urljoin(url, location)
    raise errors.drift(
        LocalText("the addresses of a video or music lead nowhere", "视频或音乐的各个地址都无法取得"), "maybe"
    )


async def _get(session: AsyncSession[Response], url: str, path: Path) -> tuple[int, str]:
    """One GET into the file; its status, and where it sends us."""
    with path.open("wb") as file:
        written = 0

        def take(chunk: bytes) -> int:
            nonlocal written
            written += len(chunk)
            return file.write(chunk) if written <= MOST_BYTES else 0  # fewer than given: libcurl ends the transfer

        more: dict[str, Any] = {"allow_redirects": False, "timeout": SECONDS, "content_callback": take}
        try:
            response = await session.get(url, headers=Headers.REFERER.value, **more)
        except errors.FAILURES as error:
            raise errors.of_exception(error, sent=False).with_(generated="maybe") from None
    return response.status_code, response.headers.get("location", "") or ""


def _unwrapped(path: Path, announced: int) -> int:
    """Leave only the MP4 or MP3 file; Broken where it is shorter than was announced, or begins nowhere."""
    size = path.stat().st_size
    with path.open("r+b") as file:

        def read(at: int, count: int) -> bytes:
            file.seek(at)
            return file.read(count)

        found = media_files.find(read)
        if found is None:
            raise failures.broken(LocalText("no video or music at its address", "该地址没有视频或音乐"))
        container, begin = found
        if announced and size - begin < announced:
            raise failures.broken(
                LocalText(
                    f"a file came only in part, {size - begin} of {announced} bytes",
                    f"文件只取得了一部分，{announced} 字节中的 {size - begin}",
                )
            )
        length = announced or (media_files.length(read, container, begin, size) if begin else size)
        if begin:
            for at in range(0, length, _COPIED):
                piece = read(begin + at, min(_COPIED, length - at))
                file.seek(at)
                file.write(piece)
        file.truncate(length)
        file.flush()
        os.fsync(file.fileno())
    return length


def _of_status(status: int) -> GatewayError:
    """403 says nothing of the session: a link has expired, or the file wants more cookies than it has (3.5)."""
    if status == 429:
        blocked: Blocked = errors.blocked("HTTP 429", "maybe")
        return blocked
    return failures.broken(
        LocalText(f"the address of a video or music answers HTTP {status}", f"视频或音乐的地址返回 HTTP {status}")
    )
