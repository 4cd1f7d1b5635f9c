"""The nodes of a fleet in PostgreSQL, table `gemini_service_nodes` (spec 4.1), behind `ports.NodeRegistry`.

Only the database's clock counts: a beat writes its `now()`, and readers are told ages, never moments. What an operator
says (weight, draining) is never overwritten by a node's beat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gemgate.accounts import CAPABILITIES, Capability, Offer
from gemgate.errors import Conflict, GatewayError, NotFound
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.schema import account, conversation, node, node_detail
from gemgate.work import Node, NodeCard, NodeReport, NodeStatus

DEAD_AFTER = 15.0
"""Seconds without a beat after which a node is dead (spec 4, engines.md c)."""
TIPS = 500

_AGE = func.extract("epoch", func.clock_timestamp() - node.c.last_heartbeat)


class SqlNodeRegistry:
    """See `ports.NodeRegistry` for what every method promises."""

    def __init__(self, database: Database) -> None:
        if database.is_sqlite:
            raise GatewayError(
                "The nodes of a fleet find each other in PostgreSQL: set DATABASE_URL or the DB_* variables",
                "多节点需要 PostgreSQL：请设置 DATABASE_URL 或 DB_* 变量",
                code="database_url",
            )
        self._database = database

    async def announce(self, card: NodeCard, report: NodeReport) -> None:
        async with self._database.writing() as connection:
            await self._take_over(connection, card)
            own = await connection.scalar(select(node_detail.c.own_weight).where(node_detail.c.node_url == card.url))
            values = _columns(card, report)
            more = {"weight": card.weight} if own is None or own != card.weight else {}
            await connection.execute(
                insert(node)
                .values(node_url=card.url, weight=card.weight, dispatched_tasks=report.dispatched, **values)
                .on_conflict_do_update(
                    index_elements=["node_url"],
                    set_={**values, **more, "dispatched_tasks": node.c.dispatched_tasks + report.dispatched},
                )
            )
            detail = {"proof": card.proof, "own_weight": card.weight, "report": _packed(report)}
            await connection.execute(
                insert(node_detail)
                .values(node_url=card.url, **detail)
                .on_conflict_do_update(index_elements=["node_url"], set_=detail)
            )

    async def _take_over(self, connection: AsyncConnection, card: NodeCard) -> None:
        """Another address of the same name: the node has moved, or two nodes have one name.

        The row moves with the node, with what an operator said of it.
        """
        twins = select(node.c.node_url, node.c.status, _AGE.label("age")).where(
            node.c.worker_id == card.worker_id, node.c.node_url != card.url
        )
        for twin in (await connection.execute(twins.order_by(node.c.last_heartbeat.desc()).with_for_update())).all():
            if twin.status != "OFFLINE" and twin.age < DEAD_AFTER:
                raise Conflict(
                    f"Another node ({twin.node_url}) goes by the name {card.worker_id}; give each its own "
                    "GEMINI_WORKER_ID",
                    f"另一个节点（{twin.node_url}）正在使用名称 {card.worker_id}，请为每个节点设置不同的 "
                    "GEMINI_WORKER_ID",
                    code="worker_id_taken",
                )
            known = await connection.scalar(select(node.c.node_url).where(node.c.node_url == card.url))
            if known is None:
                row = (await connection.execute(select(node).where(node.c.node_url == twin.node_url))).mappings().one()
                await connection.execute(insert(node).values({**row, "node_url": card.url}))
                await connection.execute(
                    update(node_detail).where(node_detail.c.node_url == twin.node_url).values(node_url=card.url)
                )
            await connection.execute(delete(node).where(node.c.node_url == twin.node_url))

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        async with self._database.writing() as connection:
            told = await connection.execute(
                update(node)
                .where(node.c.node_url == card.url, node.c.worker_id == card.worker_id)
                .values(dispatched_tasks=node.c.dispatched_tasks + report.dispatched, **_columns(card, report))
            )
            if not told.rowcount:
                return False
            detail = await connection.execute(
                update(node_detail)
                .where(node_detail.c.node_url == card.url, node_detail.c.proof == card.proof)
                .values(report=_packed(report))
            )
            return bool(detail.rowcount)

    async def leave(self, url: str) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                update(node)
                .where(node.c.node_url == url)
                .values(status="OFFLINE", last_heartbeat=func.clock_timestamp())
            )

    async def nodes(self) -> tuple[Node, ...]:
        query = (
            select(
                node,
                node_detail.c.proof,
                node_detail.c.draining,
                node_detail.c.report,
                _AGE.label("age"),
                func.extract("epoch", node.c.created_at).label("since"),
            )
            .join(node_detail, node_detail.c.node_url == node.c.node_url, isouter=True)
            .order_by(node.c.worker_id, node.c.node_url)
        )
        async with self._database.reading() as connection:
            return tuple(_node(row) for row in await connection.execute(query))

    async def weigh(self, worker_id: str, weight: float) -> None:
        change = update(node).where(node.c.worker_id == worker_id).values(weight=weight)
        async with self._database.writing() as connection:
            if not (await connection.execute(change)).rowcount:
                raise _unknown(worker_id)

    async def drain(self, worker_id: str, draining: bool) -> None:
        urls = select(node.c.node_url).where(node.c.worker_id == worker_id)
        change = insert(node_detail).from_select(["node_url"], urls)
        async with self._database.writing() as connection:
            await connection.execute(change.on_conflict_do_nothing(index_elements=["node_url"]))
            done = await connection.execute(
                update(node_detail).where(node_detail.c.node_url.in_(urls)).values(draining=draining)
            )
            if not done.rowcount:
                raise _unknown(worker_id)

    async def forget(self, worker_id: str) -> None:
        async with self._database.writing() as connection:
            if not (await connection.execute(delete(node).where(node.c.worker_id == worker_id))).rowcount:
                raise _unknown(worker_id)

    async def holder(self, tenant: str, conversation_id: str, tips: Sequence[str]) -> str:
        by = conversation.c.id == conversation_id if conversation_id else conversation.c.tip.in_(tips[-TIPS:])
        query = (
            select(account.c.owner)
            .join(conversation, conversation.c.account == account.c.name)
            .where(by, conversation.c.tenant == tenant, account.c.lease_until > epoch_now())
            .order_by(conversation.c.length.desc(), conversation.c.updated_at.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            return _worker(await connection.scalar(query))

    async def runs(self, account_name: str) -> str:
        query = select(account.c.owner).where(account.c.name == account_name, account.c.lease_until > epoch_now())
        async with self._database.reading() as connection:
            return _worker(await connection.scalar(query))


def _worker(owner: str | None) -> str:
    """The node's name from that in the leases of accounts, which tells where it runs as well: NAME@MACHINE:PORT."""
    return (owner or "").rpartition("@")[0] or owner or ""


def _columns(card: NodeCard, report: NodeReport) -> dict[str, Any]:
    return {
        "worker_id": card.worker_id,
        "status": report.status,
        "last_heartbeat": func.clock_timestamp(),
        "current_tasks": report.current,
    }


def _packed(report: NodeReport) -> str:
    offers = [[o.id, o.name, o.display, o.description, list(o.aliases)] for o in report.offers]
    packed = {
        "lanes": report.lanes,
        "offers": offers,
        "cooling": dict(report.cooling),
        "why": report.why,
        "version": report.version,
    }
    return orjson.dumps(packed).decode()


def _node(row: Row[Any]) -> Node:
    """A row as it stands; a report that cannot be read, by another version or another hand, tells nothing."""
    try:
        return _with(row, orjson.loads(row.report or "{}"))
    except (ValueError, TypeError, AttributeError, KeyError, IndexError):
        return _with(row, {})


def _with(row: Row[Any], told: Mapping[str, Any]) -> Node:
    return Node(
        NodeCard(row.node_url, row.worker_id, row.weight, row.proof or ""),
        NodeReport(
            cast("NodeStatus", row.status),
            row.current_tasks,
            int(told.get("lanes", 0)),
            row.dispatched_tasks,
            tuple(Offer(one[0], one[1], one[2], one[3], tuple(one[4])) for one in told.get("offers", ())),
            {cast("Capability", c): float(left) for c, left in told.get("cooling", {}).items() if c in CAPABILITIES},
            str(told.get("why", "")),
            str(told.get("version", "")),
        ),
        age=float(row.age),
        weight=row.weight,
        draining=bool(row.draining),
        created_at=float(row.since),
    )


def _unknown(worker_id: str) -> NotFound:
    return NotFound(f"There is no node {worker_id}", f"没有名为 {worker_id} 的节点", code="node_not_found")
