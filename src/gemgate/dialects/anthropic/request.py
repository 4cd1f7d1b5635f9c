"""Anthropic messages, the way in (api_contract.md 6).

Tool ids: we call a call `call_x`, this dialect shows it as `toolu_x`; both directions are mapped here and in `answer`,
so that a conversation reads the same whichever dialect it goes on in.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, StrictBool

from gemgate.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    ResponseFormat,
    Text,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gemgate.dialects.wire import Body, decode_base64, is_image
from gemgate.errors import BadRequest
from gemgate.files import Inline, Link, Stored


class SourceBody(Body):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Block] | None = None


class Block(Body):
    """A content block of any type: which fields count depends on it."""

    type: str
    text: str | None = None
    source: SourceBody | str | None = None
    title: str | None = None
    context: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None


class MessageBody(Body):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class ToolBody(Body):
    type: str | None = None
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class ToolChoiceBody(Body):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: StrictBool = False


class ThinkingBody(Body):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


class FormatBody(Body):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Body):
    format: FormatBody | None = None
    effort: str | None = None


class MessageTokensRequest(Body):
    """Body of POST /v1/messages/count_tokens."""

    model: str
    messages: list[MessageBody] = Field(min_length=1)
    system: str | list[Block] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: ToolChoiceBody | None = None
    thinking: ThinkingBody | None = None
    output_config: OutputConfig | None = None


class MessagesRequest(MessageTokensRequest):
    """Body of POST /v1/messages."""

    max_tokens: int = Field(ge=1)
    stream: StrictBool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)


_NOT_HONOURED = ("max_tokens", "temperature", "top_p", "top_k")


def read_request(body: MessagesRequest) -> ChatRequest:
    """The words of a messages request; BadRequest for what cannot be passed on."""
    return replace(
        read_token_count(body),
        stream=bool(body.stream),
        stop=tuple(stop for stop in body.stop_sequences or () if stop),
        ignored=tuple(name for name in _NOT_HONOURED if getattr(body, name) is not None),
    )


def read_token_count(body: MessageTokensRequest) -> ChatRequest:
    """What would be asked, for counting."""
    names: dict[str, str] = {}
    messages = list(_system(body))
    for at, message in enumerate(body.messages):
        messages.extend(_messages(message, f"messages[{at}]", names))
    if not any(message.role != "system" for message in messages):
        raise BadRequest("messages holds no user message", "messages 中没有用户消息", param="messages")
    tools = _tools(body.tools or [])
    thinking = body.thinking
    return ChatRequest(
        messages=tuple(messages),
        model=body.model,
        tools=tools,
        tool_choice=_tool_choice(body.tool_choice, tools),
        response_format=_format(body.output_config),
        thinking=_thinking(body),
        include_thoughts=thinking is not None and thinking.type != "disabled" and thinking.display != "omitted",
    )


def _thinking(body: MessageTokensRequest) -> bool | None:
    """`enabled` asks for it, `disabled` forbids it; `adaptive` leaves it to the effort, else to the model."""
    kind = body.thinking.type if body.thinking else None
    if kind == "enabled":
        return True
    if kind == "disabled":
        return False
    effort = body.output_config.effort if body.output_config else None
    return None if effort is None else effort in ("high", "xhigh", "max")


def _system(body: MessageTokensRequest) -> tuple[Message, ...]:
    text = _text_of(body.system, "system") if body.system else ""
    return (Message("system", (Text(text),)),) if text else ()


def _text_of(content: str | list[Block], where: str) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for at, block in enumerate(content):
        if block.type != "text" or block.text is None:
            raise BadRequest(
                f"{where}[{at}] must be a text block", f"{where}[{at}] 必须是 text 块", param=f"{where}[{at}]"
            )
        texts.append(block.text)
    return "\n\n".join(texts)


def _messages(message: MessageBody, where: str, names: dict[str, str]) -> list[Message]:
    """One wire message; tool results inside it become messages of their own, in their place."""
    if message.role == "system":
        return [Message("system", (Text(_text_of(message.content, f"{where}.content")),))]
    if isinstance(message.content, str):
        return [Message(message.role, (Text(message.content),) if message.content else ())]
    messages: list[Message] = []
    parts: list[Part] = []
    for at, block in enumerate(message.content):
        place = f"{where}.content[{at}]"
        if block.type == "tool_result":
            if parts:
                messages.append(Message(message.role, tuple(parts)))
                parts = []
            messages.append(Message("tool", (_result(block, place, names),)))
        else:
            parts.extend(_parts(block, place, names))
    if parts or not messages:
        messages.append(Message(message.role, tuple(parts)))
    return messages


def _parts(block: Block, where: str, names: dict[str, str]) -> list[Part]:
    match block.type:
        case "text" if block.text is not None:
            return [Text(block.text)]
        case "image":
            return [Image(_source(block.source, where))]
        case "document":
            return _document(block, where)
        case "search_result":
            found = _text_of(block.content or "", f"{where}.content")
            origin = block.source if isinstance(block.source, str) else ""
            return [Text("\n".join(line for line in (block.title, origin, found) if line))]
        case "thinking":
            return [Thought(block.thinking)] if block.thinking else []
        case "redacted_thinking":
            return []
        case "tool_use" if block.id and block.name:
            call = ToolCall(our_id(block.id), block.name, json.dumps(block.input or {}, ensure_ascii=False))
            names[call.id] = call.name
            return [call]
        case _:
            raise BadRequest(
                f"{where} has type {block.type!r} or lacks its fields; use text, image, document or tools",
                f"{where} 的类型 {block.type!r} 不受支持或缺少字段，请使用 text、image、document 或工具块",
                param=f"{where}.type",
            )


def _result(block: Block, where: str, names: dict[str, str]) -> ToolResult:
    if not block.tool_use_id:
        raise BadRequest(
            f"Missing required parameter: {where}.tool_use_id",
            f"缺少必需参数：{where}.tool_use_id",
            param=f"{where}.tool_use_id",
        )
    call_id = our_id(block.tool_use_id)
    parts: list[Text | Image | File] = []
    if isinstance(block.content, str):
        parts.append(Text(block.content))
    else:
        for at, inner in enumerate(block.content or ()):
            found = _parts(inner, f"{where}.content[{at}]", names)
            parts.extend(part for part in found if isinstance(part, Text | Image | File))
    return ToolResult(call_id, names.get(call_id, ""), tuple(parts), bool(block.is_error))


def _document(block: Block, where: str) -> list[Part]:
    """A document as a file, or as text where it came as text; its title and context stand in front."""
    source = block.source
    head = "\n".join(line for line in (block.title, block.context) if line)
    lead: list[Part] = [Text(head)] if head else []
    if isinstance(source, SourceBody) and source.type == "text" and source.data is not None:
        return [*lead, Text(source.data)]
    if isinstance(source, SourceBody) and source.type == "content" and source.content is not None:
        if isinstance(source.content, str):
            return [*lead, Text(source.content)]
        inner = [part for at, b in enumerate(source.content) for part in _parts(b, f"{where}.source.content[{at}]", {})]
        return [*lead, *inner]
    found = _source(source, where)
    return [*lead, Image(found) if is_image(found.mime) else File(replace(found, name=block.title or ""))]


def _source(source: SourceBody | str | None, where: str) -> Inline | Link | Stored:
    match source:
        case SourceBody(type="base64", data=str(data)):
            return Inline(decode_base64(data, f"{where}.source.data"), (source.media_type or "").lower())
        case SourceBody(type="url", url=str(url)) if url.startswith(("http://", "https://")):
            return Link(url)
        case SourceBody(type="file", file_id=str(file_id)):
            return Stored(file_id)
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


def _tools(tools: list[ToolBody]) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for at, tool in enumerate(tools):
        if tool.type not in (None, "custom"):
            raise BadRequest(
                f"tools[{at}] has type {tool.type!r}: only tools with an input_schema can be offered",
                f"tools[{at}] 的类型 {tool.type!r} 不受支持：这里只能提供带 input_schema 的工具",
                param=f"tools[{at}].type",
            )
        if tool.name is None or tool.input_schema is None:
            lacking = f"tools[{at}].{'name' if tool.name is None else 'input_schema'}"
            raise BadRequest(f"Missing required parameter: {lacking}", f"缺少必需参数：{lacking}", param=lacking)
        found.append(Tool(tool.name, tool.description or "", tool.input_schema))
    return tuple(found)


def _tool_choice(choice: ToolChoiceBody | None, tools: tuple[Tool, ...]) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    parallel = not choice.disable_parallel_tool_use
    if choice.type in ("auto", "none"):
        return ToolChoice("none" if choice.type == "none" else "auto", parallel=parallel)
    allowed = (choice.name or "",) if choice.type == "tool" else ()
    if not tools or any(name not in {tool.name for tool in tools} for name in allowed):
        raise BadRequest(
            f"tool_choice asks for a tool that is not declared: {''.join(allowed) or 'there are none'}",
            f"tool_choice 指定了未声明的工具：{''.join(allowed) or '没有任何工具'}",
            param="tool_choice",
        )
    return ToolChoice("required", allowed, parallel)


def _format(config: OutputConfig | None) -> ResponseFormat:
    if config is None or config.format is None:
        return ResponseFormat()
    return ResponseFormat("json_schema", config.format.schema_, "answer", strict=True)
