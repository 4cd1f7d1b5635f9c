"""The least that still goes wrong: the shortest prefix of a seed's faults, then what of it can be left out."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.network import Fault
from tests.simulation.run import Outcome, simulate

Faults = tuple[Fault, ...]


def run(seed: int, faults: Faults | None = None) -> Outcome:
    """A run whose crash is something that went wrong like everything else."""
    try:
        return simulate(seed, faults)
    except Exception as bug:  # noqa: BLE001 - told as what went wrong
        return Outcome(seed, faults or (), [f"the simulation ended with {bug!r}"])


def anything(outcome: Outcome) -> bool:
    return bool(outcome.wrong)


def shortest(seed: int, faults: Faults, wrong: Callable[[Outcome], bool] = anything) -> tuple[Outcome, int]:
    """A run that is wrong with as few faults as can be, and how long the shortest prefix was that is."""
    length = next((n for n in range(len(faults) + 1) if wrong(run(seed, faults[:n]))), len(faults))
    kept = list(faults[:length])
    for fault in list(kept):
        fewer = [one for one in kept if one is not fault]
        if wrong(run(seed, tuple(fewer))):
            kept = fewer
    return run(seed, tuple(kept)), length


def report(seed: int) -> str:
    """What a person needs to see of a seed that fails; "" when it does not."""
    outcome = run(seed)
    if not outcome.wrong:
        return ""
    least, length = shortest(seed, outcome.faults)
    lines = [
        f"seed {seed}: {outcome.wrong[0]}",
        f"  again: python -m tests.simulation {seed}",
        f"  shortest failing prefix: {length} of {len(outcome.faults)} faults; of these are needed:",
        *[f"    {fault}" for fault in least.faults],
        *[f"  {what}" for what in least.wrong[:5]],
        *[f"    {line}" for line in least.trace[-40:]],
    ]
    return "\n".join(lines)
