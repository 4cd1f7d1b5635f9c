"""What becomes of a task whose run failed."""

from __future__ import annotations

import pytest

from gemgate.errors import (
    BadRequest,
    Blocked,
    Broken,
    Busy,
    Drift,
    GatewayError,
    ModelGone,
    NoAccount,
    NoImage,
    NotFound,
    OutputInvalid,
    PromptTooLong,
    Refused,
    Rejected,
    SignedOut,
    Spent,
    Stalled,
    StorageDown,
    Unprocessable,
    Unreachable,
)
from gemgate.policy.backoff import Backoff, Verdict, judge, may_be_asked_again

RULES = Backoff()


def verdict(error: GatewayError, failures: int = 0, *, in_service: bool = True, dice: float = 0.0) -> Verdict:
    return judge(error, failures, in_service=in_service, random=dice, rules=RULES)


def test_tries_are_2_4_8_16_32_seconds_apart_and_then_it_is_over() -> None:
    error = Broken("503", generated="maybe")
    assert [verdict(error, n).after for n in range(5)] == [2, 4, 8, 16, 32]
    assert verdict(error, 5) == Verdict("fail")
    for n, base in enumerate((2, 4, 8, 16, 32)):
        assert base <= verdict(error, n, dice=0.999).after <= 1.25 * base


def test_a_longer_retry_after_is_obeyed_and_a_shorter_one_is_not() -> None:
    assert verdict(Spent("429", retry_after=90), 1).after == 90
    assert verdict(Spent("429", retry_after=1), 1).after == 4


@pytest.mark.parametrize(
    "error",
    [Broken("x"), Stalled("x", generated="maybe"), Drift("x"), StorageDown("x"), Spent("x"), SignedOut("x")],
)
def test_what_is_google_s_fault_is_a_try(error: GatewayError) -> None:
    assert verdict(error).kind == "again"
    assert verdict(error, 5).kind == "fail"


@pytest.mark.parametrize("error", [Spent("x"), SignedOut("x"), Blocked("x"), Rejected("x")])
def test_an_account_that_is_taken_out_of_service_costs_the_task_nothing(error: GatewayError) -> None:
    assert verdict(error, 5, in_service=False) == Verdict("wait", RULES.move)


def test_without_an_account_it_waits_for_the_thaw_and_looks_again_meanwhile() -> None:
    assert verdict(NoAccount("x", retry_after=4.0, quota=True), 5) == Verdict("wait", 4.0)
    assert verdict(NoAccount("x", retry_after=3600.0, quota=True), 5) == Verdict("wait", RULES.look_again)
    assert verdict(NoAccount("x"), 5) == Verdict("wait", RULES.look_again)
    assert verdict(Busy("x", retry_after=10.0), 5) == Verdict("wait", 10.0)
    assert verdict(Unreachable("x"), 5) == Verdict("wait", RULES.look_again)


@pytest.mark.parametrize(
    "error",
    [
        BadRequest("x"),
        NotFound("x"),
        Unprocessable("x"),
        Refused("x"),
        NoImage("x"),
        ModelGone("x"),
        PromptTooLong("x"),
    ],
)
def test_an_order_that_cannot_be_carried_out_fails_at_once(error: GatewayError) -> None:
    assert verdict(error) == Verdict("fail")
    assert not may_be_asked_again(error)


def test_what_may_go_better_another_time_says_so() -> None:
    assert verdict(OutputInvalid("x")) == Verdict("fail")
    assert may_be_asked_again(OutputInvalid("x"))
    assert may_be_asked_again(Broken("x"))
