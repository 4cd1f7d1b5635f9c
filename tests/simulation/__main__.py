"""`python -m tests.simulation SEED` replays a seed with all that happened; `FIRST LAST` runs many, shows which fail."""

from __future__ import annotations

import sys
import time

from tests.simulation.run import simulate
from tests.simulation.shrink import report


def main() -> int:
    seeds = [int(word) for word in sys.argv[1:]]
    if len(seeds) == 1:
        outcome = simulate(seeds[0])
        print(*(str(fault) for fault in outcome.faults), "", *outcome.trace, "", *outcome.wrong, sep="\n")
        print(report(seeds[0]) or f"seed {seeds[0]}: all promises held over {outcome.seconds:.0f} s")
        return bool(outcome.wrong)
    first, last = seeds
    began = time.perf_counter()
    failing = [text for seed in range(first, last) if (text := report(seed))]
    print(*failing, sep="\n\n")
    print(
        f"{last - first} seeds, {len(failing)} failing, {(last - first) / (time.perf_counter() - began):.1f} per second"
    )
    return bool(failing)


if __name__ == "__main__":
    sys.exit(main())
