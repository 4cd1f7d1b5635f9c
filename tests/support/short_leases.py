"""`gemgate` with leases of SHORT_LEASE seconds instead of thirty, for tests that cannot wait so long; else the same.

Videos are looked for as often.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from gemgate import cli
from gemgate.assembly import accounts, parts
from gemgate.jobs import JobRules
from gemgate.pool import registry

SECONDS = float(os.environ.get("SHORT_LEASE", "3"))


@dataclass(frozen=True)
class ShortRules(JobRules):
    lease: float = SECONDS
    poll: float = 0.3
    video_look: float = 0.3


if __name__ == "__main__":
    parts.JobRules = ShortRules  # type: ignore[misc]
    accounts.LEASE_SECONDS = registry.LEASE_SECONDS = SECONDS  # type: ignore[misc]
    cli.main()
