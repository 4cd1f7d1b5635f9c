"""Fetching a generated image's original on the session that made it (docs/gemini-webapi.md 7).

The full-size route first: an RPC names an address, two addresses in text bodies follow, then the bytes. After it the
link without a limit of size (`=s0`), then the size suffix (PNG, then JPEG), then the preview as it is. Fetching is
reading: it may be tried again, and generates nothing. What comes is believed by its bytes, not by its headers, and only
when it is whole.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from curl_cffi.requests import AsyncSession, Response
from gemini_webapi.constants import Headers

from gemgate.errors import Broken, GatewayError, LocalText, SignedOut
from gemgate.imaging.truncation import is_whole, looks_like_image
from gemgate.ports.upstream import Fetched, ImageRef
from gemgate.upstreams import failures
from gemgate.upstreams.web import errors
from gemgate.upstreams.web.client import HardenedClient

MAX_BYTES = 100_000_000
FOUND_MAX_BYTES = 20_000_000
"""Of an image of the web, which somebody else chose."""
MAX_HOPS = 4
SECONDS = 30.0
RPC_SECONDS = 10.0
FULL_SIZE_TRIES = 2
"""Links expire; the RPC gives fresh ones."""

_SUFFIX = re.compile(r"=s\d+(-rj)?$")
_GOOGLE = (".google.com", ".googleusercontent.com")


async def fetch(client: HardenedClient, ref: ImageRef, long_side: int | None) -> Fetched:
    """The image's bytes by the best route that works; the last route's error when none does."""
    side = f"s{4096 if (long_side or 0) > 2048 else 2048}"
    base = _SUFFIX.sub("", ref.url)
    made = [
        *[("full_size", "")] * FULL_SIZE_TRIES,
        ("s0", f"{base}=s0"),
        (side, f"{base}={side}"),
        (side, f"{base}={side}-rj"),
        ("preview", ref.url),
    ]
    routes = [("web", ref.url)] if ref.found else made
    failure: GatewayError | None = None
    for source, url in routes:
        try:
            most = FOUND_MAX_BYTES if ref.found else MAX_BYTES
            data, mime = await (_hops(client.session, url, most) if url else _full_size(client, ref))
        except SignedOut:
            raise  # the session itself was refused: no other route can do better
        except GatewayError as error:
            failure = error.with_()  # a copy: the error itself holds this frame
            continue
        return Fetched(data, mime, source)
    assert failure is not None
    raise failure.with_(generated="maybe")


async def _full_size(client: HardenedClient, ref: ImageRef) -> tuple[bytes, str]:
    address = await client.full_size_address(ref, RPC_SECONDS)
    return await _hops(client.session, f"{address}=d-I?alr=yes")


async def _hops(session: AsyncSession[Response], url: str, most: int = MAX_BYTES) -> tuple[bytes, str]:
    """Follow addresses in text bodies until a whole image comes."""
    for _ in range(MAX_HOPS):
        if not is_private(url):
            raise errors.drift(
                LocalText("a picture's address leads away from Google", "图片地址指向 Google 之外"), "no"
            )
        data, mime = await _get(session, url, most)
        if looks_like_image(data):
            if not is_whole(data):
                raise failures.broken(LocalText("a picture came only in part", "图片只取得了一部分"), "no")
            return data, mime
        url = data[:4096].decode("utf-8", "replace").strip()
        if not url.startswith("https://"):
            raise failures.broken(LocalText("no picture at its address", "该地址没有图片"), "no")
    raise errors.drift(LocalText("a picture's addresses lead nowhere", "图片的各个地址都无法取得"), "no")


def is_private(url: str) -> bool:
    """Whether it leads to a host of Google's that wants the account's session."""
    parts = urlsplit(url)
    return parts.scheme == "https" and any(("." + (parts.hostname or "")).endswith(name) for name in _GOOGLE)


async def _get(session: AsyncSession[Response], url: str, most: int) -> tuple[bytes, str]:
    """One GET; its body of at most so many bytes, and its type."""
    body = bytearray()

    def take(chunk: bytes) -> int:
        if len(body) + len(chunk) > most:
            return 0  # fewer bytes than given: libcurl ends the transfer
        body.extend(chunk)
        return len(chunk)

    try:
        response = await session.get(url, headers=Headers.REFERER.value, timeout=SECONDS, content_callback=take)
    except errors.FAILURES as error:
        raise errors.of_exception(error, sent=False) from None
    if response.status_code != 200:
        raise _of_status(response.status_code, url)
    mime = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bytes(body), mime


def _of_status(status: int, url: str) -> GatewayError:
    """Only hosts under google.com see the session's cookies. 403 says nothing of the session: a link has expired, or
    the file wants more cookies than the session has (docs/google-wire.md 3.5, 5.2).
    """
    if status != 403 and (urlsplit(url).hostname or "").endswith(".google.com"):
        return errors.of_status(status, generated_if_unsure="no")
    problem: Broken = failures.broken(
        LocalText(f"a picture's address answers HTTP {status}", f"图片地址返回 HTTP {status}"), "no"
    )
    return problem
