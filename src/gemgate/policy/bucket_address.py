"""How a bucket of an object store is addressed: its name in the path, or before the host."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

Addressing = Literal["auto", "path", "virtual"]
_VIRTUAL_ONLY = (".aliyuncs.com", ".myqcloud.com", ".myhuaweicloud.com", ".volces.com", ".ksyuncs.com")


def bucket_address(endpoint: str | None, name: str, addressing: Addressing) -> tuple[str | None, bool]:
    """The endpoint as a store's client wants it, and whether the bucket's name stands before the host."""
    parts = urlsplit(endpoint or "")
    host = parts.hostname or ""
    if host.startswith(name + "."):
        return endpoint, True
    virtual = addressing == "virtual" or (addressing == "auto" and host.endswith(_VIRTUAL_ONLY))
    if virtual and endpoint:
        endpoint = parts._replace(netloc=f"{name}.{parts.netloc}").geturl()
    return endpoint, virtual
