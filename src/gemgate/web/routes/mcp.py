"""The Model Context Protocol over HTTP; what it can do is in `web/mcp`."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from gemgate.dialects import wire
from gemgate.dialects.rows import JSON, SSE
from gemgate.errors import NotFound
from gemgate.offload import offload
from gemgate.web.context import RequestContext
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_body

router = Router()

BODY = 16_000_000
"""Bytes of a message: the protocol's library reads it on the event loop, however long it is."""


class McpMessage(wire.Body):
    """Body of POST /mcp: one JSON-RPC message."""

    jsonrpc: Literal["2.0"]
    method: str | None = Field(default=None, max_length=200)
    id: Annotated[str, Field(max_length=200)] | int | None = None
    params: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@operation(
    router,
    "POST",
    "/mcp",
    "mcp",
    group="any",
    answers="operating.JsonRpcMessage",
    errors=("operating.JsonRpcMessage",),
    body=McpMessage,
    produces=(JSON, SSE),
    accepted="a notification, which has no answer",
    summary="Tools for agents: the Model Context Protocol over streamable HTTP, without sessions",
)
async def mcp(context: RequestContext) -> Response:
    if find_spec("mcp") is None:
        raise NotFound(
            "Tools for agents need the library mcp: pip install '.[mcp]' in the checkout",
            "工具接口需要 mcp 库：请在源码目录中执行 pip install '.[mcp]'",
            code="not_installed",
        )
    raw = await read_body(context.request, min(BODY, context.state.settings.max_body_bytes))
    await offload(len(raw), lambda: wire.read(McpMessage, wire.parse_json(raw)))
    # half a second of imports, once
    endpoint = await asyncio.to_thread(import_module, "gemgate.web.mcp.endpoint")
    answer: Response = endpoint.McpResponse(raw)
    return answer
