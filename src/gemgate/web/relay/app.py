"""The web application of `gemgate gateway`: its own routes, and everything else passed on to a node.

It is served by the door and judged by the `Access` that nodes have; nodes believe what was found here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gemgate.assembly.fleet import FleetFront
from gemgate.errors import forget_frames
from gemgate.settings import Settings
from gemgate.web import page
from gemgate.web.app import served
from gemgate.web.auth.access import Access
from gemgate.web.context import RequestContext, context_in, front_request
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.middleware import CLIENT_CLOSED, RequestMiddleware, exception_handler
from gemgate.web.relay import aggregate, nodes, status
from gemgate.web.relay.body import Body
from gemgate.web.relay.metrics import RelayMetrics
from gemgate.web.relay.node_client import NodeClient
from gemgate.web.relay.relay import ConnectionCut, Relay, RelayedRequest
from gemgate.web.relay.routes import Route, Routes, all_routes
from gemgate.web.routes import keys, mcp, sessions, settings

PARTS = (status, nodes, aggregate, sessions, keys, settings, mcp, page)
"""What the gateway answers itself."""
OWN = frozenset(entry.spec.name for module in PARTS for entry in module.router.routes)
"""Their operations."""
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
RETRY_DELAYS = 1.0
SLACK = 30.0
"""Seconds that a node may be silent beyond its longest deadline before it is given up."""


def create_front_app(settings: Settings, edge: FleetFront) -> ASGIApp:
    """The ASGI application over a running edge, which it leaves open."""
    access = Access(settings, edge.keys, edge.clock)
    metrics = RelayMetrics(edge.fleet, edge.machine)
    routes = all_routes()
    front = RelayApp(edge, access, metrics, routes)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        token = settings.internal_token.get_secret_value() if settings.internal_token else ""
        hop = NodeClient(token, silence=settings.request_timeout_seconds + settings.first_byte_timeout_seconds + SLACK)
        edge.run("keys", access.keybook.run)
        edge.run("lost nodes", lambda: _look_again(edge, hop))
        app.state.hop, app.state.metrics = hop, metrics
        front.relay = Relay(
            lambda: edge.settings,
            edge.fleet,
            edge.affinity,
            edge.limiter,
            hop,
            metrics,
            shared=settings.shared_database,
        )
        try:
            yield
        finally:
            await hop.close()

    front.own = served([module.router for module in PARTS], lifespan)
    return RequestMiddleware(front, lambda request_id: front_request(edge, access, request_id))


async def _look_again(edge: FleetFront, hop: NodeClient) -> None:
    """Ask the nodes that could not be reached whether they are back, so that no call has to find out."""
    while True:
        lost = [one for one in edge.fleet.nodes if one.failures and one.alive]
        back = await asyncio.gather(*(hop.answers(one.node.card.url) for one in lost))
        for one, answers in zip(lost, back, strict=True):
            if answers:
                edge.fleet.reached(one)
        await edge.clock.sleep(RETRY_DELAYS)


class RelayApp:
    """Tells the gateway's own routes from those of the nodes."""

    own: ASGIApp
    relay: Relay

    def __init__(self, edge: FleetFront, access: Access, metrics: RelayMetrics, routes: Routes) -> None:
        self._edge = edge
        self._access = access
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.own(scope, receive, send)
            return
        if not scope["path"].startswith("/"):  # `OPTIONS *` asks about the server, of which there is nothing to tell
            await (await exception_handler(Request(scope, receive), HTTPException(404)))(scope, receive, send)
            return
        route = self._routes.find(scope["method"], scope["path"])
        if route.name in OWN:
            await self.own(scope, receive, send)
        else:
            await self._pass_on(context_in(scope), route, send)

    async def _pass_on(self, context: RequestContext, route: Route, send: Send) -> None:
        request, context.operation = context.request, route.name or "none"
        passage: RelayedRequest | None = None
        status = CLIENT_CLOSED

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            caller = await self._access.caller(request, route.level, context.request_id, route.group)
            limit = self._edge.settings.max_body_bytes
            body = None if _has_no_body(request) else Body(request, limit)
            passage = RelayedRequest(request, counted, route, caller, body, keep_alive=context.keepalive.begin)
            await self.relay(passage)
        except ConnectionCut:
            return  # an answer that is not completed makes the server close the connection
        except Exception as error:
            if passage is not None and passage.head is not None:
                if isinstance(error, ClientDisconnected):
                    return
                raise
            await (await exception_handler(request, error))(request.scope, request.receive, counted)
            forget_frames(error)
        finally:
            self._metrics.done(route.name, passage.node if passage else "", status, context.seconds())


def _has_no_body(request: Request) -> bool:
    """Whether nothing follows the head, so that nothing needs to be read, or sent on as if it came."""
    length = request.headers.get("content-length", "")
    return "transfer-encoding" not in request.headers and length in ("", "0") and request.method in BODILESS
