"""What the gateway counts of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client.metrics import Counter, Gauge, Histogram
from prometheus_client.registry import CollectorRegistry

from gemgate.fleet.nodes import Fleet
from gemgate.machine import PARTS, Machine


class RelayMetrics:
    """Counters of one gateway; the nodes' figures are read from its view of the fleet when they are asked for."""

    def __init__(self, fleet: Fleet, machine: Machine) -> None:
        self.registry = CollectorRegistry()
        self._answered: dict[
            tuple[str, str, int], Counter
        ] = {}  # finding a row by its words takes longer than counting
        one = self.registry
        self._fleet = fleet
        self._machine = machine
        self._requests = Counter(
            "gemgate_relay_requests", "Answered HTTP requests", ["operation", "node", "status"], registry=one
        )
        self._seconds = Histogram(
            "gemgate_relay_duration_seconds",
            "Time of a request from its arrival to its last byte",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.25, 1, 5, 30, 120, 300),
            registry=one,
        )
        self._moved = Counter("gemgate_relay_moved", "Calls moved on to another node", ["node", "why"], registry=one)
        self._broken = Counter("gemgate_relay_broken", "Answers that a node did not finish", ["node"], registry=one)
        self._up = Gauge("gemgate_node_up", "Whether a node can be asked", ["node"], registry=one)
        self._inflight = Gauge("gemgate_node_inflight", "Calls under way through this gateway", ["node"], registry=one)
        self._weight = Gauge("gemgate_node_weight", "The node's share", ["node"], registry=one)
        self._short = Gauge("gemgate_short", "1 while it is short: memory, descriptors, disk", ["part"], registry=one)
        self._age = Gauge("gemgate_node_beat_age_seconds", "Seconds since the node's last beat", ["node"], registry=one)

    def done(self, operation: str, node: str, status: int, seconds: float) -> None:
        found = self._answered.get((operation, node, status))
        if found is None:
            found = self._requests.labels(operation or "other", node or "none", str(status))
            self._answered[operation, node, status] = found
        found.inc()
        self._seconds.observe(seconds)

    def moved(self, node: str, why: str) -> None:
        self._moved.labels(node, why).inc()

    def broken(self, node: str) -> None:
        self._broken.labels(node).inc()

    def read(self) -> CollectorRegistry:
        """The registry with the nodes as they are now."""
        short = {shortage.part for shortage in self._machine.shortages}
        for part in PARTS[:3]:  # a gateway writes to no store
            self._short.labels(part).set(part in short)
        for gauge in (self._up, self._inflight, self._weight, self._age):
            gauge.clear()
        for one in self._fleet.nodes:
            self._up.labels(one.name).set(one.serves)
            self._inflight.labels(one.name).set(one.inflight)
            self._weight.labels(one.name).set(one.node.weight)
            self._age.labels(one.name).set(one.node.age)
        return self.registry
