"""One run of the simulation: a seed, its faults, and what came of them."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gemgate.accounts import Cookies
from gemgate.batches import Batch, TaskDraft
from gemgate.caller import Caller
from gemgate.catalog import DEFAULT_IMAGE_MODEL
from gemgate.chat import Began, ChatRequest, Ended, Message, Reply, Text, TextDelta, Usage, afold
from gemgate.errors import GatewayError, StorageDown
from gemgate.jobs.payloads import ImageSpec, dump_spec, dumps
from gemgate.ports.accounts import AccountSetup, StoredAccount
from gemgate.testing import MemoryBlobs, MemoryGallery
from tests.simulation.account_rows import LeasedConversations, MemoryAccounts
from tests.simulation.front import Front, announcer_of
from tests.simulation.google import Google
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import EPOCH, FRONTS, Door, Fault, World, faults_of, faults_of_fleet
from tests.simulation.node import MODEL, WHOSE, Node
from tests.simulation.node_rows import MemoryNodes
from tests.simulation.watch import Ledger, Watch

SPAN = 60.0
"""Seconds in which faults begin and callers come."""
PATIENCE = 700.0
"""Seconds after the last fault in which everything that was accepted must have ended."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a run is. fronts: gateways of a fleet before the nodes; 0 = callers reach the nodes themselves."""

    nodes: int
    accounts: int
    callers: int
    batches: int
    fronts: int

    @classmethod
    def of(cls, seed: int) -> Shape:
        dice = Random(f"shape {seed}")
        sizes = dice.randint(1, 3), dice.randint(1, 3), dice.randint(2, 5), dice.randint(0, 2)
        return cls(*sizes, fronts=Random(f"fronts {seed}").choice((0, 0, 0, 0, 0, 0, 1, 2)))


@dataclass(slots=True)
class Call:
    """A turn of a conversation as its caller sees it."""

    mark: str
    caller: int
    began: float
    ended: float = 0.0
    task: asyncio.Task[Any] | None = None
    outcome: str = ""


@dataclass(slots=True)
class Outcome:
    """wrong: what broke a promise, empty when all held. digest: of everything that happened."""

    seed: int
    faults: tuple[Fault, ...]
    wrong: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    seconds: float = 0.0
    generations: int = 0

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


class Simulation(World):
    """The whole world of one run."""

    loop: VirtualLoop

    def __init__(self, seed: int, faults: tuple[Fault, ...], loop: VirtualLoop) -> None:
        self.seed, self.faults, self.loop = seed, faults, loop
        self.shape = Shape.of(seed)
        self.random = Random(f"load {seed}")
        self.trace: list[str] = []
        self.google = Google(Random(f"google {seed}"), faults, readable=bool(self.random.randrange(2)))
        self.accounts = MemoryAccounts(self.now)
        self.conversations = LeasedConversations(self.now)
        self.blobs, self.gallery = MemoryBlobs(), MemoryGallery()
        self.registry = MemoryNodes(self.now, self.accounts, self.conversations)
        self.nodes: dict[int, Node] = {}
        self.fronts: dict[int, Front] = {}
        self.past_fronts: list[Front] = []
        self.past: list[Node] = []
        self.calls: list[Call] = []
        self.ordered: list[str] = []
        self.watch = Watch(self)
        self.jobs = Ledger(self.now, self.accounts.lives_on, self.watch)
        self.google.asked = self.watch.made
        loop.calm = self.watch.calm
        loop.set_task_factory(_owned)

    def now(self) -> float:
        return EPOCH + self.loop.time()

    def note(self, text: str) -> None:
        self.trace.append(f"{self.loop.time():9.3f} {text}")

    # Processes

    async def bring_up(self, number: int) -> None:
        """Start a process, again and again while it ends at its start because the database is away."""
        life = 0
        while not self.over:
            life = sum(node.door.number == number for node in self.past) + 1
            door = Door(number, self.faults, Random(f"{self.seed} door {number}/{life}"), self)
            node = Node(self, number, life, door, self.seed)
            if self.shape.fronts:
                node.announcer = announcer_of(node, self.registry)
            self.nodes[number] = node
            self.past.append(node)
            self.note(f"{node.owner} starts")
            starting = node.run(_quietly(node.start()), "start")
            await asyncio.wait({starting, door.shut}, return_when=asyncio.FIRST_COMPLETED)
            if node.up or door.dead:
                return
            starting.result()  # a start that raises is a bug of this world: it is no reason to start again
            self.kill(door)
            await asyncio.sleep(1.0)

    def bring_up_front(self, number: int) -> None:
        life = sum(front.door.number == number for front in self.past_fronts) + 1
        door = Door(number, self.faults, Random(f"{self.seed} door {number}/{life}"), self)
        front = self.fronts[number] = Front(self, number, life, door)
        self.past_fronts.append(front)
        self.note(f"{front.owner} starts")
        front.start()

    def kill(self, door: Door) -> None:
        if door.dead:
            return
        processes: list[Node | Front] = [*self.past, *self.past_fronts]
        node = next(one for one in processes if one.door is door)
        door.dead, node.died_at = True, self.loop.time()
        door.shut.set_result(None)
        self.note(f"{node.owner} is killed")

    async def _ail(self, fault: Fault) -> None:
        """What a fault does that no door does by itself."""
        await asyncio.sleep(fault.at)
        if fault.kind == "kill" and fault.target >= FRONTS:
            front = self.fronts[fault.target]
            if front.door.dead or front.door.countdown is not None:
                return
            front.door.countdown = (fault.calls, fault.done)
            await front.door.shut
            await asyncio.sleep(fault.seconds)
            self.bring_up_front(fault.target)
        elif fault.kind == "kill":
            node = self.nodes[fault.target]
            if node.door.dead or node.door.countdown is not None:
                return
            node.door.countdown = (fault.calls, fault.done)
            await node.door.shut
            if node.stopping:
                return  # whoever asked it to stop starts it again
            await asyncio.sleep(fault.seconds)
            await self.bring_up(fault.target)
        elif fault.kind == "stop":
            node = self.nodes[fault.target]
            if node.door.dead or not node.up:
                return
            await self._stop(node)
            await asyncio.sleep(fault.seconds)
            await self.bring_up(fault.target)
        elif fault.kind == "leave":
            under_way = [call for call in self.calls if call.caller == fault.target and call.task and not call.ended]
            for call in under_way:
                self.note(f"caller {call.caller} leaves")
                call.task.cancel()  # type: ignore[union-attr]

    async def _stop(self, node: Node) -> None:
        """A process is asked to end, gives back what it holds, and is gone."""
        node.up, node.stopping = False, True
        self.note(f"{node.owner} is asked to stop")
        began = self.loop.time()
        stopping = node.run(node.stop(), "stop")
        await asyncio.wait({stopping, node.door.shut}, timeout=60.0, return_when=asyncio.FIRST_COMPLETED)
        if not node.door.dead:
            self.watch.stopped(node, stopping, began)
            self.kill(node.door)
        if stopping.done():
            stopping.exception()

    # Callers

    def _somebody(self) -> Node | Front | None:
        """A process that a caller reaches: a gateway where there are some, else any node."""
        if self.shape.fronts:
            fronts = [front for front in self.fronts.values() if not front.door.dead]
            return self.random.choice(fronts) if fronts else None
        return self._some_node()

    def _some_node(self) -> Node | None:
        living = [node for node in self.nodes.values() if node.up and not node.door.dead]
        return self.random.choice(living) if living else None

    async def _caller(self, number: int, turns: int, starts: float, stream: bool) -> None:
        """A conversation: each turn goes to some process, again only after a certain no."""
        await asyncio.sleep(starts)
        history: list[Message] = []
        for turn in range(turns):
            mark = f"q{number}.{turn}"
            history.append(Message("user", (Text(f"What is there to say about «{mark}»?"),)))
            for _ in range(4):
                if (node := self._somebody()) is None:
                    await asyncio.sleep(3.0)
                    continue
                reply = await self._call(node, mark, number, tuple(history), stream)
                if isinstance(reply, Reply):
                    self.watch.answered(mark, reply, history)
                    history.append(Message("assistant", (Text(reply.text),)))
                    break
                if not isinstance(reply, GatewayError) or reply.generated != "no":
                    return
                await asyncio.sleep(min(20.0, reply.retry_after or 2.0))
            else:
                return
            await asyncio.sleep(self.random.uniform(0.0, 8.0))

    async def _call(
        self, node: Node | Front, mark: str, number: int, history: tuple[Message, ...], stream: bool
    ) -> Any:
        """One call over the network: the reply, the error, or None when the connection was lost or the caller left."""
        caller = Caller(tenant=f"t{number}", request_id=f"r{len(self.calls)}")

        async def ask() -> Reply:
            request = ChatRequest(history, MODEL, stream=stream)
            if isinstance(node, Front):
                text = await node.ask(request, caller)
                return Reply(Began(MODEL, ""), (TextDelta(text),), Ended("stop", Usage(0, 0)))
            admission = await node.gateway.admit(MODEL, caller)
            async with aclosing(node.gateway.chat(request, admission)) as events:
                return await afold(events)

        call = Call(mark, number, self.loop.time())
        self.calls.append(call)
        call.task = node.run(ask(), f"call {mark}")
        await asyncio.wait({call.task, node.door.shut}, return_when=asyncio.FIRST_COMPLETED)
        call.ended = self.loop.time()
        if not call.task.done():
            call.outcome = "connection lost"
            result: Any = None
        elif call.task.cancelled():
            call.outcome, result = "left", None
        elif (error := call.task.exception()) is not None:
            call.outcome, result = f"{type(error).__name__}: {error}", error
            self.watch.refused(mark, error)
            if isinstance(node, Node):
                self.watch.rests_are_known(node, caller.request_id)
        else:
            call.outcome, result = "answered", call.task.result()
        self.note(f"{mark} by {node.owner}: {call.outcome}")
        return result

    async def _order(self, number: int) -> None:
        """A batch, ordered until some process says that it was accepted."""
        dice = self.random
        await asyncio.sleep(dice.uniform(0.0, SPAN / 2))
        images = dice.random() < 0.4
        kind, lanes = ("images" if images else "chat"), dice.randint(1, 4)
        batch = Batch(
            f"batch_{number:08x}",
            kind,  # type: ignore[arg-type]
            "jobs",
            self.now(),
            lanes,
            lanes,
            "image" if images else "text",
            defaults=dump_spec(ImageSpec(DEFAULT_IMAGE_MODEL)) if images else "",
            idempotency_key=f"order {number}",
        )
        drafts = [_draft(number, seq, images=images) for seq in range(dice.randint(1, 5))]
        while (node := self._some_node()) is None or not await self._accepted(node, batch, drafts):
            await asyncio.sleep(2.0)
        self.ordered.append(batch.id)
        self.note(f"{batch.id} accepted: {len(drafts)} of {kind}")

    async def _accepted(self, node: Node, batch: Batch, drafts: list[TaskDraft]) -> bool:
        asking = node.run(node.jobs.submit(batch, drafts), "order")
        await asyncio.wait({asking, node.door.shut}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            asking.add_done_callback(_unheard)
            return False
        if error := asking.exception():
            if not isinstance(error, StorageDown):
                raise error
            return False
        node.worker.wake()
        return True

    # The run

    async def live(self) -> None:
        for number in range(self.shape.accounts):
            name = f"account-{number}"
            setup = AccountSetup(name, origin="admin", proxy=f"http://way-{number}:1")
            self.accounts.rows[name] = StoredAccount(setup, cookies=Cookies(f"psid-{number}"))
        dice = self.random
        starts = [asyncio.create_task(self.bring_up(number)) for number in range(self.shape.nodes)]
        ails = [asyncio.create_task(self._ail(fault)) for fault in self.faults]
        deeds = [
            asyncio.create_task(
                self._caller(number, dice.randint(1, 4), dice.uniform(1.0, SPAN / 2), dice.random() < 0.5)
            )
            for number in range(self.shape.callers)
        ]
        deeds += [asyncio.create_task(self._order(number)) for number in range(self.shape.batches)]
        for number in range(self.shape.fronts):
            self.bring_up_front(FRONTS + number)
        await asyncio.gather(*starts)
        healed = max([SPAN, *(fault.at + fault.seconds for fault in self.faults)])
        await asyncio.sleep(max(0.0, healed - self.loop.time()))
        self.watch.healed_at = self.loop.time()
        await self._heal()
        over = self.loop.time() + PATIENCE
        while self.loop.time() < over and not (all(deed.done() for deed in deeds) and self._ended()):
            await asyncio.sleep(1.0)
        for deed in (*deeds, *ails):
            if deed.done() and not deed.cancelled() and (error := deed.exception()):
                raise error
        if not all(deed.done() for deed in deeds):
            self.watch.wrong.append("a caller or an order waits for ever")
        for front in [front for front in self.fronts.values() if not front.door.dead]:
            self.watch.left_open(front)
            self.kill(front.door)
        for node in [node for node in self.nodes.values() if not node.door.dead]:
            await self._stop(node)
        self.watch.end()

    async def _heal(self) -> None:
        """The faults are over: an operator signs dead sessions in again, processes still away are started."""
        for node in list(self.nodes.values()):
            if node.door.dead:
                continue
            for account in node.pool.accounts:
                if not account.is_open:
                    node.run(_refresh(node, account.name), "refresh")
                    self.note(f"{account.name} is signed in by hand on {node.owner}")

    def _ended(self) -> bool:
        rows = self.jobs.batches.values()
        return all(not row.tally.open for row in rows)


async def _refresh(node: Node, account: str) -> None:
    await _quietly(node.account_registry.refresh(account, Caller(admin=True)))


async def _quietly(deed: Any) -> None:
    try:
        await deed
    except GatewayError:
        return


def _unheard(asking: asyncio.Task[Any]) -> None:
    """What becomes of an order whose process is gone, and with it who waits for it."""
    if not asking.cancelled():
        asking.exception()


def _draft(number: int, seq: int, *, images: bool) -> TaskDraft:
    if images:
        return TaskDraft(f"A lamp, «picture{number}.{seq}»")
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Say something of «task{number}.{seq}»"}]}
    return TaskDraft("", dumps({"custom_id": f"{seq}", "body": body}))


def _owned(loop: asyncio.AbstractEventLoop, deed: Any, **more: Any) -> asyncio.Task[Any]:
    """Every task belongs to the process that began it."""
    task: asyncio.Task[Any] = asyncio.Task(deed, loop=loop, **more)
    context = more.get("context")
    node = context.get(WHOSE) if context is not None else WHOSE.get()
    if node is not None:
        node.tasks.add(task)
        task.add_done_callback(node.tasks.discard)
    return task


def simulate(seed: int, faults: tuple[Fault, ...] | None = None) -> Outcome:
    """Run a seed, with its own faults or with these."""
    shape = Shape.of(seed)
    if faults is None:
        faults = faults_of(seed, span=SPAN, nodes=shape.nodes, accounts=shape.accounts, callers=shape.callers)
        if shape.fronts:
            faults += faults_of_fleet(seed, span=SPAN, nodes=shape.nodes, fronts=shape.fronts)
            faults = tuple(sorted(faults, key=lambda fault: fault.at))
    loop = VirtualLoop(Random(f"turns {seed}"))
    outcome = Outcome(seed, faults)
    world = Simulation(seed, faults, loop)
    try:
        loop.run_until_complete(world.live())
    finally:
        outcome.seconds = loop.time()
        outcome.wrong = [*world.watch.wrong, *world.google.wrong, *loop.trouble]
        outcome.generations = sum(map(len, world.google.made.values()))
        outcome.trace = world.trace
        _bury(world, loop)
    return outcome


def _bury(world: Simulation, loop: VirtualLoop) -> None:
    """End whatever still waits, so that nothing of this run is left for the next one."""
    world.over = True
    for _ in range(50):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=0.1))
    loop.close()
