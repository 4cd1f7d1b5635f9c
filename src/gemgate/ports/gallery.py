"""The images that were made, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, handle_of


@frozen
class GalleryImage:
    """A delivered image as the gallery keeps it: facts without bytes, whose it is, and what it was made from.

    references: sha256 of the images that went into an edit; batch: the batch it belongs to, or "".
    """

    image: GeneratedImage
    tenant: str
    created_at: float
    references: tuple[str, ...] = ()
    batch: str = ""

    @property
    def handle(self) -> str:
        """Names the image without a word of its prompt, which its file name has."""
        return handle_of(self.image.name)


@frozen
class ImageSearch:
    """Which images are wanted; nothing said wants all of them.

    batch: of this batch; words: every one stands in the prompt, in either case (of ASCII letters); model: made for it;
    sides: least and most pixels of the longer side, the most itself not among them.
    """

    batch: str = ""
    words: tuple[str, ...] = ()
    model: str = ""
    sides: tuple[int, int] | None = None


ALL_IMAGES = ImageSearch()


class Gallery(Protocol):
    """The facts of all delivered images."""

    async def remember(self, image: GalleryImage) -> None: ...

    async def find(self, name: str) -> GalleryImage | None: ...

    async def forget(self, names: Sequence[str]) -> None: ...

    async def older_than(self, moment: float, limit: int) -> Sequence[str]:
        """Names of images made before `moment`."""
        ...

    async def count(self) -> int: ...

    async def page(
        self,
        tenant: str | None,
        limit: int,
        *,
        after: GalleryImage | None = None,
        offset: int = 0,
        search: ImageSearch = ALL_IMAGES,
    ) -> Sequence[GalleryImage]:
        """Newest first, those behind `after`; images of one moment go by their names. `tenant` None for all of them.

        offset: so many are passed over, for a list that is looked at in the middle.
        """
        ...

    async def amount(self, tenant: str | None, search: ImageSearch = ALL_IMAGES) -> int:
        """How many there are of them."""
        ...

    async def by_handle(self, handle: str) -> GalleryImage | None: ...

    async def with_bytes(self, digests: Sequence[str], tenant: str | None) -> Sequence[GalleryImage]:
        """Images whose bytes have one of these sha256, oldest first."""
        ...

    async def made_from(self, sha256: str, tenant: str | None) -> Sequence[GalleryImage]:
        """Images that were edited out of the one with these bytes, oldest first."""
        ...
