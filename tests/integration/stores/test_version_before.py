"""A database that the version before made is opened, migrated and served; a backup of its rows comes back."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
from sqlalchemy import MetaData, create_engine, select, text
from typer.testing import CliRunner

from gemgate import cli
from gemgate.accounts import Cookies
from gemgate.assembly.fleet import open_front
from gemgate.assembly.storage import look, open_blobs
from gemgate.errors import Conflict
from gemgate.fleet.nodes import Fleet
from gemgate.fleet.registry import node_signature
from gemgate.nodes import Node, NodeCard, NodeReport
from gemgate.ports.accounts import AccountSetup
from gemgate.stores import backup
from gemgate.stores.sql import dump, migrate
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import bring_up, open_database, unopened
from gemgate.stores.vault import Vault
from gemgate.testing import Facts, FakeClock
from gemgate.version import __version__
from gemgate.web.relay.aggregate import Gathered, _troubles
from gemgate_simulator import Simulator
from tests.support.servers import database_url, postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.support.serving import NO_LIMITS, served, settings_for

DUMP = Path(__file__).with_name("before_0012.sql")
REVISION = "0010"
ENVIRONMENT = {
    "__Secure-1PSID": "g.a00035Qe0t2Kh5NPcRQGRwXd8jwrDDjAYHdPjwMHG6k_qnIPHckAgD0xiCvA--gy8cSf0076",
    "__Secure-1PSIDTS": "sidts-QewASGWh6h9PtF277sEVqq9Ye6VzQtVqv9yo-q9O1JjuvuYuFNiwR59ca0tLTAtr-RlYkQ",
    "__Secure-1PSIDCC": "AKEyXzZQ0DOzgFwlTCs2BxC-8vUyZUnIUhQhUSj3u_eEjpPTO1dkGX39SlmpBzAIouya8oHKU",
}
KEY = "gmg_0k4_5rHWuxBsbIx7KCHxwyn9hbqElbO3lHJ-BXq0jM8"
ADMIN = "an-admin-key-of-old"
GOOD = Cookies("psid-good", "ts-good")
"""The cookies of `bob` that once signed in; those after them, `psid-typo`, never did."""
VAULT = Vault([NO_LIMITS["cookie_keys"]])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The database file, where a gateway with `tmp_path` for DATA_DIR looks for it."""
    place = tmp_path / "gemgate.sqlite3"
    with contextlib.closing(sqlite3.connect(place)) as connection:
        connection.executescript(DUMP.read_text())
    return place


def rows_of(place: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What a backup by that version holds: every row with the columns of its day."""
    engine = create_engine(f"sqlite:///{place}")
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            if table.name not in dump.LEFT_BEHIND and table.name != migrate.VERSION_TABLE:
                yield table.name, [dict(row) for row in connection.execute(select(table)).mappings()]
    engine.dispose()


def same_session(sim: Simulator) -> None:
    """The simulated Google knows the session whose cookies are stored."""
    accounts = sim.google.world.accounts
    session = accounts.newest("alice")
    session.psid, session.psidcc = ENVIRONMENT["__Secure-1PSID"], ENVIRONMENT["__Secure-1PSIDCC"]
    session.stamps = [(ENVIRONMENT["__Secure-1PSIDTS"], time.time())]
    accounts._sessions[session.psid] = session
    accounts._learn(session)


async def test_a_database_of_the_version_before_is_migrated_and_served(old: Path, tmp_path: Path) -> None:
    async with Simulator(("alice",)) as sim:
        same_session(sim)
        settings = settings_for(sim, tmp_path, admin_key=ADMIN)
        async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

            async def ask(method: str, path: str, key: str = ADMIN, **body: Any) -> Any:
                headers = {"authorization": f"Bearer {key}"}
                async with http.request(method, path, headers=headers, json=body or None) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()

            said = {"messages": [{"role": "user", "content": "hello"}]}
            assert (await ask("POST", "/v1/chat/completions", KEY, **said))["choices"][0]["message"]["content"]
            stored = "resp_803b77c6bf75432a9a9e98adecc4c394"
            assert (await ask("GET", f"/v1/responses/{stored}"))["id"] == stored
            went_on = await ask("POST", "/v1/responses", input="And which word?", previous_response_id=stored)
            assert went_on["previous_response_id"] == stored
            assert sim.record.generations == 2
            names = {one["name"]: one for one in (await ask("GET", "/api/accounts"))["accounts"]}
            assert (names["default"]["state"], names["bob"]["state"]) == ("ready", "paused")
            batch = await ask("GET", "/v1/batch/batch_eac1ce68/status")
            assert (batch["status"], batch["progress"]) == ("completed", "2/2")
            files = await ask("GET", "/v1/files")
            assert [one["filename"] for one in files["data"]] == ["notes.txt"]
            assert [one["name"] for one in (await ask("GET", "/api/keys"))["keys"]] == ["laptop"]
            assert await gate.service.gallery.count() == 3
        # It was gone on with in the chat that is stored, which this Google has never seen.
        assert list(sim.record.violations) == ["StreamGenerate: unknown conversation 'c_032016f3d628c190'"]
    database = await open_database(old)
    bob = await SqlAccountStore(database, VAULT).get("bob")
    assert await dump.schema_revision(database) == migrate.newest()
    await database.close()
    assert (bob.cookies, bob.setup.proxy, bob.trouble) == (GOOD, "http://user:pw@127.0.0.1:9", None)


def left_in(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


@pytest.mark.parametrize("words", [("doctor",), ("canary", "--quiet"), ("backup", "elsewhere/b.zip"), ("settings",)])
def test_who_only_looks_changes_nothing_of_an_older_database(
    old: Path, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    before = left_in(tmp_path)
    key_file = tmp_path / "elsewhere" / "key"
    environment = {"DATA_DIR": str(tmp_path), "COOKIE_KEY_FILE": str(key_file), "COOKIE_KEYS": None}
    done = CliRunner().invoke(cli.app, words, env={**environment, "LC_ALL": "C.UTF-8"})
    assert "Traceback" not in done.output
    assert left_in(tmp_path) == before
    assert not key_file.exists()
    if words == ("doctor",):
        assert f"database: its schema, {REVISION}, is of an older gemgate" in done.stdout
        assert f"gemgate.sqlite3.schema-{REVISION}" in done.stdout
        assert "no account is set up" not in done.stdout, "that is not known"
        done = CliRunner().invoke(cli.app, words, env={**environment, "LC_ALL": "zh_CN.UTF-8"})
        assert f"其架构 {REVISION} 属于较旧的 gemgate" in done.stdout


async def test_accounts_of_an_older_schema_are_seen_where_they_are_told_alike(tmp_path: Path) -> None:
    place = tmp_path / "gemgate.sqlite3"
    settings = settings_for(None, tmp_path)
    database = await open_database(place)
    await SqlAccountStore(database, VAULT).set_up(AccountSetup("alice", "web"))
    await database.close()
    assert [one.name for one in (await look(settings)).accounts or ()] == ["alice"]
    await bring_up(place, by=lambda connection: migrate.downgrade(connection, "0028"))
    seen = await look(settings)
    assert (seen.older, [one.name for one in seen.accounts or ()]) == ("0028", ["alice"])


async def test_a_backup_of_an_older_database_is_one_of_its_own_schema(old: Path, tmp_path: Path) -> None:
    database = unopened(old)
    manifest = await backup.write(tmp_path / "b.zip", database, None, 0.0)
    assert (manifest.revision, sum(manifest.rows.values())) == (REVISION, await dump.count(database))
    await database.close()
    fresh = f"sqlite:///{tmp_path / 'fresh.sqlite3'}"
    await backup.restore(tmp_path / "b.zip", fresh, open_blobs(settings_for(None, tmp_path)), replace=False)
    again = await open_database(fresh)
    assert (await SqlAccountStore(again, VAULT).get("bob")).cookies == GOOD
    await again.close()


@pytest.mark.parametrize("there", [False, True], ids=["new", "open before"])
async def test_a_backup_of_the_version_before_comes_back(
    old: Path,
    tmp_path: Path,
    database_url: str,  # noqa: F811
    there: bool,
) -> None:
    if there:
        await (await open_database(database_url)).close()
    await dump.restore_rows(database_url, REVISION, rows_of(old), replace=there)
    database = await open_database(database_url)
    bob, default = await SqlAccountStore(database, VAULT).all()
    counted = await dump.count(database)
    await database.close()
    assert default.cookies is not None
    assert default.cookies.psid == ENVIRONMENT["__Secure-1PSID"]
    assert bob.cookies == GOOD
    assert counted == sum(len(rows) for _, rows in rows_of(old))


async def test_a_shared_database_is_not_migrated_under_an_older_node_that_runs(
    postgres_url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    await bring_up(postgres_url, by=lambda connection: migrate.upgrade(connection, "0011"))
    lease = "extract(epoch from clock_timestamp()) + 600"
    columns = "name, kind, origin, source, weight, owner, lease_until"
    held = f"INSERT INTO account ({columns}) VALUES ('a', 'web', 'admin', '', 1, 'worker-1', {lease})"
    await bring_up(postgres_url, by=lambda connection: connection.execute(text(held)))  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="worker-1"):
        await open_database(postgres_url)
    settings = settings_for(None, tmp_path, database_url=postgres_url, internal_token="t" * 32)
    async with open_front(settings) as front:
        assert "older gemgate run on this database (worker-1)" in front.fleet.degraded
        free = text("UPDATE account SET owner = ''")
        await bring_up(postgres_url, by=lambda connection: connection.execute(free))  # type: ignore[arg-type]
        await front.fleet.refresh()
        assert front.fleet.degraded == ""
        assert await dump.schema_revision(front.registry.database) == migrate.newest()


@pytest.mark.parametrize(("version", "said"), [(__version__, []), ("0.0.9", ["0.0.9"]), ("", ["(unknown)"])])
async def test_a_front_serves_nodes_of_another_version_and_says_so(version: str, said: list[str]) -> None:
    card = NodeCard("http://n:1", "worker-1", proof=node_signature("token", "http://n:1"))
    there = Node(card, NodeReport("HEALTHY", version=version), age=1.0, weight=1.0, draining=False, created_at=0.0)
    registry = SimpleNamespace(nodes=AsyncMock(return_value=(there,)))
    connect = AsyncMock(return_value=registry)
    fleet = Fleet(connect, token="token", clock=FakeClock(), observer=Facts())
    await fleet.refresh()
    assert fleet.nodes[0].serves
    expected = [f"node worker-1 runs gemgate {one}, this gateway {__version__}" for one in said]
    assert [one.en for one in _troubles(fleet, Gathered({}, {}))] == expected
