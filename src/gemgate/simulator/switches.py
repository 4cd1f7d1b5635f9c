"""What the service may do one way or another: facts that changed, that sources dispute, or that nobody has proved.

The defaults are today's wire as it was measured. Each switch names the section of docs/google-wire.md it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemgate.simulator.attached import FileHabits


@dataclass(slots=True)
class Switches:
    """One setting per fact.

    positional:  what is said beside the answer stands by place, as until 2026 (6.1).
    silent:      a chat that is not kept ends without the code that says so, as before (4.1).
    files:       which shape of a file's reference counts, and how long a token does for files (8.1).
    """

    positional: bool = False
    silent: bool = False
    files: FileHabits = field(default_factory=FileHabits)
