"""The words of images: what is asked, and the measured facts of what was delivered."""

from __future__ import annotations

import hashlib
from dataclasses import field
from typing import Literal

from gemgate.errors import NO_TEXT, LocalText
from gemgate.files import Source
from gemgate.frozen import frozen

ModelPolicy = Literal["report", "require"]
"""What becomes of an answer by another model than was asked for: it is told, or it is an error."""

SizePolicy = Literal["best_effort", "require"]
Logo = Literal["removed", "absent", "kept"]


@frozen
class Size:
    """Pixels."""

    width: int
    height: int

    @property
    def long_side(self) -> int:
        return max(self.width, self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@frozen
class ImageOptions:
    """How images are wanted.

    aspect:      "16:9" and the like, a hint in the prompt; None leaves it to the model.
    long_side:   wanted pixels on the long side; None takes what the model id says.
    size_policy: "require" makes a smaller original an error instead of a note.
    resample:    bring the image to the wanted size by resampling, labelled as such.
    remove_logo: None takes the service's setting.
    model_policy: the caller's own rule for images by another painter, None for the service's.
    """

    aspect: str | None = None
    long_side: int | None = None
    quality: str | None = None
    size_policy: SizePolicy = "best_effort"
    resample: bool = False
    remove_logo: bool | None = None
    model_policy: ModelPolicy | None = None


@frozen
class ImageRequest:
    """One call for images; with `references` it is an edit. Each of `n` is a generation of its own."""

    prompt: str
    model: str | None = None
    n: int = 1
    references: tuple[Source, ...] = ()
    options: ImageOptions = ImageOptions()


@frozen
class GeneratedImage:
    """One delivered image and its measured facts (docs/client-contracts.md 8).

    name:      path below /images, `{yyyymm}/{yyyymmdd}/{name}`; empty when it could not be stored.
    url:       where it can be fetched: public, presigned or our own link; empty when not stored.
    source:    by which way the original came: "full_size", "s0", "s4096", "s2048", "s1024", "preview"; "web":
               it was found there and not made.
    requested: the wanted long side in pixels, or None.
    data:      the delivered bytes while they are still at hand; None for an image read back from its facts.
    painter:   what Google calls the model that painted it; empty when it did not say.
    note:      what was done or not done (smaller than asked, resampled, manifest dropped, spooled).
    """

    width: int
    height: int
    nbytes: int
    mime: str
    sha256: str
    source: str
    logo: Logo
    model: str
    name: str = ""
    url: str = ""
    requested: int | None = None
    resampled: bool = False
    note: LocalText = NO_TEXT
    prompt: str = ""
    painter: str = ""
    data: bytes | None = field(default=None, repr=False)

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


def handle_of(name: str) -> str:
    """24 hex digits that stand for a stored image where its name, which has words of its prompt, must not."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]
