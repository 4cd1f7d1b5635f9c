"""The promises of `ports.ResponseLog`, over both databases."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from gemgate.batches import Claim, Done
from gemgate.errors import StorageDown
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.response_log import SqlResponseLog
from gemgate.stores.sql.schema import response_event
from gemgate.stores.vault import Vault
from tests.support.job_orders import drafts, order

ID = "resp_1"


@pytest.fixture
def vault() -> Vault:
    return Vault([Fernet.generate_key().decode()])


@pytest.fixture
def jobs(database: Database, vault: Vault) -> SqlJobStore:
    return SqlJobStore(database, vault)


@pytest.fixture
def log(database: Database, vault: Vault) -> SqlResponseLog:
    return SqlResponseLog(database, vault)


async def run(jobs: SqlJobStore, owner: str = "a", seconds: float = 30.0) -> Claim:
    claim = await jobs.claim(owner, ["text"], seconds)
    assert claim is not None
    return claim


async def began(jobs: SqlJobStore, seconds: float = 30.0) -> Claim:
    await jobs.submit(order(ID, kind="response", need="text"), drafts(1))
    return await run(jobs, seconds=seconds)


def row(number: int) -> str:
    return f"said {number}"


async def test_rows_are_read_in_their_order_from_any_of_them(jobs: SqlJobStore, log: SqlResponseLog) -> None:
    claim = await began(jobs)
    for number in range(12):
        assert await log.append(claim, number, row(number))
    assert await log.read(ID) == [(number, row(number)) for number in range(12)]
    assert await log.read(ID, 9) == [(10, row(10)), (11, row(11))]
    assert await log.read(ID, 11) == []
    assert await log.read("resp_2") == []
    assert await log.last(ID) == [(11, row(11))]
    assert await log.last("resp_2") == []


async def test_the_same_row_again_changes_nothing(jobs: SqlJobStore, log: SqlResponseLog) -> None:
    claim = await began(jobs)
    assert await log.append(claim, 0, row(0))
    assert await log.append(claim, 0, row(0))
    assert await log.read(ID) == [(0, row(0))]


async def test_a_run_that_lost_its_task_says_nothing_more(jobs: SqlJobStore, log: SqlResponseLog) -> None:
    first = await began(jobs, seconds=-1.0)
    assert await log.append(first, 0, row(0))
    assert await jobs.expire() == 1
    assert not await log.append(first, 1, row(1))
    second = await run(jobs, "b")
    assert not await log.append(first, 1, row(1))
    assert await log.append(second, 1, row(2))
    assert await jobs.settle(second, Done(""))
    assert not await log.append(second, 2, row(3))
    assert await log.read(ID) == [(0, row(0)), (1, row(2))]


async def test_nothing_is_said_of_what_was_cancelled(jobs: SqlJobStore, log: SqlResponseLog) -> None:
    claim = await began(jobs)
    await jobs.change(ID, "cancelled")
    assert not await log.append(claim, 0, row(0))
    assert await log.read(ID) == []


async def test_rows_go_with_their_response(jobs: SqlJobStore, log: SqlResponseLog) -> None:
    claim = await began(jobs)
    assert await log.append(claim, 0, row(0))
    assert await jobs.forget(ID)
    assert not await jobs.forget(ID)
    assert not await log.append(claim, 1, row(1))
    assert await log.read(ID) == []


async def test_what_was_said_is_sealed_and_outlives_a_change_of_keys(database: Database) -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    old = SqlJobStore(database, Vault([first]))
    claim = await began(old)
    assert await SqlResponseLog(database, Vault([first])).append(claim, 0, row(0))
    async with database.reading() as connection:
        assert row(0) not in str((await connection.execute(select(response_event))).all())
    assert await SqlJobStore(database, Vault([second, first])).rewrap() == 1
    assert await SqlResponseLog(database, Vault([second])).read(ID) == [(0, row(0))]
    with pytest.raises(StorageDown, match="COOKIE_KEYS"):
        await SqlResponseLog(database, Vault([first])).read(ID)
