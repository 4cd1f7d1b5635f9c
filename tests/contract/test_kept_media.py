"""How much one key may have of what Google made: what would be more is refused, and nothing is thrown away for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, update

from gemgate.batches import Batch, Done, TaskDraft
from gemgate.errors import NoRoom
from gemgate.images import GeneratedImage
from gemgate.ports.gallery import GalleryImage
from gemgate.stores.sql import dump
from gemgate.stores.sql.database import Database, bring_up, open_database
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.kept_media import MediaShare
from gemgate.stores.sql.kept_words import ChatShare
from gemgate.stores.sql.media_total import BESIDE
from gemgate.stores.sql.migrate import downgrade, upgrade
from gemgate.stores.sql.schema import batch as batch_table
from gemgate.stores.sql.schema import image as picture_table
from gemgate.stores.sql.schema import media_total
from gemgate.stores.vault import Vault

MB = 1_000_000
VAULT = Vault([Fernet.generate_key().decode()])


@pytest.fixture
def share(database: Database) -> MediaShare:
    return MediaShare(database, 3 * MB)


@pytest.fixture
def jobs(database: Database) -> SqlJobStore:
    return SqlJobStore(database, VAULT, ChatShare(3000))


def picture(name: str, tenant: str, nbytes: int) -> GalleryImage:
    image = GeneratedImage(8, 8, nbytes, "image/png", "aa", "full_size", "kept", "nano-banana", name)
    return GalleryImage(image, tenant, 100.0)


async def filmed(jobs: SqlJobStore, job: str, tenant: str, nbytes: int) -> None:
    order = Batch(job, "video", tenant, 100.0, 1, 1, need="video", model="veo-3.1")
    await jobs.submit(order, [TaskDraft("a fox", "")])
    claim = await jobs.claim("me", ["video"], 60.0)
    assert claim is not None
    assert await jobs.settle(claim, Done("{}", nbytes))


async def test_pictures_and_videos_of_a_key_count_together_and_no_other_keys(
    database: Database, share: MediaShare, jobs: SqlJobStore
) -> None:
    gallery = SqlGallery(database)
    await share.check("alice")
    await gallery.remember(picture("a.png", "alice", MB - BESIDE))
    await filmed(jobs, "video_1", "alice", MB)
    await share.check("alice")
    await gallery.remember(picture("b.png", "alice", MB - BESIDE))
    with pytest.raises(NoRoom, match="MEDIA_PER_KEY_MB") as refused:
        await share.check("alice")
    assert refused.value.code == "media_full"
    await share.check("ben")
    await gallery.forget(["a.png"])
    await share.check("alice")
    share.most = 0
    await filmed(jobs, "video_2", "alice", 9 * MB)
    await share.check("alice")


async def test_a_video_is_never_forgotten_for_words(database: Database, jobs: SqlJobStore) -> None:
    await filmed(jobs, "video_1", "alice", MB)
    order = Batch("batch_1", "images", "alice", 200.0, 1, 1, need="image", model="nano-banana")
    await jobs.submit(order, [TaskDraft("w" * 1500, "")])
    claim = await jobs.claim("me", ["image"], 60.0)
    assert claim is not None
    await jobs.settle(claim, Done("{}"))
    while (over := await jobs.closing("me", 60.0)) is not None:
        await jobs.close(over.id, "me", "", 250.0)
    await jobs.submit(Batch("batch_2", "images", "alice", 300.0, 1, 1), [TaskDraft("w" * 1500, "")])
    assert await jobs.get("alice", "batch_1") is None
    assert await jobs.get("alice", "video_1") is not None


async def test_videos_from_before_they_were_counted_are_measured(share: MediaShare, jobs: SqlJobStore) -> None:
    await filmed(jobs, "video_1", "alice", 0)
    assert await share.unmeasured(10) == [("video_1", "video")]
    await share.measured("video_1", 5 * MB)
    assert not await share.unmeasured(10)
    assert await share.held("alice") >= 5 * MB


async def test_a_database_that_is_away_refuses_nothing(database: Database, share: MediaShare) -> None:
    await database.close()
    await share.check("alice")


async def added_up(database: Database) -> dict[str, int]:
    """What each key has, row by row; and that the database's own totals are that, with none for who has nothing."""
    pictures, jobs = picture_table.c, batch_table.c
    held: Counter[str] = Counter()
    async with database.reading() as connection:
        for row in await connection.execute(select(pictures.tenant, pictures.bytes)):
            held[row.tenant] += row.bytes + BESIDE
        for row in await connection.execute(select(jobs.tenant, jobs.bytes, jobs.media_bytes)):
            held[row.tenant] += row.bytes + row.media_bytes if row.media_bytes else 0
        told = {row.tenant: row.bytes for row in await connection.execute(select(media_total))}
    assert told == {tenant: nbytes for tenant, nbytes in held.items() if nbytes}
    return told


async def test_a_check_reads_one_row_whatever_a_key_has(database: Database, share: MediaShare) -> None:
    said: list[str] = []
    await SqlGallery(database).remember(picture("a.png", "alice", 1))
    event.listen(database._engine.sync_engine, "before_cursor_execute", lambda *call: said.append(call[2]))
    await share.check("alice")
    (asked,) = [statement for statement in said if "SELECT" in statement]
    assert "FROM media_total" in asked
    if database.is_sqlite:
        async with database.reading() as connection:
            plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", ("alice",))).all()
        assert [row[3] for row in plan] == ["SEARCH media_total USING PRIMARY KEY (tenant=?)"]


KEYS = st.sampled_from(("alice", "ben", "cy"))
NUMBERS = st.integers(0, 5)
SIZES = st.integers(0, 5_000_000)
STEPS = st.one_of(
    st.tuples(st.just("picture"), NUMBERS, KEYS, SIZES),
    st.tuples(st.just("video"), NUMBERS, KEYS, SIZES),
    st.tuples(st.just("measured"), NUMBERS, SIZES),
    st.tuples(st.just("words"), NUMBERS, SIZES),
    st.tuples(st.just("handed on"), NUMBERS, KEYS),
    st.tuples(st.just("picture gone"), st.lists(NUMBERS, max_size=4)),
    st.tuples(st.just("job gone"), NUMBERS),
    st.tuples(st.just("jobs gone")),
    st.tuples(st.just("broken off"), NUMBERS, KEYS, SIZES),
    st.tuples(st.just("copied"), KEYS, SIZES),
)


async def done(database: Database, step: tuple[Any, ...]) -> None:
    """One of the ways in which rows come, change and go."""
    gallery, jobs = SqlGallery(database), SqlJobStore(database, VAULT)
    match step:
        case "picture", int(number), str(tenant), int(nbytes):
            await gallery.remember(picture(f"{number}.png", tenant, nbytes))
        case "video", int(number), str(tenant), int(nbytes):
            await jobs.forget(f"video_{number}")
            await filmed(jobs, f"video_{number}", tenant, nbytes)
        case "measured", int(number), int(nbytes):
            await MediaShare(database).measured(f"video_{number}", nbytes)
        case "words", int(number), int(nbytes):
            more = update(batch_table).where(batch_table.c.id == f"video_{number}")
            async with database.writing() as connection:
                await connection.execute(more.values(bytes=batch_table.c.bytes + nbytes))
        case "handed on", int(number), str(tenant):
            async with database.writing() as connection:
                mine = update(picture_table).where(picture_table.c.name == f"{number}.png")
                await connection.execute(mine.values(tenant=tenant))
                theirs = update(batch_table).where(batch_table.c.id == f"video_{number}")
                await connection.execute(theirs.values(tenant=tenant))
        case "picture gone", list(numbers):
            await gallery.forget([f"{number}.png" for number in numbers])
        case "job gone", int(number):
            await jobs.forget(f"video_{number}")
        case "jobs gone", *_:
            async with database.writing() as connection:
                await connection.execute(update(batch_table).values(closed_at=50.0))
            await jobs.forget_before(100.0)
        case "broken off", int(number), str(tenant), int(nbytes):
            with suppress(ZeroDivisionError):
                async with database.writing() as connection:
                    await connection.execute(delete(batch_table))
                    await connection.execute(update(picture_table).values(bytes=nbytes, tenant=tenant))
                    raise ZeroDivisionError
        case "copied", str(tenant), int(nbytes):
            async with database.reading() as connection:
                there = [dict(row) for row in (await connection.execute(select(picture_table))).mappings()]
            changed = [{**row, "bytes": nbytes} for row in there]
            new = [{**row, "name": f"{tenant}-{row['name']}", "tenant": tenant} for row in there[:2]]
            async with database.writing() as connection:
                await connection.run_sync(dump.insert_missing, picture_table, changed + new)


@given(st.lists(STEPS, min_size=3, max_size=25))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_total_is_the_sum_whatever_happens(database_url: str, steps: list[tuple[Any, ...]]) -> None:
    async def story() -> None:
        database = await open_database(database_url)
        try:
            async with database.writing() as connection:
                await connection.execute(delete(batch_table))
                await connection.execute(delete(picture_table))
            for step in steps:
                await done(database, step)
                await added_up(database)
        finally:
            await database.close()

    asyncio.run(story())


async def test_nodes_that_write_side_by_side_keep_one_total(database: Database, database_url: str) -> None:
    other = await open_database(database_url)
    try:

        async def work(gallery: SqlGallery, node: int) -> None:
            for number in range(30):
                who = ("alice", "ben")[(number + node) % 2]
                await gallery.remember(picture(f"{number}.png", who, 1000 + number))
                if number % 3 == 2:
                    gone = [f"{one}.png" for one in range(number - 2, number)]
                    await gallery.forget(gone[:: 1 - 2 * node])

        await asyncio.gather(*(work(SqlGallery(one), node) for node, one in enumerate((database, other, database))))
        assert await added_up(database)
    finally:
        await other.close()


async def test_what_is_here_already_is_counted_by_the_upgrade(database: Database, database_url: str) -> None:
    jobs = SqlJobStore(database, VAULT)
    await SqlGallery(database).remember(picture("a.png", "alice", MB))
    await filmed(jobs, "video_1", "alice", MB)
    await filmed(jobs, "video_2", "ben", 0)
    before = await added_up(database)
    await bring_up(database_url, by=lambda connection: downgrade(connection, "0032"))
    await bring_up(database_url, by=upgrade)
    assert await added_up(database) == before
    assert set(before) == {"alice"}


async def test_a_restore_counts_what_it_brings_and_nothing_twice(database: Database, database_url: str) -> None:
    await SqlGallery(database).remember(picture("a.png", "alice", MB))
    await SqlGallery(database).remember(picture("b.png", "ben", MB))
    await filmed(SqlJobStore(database, VAULT), "video_1", "cy", MB)
    found = [(name, page) async for name, page in dump.pages(database)]
    assert "media_total" not in dict(found)
    revision = await dump.schema_revision(database)
    before = await added_up(database)
    for _ in range(2):
        await dump.restore_rows(database_url, revision, found, replace=True)
        assert await added_up(database) == before
