"""One RPC as its handler gets it, and a refusal as it is sent: `[5] = [status]` of a part without a body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gemgate_simulator.accounts import Account
from gemgate_simulator.frames import Style
from gemgate_simulator.state import ServiceState

DENIED, MISSING, MALFORMED, INTERNAL = 7, 5, 3, 13
"""Status numbers as `[5]` of a part carries them: not signed in, no such thing, payload of the wrong shape."""

NO_RECORD = 1096
"""With 13: there is no (more) stored record of it (docs/google-wire.md 4.1)."""


@dataclass(frozen=True, slots=True)
class Status:
    """A refusal. rule: what the client did wrong, "" when it is not its fault; code: goes with number 13."""

    number: int
    rule: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """One RPC. account: None for a guest."""

    world: ServiceState
    account: Account | None
    payload: Any
    style: Style
    blocked: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        """Of the account, "" for a guest."""
        return self.account.name if self.account else ""


Handler: TypeAlias = Callable[[Ask], Any]
