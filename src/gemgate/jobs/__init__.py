"""Durable batches: `batches` takes orders and tells how they stand, `worker` claims their tasks, `runner` carries one
out by the same gateway as a single call, `closing` does what follows the last one, `hooks` tells about it.

Everything that must survive is in the job store; this package keeps nothing that a `kill -9` may not take.
"""

from gemgate.jobs.batches import Jobs
from gemgate.jobs.rules import JobRules

__all__ = ["JobRules", "Jobs"]
