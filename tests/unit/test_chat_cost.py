"""What a plain chat does not pay for: only what it uses is drawn, asked and made."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from gemgate.testing import ScriptedUpstream
from tests.support.scripted_gateway import ScriptedGateway


async def test_nothing_is_drawn_but_the_id_of_its_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    state = await ScriptedGateway(ScriptedUpstream("hello")).signed_in()
    drawn: list[int] = []
    draw = secrets.token_bytes
    monkeypatch.setattr(secrets, "token_bytes", lambda size: drawn.append(size) or draw(size))
    await state.chat()
    assert drawn == [16]


async def test_an_answer_that_was_remembered_leaves_no_task_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state = await ScriptedGateway(ScriptedUpstream("hello")).signed_in()
    begun: list[object] = []
    shield = asyncio.shield
    monkeypatch.setattr(asyncio, "shield", lambda work: begun.append(work) or shield(work))
    await state.chat()
    assert not begun
    assert state.gateway.conversations.under_way == 0


async def test_chats_that_came_together_are_all_planned_before_the_first_is_sent() -> None:
    """Each stage of them all, while its code is in the processor's caches."""
    state = await ScriptedGateway(ScriptedUpstream("hello")).signed_in()
    await asyncio.gather(state.chat(), state.chat())
    told = [fact.name for fact in state.facts.facts if fact.name in ("chat.planned", "attempt.sent")]
    assert told == ["chat.planned", "chat.planned", "attempt.sent", "attempt.sent"]
