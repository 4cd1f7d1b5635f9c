"""Addresses of images: what each kind of link is good for, who it belongs to, and when it ends.

A token names the image, the kind of link and its end, and is signed; nothing has to be remembered for it. The hosts
and paths are those of the web app's own download: `gg` shows a preview, `c8o8Fe` names a `gg-dl` link, whose body is a
`rd-gg-dl` link under google.com, whose body is a `rd-gg-dl` link to the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Route: TypeAlias = Literal["preview", "hop1", "hop2", "original"]
"""The kinds of links, in the order in which they lead to each other; `hop2` is the one that cookies reach."""

PUBLIC: Final = "lh3.googleusercontent.com"
SESSION: Final = "work.fife.usercontent.google.com"

PLACES: Final[dict[Route, tuple[str, str]]] = {
    "preview": (PUBLIC, "gg"),
    "hop1": (PUBLIC, "gg-dl"),
    "hop2": (SESSION, "rd-gg-dl"),
    "original": (PUBLIC, "rd-gg-dl"),
}
_ROUTES: Final[dict[tuple[str, str], Route]] = {place: route for route, place in PLACES.items()}
_KINDS: Final[tuple[Route, ...]] = tuple(PLACES)

LASTS: Final[dict[Route, float]] = {"preview": 6 * 3600, "hop1": 600, "hop2": 600, "original": 600}
"""Seconds. How long the real ones last is not known."""

_KEY = 18
_SIGNED = 12
_HEAD = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was read. key: which image, "" for a token that was never given out; expired: it is too late."""

    route: Route
    key: str = ""
    expired: bool = False


class Links:
    """Makes and reads links; `clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    @staticmethod
    def key() -> str:
        """A new key for an image."""
        return secrets.token_urlsafe(_KEY)

    def make(self, route: Route, key: str) -> str:
        """The address, without options; it lasts as LASTS says."""
        ends = int(self._clock() + LASTS[route])
        body = _HEAD.pack(_KINDS.index(route), ends) + base64.urlsafe_b64decode(key)
        token = base64.urlsafe_b64encode(body + self._sign(body)).decode().rstrip("=")
        host, path = PLACES[route]
        return f"https://{host}/{path}/{token}"

    def read(self, host: str, kind: str, token: str) -> Link | None:
        """What the link is, None when this host has no such kind."""
        route = _ROUTES.get((host, kind))
        if route is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except binascii.Error:
            return Link(route)
        body, signature = raw[:-_SIGNED], raw[-_SIGNED:]
        if len(body) != _HEAD.size + _KEY or not hmac.compare_digest(signature, self._sign(body)):
            return Link(route)
        number, ends = _HEAD.unpack_from(body)
        if _KINDS[number] != route:
            return Link(route)
        key = base64.urlsafe_b64encode(body[_HEAD.size :]).decode()
        return Link(route, key, self._clock() > ends)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)[:_SIGNED]
