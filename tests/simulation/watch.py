"""What must hold at every moment of a run and at its end, judged by what the world saw, never by a process's word."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemgate.batches import Checkpoint, Claim, Task, TaskOutcome
from gemgate.chat import Message, Reply
from gemgate.errors import GatewayError
from gemgate.jobs.payloads import loads
from gemgate.pool.account import Account
from gemgate.web.relay.relay import MAX_NODES
from tests.simulation.front import Front, url_of
from tests.simulation.google import MARK, Generation, answer_to, mark_of
from tests.simulation.job_rows import MemoryJobs
from tests.simulation.network import EPOCH
from tests.simulation.node import LANES, Node

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

CALL_AT_MOST = 420.0
"""Seconds that a call may take: three tries, each with its wait for a lane and a slow answer."""
NOTED_WITHIN = 2.0
"""Seconds after which what a process was told stands in a database that is there."""
TAKEN_BACK_WITHIN = 5.0
"""Seconds after its end that a dead process's lease may still stand while others look."""

SEEN_WITHIN = 25.0
"""Seconds in which every gateway sees which nodes live."""
AT_ONCE = 0.2
"""Seconds in which a process notices what nobody tells it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A claim as the store granted it. left: what earlier runs had noted; holder: who held their account then."""

    at: float
    owner: str
    attempt: int
    left: Checkpoint
    ready_since: float
    holder: str = ""


class Ledger(MemoryJobs):
    """A job store that writes down what it granted, whatever it answers."""

    def __init__(self, now: Callable[[], float], lives: Callable[[str], bool], watch: Watch) -> None:
        super().__init__(now, lives)
        self.watch = watch

    async def claim(self, *given: Any, **named: Any) -> Claim | None:
        before = {one.task.id: one.task for row in self.batches.values() for one in row.tasks}
        claim = await super().claim(*given, **named)
        if claim is not None:
            left = before[claim.task.id]
            now, account = self._now(), self.watch.world.accounts.rows.get(left.checkpoint.account)
            holder = account.owner if account is not None and account.lease_until > now else ""
            self.watch.taken[claim.task.id].append(
                Taken(now - EPOCH, claim.owner, claim.task.attempt, left.checkpoint, left.run_after - EPOCH, holder)
            )
        return claim

    async def note(self, claim: Claim, checkpoint: Checkpoint) -> bool:
        noted = await super().note(claim, checkpoint)
        if noted and not checkpoint.cid:
            self.watch.leaving[claim.owner, question_of(claim.task)] += 1
        return noted

    async def settle(self, claim: Claim, outcome: TaskOutcome) -> bool:
        settled = await super().settle(claim, outcome)
        now = self.batches[claim.batch.id].tasks[claim.task.seq].task
        if settled and now.settled:
            self.watch.ends[claim.task.id] += 1
            if self.watch.ends[claim.task.id] > 1:
                self.watch.wrong.append(f"{claim.task.id} was delivered twice")
        return settled


def question_of(task: Task) -> str:
    """The mark of a task's prompt."""
    return mark_of(task.prompt or task.payload)


class Watch:
    """`wrong`: every promise that was broken, in plain words."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.wrong: list[str] = []
        self.taken: dict[str, list[Taken]] = defaultdict(list)
        self.leaving: Counter[tuple[str, str]] = Counter()
        self.sent: Counter[tuple[str, str]] = Counter()
        self.ends: Counter[str] = Counter()
        self.healed_at = float("inf")
        self._in_vain: dict[int, float] = {}

    def _say(self, what: str) -> None:
        if what not in self.wrong:
            self.world.note(f"WRONG {what}")
            self.wrong.append(what)

    # Generations

    def made(self, new: Generation) -> None:
        """Google takes a prompt."""
        node = self._node(new)
        self.world.note(f"{new.mark} is generated on {new.account} for {node.owner} in {new.chat.cid}")
        earlier = [one for one in self.world.google.made[new.mark] if one is not new]
        if not new.mark.startswith(("task", "picture")):
            if earlier:
                self._say(f"{new.mark} was generated twice without a certain no")
            return
        key = (node.owner, new.mark)
        self.sent[key] += 1
        if self.sent[key] > self.leaving[key]:
            self._say(f"{new.mark} left {node.owner}, which did not hold it any more")
        for one in earlier:
            if why := self._unexplained(one, new, node):
                self._say(f"{new.mark} was made again in {new.chat.cid} after {one.chat.cid}: {why}")

    def _node(self, made: Generation) -> Node:
        return next(node for node in self.world.past if node.door is made.door)

    def _unexplained(self, old: Generation, new: Generation, node: Node) -> str:
        """Why making it again cannot be explained by a crash, or by a chat that cannot be read; "" when it can."""
        task_id = f"batch_{int(new.mark.lstrip('taskpicure').split('.')[0]):08x}_task_{new.mark.split('.')[1]}"
        taken = next((one for one in reversed(self.taken[task_id]) if one.owner == node.owner), None)
        if taken is None:
            return "nobody has claimed it"
        if old.at >= taken.at and old.door is new.door:
            return "the same run sent it twice"
        if old.at >= taken.at:  # between its last note and its prompt no fence can reach a process that is halted
            return "" if self._halted(node, taken.at, new.at) else "a run that had lost it sent it"
        if old.chat.temporary and not self.world.google.readable:
            return ""
        if not old.turn.holds or old.turn.done > taken.at:
            return ""
        if any(one.left.cid == old.chat.cid for one in self._later(old, taken)):
            return ""  # it was noted and read; what was made in its stead is judged by itself
        if taken.left.cid != old.chat.cid:
            return "its chat had been told and was not noted" if self._had_time(old, taken) else ""
        if self._open_since(node, old.account, taken.at):
            return "its chat shows the answer"
        holder = self._holder(old.account, taken)
        if holder is not None and holder is not node and taken.at - taken.ready_since < 50.0:
            return f"{holder.owner} could have read its chat"
        return ""

    def _had_time(self, old: Generation, taken: Taken) -> bool:
        """Whether the process that was told the chat had the time and the database to write it down."""
        told = old.told_at
        if told is None:
            return False
        node = self._node(old)
        until = told + NOTED_WITHIN
        if node.died_at < until or any(one.at < until for one in (*self._later(old, taken), taken)):
            return False
        faults = (f for f in self.world.faults if f.target == node.door.number and f.kind != "google")
        return not any(f.at < until and f.at + f.seconds > told and f.kind not in ("kill", "leave") for f in faults)

    def _halted(self, node: Node, since: float, until: float) -> bool:
        halts = (f for f in self.world.faults if f.kind == "halt" and f.target == node.door.number)
        return any(f.at < until and f.at + f.seconds > since for f in halts)

    def _later(self, old: Generation, taken: Taken) -> list[Taken]:
        """Claims of the task after that generation began, before the one that made it again."""
        claims = next(claims for claims in self.taken.values() if taken in claims)
        return [one for one in claims if old.at < one.at < taken.at]

    def _open_since(self, node: Node, account: str, since: float) -> bool:
        """Whether the account was in service in this process all the time since."""
        member = node.pool.account(account)
        if member is None or not member.is_open:
            return False
        told = [at for at, fact in node.facts if fact.data.get("account") == account and fact.name in _COMINGS]
        return max(told, default=0.0) < since

    def _holder(self, account: str, taken: Taken) -> Node | None:
        """The living process that held the account when that was claimed and has it in service; one that was halted
        until its lease ran out has not, whatever it still believes.
        """
        living = (node for node in self.world.nodes.values() if not node.door.dead and node.name == taken.holder)
        return next((node for node in living if self._open_since(node, account, taken.at - 5.0)), None)

    # Calls

    def answered(self, mark: str, reply: Reply, history: Sequence[Message]) -> None:
        if reply.text != answer_to(mark):
            self._say(f"{mark} was answered with {reply.text!r}")
        made = self.world.google.made[mark]
        asked = [MARK.findall(message.text)[-1] for message in history if message.role == "user"]
        heard = MARK.findall(made[-1].chat.context) if made else []
        if [one for one in heard if one in asked][-len(asked) :] != asked:
            self._say(f"{mark}: Google heard {heard} instead of {asked}")

    def refused(self, mark: str, error: BaseException) -> None:
        if not isinstance(error, GatewayError):
            self._say(f"{mark} ended with a bug: {error!r}")
            return
        if error.generated == "no" and (made := self.world.google.made[mark]):
            self._say(f"{mark} was said not to be generated and was, in {made[-1].chat.cid}: {error}")

    def rests_are_known(self, node: Node, request_id: str) -> None:
        found = [fact.data for _, fact in node.facts if fact.request_id == request_id and fact.name == "attempt.failed"]
        for account in {data["account"] for data in found if data["kind"] == "spent"}:
            self._rest_is_known(node, str(account))

    def _rest_is_known(self, node: Node, account: str) -> None:
        """Who was told of a limit that its own call met may count on it: whatever starts now knows of it as well."""
        world, now = self.world, self.world.loop.time()
        ailing = [f for f in world.faults if f.target == node.door.number and f.kind not in ("google", "leave", "kill")]
        if node.door.dead or any(f.at - 5.0 < now < f.at + f.seconds + 15.0 for f in ailing):
            return  # it could not be written down at once, and the caller does not wait for that for ever
        member, row = node.pool.account(account), world.accounts.rows[account]
        rests = member is not None and any(circuit.until > world.now() for circuit in member.circuits.values())
        if rests and row.owner == node.name and not any(c.until > world.now() for c in row.circuits.values()):
            self._say(f"a caller heard of a rest of {account} that no restart would know of")

    # Every moment

    def calm(self) -> None:
        """Nobody has anything to do: what is promised of quiet moments."""
        now = self.world.loop.time()
        for call in self.world.calls:
            most = CALL_AT_MOST * (MAX_NODES if self.world.shape.fronts else 1)
            if not call.ended and now - call.began > most + self._hung(call.began):
                self._say(f"{call.mark} waits beyond its deadline")
        for node in self.world.nodes.values():
            if not node.door.dead:
                self._true_words(node)
        for front in self.world.fronts.values():
            if not front.door.dead:
                self._true_view(front)
        self._leases_of_the_dead()

    def _true_view(self, front: Front) -> None:
        """What a gateway believes of the nodes, once nothing has gone wrong for a while."""
        world, now = self.world, self.world.loop.time()
        if now < max(self.healed_at, front.born) + SEEN_WITHIN:
            return
        seen = {one.node.card.url: one for one in front.fleet.nodes}
        for number, node in world.nodes.items():
            one = seen.get(url_of(number))
            if node.up and not node.door.dead and now > node.born + SEEN_WITHIN and (one is None or not one.serves):
                self._say(f"{front.owner} does not know that {node.name} serves")
            if node.door.dead and now > node.died_at + SEEN_WITHIN and one is not None and one.serves:
                self._say(f"{front.owner} believes that {node.name} serves, which is dead")

    def left_open(self, front: Front) -> None:
        """Nobody calls any more: a gateway counts nothing as under way."""
        if any(one.inflight for one in front.fleet.nodes):
            self._say(f"{front.owner} counts calls as under way that are over")

    def _hung(self, since: float) -> float:
        kinds = ("halt", "store hangs", "store slow", "way down", "way slow")
        return sum(f.seconds for f in self.world.faults if f.kind in kinds and f.at + f.seconds > since)

    def _true_words(self, node: Node) -> None:
        for account in node.pool.accounts:
            status = account.status("text")
            if not 0 <= account.busy <= LANES:
                self._say(f"{account.name} has {account.busy} calls in {LANES} lanes")
            if node.upstreams[account.name].open_streams > account.busy:
                self._say(f"{account.name} streams without a lane")
            if status.state == "cooling" and status.until <= self.world.now() and not account.circuits["text"].probing:
                self._say(f"{account.name} cools down without an end")
            if account.last_error is not None and account.last_error.kind == "storage" and not account.is_open:
                self._say(f"{account.name} is out of service because our own database is away")
        self._waits_in_vain(node)

    def _waits_in_vain(self, node: Node) -> None:
        """A call must not wait while there is a lane for it."""
        now = self.world.loop.time()
        for waiter in node.pool._waiting:
            idle = (account for account in node.pool.accounts if _free(account, waiter))
            if (
                waiter.granted.done()
                or waiter.holds_out
                or (account := next(idle, None)) is None
                or node.door.mine("halt")
            ):
                self._in_vain.pop(id(waiter), None)
            elif now - self._in_vain.setdefault(id(waiter), now) > AT_ONCE:
                self._say(f"a call waits in {node.owner} while {account.name} has a lane for it")

    def _leases_of_the_dead(self) -> None:
        """A lease that ran out is taken back while somebody lives who has a database."""
        now = self.world.loop.time()
        up = [node for node in self.world.nodes.values() if node.up and not node.door.dead]
        if now < self.healed_at + TAKEN_BACK_WITHIN or not any(node.born < now - 15.0 for node in up):
            return
        for row in self.world.jobs.batches.values():
            for one in row.running():
                if one.until - EPOCH < now - TAKEN_BACK_WITHIN:
                    self._say(
                        f"{one.task.id} is held by {one.owner}, whose lease ended {now - one.until + EPOCH:.0f} s ago"
                    )

    # The end

    def stopped(self, node: Node, stopping: asyncio.Task[Any], began: float) -> None:
        """A process was asked to stop and had time for it. Without a database it cannot give anything back."""
        now = self.world.loop.time()
        ailing = [f for f in self.world.faults if f.target == node.door.number and f.kind in _HOLDS_UP]
        if any(f.at < now and f.at + f.seconds > began - 15.0 for f in ailing):
            return
        if not stopping.done():
            self._say(f"{node.owner} does not stop")
        elif error := stopping.exception():
            self._say(f"{node.owner} stopped with {error!r}")
        left = sorted(task.get_name() for task in node.tasks if not task.done())
        if left:
            self._say(f"{node.owner} left tasks behind: {left}")
        if node.pool.waiting or any(account.busy for account in node.pool.accounts) or node.conversations.under_way:
            self._say(f"{node.owner} stopped with calls under way")
        for name, upstream in node.upstreams.items():
            if upstream.open_streams:
                self._say(f"{node.owner} left {upstream.open_streams} streams of {name} open")
        for row in self.world.jobs.batches.values():
            if any(one.owner == node.owner and not self._never_told(node, one.task.id) for one in row.running()):
                self._say(f"{node.owner} stopped and still holds a task")
        if any(row.owner == node.name for row in self.world.accounts.rows.values()):
            self._say(f"{node.owner} stopped and still holds an account")

    def _never_told(self, node: Node, task_id: str) -> bool:
        """Whether the process cannot know that it was given the task: the answer was lost. Its lease will run out."""
        at = self.taken[task_id][-1].at
        return any(f.kind == "answers lost" and f.target == node.door.number and f.holds(at) for f in self.world.faults)

    def end(self) -> None:
        world = self.world
        if missing := [name for name in world.ordered if name not in world.jobs.batches]:
            self._say(f"batches were lost: {missing}")
        for row in world.jobs.batches.values():
            for one in row.tasks:
                self._ended(one.task)
        for node in world.past:
            for _, fact in node.facts:
                if fact.name == "task.crashed":
                    self._say(f"a task ended with a bug: {fact.data.get('why')} {fact.data.get('trace')}")

    def _ended(self, task: Task) -> None:
        mark = question_of(task)
        if task.status in ("queued", "running"):
            self._say(f"{task.id} never ended: {task.status}, {task.code} {task.error}")
        elif task.status == "done":
            result = loads(task.result)
            if mark.startswith("task"):
                text = result["choices"][0]["message"]["content"]
            else:
                text = self.world.blobs.blobs.get("images/" + result["name"], b"").decode()
            if text != answer_to(mark):
                self._say(f"{task.id} holds {text!r}")
        if self.ends[task.id] != 1:
            self._say(f"{task.id} ended {self.ends[task.id]} times")


_HOLDS_UP = ("halt", "store down", "store hangs", "store slow", "answers lost")
_COMINGS = ("account.joined", "account.parted", "account.state")


def _free(account: Account, waiter: Any) -> bool:
    """Whether the account could start this call at once."""
    if account.name in waiter.avoid or not account.is_open or waiter.card.offer(account.models) is None:
        return False
    kept = min(1, account.lanes - 1) if waiter.background else 0
    return account.status(*waiter.needs).state == "ready" and account.lanes - account.busy - kept > 0
