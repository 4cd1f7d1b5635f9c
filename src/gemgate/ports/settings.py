"""Settings that were changed while gateways run, and who changed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gemgate.frozen import frozen


@frozen
class SettingChange:
    """One change of one setting, the `version`th of it. at: epoch seconds; actor: as in the audit.

    before, after: values as JSON; None is what file, environment and options say.
    """

    name: str
    version: int
    at: float
    actor: str
    before: str | None
    after: str | None


class SettingStore(Protocol):
    """StorageDown anywhere."""

    async def values(self) -> Mapping[str, str]:
        """What was changed and not given back, by name, as JSON."""
        ...

    async def change(
        self, wanted: Mapping[str, str | None], actor: str, at: float, *, undoes: SettingChange | None = None
    ) -> Sequence[SettingChange]:
        """Enter all of them, or none: those that are so already are left out. None: given back to where it came from.

        Conflict when somebody else changes one of them at this moment, or has since `undoes`.
        """
        ...

    async def changes(self, limit: int = 50) -> Sequence[SettingChange]:
        """The newest first."""
        ...
