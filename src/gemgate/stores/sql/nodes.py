"""The nodes of a fleet in PostgreSQL, table `gemini_service_nodes` (docs/fleet.md), behind `ports.NodeRegistry`.

Only the database's clock counts: a beat writes its `now()`, and readers are told ages, never moments. What an operator
says (weight, draining) is never overwritten by a node's beat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

import orjson
from sqlalchemy import ColumnElement, Row, case, delete, func, literal, select, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.accounts import CAPABILITIES, AccountModel, Capability
from gemgate.errors import Conflict, GatewayError, NotFound
from gemgate.lazy_import import later
from gemgate.nodes import Node, NodeCard, NodeReport, NodeStatus
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.schema import account, conversation, node, node_detail

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

DEAD_AFTER = 15.0
"""Seconds without a beat after which a node is dead (docs/decisions.md 26)."""
TIPS = 500
FOREVER = 1e9
"""Seconds; what is older is as old."""

TOLD_CHARS = 500
"""Characters of a reason or a version that a reader is shown: anybody who reaches the table may write there."""

_AGE = func.extract(
    "epoch", case((func.isfinite(node.c.last_heartbeat), func.clock_timestamp() - node.c.last_heartbeat))
)
"""NULL for a beat at infinity, from which PostgreSQL subtracts nothing: one such row would fail the whole reading."""
_SHOWN: tuple[ColumnElement[Any], ...] = (
    *(column for column in node.c if column.name not in ("last_heartbeat", "created_at")),
    *(node_detail.c.proof, node_detail.c.draining, node_detail.c.report),
    _AGE.label("age"),
    func.extract("epoch", node.c.created_at).label("since"),
)
"""No moment is read as it is: PostgreSQL's reach further than Python's."""


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
                postgresql.insert(node)
                .values(node_url=card.url, weight=card.weight, dispatched_tasks=report.dispatched, **values)
                .on_conflict_do_update(
                    index_elements=["node_url"],
                    set_={**values, **more, "dispatched_tasks": node.c.dispatched_tasks + report.dispatched},
                )
            )
            detail = {"proof": card.proof, "own_weight": card.weight, "report": _packed(report)}
            await connection.execute(
                postgresql.insert(node_detail)
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
            if twin.status != "OFFLINE" and _age(twin.age) < DEAD_AFTER:
                raise Conflict(
                    f"Another node ({twin.node_url}) goes by the name {card.worker_id}; give each its own "
                    "GEMINI_WORKER_ID",
                    f"另一个节点（{twin.node_url}）正在使用名称 {card.worker_id}，请为每个节点设置不同的 "
                    "GEMINI_WORKER_ID",
                    code="worker_id_taken",
                )
            known = await connection.scalar(select(node.c.node_url).where(node.c.node_url == card.url))
            if known is None:
                moved = [literal(card.url) if column is node.c.node_url else column for column in node.c]
                old = select(*moved).where(node.c.node_url == twin.node_url)
                await connection.execute(postgresql.insert(node).from_select([column.name for column in node.c], old))
                await connection.execute(
                    update(node_detail).where(node_detail.c.node_url == twin.node_url).values(node_url=card.url)
                )
            await connection.execute(delete(node).where(node.c.node_url == twin.node_url))

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        async with self._database.writing() as connection:
            result = await connection.execute(
                update(node)
                .where(node.c.node_url == card.url, node.c.worker_id == card.worker_id)
                .values(dispatched_tasks=node.c.dispatched_tasks + report.dispatched, **_columns(card, report))
            )
            if not result.rowcount:
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
            select(*_SHOWN)
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
        change = postgresql.insert(node_detail).from_select(["node_url"], urls)
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


def _with(row: Row[Any], values: Mapping[str, Any]) -> Node:
    known = row.status in get_args(NodeStatus)
    return Node(
        NodeCard(row.node_url, row.worker_id, _number(row.weight), row.proof or ""),
        NodeReport(
            cast("NodeStatus", row.status) if known else "ERROR",
            int(_number(row.current_tasks)),
            int(_number(values.get("lanes", 0))),
            int(_number(row.dispatched_tasks)),
            tuple(_offer(*one) for one in values.get("offers", ())),
            {
                cast("Capability", c): _number(left)
                for c, left in values.get("cooling", {}).items()
                if c in CAPABILITIES
            },
            _text(values.get("why", "")) if known else _text(f"its row has the unknown status {row.status!r}"),
            _text(values.get("version", "")),
        ),
        age=_age(row.age),
        weight=_number(row.weight),
        draining=bool(row.draining),
        created_at=_number(row.since),
    )


def _age(seconds: Any) -> float:
    """Seconds since a beat. One of the future is as far from now as one of the past: no row lives for ever."""
    return FOREVER if seconds is None else min(FOREVER, abs(float(seconds)))


def _number(value: Any) -> float:
    """What counts something: never below nothing, and never what is no number. TypeError, ValueError."""
    number = float(value)
    return max(0.0, number) if math.isfinite(number) else 0.0


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value[:TOLD_CHARS]


def _offer(model: Any, name: Any, display: Any, description: Any, aliases: Sequence[Any]) -> AccountModel:
    if isinstance(aliases, str):
        raise TypeError("aliases are a list")
    return AccountModel(_text(model), _text(name), _text(display), _text(description), tuple(map(_text, aliases)))


def _unknown(worker_id: str) -> NotFound:
    return NotFound(f"There is no node {worker_id}", f"没有名为 {worker_id} 的节点", code="node_not_found")
