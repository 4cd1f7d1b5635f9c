"""Encryption at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from gemgate.frozen import frozen


@frozen
class Sealed:
    """An encrypted text, and which key it is under (an id that tells nothing of the key)."""

    key_id: str
    text: str = field(repr=False)


class Vault(Protocol):
    """Encrypts secrets at rest, each bound to its subject."""

    async def seal(self, subject: str, plain: Mapping[str, str]) -> Sealed: ...

    async def open(self, subject: str, sealed: Sealed) -> dict[str, str]:
        """AccountError when the key is lost, or the text is damaged or another subject's."""
        ...

    async def rewrap(self, subject: str, sealed: Sealed) -> Sealed | None:
        """The same under the first key; None when it is that already."""
        ...
