"""`kill -9` of gateways that work on a batch: nothing is lost, nothing comes twice, nothing finished is made again.

Small numbers here; the soak has a thousand tasks and twenty kills, with leases as they really are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.chaos import LANES, Books, Cut, Node, books, environment, ordered, painter, pauses, told
from tests.support.servers import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

REAL_LEASE = 30.0
LOADED = 60.0
"""Seconds more than promised on a machine that does a lot else; the soak is held to the promise."""


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    """Whatever is started is ended."""
    started: list[Node] = []
    yield started
    for node in started:
        node.end()


async def recovery(kept: Books, cut: Cut, before: Sequence[int]) -> float:
    """Seconds from the cut until all that it cut off runs again, or is done."""
    waited = {seq for seq in cut.running if seq not in cut.done}
    async with asyncio.timeout(300):
        while waited:
            tasks = await kept.tasks()
            waited = {seq for seq in waited if tasks[seq].attempt == before[seq] and tasks[seq].status != "done"}
            await asyncio.sleep(0.2)
    return time.time() - cut.at


async def on_sqlite(folder: Path, nodes: list[Node], count: int, kills: int, *, readable: bool) -> None:
    dice = pauses(kills)
    async with painter("alice", readable=readable) as sim:
        node = Node("solo", environment(sim, "alice", folder), folder)
        nodes.append(node)
        await node.start()
        batch_id = await ordered(node.url, count, LANES)
        back: list[float] = []
        url = f"sqlite:///{folder / 'data' / 'gemgate.sqlite3'}"
        async with books(url, folder, sim, batch_id, count, readable=readable) as kept:
            for number in range(1, kills + 1):
                await kept.until_ended(number * (count - 2 * LANES) // (kills + 1), 300)
                await asyncio.sleep(dice.uniform(0, 0.6))
                node.halt()
                await asyncio.sleep(0.02)
                cut = await kept.cut("default", time.time())
                attempts = [task.attempt for task in await kept.tasks()]
                node.kill()
                restarted = time.time()
                await node.start()
                await recovery(kept, cut, attempts)
                back.append(time.time() - restarted)
            await kept.until_ended(count, 300)
            figures = await kept.check(count)
            assert figures["in flight at a cut"] > kills, "the cuts missed what they were for"
        print(f"\nSQLite, chats {'readable' if readable else 'not readable'}: {figures}")
        print(f"from the start of the next process until all that was cut off ran again: {told(back)}")
        assert min(back) < REAL_LEASE - 5, "a lease was waited for, where nobody else can hold one"


async def on_postgres(
    folder: Path, nodes: list[Node], url: str, count: int, kills: int, *, lease: float, pace: float
) -> None:
    """Two nodes; in turn one is killed and comes back sooner or later, or is halted past its lease and goes on.

    A node that comes back at once reads its chats itself; otherwise the other one takes over.
    """
    dice = pauses(count)
    length = lease or REAL_LEASE
    async with painter("alice", "bob", readable=True, pace=pace) as sim:
        for name, account in (("node-a", "alice"), ("node-b", "bob")):
            more = {"DATABASE_URL": url, "GEMINI_WORKER_ID": name}
            nodes.append(Node(name, environment(sim, account, folder, **more), folder, lease))
        await asyncio.gather(*(node.start() for node in nodes))
        batch_id = await ordered(nodes[0].url, count, 2 * LANES)
        back: list[float] = []
        over: list[float] = []
        async with books(url, folder, sim, batch_id, count, readable=False) as kept:
            for number in range(1, kills + 1):
                await kept.until_ended(number * (count - 4 * LANES) // (kills + 1), 300)
                await asyncio.sleep(dice.uniform(0, 5 * pace))
                node = nodes[number % 2]
                node.halt()
                await asyncio.sleep(0.02)
                cut = await kept.cut(node.name, time.time())
                attempts = [task.attempt for task in await kept.tasks()]
                if number % 3 == 2:
                    over.append(await recovery(kept, cut, attempts))
                    await asyncio.sleep(dice.uniform(0, 1))
                    node.go_on()
                    continue
                node.kill()
                if number % 3 == 0:
                    await node.start()  # at once, as a supervisor would
                    back.append(await recovery(kept, cut, attempts))
                else:
                    over.append(await recovery(kept, cut, attempts))
                    if number < kills:
                        await node.start()
            await kept.until_ended(count, 600)
            figures = await kept.check(count)
            assert figures["in flight at a cut"] > kills, "the cuts missed what they were for"
        print(f"\nPostgreSQL, two nodes, leases of {length:.0f} s: {figures}")
        print(f"from a cut until all of it ran again, taken over by the other node: {told(over)}")
        if back:
            print(f"the same, by the node itself that came back at once: {told(back)}")
        slack = LOADED if lease else 5.0
        assert max(over) < length + slack


@pytest.mark.timeout(600)
async def test_a_killed_process_goes_on_where_it_was(tmp_path: Path, nodes: list[Node]) -> None:
    await on_sqlite(tmp_path, nodes, 40, 1, readable=True)


@pytest.mark.timeout(600)
async def test_of_two_nodes_one_takes_over_what_the_other_held(
    tmp_path: Path, nodes: list[Node], postgres_url: str
) -> None:
    await on_postgres(tmp_path, nodes, postgres_url, 60, 2, lease=4.0, pace=0.4)


@pytest.mark.soak
@pytest.mark.parametrize("readable", [True, False], ids=["readable chats", "unreadable chats"])
async def test_a_thousand_tasks_and_twenty_kills_on_sqlite(tmp_path: Path, nodes: list[Node], readable: bool) -> None:
    await on_sqlite(tmp_path, nodes, 1000, 20, readable=readable)


@pytest.mark.soak
async def test_a_thousand_tasks_and_twenty_cuts_on_two_nodes(
    tmp_path: Path, nodes: list[Node], postgres_url: str
) -> None:
    await on_postgres(tmp_path, nodes, postgres_url, 1000, 20, lease=0.0, pace=0.7)
