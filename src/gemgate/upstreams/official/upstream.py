"""An API key of Google's official Gemini API behind `ports.Upstream`.

It keeps no chats: every call carries the whole history, and nothing can be read back, deleted or rotated. Files go in
the call itself; until they are needed they lie in a folder of this process.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import orjson

from gemgate.accounts import Cookies, Kind, Rotated, SignInResult, UsageReport
from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.lazy_import import later, load
from gemgate.offload import offload
from gemgate.ports.upstream import Accept, Deadlines, Fetched, ImageRef, Prompt, Upload, UpstreamEvent
from gemgate.upstreams import failures
from gemgate.upstreams.official import errors
from gemgate.upstreams.official.key import KeyPlace
from gemgate.upstreams.official.wire import Answer, Events, Models, read_models, request_body

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = later("aiohttp")

BASE_URL: Final = "https://generativelanguage.googleapis.com"
SMALL: Final = 256_000
"""JSON beyond so many bytes is written and read in a thread."""
_KEPT_SECONDS: Final = 24 * 3600.0
_PAGES: Final = 10
_SIGN_IN_SECONDS: Final = 45.0


class OfficialUpstream:
    """`key` is read anew at every `open`, so that a replaced one counts without a restart."""

    kind: Kind = "official"

    def __init__(
        self,
        key: KeyPlace,
        *,
        base_url: str = BASE_URL,
        proxy: str | None = None,
        ca_file: str | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._place = key
        self._base = base_url.rstrip("/") + "/v1beta"
        self._proxy = proxy
        self._ca_file = ca_file
        self._deadlines = deadlines or Deadlines()
        self._key = ""
        self._models = Models((), frozenset())
        self._session: aiohttp.ClientSession | None = None
        self._images: dict[str, Fetched] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._calls = itertools.count(1)

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        """Read the key and ask what it may use; cookies mean nothing here."""
        del cookies, accept, had_chats
        await load(aiohttp)
        self._key = await self._place.read()
        rows: list[dict[str, Any]] = []
        page = ""
        try:
            async with asyncio.timeout(_SIGN_IN_SECONDS):
                for _ in range(_PAGES):
                    found = await self._get("/models", {"pageSize": "1000", **({"pageToken": page} if page else {})})
                    rows += [row for row in found.get("models") or () if isinstance(row, dict)]
                    page = str(found.get("nextPageToken") or "")
                    if not page:
                        break
        except TimeoutError:
            raise failures.stalled("sign-in", _SIGN_IN_SECONDS, "no") from None
        self._models = read_models(rows)
        if not self._models.offers:
            raise errors.drift(LocalText("the key has no chat models", "该密钥没有对话模型"))
        return SignInResult(self._models.offers)

    async def ping(self) -> SignInResult:
        return await self.open(None)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        if prompt.making is not None:
            raise errors.no_media(prompt.making.kind)
        if prompt.research:
            raise errors.no_research()
        answer = Answer(f"{next(self._calls)}.")
        thinking = prompt.extended_thinking and prompt.offer.name in self._models.thinking
        files = [await asyncio.to_thread(self._kept, handle) for handle, _, _ in prompt.files]
        body = await offload(
            sum(len(f.data) for f in files), lambda: _body(prompt, files, thinking=thinking), small=SMALL
        )
        try:
            async for chunk in self._chunks(f"/{prompt.offer.id}:streamGenerateContent", body):
                pieces = answer.feed(chunk)
                self._images |= answer.images
                for piece in pieces:
                    yield piece
            for piece in answer.end():
                yield piece
        finally:
            for image_id in answer.images:
                self._images.pop(image_id, None)

    async def _chunks(self, path: str, body: bytes) -> AsyncGenerator[Any, None]:
        """The answers of one generation as they come; every failure is a GatewayError."""
        limits = self._deadlines
        over = time.monotonic() + limits.total
        events = Events()
        stage: Literal["first byte", "between chunks"] = "first byte"
        async with self._requested(
            "POST", path, {"alt": "sse"}, body, min(limits.first_byte, limits.total)
        ) as response:
            while True:
                patience = limits.first_byte if stage == "first byte" else limits.idle
                left = over - time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, min(patience, left))):
                        data = await response.content.readany()
                except TimeoutError:
                    if left < patience:
                        raise failures.stalled("total", limits.total) from None
                    raise failures.stalled(stage, patience) from None
                for payload in events.feed(data) if data else events.end():
                    stage = "between chunks"
                    yield await self._chunk(payload)
                if not data:
                    return

    async def _chunk(self, payload: bytes) -> Any:
        try:
            chunk = await offload(len(payload), lambda: orjson.loads(payload), small=SMALL)
        except orjson.JSONDecodeError:
            raise errors.drift(LocalText("a chunk is not JSON", "数据块不是 JSON")) from None
        if isinstance(chunk, dict) and "error" in chunk:
            code = chunk["error"].get("code") if isinstance(chunk["error"], dict) else 500
            error = self._clean(errors.of_status(int(code or 500), chunk, now=time.time()))
            raise error.with_(generated="maybe")  # the answer had begun
        return chunk

    async def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        async with self._requested("GET", path, query, None, _SIGN_IN_SECONDS) as response:
            return await self._json(response)

    async def _json(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        try:
            found = orjson.loads(await response.read())
        except orjson.JSONDecodeError:
            raise errors.drift(LocalText("not JSON", "不是 JSON")) from None
        if not isinstance(found, dict):
            raise errors.drift(LocalText("not an object", "不是对象"))
        return found

    @asynccontextmanager
    async def _requested(
        self, method: str, path: str, query: dict[str, str], body: bytes | None, patience: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer's head, once it says 200. The key travels in a header, for addresses are logged on the way."""
        headers = {"x-goog-api-key": self._key, "content-type": "application/json"}
        sent = False
        try:
            async with asyncio.timeout(patience) as silence:
                response = await self._open_session().request(
                    method, self._base + path, params=query, data=body, headers=headers, proxy=self._proxy,
                    allow_redirects=False,
                )  # fmt: skip
                sent = True
                if response.status != 200:
                    raise self._clean(errors.of_status(response.status, await _said(response), now=time.time()))
        except TimeoutError:
            if silence.expired():
                raise failures.stalled("first byte", patience) from None
            raise errors.unreachable(LocalText("no connection in time", "未能及时建立连接")) from None
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientProxyConnectionError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            raise errors.unreachable(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:
            raise failures.broken(type(error).__name__) from None
        try:
            yield response
        except (aiohttp.ClientError, OSError) as error:
            assert sent
            raise failures.broken(type(error).__name__) from None
        finally:
            response.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            context = ssl.create_default_context()
            if self._ca_file:
                context.load_verify_locations(self._ca_file)
            # A connection of its own for each call: on a kept one a dead peer looks like a prompt that arrived.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=context, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._deadlines.connect),
            )
        return self._session

    def _clean(self, error: GatewayError) -> GatewayError:
        """Google repeats a suspended key in its message; we do not."""
        key = self._key
        return error.with_(en=error.en.replace(key, "…"), zh=error.zh.replace(key, "…")) if key else error

    # Files and images

    async def upload(self, upload: Upload) -> str:
        """Kept here until a prompt carries it; the handle holds as long as the process does, for a day at most."""
        return await asyncio.to_thread(self._keep, upload)

    def _keep(self, upload: Upload) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="gemgate-official-")
        folder = Path(self._folder.name)
        for old in folder.iterdir():
            if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
                old.unlink(missing_ok=True)
        (folder / upload.sha256).write_bytes(upload.data)
        return f"{upload.sha256}/{upload.mime}"

    def _kept(self, handle: str) -> Upload:
        digest, _, mime = handle.partition("/")
        try:
            data = (Path(self._folder.name if self._folder else "") / digest).read_bytes()
        except OSError:
            raise failures.broken(
                LocalText("an uploaded file is not there any more; send it again", "上传的文件已不存在，请重新发送"),
                "no",
            ) from None
        return Upload(digest, mime, data, digest)

    async def fetch_image(self, ref: ImageRef, long_side: int | None) -> Fetched:
        """The bytes that came in the answer; there is nothing larger to ask for."""
        del long_side
        if (found := self._images.get(ref.image_id)) is None:
            raise failures.broken(LocalText("the picture is not at hand any more", "图片已不在手边"), "no")
        return found

    # What there is not

    async def read_chat(self, cid: str) -> list[UpstreamEvent] | None:
        del cid
        return None

    async def has_chat(self, cid: str) -> bool:
        del cid
        return False

    async def delete_chat(self, cid: str) -> None:
        del cid

    async def rotate(self) -> Rotated:
        _no_cookies()

    async def usage(self) -> UsageReport:
        return UsageReport()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(folder.cleanup)


def _no_cookies() -> NoReturn:
    raise BadRequest("An account with an API key has no cookies", "使用 API 密钥的账号没有 Cookie", param="account")


def _body(prompt: Prompt, files: list[Upload], *, thinking: bool) -> bytes:
    return orjson.dumps(request_body(prompt, files, thinking=thinking))


async def _said(response: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer that is not 200, or None."""
    try:
        return orjson.loads(await response.content.read(64_000))
    except (orjson.JSONDecodeError, aiohttp.ClientError, OSError):
        return None
