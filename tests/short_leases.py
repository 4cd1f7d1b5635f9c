"""`gemgate` with leases of SHORT_LEASE seconds instead of thirty, for tests that cannot wait so long; else the same."""

from __future__ import annotations

import os
from functools import partial

from gemgate import assembly, cli, roster
from gemgate.jobs import JobRules

if __name__ == "__main__":
    seconds = float(os.environ["SHORT_LEASE"])
    assembly.JobRules = partial(JobRules, lease=seconds, poll=0.3)  # type: ignore[misc, assignment]
    assembly.LEASE_SECONDS = roster.LEASE_SECONDS = seconds  # type: ignore[misc]
    cli.main()
