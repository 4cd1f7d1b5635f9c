"""OpenAI chat completions: read the request, write the completion or its chunks (api_contract.md 2).

Sampling fields are checked and accepted but cannot be honoured; the answer names them in `x-gemgate-ignored`.
"""

from __future__ import annotations

import base64
from typing import Any, Literal

from pydantic import Field, StrictBool

from gemgate.chat import (
    Began,
    ChatRequest,
    Ended,
    Event,
    File,
    Image,
    ImageGenerated,
    Message,
    Part,
    Reply,
    ResponseFormat,
    Role,
    Text,
    TextDelta,
    ThoughtDelta,
    Tool,
    ToolCall,
    ToolCalled,
    ToolChoice,
    ToolResult,
    Usage,
)
from gemgate.dialects.wire import Body, Stamp, decode_base64, dumps, pieces, source_of_url, sse, status_of
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Inline, Source, Stored
from gemgate.images import GeneratedImage


class ImageUrl(Body):
    url: str
    detail: str | None = None


class FilePart(Body):
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None


class ContentPart(Body):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    file: FilePart | None = None


class FunctionCall(Body):
    name: str
    arguments: str = "{}"


class ToolCallBody(Body):
    id: str = ""
    type: str = "function"
    function: FunctionCall | None = None


class MessageBody(Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCallBody] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None


class FunctionBody(Body):
    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(Body):
    type: str = "function"
    function: FunctionBody | None = None


class JsonSchemaBody(Body):
    name: str = "answer"
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormatBody(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaBody | None = None


class StreamOptions(Body):
    include_usage: StrictBool = False


class ChatCompletionRequest(Body):
    """Body of POST /v1/chat/completions."""

    messages: list[MessageBody] = Field(min_length=1)
    model: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: ResponseFormatBody | None = None
    stop: str | list[str] | None = None
    n: int | None = Field(default=None, ge=1, le=8)
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    functions: list[FunctionBody] | None = None
    function_call: str | dict[str, Any] | None = None
    conversation_id: str | None = Field(default=None, max_length=200)
    files: list[str] | None = None


_NOT_HONOURED = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)
_ROLES: dict[str, Role] = {"developer": "system", "function": "tool"}


def read_request(body: ChatCompletionRequest) -> ChatRequest:
    """The words of a chat completion request; BadRequest for what cannot be passed on."""
    if body.logprobs:
        raise _unsupported("logprobs")
    if body.modalities and "audio" in body.modalities:
        raise _unsupported("modalities")
    names: dict[str, str] = {}
    messages = tuple(_message(message, f"messages[{at}]", names) for at, message in enumerate(body.messages))
    if not any(message.role != "system" for message in messages):
        raise BadRequest(
            "messages holds no user message", "messages 中没有用户消息", param="messages", code="invalid_messages"
        )
    if body.files:
        messages = _attach(messages, [Stored(handle) for handle in body.files])
    return ChatRequest(
        messages=messages,
        model=body.model,
        stream=bool(body.stream),
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        response_format=_response_format(body.response_format),
        thinking=_thinking(body.reasoning_effort),
        stop=_stop(body.stop),
        n=body.n or 1,
        conversation_id=body.conversation_id,
        ignored=tuple(name for name in _NOT_HONOURED if getattr(body, name) is not None),
    )


def include_usage(body: ChatCompletionRequest) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _unsupported(param: str) -> BadRequest:
    return BadRequest(
        f"{param} is not supported: the web app has no such output",
        f"不支持 {param}：网页版没有这种输出",
        param=param,
        code="unsupported_parameter",
    )


def _message(message: MessageBody, where: str, names: dict[str, str]) -> Message:
    role: Role = _ROLES.get(message.role, message.role)  # type: ignore[arg-type]
    content = message.content
    parts: list[Part] = []
    if isinstance(content, str):
        if content:
            parts.append(Text(content))
    elif content is not None:
        parts.extend(_part(part, f"{where}.content[{at}]") for at, part in enumerate(content))
    elif role in ("user", "system"):
        raise BadRequest(f"{where}.content is missing", f"缺少 {where}.content", param=f"{where}.content")
    if role == "tool":
        call_id = message.tool_call_id or message.name or ""
        kept = tuple(part for part in parts if isinstance(part, Text | Image | File))
        return Message(role, (ToolResult(call_id, names.get(call_id, message.name or ""), kept),))
    for call in message.tool_calls or ():
        if call.function is not None:
            names[call.id] = call.function.name
            parts.append(ToolCall(call.id, call.function.name, call.function.arguments))
    if message.function_call is not None:
        names[message.function_call.name] = message.function_call.name
        parts.append(ToolCall(message.function_call.name, message.function_call.name, message.function_call.arguments))
    return Message(role, tuple(parts), message.name or "")


def _part(part: ContentPart, where: str) -> Part:
    match part.type:
        case "text" if part.text is not None:
            return Text(part.text)
        case "refusal" if part.refusal is not None:
            return Text(part.refusal)
        case "image_url" if part.image_url is not None:
            url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
            return Image(source_of_url(url, f"{where}.image_url.url"))
        case "file" if part.file is not None:
            return File(_file(part.file, f"{where}.file"))
        case "text" | "refusal" | "image_url" | "file":
            raise BadRequest(
                f"{where} lacks its {part.type}", f"{where} 缺少 {part.type} 字段", param=f"{where}.{part.type}"
            )
        case _:
            raise BadRequest(
                f"{where} has type {part.type!r}, which cannot be passed on; use text, image_url or file",
                f"{where} 的类型 {part.type!r} 不受支持，请使用 text、image_url 或 file",
                param=f"{where}.type",
                code="unsupported_content",
            )


def _file(file: FilePart, where: str) -> Source:
    if file.file_id:
        return Stored(file.file_id, name=file.filename or "")
    if file.file_data:
        if file.file_data[:5].lower() == "data:":
            return source_of_url(file.file_data, f"{where}.file_data", name=file.filename or "")
        return Inline(decode_base64(file.file_data, f"{where}.file_data"), "", file.filename or "")
    raise BadRequest(f"{where} needs file_id or file_data", f"{where} 需要 file_id 或 file_data", param=where)


def _attach(messages: tuple[Message, ...], files: list[Stored]) -> tuple[Message, ...]:
    """Our extension `files`: uploaded ids that belong to the last user message."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    if last < 0:
        return messages
    message = messages[last]
    parts = tuple(File(file) for file in files) + message.parts
    return (*messages[:last], Message(message.role, parts, message.name), *messages[last + 1 :])


def _tools(body: ChatCompletionRequest) -> tuple[Tool, ...]:
    functions = list(body.functions or ())
    for at, tool in enumerate(body.tools or ()):
        if tool.type != "function" or tool.function is None:
            raise BadRequest(
                f"tools[{at}] has type {tool.type!r}; only functions can be offered",
                f"tools[{at}] 的类型 {tool.type!r} 不受支持，仅支持 function",
                param=f"tools[{at}].type",
            )
        functions.append(tool.function)
    empty = {"type": "object", "properties": {}}
    return tuple(Tool(f.name, f.description or "", f.parameters or empty) for f in functions)


def _tool_choice(body: ChatCompletionRequest) -> ToolChoice:
    choice = body.tool_choice if body.tool_choice is not None else body.function_call
    parallel = body.parallel_tool_calls is not False
    declared = {tool.name for tool in _tools(body)}
    match choice:
        case None | "auto":
            return ToolChoice("auto", parallel=parallel)
        case "none":
            return ToolChoice("none", parallel=parallel)
        case "required":
            chosen = ToolChoice("required", parallel=parallel)
        case {"type": "function", "function": {"name": str(name)}} | {"name": str(name)}:
            chosen = ToolChoice("required", (name,), parallel)
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(tools), **rest}}:
            names = tuple(_named(tool) for tool in tools)
            mode: Literal["auto", "required"] = "required" if rest.get("mode") == "required" else "auto"
            chosen = ToolChoice(mode, names, parallel)
        case _:
            raise BadRequest("tool_choice is not understood", "无法识别 tool_choice", param="tool_choice")
    missing = [name for name in chosen.allowed if name not in declared]
    if missing or not declared:
        raise BadRequest(
            f"tool_choice asks for a tool that is not declared: {', '.join(missing) or 'there are none'}",
            f"tool_choice 指定了未声明的工具：{', '.join(missing) or '没有任何工具'}",
            param="tool_choice",
        )
    return chosen


def _named(tool: object) -> str:
    match tool:
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return name
        case _:
            return ""


def _response_format(body: ResponseFormatBody | None) -> ResponseFormat:
    if body is None or body.type == "text":
        return ResponseFormat()
    if body.type == "json_object":
        return ResponseFormat("json_object")
    if body.json_schema is None or body.json_schema.schema_ is None:
        raise BadRequest(
            "response_format.json_schema.schema is missing",
            "缺少 response_format.json_schema.schema",
            param="response_format.json_schema.schema",
        )
    schema = body.json_schema
    return ResponseFormat("json_schema", schema.schema_, schema.name, bool(schema.strict))


def _thinking(effort: str | None) -> bool | None:
    if effort is None:
        return None
    return effort in ("medium", "high", "xhigh", "max")


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    return tuple(text for text in stops if text)


_REASONS = {"stop_sequence": "stop"}


def write(replies: list[Reply], stamp: Stamp, model: str) -> dict[str, Any]:
    """The completion object of one or several answers."""
    choices = [
        {
            "index": index,
            "message": _message_out(reply, stamp),
            "logprobs": None,
            "finish_reason": _REASONS.get(reply.ended.reason, reply.ended.reason),
        }
        for index, reply in enumerate(replies)
    ]
    completion: dict[str, Any] = {
        "id": stamp.id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": model,
        "choices": choices,
        "usage": usage(sum((reply.ended.usage for reply in replies[1:]), replies[0].ended.usage)),
        "system_fingerprint": None,
    }
    if conversation := replies[0].began.conversation_id:
        completion["conversation_id"] = conversation
    return completion


def _message_out(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    text = reply.text
    links = "\n\n".join(image_markdown(image, stamp) for image in reply.images)
    content = "\n\n".join(piece for piece in (text, links) if piece)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content if content or not reply.calls else None,
        "refusal": None,
        "annotations": [],
    }
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
    if reply.images:
        message["images"] = [image_part(image, stamp) for image in reply.images]
    if reply.calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in reply.calls
        ]
    return message


def image_link(image: GeneratedImage, stamp: Stamp) -> str:
    """An address under which the picture can be had: its link, made absolute, else a data URL."""
    if image.url:
        return image.url if "://" in image.url else stamp.base_url + image.url
    return f"data:{image.mime};base64," + _base64(image.data or b"")


def image_markdown(image: GeneratedImage, stamp: Stamp) -> str:
    return f"![{image.prompt[:80].replace(']', ' ').strip() or 'image'}]({image_link(image, stamp)})"


def image_part(image: GeneratedImage, stamp: Stamp) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": image_link(image, stamp)}, "index": 0}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def usage(usage: Usage) -> dict[str, Any]:
    """The usage object; `estimated` says that Google names no counts."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "estimated": usage.estimated,
    }


class ChunkWriter:
    """Writes the chunks of one stream; with n > 1 the answers share it and are told apart by their index."""

    heartbeat: bytes | None = b": ping\n\n"

    def __init__(self, stamp: Stamp, model: str, *, include_usage: bool) -> None:
        self._stamp = stamp
        self._include_usage = include_usage
        self._base: dict[str, Any] = {
            "id": stamp.id,
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": model,
            "system_fingerprint": None,
        }
        if include_usage:
            self._base["usage"] = None
        self._usage: Usage | None = None
        self._calls: dict[int, int] = {}
        self._text_before: set[int] = set()

    def event(self, index: int, event: Event) -> bytes:
        match event:
            case Began():
                if event.conversation_id:
                    self._base["conversation_id"] = event.conversation_id
                return self._chunk(index, {"role": "assistant", "content": ""})
            case TextDelta(text):
                self._text_before.add(index)
                return self._chunk(index, {"content": text})
            case ThoughtDelta(text):
                return self._chunk(index, {"reasoning_content": text})
            case ToolCalled(call):
                return self._call(index, call)
            case ImageGenerated(image):
                gap = "\n\n" if index in self._text_before else ""
                self._text_before.add(index)
                content = gap + image_markdown(image, self._stamp)
                return self._chunk(index, {"content": content, "images": [image_part(image, self._stamp)]})
            case Ended():
                self._usage = event.usage if self._usage is None else self._usage + event.usage
                return self._chunk(index, {}, _REASONS.get(event.reason, event.reason))

    def close(self) -> bytes:
        """What follows the last answer."""
        last = b"data: [DONE]\n\n"
        if self._include_usage and self._usage is not None:
            return sse({**self._base, "choices": [], "usage": usage(self._usage)}) + last
        return last

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        """An error after the stream began: in-band, and no [DONE]."""
        return sse(envelope(error, language, request_id)[1])

    def _call(self, index: int, call: ToolCall) -> bytes:
        number = self._calls.get(index, 0)
        self._calls[index] = number + 1
        head = {"index": number, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        chunks = [self._chunk(index, {"tool_calls": [head]})]
        chunks += [
            self._chunk(index, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
            for piece in pieces(call.arguments)
        ]
        return b"".join(chunks)

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + dumps({**self._base, "choices": [choice]}) + b"\n\n"


_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    "unauthorized": "invalid_api_key",
    "model_not_found": "model_not_found",
    "rate_limited": "rate_limit_exceeded",
    "spent": "rate_limit_exceeded",
    "too_large": "request_too_large",
    "refused": "content_policy_violation",
    "no_image": "no_image",
    "timeout": "timeout",
    "signed_out": "cookie_expired",
    "upstream": "upstream_error",
    "unreachable": "upstream_error",
    "output_invalid": "structured_output_failed",
}


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error in OpenAI's shape."""
    status = status_of(error)
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    code = error.code or ("rate_limit_exceeded" if status == 429 else _CODES.get(error.kind))
    body = {
        "error": {
            "message": error.text(language),
            "type": kind,
            "param": error.param,
            "code": code,
            "request_id": request_id,
        }
    }
    return status, body


def model_object(model_id: str, created: int = 1_700_000_000) -> dict[str, Any]:
    """One entry of GET /v1/models."""
    return {"id": model_id, "object": "model", "created": created, "owned_by": "google"}
