"""Facts of delivered images: one row each, without bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gemgate.errors import LocalText
from gemgate.images import GeneratedImage
from gemgate.lazy_import import later
from gemgate.ports.gallery import ALL_IMAGES, GalleryImage, ImageSearch
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import image as table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")


class SqlGallery:
    """The same image remembered twice is one row: a batch task that runs again finds its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, picture: GalleryImage) -> None:
        image = picture.image
        values = {
            "name": image.name,
            "created_at": picture.created_at,
            "tenant": picture.tenant,
            "prompt": image.prompt,
            "model": image.model,
            "width": image.width,
            "height": image.height,
            "bytes": image.nbytes,
            "mime": image.mime,
            "sha256": image.sha256,
            "source": image.source,
            "logo": image.logo,
            "requested": image.requested,
            "resampled": image.resampled,
            "note": image.note.en,
            "note_zh": image.note.zh,
            "painter": image.painter,
            "origins": " ".join(picture.references),
            "batch": picture.batch,
            "handle": picture.handle,
        }
        insert = sqlite_insert if self._database.is_sqlite else postgresql.insert
        async with self._database.writing() as connection:
            await connection.execute(insert(table).values(values).on_conflict_do_nothing(index_elements=["name"]))

    async def find(self, name: str) -> GalleryImage | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(table).where(table.c.name == name))).one_or_none()
        return _image(row) if row else None

    async def page(
        self,
        tenant: str | None,
        limit: int,
        *,
        after: GalleryImage | None = None,
        offset: int = 0,
        search: ImageSearch = ALL_IMAGES,
    ) -> Sequence[GalleryImage]:
        """Newest first, those behind `after`; images of one moment (a batch's) go by their names."""
        query = self._of(select(table), tenant, search).order_by(table.c.created_at.desc(), table.c.name.desc())
        if after is not None:
            moment = table.c.created_at
            earlier = (moment == after.created_at) & (table.c.name < after.image.name)
            query = query.where(or_(moment < after.created_at, earlier))
        async with self._database.reading() as connection:
            return [_image(row) for row in await connection.execute(query.limit(limit).offset(offset))]

    async def amount(self, tenant: str | None, search: ImageSearch = ALL_IMAGES) -> int:
        """How many there are of them."""
        query = self._of(select(func.count()).select_from(table), tenant, search)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    def _of(self, query: Select[Any], tenant: str | None, search: ImageSearch) -> Select[Any]:
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        if search.batch:
            query = query.where(table.c.batch == search.batch)
        if search.model:
            query = query.where(table.c.model == search.model)
        if search.sides:
            least, most = search.sides
            query = query.where(
                or_(table.c.width >= least, table.c.height >= least), table.c.width < most, table.c.height < most
            )
        return query.where(*(table.c.prompt.icontains(word, autoescape=True) for word in search.words))

    async def by_handle(self, handle: str) -> GalleryImage | None:
        query = select(table).where(table.c.handle == handle).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _image(row) if row else None

    async def with_bytes(self, digests: Sequence[str], tenant: str | None) -> Sequence[GalleryImage]:
        """Pictures whose bytes have one of these sha256, oldest first."""
        query = select(table).where(table.c.sha256.in_(digests)).order_by(table.c.created_at)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        async with self._database.reading() as connection:
            return [_image(row) for row in await connection.execute(query)]

    async def made_from(self, sha256: str, tenant: str | None) -> Sequence[GalleryImage]:
        """Pictures that were edited out of the one with these bytes, oldest first."""
        query = select(table).where(table.c.origins.contains(sha256)).order_by(table.c.created_at)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        async with self._database.reading() as connection:
            return [_image(row) for row in await connection.execute(query)]

    async def forget(self, names: Sequence[str]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.name.in_(names)))

    async def older_than(self, moment: float, limit: int) -> Sequence[str]:
        query = select(table.c.name).where(table.c.created_at < moment).order_by(table.c.created_at).limit(limit)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def count(self) -> int:
        async with self._database.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


def _image(row: Row[Any]) -> GalleryImage:
    image = GeneratedImage(
        width=row.width,
        height=row.height,
        nbytes=row.bytes,
        mime=row.mime,
        sha256=row.sha256,
        source=row.source,
        logo=row.logo,
        model=row.model,
        name=row.name,
        requested=row.requested,
        resampled=row.resampled,
        note=LocalText(row.note, row.note_zh or row.note),
        painter=row.painter,
        prompt=row.prompt,
    )
    return GalleryImage(image, row.tenant, row.created_at, tuple(row.origins.split()), row.batch)
