"""A gateway for commands that talk to one: the named one, the one that runs on this machine, or one of our own.

Our own lives in this process, on a free port of loopback, and ends with the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import typer
from pydantic import SecretStr

from gemgate.assembly.node import open_service
from gemgate.cli.account_backend import running
from gemgate.cli.address import address_of, unreachable
from gemgate.cli.console import err
from gemgate.cli.serve import listening
from gemgate.cli.terminal import language, load_settings, run, say
from gemgate.errors import BadRequest, ClientError, GatewayError, NoAccount, NotFound, Unreachable
from gemgate.frozen import frozen
from gemgate.jobs import Jobs
from gemgate.settings import Settings
from gemgate.stores.drafts import drafted
from gemgate.web.app import create_app
from gemgate.web.errors import NEEDS_PERSON
from gemgate.web.server import IDLE_SECONDS, Config, Server

SECONDS = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
"""An event stream beats every ten seconds."""
MAKING_SECONDS = 60.0
"""Seconds for what Google is making when a command of our own gateway is stopped: an image takes 10 to 40."""
_PIECE = 1 << 20


Body = bytes | aiohttp.FormData

UrlOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="GEMGATE_URL", help="The gateway. (default: the one on this machine, else one of our own)",
        show_default=False,
    ),
]  # fmt: skip
GatewayOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="GEMGATE_URL", show_default=False,
        help="A gateway to ask. (default: none, also while one runs here: the accounts of the settings)",
    ),
]  # fmt: skip
KeyOption = Annotated[
    str, typer.Option("--key", envvar="GEMGATE_KEY", help="Key for that gateway (API_KEY there).", show_default=False)
]


@frozen
class Connection:
    """A session with a gateway. own: it runs in this process."""

    http: aiohttp.ClientSession
    url: str
    key: str
    own: bool = False

    async def ask(
        self, method: str, path: str, body: Body | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The answer's JSON; GatewayError with what the gateway said, Unreachable when it does not answer.

        body: bytes are JSON; a form says itself what it is.
        """
        more = {"content-type": "application/json"} if isinstance(body, bytes) else {}
        async with self.open(method, path, body, {**more, **(headers or {})}) as answer:
            try:
                return orjson.loads(await answer.read())
            except orjson.JSONDecodeError:
                raise _no_gateway(self.url) from None

    @asynccontextmanager
    async def open(
        self, method: str, target: str, body: Body | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, its body still to come. target: a path, or an address; only our gateway gets our key."""
        ours = target.startswith("/") or _origin(target) == _origin(self.url)
        address = self.url + target if target.startswith("/") else target
        sent = {**({"authorization": f"Bearer {self.key}"} if ours and self.key else {}), **(headers or {})}
        try:
            async with self.http.request(method, address, data=body, headers=sent) as answer:
                if answer.status >= 400:
                    raise _said(answer.status, await answer.read(), address, answer.headers)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(_origin(address), error) from None

    async def lines(
        self, target: str, method: str = "GET", body: Body | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, each whole, however long: aiohttp's own end at 128 KB."""
        async with self.open(method, target, body, headers) as answer:
            pieces: list[bytes] = []
            async for piece in answer.content.iter_any():
                *lines, rest = piece.split(b"\n")
                for line in lines:
                    yield b"".join((*pieces, line)).removesuffix(b"\r")
                    pieces = []
                pieces.append(rest)

    async def written(self, target: str, path: Path, sha256: str = "") -> int:
        """Fetch a file piece by piece, there whole or not at all; its bytes. sha256: what it must be, where known."""
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with drafted(path) as file:
            async with self.open("GET", target) as answer:
                async for piece in answer.content.iter_chunked(_PIECE):
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
                    size += len(piece)
            if sha256 and digest.hexdigest() != sha256:
                raise Unreachable("The file came damaged; fetch it again", "文件下载不完整，请重新获取")
        return size


@asynccontextmanager
async def connected(
    settings: Settings, url: str, key: str, *, resident: bool, admin: bool = False
) -> AsyncIterator[Connection]:
    """The gateway at `url`; without one that of this machine, else our own.

    resident: our own one works on batches; otherwise it only looks into the database. admin: what is asked needs the
    admin key, and so without `key` that of the settings goes along, to `url` too.
    """
    known = _key_of(settings, admin=admin)
    async with aiohttp.ClientSession(timeout=SECONDS, headers={"accept-language": language()}) as http:
        if url:
            yield Connection(http, address_of(url), key or (known if admin else ""))
        elif found := await running(settings):
            yield Connection(http, found, key or known)
        else:
            if admin and settings.admin_key is None:  # who may read the database asks; nobody else knows this one
                settings = settings.model_copy(update={"admin_key": SecretStr(secrets.token_urlsafe())})
            async with _own(settings, resident=resident) as own:
                yield Connection(http, own, _key_of(settings, admin=admin), own=True)


def through(
    work: Callable[[Connection], Awaitable[Any]],
    url: str,
    key: str,
    config: Path | None,
    *,
    resident: bool = False,
    admin: bool = False,
) -> Any:
    """Do it on the gateway that is meant; with resident, one of our own works on batches meanwhile."""
    quiet = {} if "LOG_LEVEL" in os.environ else {"log_level": "error"}
    settings = load_settings(quiet, config).settings

    async def connect_and_work() -> Any:
        async with connected(settings, url, key, resident=resident, admin=admin) as gateway:
            if gateway.own and resident:
                en = "No gateway runs here: this command is one, as long as it lasts."
                err.print(say(en, "这里没有正在运行的网关：本命令在运行期间充当网关。"), style="dim")
            return await work(gateway)

    return run(connect_and_work())


@asynccontextmanager
async def _own(settings: Settings, *, resident: bool) -> AsyncIterator[str]:
    """A gateway in this process, as long as the block lasts."""
    free = {"host": "127.0.0.1", "port": 0, "rate_limit_per_hour": 0, "model_interval_seconds": 0}
    with listening(settings.model_copy(update=free)) as (sock, bound):
        async with open_service(bound, resident=resident) as service:
            if resident and not service.pool.accounts:
                raise _nobody_here(service.pool.no_account_error())
            service.pool.kept_free = 0  # nobody sits in front of it
            config = Config(
                create_app(bound, service),
                ws="none",
                log_config=None,
                access_log=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=1,
            )
            server = _Quiet(config)
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            try:
                while not server.started:  # noqa: ASYNC110 - the server has a flag and no event
                    await asyncio.sleep(0.01)
                yield f"http://127.0.0.1:{bound.port}"
            finally:
                if resident:
                    await _stopped(service.jobs)
                server.should_exit = True
                await asyncio.wait({serving}, timeout=5)


async def _stopped(jobs: Jobs) -> None:
    """Google throws away what it has not finished when we leave, and counts it all the same."""
    if making := jobs.worker.generating:
        line = say(
            f"Google is still making {making}: waiting {MAKING_SECONDS:.0f} s at most; "
            "Ctrl-C again stops at once, and they are made anew later.",
            f"Google 仍在生成 {making} 项：最多等待 {MAKING_SECONDS:.0f} 秒；"
            "再按一次 Ctrl-C 立即停止，未完成的稍后重做。",
        )
        err.print(line, highlight=False, soft_wrap=True)
    await jobs.stop(MAKING_SECONDS)


class _Quiet(Server):
    """Ctrl-C belongs to the command."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _nobody_here(error: GatewayError) -> GatewayError:
    """Nobody could add an account while this command waits for one."""
    return NoAccount(
        f"{error.en}. A gateway that runs elsewhere is named by --url or GEMGATE_URL",
        f"{error.zh}。其他位置运行的网关请用 --url 或 GEMGATE_URL 指定",
        code="no_account",
        needs_person=True,
    )


def _key_of(settings: Settings, *, admin: bool) -> str:
    """A key that the gateway with these settings takes; batches are then seen as their owner sees them."""
    if admin and settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    return settings.api_keys[0].secret if settings.api_keys else ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _said(status: int, body: bytes, address: str, headers: Mapping[str, str]) -> GatewayError:
    """The gateway's own words; where there are none, what to look at."""
    try:
        told = orjson.loads(body)
        detail = told.get("detail") or told["error"]["message"]
        code = told.get("error", told).get("code")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return (
            _no_gateway(_origin(address))
            if status == 404
            else Unreachable(f"{address} answered {status}", f"{address} 返回 {status}")
        )
    hint = hint_zh = ""
    if status == 401:
        hint, hint_zh = ". Give the key of that gateway with --key", "。请用 --key 提供该网关的密钥"
    kinds: Mapping[int, type[GatewayError]] = {400: BadRequest, 404: NotFound}
    kind = kinds.get(status, ClientError if status < 500 else Unreachable)
    code = code if isinstance(code, str) else None  # Google's is the status
    if headers.get(NEEDS_PERSON):
        return NoAccount(detail, detail, needs_person=True, code=code)
    return kind(f"{detail}{hint}", f"{detail}{hint_zh}", code=code)


def _no_gateway(url: str) -> ClientError:
    return ClientError(f"There is no gemgate at {url}", f"{url} 上没有 gemgate")


def written_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path) as file:
        file.write(data)
