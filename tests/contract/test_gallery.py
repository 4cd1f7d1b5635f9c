"""The promises of `ports.Gallery`, over both databases and the double that we ship."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gemgate.errors import LocalText
from gemgate.images import GeneratedImage
from gemgate.ports.gallery import Gallery, GalleryImage, ImageSearch
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.schema import image as table
from gemgate.testing import MemoryGallery

BATCH = ImageSearch(batch="b")


@pytest.fixture(params=["sqlite", "postgresql", "double"])
async def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gallery]:
    if request.param == "double":
        yield MemoryGallery()
        return
    sqlite = f"sqlite:///{tmp_path / 'gemgate.db'}"
    database = await open_database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield SqlGallery(database)
    await database.close()


def image(
    name: str, at: float, tenant: str = "", *, batch: str = "", made_of: tuple[str, ...] = (), **facts: Any
) -> GalleryImage:
    facts = {"width": 8, "height": 6, "model": "m", **facts}
    facts |= {"sha256": f"sha-{name}", "name": f"202611/20261121/{name}", "source": "full_size", "logo": "kept"}
    return GalleryImage(GeneratedImage(nbytes=99, mime="image/png", **facts), tenant, at, made_of, batch)


async def test_pages_of_a_batch_made_in_one_moment_lose_nothing(gallery: Gallery) -> None:
    for number in range(7):
        await gallery.remember(image(f"{number}.png", 10.0, batch="b"))
    await gallery.remember(image("new.png", 11.0))
    seen: list[str] = []
    after = None
    while page := await gallery.page(None, 3, after=after):
        seen += [one.image.name for one in page]
        after = page[-1]
    assert len(seen) == len(set(seen)) == 8
    assert seen[0].endswith("new.png")
    assert len(await gallery.page(None, 50, search=BATCH)) == await gallery.amount(None, BATCH) == 7
    assert await gallery.amount(None) == 8


async def test_tenants_are_told_apart(gallery: Gallery) -> None:
    await gallery.remember(image("a.png", 1.0, "one"))
    await gallery.remember(image("b.png", 2.0, "two"))
    assert [p.tenant for p in await gallery.page("one", 9)] == ["one"]
    assert await gallery.amount("two") == 1


async def test_a_handle_finds_its_image_and_tells_no_word_of_the_prompt(gallery: Gallery) -> None:
    made = image("20261121_101010_purple_fox_ab12cd.png", 1.0)
    await gallery.remember(made)
    assert "fox" not in made.handle
    assert await gallery.by_handle(made.handle) == made
    assert await gallery.by_handle("0" * 24) is None


async def test_a_note_is_kept_in_both_languages_and_one_of_before_in_its_own(gallery: Gallery) -> None:
    both = LocalText("resampled from 8x6", "由 8x6 重采样")
    await gallery.remember(image("a.png", 1.0, note=both))
    found = await gallery.find("202611/20261121/a.png")
    assert found
    assert found.image.note == both
    if isinstance(gallery, SqlGallery):
        async with gallery._database.writing() as connection:
            await connection.execute(update(table).values(note_zh=""))
        (before,) = await gallery.page(None, 1)
        assert before.image.note == LocalText(both.en, both.en)


async def test_lineage_goes_both_ways(gallery: Gallery) -> None:
    await gallery.remember(image("a.png", 1.0))
    await gallery.remember(image("b.png", 2.0, made_of=("sha-a.png",)))
    child = (await gallery.made_from("sha-a.png", None))[0]
    parents = await gallery.with_bytes(child.references, None)
    assert [p.image.sha256 for p in parents] == ["sha-a.png"]


async def test_the_same_image_remembered_twice_is_one(gallery: Gallery) -> None:
    await gallery.remember(image("a.png", 1.0, "one"))
    await gallery.remember(image("a.png", 2.0, "two"))
    assert await gallery.count() == 1
    found = await gallery.find("202611/20261121/a.png")
    assert found is not None
    assert found.tenant == "one"


async def test_the_oldest_go_first_and_what_is_forgotten_is_gone(gallery: Gallery) -> None:
    for number in (3, 1, 2):
        await gallery.remember(image(f"{number}.png", float(number)))
    old = await gallery.older_than(3.0, 1)
    assert [name[-5:] for name in old] == ["1.png"]
    await gallery.forget([*old, "never/there.png"])
    assert [name[-5:] for name in await gallery.older_than(9.0, 9)] == ["2.png", "3.png"]
    assert await gallery.find(old[0]) is None


async def test_prompts_are_searched_word_by_word_and_wildcards_are_letters(gallery: Gallery) -> None:
    for number, prompt in enumerate(("A Red fox_in snow", "a red boat, 100% wool", "雪中的狐狸")):
        await gallery.remember(image(f"{number}.png", float(number), prompt=prompt))

    async def found(*words: str) -> list[str]:
        search = ImageSearch(words=words)
        images = await gallery.page(None, 9, search=search)
        assert await gallery.amount(None, search) == len(images)
        return [one.image.name[-5] for one in images]

    assert await found("RED") == ["1", "0"]
    assert await found("fox", "red") == ["0"]
    assert await found("狐狸") == ["2"]
    assert await found("100%") == ["1"]
    assert await found("x_i") == ["0"]
    assert await found("%") == ["1"]
    assert await found("r_d") == []


async def test_models_sizes_and_offsets(gallery: Gallery) -> None:
    sizes = [(1024, 1024), (1024, 2048), (4096, 2304), (2048, 2048)]
    for number, (width, height) in enumerate(sizes):
        await gallery.remember(
            image(f"{number}.png", float(number), width=width, height=height, model=f"m{number % 2}")
        )
    middle = ImageSearch(sides=(1536, 3072))
    assert [one.image.name[-5] for one in await gallery.page(None, 9, search=middle)] == ["3", "1"]
    assert await gallery.amount(None, middle) == 2
    assert [one.image.name[-5] for one in await gallery.page(None, 9, search=ImageSearch(model="m0"))] == ["2", "0"]
    assert [one.image.name[-5] for one in await gallery.page(None, 2, offset=1)] == ["2", "1"]
    assert not await gallery.page(None, 2, offset=4)
