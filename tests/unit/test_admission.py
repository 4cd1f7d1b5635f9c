"""A call is counted before its prompt leaves; who goes meanwhile, or is refused, leaves nothing taken."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gemgate.caller import Caller, Cost
from gemgate.chat import ChatRequest, Message, Text, TextDelta, afold
from gemgate.errors import BadRequest
from gemgate.gateway.admission import Charge
from gemgate.testing import ScriptedUpstream, settle
from tests.support.scripted_gateway import CALLER, ScriptedGateway

HI = (Message("user", (Text("hi"),)),)


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


async def test_a_chat_that_is_refused_before_it_is_sent_gives_its_conversation_back() -> None:
    state = await ScriptedGateway(ScriptedUpstream("one")).signed_in()
    said = [event.text for event in await state.chat() if isinstance(event, TextDelta)]
    admission = await state.gateway.admit(None, CALLER)
    history = (Message("user", (Text("hi"),)), Message("assistant", (Text("".join(said)),)), *HI)
    with pytest.raises(BadRequest, match="stop sequences"):
        await afold(state.gateway.chat(ChatRequest(history, stop=("x" * 30_000,)), admission))
    assert state.gateway.conversations.under_way == 0
    assert not state.conversations.leases
