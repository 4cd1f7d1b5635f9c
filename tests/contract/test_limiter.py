"""The promises of `ports.Limiter`: in process memory and in a real Redis, with one process and with four."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gemgate.caller import Caller, Quota
from gemgate.errors import Busy, GatewayError, RateLimited
from gemgate.ports.limits import Limiter
from gemgate.stores.rate_limits import AT_ONCE, PROBE_EVERY, MovingWindowLimiter
from gemgate.telemetry import SystemClock
from tests.support.clocks import SkippingClock
from tests.support.patience import PATIENCE
from tests.support.processes import run_together
from tests.support.servers import RedisServer


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
async def make(redis_url: str | None) -> AsyncIterator[Any]:
    """Limiters of either kind, closed at the end."""
    made: list[MovingWindowLimiter] = []

    def limiter(per_hour: int = 60, model_interval: float = 0) -> Limiter:
        made.append(
            MovingWindowLimiter(
                per_hour=per_hour, model_interval=model_interval, clock=SystemClock(), redis_url=redis_url
            )
        )
        return made[-1]

    yield limiter
    for one in made:
        await one.close()


def somebody(**facts: Any) -> Caller:
    """A caller nobody has counted yet."""
    return Caller(client=uuid.uuid4().hex, **facts)


async def refused(limiter: Limiter, caller: Caller, model: str) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await limiter.take(caller, model)
    return caught.value


async def test_an_hours_calls_are_counted_and_the_next_is_told_when_to_come_back(make: Any) -> None:
    limiter, caller = make(per_hour=5), somebody()
    left = [(await limiter.take(caller, f"model-{number}")).remaining for number in range(5)]
    assert left == [4, 3, 2, 1, 0]
    error = await refused(limiter, caller, "another")
    assert error.retry_after is not None
    assert 3590 <= error.retry_after <= 3600
    assert f"{error.retry_after:.0f}" in error.en
    assert error.details == {"limit": 5, "remaining": 0, "reset": error.retry_after, "rule": "hour"}
    assert (await limiter.take(somebody(), "another")).remaining == 4


async def test_a_model_is_called_once_in_its_interval_and_others_meanwhile(make: Any) -> None:
    limiter, caller = make(model_interval=60), somebody()
    await limiter.take(caller, "flash")
    error = await refused(limiter, caller, "flash")
    assert 1 <= (error.retry_after or 0) <= 60
    await limiter.take(caller, "pro")
    await limiter.take(somebody(), "flash")


async def test_a_call_that_the_model_rule_refuses_costs_nothing_of_the_hour(make: Any) -> None:
    limiter, caller = make(per_hour=60, model_interval=60), somebody()
    assert (await limiter.take(caller, "flash")).remaining == 59
    for _ in range(10):
        await refused(limiter, caller, "flash")
    assert (await limiter.take(caller, "pro")).remaining == 58


async def test_a_model_may_be_called_again_after_its_interval(make: Any) -> None:
    limiter, caller = make(model_interval=3), somebody()
    await limiter.take(caller, "flash")
    error = await refused(limiter, caller, "flash")
    await asyncio.sleep((error.retry_after or 0) + 0.05)
    await limiter.take(caller, "flash")


async def test_a_key_may_have_an_hourly_limit_of_its_own(make: Any) -> None:
    limiter = make(per_hour=2)
    assert (await limiter.take(somebody(per_hour=100), "m")).limit == 100
    generous = somebody(per_hour=0)
    for _ in range(5):
        assert await limiter.take(generous, "m") == Quota()
    assert (await limiter.take(somebody(), "m")).limit == 2


async def test_zero_switches_a_rule_off(make: Any) -> None:
    limiter, caller = make(per_hour=0, model_interval=0), somebody()
    for _ in range(100):
        assert await limiter.take(caller, "m") == Quota()


async def test_of_many_calls_at_once_exactly_as_many_pass_as_may(make: Any) -> None:
    limiter, caller = make(per_hour=60), somebody()
    ends = await asyncio.gather(*(limiter.take(caller, "m") for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(end, Quota) for end in ends) == 60
    assert sum(isinstance(end, RateLimited) for end in ends) == 40


async def test_of_many_calls_of_one_model_at_once_one_passes(make: Any) -> None:
    limiter, caller = make(per_hour=0, model_interval=60), somebody()
    ends = await asyncio.gather(*(limiter.take(caller, "m") for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(end, Quota) for end in ends) == 1


# Several processes


@pytest.mark.parametrize(("per_hour", "interval", "admitted"), [(60, 0, 60), (0, 600, 1), (60, 600, 1)])
async def test_four_processes_with_fifty_calls_each_admit_exactly_what_may_pass(
    own_redis: RedisServer, per_hour: int, interval: int, admitted: int
) -> None:
    said = await run_together(4, "-m", "tests.contract.admitted", own_redis.url, str(per_hour), str(interval), "50")
    assert sum(int(line) for line in said) == admitted, said


# Redis away


@pytest.fixture
async def away(own_redis: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, ...]]:
    """A limiter that has counted one call of `caller` in a Redis that may now be stopped."""
    clock = SkippingClock()
    policy = getattr(request, "param", "local")
    limiter = MovingWindowLimiter(per_hour=3, model_interval=0, clock=clock, redis_url=own_redis.url, when_down=policy)
    caller = somebody()
    assert (await limiter.take(caller, "m")).remaining == 2
    yield limiter, caller, clock, own_redis
    await limiter.close()


async def timed(limiter: Limiter, caller: Caller) -> tuple[float, Quota | Exception]:
    began = time.perf_counter()
    try:
        end: Quota | Exception = await limiter.take(caller, "m")
    except GatewayError as error:
        end = error
    return time.perf_counter() - began, end


def asked(limiter: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every question to Redis."""
    questions: list[str] = []
    really = limiter._shared.hit

    async def hit(*arguments: Any) -> bool:
        questions.append("hit")
        answer: bool = await really(*arguments)
        return answer

    monkeypatch.setattr(limiter._shared, "hit", hit)
    return questions


async def test_a_hanging_redis_holds_a_call_up_for_a_moment_and_then_no_more(
    away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, caller, _, redis = away
    questions = asked(limiter, monkeypatch)
    redis.stop_still()
    seconds, end = await timed(limiter, caller)
    assert 0.2 < seconds < PROBE_EVERY  # the time limit is 0.25 s, the rest is for a busy machine
    assert isinstance(end, Quota)
    assert "Redis is away" in limiter.degraded
    for _ in range(5):
        await timed(limiter, caller)
    assert questions == ["hit"]


async def test_while_redis_hangs_only_one_call_in_five_seconds_tries_it(
    away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, caller, clock, redis = away
    redis.stop_still()
    await timed(limiter, caller)
    questions = asked(limiter, monkeypatch)
    for number in (1, 2):
        clock.skipped += PROBE_EVERY
        await asyncio.gather(*(timed(limiter, somebody()) for _ in range(50)))
        assert len(questions) == number


async def test_a_burst_upon_a_hanging_redis_waits_its_time_limit_once(
    away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who queue behind the first ones do not try it one after another."""
    limiter, _, _, redis = away
    questions = asked(limiter, monkeypatch)
    redis.stop_still()
    ends = await asyncio.gather(*(timed(limiter, somebody()) for _ in range(100)))
    assert all(isinstance(end, Quota) for _, end in ends)
    assert len(questions) == AT_ONCE


async def test_without_redis_a_process_counts_by_itself(away: Any) -> None:
    limiter, caller, _, redis = away
    redis.stop_still()
    left = [await timed(limiter, caller) for _ in range(4)]
    assert [end.remaining for _, end in left[:3]] == [2, 1, 0]  # type: ignore[union-attr]
    assert isinstance(left[3][1], RateLimited)


@pytest.mark.parametrize("away", ["open"], indirect=True)
async def test_without_redis_all_may_pass(away: Any) -> None:
    limiter, caller, _, redis = away
    redis.stop_still()
    assert [(await timed(limiter, caller))[1] for _ in range(6)] == [Quota()] * 6
    assert limiter.degraded


@pytest.mark.parametrize("away", ["closed"], indirect=True)
async def test_without_redis_all_may_be_refused_and_told_when_to_come_back(away: Any) -> None:
    limiter, caller, _, redis = away
    redis.stop_still()
    for _ in range(2):
        _, end = await timed(limiter, caller)
        assert isinstance(end, Busy)
        assert end.code == "limits_unavailable"
        assert end.retry_after == 5.0


@pytest.mark.parametrize("away", ["local", "closed", "open"], indirect=True)
async def test_redis_is_used_again_by_itself(away: Any) -> None:
    limiter, caller, clock, redis = away
    redis.stop_still()
    await timed(limiter, caller)
    redis.go_on()
    await timed(limiter, somebody())
    assert limiter.degraded, "it is asked again every five seconds, not with every call"
    clock.skipped += PROBE_EVERY
    _, end = await timed(limiter, caller)
    assert isinstance(end, Quota)
    assert end.limit == 3
    assert end.remaining <= 1, "what was counted before it went away is forgotten"
    assert not limiter.degraded


async def test_a_redis_that_died_is_noticed_at_once(away: Any) -> None:
    limiter, caller, _, redis = away
    os.kill(redis.pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    for _ in range(3):
        _, end = await timed(limiter, caller)
        assert isinstance(end, Quota)
    assert limiter.degraded


async def test_a_probe_tells_the_truth_while_nobody_calls(away: Any) -> None:
    limiter, _, _, redis = away
    await limiter.probe()
    assert not limiter.degraded
    redis.stop_still()
    async with asyncio.timeout(PATIENCE):
        await limiter.probe()
    assert limiter.degraded
    redis.go_on()
    await limiter.probe()
    assert not limiter.degraded


@pytest.mark.parametrize("url", ["http://localhost", "nonsense", "redis://h:port"])
def test_a_bad_address_stops_the_start_without_showing_it(url: str) -> None:
    with pytest.raises(GatewayError) as caught:
        MovingWindowLimiter(per_hour=1, model_interval=0, clock=SystemClock(), redis_url=url)
    assert caught.value.code == "redis_url"
    assert url not in str(caught.value)


@pytest.mark.soak
async def test_a_redis_that_hangs_delays_a_call_by_300_ms_at_most(own_redis: RedisServer) -> None:
    """Thirty calls at once, five times; a timer of 250 ms beside them tells how late this machine is anyway."""
    worst = []
    for _ in range(5):
        limiter = MovingWindowLimiter(
            per_hour=1000, model_interval=0, clock=SystemClock(), redis_url=own_redis.url, when_down="local"
        )
        await asyncio.gather(*(timed(limiter, somebody()) for _ in range(30)))
        own_redis.stop_still()
        try:
            began = time.perf_counter()
            yardstick = asyncio.ensure_future(asyncio.sleep(0.25))
            calls = [asyncio.ensure_future(timed(limiter, somebody())) for _ in range(30)]
            await yardstick
            late = time.perf_counter() - began - 0.25
            ends = await asyncio.gather(*calls)
        finally:
            own_redis.go_on()
        await limiter.close()
        assert all(isinstance(end, Quota) for _, end in ends)
        worst.append((max(seconds for seconds, _ in ends), late))
    print(
        "slowest of 30 calls while Redis hangs, ms (the machine's own lateness): "
        + ", ".join(f"{seconds * 1000:.0f} ({late * 1000:.0f})" for seconds, late in worst)
    )
    assert min(seconds - late for seconds, late in worst) <= 0.3
