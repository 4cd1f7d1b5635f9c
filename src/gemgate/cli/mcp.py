"""`gemgate mcp`: the tools for an agent that starts this command and speaks to it over its standard input."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through, written_whole
from gemgate.cli.terminal import ConfigOption, fail, say
from gemgate.errors import BadRequest, system_words

LARGEST = 100 << 20
"""Bytes of a file that is sent: more the web app does not take."""


class _Gateway:
    """A connection as the tools want it; whoever starts this command may read this machine's files."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ask = connection.ask

    async def fetch(self, address: str) -> bytes:
        async with self._connection.open("GET", address) as answer:
            return await answer.read()

    async def read(self, path: str) -> bytes:
        return await asyncio.to_thread(_read, path)

    async def write_beside(self, path: str, data: bytes) -> str:
        return await asyncio.to_thread(_write_beside, path, data)


def _read(path: str) -> bytes:
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > LARGEST:
            raise BadRequest(f"{path} is larger than {LARGEST >> 20} MB", f"{path} 超过 {LARGEST >> 20} MB")
        return file.read_bytes()
    except OSError as error:
        why = system_words(error)
        raise BadRequest(f"{path}: {why.en}", f"无法读取 {path}：{why.zh}") from None


def _write_beside(path: str, data: bytes) -> str:
    source = Path(path).expanduser()
    target = source.with_name(f"{source.stem}-clean{source.suffix}")
    written_whole(target, data)
    return str(target)


def mcp(url: UrlOption = "", key: KeyOption = "", config: ConfigOption = None) -> None:
    """Tools for an agent on this machine, over standard input and output (Model Context Protocol).

    An agent starts it by itself; its configuration names the command: {"command": "gemgate", "args": ["mcp"]}.
    """
    if find_spec("mcp") is None:
        how = "pip install '.[mcp]'"
        fail(say(f"this needs the library mcp: {how} in the checkout", f"需要 mcp 库：请在源码目录中执行 {how}"))
    through(_serve, url, key, config, resident=True)


async def _serve(connection: Connection) -> None:
    from gemgate.web.mcp.tools import mcp_server

    gateway = _Gateway(connection)
    await mcp_server(lambda _: gateway).run_stdio_async()
