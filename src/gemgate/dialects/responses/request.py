"""OpenAI responses, the way in: a body, and what was said before it, as the words of a chat (api_contract.md 3).

A stored response is somebody else's store: `previous` are the messages it remembered, `references` the messages of
single items by id. Sampling fields are accepted, not honoured, and named in `x-gemgate-ignored`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Role,
    Text,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gemgate.dialects.openai import (
    FunctionBody,
    image_options,
    read_format,
    read_tool_choice,
    thinking_of,
    tool_of,
    unsupported,
)
from gemgate.dialects.wire import Body, Echo, decode_base64, is_image, read, source_of_url
from gemgate.errors import BadRequest, NotFound
from gemgate.files import Inline, Link, Source, Stored
from gemgate.images import ImageOptions


class ContentPart(Body):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None


class SummaryPart(Body):
    text: str = ""


class InputItem(Body):
    """One item of `input`: which fields count depends on its type."""

    type: str | None = None
    id: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[ContentPart] | None = None
    summary: list[SummaryPart] | None = None
    result: str | None = None


class ToolBody(Echo):
    """A tool of the flat kind; `function` is chat's nested spelling, which some clients send here too."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    function: dict[str, Any] | None = None
    size: str | None = None
    quality: str | None = None


class FormatBody(Echo):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextConfig(Echo):
    format: FormatBody | None = None
    verbosity: str | None = None


class ReasoningConfig(Body):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TokenCountRequest(Body):
    """Body of POST /v1/responses/input_tokens."""

    input: str | list[InputItem] | None = None
    model: str | None = None
    instructions: str | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    previous_response_id: str | None = None
    conversation: Any = None


class ResponsesRequest(TokenCountRequest):
    """Body of POST /v1/responses."""

    input: str | list[InputItem]
    stream: StrictBool | None = None
    store: StrictBool | None = None
    background: StrictBool | None = None
    prompt: Any = None
    metadata: dict[str, str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_logprobs: int | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    max_tool_calls: int | None = None
    user: str | None = None


_NOT_HONOURED = ("temperature", "top_p", "top_logprobs", "max_output_tokens", "max_tool_calls")
_SEARCH = ("web_search", "web_search_preview")


def read_request(
    body: ResponsesRequest, previous: Sequence[Message] = (), references: Mapping[str, Message] | None = None
) -> ChatRequest:
    """The words of a response request; BadRequest for what cannot be passed on, NotFound for unknown references."""
    if body.background:
        raise unsupported("background", "background is not supported; use stream", "不支持 background，请使用 stream")
    if body.prompt is not None:
        raise unsupported(
            "prompt", "Stored prompts are not supported; send input", "不支持已存储的 prompt，请发送 input"
        )
    chat = read_token_count(body, previous, references)
    ignored = tuple(name for name in _NOT_HONOURED if getattr(body, name) is not None)
    return replace(chat, stream=bool(body.stream), ignored=ignored + chat.ignored)


def read_token_count(
    body: TokenCountRequest, previous: Sequence[Message] = (), references: Mapping[str, Message] | None = None
) -> ChatRequest:
    """What would be asked, for counting: the same reading without the fields that only steer an answer."""
    if body.conversation is not None:
        raise unsupported(
            "conversation",
            "conversation is not supported; use previous_response_id",
            "不支持 conversation，请使用 previous_response_id",
        )
    tools = _tools(body.tools or ())
    choice, wants_image = _tool_choice(body, tools)
    reasoning = body.reasoning or ReasoningConfig()
    given = continuation(body, previous, references)
    messages = (*_instructions(body), *given)
    if not given:
        raise BadRequest("input is empty", "input 为空", param="input", code="invalid_input")
    return ChatRequest(
        messages=messages,
        model=body.model,
        tools=tools,
        tool_choice=choice,
        response_format=_format(body.text),
        thinking=thinking_of(reasoning.effort),
        include_thoughts=bool(reasoning.summary or reasoning.generate_summary),
        images=_images(body.tools or (), wanted=wants_image),
        demands_picture=wants_image,
        ignored=_ignored(body),
    )


def continuation(
    body: TokenCountRequest, previous: Sequence[Message] = (), references: Mapping[str, Message] | None = None
) -> tuple[Message, ...]:
    """What to remember of this turn besides its answer: all messages so far, without `instructions`.

    (OpenAI does not carry instructions over to the next response.)
    """
    said = list(previous)
    if isinstance(body.input, str):
        said.append(Message("user", (Text(body.input),)))
        return tuple(said)
    names = {p.id: p.name for message in said for p in message.parts if isinstance(p, ToolCall)}
    for at, item in enumerate(body.input or ()):
        message = _message(item, f"input[{at}]", names, references or {})
        if message is not None:
            _join(said, message)
    return tuple(said)


def referenced(body: TokenCountRequest) -> tuple[str, ...]:
    """Ids of items that the body only refers to, reasoning aside; the door looks them up for `references`."""
    items = body.input if isinstance(body.input, list) else []
    return tuple(item.id for item in items if _is_reference(item) and item.id and not item.id.startswith("rs_"))


def _is_reference(item: InputItem) -> bool:
    return item.type == "item_reference" or (item.type is None and item.role is None and item.id is not None)


def _instructions(body: TokenCountRequest) -> tuple[Message, ...]:
    return (Message("system", (Text(body.instructions),)),) if body.instructions else ()


def _join(said: list[Message], message: Message) -> None:
    """Neighbouring items of the assistant are one message, as chat writes them."""
    if said and message.role == "assistant" and said[-1].role == "assistant":
        said[-1] = replace(said[-1], parts=said[-1].parts + message.parts)
    else:
        said.append(message)


def _message(item: InputItem, where: str, names: dict[str, str], references: Mapping[str, Message]) -> Message | None:
    if _is_reference(item):
        return _referred(item, where, references)
    match item.type:
        case None | "message":
            return _spoken(item, where)
        case "function_call":
            call = ToolCall(
                _required(item.call_id, f"{where}.call_id"),
                _required(item.name, f"{where}.name"),
                _required(item.arguments, f"{where}.arguments"),
            )
            names[call.id] = call.name
            return Message("assistant", (call,))
        case "function_call_output":
            call_id = _required(item.call_id, f"{where}.call_id")
            parts = _content(item.output if item.output is not None else "", f"{where}.output")
            kept = tuple(part for part in parts if isinstance(part, Text | Image | File))
            return Message("tool", (ToolResult(call_id, names.get(call_id, ""), kept),))
        case "reasoning":
            text = "\n\n".join(part.text for part in item.summary or () if part.text)
            return Message("assistant", (Thought(text),)) if text else None
        case "image_generation_call":
            data = decode_base64(item.result, f"{where}.result") if item.result else None
            return Message("assistant", (Image(Inline(data, "image/png")),)) if data else None
        case "web_search_call":
            return None
        case _:
            raise BadRequest(
                f"{where} has type {item.type!r}, which cannot be passed on",
                f"{where} 的类型 {item.type!r} 不受支持",
                param=f"{where}.type",
                code="unsupported_content",
            )


def _referred(item: InputItem, where: str, references: Mapping[str, Message]) -> Message | None:
    item_id = _required(item.id, f"{where}.id")
    if item_id in references:
        return references[item_id]
    if item_id.startswith("rs_"):
        return None
    raise NotFound(
        f"Item {item_id!r} is not stored here; send the item itself or use previous_response_id",
        f"未找到条目 {item_id!r}，请直接发送该条目或使用 previous_response_id",
        param=f"{where}.id",
        code="item_not_found",
    )


def _spoken(item: InputItem, where: str) -> Message:
    if item.role is None:
        raise BadRequest(
            f"Missing required parameter: {where}.role", f"缺少必需参数：{where}.role", param=f"{where}.role"
        )
    if item.content is None:
        raise BadRequest(f"{where}.content is missing", f"缺少 {where}.content", param=f"{where}.content")
    role: Role = "system" if item.role == "developer" else item.role
    return Message(role, _content(item.content, f"{where}.content"))


def _required(value: str | None, where: str) -> str:
    if value is None:
        raise BadRequest(f"Missing required parameter: {where}", f"缺少必需参数：{where}", param=where)
    return value


def _content(content: str | list[ContentPart], where: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(_part(part, f"{where}[{at}]") for at, part in enumerate(content))


def _part(part: ContentPart, where: str) -> Part:
    match part.type:
        case "input_text" | "output_text" | "text" | "summary_text" if part.text is not None:
            return Text(part.text)
        case "refusal" if part.refusal is not None:
            return Text(part.refusal)
        case "input_image" if part.image_url:
            return Image(source_of_url(part.image_url, f"{where}.image_url"))
        case "input_image" if part.file_id:
            return Image(Stored(part.file_id))
        case "input_file":
            return _file(part, where)
        case "input_text" | "output_text" | "text" | "refusal":
            raise BadRequest(f"{where}.text is missing", f"缺少 {where}.text", param=f"{where}.text")
        case "input_image":
            raise BadRequest(
                f"{where} needs image_url or file_id", f"{where} 需要 image_url 或 file_id", param=f"{where}.image_url"
            )
        case _:
            raise BadRequest(
                f"{where} has type {part.type!r}; use input_text, input_image or input_file",
                f"{where} 的类型 {part.type!r} 不受支持，请使用 input_text、input_image 或 input_file",
                param=f"{where}.type",
                code="unsupported_content",
            )


def _file(part: ContentPart, where: str) -> Image | File:
    name = part.filename or ""
    source: Source
    if part.file_id:
        source = Stored(part.file_id, name=name)
    elif part.file_data:
        if part.file_data[:5].lower() == "data:":
            source = source_of_url(part.file_data, f"{where}.file_data", name=name)
        else:
            source = Inline(decode_base64(part.file_data, f"{where}.file_data"), "", name)
    elif part.file_url and part.file_url.startswith(("http://", "https://")):
        source = Link(part.file_url, name=name)
    else:
        raise BadRequest(
            f"{where} needs file_id, file_data or a public file_url",
            f"{where} 需要 file_id、file_data 或公开的 file_url",
            param=where,
        )
    return Image(source) if is_image(source.mime) else File(source)


def _tools(tools: Sequence[ToolBody]) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for at, tool in enumerate(tools):
        if tool.type == "function":
            nested = (
                tool.function if tool.function is not None else tool.model_dump(include=set(FunctionBody.model_fields))
            )
            found.append(tool_of(read(FunctionBody, nested)))
        elif tool.type != "image_generation" and not tool.type.startswith(_SEARCH):
            raise BadRequest(
                f"tools[{at}] has type {tool.type!r}; offer functions, image_generation or web_search",
                f"tools[{at}] 的类型 {tool.type!r} 不受支持，请使用 function、image_generation 或 web_search",
                param=f"tools[{at}].type",
            )
    return tuple(found)


def _tool_choice(body: TokenCountRequest, tools: tuple[Tool, ...]) -> tuple[ToolChoice, bool]:
    """The choice among functions, and whether the picture tool itself was chosen."""
    parallel = body.parallel_tool_calls is not False
    choice = body.tool_choice
    match choice:
        case {"type": "image_generation"}:
            return ToolChoice("none", parallel=parallel), True
        case {"type": str(kind)} if kind.startswith(_SEARCH):
            return ToolChoice("auto", parallel=parallel), False
        case "required" if not tools and body.tools:
            # Only hosted tools are there to be required; they act inside Google's answer.
            return ToolChoice("auto", parallel=parallel), False
        case {"type": "function" | "allowed_tools"} | str() | None:
            return read_tool_choice(choice, [tool.name for tool in tools], parallel=parallel), False
        case _:
            raise BadRequest("tool_choice is not understood", "无法识别 tool_choice", param="tool_choice")


def _images(tools: Sequence[ToolBody], *, wanted: bool) -> ImageOptions | None:
    tool = next((tool for tool in tools if tool.type == "image_generation"), None)
    if tool is None:
        if wanted:
            raise BadRequest(
                "tool_choice asks for image_generation, which is not among the tools",
                "tool_choice 指定了 image_generation，但 tools 中没有它",
                param="tool_choice",
            )
        return None
    return image_options(tool.size, tool.quality)


def _format(text: TextConfig | None) -> ResponseFormat:
    if text is None or text.format is None:
        return ResponseFormat()
    wanted = text.format
    return read_format(wanted.type, wanted.schema_, wanted.name, wanted.strict, "text.format.schema")


def _ignored(body: TokenCountRequest) -> tuple[str, ...]:
    names = ["text.verbosity"] if body.text is not None and body.text.verbosity else []
    if any(tool.type.startswith(_SEARCH) for tool in body.tools or ()):
        names.append("tools.web_search")
    return tuple(names)
