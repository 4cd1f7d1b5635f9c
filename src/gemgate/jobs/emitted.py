"""What earlier runs of a response have told, and what of the next run's events is new.

A run that was killed is read back from its conversation as a whole: what was told of it already is left out, and the
rest follows on it, so that the runs together tell the answer once. Where the two do not agree there is no rest to tell.
Thoughts are not the answer: those that differ are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gemgate.chat import Began, Ended, Event, Found, ImageGenerated, TextDelta, ThoughtDelta, Told, ToolCalled
from gemgate.errors import Broken, Interrupted

CODE = "response_interrupted"


def differs() -> Interrupted:
    """What was read back is not what was told."""
    return Interrupted(
        "The answer broke off after part of it was told, and Google has another text now; ask again for all of it",
        "回答在输出一部分后中断，而 Google 现在保存的文本与已输出的部分不同；请重新请求",
        generated="maybe",
        code=CODE,
    )


def unread() -> Broken:
    """The rest cannot be read now. It may be there later: Google stores an answer when it has written it."""
    return Broken(
        "The answer broke off, and what is left of it could not be read back; ask again for all of it",
        "回答中断，且无法读回剩余内容；请重新请求",
        generated="maybe",
        code=CODE,
    )


def lost() -> Interrupted:
    """Nothing is known of a prompt but that it may have left."""
    return Interrupted(
        "The call was cut off while its prompt was on its way, which may have been answered; ask anew if you must",
        "发送提示词时中断，请求可能已被处理；如有需要请重新请求",
        generated="maybe",
        code=CODE,
    )


class Emitted:
    """`ended`: nothing is left to tell. `spoke`: more than the beginning was told."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.ended: Ended | None = None
        self._began = False
        self._left: deque[Told] = deque()
        for event in events:
            match event:
                case Began():
                    self._began = True
                case Ended():
                    self.ended = event
                case _:
                    self._left.append(event)
        self.spoke = bool(self._left)

    def rest(self, event: Event) -> Event | None:
        """What of this event was not told before; None for nothing. Interrupted when something else was told."""
        match event:
            case Began():
                new, self._began = not self._began, True
                return event if new else None
            case TextDelta(text):
                return self._text(text)
            case ThoughtDelta(text):
                return self._thought(text)
            case ToolCalled() | ImageGenerated() | Found():
                return self._thing(event)
            case Ended():
                self._next()
                if self._left:
                    raise differs()
                self.ended = event
                return event

    def _next(self) -> TextDelta | ToolCalled | ImageGenerated | Found | None:
        """The next thing that was told, thoughts aside."""
        while self._left:
            first = self._left[0]
            if not isinstance(first, ThoughtDelta):
                return first
            self._left.popleft()
        return None

    def _text(self, text: str) -> TextDelta | None:
        while text and (known := self._next()):
            if not isinstance(known, TextDelta):
                raise differs()
            common = min(len(known.text), len(text))
            if known.text[:common] != text[:common]:
                raise differs()
            self._left.popleft()
            if known.text[common:]:
                self._left.appendleft(TextDelta(known.text[common:]))
            text = text[common:]
        return TextDelta(text) if text else None

    def _thought(self, text: str) -> ThoughtDelta | None:
        while text and self._left and isinstance(first := self._left[0], ThoughtDelta):
            common = min(len(first.text), len(text))
            if first.text[:common] != text[:common]:
                return None
            self._left.popleft()
            if first.text[common:]:
                self._left.appendleft(ThoughtDelta(first.text[common:]))
            text = text[common:]
        return ThoughtDelta(text) if text and not self._left else None

    def _thing(self, event: ToolCalled | ImageGenerated | Found) -> Event | None:
        """A call, an image or what was found is known by what it asks for, and by its place: ids and files are made
        anew.
        """
        known = self._next()
        if known is None:
            return event
        same = isinstance(known, ImageGenerated | Found) and type(known) is type(event)
        if isinstance(known, ToolCalled) and isinstance(event, ToolCalled):
            same = (known.call.name, known.call.arguments) == (event.call.name, event.call.arguments)
        if not same:
            raise differs()
        self._left.popleft()
        return None
