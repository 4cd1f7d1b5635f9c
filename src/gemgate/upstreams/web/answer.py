"""One generation's frames, read into pieces (docs/gemini-webapi.md 6 and 7). No I/O here: frames in, pieces out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from gemini_webapi.constants import CARD_CONTENT_RE, DEFAULT_METADATA, Field
from gemini_webapi.utils import get_nested_value as at
from gemini_webapi.utils import get_rich_content_field

from gemgate.accounts import UsageWindow
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import GatewayError
from gemgate.ports.upstream import Accepted, Completed, ImageReady, ImageRef, Started, Thread, Unknown, UpstreamEvent
from gemgate.upstreams.web import codes, fields, image_rows, quota, served
from gemgate.upstreams.web.research_fields import state_of
from gemgate.upstreams.web.rich_content import RICH, Riches
from gemgate.upstreams.web.text_deltas import TextDeltas

_COMPLETE = 2
_CONTEXT_SLOT = 9
_CANDIDATES = 4
_PLAIN = 5
"""Places of a part that holds ids and candidates, and nothing beside them."""
_PARTS = ("wrb.fr", "er", "di", "af.httprm", "e")


class Answer:
    """Collects what the frames say about one answer.

    `complete` is true once Google called the turn finished; `cid` is known as early as the first frame;
    `spoke` tells whether any content came (from then on nothing is certain any more). A code behind a finished answer
    is no failure: `stored` is False then, and the conversation is not gone on with (docs/google-wire.md 4.1).
    `progress` and `left` are what was said beside the answer (6.1). The chat's title stands there too and is left
    alone: it has words of the prompt, which nothing here keeps.
    """

    def __init__(
        self, model: str, thread: Thread | None, *, exact: bool, prompt: str = "", research: bool = False
    ) -> None:
        self._model = model
        self._prompt = prompt
        self._metadata: list[Any] = list(DEFAULT_METADATA)
        if thread:
            self._merge(thread.metadata)
        # A conversation whose turns nobody counted stays uncounted
        self._turns = 1 if thread is None else thread.turns + 1 if thread.turns else 0
        self._text = TextDeltas(exact=exact)
        self._thoughts = TextDeltas(exact=exact)
        self._images: dict[str, ImageRef] = {}
        self._riches = Riches(research=research)
        self._served = self._served_id = self.painter = ""
        self._finished_turn = False
        self._pending = False
        self.cid_confirmed = False
        self.spoke = False
        self.frames = 0
        self.stored = True
        self.progress = ""
        self.left: tuple[UsageWindow, ...] = ()
        self._unknown: set[str] = set()
        self.failure: GatewayError | None = None

    @property
    def complete(self) -> bool:
        return self._finished_turn and not self._pending

    @property
    def cid(self) -> str:
        """The conversation's id once Google has confirmed it for this answer, else empty."""
        return str(self._metadata[0] or "") if self.cid_confirmed else ""

    @property
    def rid(self) -> str:
        """The id of this answer's turn, empty until Google has named it."""
        return str(self._metadata[1] or "") if self.cid_confirmed else ""

    @property
    def rcid(self) -> str:
        return str(self._metadata[2] or "")

    def feed(self, frames: Sequence[str]) -> list[UpstreamEvent]:
        """Pieces of these frames up to one with an error code: that becomes `failure`, after what was said."""
        pieces: list[UpstreamEvent] = []
        self.frames += len(frames)
        for frame in frames:
            try:
                parts = orjson.loads(frame)
            except orjson.JSONDecodeError:
                continue  # the library skips such frames as well
            try:
                for part in parts if isinstance(parts, list) else ():
                    if isinstance(part, list):
                        self._part(part, pieces)
            except GatewayError as error:
                self.failure = error
                break
        return pieces

    def finish(self) -> list[UpstreamEvent]:
        """What is held back, then the end."""
        pieces: list[UpstreamEvent] = []
        self._say(pieces, ThoughtDelta, self._thoughts.finish())
        self._say(pieces, TextDelta, self._text.finish())
        if not self.spoke:
            pieces.append(Started(self.cid))
            self.spoke = True
        revised = self._text.revised or self._thoughts.revised
        found = self._riches.findings(self._text.raw)
        for name in sorted(self._riches.unknown):
            self._not_known(name, pieces)
        thread = Thread(tuple(self._metadata), self._turns)
        text = self._text.text
        research = state_of(self._riches.fields, said=text, thread=thread.metadata)
        named = (self._served, self._served_id, self.painter)
        pieces.append(Completed(thread, text, revised, self.stored, found, *named, self.left, research))
        return pieces

    @property
    def painted(self) -> bool:
        """Whether it has brought an image."""
        return bool(self._images)

    def named(self, name: str, model_id: str) -> None:
        """Google says who answers; what it does not say stays as it is."""
        self._served, self._served_id = name or self._served, model_id or self._served_id

    def candidate(self, data: list[Any], *, final: bool) -> list[UpstreamEvent]:
        """Pieces of a candidate that was read from history instead of the stream."""
        pieces: list[UpstreamEvent] = []
        self._candidate(data, pieces, final=final)
        return pieces

    def _part(self, part: list[Any], pieces: list[UpstreamEvent]) -> None:
        if part and part[0] not in _PARTS:
            self._not_known("part", pieces)
        if len(part) > 5 and part[5] and part[0] in ("wrb.fr", "er"):
            self._status(part[5], pieces)
        inner = part[2] if len(part) > 2 else None
        if not isinstance(inner, str):
            return
        try:
            body = orjson.loads(inner)
        except orjson.JSONDecodeError:
            return
        if not isinstance(body, list):
            return
        size = len(body)
        if size > 1 and isinstance(ids := body[1], list):
            if self._metadata[: len(ids)] != ids:  # every part tells them again
                self._merge(ids)
            if not self.cid_confirmed and ids and ids[0]:
                self.cid_confirmed = True
                pieces.append(Accepted(self.cid))
        if size != _PLAIN:
            self._beside(body, pieces)
        if size > _CANDIDATES and isinstance(candidates := body[_CANDIDATES], list):
            first = next((c for c in candidates if isinstance(c, list) and c and c[0]), None)
            if first is not None:
                if not self.cid_confirmed:
                    self._not_known("frame without cid", pieces)
                self._pending = False
                self._candidate(first, pieces, final=False)

    def _status(self, status: Any, pieces: list[UpstreamEvent]) -> None:
        """A code or status: what it means before, in, and behind the answer. A list that is no failure is a queue."""
        code = at(status, [2, 0, 1, 0]) if isinstance(status, list) else status
        number = at(status, [0]) if isinstance(status, list) else 0
        code = code if isinstance(code, int) else 0
        number = number if isinstance(number, int) else 0
        if (code and code not in codes.CODES) or (not code and number not in codes.STATUSES):
            self._not_known(f"code {code}" if code else f"status {number}", pieces)
        if self.complete:
            self.stored = False
        elif code or number in codes.STATUSES:
            error = codes.failure(code, number, self._model)
            raise error.with_(generated="maybe", remedy="") if self.spoke else error
        else:
            self._pending = True

    def _beside(self, body: list[Any], pieces: list[UpstreamEvent]) -> None:
        """What is said beside the answer, by place or by key."""
        said = fields.beside(body)
        for number in sorted(said):
            value = said[number]
            match number:
                case fields.PROGRESS:
                    if value is not None:
                        self._pending = not self._finished_turn
                        self.progress = fields.text_in(_without_tool(value)) or self.progress
                        self.painter = served.painter(self.progress) or self.painter
                case fields.CONTEXT:
                    if isinstance(value, str):
                        self._metadata[_CONTEXT_SLOT] = value
                        self._pending = False
                case fields.QUOTA:
                    self.left = quota.windows(value) or self.left
                case fields.MODEL_ID:
                    self.named("", served.text(value))
                case fields.MODEL_NAME:
                    self.named(served.text(value), "")
                case _:
                    self._not_known(fields.name(number), pieces)

    def _not_known(self, field: str, pieces: list[UpstreamEvent]) -> None:
        """Say once that Google's answer holds something this version does not know."""
        if field not in self._unknown:
            self._unknown.add(field)
            pieces.append(Unknown(field))

    def _candidate(self, candidate: list[Any], pieces: list[UpstreamEvent], *, final: bool) -> None:
        self._metadata[2] = candidate[0]
        if fields.first(candidate, 8) == _COMPLETE:
            self._finished_turn = True
        thoughts = fields.first(candidate, 37)
        if isinstance(thoughts, list) and thoughts and isinstance(thoughts[0], str):
            self._say(pieces, ThoughtDelta, self._thoughts.feed(thoughts[0], final=final))
        if isinstance(text := fields.first(candidate, 1), str):
            if CARD_CONTENT_RE.match(text):
                text = fields.first(candidate, 22) or text
            if text and self._thoughts.raw:
                self._say(pieces, ThoughtDelta, self._thoughts.finish())
            self._say(pieces, TextDelta, self._text.feed(text, final=final))
        self._riches.see(candidate)
        if len(candidate) > RICH and candidate[RICH]:
            self._find_images(candidate, pieces)

    def _find_images(self, candidate: list[Any], pieces: list[UpstreamEvent]) -> None:
        rows = at(get_rich_content_field(candidate, Field.GENERATED_IMAGES), [0], [])
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            ids = (self.cid, str(self._metadata[1] or ""), self.rcid)
            ref = image_rows.read(row, index, ids, self._prompt)
            if ref is not None and ref.image_id not in self._images:
                ref = replace(ref, painter=self.painter)
                self._images[ref.image_id] = ref
                self._open(pieces)
                pieces.append(ImageReady(ref))

    def _say(self, pieces: list[UpstreamEvent], kind: type[TextDelta] | type[ThoughtDelta], text: str) -> None:
        if text:
            self._open(pieces)
            pieces.append(kind(text))

    def _open(self, pieces: list[UpstreamEvent]) -> None:
        if not self.spoke:
            self.spoke = True
            pieces.append(Started(self.cid))

    def _merge(self, ids: Sequence[Any]) -> None:
        for slot, value in enumerate(ids[: len(DEFAULT_METADATA)]):
            if value is not None:
                self._metadata[slot] = value


def _without_tool(progress: Any) -> Any:
    """Progress as it stood by place names its tool first: `[null, ["data_analysis_tool", ...]]`."""
    tool = at(progress, [1])
    return tool[1:] if isinstance(tool, list) and at(tool, [0]) == "data_analysis_tool" else progress


def is_working(candidate: list[Any] | None) -> bool:
    """Whether Google says of an unfinished candidate that it is still being made
    (docs/gemini-webapi.md 6, rich field 6).
    """
    return bool(candidate) and at(get_rich_content_field(candidate, Field.PROGRESS), [0]) is not None
