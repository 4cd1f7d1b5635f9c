"""How much one key may have of what Google made: what would be more is refused, and nothing is thrown away for it."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from gemgate.batches import Batch, Done, TaskDraft
from gemgate.errors import NoRoom
from gemgate.images import GeneratedImage
from gemgate.ports.gallery import GalleryImage
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.kept_media import BESIDE, MediaShare
from gemgate.stores.sql.kept_words import ChatShare
from gemgate.stores.vault import Vault

MB = 1_000_000


@pytest.fixture
def share(database: Database) -> MediaShare:
    return MediaShare(database, 3 * MB)


@pytest.fixture
def jobs(database: Database) -> SqlJobStore:
    return SqlJobStore(database, Vault([Fernet.generate_key().decode()]), ChatShare(3000))


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
