"""An error of a task is raised again as it was: its kind decides the status, `generated` whether it may be repeated."""

from __future__ import annotations

import pytest

from gemgate import errors
from gemgate.dialects.wire import status_of
from gemgate.errors import GatewayError
from gemgate.jobs.payloads import dumps, error_of, error_value, loads

KEPT = (
    errors.NoAccount("none", "无", quota=True, retry_after=5.0),
    errors.NoAccount("none", "无"),
    errors.Spent("used up", "已用完", retry_after=60.0),
    errors.Refused("no", "不行", generated="maybe", code="content_policy_violation"),
    errors.Broken("reset", "重置", generated="maybe"),
    errors.Interrupted("cut off", "中断", generated="maybe"),
    errors.Unprocessable("small", "太小", code="size_not_met", param="size"),
    errors.Busy("full", "已满"),
)


@pytest.mark.parametrize("error", KEPT, ids=lambda error: type(error).__name__)
def test_an_error_is_raised_again_as_it_was(error: GatewayError) -> None:
    again = error_of(loads(dumps(error_value(error))), error.en, error.zh)
    assert type(again) is type(error)
    assert status_of(again) == status_of(error)
    assert error_value(again) == error_value(error)
    assert (again.en, again.zh) == (error.en, error.zh)


def test_of_an_error_that_left_nothing_it_is_not_known_whether_it_cost_a_generation() -> None:
    assert error_of({}, "gone", "没了").generated == "maybe"
