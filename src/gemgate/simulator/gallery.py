"""Pictures on show: whose they are, which answer they belong to, and the addresses they are reached by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gemgate.simulator.encode import Options
from gemgate.simulator.links import Links, Route
from gemgate.simulator.record import Drawn
from gemgate.simulator.sizes import Size
from gemgate.simulator.studio import Given, Work

_MOST = 20_000
_MOST_BYTES = 512 << 20
"""Of what the pictures hold on to: bytes of scripts, and uploads they are edits of."""


@dataclass(slots=True, eq=False)
class Picture:
    """A picture on show.

    owner: the account it was made for, "" for a guest, None for one hung by hand, which everybody may fetch.
    cid, rid, rcids: the turn that shows it. delay: seconds of silence before its file.
    """

    key: str
    links: Links
    work: Work
    alt: str = ""
    owner: str | None = None
    cid: str = ""
    rid: str = ""
    rcids: tuple[str, ...] = ()
    delay: float = 0.0
    token: str = ""
    drawn: Drawn | None = None
    _announced: int = 0

    def announced(self) -> int:
        """Bytes of the picture as it was painted: it has to be made for that, which costs time once."""
        self._announced = self._announced or self.work.announced()
        return self._announced

    @property
    def id(self) -> str:
        """What the answer carries at `[1,0]` of the picture and `c8o8Fe` is asked for."""
        return f"image_{self.key}"

    @property
    def preview(self) -> str:
        """The address the answer shows, as good as new."""
        return self.links.make("preview", self.key)

    @property
    def base(self) -> str:
        """What `c8o8Fe` answers."""
        return self.links.make("hop1", self.key)

    def link(self, route: Route) -> str:
        return self.links.make(route, self.key)

    def item(self) -> list[Any]:
        """The picture as an entry of rich field 7: URL at `[0,3,3]`, alt at `[0,3,2]`, id at `[1,0]`.

        Today's rows go on with the token that the full-size route wants, the type, and width, height and bytes.
        """
        row: list[Any] = [None, 1, self.alt, self.preview]
        if self.token:
            width, height = self.work.native
            size = [[width, height, self.announced()]] if width and height else []
            row += [None, self.token, *[None] * 5, self.work.mime, *[None] * 3, *size]
        return [[None, None, None, row], [self.id, 0]]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A picture made by a script's function from size suffix ("s1024-rj", "" for the original) to bytes and type."""

    render: Callable[[str], tuple[bytes, str]] = field(repr=False)
    size: Size = (0, 0)
    mime: str = ""
    logo: str = ""
    weight: int = 0

    @property
    def native(self) -> Size:
        return self.size

    def original(self) -> bytes:
        return self.render("")[0]

    def announced(self) -> int:
        return len(self.original())

    def plain(self) -> bytes:
        return self.original()

    def sized(self, options: Options) -> tuple[bytes, str]:
        return self.render(options.words)


class Gallery:
    """At most 20,000 pictures, and 512 MB of bytes that scripts and uploads brought; the newest stay."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.links = Links(clock)
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._weight = 0

    def __getitem__(self, image_id: str) -> Picture:
        if picture := self.find(image_id):
            return picture
        raise KeyError(f"there is no picture {image_id!r}")

    def find(self, image_id: str) -> Picture | None:
        return self._pictures.get(image_id.removeprefix("image_"))

    def show(self, work: Work, **facts: Any) -> Picture:
        """Put a work on show; facts: fields of Picture."""
        picture = Picture(self.links.key(), self.links, work, **facts)
        self._pictures[picture.key] = picture
        self._weight += work.weight
        while len(self._pictures) > _MOST or (self._weight > _MOST_BYTES and len(self._pictures) > 1):
            self._weight -= self._pictures.popitem(last=False)[1].work.weight
        return picture

    def hang(
        self, render: Callable[[str], tuple[bytes, str]] | bytes, mime: str = "image/png", alt: str = ""
    ) -> Picture:
        """Show a picture by hand: its bytes, or a function from size suffix to bytes and content type."""
        work: Work = Given(render, (0, 0), mime) if isinstance(render, bytes) else _Rendered(render)
        return self.show(work, alt=alt)
