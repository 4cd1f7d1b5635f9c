"""The official API's JSON: what a prompt becomes, and what an answer says. Pure; nothing is sent here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemgate.accounts import AccountModel
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import LocalText
from gemgate.findings import NOTHING_FOUND, Citation, Findings, WebSource
from gemgate.frozen import frozen
from gemgate.ports.upstream import (
    Completed,
    Fetched,
    ImageReady,
    ImageRef,
    Prompt,
    Started,
    Thread,
    Unknown,
    Upload,
    UpstreamEvent,
)
from gemgate.upstreams import failures
from gemgate.upstreams.official import errors

_REFUSALS = {
    "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
}  # fmt: skip
_SIZES = {2048: "2K", 4096: "4K"}


@frozen
class Models:
    """What the key may use. thinking: names of the models that can tell their thoughts."""

    offers: tuple[AccountModel, ...]
    thinking: frozenset[str]


def read_models(rows: Sequence[Mapping[str, Any]]) -> Models:
    """The chat models among `GET /models`."""
    offers: list[AccountModel] = []
    thinking: set[str] = set()
    for row in rows:
        name = str(row.get("name", "")).removeprefix("models/")
        if not name.startswith("gemini-") or "generateContent" not in row.get("supportedGenerationMethods", ()):
            continue
        offers.append(
            AccountModel(f"models/{name}", name, str(row.get("displayName", name)), str(row.get("description", "")))
        )
        if row.get("thinking"):
            thinking.add(name)
    return Models(tuple(offers), frozenset(thinking))


def request_body(prompt: Prompt, files: Sequence[Upload], *, thinking: bool) -> dict[str, Any]:
    """The body of generateContent: one user turn, its files inline before the text."""
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": file.mime, "data": base64.b64encode(file.data).decode()}} for file in files
    ]
    if prompt.text:
        parts.append({"text": prompt.text})
    config: dict[str, Any] = {}
    if makes_images(prompt.offer):
        config["responseModalities"] = ["TEXT", "IMAGE"]
        if "pro" in prompt.offer.name and prompt.long_side in _SIZES:
            config["imageConfig"] = {"imageSize": _SIZES[prompt.long_side]}
    elif thinking:
        config["thinkingConfig"] = {"includeThoughts": True}
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}]}
    if prompt.searches and not makes_images(prompt.offer):
        body["tools"] = [{"googleSearch": {}}]
    return {**body, "generationConfig": config} if config else body


def makes_images(offer: AccountModel) -> bool:
    return "-image" in offer.name


@dataclass(slots=True)
class Answer:
    """One answer as its chunks come in. images: what came inline, by the id under which it is told; served: the model
    that Google names.
    """

    prefix: str
    images: dict[str, Fetched] = field(default_factory=dict)
    text: str = ""
    finish: str = ""
    served: str = ""
    _began: bool = False
    _texts: list[str] = field(default_factory=list)
    _grounding: Mapping[str, Any] = field(default_factory=dict)

    def feed(self, chunk: Any) -> list[UpstreamEvent]:
        """The pieces of one GenerateContentResponse; GatewayError for an error in its place."""
        if not isinstance(chunk, dict):
            raise errors.drift(LocalText("a chunk is no object", "数据块不是对象"))
        self.served = str(chunk.get("modelVersion") or self.served)
        blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
        if blocked:
            raise errors.refused(str(blocked))
        candidates = chunk.get("candidates") or [{}]
        candidate = candidates[0] if isinstance(candidates[0], dict) else {}
        pieces: list[UpstreamEvent] = []
        for part in (candidate.get("content") or {}).get("parts") or ():
            pieces += self._part(part)
        if pieces and not self._began:
            self._began = True
            pieces.insert(0, Started(""))
        self.finish = str(candidate.get("finishReason") or self.finish)
        grounding = candidate.get("groundingMetadata")
        self._grounding = grounding if isinstance(grounding, Mapping) else self._grounding
        return pieces

    def _part(self, part: Mapping[str, Any]) -> list[UpstreamEvent]:
        text, inline = part.get("text"), part.get("inlineData") or part.get("inline_data")
        if isinstance(text, str) and text:
            if part.get("thought"):
                return [ThoughtDelta(text)]
            self._texts.append(text)
            return [TextDelta(text)]
        if isinstance(inline, Mapping) and not part.get("thought"):
            image_id = f"{self.prefix}{len(self.images)}"
            mime = str(inline.get("mimeType") or inline.get("mime_type") or "image/png")
            self.images[image_id] = Fetched(_decoded(inline.get("data")), mime, "inline")
            return [ImageReady(ImageRef("", image_id, "", "", ""))]
        return []

    def end(self) -> list[UpstreamEvent]:
        """What the end of the stream says; Refused or Broken when it was not the end of an answer."""
        self.text = "".join(self._texts)
        if self.finish in _REFUSALS:
            raise errors.refused(self.finish, self.text)
        if not self.finish:
            raise failures.broken(LocalText("the stream ended before the answer did", "流在回答结束之前中断"))
        if not self._began and self.finish not in ("STOP", "MAX_TOKENS", "NO_IMAGE"):
            raise failures.broken(LocalText(f"no answer ({self.finish})", f"没有回答：{self.finish}"))
        began: list[UpstreamEvent] = [] if self._began else [Started("")]
        painter = self.served if self.images else ""
        found = NOTHING_FOUND
        try:
            found = grounded(self._grounding, self.text)
        except (AttributeError, TypeError, ValueError):
            began.append(Unknown("grounding"))
        return [*began, Completed(Thread(()), self.text, findings=found, served=self.served, painter=painter)]


def grounded(metadata: Mapping[str, Any], text: str) -> Findings:
    """The sources of an answer, and which words of its `text` lean on them: segments count UTF-8 bytes."""
    chunks = [(chunk.get("web") or {}) for chunk in metadata.get("groundingChunks") or ()]
    places = [place for place, web in enumerate(chunks) if web.get("uri")]
    sources = tuple(WebSource(str(chunks[n]["uri"]), str(chunks[n].get("title") or "")) for n in places)
    citations: list[Citation] = []
    encoded = text.encode()
    for support in metadata.get("groundingSupports") or ():
        segment = support.get("segment") or {}
        start, end = (
            len(encoded[: segment.get(key) or 0].decode(errors="ignore")) for key in ("startIndex", "endIndex")
        )
        leans = tuple(places.index(n) for n in support.get("groundingChunkIndices") or () if n in places)
        if leans and start < end:
            citations.append(Citation(start, end, leans))
    return Findings(sources, tuple(citations))


def _decoded(data: Any) -> bytes:
    try:
        return base64.b64decode(str(data), altchars=b"-_" if "-" in str(data) or "_" in str(data) else None)
    except (binascii.Error, ValueError):
        raise errors.drift(LocalText("a picture is not base64", "图片不是 base64")) from None


class Events:
    """Bytes of a stream of server-sent events in, whole `data:` payloads out; linear in the bytes."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        whole: list[bytes] = []
        *lines, rest = data.split(b"\n")
        for piece in lines:
            line = b"".join([*self._line, piece]).rstrip(b"\r")
            self._line.clear()
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                whole.append(b"\n".join(self._data))
                self._data.clear()
        if rest:
            self._line.append(rest)
        return whole

    def end(self) -> list[bytes]:
        """The last event, when the stream ends without an empty line behind it."""
        return self.feed(b"\n\n")
