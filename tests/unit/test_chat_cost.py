"""What a plain chat does not pay for: only what it uses is drawn, asked and made."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from gemgate.chat import ChatRequest, Fold, Message, Text, fold
from gemgate.testing import ScriptedUpstream
from tests.support.painted import png
from tests.support.scripted_gateway import CALLER, ScriptedGateway


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


@pytest.mark.parametrize("told", ["hello", "", png()], ids=["words", "nothing", "image"])
async def test_a_whole_answer_is_what_its_events_fold_to(told: str | bytes) -> None:
    state = await ScriptedGateway(ScriptedUpstream(told)).signed_in()
    expected = fold(await state.chat())
    request = ChatRequest((Message("user", (Text("hi"),)),))
    reply = await state.gateway.reply(request, await state.gateway.admit(None, CALLER))
    assert [type(part) for part in reply.parts] == [type(part) for part in expected.parts]
    assert (reply.text, reply.ended) == (expected.text, expected.ended)
    assert len(reply.images) == len(expected.images) == isinstance(told, bytes)


async def test_a_whole_answer_is_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state = await ScriptedGateway(ScriptedUpstream("hello")).signed_in()
    begun: list[Fold] = []
    begin = Fold.__init__

    def counted(folding: Fold) -> None:
        begun.append(folding)
        begin(folding)

    monkeypatch.setattr(Fold, "__init__", counted)
    request = ChatRequest((Message("user", (Text("hi"),)),))
    await state.gateway.reply(request, await state.gateway.admit(None, CALLER))
    assert len(begun) == 1
