"""Anthropic's messages, the way in: roles, blocks, calls and their results (docs/client-contracts.md 6).

Tool ids: we call a call `call_x`, this dialect shows it as `toolu_x`; both directions are mapped here and in `answer`,
so that a conversation reads the same whichever dialect it goes on in. Each block is read by itself, so that what one of
an earlier turn holds never refuses the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gemgate.chat import File, Image, Message, Part, Text, Thought, ToolCall, ToolResult
from gemgate.dialects import history, wire
from gemgate.dialects.wire import Body, inline_file, is_image, source_of_url
from gemgate.errors import BadRequest, said
from gemgate.files import Inline, Link, Stored


class SourceBody(Body):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Any = None


class Block(Body):
    """A content block of any type: which fields count depends on it."""

    type: str
    text: str | None = None
    source: SourceBody | str | None = None
    title: str | None = None
    context: str | None = None
    thinking: str | None = None
    id: Any = None
    name: str | None = None
    input: Any = None
    tool_use_id: Any = None
    content: Any = None
    is_error: bool | None = None


class MessageBody(Body):
    """`content` is a text or a list of Block, each read by itself."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Any]


SEARCH_ID = "srvtoolu_gemgate_"
"""How the ids of searches begin that we told: they come back and say nothing that the chat does not know."""

_SERVED = re.compile(
    r"server_tool_use|mcp_tool_use|container_upload|compaction|tool_reference|fallback|\w+_tool_result", re.ASCII
)
"""Blocks of tools that Anthropic runs: told as words wherever they stand."""


def read_messages(messages: Sequence[MessageBody]) -> list[Message]:
    """The messages; BadRequest for what is unknown in the last user turn."""
    last = history.last_turn([message.role for message in messages])
    reading = _Reading()
    return [
        found
        for at, message in enumerate(messages)
        for found in reading.message(message, f"messages[{at}]", earlier=at < last)
    ]


CONTAINER = "container_upload"
"""A block that puts a file where Anthropic's tools run: Google's app has no such place."""


def ignored_blocks(messages: Sequence[MessageBody]) -> tuple[str, ...]:
    """The blocks of the last user turn whose wish nobody honours, by their places."""
    last = history.last_turn([message.role for message in messages])
    return tuple(
        f"messages[{at}].content[{place}].{CONTAINER}"
        for at, message in enumerate(messages)
        if at >= last and isinstance(message.content, list)
        for place, raw in enumerate(message.content)
        if isinstance(raw, Mapping) and raw.get("type") == CONTAINER
    )


def text_of(content: Any, where: str) -> str:
    """Text, or text blocks; BadRequest for any other."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for at, raw in enumerate(content if isinstance(content, list) else [content]):
        block = _block(raw, f"{where}[{at}]")
        if block.type != "text" or block.text is None:
            raise BadRequest(
                f"{where}[{at}] must be a text block", f"{where}[{at}] 必须是 text 块", param=f"{where}[{at}]"
            )
        texts.append(block.text)
    return "\n\n".join(texts)


def _block(raw: Any, where: str) -> Block:
    if isinstance(raw, str):
        return Block(type="text", text=raw)
    return wire.read_inner(Block, raw, where)


@dataclass(slots=True)
class _Reading:
    """The names of the calls so far, by their ids: results name none."""

    names: dict[str, str] = field(default_factory=dict)

    def message(self, message: MessageBody, where: str, *, earlier: bool) -> list[Message]:
        """One wire message; tool results inside it become messages of their own, in their place."""
        if message.role == "system":
            return [Message("system", (Text(text_of(message.content, f"{where}.content")),))]
        if isinstance(message.content, str):
            return [Message(message.role, (Text(message.content),) if message.content else ())]
        messages: list[Message] = []
        parts: list[Part] = []
        for at, raw in enumerate(message.content):
            for part in self._read(raw, f"{where}.content[{at}]", earlier=earlier):
                if isinstance(part, ToolResult):
                    if parts:
                        messages.append(Message(message.role, tuple(parts)))
                        parts = []
                    messages.append(Message("tool", (part,)))
                else:
                    parts.append(part)
        if parts or not messages:
            messages.append(Message(message.role, tuple(parts)))
        return messages

    def _read(self, raw: Any, where: str, *, earlier: bool) -> list[Part]:
        try:
            return self._parts(_block(raw, where), where, raw)
        except BadRequest:
            if not earlier:
                raise
            return _told(raw)

    def _parts(self, block: Block, where: str, raw: Any) -> list[Part]:
        match block.type:
            case "text" if block.text is not None:
                return [Text(block.text)]
            case "image":
                return [Image(_source(block.source, where))]
            case "document":
                return self._document(block, where)
            case "search_result":
                found = text_of(block.content or "", f"{where}.content")
                origin = block.source if isinstance(block.source, str) else ""
                return [Text("\n".join(line for line in (block.title, origin, found) if line))]
            case "thinking":
                return [Thought(block.thinking)] if block.thinking else []
            case "redacted_thinking":
                return []
            case "tool_use" if block.name:
                call_id = our_id(history.id_of(block.id)) or f"call_{len(self.names)}"
                call = ToolCall(call_id, block.name, history.arguments_of(block.input))
                self.names[call.id] = call.name
                return [call]
            case "tool_result":
                return [self._result(block, where)]
            case "server_tool_use" if history.id_of(block.id).startswith(SEARCH_ID):
                return []
            case "web_search_tool_result" | "code_execution_tool_result" if history.id_of(block.tool_use_id).startswith(
                SEARCH_ID
            ):
                return []
            case kind if _SERVED.fullmatch(kind):
                return _told(raw)
            case _:
                raise BadRequest(
                    f"{where} has type {said(block.type)!r} or lacks its fields; use text, image, document or tools",
                    f"{where} 的类型 {said(block.type)!r} 不受支持或缺少字段，请使用 text、image、document 或工具块",
                    param=f"{where}.type",
                )

    def _result(self, block: Block, where: str) -> ToolResult:
        call_id = our_id(history.id_of(block.tool_use_id))
        if not call_id:
            raise BadRequest(
                f"Missing required parameter: {where}.tool_use_id",
                f"缺少必需参数：{where}.tool_use_id",
                param=f"{where}.tool_use_id",
            )
        parts: list[Part] = []
        match block.content:
            case None:
                pass
            case list(blocks):
                for at, raw in enumerate(blocks):
                    parts += self._inside(raw, f"{where}.content[{at}]")
            case {"type": str()}:
                parts += self._inside(block.content, f"{where}.content")
            case words:
                parts.append(Text(history.words_of(words)))
        kept = tuple(part for part in parts if isinstance(part, Text | Image | File))
        return ToolResult(call_id, self.names.get(call_id, ""), kept, bool(block.is_error))

    def _inside(self, raw: Any, where: str) -> list[Part]:
        """A block of a result, in the shapes of other services too; tools give back what they like."""
        match raw:
            case {"type": "tool_reference", "tool_name": str(name)}:
                return [Text(f"tool available: {name}")]
            case {"type": "image", "data": str(data)}:
                mime = str(raw.get("mimeType") or raw.get("mime_type") or "").lower()
                return [Image(inline_file(data, f"{where}.data", mime))]
            case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
                return [Image(source_of_url(url, f"{where}.image_url"))]
            case {"type": "text" | "image" | "document" | "search_result"}:
                return self._read(raw, where, earlier=raw.get("text", "") is None)
            case _:
                return self._read(raw, where, earlier=True)

    def _document(self, block: Block, where: str) -> list[Part]:
        """A document as a file, or as text where it came as text; its title and context stand in front."""
        source = block.source
        head = "\n".join(line for line in (block.title, block.context) if line)
        lead: list[Part] = [Text(head)] if head else []
        if isinstance(source, SourceBody) and source.type == "text" and source.data is not None:
            return [*lead, Text(source.data)]
        if isinstance(source, SourceBody) and source.type == "content" and source.content is not None:
            if isinstance(source.content, str):
                return [*lead, Text(source.content)]
            place, inner = f"{where}.source.content", source.content
            listed = inner if isinstance(inner, list) else [inner]
            found = (self._read(raw, f"{place}[{at}]", earlier=False) for at, raw in enumerate(listed))
            return [*lead, *(part for parts in found for part in parts)]
        file = _source(source, where)
        return [*lead, Image(file) if is_image(file.mime) else File(replace(file, name=block.title or ""))]


def _told(raw: Any) -> list[Part]:
    """A block of another kind as words."""
    text = history.text_of(raw)
    return [text] if text is not None else []


def _source(source: SourceBody | str | None, where: str) -> Inline | Link | Stored:
    match source:
        case SourceBody(type="base64", data=str(data)):
            return inline_file(data, f"{where}.source.data", source.media_type or "")
        case SourceBody(type="url", url=str(url)):
            return source_of_url(url, f"{where}.source.url")
        case SourceBody(type="file", file_id=str(file_id)):
            return Stored(file_id, place=f"{where}.source.file_id")
        case _:
            raise BadRequest(
                f"{where}.source must be base64, a public url or an uploaded file",
                f"{where}.source 必须是 base64、公开的 url 或已上传的 file",
                param=f"{where}.source",
            )


def our_id(tool_use_id: str) -> str:
    """`toolu_x` -> `call_x`; other ids stay."""
    if tool_use_id.startswith("toolu_"):
        return "call_" + tool_use_id.removeprefix("toolu_")
    return tool_use_id
