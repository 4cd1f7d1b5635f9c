"""The words of durable work and of the fleet: batches and their tasks, nodes and their load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NodeStatus = Literal["INIT", "HEALTHY", "BUSY", "429_LIMIT", "ERROR", "OFFLINE"]


@dataclass(frozen=True, slots=True)
class Load:
    """How much a node carries: calls under way and lanes there are."""

    current: int
    lanes: int
