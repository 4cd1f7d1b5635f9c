"""The fleet's register of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gemgate.nodes import Node, NodeCard, NodeReport


class NodeRegistry(Protocol):
    """The nodes of a fleet, judged by the database's clock alone. StorageDown anywhere; NotFound for unknown names."""

    async def announce(self, card: NodeCard, report: NodeReport) -> None:
        """A node begins, or its row was lost. An operator's weight stays unless the node's own setting changed.

        Conflict: another node that lives goes by the same worker_id. A dead one's row is taken over.
        """
        ...

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        """The node lives, and how it is; False when its row is gone and it has to announce itself again."""
        ...

    async def leave(self, url: str) -> None:
        """OFFLINE from now on, until it announces itself again."""
        ...

    async def nodes(self) -> tuple[Node, ...]:
        """All of them, dead ones too, by worker_id."""
        ...

    async def weigh(self, worker_id: str, weight: float) -> None: ...

    async def drain(self, worker_id: str, draining: bool) -> None: ...

    async def forget(self, worker_id: str) -> None:
        """Drop the row of a node; one that lives announces itself again."""
        ...

    async def holder(self, tenant: str, conversation_id: str, tips: Sequence[str]) -> str:
        """The worker whose account holds a conversation, by its id or by the longest of these histories; "" = none."""
        ...

    async def runs(self, account: str) -> str:
        """The worker that runs an account; "" = nobody."""
        ...
