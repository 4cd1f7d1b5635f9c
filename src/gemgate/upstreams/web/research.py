"""Deep research on the wire (docs/google-wire.md 6.8): how it is asked for, and what is looked up about it.

A plan is one turn, its start the next; the report stands in the chat later. Everything here but the slots only reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, cast

from gemini_webapi.constants import GRPC
from gemini_webapi.utils import get_nested_value as at

from gemgate.research import ResearchBudget, ResearchState, ResearchTurn
from gemgate.upstreams.web.client import HardenedClient
from gemgate.upstreams.web.facts import ResearchFacts
from gemgate.upstreams.web.marks import clean
from gemgate.upstreams.web.research_fields import state_of
from gemgate.upstreams.web.rich_content import CANVAS_KEY, fields_of

_TURNS: Final = 10
"""Turns that are looked through: the report may land on an earlier one than the newest."""
_WHOLE: Final = 2
_CHATS: Final = 20
"""Of the list, where one is looked for by its prompt."""
_SLACK: Final = 60.0
"""Seconds by which Google's clock may be behind ours."""


def ask(inner: list[Any], turn: ResearchTurn, facts: ResearchFacts) -> list[Any]:
    """The slots of a prompt with what makes it a turn of a research."""
    length = facts.plan_slots if turn == "plan" else facts.start_slots
    inner = [*inner, *[None] * (length - len(inner))]
    inner[49] = facts.tool
    if turn == "plan":
        inner[54], inner[55] = [[[[[1]]]]], [[1]]
    else:
        inner[54], inner[55], inner[97] = [], [], [0]
    return inner


async def read(client: HardenedClient, cid: str) -> ResearchState | None:
    """How far the research of a chat has come, over its last turns; None while there is no such chat."""
    rows = at(await client.rpc(GRPC.LIST_CONVERSATION_TURNS, [cid, _TURNS, None, 1, [1], [4], None, 1]), [0])
    if not isinstance(rows, list) or not rows:
        return None
    states = [found for row in rows if (found := _state(at(row, [3, 0, 0]))) is not None]
    known = next((one for one in states if one.report), None) or next((one for one in states if one.started), None)
    last, candidate = _state(at(rows[0], [3, 0, 0])), at(rows[0], [3, 0, 0])
    return replace(
        known or ResearchState(),
        plan=last.plan if last is not None else None,
        whole=at(candidate, [8, 0]) == _WHOLE,
        said=clean(at(candidate, [1, 0]) or ""),
        thread=_thread(cid, rows[0]),
    )


async def find(client: HardenedClient, prompt: str, since: float) -> list[str]:
    """Ids of the chats that began with this prompt, last changed first."""
    found: list[str] = []
    for pinned in (0, 1):
        rows = at(await client.rpc(GRPC.LIST_CONVERSATIONS, [_CHATS, None, [pinned, None, 1]]), [2])
        for row in rows if isinstance(rows, list) else ():
            cid, seconds = at(row, [0]), at(row, [5, 0])
            if not isinstance(cid, str) or not isinstance(seconds, int) or seconds < since - _SLACK:
                continue
            asked = [cid, _TURNS, None, 1, [1], [4], None, 1]
            turns = at(await client.rpc(GRPC.LIST_CONVERSATION_TURNS, asked), [0])
            if turns and at(turns, [-1, 2, 0, 0]) == prompt:
                found.append(cid)
    return found


async def stop(client: HardenedClient, rpcid: str, cid: str) -> None:
    """Ask for the end of what is being made in the chat's last turn."""
    turn, _ = await client.last_turn(cid)
    if isinstance(rid := at(turn, [0, 1]), str):
        await client.stop_answer(rpcid, cid, rid)


async def budget(client: HardenedClient, rpcid: str) -> ResearchBudget | None:
    """What the rows of the account's gates say: those that count more than one are of research."""
    rows = at(await client.rpc(cast("GRPC", rpcid), []), [1])
    counted = [row for row in rows if _counts(at(row, [2]))] if isinstance(rows, list) else []
    if not counted:
        return None
    shut = [row for row in counted if at(row, [1]) is not True and at(row, [1]) != 1]
    resets = [float(moment) for row in shut if (moment := next(_numbers(at(row, [4])), None))]
    return ResearchBudget(bool(shut), max(resets, default=None))


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _state(candidate: Any) -> ResearchState | None:
    return state_of({**fields_of(at(candidate, [12])), CANVAS_KEY: at(candidate, [30])})


def _thread(cid: str, turn: Any) -> tuple[str | None, ...]:
    """Where the chat goes on behind this turn; its context is told by streams alone, and optional."""
    rid, rcid = at(turn, [0, 1]) or "", at(turn, [3, 3]) or at(turn, [3, 0, 0, 0]) or ""
    return (cid, rid, rcid, *[None] * 6, "")


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
