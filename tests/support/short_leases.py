"""`gemgate` with leases of SHORT_LEASE seconds instead of thirty, for tests that cannot wait so long; else the same."""

from __future__ import annotations

import os
from functools import partial

from gemgate import cli
from gemgate.assembly import node
from gemgate.jobs import JobRules
from gemgate.pool import registry

if __name__ == "__main__":
    seconds = float(os.environ["SHORT_LEASE"])
    node.JobRules = partial(JobRules, lease=seconds, poll=0.3, video_look=0.3)  # type: ignore[misc, assignment]
    node.LEASE_SECONDS = registry.LEASE_SECONDS = seconds  # type: ignore[misc]
    cli.main()
