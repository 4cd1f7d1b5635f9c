"""The accounts in the database, behind `ports.AccountStore`.

Cookies change only by an UPDATE that names the generation its writer saw; whoever comes late changes nothing and is
told so. State and circuits change only for the node that owns the account, or while nobody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Update, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.accounts import Capability, Cookies, GoogleAccount, Kind, Known, MeasuredWalls, State, account_not_found
from gemgate.errors import AccountError, GatewayError
from gemgate.lazy_import import later
from gemgate.policy.session_end import INFERRED, SHOWN
from gemgate.ports.accounts import AccountSetup, AuditLine, Origin, SessionRecord, StoredAccount, StoredCircuit
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.schema import (
    account,
    account_circuit,
    address_circuit,
    audit_line,
    client_key,
    session_life,
    way_out,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

_PROXY = "proxy"
_SEALED = (_PROXY, "cookies")


async def write_audit(database: Database, line: AuditLine) -> None:
    """For who changes something without having accounts, too."""
    values = {"at": line.at, "actor": line.actor, "action": line.action}
    async with database.writing() as connection:
        await connection.execute(insert(audit_line).values(account=line.account, detail=line.detail, **values))


class SqlAccountStore:
    """See `ports.AccountStore` for what every method promises."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    # What is there

    async def all(self) -> tuple[StoredAccount, ...]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(account).order_by(account.c.name))).mappings().all()
            circuits: dict[str, list[Any]] = {}
            for one in await connection.execute(select(account_circuit)):
                circuits.setdefault(one.account, []).append(one)
        return tuple([await self._kept(row, circuits.get(row["name"], ())) for row in rows])

    async def get(self, name: str) -> StoredAccount:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(account).where(account.c.name == name))).mappings().first()
            mine = select(account_circuit).where(account_circuit.c.account == name)
            found = (await connection.execute(mine)).all()
        if row is None:
            raise account_not_found(name)
        return await self._kept(row, found)

    async def _kept(self, row: Mapping[Any, Any], circuits: Iterable[Any]) -> StoredAccount:
        name = row["name"]
        opened: dict[str, dict[str, str]] = {}
        trouble: AccountError | None = None
        for column in _SEALED:
            if row[column] is not None:
                try:
                    opened[column] = await self._vault.open(name, Sealed(row[column + "_key"], row[column]))
                except AccountError as error:
                    trouble = error
        setup = AccountSetup(
            name,
            cast("Kind", row["kind"]),
            row["source"],
            opened.get(_PROXY, {}).get(_PROXY),
            row["lanes"],
            row["weight"],
            cast("Origin", row["origin"]),
            row["fallback"],
            row["number"],
            row["language"],
            row["prompt_max_bytes"],
            row["prompt_with_files_max_bytes"],
            row["desktop"],
            row["rotate"],
        )
        return StoredAccount(
            setup,
            paused=row["paused"],
            cookies=Cookies.of(opened["cookies"]) if "cookies" in opened else None,
            version=row["generation"],
            source_digest=row["taken"],
            identity=row["identity"],
            state=cast("State", row["state"]),
            error_en=row["error_en"],
            error_zh=row["error_zh"],
            circuits={cast("Capability", one.capability): _circuit(one) for one in circuits},
            owner=row["owner"],
            lease_until=row["lease_until"],
            trouble=trouble,
            walls=_walls(row),
            known=Known(GoogleAccount(row["google_id"], row["google_label"]), row["google_seat"], row["chats_at"]),
            way=row["way"],
        )

    # How it is set up

    async def set_up(self, setup: AccountSetup) -> bool:
        proxy = await self._vault.seal(setup.name, {_PROXY: setup.proxy}) if setup.proxy else None
        values = {
            "kind": setup.kind,
            "origin": setup.origin,
            "source": setup.source,
            "proxy": proxy.text if proxy else None,
            "proxy_key": proxy.key_id if proxy else None,
            "lanes": setup.lanes,
            "weight": setup.weight,
            "fallback": setup.fallback,
            "number": setup.number,
            "language": setup.language,
            "prompt_max_bytes": setup.prompt_max_bytes,
            "prompt_with_files_max_bytes": setup.prompt_with_files_max_bytes,
            "desktop": setup.desktop,
            "rotate": setup.rotate,
        }
        async with self._database.writing() as connection:
            adding = self._insert(account).values(name=setup.name, **values).on_conflict_do_nothing()
            if await connection.scalar(adding.returning(account.c.name)) is not None:
                return True
            await connection.execute(update(account).where(account.c.name == setup.name).values(**values))
            return False

    async def remove(self, name: str) -> None:
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(account).where(account.c.name == name))
            living = and_(session_life.c.account == name, session_life.c.ended_at.is_(None))
            await connection.execute(update(session_life).where(living).values(ended_at=epoch_now()))
            paired = and_(client_key.c.account == name, client_key.c.revoked_at == 0)
            await connection.execute(update(client_key).where(paired).values(revoked_at=epoch_now()))
        if not gone.rowcount:
            raise account_not_found(name)

    async def pause(self, name: str, paused: bool) -> None:
        await self._change(account.c.name == name, name, paused=paused)

    async def keep_walls(self, name: str, walls: MeasuredWalls) -> None:
        await self._change(
            account.c.name == name,
            name,
            wall_plain=walls.plain,
            wall_with_files=walls.with_files,
            wall_resolution=walls.resolution,
            wall_at=walls.at,
            wall_tier=walls.tier,
        )

    # Cookies

    async def keep_cookies(
        self,
        name: str,
        cookies: Cookies,
        *,
        generation: int,
        taken: str | None = None,
        identity: str | None = None,
        at: float,
        arm: str = "",
    ) -> int | None:
        sealed = await self._vault.seal(name, cookies.as_dict())
        values: dict[str, Any] = {
            "cookies": sealed.text,
            "cookies_key": sealed.key_id,
            "changed_at": at,
        }
        if taken is not None:
            values["taken"] = taken
        if identity is not None:
            values["identity"] = identity
        async with self._database.writing() as connection:
            new = await _advance(connection, name, generation, values)
            if new is not None:
                await self._renewed(connection, name, cookies, at, arm)
            return new

    async def _renewed(self, connection: AsyncConnection, name: str, cookies: Cookies, at: float, arm: str) -> None:
        """The session of these cookies lives at `at`; any other of the account has been replaced."""
        await connection.execute(
            update(session_life)
            .where(session_life.c.account == name, session_life.c.session != cookies.identity)
            .where(session_life.c.ended_at.is_(None))
            .values(ended_at=at)
        )
        begun = {"account": name, "session": cookies.identity, "began_at": at, "renewed_at": at, "arm": arm}
        alive = {"renewed_at": at, "ended_at": None, "died": False, "ended_by": "", "arm": arm}
        await connection.execute(
            self._insert(session_life)
            .values(**begun)
            .on_conflict_do_update(index_elements=["account", "session"], set_=alive)
        )

    # State

    async def keep_state(
        self,
        name: str,
        state: State,
        error: GatewayError | None,
        circuits: Mapping[Capability, StoredCircuit],
        *,
        owner: str,
        at: float,
        known: Known | None = None,
        ended_by: str = "",
    ) -> bool:
        values: dict[str, Any] = {
            "state": state,
            "error_en": error.en if error else "",
            "error_zh": error.zh if error else "",
            "changed_at": at,
        }
        if known is not None:
            google = {"google_id": known.google.id, "google_label": known.google.label, "google_seat": known.seat}
            values |= {**google, "chats_at": known.chats_at}
        async with self._database.writing() as connection:
            ours = or_(account.c.owner.in_(("", owner)), account.c.lease_until <= epoch_now())
            changed = await connection.execute(update(account).where(account.c.name == name, ours).values(**values))
            if not changed.rowcount:
                await _must_exist(connection, name)
                return False
            await connection.execute(delete(account_circuit).where(account_circuit.c.account == name))
            if rows := [{"account": name, "capability": c, **_columns(one)} for c, one in circuits.items()]:
                await connection.execute(insert(account_circuit), rows)
            if state == "needs_login":
                await connection.execute(
                    update(session_life)
                    .where(session_life.c.account == name, session_life.c.ended_at.is_(None))
                    .values(ended_at=at, died=True, ended_by=ended_by)
                )
                if ended_by in SHOWN:
                    await connection.execute(_shown(name, ended_by))
        return True

    async def keep_address(self, node: str, address: str, circuit: StoredCircuit) -> None:
        mine = and_(address_circuit.c.node == node, address_circuit.c.address == address)
        async with self._database.writing() as connection:
            await connection.execute(delete(address_circuit).where(mine))
            if circuit.until or circuit.failures:
                await connection.execute(
                    insert(address_circuit).values(node=node, address=address, **_columns(circuit))
                )

    async def addresses(self, node: str) -> dict[str, StoredCircuit]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(address_circuit).where(address_circuit.c.node == node))
            return {row.address: _circuit(row) for row in rows}

    async def keep_way(self, name: str, way: str) -> None:
        await self._change(account.c.name == name, name, way=way)

    async def first_used(self, node: str, address: str, at: float, *, anew: bool = False) -> float:
        mine = and_(way_out.c.node == node, way_out.c.address == address)
        adding = self._insert(way_out).values(node=node, address=address, first_at=at)
        keys = ["node", "address"]
        adding = (
            adding.on_conflict_do_update(index_elements=keys, set_={"first_at": at})
            if anew
            else (adding.on_conflict_do_nothing())
        )
        async with self._database.writing() as connection:
            await connection.execute(adding)
            return float(await connection.scalar(select(way_out.c.first_at).where(mine)) or at)

    # Who owns it

    async def claim(self, name: str, owner: str, seconds: float) -> bool:
        free = or_(account.c.owner.in_(("", owner)), account.c.lease_until <= epoch_now())
        async with self._database.writing() as connection:
            taken = await connection.execute(
                update(account)
                .where(account.c.name == name, free)
                .values(owner=owner, lease_until=epoch_now() + seconds)
            )
            if not taken.rowcount:
                await _must_exist(connection, name)
            return bool(taken.rowcount)

    async def renew(self, owner: str, seconds: float) -> frozenset[str]:
        async with self._database.writing() as connection:
            held = await connection.execute(
                update(account)
                .where(account.c.owner == owner)
                .values(lease_until=epoch_now() + seconds)
                .returning(account.c.name)
            )
            return frozenset(held.scalars())

    async def release(self, owner: str, name: str | None = None) -> None:
        leaving = update(account).where(account.c.owner == owner).values(owner="", lease_until=0.0)
        async with self._database.writing() as connection:
            await connection.execute(leaving if name is None else leaving.where(account.c.name == name))

    # What was

    async def lives(self, name: str | None = None, *, limit: int = 200) -> tuple[SessionRecord, ...]:
        wanted = select(session_life).order_by(session_life.c.began_at.desc(), session_life.c.id.desc()).limit(limit)
        if name is not None:
            wanted = wanted.where(session_life.c.account == name)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return tuple(_life(row) for row in rows)

    async def audit(self, line: AuditLine) -> None:
        await write_audit(self._database, line)

    async def audit_lines(
        self, name: str | None = None, *, actor: str | None = None, limit: int = 100
    ) -> tuple[AuditLine, ...]:
        wanted = select(audit_line).order_by(audit_line.c.at.desc(), audit_line.c.id.desc()).limit(limit)
        if name is not None:
            wanted = wanted.where(audit_line.c.account == name)
        if actor is not None:
            wanted = wanted.where(audit_line.c.actor == actor)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return tuple(AuditLine(r.at, r.actor, r.action, r.account, r.detail) for r in rows)

    async def forget_audit(self, before: float) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(audit_line).where(audit_line.c.at < before))

    # Keys

    async def rewrap(self) -> int:
        changed = 0
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(account))).mappings().all()
        for row in rows:
            for column in _SEALED:
                if row[column] is not None:
                    changed += await self._rewrap(row["name"], column, Sealed(row[column + "_key"], row[column]))
        return changed

    async def _rewrap(self, name: str, column: str, sealed: Sealed) -> int:
        """Replace one secret unless it has changed meanwhile (then it is under the first key already)."""
        try:
            new = await self._vault.rewrap(name, sealed)
        except AccountError:
            return 0
        if new is None:
            return 0
        same = and_(account.c.name == name, account.c[column] == sealed.text)
        async with self._database.writing() as connection:
            values = {column: new.text, column + "_key": new.key_id}
            return (await connection.execute(update(account).where(same).values(**values))).rowcount

    # Statements

    async def _change(self, where: ColumnElement[bool], name: str, **values: Any) -> None:
        async with self._database.writing() as connection:
            if not (await connection.execute(update(account).where(where).values(**values))).rowcount:
                raise account_not_found(name)

    def _insert(self, table: Any) -> Any:
        """INSERT with ON CONFLICT, which both databases spell alike and SQLAlchemy keeps apart."""
        return sqlite.insert(table) if self._database.is_sqlite else postgresql.insert(table)


def _walls(row: Mapping[Any, Any]) -> MeasuredWalls | None:
    if row["wall_plain"] is None:
        return None
    return MeasuredWalls(
        row["wall_plain"], row["wall_with_files"], row["wall_resolution"], row["wall_at"], row["wall_tier"]
    )


async def _advance(connection: AsyncConnection, name: str, generation: int, values: Mapping[str, Any]) -> int | None:
    """Change an account's cookies if nobody has since `generation`."""
    changed = await connection.execute(
        update(account)
        .where(account.c.name == name, account.c.generation == generation)
        .values(generation=account.c.generation + 1, **values)
        .returning(account.c.generation)
    )
    new: int | None = changed.scalar_one_or_none()
    if new is None:
        await _must_exist(connection, name)
    return new


def _shown(name: str, ended_by: str) -> Update:
    """A dead session's page says more of its end than was known when it was found dead."""
    last = select(account.c.identity).where(account.c.name == name).scalar_subquery()
    dead = and_(session_life.c.account == name, session_life.c.session == last, session_life.c.died)
    return update(session_life).where(dead, session_life.c.ended_by.in_(INFERRED)).values(ended_by=ended_by)


async def _must_exist(connection: AsyncConnection, name: str) -> None:
    found = await connection.scalar(select(func.count()).where(account.c.name == name))
    if not found:
        raise account_not_found(name)


def _columns(circuit: StoredCircuit) -> dict[str, Any]:
    return {
        "failures": circuit.failures,
        "until": circuit.until,
        "opened_at": circuit.opened_at,
        "reason": circuit.reason,
    }


def _circuit(row: Any) -> StoredCircuit:
    return StoredCircuit(row.failures, row.until, row.opened_at, row.reason)


def _life(row: Any) -> SessionRecord:
    return SessionRecord(row.account, row.began_at, row.renewed_at, row.ended_at, row.died, row.arm, row.ended_by)
