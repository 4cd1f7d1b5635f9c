"""One answer on its way: which snapshots it is told in, how they are paced, and where a fault cuts in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gemgate_simulator import frames, windows
from gemgate_simulator.chats import PROGRESS, Chat, Turn
from gemgate_simulator.exchange import Break, Outcome, Response, Step
from gemgate_simulator.frames import PREFIX, Style, candidate, chop, error_info, frame, part, service, snapshot
from gemgate_simulator.model_names import PAINTER
from gemgate_simulator.pages import CAPTCHA
from gemgate_simulator.record import Call
from gemgate_simulator.script import Answer, Fault, Prompt
from gemgate_simulator.state import ServiceState

HEADERS = (
    ("content-type", "application/json; charset=utf-8"),
    ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("content-disposition", 'attachment; filename="response.bin"'),
    ("x-content-type-options", "nosniff"),
)
_BATCH = 64 << 10
STOP_SECONDS = 0.6
"""From the stop call to the end of the stream (docs/google-wire.md 7.2)."""
NOT_STORED = 1096
"""Behind a whole answer: the conversation is not kept. In place of one: there is no such record."""


@dataclass(slots=True)
class _Shot:
    """One snapshot: the part that carries it, and how far text and thoughts have come with it."""

    part: list[Any]
    texts: tuple[str, ...]
    thoughts: str


@dataclass(slots=True)
class _Frame:
    """A frame to send. shot: the snapshot in it, if any; `after_frames` counts those."""

    data: bytes
    shot: _Shot | None = None


@dataclass(slots=True, eq=False)
class Telling:
    """A turn being told to one client. kept: how many turns of the chat it follows on; withholds: its thoughts."""

    world: ServiceState
    call: Call
    chat: Chat
    turn: Turn
    kept: int
    prompt: Prompt
    style: Style
    withholds: bool = False
    answer: Answer = field(default_factory=Answer)
    fault: Fault | None = None
    _struck: bool = False
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: bool = False
    _others: tuple[str, ...] = ()

    def listen(self, answer: Answer, fault: Fault | None) -> None:
        """Take the answer, in wire text, and enter the turn into the chat."""
        self.answer, self.fault = answer, fault
        turn = self.turn
        if isinstance(answer.candidates, int):
            self._others = tuple(f"{self._last} (draft {n})" for n in range(2, answer.candidates + 1))
        else:
            self._others = answer.candidates
        turn.rcids += tuple(f"rc_{secrets.token_hex(8)}" for _ in self._others)
        turn.rich, turn.canvas = answer.rich, answer.canvas
        for image in turn.images:
            image.rcids = turn.rcids
        size = len(turn.prompt) + len(answer.thoughts) + sum(map(len, (self._last, *self._others)))
        self.world.chats.add(self.chat, turn, self.kept, size)
        self.world.telling[turn.rid] = self

    def stop(self) -> None:
        """The client wants no more of it: the stream ends by itself a moment later, and what was said is stored."""
        self._stopping.set()

    async def _pause(self, seconds: float | None) -> None:
        """Wait so long, or for ever, or until a moment after it was stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
                self._cut = True
        if self._cut:
            await asyncio.sleep(STOP_SECONDS)

    def response(self) -> Response:
        """The answer as a stream, or in one piece when it is short and in no hurry to be difficult."""
        self.world.record.opened(self.call)
        plain = self.fault is None and not self.style.cuts and not self.turn.images
        if plain and not self.answer.delay and not self.answer.pace and self._size() <= _BATCH:
            body = PREFIX + b"".join(one.data for one in self._frames())
            return Response(200, HEADERS, body, on_end=self._ended)
        return Response(200, HEADERS, self._steps(), on_end=self._ended)

    def _painting(self) -> Awaitable[None] | None:
        """The images being painted, in a thread where there is a loop: the answer says how many bytes they have."""

        def paint() -> None:
            for image in self.turn.images:
                image.announced()

        try:
            return asyncio.get_running_loop().run_in_executor(None, paint) if self.turn.images else None
        except RuntimeError:
            paint()
            return None

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

    def _recorded(self) -> Iterator[_Frame]:
        """Recorded frames with this turn's ids."""
        names = {"c_1": self.chat.cid, "r_1": self.turn.rid, "rc_1": self.turn.rcids[0]}
        for row in self.answer.recorded:
            said, shot = [], None
            for one in row:
                body = frames.renamed(one[2], names) if len(one) > 2 and isinstance(one[2], list) else None
                said.append(one if body is None else [*one[:2], frames.inner(body, self.style), *one[3:]])
                if body is not None and len(body) > 4 and body[4]:
                    shot = _Shot(said[-1], (body[4][0][1][0],), "")
            yield _Frame(frame(said, self.style), shot)

    def _frames(self) -> Iterator[_Frame]:
        if self.answer.recorded:
            yield from self._recorded()
            return
        ids, style = (self.chat.cid, self.turn.rid), self.style
        if style.positional:
            yield self._beside(ids, {})
        else:
            yield self._beside((None, self.turn.rid), {frames.RID: self.turn.rid})
            yield self._beside(ids, {frames.TOKEN: [f"AWx{self.turn.rid}"], frames.STORED: not self.chat.temporary})
        for _ in range(self.answer.queued):
            yield _Frame(frame([part(None, None, error=[9])], style))
        for _ in range(self.answer.busy):
            yield self._beside(ids, {frames.PROGRESS: frames.progress("Analyzing...", style)})
        if self.turn.images:
            yield self._beside(ids, {frames.PROGRESS: frames.progress(f"Loading {PAINTER}...", style)})
        # Two parts in one frame, where nobody counts or paces the frames
        paired = style.paired and not self.fault and not self.answer.pace
        waiting: list[Any] = []
        for shot in self._shots(ids):
            waiting.append(shot.part)
            if not paired or len(waiting) == 2:
                yield _Frame(frame(waiting, style), shot)
                waiting = []
        if waiting:
            yield _Frame(frame(waiting, style), shot)
        yield from self._trailing(ids)
        if style.extras:
            yield _Frame(frame([["di", 1843], ["af.httprm", 1843, "6153279406432108375", 7]], style))
            yield _Frame(frame([["e", 21, None, None, 8812]], style))

    def _beside(self, ids: tuple[str | None, str], fields: Mapping[int, Any]) -> _Frame:
        """A frame of what is said beside the answer: by place in one part, or by key in a part for each."""
        style = self.style
        if style.positional:
            return _Frame(frame([part(None, snapshot(ids, beside=fields), style)], style))
        return _Frame(frame([part(None, service(ids, *one), style) for one in fields.items()], style))

    def _closing(self) -> dict[int, Any]:
        """What is said beside the end of an answer: title, quota, and the context where the chat is kept."""
        said = {frames.TITLE: [self.chat.title], frames.QUOTA: self._quota()}
        return {**said, frames.CONTEXT: self.turn.context} if self._stored else said

    def _quota(self) -> Any:
        world = self.world
        return windows.quota(world.accounts.get(self.call.account), self.chat.model, world.clock())

    def _named(self) -> dict[int, Any]:
        """Who answers, as the last content frame says it; of images the progress and the history tell it."""
        named = self.turn.named
        if named is None or self.turn.images:
            return {}
        return {frames.MARK: True, frames.MODEL_ID: named.id, frames.MODEL_NAME: named.display}

    @property
    def _stored(self) -> bool:
        return self.world.stores(self.call.account, temporary=self.chat.temporary)

    def _trailing(self, ids: tuple[str, str]) -> Iterator[_Frame]:
        """What comes behind the last snapshot of a whole answer."""
        if not (self._last or self.answer.thoughts or self.answer.rich or self.turn.images):
            return
        if not self.style.positional:
            for one in self._closing().items():
                yield self._beside(ids, dict([one]))
        quiet = self._stored or self.world.switches.silent
        for code in (*self.answer.codes, *(() if quiet else (NOT_STORED,))):
            yield _Frame(frame([part(None, None, error=error_info(code))], self.style))

    def _shots(self, ids: tuple[str, str]) -> Iterator[_Shot]:
        """The snapshots: thoughts grow first, then the text; the last one carries the final marks."""
        answer, turn = self.answer, self.turn
        if not (self._last or answer.thoughts or answer.rich or answer.canvas or turn.images):
            return
        if answer.thoughts:
            for thoughts in frames.growing(answer.thoughts, answer.chars):
                yield self._shot(ids, ("",), thoughts)
        for _ in range(answer.progress if turn.images else 0):
            yield self._shot(ids, ("",), answer.thoughts, rich={PROGRESS: [1]})
        for share in (0.5, 1.0) if turn.canvas else ():
            yield self._shot(ids, ("",), answer.thoughts, share=share)
        for text, last in _marked(self._texts()):
            others = self._others if last else tuple(other[: len(text)] for other in self._others)
            yield self._shot(ids, (text, *others), answer.thoughts, done=last)

    def _shot(
        self,
        ids: tuple[str, str],
        texts: tuple[str, ...],
        thoughts: str,
        rich: Mapping[int, Any] | None = None,
        *,
        done: bool = False,
        share: float = 1.0,
    ) -> _Shot:
        style = self.style
        rich = self.turn.whole_rich() if done else rich
        canvas = () if done else self.turn.sheets(ids[0], share)
        rows = [
            candidate(rcid, text, thoughts=thoughts, done=done, rich=rich, canvas=canvas, style=style)
            for rcid, text in zip(self.turn.rcids, texts, strict=False)
        ]
        beside = {**self._named(), **(self._closing() if style.positional else {})} if done else None
        return _Shot(part(None, snapshot(ids, rows, beside), style), texts, thoughts)

    async def _steps(self) -> AsyncGenerator[Step, None]:
        """The frames in writes of a sensible size, paced, cut by the dice, and struck by the fault."""
        dice = self.world.dice("cuts", self.call.account, self.call.prompt)
        fault, answer = self.fault, self.answer
        waiting, size, counted = [PREFIX], 0, 0
        painting = self._painting()
        if answer.delay:
            await self._pause(answer.delay)
        if painting is not None:
            await painting
        for one in self._frames():
            if fault and counted >= fault.after_frames:
                async for step in self._strike(fault, waiting, one.data):
                    yield step
                if fault.kind != "stall":
                    return
                if self._cut:
                    yield self._last_words()
                    return
                fault, waiting, size = None, [], 0
            waiting.append(one.data)
            size += len(one.data)
            if one.shot:
                counted += 1
                self.call.frames = counted
                self.turn.texts, self.turn.thoughts = one.shot.texts, one.shot.thoughts
            if answer.pace or size >= _BATCH:
                for piece in chop(b"".join(waiting), self.style, dice):
                    yield piece
                waiting, size = [], 0
                if answer.pace:
                    await self._pause(answer.pace)
            if self._cut:
                yield b"".join([*waiting, self._last_words()])
                return
        if fault:
            async for step in self._strike(fault, waiting, b""):
                yield step
        elif waiting:
            for piece in chop(b"".join(waiting), self.style, dice):
                yield piece

    def _last_words(self) -> bytes:
        """The end of an answer that was stopped: what was said is all of it."""
        if not self.turn.texts:
            return frame([["e", 2, None, None, 99]], self.style)
        shot = self._shot((self.chat.cid, self.turn.rid), self.turn.texts, self.turn.thoughts, done=True)
        return frame([shot.part], self.style) + frame([["e", 21, None, None, 8812]], self.style)

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
                await self._pause(fault.seconds)
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
        switches = self.world.switches
        self.world.telling.pop(turn.rid, None)
        turn.shown_from = self.world.clock() + switches.stored_after if switches.stored_after else 0.0
        if self._cut and outcome == "complete":
            turn.state = "whole"
            return
        alone = (self.world.carries_on or turn.lasts) and outcome == "cancelled"
        keeps = switches.closing if outcome == "cancelled" and not self._struck else switches.early_end
        if self.fault.completes if self.fault and self._struck else outcome == "complete" or alone:
            turn.texts, turn.thoughts, turn.state = (self._last, *self._others), self.answer.thoughts, "whole"
        elif (turn.texts or turn.thoughts) and keeps == "keeps":
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
