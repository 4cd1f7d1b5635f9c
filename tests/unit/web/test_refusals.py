"""Which refusals of a node are its own, so that another may do better, and which are the caller's, wherever it asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from gemgate.errors import GatewayError, OverBudget, RateLimited, Spent
from gemgate.web.errors import headers_for, limit_headers
from gemgate.web.relay.node_client import Head
from gemgate.web.relay.relay import Relay

HOUR = {"limit": 60, "remaining": 0, "reset": 9.0, "rule": "hour"}


@pytest.mark.parametrize(
    ("error", "counted", "moves"),
    [
        (OverBudget("x", retry_after=9.0, details={"rule": "calls_per_day", "budget": "key;..."}), {}, False),
        (RateLimited("x", retry_after=9.0, details={"rule": "at_once", "budget": "key;..."}), {}, False),
        (RateLimited("x", retry_after=9.0, details=HOUR), {}, False),
        (Spent("its account is used up", retry_after=9.0), {}, True),
        (Spent("its account is used up, after the call was counted", retry_after=9.0), limit_headers(60, 8, 9.0), True),
    ],
)
def test_only_what_is_a_nodes_own_is_asked_of_another(error: GatewayError, counted: Any, moves: bool) -> None:
    fields = CIMultiDict({**counted, "x-gemgate-budget": "key;...", **headers_for(error)})
    relay = SimpleNamespace(_shared=True)
    passage: Any = SimpleNamespace()
    assert Relay._moves(relay, passage, Head(429, [], fields)) is moves  # type: ignore[arg-type]
