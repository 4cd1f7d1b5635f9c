"""A call is counted before its prompt leaves; who goes meanwhile is charged nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gemgate.caller import Caller, Cost
from gemgate.gateway.admission import Charge
from gemgate.testing import ScriptedUpstream, settle
from tests.support.scripted_gateway import ScriptedGateway


async def test_a_caller_who_goes_while_it_is_charged_has_it_given_back() -> None:
    settled: list[Any] = []

    async def take(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    state = await ScriptedGateway(ScriptedUpstream()).signed_in()
    state.gateway.budgets = SimpleNamespace(
        take=take, settle=lambda charge, used, over: settled.append((charge, used, over))
    )
    caller = Caller(request_id="req_1")
    call = asyncio.create_task(state.gateway.admit(None, caller, charge=Charge(Cost(images=2))))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert settled == [("req_1", Cost(0), True)]
