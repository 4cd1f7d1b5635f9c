"""Our own signed links to stored images: `?exp=…&sig=…` (docs/decisions.md 12). Pure: key and time are arguments."""

from __future__ import annotations

import hashlib
import hmac

from gemgate.digits import whole


def signature(path: str, expires: int, key: bytes) -> str:
    """32 hex digits that only the holder of `key` can make for this path and time."""
    return hmac.new(key, f"{expires}\n{path}".encode(), hashlib.sha256).hexdigest()[:32]


def signed(path: str, expires: int, key: bytes) -> str:
    """`path` with its expiry (epoch seconds) and signature."""
    return f"{path}?exp={expires}&sig={signature(path, expires, key)}"


def holds(path: str, exp: str, sig: str, now: float, key: bytes) -> bool:
    """Whether a link was made by us and has not expired."""
    until = whole(exp)
    if until is None or until < now:
        return False
    return hmac.compare_digest(signature(path, until, key).encode(), sig.encode())
