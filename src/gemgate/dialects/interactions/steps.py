"""Gemini interactions, the way in: the input as the words of a chat (docs/client-contracts.md 9).

An input is a text, a content, a list of contents, or a list of steps: what was said, called and answered so far. The
roles of an earlier release (`{role, content}`) are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemgate.chat import File, Image, Message, Part, Text, Thought, ToolCall, ToolResult
from gemgate.dialects import history
from gemgate.dialects.gemini.contents import source_of_uri
from gemgate.dialects.wire import inline_file, is_image, source_of_url
from gemgate.errors import BadRequest
from gemgate.files import Source

_MEDIA = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}
"""Contents that are files, and what they are where nothing says it."""
_CONTENTS = ("text", *_MEDIA)
SEARCH_ID = "search_gemgate_"
"""How the ids of searches begin that we told: they come back and say nothing that the chat does not know."""
RUN_ID = "run_gemgate_"
"""The same of code that was run: the text has it."""
_USERS = ("user_input", "function_result")


def read_input(given: object, previous: Sequence[Message] = ()) -> tuple[Message, ...]:
    """`previous` and what the input adds; BadRequest when it adds nothing, or for what is unknown in its last turn."""
    items = given if isinstance(given, list) else [] if given is None else [given]
    reading = _Reading(
        list(previous),
        {part.id: part.name for message in previous for part in message.parts if isinstance(part, ToolCall)},
    )
    last = history.last_turn(["" if _is_users(item) else "model" for item in items])
    for at, item in enumerate(items):
        where = "input" if item is given else f"input[{at}]"
        reading.add(item, where, strict=at >= last)
    reading.close()
    if len(reading.said) == len(previous):
        raise BadRequest("input is empty", "input 为空", param="input")
    return tuple(reading.said)


def _is_users(item: object) -> bool:
    """Whether this is the caller's own word; steps of tools that Google runs itself belong to the model."""
    if not isinstance(item, Mapping):
        return True
    kind = item.get("type")
    if kind is None:
        return item.get("role") not in ("model", "assistant")
    return kind in _CONTENTS or kind in _USERS or not _is_step(kind)


def _is_step(kind: object) -> bool:
    return isinstance(kind, str) and (kind in ("model_output", "thought") or kind.endswith(("_call", "_result")))


@dataclass(slots=True)
class _Reading:
    """said: the messages so far; names: of calls by their ids; pending: contents that stand for themselves."""

    said: list[Message]
    names: dict[str, str]
    pending: list[Part] = field(default_factory=list)
    made: int = 0

    def close(self) -> None:
        """Contents that stood for themselves are one message."""
        if self.pending:
            self.said.append(Message("user", tuple(self.pending)))
            self.pending = []

    def add(self, item: object, where: str, *, strict: bool) -> None:
        if isinstance(item, str) or (isinstance(item, Mapping) and item.get("type") in _CONTENTS):
            self.pending += content_part(item, where, strict=strict)
            return
        self.close()
        if not isinstance(item, Mapping):
            if strict:
                raise BadRequest(f"{where} must be an object", f"{where} 必须是对象", param=where)
            self._say("user", [history.text_of(item)])
            return
        self._step(item, where, strict=strict)

    def _step(self, item: Mapping[str, Any], where: str, *, strict: bool) -> None:
        match item:
            case {"type": "user_input"}:
                self._say("user", content_parts(item.get("content"), f"{where}.content", strict=strict))
            case {"type": "model_output"}:
                self._say("assistant", content_parts(item.get("content"), f"{where}.content", strict=False))
            case {"type": "thought"}:
                texts = [part.text for part in content_parts(item.get("summary"), where) if isinstance(part, Text)]
                self._say("assistant", [Thought("\n\n".join(texts))] if texts else [])
            case {"type": "google_search_call", "id": str(mine)} if mine.startswith(SEARCH_ID):
                pass
            case {"type": "google_search_result", "call_id": str(mine)} if mine.startswith(SEARCH_ID):
                pass
            case {"type": "code_execution_call", "id": str(mine)} if mine.startswith(RUN_ID):
                pass
            case {"type": "code_execution_result", "call_id": str(mine)} if mine.startswith(RUN_ID):
                pass
            case {"type": "function_call"}:
                self._say("assistant", [self._call(item)])
            case {"type": "function_result"}:
                self.said.append(Message("tool", (self._result(item, where),)))
            case {"role": "user" | "model" | "assistant" as role, **rest} if "type" not in rest:
                own = role == "user"
                parts = content_parts(item.get("content"), f"{where}.content", strict=strict and own)
                self._say("user" if own else "assistant", parts)
            case _ if strict:
                raise unknown(item.get("type"), where, "steps or contents", "step 或 content")
            case _:
                self._say("assistant" if _is_step(item.get("type")) else "user", [history.text_of(item)])

    def _say(self, role: Any, parts: Sequence[Part | None]) -> None:
        """One more message; neighbouring steps of the model are one."""
        found = tuple(part for part in parts if part is not None)
        if not found:
            return
        if role == "assistant" and self.said and self.said[-1].role == "assistant":
            self.said[-1] = replace(self.said[-1], parts=(*self.said[-1].parts, *found))
        else:
            self.said.append(Message(role, found))

    def _call(self, item: Mapping[str, Any]) -> ToolCall:
        call_id = history.id_of(item.get("id")) or f"call_{self.made}"
        call = ToolCall(call_id, history.id_of(item.get("name")), history.arguments_of(item.get("arguments")))
        self.made += 1
        self.names[call_id] = call.name
        return call

    def _result(self, item: Mapping[str, Any], where: str) -> ToolResult:
        call_id = history.id_of(item.get("call_id")) or history.id_of(item.get("name"))
        name = self.names.get(call_id) or history.id_of(item.get("name"))
        result = item.get("result")
        parts: list[Text | Image | File] = []
        if isinstance(result, list) and any(isinstance(one, Mapping) for one in result):
            found = content_parts(result, f"{where}.result", strict=False)
            parts = [part for part in found if isinstance(part, Text | Image | File)]
        return ToolResult(
            call_id, name, tuple(parts) or (Text(history.words_of(result)),), is_error=item.get("is_error") is True
        )


def content_parts(content: object, where: str, *, strict: bool = False) -> list[Part]:
    """The parts of a content: a text, one content or a list of them."""
    if not isinstance(content, list):
        return [] if content is None else content_part(content, where, strict=strict)
    return [part for at, one in enumerate(content) for part in content_part(one, f"{where}[{at}]", strict=strict)]


def content_part(content: object, where: str, *, strict: bool) -> list[Part]:
    """One content, none where it is empty. strict: BadRequest for what is unknown, which else becomes text."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    match content:
        case {"type": "text", "text": str(text)}:
            return [Text(text)] if text else []
        case {"type": "image" | "audio" | "video" | "document" as kind} if isinstance(content, Mapping):
            try:
                source = _source(kind, content, where)
            except BadRequest:
                if strict:
                    raise
                return _told(content)
            return [Image(source) if is_image(source.mime) or kind == "image" else File(source)]
        case _ if strict:
            kind = content.get("type") if isinstance(content, Mapping) else None
            raise unknown(kind, where, "text, image, audio, video or document", "text、image、audio、video 或 document")
        case _:
            return _told(content)


def _told(content: object) -> list[Part]:
    told = history.text_of(content)
    return [told] if told is not None else []


def _source(kind: str, content: Mapping[str, Any], where: str) -> Source:
    """The bytes in a content, or what its uri names."""
    said, name = content.get("mime_type"), history.id_of(content.get("name"))
    mime = said.lower() if isinstance(said, str) else ""
    match content:
        case {"data": str(data)} if data[:5].lower() == "data:":
            source = source_of_url(data, f"{where}.data", name=name)
            return replace(source, mime=mime or source.mime)
        case {"data": str(data)} if data:
            return inline_file(data, f"{where}.data", mime or _MEDIA[kind], name)
        case {"uri": str(uri)} if uri:
            return source_of_uri(uri, f"{where}.uri", mime, name)
        case _:
            raise BadRequest(f"{where} needs data or uri", f"{where} 需要 data 或 uri", param=where)


def unknown(kind: object, where: str, words: str, words_zh: str) -> BadRequest:
    """What cannot be passed on, by its type."""
    said = repr(str(kind)[:80]) if kind is not None else "none"
    return BadRequest(
        f"{where} has type {said}, which cannot be passed on; use {words}",
        f"{where} 的类型 {said} 不受支持，请使用 {words_zh}",
        param=f"{where}.type",
        code="unsupported_content",
    )
