"""The stores of the simulation keep the promises of those on a database: every test of theirs that needs no SQL.

What only a database can break, its speed, is left out.
"""

from __future__ import annotations

import inspect
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gemgate.batches import Claim, Deferred, Done, Failed, Released
from gemgate.errors import Conflict
from gemgate.testing import MemoryConversations
from tests.contract import test_account_store, test_conversation_store, test_job_store, test_node_registry
from tests.simulation.account_rows import LeasedConversations, MemoryAccounts
from tests.simulation.job_rows import MemoryJobs
from tests.simulation.node_rows import MemoryNodes


def promises(module: ModuleType, *given: str) -> list[Any]:
    """Tests of a contract suite that ask for these and nothing else."""
    tests = [test for name, test in vars(module).items() if name.startswith("test_") and "stay_cheap" not in name]
    return [pytest.param(test, id=test.__name__) for test in tests if {*inspect.signature(test).parameters} == {*given}]


@pytest.mark.parametrize("promise", promises(test_job_store, "store"))
async def test_jobs(promise: Any) -> None:
    await promise(MemoryJobs(time.time))


@pytest.mark.parametrize("promise", promises(test_account_store, "store"))
async def test_accounts(promise: Any) -> None:
    store = MemoryAccounts(time.time)
    await store.set_up(test_account_store.ALICE)
    await promise(store)


@pytest.mark.parametrize(
    "double", [lambda: LeasedConversations(time.time), MemoryConversations], ids=["leased", "shipped"]
)
@pytest.mark.parametrize("promise", promises(test_conversation_store, "store"))
async def test_conversations(promise: Any, double: Callable[[], Any]) -> None:
    await promise(double())


@pytest.mark.parametrize("promise", promises(test_node_registry, "registry"))
async def test_nodes(promise: Any) -> None:
    await promise(MemoryNodes(time.time))


async def test_a_name_belongs_to_one_living_node_of_the_registry() -> None:
    now = 0.0
    registry = MemoryNodes(lambda: now)
    await registry.announce(test_node_registry.CARD, test_node_registry.REPORT)
    moved = replace(test_node_registry.CARD, url="http://10.0.0.2:8100")
    with pytest.raises(Conflict):
        await registry.announce(moved, test_node_registry.REPORT)
    now = 15.0
    await registry.announce(moved, test_node_registry.REPORT)
    assert [(node.card.url, node.age) for node in await registry.nodes()] == [(moved.url, 0.0)]


def test_the_suites_are_not_empty() -> None:
    suites = (test_job_store, "store"), (test_account_store, "store"), (test_conversation_store, "store")
    counts = [len(promises(module, given)) for module, given in (*suites, (test_node_registry, "registry"))]
    assert all(count >= least for count, least in zip(counts, (15, 15, 5, 6), strict=True)), counts


async def test_a_chat_is_left_to_the_node_that_can_read_it() -> None:
    living = {"alice"}
    store = MemoryJobs(time.time, living.__contains__)
    await store.submit(test_job_store.order(), test_job_store.drafts(1))
    first = await store.claim("a", ["image"], 0.0, ["alice"])
    assert first is not None
    assert await store.note(first, SimpleNamespace(account="alice", cid="c_1"))  # type: ignore[arg-type]
    assert await store.expire() == 1
    assert await store.claim("b", ["image"], 30.0, ["bob"]) is None
    living.clear()
    assert await store.claim("b", ["image"], 30.0, ["bob"]) is not None


async def test_counts_are_those_of_the_tasks_whatever_happens() -> None:
    dice, store, held = random.Random(7), MemoryJobs(time.time), list[Claim]()
    await store.submit(test_job_store.order(concurrency=6), test_job_store.drafts(30))
    for _ in range(400):
        if dice.random() < 0.5 and (claim := await store.claim("a", ["image"], dice.choice([0.0, 30.0]))):
            held.append(claim)
        elif held:
            outcome = dice.choice([Done("{}"), Failed("c", "e", "z", True), Deferred(0, True, "", "", ""), Released()])
            await store.settle(held.pop(dice.randrange(len(held))), outcome)
        if dice.random() < 0.1:
            await store.expire()
        tasks = await store.tasks("batch_00000001")
        tally = (await store.stats())["images"]
        assert Counter(task.status for task in tasks) == {k: v for k in tally.__slots__ if (v := getattr(tally, k))}
        ends = [task.settled for task in tasks if task.settled]
        assert len(ends) == len(set(ends)) == tally.done + tally.failed
