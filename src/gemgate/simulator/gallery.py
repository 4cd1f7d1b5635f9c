"""Where pictures live: the hosts that serve them, size suffixes, and the text hops to the full size (protocol.md 7).

A picture has a preview address for the answer and an id for `c8o8Fe`. Whoever makes pictures plugs in by `hang()`.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gemgate.simulator.exchange import Request, Response, page

PREVIEW_HOST = "lh3.googleusercontent.com"
FULL_HOST = "lh3.google.com"
"""Under google.com, so the session's cookies reach it."""

_MOST = 2_000
_SUFFIX = re.compile(r"^(?P<token>[\w-]+)(?:=(?P<suffix>[\w-]+))?$")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on show. render: bytes and content type for a size suffix ("s1024-rj", "" for the original)."""

    token: str
    render: Callable[[str], tuple[bytes, str]] = field(repr=False)
    alt: str = ""

    @property
    def id(self) -> str:
        """What the answer carries at `[1,0]` of the picture and `c8o8Fe` is asked for."""
        return f"image_{self.token}"

    @property
    def preview(self) -> str:
        return f"https://{PREVIEW_HOST}/gg/{self.token}"

    @property
    def base(self) -> str:
        """What `c8o8Fe` answers."""
        return f"https://{FULL_HOST}/rd-gg-dl/{self.token}"

    def item(self) -> list[Any]:
        """The picture as an entry of rich field 7: URL at `[0,3,3]`, alt at `[0,3,2]`, id at `[1,0]`."""
        return [[None, None, None, [None, 1, self.alt, self.preview]], [self.id, 0]]


class Gallery:
    """At most 2,000 pictures, the newest stay."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def hang(
        self, render: Callable[[str], tuple[bytes, str]] | bytes, mime: str = "image/png", alt: str = ""
    ) -> Picture:
        """Show a picture: its bytes, or a function from size suffix to bytes and content type."""
        if isinstance(render, bytes):
            data = render

            def render(suffix: str) -> tuple[bytes, str]:
                del suffix
                return data, mime

        picture = Picture(secrets.token_urlsafe(24), render, alt)
        self._pictures[picture.token] = picture
        if len(self._pictures) > _MOST:
            self._pictures.popitem(last=False)
        return picture

    def base(self, image_id: str) -> str | None:
        """The address `c8o8Fe` gives for an image id, or None."""
        picture = self._pictures.get(image_id.removeprefix("image_"))
        return picture.base if picture else None

    def serve(self, request: Request) -> Response:
        """A request to a picture host."""
        kind, _, rest = request.path.strip("/").partition("/")
        found = _SUFFIX.match(rest)
        picture = self._pictures.get(found["token"]) if found else None
        if picture is None or found is None or request.method not in ("GET", "HEAD"):
            return page(404, "<h1>404</h1>")
        suffix = found["suffix"] or ""
        match kind, suffix:
            case "gg", _:
                return _bytes(*picture.render(suffix))
            case "rd-gg-dl", "d-I":
                return page(200, f"https://{PREVIEW_HOST}/rd-gg/{picture.token}=s0-d-I?alr=yes", "text/plain")
            case "rd-gg", "s0-d-I":
                return page(200, f"https://{PREVIEW_HOST}/full/{picture.token}=s0", "text/plain")
            case "full", _:
                return _bytes(*picture.render(""))
            case _:
                return page(404, "<h1>404</h1>")


def _bytes(data: bytes, mime: str) -> Response:
    return Response(200, (("content-type", mime), ("cache-control", "private, max-age=86400")), data)
