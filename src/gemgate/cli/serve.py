"""`gemgate serve` and `gemgate demo`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from ipaddress import ip_address
from types import FrameType
from typing import Annotated

import typer
from starlette.types import ASGIApp

from gemgate.allocator import give_back, give_code_back
from gemgate.assembly.node import open_service
from gemgate.cli.simulated import simulated
from gemgate.cli.terminal import ConfigOption, FleetOption, fail, language, load_settings, reason, run, say, tell, write
from gemgate.collector import collect_rarely
from gemgate.machine import CLIENTS
from gemgate.settings import Settings
from gemgate.settings.outdated import outdated
from gemgate.telemetry import set_up_logging
from gemgate.upstreams.web.logs import bridge
from gemgate.web.app import create_app
from gemgate.web.interim import InterimProtocol
from gemgate.web.server import IDLE_SECONDS, Config, Server

DRAIN_SECONDS = 30
CUT_OFF_SECONDS = 5
"""How long calls that were still under way then have for their last words, before what they stand on is closed."""
TICK = 1.0
"""Seconds between two looks of the server at the date that our answers bear."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks one.", show_default=False)] = None,
    fleet: FleetOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve the API and the page."""
    loaded = load_settings({"host": host, "port": port, "fleet": fleet}, config)
    run(_serve(loaded.settings, loaded.origins))


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks one.")] = 8100,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve a simulated Google: everything works, no account is needed, nothing leaves this machine."""
    set_up_logging("warning", "console")
    bridge()
    if host in EVERYWHERE or not _is_loopback(host):
        sentence = say(
            f"Open to everybody who reaches {host}: the demo asks for no key. Only made-up answers are at stake.",
            f"能访问 {host} 的任何人都可以使用：演示模式不需要密钥。涉及的只是模拟的回答。",
        )
        tell("[yellow]{}[/yellow]", sentence, to="err")
    run(_demo(host, port))


EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not listened on here
"""Addresses that stand for all of a machine's, and one of them that can be called."""


def callable_at(host: str, port: int) -> str:
    """The address to call of what listens there."""
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def _demo(host: str, port: int) -> None:
    async with simulated(host, port) as settings:
        await _serve(settings, demo=True)


async def _serve(settings: Settings, origins: Mapping[str, str] | None = None, *, demo: bool = False) -> None:
    with listening(settings) as (sock, bound):
        async with open_service(bound) as service:
            app, empty = create_app(bound, service, origins), not service.pool.accounts

            async def leave() -> None:
                service.jobs.let_go()

            await run_server(sock, app, bound, demo=demo, empty=empty, leaving=leave)


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[tuple[socket.socket, Settings]]:
    """The listening socket, and the settings with the port that it got."""
    sock = listen(settings.host, settings.port)
    try:
        yield sock, settings.model_copy(update={"port": sock.getsockname()[1]})
    finally:
        sock.close()


class _Server(Server):
    """`leaving` is awaited when a signal has come and calls are still taken."""

    leaving: Callable[[], Awaitable[None]] | None = None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._signalled = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.force_exit:
            logging.disable()  # as a second Ctrl-C does elsewhere (`cli.interruption`)
        self._signalled.set()

    async def main_loop(self) -> None:
        """Look once a second, as the date in our answers wants it, not ten times: a signal wakes us by itself."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._signalled.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM has done its work when the server has ended: raised once more, it would kill us before we tidy up; so
        would Ctrl-C as often as it was pressed.
        """
        with super().capture_signals():
            yield
            self._captured_signals[:] = {*self._captured_signals} - {signal.SIGTERM}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.leaving is not None:
            await self.leaving()
        await super().shutdown(sockets)
        if cut_off := [call for call in self.server_state.tasks if call.cancelling()]:
            await asyncio.wait(cut_off, timeout=CUT_OFF_SECONDS)


async def run_server(
    sock: socket.socket,
    app: ASGIApp,
    settings: Settings,
    *,
    demo: bool = False,
    empty: bool = False,
    leaving: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until a signal ends it; what cannot be opened has been said in one line by then. empty: no accounts."""
    CLIENTS.make_room()
    server = _Server(
        Config(
            app,
            http=InterimProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the server believes any proxy on this machine; `Access` those of TRUSTED_PROXIES
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    server.leaving = leaving
    announcing = asyncio.create_task(_announce(server, settings, demo=demo, empty=empty))
    collect_rarely()
    for let_go in (give_back, give_code_back):  # what the start took for a moment
        await asyncio.to_thread(let_go)
    try:
        await server.serve(sockets=[sock])
    finally:
        if demo and server.started:
            write(
                say(
                    "The demo has ended, and its pictures and batches with it.",
                    "演示已结束，图片和批量任务也一并删除。",
                )
            )
        announcing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await announcing


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; leaves with one clear line when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; left on, it holds answers up for 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        why = reason(error)
        fail(
            say(
                f"cannot listen on {host}:{port}: {why}. Choose another with --port",
                f"无法监听 {host}:{port}：{why}。请用 --port 另选端口",
            ),
            2,
        )
    sock.listen(2048)
    sock.setblocking(False)
    return sock


def _in_force(settings: Settings) -> str:
    """The limits that a client will meet, in one line."""
    limits = []
    if settings.rate_limit_per_hour:
        calls = settings.rate_limit_per_hour
        limits.append(
            (f"{calls} calls an hour for each client", f"每个客户端每小时 {calls} 次调用", "RATE_LIMIT_PER_HOUR")
        )
    if settings.model_interval_seconds:
        seconds = f"{settings.model_interval_seconds:g}"
        pace = f"one call of a model every {seconds} s", f"同一模型每 {seconds} 秒一次调用"
        limits.append((*pace, "MODEL_INTERVAL_SECONDS"))
    if settings.rpm_limit:
        prompts = settings.rpm_limit
        limits.append(
            (f"{prompts} prompts a minute for each account", f"每个账号每分钟 {prompts} 个提示词", "RPM_LIMIT")
        )
    told = [say(f"{en} ({name})", f"{zh}（{name}）") for en, zh, name in limits]
    return say("; ", "；").join(told) or say("none", "无")


async def _announce(server: Server, settings: Settings, *, demo: bool, empty: bool) -> None:
    host, port = settings.host, settings.port
    while not server.started:  # noqa: ASYNC110 - the server has a flag and no event
        await asyncio.sleep(0.02)
    base = callable_at(host, port)
    for line in outdated():
        tell("[yellow]{}[/yellow]", line.for_(language()))
    if not demo:
        tell(
            say(
                "gemgate listens on [bold]{}[/bold]  (OpenAI base URL: {}/v1)",
                "gemgate 正在监听 [bold]{}[/bold]  （OpenAI 接口地址：{}/v1）",
            ),
            base,
            base,
        )
        closed = bool(settings.api_keys) and settings.admin_key is None
        if closed:
            tell(
                say(
                    "[yellow]The page and `gemgate accounts` are closed: API_KEY is set, so this service is for "
                    "others too, and ADMIN_KEY is not set.[/yellow] To open them: ADMIN_KEY=$(openssl rand -hex "
                    "16) gemgate serve, or the line ADMIN_KEY=… in .env; then sign in with it at {}/",
                    "[yellow]页面和 `gemgate accounts` 已关闭：设置了 API_KEY，说明服务也供他人使用，而没有设置 "
                    "ADMIN_KEY。[/yellow]要打开它们：ADMIN_KEY=$(openssl rand -hex 16) gemgate serve，"
                    "或在 .env 中写入 ADMIN_KEY=…；然后在 {}/ 用它登录",
                ),
                base,
            )
        else:
            page = say(f"The page, where accounts are added: {base}/", f"页面（在此添加账号）：{base}/")
            tell("{}", page)
        if empty:
            sentence = say(
                "No account yet: set ADMIN_KEY as said above and paste cookies on the page, or set SECURE_1PSID and "
                "SECURE_1PSIDTS."
                if closed
                else "No account yet: paste cookies on the page, or `gemgate accounts add`.",
                "还没有账号：请按上文设置 ADMIN_KEY 后在页面上粘贴 Cookie，或设置 SECURE_1PSID 和 SECURE_1PSIDTS。"
                if closed
                else "还没有账号：请在页面上粘贴 Cookie，或运行 `gemgate accounts add`。",
            )
            tell("[yellow]{}[/yellow]", sentence)
        state, limits = settings.data_dir, _in_force(settings)
        tell("{}", say(f"State: {state}", f"数据目录：{state}"))
        tell("{}", say(f"Limits: {limits}", f"限额：{limits}"))
        return
    _tell_demo(base)


def _tell_demo(base: str) -> None:
    # Plain lines, however long: a frame would cut commands off that are there to be copied.
    lines = (
        say(
            f"gemgate demo on {base}: a simulated Google, no account needed. Ctrl-C ends it, and what it made goes.",
            f"gemgate demo 位于 {base}：模拟的 Google，不需要账号。按 Ctrl-C 结束，生成的内容也随之删除。",
        ),
        "",
        say(f"The page:  {base}/", f"页面：  {base}/"),
        say("For gemgate's own commands (chat, image, batch):", "供 gemgate 自己的命令（chat、image、batch）使用：")
        + f"  export GEMGATE_URL={base}",
        say("Try in another terminal:", "在另一个终端中试试："),
        "",
        f"  curl {base}/v1/chat/completions -H 'content-type: application/json' \\",
        """    -d '{"messages": [{"role": "user", "content": "Count to 12"}]}'""",
        "",
        f"  curl -N {base}/v1/chat/completions -H 'content-type: application/json' \\",
        """    -d '{"stream": true, "messages": [{"role": "user", "content": "写一首关于大海的诗"}]}'""",
        "",
        say("or in Python, with the openai package:", "或在 Python 中使用 openai 包："),
        "",
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{base}/v1", api_key="demo")',
        '  messages = [{"role": "user", "content": "Say hello"}]',
        '  answer = client.chat.completions.create(model="gemini-3-flash-preview", messages=messages)',
        "  print(answer.choices[0].message.content)",
    )
    write("\n".join(lines))
