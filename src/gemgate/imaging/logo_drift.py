"""Noticing that the service has moved its logo, before anybody complains: a small machine fed with rejected corners.

It remembers stars found in the last images of each size that bore no known logo. When enough of them stand at the
same place it says so, once. It never removes anything; whether to trust the new place is the operator's choice.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemgate.frozen import frozen
from gemgate.imaging.evidence import LUMA, weigh
from gemgate.imaging.logo import box_of
from gemgate.imaging.logo_profiles import PROFILES, V1_LARGE, V1_SMALL, Profile
from gemgate.imaging.search import MIN_SCORE, Found, search

RING: Final = 20
ENOUGH: Final = 3
SIZES: Final = 8
"""Image sizes remembered; the one not seen for longest is forgotten."""
SPARSE: Final = 10
"""After a whole ring without a star only every tenth image of that size is searched."""
SLACK: Final = 1
PEAKS: Final = (0.5, 0.3)

Corner = NDArray[np.uint8]


@frozen
class Moved:
    """The logo stands at a place no profile knows: `profile` describes it; seen in `images` of the last RING."""

    profile: Profile
    images: int
    score: float

    @property
    def text(self) -> str:
        p = self.profile
        return (
            f"the visible logo seems to have moved: {p.size} px, {p.right} px from the right and "
            f"{p.bottom} px from the bottom edge, in {self.images} of the last pictures; "
            "calibrate it, or add this profile"
        )


@dataclass(slots=True)
class _Seen:
    """One image size: the last verdicts (a star with its corner, or None), and how many corners came in all."""

    ring: deque[tuple[Found, Corner] | None]
    count: int = 0


class LogoDriftDetector:
    """Feed it with `note`, from one thread at a time. Bounded: RING corners of SIZES image sizes at most."""

    def __init__(self, profiles: Sequence[Profile] = PROFILES) -> None:
        self._profiles = tuple(profiles)
        self._seen: OrderedDict[tuple[int, int], _Seen] = OrderedDict()
        self._reported: set[tuple[int, int, int]] = set()

    def note(self, size: tuple[int, int], corner: Corner) -> Moved | None:
        """A corner (`Cleaned.corner`) of an image of `size` in which no logo was found. About 50 ms of CPU.

        Returns the new place the first time that ENOUGH of the last RING images of this size show it.
        """
        seen = self._remembered(size)
        seen.count += 1
        if len(seen.ring) == RING and not any(seen.ring) and seen.count % SPARSE:
            return None
        found = search([corner])
        star = found if found and found.score > MIN_SCORE and not self._is_known(found, size) else None
        seen.ring.append((star, _grey(corner)) if star else None)
        return self._agreed(star, seen.ring) if star else None

    def _remembered(self, size: tuple[int, int]) -> _Seen:
        seen = self._seen.setdefault(size, _Seen(deque(maxlen=RING)))
        self._seen.move_to_end(size)
        if len(self._seen) > SIZES:
            self._seen.popitem(last=False)
        return seen

    def _is_known(self, found: Found, size: tuple[int, int]) -> bool:
        boxes = (box_of(profile, size) for profile in self._profiles)
        return any(
            box and _same((box.right - box.left, size[0] - box.right, size[1] - box.bottom), _place(found))
            for box in boxes
        )

    def _agreed(self, star: Found, ring: Iterable[tuple[Found, Corner] | None]) -> Moved | None:
        corners = [corner for each in ring if each and _same(_place(each[0]), _place(star)) for corner in [each[1]]]
        corners = [corner for corner in corners if corner.shape == corners[-1].shape]
        if len(corners) < ENOUGH or any(_same(told, _place(star)) for told in self._reported):
            return None
        together = search(corners)
        if together is None or together.score <= MIN_SCORE:
            return None
        self._reported.add(_place(together))
        return Moved(candidate(together, corners), len(corners), together.score)


def candidate(found: Found, corners: Sequence[Corner]) -> Profile:
    """A profile for a star at a new place, with the strength that explains the corners best."""
    shape = {48: V1_SMALL.shape, 96: V1_LARGE.shape}.get(found.size, "outline")
    name = f"moved-{found.size}-{found.right}-{found.bottom}"
    profiles = [Profile(name, found.size, found.right, found.bottom, peak, shape) for peak in PEAKS]
    return max(profiles, key=lambda profile: sum(_share(corner, profile) for corner in corners))


def _grey(corner: Corner) -> Corner:
    """The corner as luma, a third of its bytes."""
    return corner if corner.shape[2] == 1 else np.round(corner @ LUMA).astype(np.uint8)[..., None]


def _share(corner: Corner, profile: Profile) -> float:
    box = box_of(profile, (corner.shape[1], corner.shape[0]))
    return weigh(corner, box.left, box.top, profile, lossy=True).share if box else 0.0


def _place(found: Found) -> tuple[int, int, int]:
    return found.size, found.right, found.bottom


def _same(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= SLACK for a, b in zip(one, other, strict=True))
