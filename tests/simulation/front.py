"""The fleet's gateway: the product's registry view, affinity and relay, over a virtual wire to the nodes.

The wire keeps what TCP keeps: bytes come in order or not at all, a process that dies has its end told, a way that is
down is silent; a gap of less than `GAP` seconds is made up for, a longer one breaks the connection without a word of
the other side.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from multidict import CIMultiDict
from starlette.requests import Request

from gemgate.caller import Caller
from gemgate.chat import ChatRequest, Ended, Message, Text, TextDelta
from gemgate.errors import Broken as BrokenError
from gemgate.errors import GatewayError
from gemgate.fleet.affinity import Affinity
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.fleet.nodes import Fleet
from gemgate.fleet.registry import node_signature
from gemgate.nodes import NodeCard
from gemgate.ports.runtime import TelemetryEvent
from gemgate.settings import explicit
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.web.errors import answer, headers_for
from gemgate.web.relay.body import Body
from gemgate.web.relay.metrics import RelayMetrics
from gemgate.web.relay.node_client import Broken, Head, Unsent
from gemgate.web.relay.relay import ConnectionCut, Relay, RelayedRequest
from gemgate.web.relay.routes import all_routes
from tests.simulation.network import Door
from tests.simulation.node import MODEL, WHOSE, Node

TOKEN = "a token of the fleet"
GAP, CONNECT, SILENCE = 15.0, 2.0, 420.0
ROUTE = all_routes().find("POST", "/v1/chat/completions")
SETTINGS = explicit(public_base_url="http://front", default_model=MODEL, cookie_refresh_seconds=0)


def url_of(number: int) -> str:
    return f"http://node-{number}:1"


def announcer_of(node: Node, registry: Any) -> Heartbeat:
    """The node's own word of itself."""
    card = NodeCard(url_of(node.door.number), node.name, 1.0, node_signature(TOKEN, url_of(node.door.number)))
    return Heartbeat(_connecting(node.door, registry), card, node.pool, clock=node.door, observer=node)


def _connecting(door: Door, registry: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def connect() -> Any:
        await door.ask_store(_nothing)
        return door.store(registry)

    return connect


async def _nothing() -> None:
    return None


class Line:
    """One connection from a front to a node, with what has gone over it."""

    def __init__(self, front: Front, node: Node) -> None:
        self.front, self.node = front, node
        self.noticed = False
        self._sent: asyncio.Queue[Head | bytes | None] = asyncio.Queue()

    async def open(self) -> None:
        """Get through to the node; Unsent when nobody is there."""
        if (wait := self._down()) > 0:
            await asyncio.sleep(min(wait, CONNECT))
            if self._down() > 0:
                raise Unsent("ConnectionTimeoutError")
        if self.node.door.dead or not self.node.up:
            raise Unsent("ClientConnectorError")

    def _down(self) -> float:
        """Seconds until something gets through again."""
        door = self.node.door
        ends = [f.at + f.seconds for f in door.mine("way down")]
        return max(ends) - door.monotonic() if ends else 0.0

    async def pass_through(self) -> None:
        """A packet on its way: it comes through, late perhaps, or the connection is lost in silence."""
        await self.front.door.open()
        while (wait := self._down()) > 0:
            await asyncio.sleep(min(wait, GAP))
            if wait > GAP:
                raise Broken("ClientOSError", noticed=self.noticed)
        pace = 2.0 if self.node.door.mine("way slow") else 0.003
        await asyncio.sleep(pace * self.front.door.random.random())
        await self.front.door.open()

    def send(self, what: Head | bytes | None) -> None:
        """By the node: a dead one sends nothing more."""
        if not self.node.door.dead:
            self._sent.put_nowait(what)

    def notice(self, told: Callable[[], None]) -> None:
        if not self.node.door.dead:
            self.noticed = True
            told()

    async def receive(self) -> Head | bytes | None:
        """The next thing that the node has sent; Broken when there will be none."""
        waiting = asyncio.ensure_future(self._sent.get())
        try:
            either: list[asyncio.Future[Any]] = [waiting, self.node.door.shut]
            await asyncio.wait(either, timeout=SILENCE, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                got = waiting.result()
                await self.pass_through()
                return got
        finally:
            waiting.cancel()
        if not self.node.door.dead:
            raise Broken("SocketTimeoutError", noticed=self.noticed)
        await self.pass_through()
        raise Broken("ServerDisconnectedError", ended=True, noticed=self.noticed)


class Wire:
    """Stands for `NodeClient`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    @asynccontextmanager
    async def exchange(
        self,
        node_url: str,
        connection: Any,
        stated: Any,
        body: Body | None,
        *,
        fresh: bool = False,
        on_interim: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Any]:
        del connection, fresh
        assert body is not None
        front = self._front
        asked = json.loads(await body.whole())
        await front.door.open()
        node = front.world.nodes[int(node_url.rpartition("-")[2].partition(":")[0])]
        line = Line(front, node)
        await line.open()
        await line.pass_through()
        if node.door.dead:
            raise Broken("ServerDisconnectedError", ended=True, noticed=False)
        serving = node.run(serve(node, line, asked, stated.caller, on_interim), "relayed")
        watching = front.world.loop.create_task(_hung_up(serving, front.door))
        try:
            head = await line.receive()
            assert isinstance(head, Head)

            async def chunks() -> AsyncGenerator[bytes, None]:
                while (chunk := await line.receive()) is not None:
                    assert isinstance(chunk, bytes)
                    yield chunk

            yield SimpleNamespace(head=head, noticed=line.noticed, chunks=chunks, done=False)
        finally:
            watching.cancel()
            serving.cancel()

    async def answers(self, node_url: str) -> bool:
        node = self._front.world.nodes[int(node_url.rpartition("-")[2].partition(":")[0])]
        line = Line(self._front, node)
        try:
            async with asyncio.timeout(CONNECT):
                await line.open()
                await line.pass_through()
                await node.door.open()
        except (Unsent, Broken, TimeoutError):
            return False
        return not node.door.dead


async def _hung_up(serving: asyncio.Task[Any], door: Door) -> None:
    """A front that dies hangs up, and the node lets go of the call."""
    await asyncio.wait({serving, door.shut}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()


async def serve(node: Node, line: Line, asked: dict[str, Any], caller: Caller, told: Callable[[], None]) -> None:
    """What a node's web application does with a chat: word before the prompt goes out, a head, an answer."""

    def sent(fact: TelemetryEvent) -> None:
        if fact.name == "attempt.sent" and fact.request_id == caller.request_id and not begun:
            line.notice(told)

    begun = False
    node.listeners.append(sent)
    try:
        history = tuple(Message(one["role"], (Text(one["content"]),)) for one in asked["messages"])
        request = ChatRequest(history, asked["model"], stream=asked["stream"])
        admission = await node.gateway.admit(asked["model"], caller)
        said: list[str] = []
        async with aclosing(node.gateway.chat(request, admission)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said.append(event.text)
                    if asked["stream"]:
                        if not begun:
                            begun = True
                            line.send(Head(200, [], CIMultiDict({"content-type": "text/event-stream"})))
                        line.send(b"data: " + json.dumps(event.text).encode() + b"\n\n")
                elif isinstance(event, Ended) and not begun:
                    begun = True
                    line.send(Head(200, [], CIMultiDict({"content-type": "application/json"})))
                    line.send(json.dumps("".join(said)).encode())
        if asked["stream"]:
            line.send(b"data: [DONE]\n\n")
    except GatewayError as error:
        if begun:
            line.send(b'data: {"error": ' + json.dumps(error.generated).encode() + b"}\n\n")
        else:
            refusal = answer(error, _request(b""), caller.request_id)
            line.send(Head(refusal.status_code, refusal.raw_headers, CIMultiDict(headers_for(error))))
            line.send(bytes(refusal.body))
    finally:
        node.listeners.remove(sent)
    line.send(None)


def _request(body: bytes) -> Request:
    """A chat's request as the server hands it over; its client's leaving is the task's end."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not parts:
            await asyncio.get_running_loop().create_future()
        return parts.pop()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "server": ("front", 80),
        "scheme": "http",
    }
    return Request(scope, receive)


class Front:
    """One gateway process of the fleet. world: the simulation, of which it reaches nothing but by its door."""

    def __init__(self, world: Any, number: int, life: int, door: Door) -> None:
        self.name = f"front-{number}"
        self.owner = f"{self.name}/{life}"
        self.world, self.door = world, door
        self.born = door.monotonic()
        self.died_at = float("inf")
        self.tasks: set[asyncio.Task[Any]] = set()
        self.facts: list[TelemetryEvent] = []
        self.fleet = Fleet(_connecting(door, world.registry), token=TOKEN, clock=door, observer=self)
        affinity = Affinity(lambda: self.fleet.registry)
        limiter = MovingWindowLimiter(per_hour=0, model_interval=0, clock=door)
        metrics: RelayMetrics = _Uncounted()  # type: ignore[assignment]
        wire: Any = Wire(self)
        self._wire = wire
        self._relay = Relay(lambda: SETTINGS, self.fleet, affinity, limiter, wire, metrics, shared=True)

    def emit(self, fact: TelemetryEvent) -> None:
        self.facts.append(fact)

    def run(self, deed: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(WHOSE.set, self)
        task: asyncio.Task[Any] = self.door.world.loop.create_task(deed, name=f"{self.owner} {name}", context=context)
        return task

    def start(self) -> None:
        self.run(self.fleet.watch(), "watch")
        self.run(self._look_again(), "lost nodes")

    async def _look_again(self) -> None:
        while True:
            for one in [one for one in self.fleet.nodes if one.failures and one.alive]:
                if await self._wire.answers(one.node.card.url):
                    self.fleet.reached(one)
            await self.door.sleep(1.0)

    async def ask(self, request: ChatRequest, caller: Caller) -> str:
        """A chat through the relay: what was answered. GatewayError; asyncio.CancelledError when the caller leaves."""
        messages = [{"role": one.role, "content": one.parts[0].text} for one in request.messages]  # type: ignore[union-attr]
        body = json.dumps({"model": request.model, "messages": messages, "stream": request.stream}).encode()
        read, generated = bytearray(), ""
        status = 0

        async def send(message: Any) -> None:
            nonlocal status, generated
            if message["type"] == "http.response.start":
                status = message["status"]
                generated = dict(message["headers"]).get(b"x-gemgate-generated", b"").decode()
            else:
                read.extend(message["body"])

        http = _request(body)
        try:
            await self._relay(RelayedRequest(http, send, ROUTE, caller, Body(http, 10**6)))
        except ConnectionCut:
            raise BrokenError("the connection ended in the answer", generated="maybe") from None
        if status != 200:
            raise BrokenError(bytes(read).decode(), generated="no" if generated == "no" else "maybe")
        return _text(bytes(read), stream=request.stream)


def _text(read: bytes, *, stream: bool) -> str:
    if not stream:
        return str(json.loads(read))
    frames = read.decode().split("\n\n")[:-1]
    if frames[-1:] != ["data: [DONE]"]:
        raise BrokenError("the answer was cut off", generated="maybe")
    return "".join(json.loads(frame.removeprefix("data: ")) for frame in frames[:-1])


class _Uncounted:
    """What the relay counts is not what is judged here."""

    def moved(self, node: str, why: str) -> None:
        return None

    def broken(self, node: str) -> None:
        return None
