"""Links to images of our own: the gateway knows its addresses, and reads from its store what they point at.

A link that our own answer gave comes back as a reference in the next call. Asking ourselves over the network would need
a hole in the guard against private addresses; the store is read instead, for whoever we would show the image to. Who
that is stands here, for the route that shows images too.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

from gemgate.caller import Caller
from gemgate.errors import BadRequest, NotFound
from gemgate.files import LONGEST_LINK, Inline, mime_of
from gemgate.policy import signed_links
from gemgate.ports.blobs import BlobStore
from gemgate.ports.gallery import Gallery
from gemgate.ports.runtime import Clock

IMAGE_PATH = re.compile(r"\d{6}/\d{8}/[\w.-]{1,120}")
"""An image below `/images`."""


_PATH = re.compile(rf"(?:/[^/]+)*?/images/({IMAGE_PATH.pattern})")
"""Where a link of ours points: a proxy may show us below a path of its own."""


class OwnImages:
    """public_base_url: our own address in links, None for none; link_key: signs links, None where all may look."""

    def __init__(
        self,
        blobs: BlobStore,
        gallery: Gallery,
        *,
        clock: Clock,
        public_base_url: str | None = None,
        link_key: bytes | None = None,
    ) -> None:
        self._blobs = blobs
        self._gallery = gallery
        self._clock = clock
        self._link_key = link_key
        self._public = urlsplit(public_base_url or "").netloc.lower()

    def name_of(self, url: str, caller: Caller) -> str | None:
        """The name of the image that `url` is a link to, as an address of ours or a path alone; else None."""
        if len(url) > LONGEST_LINK:
            return None
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.netloc and not self._is_ours(parts.scheme, parts.netloc.lower(), caller):
            return None
        found = _PATH.fullmatch(unquote(parts.path))
        return found[1] if found is not None and ".." not in found[1] else None

    def _is_ours(self, scheme: str, host: str, caller: Caller) -> bool:
        return scheme in ("http", "https") and host in {self._public, caller.host.lower()} - {""}

    async def may_see(self, name: str, query: str, caller: Caller) -> bool:
        """Whether the caller made the image, is an admin, or shows a signature that holds. StorageDown."""
        if self._link_key is None or caller.admin:
            return True
        parameters = parse_qs(query)
        exp, sig = parameters.get("exp", [""])[0], parameters.get("sig", [""])[0]
        if signed_links.holds("/images/" + name, exp, sig, self._clock.now(), self._link_key):
            return True
        if not caller.tenant:
            return False
        known = await self._gallery.find(name)
        return known is not None and known.tenant == caller.tenant

    async def read(self, name: str, url: str, caller: Caller) -> Inline:
        """The stored image that `url` points at; BadRequest when it is gone or not for the caller, StorageDown."""
        if not await self.may_see(name, urlsplit(url).query, caller):
            raise BadRequest(
                f"The link to the picture {name} is not signed, or it has expired, and another key made it",
                f"图片 {name} 的链接未签名或已过期，且该图片由其他密钥生成",
                param="url",
                code="invalid_image_url",
            )
        try:
            blob = await self._blobs.get("images/" + name)
        except NotFound:
            raise BadRequest(
                f"There is no picture {name}", f"图片 {name} 不存在", param="url", code="invalid_image_url"
            ) from None
        return Inline(blob.data, mime_of(name), name.rpartition("/")[2])
