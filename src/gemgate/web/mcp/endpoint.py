"""`/mcp`: the library's transport in front of the tools, and the way from a tool to the application that serves it."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gemgate.errors import BadRequest, ClientError, NotFound, said
from gemgate.web.mcp.tools import mcp_server

APP = "gemgate.app"
"""Where a scope keeps the whole application, its door included."""

_OF_THE_CALL = frozenset({"content-length", "content-type", "accept", "accept-encoding", "transfer-encoding", "expect"})
"""Headers of a call that are its own; all others say who asks, and from where."""


class _AppApi:
    """The application that an MCP call came to, asked as its caller: by the same headers, from the same address."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def _send(self, method: str, path: str, body: bytes | None) -> httpx2.Response:
        request = self._request
        app: ASGIApp = request.scope[APP]
        peer = request.client
        headers = [(name, value) for name, value in request.headers.items() if name not in _OF_THE_CALL]
        if body is not None:
            headers.append(("content-type", "application/json"))
        transport = httpx2.ASGITransport(
            app=app, raise_app_exceptions=False, client=(peer.host, peer.port) if peer else ("", 0)
        )
        base = f"{request.url.scheme}://{request.headers.get('host') or 'localhost'}"
        async with httpx2.AsyncClient(transport=transport, base_url=base, timeout=None) as client:
            try:
                asked = client.build_request(method, path, content=body, headers=headers)
            except httpx2.InvalidURL:
                raise _no_address() from None
            return await client.send(asked)

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        answer = await self._send(method, path, body)
        told = orjson.loads(answer.content)
        if answer.status_code >= 400:
            raise ClientError(told.get("detail") or told["error"]["message"], "")
        return told

    async def fetch(self, address: str) -> bytes:
        if not address.startswith("/"):  # a link, whatever stands before our own path in it
            try:
                link = urlsplit(address)
            except ValueError:
                raise _no_address() from None
            at = link.path.find("/images/")
            if at < 0:
                raise _not_ours()
            address = f"{link.path[at:]}?{link.query}"
        answer = await self._send("GET", address, None)
        if answer.status_code != 200:
            raise _not_ours()
        return bytes(answer.content)

    async def read(self, path: str) -> bytes:
        raise _no_paths(path)

    async def write_beside(self, path: str, data: bytes) -> str:
        raise _no_paths(path)


def _no_paths(path: str) -> BadRequest:
    return BadRequest(
        f"{said(path)}: send a link, a data: URL or an uploaded file's id; only gemgate mcp reads paths",
        f"{said(path)}：请提供链接、data: URL 或已上传文件的 ID；仅 gemgate mcp 可读取本地路径",
    )


def _no_address() -> BadRequest:
    return BadRequest("An id or a link of the call can be no part of an address", "调用中的 ID 或链接无法用于地址")


def _not_ours() -> NotFound:
    return NotFound(
        "That is no image of this gateway that you may see: send others as a data: URL",
        "这不是本网关中您可访问的图像：其他图像请以 data: URL 发送",
        code="image_not_found",
    )


@cache
def _server() -> MCPServer[Any]:
    return mcp_server(_api_of)


def _api_of(context: Context[Any, Any]) -> _AppApi:
    request = context.request_context.request
    assert isinstance(request, Request)
    return _AppApi(request)


class McpResponse:
    """Answers one HTTP request of the protocol, whose body was read.

    Nothing is kept between two of them, so any process may take the next.
    """

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def again() -> Message:
            body, self._body = self._body, None
            return await receive() if body is None else {"type": "http.request", "body": body, "more_body": False}

        manager = StreamableHTTPSessionManager(
            _server()._lowlevel_server,  # noqa: SLF001 - its own way is an application of its own, with routes
            stateless=True,
            max_request_body_size=len(self._body or b"") + 1,
        )
        async with manager.run():
            await manager.handle_request(scope, again, send)
