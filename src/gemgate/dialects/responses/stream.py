"""OpenAI responses as server-sent events: numbered, item by item, the whole object at both ends
(docs/client-contracts.md 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gemgate.chat import Began, Ended, Event, Found, ImageGenerated, TextDelta, ThoughtDelta, ToolCall, ToolCalled
from gemgate.dialects.responses import answer
from gemgate.dialects.responses.request import ResponsesRequest, toolbox
from gemgate.dialects.wire import EVENTS, ResponseMeta, image_markdown, pieces, sse
from gemgate.errors import GatewayError
from gemgate.findings import Findings
from gemgate.images import GeneratedImage

if TYPE_CHECKING:
    from gemgate.dialects.shapes.responses import UrlCitation


class EventWriter:
    """Writes the events of one response.

    `snapshot` is the object as it stands: after `Ended` the finished one, which is what a store keeps. The same events
    are always written with the same numbers, so that a background response can be written again, from any of them on.

    after: events up to this number are not written, -1 writes all of them.
    """

    heartbeat: bytes | None = b": ping\n\n"
    media_type = EVENTS

    def __init__(self, meta: ResponseMeta, body: ResponsesRequest, model: str, *, after: int = -1) -> None:
        self._meta = meta
        self._after = after
        self._box = toolbox(body)
        self._number = 0
        self._items: list[answer.Item] = []
        self._open: type[TextDelta] | type[ThoughtDelta] | None = None
        self._pieces: list[str] = []
        self._notes: list[UrlCitation] = []
        self.snapshot = answer.response_object(meta, body, model)

    def queued(self) -> bytes:
        """The beginning of a background response, before anything is known of its answer."""
        state = {"response": self.snapshot}
        return self._say("response.created", **state) + self._say("response.queued", **state)

    def event(self, _: int, event: Event) -> bytes:
        match event:
            case Began():
                created = b"" if self._number else self._say("response.created", response=self.snapshot)
                self.snapshot = {**self.snapshot, "status": "in_progress"}
                return created + self._say("response.in_progress", response=self.snapshot)
            case TextDelta(text):
                return self._text(text)
            case ThoughtDelta(text):
                return self._thought(text)
            case ToolCalled(call):
                return self._close_item() + self._call(call)
            case ImageGenerated(image):
                return self._close_item() + self._image(image)
            case Found(found):
                return self._found(found)
            case Ended():
                closing = self._close_item("incomplete" if event.reason in answer.CUT else "completed")
                self.snapshot = answer.finished(self.snapshot, self._items, event)
                return closing + self._say(f"response.{self.snapshot['status']}", response=self.snapshot)

    def close(self) -> bytes:
        return b""

    def fail(self, error: GatewayError, language: str, _: str) -> bytes:
        """The response as far as it came, failed."""
        return self.stop("failed", answer.failure(error, language))

    def stop(self, status: Literal["failed", "cancelled"], error: dict[str, Any] | None = None) -> bytes:
        """The response as far as it came, with the `error` that ended it."""
        items = list(self._items)
        if self._open is TextDelta:
            items.append(answer.message_item("".join(self._pieces), len(items), self._meta, "incomplete"))
        self.snapshot = {**self.snapshot, "status": status, "error": error, "output": items}
        return self._say(f"response.{status}", response=self.snapshot)

    def _say(self, kind: str, **fields: Any) -> bytes:
        number = self._number
        self._number += 1
        return sse({"type": kind, "sequence_number": number, **fields}, kind) if number > self._after else b""

    @property
    def _index(self) -> int:
        return len(self._items)

    def _text(self, text: str) -> bytes:
        opening = b""
        place = {"item_id": answer.item_id("msg", self._index, self._meta), "output_index": self._index}
        if self._open is not TextDelta:
            opening = self._close_item()
            place = {"item_id": answer.item_id("msg", self._index, self._meta), "output_index": self._index}
            self._open = TextDelta
            empty = {**answer.message_item("", self._index, self._meta, "in_progress"), "content": []}
            opening += self._say("response.output_item.added", output_index=self._index, item=empty)
            opening += self._say("response.content_part.added", **place, content_index=0, part=answer.text_part(""))
        self._pieces.append(text)
        delta = self._say("response.output_text.delta", **place, content_index=0, delta=text, logprobs=[])
        return opening + delta

    def _thought(self, text: str) -> bytes:
        opening = b""
        if self._open is not ThoughtDelta:
            opening = self._close_item()
            self._open = ThoughtDelta
            empty = {**answer.reasoning_item("", self._index, self._meta), "summary": []}
            opening += self._say("response.output_item.added", output_index=self._index, item=empty)
            opening += self._say(
                "response.reasoning_summary_part.added", **self._summary(), part={"type": "summary_text", "text": ""}
            )
        self._pieces.append(text)
        return opening + self._say("response.reasoning_summary_text.delta", **self._summary(), delta=text)

    def _summary(self) -> dict[str, Any]:
        item_id = answer.item_id("rs", self._index, self._meta)
        return {"item_id": item_id, "output_index": self._index, "summary_index": 0}

    def _close_item(self, status: Literal["completed", "incomplete"] = "completed") -> bytes:
        """End the open text or thought, if there is one. status: of a text."""
        kind, text, notes = self._open, "".join(self._pieces), self._notes
        self._open, self._pieces, self._notes = None, [], []
        if kind is None:
            return b""
        if kind is ThoughtDelta:
            done = self._say("response.reasoning_summary_text.done", **self._summary(), text=text)
            part = {"type": "summary_text", "text": text}
            done += self._say("response.reasoning_summary_part.done", **self._summary(), part=part)
            return done + self._done(answer.reasoning_item(text, self._index, self._meta))
        item = answer.message_item(text, self._index, self._meta, status, notes=notes)
        place = {"item_id": item["id"], "output_index": self._index, "content_index": 0}
        done = self._say("response.output_text.done", **place, text=text, logprobs=[])
        done += self._say("response.content_part.done", **place, part=answer.text_part(text, notes))
        return done + self._done(item)

    def _found(self, found: Findings) -> bytes:
        """The sources: of the open text, and as a call of the search tool behind it; and code that was run."""
        if not found.sources:
            return self._close_item() + self._runs(found) if found.runs else b""
        self._notes = answer.citations_of(found, self._items, "".join(self._pieces))
        place = {"item_id": answer.item_id("msg", self._index, self._meta), "output_index": self._index}
        events = [
            self._say(
                "response.output_text.annotation.added", **place, content_index=0, annotation_index=at, annotation=note
            )
            for at, note in enumerate(self._notes)
        ]
        events.append(self._close_item())
        events.append(self._runs(found))
        for item in answer.search_items(found, self._index, self._meta, self._box):
            opening = {**item, "status": "in_progress"}
            place = {"item_id": item["id"], "output_index": self._index}
            events.append(self._say("response.output_item.added", output_index=self._index, item=opening))
            events += [
                self._say(f"response.web_search_call.{step}", **place)
                for step in ("in_progress", "searching", "completed")
            ]
            events.append(self._done(item))
        return b"".join(events)

    def _runs(self, found: Findings) -> bytes:
        events: list[bytes] = []
        for item in answer.run_items(found, self._index, self._meta):
            place = {"item_id": item["id"], "output_index": self._index}
            opening = {**item, "status": "in_progress", "code": "", "outputs": None}
            events.append(self._say("response.output_item.added", output_index=self._index, item=opening))
            events.append(self._say("response.code_interpreter_call.in_progress", **place))
            events += [
                self._say("response.code_interpreter_call_code.delta", **place, delta=piece)
                for piece in pieces(item["code"])
            ]
            events.append(self._say("response.code_interpreter_call_code.done", **place, code=item["code"]))
            events += [
                self._say(f"response.code_interpreter_call.{step}", **place) for step in ("interpreting", "completed")
            ]
            events.append(self._done(item))
        return b"".join(events)

    def _done(self, item: answer.Item) -> bytes:
        event = self._say("response.output_item.done", output_index=self._index, item=item)
        self._items.append(item)
        return event

    def _call(self, call: ToolCall) -> bytes:
        item = answer.call_item(call, self._index, self._meta, self._box)
        place = {"item_id": item["id"], "output_index": self._index}
        match item["type"]:
            case "function_call":
                name, field, more = "function_call_arguments", "arguments", {"name": item["name"]}
            case "custom_tool_call":
                name, field, more = "custom_tool_call_input", "input", {}
            case _:
                opening = {**item, "status": "in_progress"}
                added = self._say("response.output_item.added", output_index=self._index, item=opening)
                return added + self._done(item)
        whole, opening = item[field], {**item, "status": "in_progress", field: ""}
        events = [self._say("response.output_item.added", output_index=self._index, item=opening)]
        events += [self._say(f"response.{name}.delta", **place, delta=piece) for piece in pieces(whole)]
        events.append(self._say(f"response.{name}.done", **place, **more, **{field: whole}))
        return b"".join(events) + self._done(item)

    def _image(self, image: GeneratedImage) -> bytes:
        if image.data is None:
            return self._text(image_markdown(image, self._meta)) + self._close_item()
        item = answer.image_item(image, image.data, self._index, self._meta)
        place = {"item_id": item["id"], "output_index": self._index}
        opening = {"id": item["id"], "type": "image_generation_call", "status": "in_progress", "result": None}
        events = self._say("response.output_item.added", output_index=self._index, item=opening)
        for step in ("in_progress", "generating", "completed"):
            events += self._say(f"response.image_generation_call.{step}", **place)
        return events + self._done(item)


def last_event(error: GatewayError, language: str, request_id: str) -> bytes:
    """The end of a stream whose state is lost: OpenAI's event `error`."""
    _, body = answer.envelope(error, language, request_id)
    fields = body["error"]
    event = {"type": "error", "code": fields["code"], "message": fields["message"], "param": None}
    return sse({**event, "sequence_number": 0}, "error")
