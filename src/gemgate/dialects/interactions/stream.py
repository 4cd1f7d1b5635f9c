"""Gemini interactions as server-sent events, new and told again from what is stored (docs/client-contracts.md 9).

An event's id is its place: `evt_STEP_N` ends behind the first N characters and images of a step. A stream that broke
off therefore goes on in the middle of a text, from the stored interaction alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from gemgate.chat import (
    Began,
    Ended,
    Event,
    Fold,
    Found,
    ImageGenerated,
    TextDelta,
    ThoughtDelta,
    ToolCalled,
    Usage,
)
from gemgate.dialects.interactions import answer
from gemgate.dialects.interactions.request import InteractionRequest, searches, wants_links
from gemgate.dialects.wire import EVENTS, ResponseMeta, dumps, pieces
from gemgate.errors import BadRequest, GatewayError
from gemgate.findings import Findings

CREATED, COMPLETED, END = "evt_created", "evt_completed", "end"
DONE = b"event: done\ndata: [DONE]\n\n"

Place = tuple[float, float]
"""Step and how far in it; before the first step is -1, behind the last is infinity."""
BEGINNING: Place = (-2, 0)
"""Before every event."""


def place_of(event_id: str) -> Place:
    """Where the event with this id stands; BadRequest for one that was never given."""
    if event_id == CREATED:
        return (-1, 0)
    if event_id == COMPLETED:
        return (float("inf"), 0)
    found = re.fullmatch(r"evt_(\d{1,6})_(\d{1,9}|end)", event_id, re.ASCII)
    if not found:
        raise BadRequest(
            f"last_event_id {event_id[:80]!r} is not one of ours",
            f"last_event_id {event_id[:80]!r} 无效",
            param="last_event_id",
        )
    return (int(found[1]), float("inf") if found[2] == END else int(found[2]))


def frame(kind: str, event_id: str, **fields: Any) -> bytes:
    """One event; its id stands in the frame and in the body, where the SDKs look for it."""
    body = dumps({"event_type": kind, **({"event_id": event_id} if event_id else {}), **fields})
    line = f"id: {event_id}\n".encode() if event_id else b""
    return f"event: {kind}\n".encode() + line + b"data: " + body + b"\n\n"


class Frames:
    """The events of one interaction, those behind a place only: what stands before it is empty."""

    def __init__(self, after: str = "") -> None:
        """after: the id of the last event that was seen, "" for none. BadRequest for an unknown one."""
        self._seen = place_of(after) if after else BEGINNING

    def _told(self, place: Place, event: bytes) -> bytes:
        return event if self._seen < place else b""

    def created(self, interaction: dict[str, Any]) -> bytes:
        return self._told((-1, 0), frame("interaction.created", CREATED, interaction=interaction))

    def completed(self, interaction: dict[str, Any]) -> bytes:
        """The end: everything but the steps, which were told."""
        known = {name: value for name, value in interaction.items() if name != "steps"}
        return self._told((float("inf"), 0), frame("interaction.completed", COMPLETED, interaction=known))

    def started(self, index: int, step: answer.Step) -> bytes:
        """A step begins: what is known of it before its pieces."""
        known = {name: value for name, value in step.items() if name not in ("content", "summary")}
        if step["type"] == "function_call":
            known["arguments"] = {}
        return self._told((index, 0), frame("step.start", f"evt_{index}_0", index=index, step=known))

    def stopped(self, index: int) -> bytes:
        return self._told((index, float("inf")), frame("step.stop", f"evt_{index}_{END}", index=index))

    def thing(self, index: int, place: int, content: answer.Content) -> bytes:
        """An image that ends at `place` of its step."""
        return _delta(index, place, content) if self._seen < (index, place) else b""

    def text(self, index: int, begins: int, step: str, text: str) -> bytes:
        """A piece of text that begins at place `begins` of a step of this type; what was seen of it is left out."""
        ends = begins + len(text)
        if self._seen >= (index, ends):
            return b""
        seen = max(0, int(self._seen[1]) - begins) if self._seen[0] == index else 0
        return _delta(index, ends, text_piece(step, text[seen:]))


def _delta(index: int, place: int, piece: dict[str, Any]) -> bytes:
    return frame("step.delta", f"evt_{index}_{place}", index=index, delta=piece)


def text_piece(step: str, text: str) -> dict[str, Any]:
    """Some text of a step, in the form of the step's type."""
    match step:
        case "thought":
            return {"type": "thought_summary", "content": answer.text_content(text)}
        case "function_call":
            return {"type": "arguments_delta", "arguments": text}
        case _:
            return answer.text_content(text)


def annotation_piece(notes: list[dict[str, Any]]) -> dict[str, Any]:
    """The annotations of the text before them."""
    return {"type": "text_annotation_delta", "annotations": notes}


class EventWriter:
    """Writes the events of one interaction.

    `snapshot` is the object as it stands: once it has ended the finished one, with its steps. The same events are
    always written with the same ids, so that one in the background can be written again, from any of them on.

    after: the id of the last event that was seen, "" for none. BadRequest for an unknown one.
    """

    heartbeat: bytes | None = b": ping\n\n"
    media_type = EVENTS

    def __init__(self, meta: ResponseMeta, body: InteractionRequest, model: str, *, after: str = "") -> None:
        self._meta = meta
        self._links = wants_links(body)
        self._searches = searches(body)
        self._said: list[str] = []
        self._fresh = 0
        self._broken = False
        self._begun = answer.beginning(meta, model, agent=body.agent is not None)
        self._frames = Frames(after)
        self._fold = Fold()
        self._began = False
        self._open = ""
        self._index = 0
        self._place = 0
        self.snapshot = answer.interaction_object(meta, body, model)

    def queued(self) -> bytes:
        """The beginning of one in the background, before anything is known of its answer."""
        self._began = True
        return self._frames.created(self._begun)

    def event(self, _: int, event: Event) -> bytes:
        self._fold.add(event)
        match event:
            case Began():
                return b"" if self._began else self._frames.created(self._begun)
            case TextDelta(text):
                opening = self._opened({"type": "model_output"})
                if opening or self._broken:
                    self._fresh, self._broken = len(self._said), False
                self._said.append(text)
                return opening + self._text(text)
            case ThoughtDelta(text):
                return self._opened({"type": "thought"}) + self._text(text)
            case ToolCalled(call):
                return self._call(answer.call_step(call))
            case ImageGenerated(image):
                opening = self._opened({"type": "model_output"})
                self._place += 1
                self._broken = True
                content = answer.image_content(image, self._meta, link=self._links)
                return opening + self._frames.thing(self._index, self._place, content)
            case Found(found):
                return self._found(found)
            case Ended():
                closing = self._closed()
                self.snapshot = answer.finished(self.snapshot, self._steps(), event)
                return closing + self._frames.completed(self.snapshot)

    def close(self) -> bytes:
        return DONE

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        return last_event(error, language, request_id)

    def _found(self, found: Findings) -> bytes:
        """Sound and films; the sources: of the open text, and as a search behind it; code that was run."""
        if found.media:
            events = [self._opened({"type": "model_output"})]
            self._broken = True
            for one in found.media:
                self._place += 1
                events.append(self._frames.thing(self._index, self._place, answer.media_content(one, link=self._links)))
            return b"".join(events)
        events = []
        if found.sources:
            self._place += 1
            notes = answer.citations_of(found, "".join(self._said), "".join(self._said[self._fresh :]))
            events.append(self._frames.thing(self._index, self._place, annotation_piece(notes)))
        events += map(self._opened, answer.tool_steps(found, self._meta, searches=self._searches))
        return b"".join(events)

    def stop(self, status: Literal["failed", "cancelled"], error: dict[str, Any] | None = None) -> bytes:
        """The interaction as far as it came, with the `error` that ended it."""
        if not self._fold.has_begun:
            self._fold.add(Began(""))
        self._fold.add(Ended("stop", Usage()))
        more = {"errors": [error]} if error else {}
        self.snapshot = {**self.snapshot, "status": status, "steps": self._steps(), **more}
        if error:
            return frame("error", "", error=error)
        return self._closed() + self._frames.completed(self.snapshot) + DONE

    def _steps(self) -> list[answer.Step]:
        return answer.steps_of(self._fold.reply(), self._meta, links=self._links, searches=self._searches)

    def _opened(self, step: answer.Step) -> bytes:
        """Begin a step of this type, unless it is open; end another."""
        if self._open == step["type"]:
            return b""
        closing = self._closed()
        self._open = step["type"]
        return closing + self._frames.started(self._index, step)

    def _closed(self) -> bytes:
        if not self._open:
            return b""
        ended = self._frames.stopped(self._index)
        self._open, self._place = "", 0
        self._index += 1
        return ended

    def _text(self, text: str) -> bytes:
        begins, self._place = self._place, self._place + len(text)
        return self._frames.text(self._index, begins, self._open, text)

    def _call(self, step: answer.Step) -> bytes:
        """Two calls in a row are two steps."""
        events = self._closed() + self._opened(step)
        return events + b"".join(map(self._text, pieces(dumps(step["arguments"]).decode()))) + self._closed()


def replay(interaction: dict[str, Any], after: str = "") -> Iterator[bytes]:
    """A stored interaction as events again, those behind the id `after` only; BadRequest for an unknown id."""
    return _replayed(interaction, Frames(after))


def _replayed(interaction: dict[str, Any], frames: Frames) -> Iterator[bytes]:
    known = ("id", "object", "model", "agent", "created", "updated")
    begun = {name: interaction[name] for name in known if name in interaction}
    yield frames.created({**begun, "status": "in_progress"})
    for index, step in enumerate(interaction.get("steps", ())):
        yield frames.started(index, step)
        place = 0
        for piece in _pieces(step):
            if isinstance(piece, str):
                yield frames.text(index, place, step["type"], piece)
                place += len(piece)
            else:
                place += 1
                yield frames.thing(index, place, piece)
        yield frames.stopped(index)
    yield frames.completed(interaction)
    yield DONE


def _pieces(step: answer.Step) -> Iterator[Any]:
    """Texts, with their annotations behind them, and images of a step in their order."""
    if step["type"] == "function_call":
        yield dumps(step["arguments"]).decode()
        return
    for content in step.get("content") or step.get("summary") or ():
        yield content["text"] if content["type"] == "text" else content
        if notes := content.get("annotations"):
            yield annotation_piece(notes)


def last_event(error: GatewayError, language: str, request_id: str) -> bytes:
    """The end of a stream that cannot go on."""
    _, body = answer.envelope(error, language, request_id)
    return frame("error", "", error=body["error"])
