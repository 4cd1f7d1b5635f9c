"""The machines of a fleet, as the registry tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from gemgate.accounts import AccountModel, Capability
from gemgate.frozen import frozen

NodeStatus = Literal["INIT", "HEALTHY", "BUSY", "429_LIMIT", "ERROR", "OFFLINE"]


@frozen
class NodeCard:
    """Who a node is. url: where the gateway reaches it; proof: shows that it knows the fleet's token."""

    url: str
    worker_id: str
    weight: float = 1.0
    proof: str = field(default="", repr=False)


@frozen
class NodeReport:
    """How a node is, as it says itself.

    current:    calls under way or waiting; lanes: calls at once that its usable accounts take.
    dispatched: prompts it has sent since its last report.
    cooling:    capabilities that no account of it has at the moment, with the seconds until one has (0 = unknown).
    why:        plain words when it takes no calls.
    """

    status: NodeStatus
    current: int = 0
    lanes: int = 0
    dispatched: int = 0
    offers: tuple[AccountModel, ...] = ()
    cooling: Mapping[Capability, float] = field(default_factory=dict)
    why: str = ""
    version: str = ""


@frozen
class Node:
    """A node as its registry knows it. age: seconds since its last beat; weight and draining: an operator's word.

    dispatched here counts all prompts it ever sent. created_at: epoch seconds.
    """

    card: NodeCard
    report: NodeReport
    age: float
    weight: float
    draining: bool
    created_at: float
