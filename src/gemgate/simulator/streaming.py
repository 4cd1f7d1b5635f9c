"""One answer on its way: which snapshots it is told in, how they are paced, and where a fault cuts in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

from gemgate.simulator import frames
from gemgate.simulator.chats import Chat, Turn
from gemgate.simulator.exchange import Break, Outcome, Response, Step
from gemgate.simulator.frames import PREFIX, Style, candidate, chop, error_info, frame, part, snapshot
from gemgate.simulator.pages import CAPTCHA
from gemgate.simulator.record import Call
from gemgate.simulator.script import Answer, Fault, Prompt
from gemgate.simulator.world import World

HEADERS = (
    ("content-type", "application/json; charset=utf-8"),
    ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("content-disposition", 'attachment; filename="response.bin"'),
    ("x-content-type-options", "nosniff"),
)
_BATCH = 64 << 10


@dataclass(slots=True)
class _Frame:
    data: bytes
    counted: bool
    """A snapshot, which `after_frames` counts; ids, waiting parts and the trailer are not."""


@dataclass(slots=True, eq=False)
class Telling:
    """A turn being told to one client. kept: how many turns of the chat it follows on."""

    world: World
    call: Call
    chat: Chat
    turn: Turn
    kept: int
    prompt: Prompt
    style: Style
    answer: Answer = field(default_factory=Answer)
    fault: Fault | None = None
    _struck: bool = False
    _others: tuple[str, ...] = ()

    def listen(self, answer: Answer, fault: Fault | None) -> None:
        """Take the answer, in wire text, and enter the turn into the chat."""
        self.answer, self.fault = answer, fault
        chat, turn = self.chat, self.turn
        if isinstance(answer.candidates, int):
            self._others = tuple(f"{self._last} (draft {n})" for n in range(2, answer.candidates + 1))
        else:
            self._others = answer.candidates
        turn.rcids += tuple(f"rc_{secrets.token_hex(8)}" for _ in self._others)
        turn.rich = answer.rich
        del chat.turns[self.kept :]
        chat.turns.append(turn)
        chat.time = turn.time
        self.world.chats.add(chat)

    def response(self) -> Response:
        """The answer as a stream, or in one piece when it is short and in no hurry to be difficult."""
        self.world.record.opened(self.call)
        plain = self.fault is None and not self.style.cuts
        if plain and not self.answer.delay and not self.answer.pace and self._size() <= _BATCH:
            body = PREFIX + b"".join(one.data for one in self._frames())
            return Response(200, HEADERS, body, on_end=self._ended)
        return Response(200, HEADERS, self._steps(), on_end=self._ended)

    def instead(self, response: Response) -> Response:
        """Something else goes out in place of the answer."""
        self._struck = True
        self.world.record.opened(self.call)
        response.on_end = self._ended
        return response

    @property
    def _last(self) -> str:
        return self.answer.raw[-1] if self.answer.raw else self.answer.text

    def _texts(self) -> Iterator[str]:
        return iter(self.answer.raw) if self.answer.raw else frames.growing(self.answer.text, self.answer.chars)

    def _size(self) -> int:
        """About how many bytes the answer takes on the wire."""
        answer = self.answer
        whole = len(answer.text) + len(answer.thoughts)
        return sum(map(len, answer.raw)) + (whole // answer.chars + 1) * (whole + 200)

    def _frames(self) -> Iterator[_Frame]:
        ids, style = (self.chat.cid, self.turn.rid), self.style
        yield _Frame(frame([part(None, snapshot(ids), style)], style), counted=False)
        for _ in range(self.answer.queued):
            yield _Frame(frame([part(None, None, error=[9])], style), counted=False)
        for _ in range(self.answer.busy):
            yield _Frame(frame([part(None, snapshot(ids, busy=True), style)], style), counted=False)
        waiting: list[Any] = []
        for one in self._parts(ids):
            waiting.append(one)
            # Two parts in one frame, where nobody counts or paces the frames
            if not style.paired or self.fault or self.answer.pace or len(waiting) == 2:
                yield _Frame(frame(waiting, style), counted=True)
                waiting = []
        if waiting:
            yield _Frame(frame(waiting, style), counted=True)
        if style.extras:
            yield _Frame(frame([["di", 1843], ["af.httprm", 1843, "6153279406432108375", 7]], style), counted=False)
            yield _Frame(frame([["e", 21, None, None, 8812]], style), counted=False)

    def _parts(self, ids: tuple[str, str]) -> Iterator[list[Any]]:
        """The snapshots: thoughts grow first, then the text; the last one carries the final marks."""
        answer, turn, style = self.answer, self.turn, self.style
        if not (self._last or answer.thoughts or answer.rich):
            return
        if answer.thoughts:
            for thoughts in frames.growing(answer.thoughts, answer.chars):
                turn.thoughts = thoughts
                yield part(None, snapshot(ids, [candidate(turn.rcids[0], "", thoughts=thoughts, done=False)]), style)
        seconds = int(turn.time)
        stamp = (seconds, int((turn.time - seconds) * 1e9))
        for text, last in _marked(self._texts()):
            context, when = (turn.context, stamp) if last else (None, None)
            yield part(None, snapshot(ids, self._candidates(text, done=last), context=context, stamp=when), style)

    def _candidates(self, text: str, *, done: bool = False) -> list[Any]:
        turn = self.turn
        others = self._others if done else tuple(other[: len(text)] for other in self._others)
        turn.texts = (text, *others)
        return [
            candidate(
                rcid,
                words,
                thoughts=self.answer.thoughts,
                done=done,
                rich=self.answer.rich if done else None,
                style=self.style,
            )
            for rcid, words in zip(turn.rcids, turn.texts, strict=True)
        ]

    async def _steps(self) -> AsyncGenerator[Step, None]:
        """The frames in writes of a sensible size, paced, cut by the dice, and struck by the fault."""
        dice = self.world.dice("cuts", self.call.account, self.call.prompt)
        fault, answer = self.fault, self.answer
        waiting, size, counted = [PREFIX], 0, 0
        if answer.delay:
            await asyncio.sleep(answer.delay)
        for one in self._frames():
            if fault and counted >= fault.after_frames:
                async for step in self._strike(fault, waiting, one.data):
                    yield step
                if fault.kind != "stall":
                    return
                fault, waiting, size = None, [], 0
            waiting.append(one.data)
            size += len(one.data)
            counted += one.counted
            self.call.frames = counted
            if answer.pace or size >= _BATCH:
                for piece in chop(b"".join(waiting), self.style, dice):
                    yield piece
                waiting, size = [], 0
                if answer.pace:
                    await asyncio.sleep(answer.pace)
        if fault:
            async for step in self._strike(fault, waiting, b""):
                yield step
        elif waiting:
            for piece in chop(b"".join(waiting), self.style, dice):
                yield piece

    async def _strike(self, fault: Fault, waiting: list[bytes], following: bytes) -> AsyncGenerator[Step, None]:
        """Send what is due, then let the fault happen; a stall that ends gives the stream back."""
        self._struck = True
        if waiting:
            yield b"".join(waiting)
        match fault.kind:
            case "code":
                yield frame([part(None, None, error=error_info(fault.code or 0))], self.style)
            case "close":
                if fault.torn:
                    yield following[: max(1, len(following) * 2 // 3)]
            case "stall":
                await silence(fault.seconds)
                self._struck = False
            case "trickle":
                yield b"99999999\n["
                while True:
                    await asyncio.sleep(fault.seconds or 1.0)
                    yield b" "
            case "garbage":
                yield garbage(self.style)
            case "empty":
                pass
            case "captcha":
                yield CAPTCHA.encode()
            case kind:
                yield Break(kind)

    def _ended(self, outcome: Outcome) -> None:
        """Settle the turn: whole, stopped where it was, or never there."""
        self.world.record.ended(self.call, outcome)
        if not self.call.generated:
            return
        turn, chat = self.turn, self.chat
        if self.fault.completes if self.fault and self._struck else outcome == "complete":
            turn.texts, turn.thoughts, turn.state = (self._last, *self._others), self.answer.thoughts, "whole"
        elif turn.texts or turn.thoughts:
            turn.state = "stopped"
        elif turn in chat.turns:
            chat.turns.remove(turn)
            if not chat.turns:
                self.world.chats.forget(chat)


async def silence(seconds: float | None) -> None:
    """Wait so long, or for ever."""
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


def _marked(texts: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Each text, and whether it is the last one."""
    previous = next(texts)
    for text in texts:
        yield previous, False
        previous = text
    yield previous, True


def garbage(style: Style) -> bytes:
    """Text that is no frame of any kind, with bytes that are no UTF-8."""
    return b"<<<<<<< not a frame\n{]" + (b"\xff\xfe" if style.sparse else b"\xe2\x82") + b"12\nabc\n" * 3
