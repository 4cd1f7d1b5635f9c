"""The limits towards clients, by the settings: of a node and of the front of a fleet alike."""

from __future__ import annotations

from gemgate.assembly.service import Loops
from gemgate.caller import Cost
from gemgate.ports.budgets import Budgets
from gemgate.ports.runtime import Clock
from gemgate.ports.usage import UsageSums
from gemgate.settings import Settings
from gemgate.stores.rate_limits import PROBE_EVERY, MovingWindowLimiter
from gemgate.telemetry.usage import Settled


def open_limiter(settings: Settings, clock: Clock) -> MovingWindowLimiter:
    """Asks nobody yet; it has to be closed."""
    return MovingWindowLimiter(
        per_hour=settings.rate_limit_per_hour,
        model_interval=settings.model_interval_seconds,
        clock=clock,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        when_down=settings.redis_down,
    )


def settles(budgets: Budgets) -> Settled:
    """What the ledger of usage tells of a call's end is what the call came to."""

    def settled(charge: str, sums: UsageSums, over: bool) -> None:
        tokens = sums.tokens_in + sums.tokens_out
        budgets.settle(charge, Cost(1, tokens, sums.images, sums.videos), over=over)

    return settled


def run_probe(loops: Loops, limiter: MovingWindowLimiter) -> None:
    """Ask Redis every few seconds whether it is back."""

    async def probe() -> None:
        while True:
            await loops.clock.sleep(PROBE_EVERY)
            await limiter.probe()

    loops.run("limits", probe)
