"""The story of a call through the gateway: who asks, what it is about, which node, and on to it.

Failover between nodes: a call goes to another node only before its first byte has gone to the client, and only when it
is certain that nothing was generated: the node was not reached, it says so itself, or it died before it told that the
prompt goes out (ADR 5). Reads may be asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Send

from gemgate.caller import Caller
from gemgate.errors import Broken as BrokenError
from gemgate.errors import GatewayError, NoAccount
from gemgate.fleet.affinity import Affinity
from gemgate.fleet.nodes import Fleet, NodeRequirements, NodeView
from gemgate.offload import offload
from gemgate.ports.limits import Limiter
from gemgate.settings import Settings
from gemgate.web.auth import forwarded_caller
from gemgate.web.context import context_of
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.errors import RULE, stream_error
from gemgate.web.header_text import stamped
from gemgate.web.relay import call_info
from gemgate.web.relay.body import Body
from gemgate.web.relay.call_info import CallInfo, Defaults
from gemgate.web.relay.metrics import RelayMetrics
from gemgate.web.relay.node_client import FRAME_ENDS, Broken, Exchange, Head, NodeClient, Unsent
from gemgate.web.relay.routes import Route

MAX_NODES = 3
"""Nodes that are asked for one call at most."""
REFUSAL_BYTES = 65_536

IN_MEMORY = ("gemini.upload.continue", "requests.explain")
"""Operations on what lives in the memory of one node only: that another does not know it says nothing."""

SAFE = {"content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
"""Nothing that a node answers is a page of ours: browsers run nothing of it at our address."""
LINKS = (b"location", b"x-goog-upload-url")
"""Headers with addresses to which clients bring their keys next."""

_READS = ("GET", "HEAD", "OPTIONS")
_MOVES = (429, 502, 503)
"""Statuses with which a node can say that it could not take a call."""


@dataclass(slots=True)
class RelayedRequest:
    """One request on its way.

    head:    of the answer that has begun to go to the client; tail: the last bytes that went.
    refusal: the best of what nodes answered that could not take it.
    keep_alive: called when it is known that the answer comes whole (`web/keepalive.py`); nodes keep no client waiting
    themselves, so that what they answer first is their word on whether another node may take the call.
    """

    request: Request
    send: Send
    route: Route
    caller: Caller
    body: Body | None
    asked: CallInfo = field(default_factory=CallInfo)
    head: Head | None = None
    refusal: Response | None = None
    hops: int = 0
    node: str = ""
    tail: bytes = FRAME_ENDS[0]
    keep_alive: Callable[[], None] = lambda: None


class Relay:
    """Passes requests on. It knows the fleet and never an account."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        fleet: Fleet,
        affinity: Affinity,
        limiter: Limiter,
        hop: NodeClient,
        metrics: RelayMetrics,
        *,
        shared: bool,
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._affinity = affinity
        self._limiter = limiter
        self._hop = hop
        self._metrics = metrics
        self._shared = shared

    async def __call__(self, passage: RelayedRequest) -> None:
        """Answer the request, or raise what is to be answered; after the first byte only in-band."""

        async def receive() -> Message:
            if passage.body is not None:  # until it is here, reading it notices who goes
                await passage.body.complete.wait()
            return await passage.request.receive()

        try:
            await cancel_on_disconnect(receive, self._pass(passage))
        finally:
            if passage.body is not None:
                await passage.body.close()

    async def _pass(self, passage: RelayedRequest) -> None:
        passage.asked = await self._read(passage)
        if passage.asked.whole:
            passage.keep_alive()
        wanted = NodeRequirements(passage.asked.card, await self._preferred(passage), self._only(passage))
        tried: list[str] = []
        while True:
            try:
                node = self._fleet.pick(wanted, tried)
            except NoAccount:
                if passage.refusal is None:
                    raise
                await passage.refusal(passage.request.scope, passage.request.receive, passage.send)
                return
            tried.append(node.node.card.url)
            passage.hops, passage.node = len(tried), node.name
            with self._fleet.carrying(node):
                if await self._ask(passage, node, wanted, last=len(tried) >= MAX_NODES):
                    return

    async def _read(self, passage: RelayedRequest) -> CallInfo:
        """What the call is about; counts it, once for all nodes that may be asked."""
        route, caller = passage.route, passage.caller
        settings = self._settings()
        offers = self._fleet.models()
        defaults = Defaults(settings.default_model, settings.default_image_model, offers, settings.aliases())
        if passage.body is None or not call_info.needs_body(route):
            return call_info.read(route, b"", caller.tenant, defaults)
        body = await passage.body.whole()
        asked = await offload(len(body), lambda: call_info.read(route, body, caller.tenant, defaults))
        if asked.counted and asked.card is not None:
            quota = await self._limiter.take(caller, asked.card.id)
            passage.caller = replace(caller, quota=quota)
        return asked

    def _only(self, passage: RelayedRequest) -> str:
        """The node that an operator names (`?node=`): where an account is added, say. NotFound."""
        name = passage.request.query_params.get("node", "") if passage.route.level == "admin" else ""
        return self._fleet.node(name).name if name else ""

    async def _preferred(self, passage: RelayedRequest) -> str:
        """The worker that holds what this call continues; of listings of models the one that has most of them."""
        if passage.route.name in ("models", "models.one", "gemini.models", "gemini.models.one", "api.models"):
            most = max(self._fleet.nodes, key=lambda one: (one.serves, len(one.node.report.offers)), default=None)
            return most.name if most else ""
        return await self._affinity.worker(passage.asked.trace)

    async def _ask(self, passage: RelayedRequest, node: NodeView, wanted: NodeRequirements, *, last: bool) -> bool:
        """Ask one node. False: another one may be asked, and nothing has gone to the client."""
        stated = forwarded_caller.ForwardedCaller(passage.caller, passage.route.level, self._scheme(passage.request))
        url = node.node.card.url
        try:
            async with self._hop.exchange(
                url, passage.request, stated, passage.body, on_interim=node.heard
            ) as exchange:
                self._fleet.reached(node)
                if passage.asked.counted and exchange.head.status < 400:
                    # An old version, or a proxy between us, may keep notices back.
                    node.notices = exchange.noticed
                if self._moves(passage, exchange.head) and await self._keep_refusal(passage, node, wanted, exchange):
                    return last and await self._answer_refusal(passage)
                self._remember(passage, exchange.head, node)
                await self._forward(passage, exchange, node)
                return True
        except Unsent as error:
            self._fleet.unreachable(node)
            self._metrics.moved(node.name, "unreachable")
            if last:
                raise _cut_off(node.name, str(error), certain=True) from None
            return False
        except Broken as error:
            if passage.head is not None:
                await self._end_broken_stream(passage, node, str(error))
                return True
            self._fleet.unreachable(node)
            certain = self._never_sent(passage, node, error)
            if (certain or passage.request.method in _READS) and not last:
                self._metrics.moved(node.name, "lost before it was sent" if certain else "read again")
                return False
            raise _cut_off(node.name, str(error), certain=certain) from None

    def _never_sent(self, passage: RelayedRequest, node: NodeView, error: Broken) -> bool:
        """Whether the node died before the prompt went to Google: its notice would have come before its end."""
        return passage.asked.counted and node.notices and error.ended and not error.noticed

    def _moves(self, passage: RelayedRequest, head: Head) -> bool:
        """Whether another node may do better: this one could not take the call, or does not know what it names.

        A refusal by a limit of ours names it: it is the caller's own, and would be the same everywhere.
        """
        if head.status in _MOVES and head.generated == "no":
            return RULE not in head.fields
        if head.status != 404 or not (passage.asked.trace.ids or passage.asked.trace.account):
            return False
        if passage.route.name in IN_MEMORY:
            return True
        return passage.asked.card is None and (not self._shared or bool(passage.asked.trace.account))

    async def _keep_refusal(
        self, passage: RelayedRequest, node: NodeView, wanted: NodeRequirements, exchange: Exchange
    ) -> bool:
        """Read a refusal, to be told if no other node does better; that waiting helps is the better news."""
        head = exchange.head
        read = b""
        async for chunk in exchange.chunks():
            read += chunk
            if len(read) > REFUSAL_BYTES:
                exchange.unread(read)
                return False
        if head.status in _MOVES:
            self._fleet.refused(node, wanted, head.retry_after)
        self._metrics.moved(node.name, str(head.status))
        if passage.refusal is None or (head.status == 429 and passage.refusal.status_code != 429):
            passage.refusal = Response(read, head.status)
            passage.refusal.raw_headers = self._stamped(passage, head)
        return True

    async def _answer_refusal(self, passage: RelayedRequest) -> bool:
        assert passage.refusal is not None
        await passage.refusal(passage.request.scope, passage.request.receive, passage.send)
        return True

    def _remember(self, passage: RelayedRequest, head: Head, node: NodeView) -> None:
        if head.status >= 400:
            return
        trace = passage.asked.trace
        tip = trace.tips[-1] if trace.tips else ""
        self._affinity.remember(trace.tenant, (*trace.ids, *trace.files), node.name, tip=tip)
        if upload := head.fields.get("x-goog-upload-url"):
            self._affinity.remember("", [upload.partition("?")[0].rpartition("/")[2]], node.name)

    async def _forward(self, passage: RelayedRequest, exchange: Exchange, node: NodeView) -> None:
        """The answer, byte for byte as it comes."""
        head, send = exchange.head, passage.send
        passage.head = head
        await send({"type": "http.response.start", "status": head.status, "headers": self._stamped(passage, head)})
        first, more = head.status < 400, True
        async for chunk in exchange.chunks():
            if first:
                ids = call_info.made_ids(passage.route, chunk)
                self._affinity.remember(passage.asked.trace.tenant, ids, node.name)
                first = False
            passage.tail = chunk[-4:]
            more = not exchange.done
            await send({"type": "http.response.body", "body": chunk, "more_body": more})
        if more:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _stamped(self, passage: RelayedRequest, head: Head) -> list[tuple[bytes, bytes]]:
        """The head as the client gets it: ours are the links, the word on who answered, and that nothing may run."""
        ours = {**SAFE, "x-gemgate-hops": str(passage.hops)}
        if passage.caller.admin:
            ours["x-gemgate-node"] = passage.node
        told = [one for one in head.headers if one[0] != b"x-gemgate-node"]
        for at, (name, value) in enumerate(told):
            if name in LINKS:
                told[at] = (name, _here(context_of(passage.request).base_url, value))
        return stamped(told, ours)

    async def _end_broken_stream(self, passage: RelayedRequest, node: NodeView, why: str) -> None:
        """The node went away in the middle of its answer: said in-band where there is a way, else by cutting it off."""
        self._fleet.unreachable(node)
        self._metrics.broken(node.name)
        assert passage.head is not None
        if not passage.head.is_events or not passage.tail.endswith(FRAME_ENDS):
            raise ConnectionCut(node.name)
        problem = _cut_off(node.name, why, certain=False)
        frame = stream_error(problem, passage.request, passage.caller.request_id)
        await passage.send({"type": "http.response.body", "body": frame, "more_body": False})

    def _scheme(self, request: Request) -> str:
        public = self._settings().public_base_url
        if public:
            return public.partition("://")[0]
        return "https" if context_of(request).access.is_https(request) else "http"


def _here(base: str, link: bytes) -> bytes:
    """A node's link as one to us, whatever host it names."""
    ours, parts = urlsplit(base), urlsplit(link.decode("latin-1"))
    path = "/" + parts.path.lstrip("/")  # two slashes would name a host again
    return urlunsplit((ours.scheme, ours.netloc, path, parts.query, "")).encode("latin-1")


class ConnectionCut(Exception):
    """An answer that has begun cannot be finished: the connection to the client has to end."""


def _cut_off(node: str, why: str, *, certain: bool) -> GatewayError:
    """A node could not be reached, or went away; certain: nothing can have been generated."""
    if certain:
        return BrokenError(
            f"The node {node} cannot be reached ({why}); try again",
            f"无法连接节点 {node}（{why}），请重试",
            generated="no",
            retry_after=2.0,
            code="node_unreachable",
        )
    return BrokenError(
        f"The node {node} went away ({why}) while it worked on this call, which may have been answered; look before "
        "you send it again",
        f"节点 {node} 在处理该请求时断开（{why}），请求可能已经生成结果，重新发送前请先确认",
        generated="maybe",
        code="node_lost",
    )
