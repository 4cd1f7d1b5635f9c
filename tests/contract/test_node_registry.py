"""The registry of nodes, in PostgreSQL: what `ports.NodeRegistry` promises."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import text

from gemgate.accounts import AccountModel
from gemgate.errors import Conflict, GatewayError, NotFound, StorageDown
from gemgate.nodes import Node, NodeCard, NodeReport, NodeStatus
from gemgate.ports.accounts import AccountSetup
from gemgate.ports.conversations import Conversation
from gemgate.ports.nodes import NodeRegistry
from gemgate.ports.upstream import Thread
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.conversations import SqlConversationStore
from gemgate.stores.sql.database import Database, open_database, unopened
from gemgate.stores.sql.nodes import SqlNodeRegistry
from gemgate.stores.vault import open_vault
from tests.support.serving import NO_LIMITS

CARD = NodeCard("http://10.0.0.1:8100", "w1", 2.0, "a proof")
REPORT = NodeReport(
    "HEALTHY", 3, 4, 7, (AccountModel("aa", "flash", "Flash", "quick", ("f",)),), {"image": 60.0}, "", "1.2.3"
)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture(params=["sql"])
def registry(database: Database) -> NodeRegistry:
    return SqlNodeRegistry(database)


async def age(database: Database, worker: str, seconds: float) -> None:
    """Let a node's last beat be so long ago."""
    statement = (
        "UPDATE gemini_service_nodes SET last_heartbeat = now() - make_interval(secs => :s) WHERE worker_id = :w"
    )
    async with database.writing() as connection:
        await connection.execute(text(statement), {"s": seconds, "w": worker})


async def test_a_node_comes_back_as_it_announced_itself(registry: NodeRegistry) -> None:
    assert await registry.nodes() == ()
    await registry.announce(CARD, REPORT)
    (node,) = await registry.nodes()
    assert node.card == CARD
    assert node.report == REPORT
    assert 0 <= node.age < 5
    assert (node.weight, node.draining) == (2.0, False)
    assert node.created_at > 1_700_000_000


async def test_the_table_is_the_one_that_is_promised(registry: NodeRegistry, database: Database) -> None:
    await registry.announce(CARD, replace(REPORT, status="INIT"))
    async with database.reading() as connection:
        row = (await connection.execute(text("SELECT * FROM gemini_service_nodes"))).mappings().one()
    expected: dict[str, Any] = {
        "node_url": CARD.url, "worker_id": "w1", "status": "INIT", "weight": 2.0, "dispatched_tasks": 7,
        "current_tasks": 3,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert set(row) == {*expected, "last_heartbeat", "created_at"}


async def test_a_beat_tells_of_changes_and_counts_prompts(registry: NodeRegistry, database: Database) -> None:
    await registry.announce(CARD, REPORT)
    await age(database, "w1", 100)
    assert await registry.beat(CARD, NodeReport("BUSY", 4, 4, dispatched=2))
    (node,) = await registry.nodes()
    assert (node.report.status, node.report.current, node.report.dispatched) == ("BUSY", 4, 9)
    assert node.age < 5


async def test_a_beat_without_a_row_asks_for_an_announcement(registry: NodeRegistry) -> None:
    assert not await registry.beat(CARD, REPORT)
    assert await registry.nodes() == ()
    await registry.announce(CARD, REPORT)
    assert not await registry.beat(replace(CARD, proof="another token"), REPORT)


async def test_who_leaves_is_offline_until_it_announces_itself_again(registry: NodeRegistry) -> None:
    await registry.announce(CARD, REPORT)
    await registry.leave(CARD.url)
    assert [node.report.status for node in await registry.nodes()] == ["OFFLINE"]
    await registry.announce(CARD, REPORT)
    assert [node.report.status for node in await registry.nodes()] == ["HEALTHY"]


async def test_an_operators_word_outlives_beats_and_restarts(registry: NodeRegistry) -> None:
    await registry.announce(CARD, REPORT)
    await registry.weigh("w1", 0.5)
    await registry.drain("w1", True)
    await registry.beat(CARD, REPORT)
    await registry.announce(CARD, REPORT)
    (node,) = await registry.nodes()
    assert (node.weight, node.draining) == (0.5, True)
    await registry.drain("w1", False)
    await registry.announce(replace(CARD, weight=3.0), REPORT)
    (node,) = await registry.nodes()
    assert (node.weight, node.draining) == (3.0, False), "a new setting of the node itself is news"


async def test_a_name_belongs_to_one_living_node(registry: NodeRegistry, database: Database) -> None:
    await registry.announce(CARD, REPORT)
    await registry.weigh("w1", 5.0)
    moved = replace(CARD, url="http://10.0.0.2:8100")
    with pytest.raises(Conflict, match="GEMINI_WORKER_ID"):
        await registry.announce(moved, REPORT)
    await age(database, "w1", 16)
    await registry.announce(moved, REPORT)
    (node,) = await registry.nodes()
    assert (node.card.url, node.weight) == (moved.url, 5.0)


async def test_many_nodes_announce_themselves_at_once(registry: NodeRegistry) -> None:
    cards = [NodeCard(f"http://10.0.0.{n}:8100", f"w{n:02d}", 1.0, "p") for n in range(20)]
    await asyncio.gather(*(registry.announce(card, REPORT) for card in cards))
    await asyncio.gather(*(registry.beat(card, REPORT) for card in cards))
    found = await registry.nodes()
    assert [node.card.worker_id for node in found] == [card.worker_id for card in cards]
    assert all(node.report.dispatched == 14 for node in found)


async def test_unknown_nodes_are_not_found(registry: NodeRegistry) -> None:
    for question in (registry.weigh("w9", 1.0), registry.drain("w9", True), registry.forget("w9")):
        with pytest.raises(NotFound, match="w9"):
            await question


async def test_a_forgotten_node_is_gone(registry: NodeRegistry) -> None:
    await registry.announce(CARD, REPORT)
    await registry.forget("w1")
    assert await registry.nodes() == ()
    await registry.announce(CARD, REPORT)
    assert len(await registry.nodes()) == 1


async def test_it_knows_who_holds_a_conversation_and_runs_an_account(
    registry: NodeRegistry, database: Database, tmp_path: Path
) -> None:
    accounts = SqlAccountStore(database, open_vault(NO_LIMITS["cookie_keys"], tmp_path / "key", tmp_path))
    await accounts.set_up(AccountSetup("ann"))
    assert await registry.runs("ann") == ""
    assert await accounts.claim("ann", "w1@machine:8100", 30)
    assert await registry.runs("ann") == "w1"
    assert await registry.runs("nobody") == ""
    story = Conversation("c1", "tenant", "tip2", 2, "ann", "id", "aa", Thread(("c",)), 1.0, 1.0)
    await SqlConversationStore(database).save(story)
    assert await registry.holder("tenant", "", ["tip1", "tip2"]) == "w1"
    assert await registry.holder("tenant", "c1", []) == "w1"
    assert await registry.holder("other", "", ["tip1", "tip2"]) == "", "never across keys"
    assert await registry.holder("tenant", "", ["tip9"]) == ""
    await accounts.release("w1@machine:8100")
    assert await registry.holder("tenant", "c1", []) == "", "nobody runs its account any more"


async def test_sqlite_is_no_place_to_find_each_other(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "one.sqlite3")
    with pytest.raises(GatewayError, match="PostgreSQL"):
        SqlNodeRegistry(database)
    await database.close()


async def test_a_registry_that_cannot_be_reached_is_away() -> None:
    registry = SqlNodeRegistry(unopened("postgresql://nobody@127.0.0.1:1/nothing"))
    with pytest.raises(StorageDown):
        await registry.nodes()


ROGUE = (
    "status = 'SPLENDID', current_tasks = -5, dispatched_tasks = -1",
    "weight = 'NaN'",
    "weight = 'infinity'",
    "weight = -1",
    "last_heartbeat = 'infinity', created_at = '-infinity'",
    "last_heartbeat = '-infinity'",
    "last_heartbeat = now() + interval '1 year'",
    "last_heartbeat = '4000-01-01 BC', created_at = '294000-01-01'",
    "worker_id = '', status = ''",
)
REPORTS = (
    "", "[1]", "null", "7", '"x"', "{", '{"lanes": "many"}', '{"lanes": null}', '{"lanes": [1]}', '{"offers": 5}',
    '{"offers": [[1, 2, 3, 4, [5]]]}', '{"offers": [["a", "b", "c", "d", "xyz"]]}', '{"offers": ["abcd"]}',
    '{"cooling": [1]}', '{"cooling": {"text": "soon"}}', '{"cooling": {"text": -1e308}}', '{"why": 5}',
    '{"why": null, "version": {}}', '{"lanes": -3}', '{"cooling": {"text": 1e999}}',
)  # fmt: skip


async def test_a_row_by_another_hand_spoils_no_view_of_the_others(registry: NodeRegistry, database: Database) -> None:
    """Whoever may write to the table may write anything; what is read is finite, and of the kind it is promised."""
    await registry.announce(CARD, REPORT)
    (good,) = await registry.nodes()
    await registry.announce(replace(CARD, url="http://rogue:1", worker_id="rogue"), REPORT)
    for change in ROGUE:
        async with database.writing() as connection:
            await connection.execute(
                text(f"UPDATE gemini_service_nodes SET {change} WHERE node_url = 'http://rogue:1'")
            )
        await _seen_beside(registry, good)
    for report in REPORTS:
        async with database.writing() as connection:
            await connection.execute(
                text("UPDATE node_detail SET report = :r WHERE node_url = 'http://rogue:1'"), {"r": report}
            )
        await _seen_beside(registry, good)
    await registry.announce(replace(CARD, url="http://rogue:1", worker_id="rogue"), REPORT)
    assert len(await registry.nodes()) == 2


async def _seen_beside(registry: NodeRegistry, good: Node) -> None:
    (seen,) = [one for one in await registry.nodes() if one.card.url == CARD.url]
    assert replace(seen, age=good.age) == good
    (rogue,) = [one for one in await registry.nodes() if one.card.url != CARD.url]
    report = rogue.report
    counts = (rogue.weight, rogue.age, rogue.created_at, report.current, report.lanes, report.dispatched)
    assert all(math.isfinite(number) and number >= 0 for number in (*counts, *report.cooling.values()))
    assert report.status in get_args(NodeStatus)
    words = [report.why, report.version, *(word for offer in report.offers for word in (offer.id, *offer.aliases))]
    assert all(isinstance(word, str) for word in words)


async def test_a_beat_of_the_future_keeps_no_node_alive(registry: NodeRegistry, database: Database) -> None:
    await registry.announce(CARD, REPORT)
    await age(database, "w1", -300)
    (node,) = await registry.nodes()
    assert node.age > 200
