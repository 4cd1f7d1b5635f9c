"""One of several processes that call at once: `python -m tests.contract.admitted REDIS_URL PER_HOUR INTERVAL CALLS`.

Says "ready", waits for a line, then makes all calls at once and prints how many were admitted.
"""

from __future__ import annotations

import asyncio
import sys

from gemgate.caller import Caller
from gemgate.errors import RateLimited
from gemgate.stores import rate_limits
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.telemetry import SystemClock


async def main(url: str, per_hour: int, interval: float, calls: int) -> None:
    rate_limits.REDIS_TIMEOUT = 10.0  # how exactly it counts is asked here, not how fast a busy machine is
    limiter = MovingWindowLimiter(
        per_hour=per_hour, model_interval=interval, clock=SystemClock(), redis_url=url, when_down="closed"
    )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    caller = Caller(client="the same everywhere")
    ends = await asyncio.gather(*(limiter.take(caller, "model") for _ in range(calls)), return_exceptions=True)
    wrong = [end for end in ends if isinstance(end, BaseException) and not isinstance(end, RateLimited)]
    assert not wrong, wrong[0]
    assert not limiter.degraded
    await limiter.close()
    print(sum(not isinstance(end, BaseException) for end in ends))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
