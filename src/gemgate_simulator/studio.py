"""From an order to an image: who gets which size, format and logo, and the encoded files, each made once.

Rules say how images are made; of two that name the same thing the newest one counts. Files are made when they are
fetched, in whatever thread asks, and kept up to a bound: a load test pays for a few paintings, not for thousands.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypedDict, cast, get_args

import numpy as np

from gemgate.imaging.logo_profiles import V1_LARGE, V2_SEVEN_EIGHTHS, V2_SMALL_CORNER, Profile
from gemgate_simulator.accounts import Tier
from gemgate_simulator.encode import Options, captioned, encoded, size_of, sized
from gemgate_simulator.paint import (
    SMALLEST,
    Generation,
    Kind,
    Logo,
    Mime,
    Painting,
    Pixels,
    decoded,
    edited,
    mark,
    painted,
    profile_of,
    seed_of,
    stamped,
)
from gemgate_simulator.script import Upload
from gemgate_simulator.sizes import Resolution, Size, aspect_of, official, within

_KEPT_BYTES = 256 << 20
_MOST_PROMPTS = 20_000
_VARIANTS = 4
"""Different images of one prompt, before the first one comes again."""
_BY_DICE: Final[tuple[Kind, ...]] = ("photo", "vector", "gradient")
_CHEAP: Final = Painting("gradient", 0, (256, 256), marked=True)
_LARGEST_EDIT = 4096
_NATIVE: Final = Options(side=0)
_SMALL = 512 * 512
"""Pixels up to which a painting is kept as it was before its mark: cheap images differ in nothing else."""


class Wishes(TypedDict, total=False):
    """How images are to be made.

    resolution: of new paintings; most_side: the longest side there is, whatever was asked (pixels).
    enlarges: the full-size route doubles the image of a chat's first turn (docs/google-wire.md 3.4); what is painted,
    announced and had by other links is half as large, and so is all of an image of a further turn.
    cheap: one small image with the generation's number in its pixels, for thousands of tasks.
    named_model: the demo model refuses a prompt that came without a model header, as the real service does.
    The others: as in Painting.
    """

    resolution: Resolution
    most_side: int
    enlarges: bool
    cheap: bool
    named_model: bool
    kind: Kind
    mime: Mime
    quality: int
    logo: Logo | Profile
    xmp: bytes
    c2pa: bool
    icc: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """Wishes for the accounts, tiers and models it names; None: for all."""

    wishes: Wishes
    account: str | None = None
    tier: Tier | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.wishes) - set(Wishes.__annotations__):
            raise ValueError(f"unknown wish {', '.join(sorted(unknown))}; one of {', '.join(Wishes.__annotations__)}")
        if self.wishes.get("resolution", "1K") not in get_args(Resolution):
            raise ValueError(f"unknown resolution; one of {', '.join(get_args(Resolution))}")
        own = {name: value for name, value in self.wishes.items() if name in Painting.__dataclass_fields__}
        Painting(**cast("dict[str, Any]", own))

    def suits(self, account: str, tier: Tier, model: str) -> bool:
        return (
            self.account in (None, account)
            and self.tier in (None, tier)
            and (self.model is None or self.model.removeprefix("gemini-") == model.removeprefix("gemini-"))
        )


_DEFAULTS: Final = (
    Rule({"resolution": "1K", "logo": "mix", "mime": "image/png", "quality": 95}),
    Rule({"resolution": "2K", "enlarges": True}, model="gemini-pro"),
    Rule({"logo": "none"}, tier="ultra"),
)
"""Ultra is said to have no logo (docs/google-wire.md 3.6)."""
_MIX: Final[tuple[Generation | Profile, ...]] = (
    *(("v2",) * 5),
    *(V2_SMALL_CORNER, V2_SEVEN_EIGHTHS[-1], "v1", V1_LARGE, "none"),
)
"""Logos where a rule says "mix", by the seed: today's mostly, other anchors and older ones still, some images without
(docs/google-wire.md 3.6). How many of each the service makes nobody has counted: the shares are ours.
"""


class Work(Protocol):
    """An image behind its links. size, mime, logo (name of the profile, "" for none) are those of the original."""

    @property
    def size(self) -> Size: ...

    @property
    def native(self) -> Size:
        """As it was painted, and as the answer announces it."""

    @property
    def mime(self) -> str: ...

    @property
    def logo(self) -> str: ...

    @property
    def weight(self) -> int:
        """Bytes it holds on to."""

    def original(self) -> bytes:
        """The file of the full-size route."""

    def announced(self) -> int:
        """Bytes of the file as it was painted."""

    def plain(self) -> bytes:
        """The same file without logo and without the note about where it came from."""

    def sized(self, options: Options) -> tuple[bytes, str]:
        """What a link with options gives, and its type."""


@dataclass(frozen=True, slots=True)
class Given:
    """An image that a script brought as bytes: nothing is drawn on it."""

    data: bytes
    size: Size
    mime: str
    logo: str = ""

    @property
    def native(self) -> Size:
        return self.size

    @property
    def weight(self) -> int:
        return len(self.data)

    def original(self) -> bytes:
        return self.data

    def announced(self) -> int:
        return len(self.data)

    def plain(self) -> bytes:
        return self.data

    def sized(self, options: Options) -> tuple[bytes, str]:
        """The bytes as they are when they are no image."""
        try:
            return sized(self.data, options)
        except (OSError, ValueError, SyntaxError):
            return self.data, self.mime


@dataclass(frozen=True, slots=True)
class Painted:
    """A painting that nothing is left open in, and the file it is an edit of. enlarged: its size is twice its own."""

    painting: Painting
    shelf: Shelf
    about: dict[str, Any]
    reference: Callable[[], bytes] | None = None
    weight: int = 0
    enlarged: bool = False

    @property
    def size(self) -> Size:
        assert self.painting.size is not None
        return self.painting.size

    @property
    def native(self) -> Size:
        return halved(self.size) if self.enlarged else self.size

    @property
    def mime(self) -> str:
        return self.painting.mime or "image/png"

    @property
    def logo(self) -> str:
        return self.painting.logo.name if isinstance(self.painting.logo, Profile) else ""

    def original(self) -> bytes:
        return captioned(self._stamped(), self.about)

    def plain(self) -> bytes:
        return self.shelf.take(("plain", self.painting), lambda: self._file(None))

    def announced(self) -> int:
        return len(self.sized(_NATIVE)[0] if self.enlarged else self.original())

    def sized(self, options: Options) -> tuple[bytes, str]:
        """No link but the full-size route's gives more than was painted."""
        most = max(self.native)
        wanted = replace(options, side=min(options.side or most, most))
        data = self.shelf.take((wanted, self.painting), lambda: sized(self._stamped(), wanted)[0])
        return data, options.mime

    def _stamped(self) -> bytes:
        profile = self.painting.logo if isinstance(self.painting.logo, Profile) else None
        return self.shelf.take(("stamped", self.painting), lambda: self._file(profile))

    def _file(self, profile: Profile | None) -> bytes:
        painting = self.painting
        pixels = self._edited()
        if pixels is None:
            pixels = self._painted()
        if painting.marked:
            mark(pixels, painting.number)
        return encoded(stamped(pixels, profile), painting)

    def _edited(self) -> Pixels | None:
        """The reference image, changed; None without one, or when its file only began like an image."""
        if self.reference is None:
            return None
        try:
            return edited(decoded(self.reference()), self.painting.seed or 0, self.size)
        except (OSError, ValueError, SyntaxError):
            return None

    def _painted(self) -> Pixels:
        kind, seed, size = self.painting.kind, self.painting.seed, self.size
        assert kind is not None
        assert seed is not None
        if size[0] * size[1] > _SMALL:
            return painted(kind, seed, size)
        ground = self.shelf.take((kind, seed, size), lambda: painted(kind, seed, size).tobytes())
        return np.frombuffer(ground, np.uint8).reshape(size[1], size[0], 3).copy()


class Shelf:
    """Files by what they are, up to 256 MB; the least used go first. Whoever asks for one under way waits for it."""

    def __init__(self) -> None:
        self._files: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making: dict[Hashable, Future[bytes]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The file, from the shelf or newly made in this thread."""
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
            waiting = self._making.get(key)
            if waiting is None:
                mine = self._making[key] = Future[bytes]()
        if waiting is not None:
            return waiting.result()
        try:
            data = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._put(key, data)
        mine.set_result(data)
        return data

    def _put(self, key: Hashable, data: bytes) -> None:
        self._files[key] = data
        self._bytes += len(data)
        while self._bytes > _KEPT_BYTES and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1])


@dataclass(frozen=True, slots=True)
class Sitting:
    """What a painting is made for. number: of the generation; about: what the file says about where it came from.

    first: whether it is for the first turn of a chat.
    """

    prompt: str
    account: str
    tier: Tier
    model: str
    number: int
    about: dict[str, Any]
    first: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """An image that a painting may be an edit of: its id, its size, and how to get its file."""

    id: str
    size: Size
    fetch: Callable[[], bytes]
    weight: int = 0


class Studio:
    """Makes Works of orders, by its rules."""

    def __init__(self) -> None:
        self._rules: list[Rule] = list(_DEFAULTS)
        self._shelf = Shelf()
        self._asked: Counter[str] = Counter()

    def rule(self, rule: Rule) -> None:
        self._rules.append(rule)

    def clear(self) -> None:
        """Forget every rule but the first ones."""
        self._rules = list(_DEFAULTS)

    def wishes(self, account: str, tier: Tier, model: str) -> Wishes:
        """All that the rules say for this account and model."""
        found: Wishes = {}
        for rule in self._rules:
            if rule.suits(account, tier, model):
                found.update(rule.wishes)
        return found

    def given(self, data: bytes) -> Given:
        """A Work of a script's own bytes."""
        return Given(data, size_of(data) or (0, 0), _mime(data))

    def work(self, order: Painting, sitting: Sitting, reference: Reference | None) -> Painted:
        """A Work of an order; whatever the order leaves open is settled here."""
        wishes = self.wishes(sitting.account, sitting.tier, sitting.model)
        if wishes.get("cheap"):
            order = _over(_CHEAP, order)
        seed = self._seed(sitting.prompt) if order.seed is None else order.seed
        size = order.size or _size(sitting.prompt, wishes, reference)
        enlarged = bool(wishes.get("enlarges")) and not any(side % 2 for side in size)
        if enlarged and not sitting.first:
            size, enlarged = halved(size), False
        logo = order.logo or wishes["logo"]
        logo = _MIX[seed % len(_MIX)] if logo == "mix" else logo
        painting = replace(
            order,
            kind=order.kind or wishes.get("kind") or _BY_DICE[seed % len(_BY_DICE)],
            seed=seed,
            size=size,
            mime=order.mime or wishes["mime"],
            quality=wishes["quality"] if order.quality is None else order.quality,
            logo=profile_of(logo, size) or "none",
            xmp=wishes.get("xmp") if order.xmp is None else order.xmp,
            c2pa=wishes.get("c2pa") if order.c2pa is None else order.c2pa,
            icc=wishes.get("icc") if order.icc is None else order.icc,
            of=reference.id if reference else "",
            number=sitting.number if order.marked else 0,
        )
        return Painted(
            painting,
            self._shelf,
            sitting.about,
            reference.fetch if reference else None,
            reference.weight if reference else 0,
            enlarged,
        )

    def _seed(self, prompt: str) -> int:
        turn = self._asked[prompt] % _VARIANTS
        self._asked[prompt] += 1
        if len(self._asked) > _MOST_PROMPTS:
            self._asked.clear()
        return seed_of(f"{turn}\0{prompt}")


def halved(size: Size) -> Size:
    """Half as wide and half as high."""
    return size[0] // 2, size[1] // 2


def images_among(files: Sequence[Upload]) -> list[Upload]:
    """The uploaded files that are images by their first bytes."""
    return [file for file in files if size_of(file.data)]


def _over(ground: Painting, order: Painting) -> Painting:
    """`order`, with what it leaves open taken from `ground`."""
    own = {name: getattr(order, name) for name in Painting.__dataclass_fields__}
    return replace(ground, **{name: value for name, value in own.items() if value is not None})


def _size(prompt: str, wishes: Wishes, reference: Reference | None) -> Size:
    if reference is not None:
        width, height = within(reference.size, _LARGEST_EDIT)
        size = max(width, SMALLEST), max(height, SMALLEST)
    else:
        size = official(aspect_of(prompt), wishes["resolution"])
    return within(size, wishes.get("most_side"))


def _mime(data: bytes) -> str:
    starts = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}
    return next((mime for start, mime in starts.items() if data.startswith(start)), "image/png")
