"""`gemgate` with leases of SHORT_LEASE seconds instead of thirty, for tests that cannot wait so long; else the same."""

from __future__ import annotations

import os

from gemgate import cli
from gemgate.assembly import accounts, parts
from gemgate.frozen import frozen
from gemgate.jobs import JobRules
from gemgate.pool import registry

if __name__ == "__main__":
    seconds = float(os.environ["SHORT_LEASE"])

    @frozen
    class ShortLeases(JobRules):
        lease: float = seconds
        poll: float = 0.3
        media_look: float = 0.3
        research_look: float = 0.3

    for module, name, value in (
        (parts, "JobRules", ShortLeases),
        (accounts, "LEASE_SECONDS", seconds),
        (registry, "LEASE_SECONDS", seconds),
    ):
        assert hasattr(module, name), f"{module.__name__} has no {name} that could be shortened"
        setattr(module, name, value)
    cli.main()
