"""OpenAI chat completions: read the request, write the completion or its chunks (api_contract.md 2).

Sampling fields are checked and accepted but cannot be honoured; the answer names them in `x-gemgate-ignored`.
"""

from __future__ import annotations

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
    ToolResult,
    Usage,
)
from gemgate.dialects.openai import (
    FunctionBody,
    envelope,
    read_format,
    read_tool_choice,
    thinking_of,
    tool_of,
    unsupported,
)
from gemgate.dialects.wire import (
    Body,
    MarkdownFlow,
    Stamp,
    decode_base64,
    dumps,
    image_link,
    pieces,
    source_of_url,
    sse,
)
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Inline, Source, Stored
from gemgate.images import GeneratedImage, ImageOptions

__all__ = [
    "ChatCompletionRequest",
    "ChunkWriter",
    "envelope",
    "include_usage",
    "model_object",
    "read_request",
    "usage",
    "write",
]


class ImageUrl(Body):
    url: str
    detail: str | None = None


class FilePart(Body):
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None


class AudioPart(Body):
    data: str
    format: str = Field(default="wav", pattern=r"^[a-z0-9]{2,5}$")


class ContentPart(Body):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    file: FilePart | None = None
    input_audio: AudioPart | None = None


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


class ReasoningBody(Body):
    """The field that routers and front ends send in place of `reasoning_effort`."""

    effort: str | None = None
    enabled: StrictBool | None = None


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
    reasoning: ReasoningBody | None = None
    logprobs: StrictBool | None = None
    modalities: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    top_k: float | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    prediction: dict[str, Any] | None = None
    verbosity: str | None = None
    web_search_options: dict[str, Any] | None = None
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
    "top_k",
    "top_logprobs",
    "logit_bias",
    "prediction",
    "verbosity",
    "web_search_options",
)
_ROLES: dict[str, Role] = {"developer": "system", "function": "tool"}


def read_request(body: ChatCompletionRequest) -> ChatRequest:
    """The words of a chat completion request; BadRequest for what cannot be passed on."""
    if body.logprobs:
        raise _no_such_output("logprobs")
    if body.modalities and "audio" in body.modalities:
        raise _no_such_output("modalities")
    names: dict[str, str] = {}
    messages = tuple(_message(message, f"messages[{at}]", names) for at, message in enumerate(body.messages))
    if not any(message.parts for message in messages):
        raise BadRequest("messages is empty", "messages 为空", param="messages", code="invalid_messages")
    if body.files:
        messages = _attach(messages, [Stored(handle) for handle in body.files])
    tools = _tools(body)
    choice = body.tool_choice if body.tool_choice is not None else body.function_call
    parallel = body.parallel_tool_calls is not False
    return ChatRequest(
        messages=messages,
        model=body.model,
        stream=bool(body.stream),
        tools=tools,
        tool_choice=read_tool_choice(choice, [tool.name for tool in tools], parallel=parallel),
        response_format=_response_format(body.response_format),
        thinking=_thinking(body),
        stop=_stop(body.stop),
        n=body.n or 1,
        conversation_id=body.conversation_id,
        images=ImageOptions() if body.modalities and "image" in body.modalities else None,
        demands_picture="image" in (body.modalities or ()) and "text" not in (body.modalities or ()),
        ignored=tuple(name for name in _NOT_HONOURED if getattr(body, name) is not None),
    )


def _thinking(body: ChatCompletionRequest) -> bool | None:
    if body.reasoning is None or body.reasoning_effort is not None:
        return thinking_of(body.reasoning_effort)
    return body.reasoning.enabled if body.reasoning.effort is None else thinking_of(body.reasoning.effort)


def include_usage(body: ChatCompletionRequest) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _no_such_output(param: str) -> BadRequest:
    return unsupported(
        param, f"{param} is not supported: the web app has no such output", f"不支持 {param}：网页版没有这种输出"
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
        case "input_audio" if part.input_audio is not None:
            audio = part.input_audio
            data = decode_base64(audio.data, f"{where}.input_audio.data")
            return File(Inline(data, f"audio/{audio.format}", f"audio.{audio.format}"))
        case "text" | "refusal" | "image_url" | "file" | "input_audio":
            raise BadRequest(
                f"{where} lacks its {part.type}", f"{where} 缺少 {part.type} 字段", param=f"{where}.{part.type}"
            )
        case _:
            raise BadRequest(
                f"{where} has type {part.type!r}, which cannot be passed on; use text, image_url, file or input_audio",
                f"{where} 的类型 {part.type!r} 不受支持，请使用 text、image_url、file 或 input_audio",
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
    return tuple(tool_of(function) for function in functions)


def _response_format(body: ResponseFormatBody | None) -> ResponseFormat:
    if body is None:
        return ResponseFormat()
    schema = body.json_schema or JsonSchemaBody()
    return read_format(body.type, schema.schema_, schema.name, schema.strict, "response_format.json_schema.schema")


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
    flow = MarkdownFlow()
    content = "".join(
        flow.image(part.image, stamp) if isinstance(part, ImageGenerated) else flow.text(part.text)
        for part in reply.parts
        if isinstance(part, TextDelta | ImageGenerated)
    )
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content if content or not reply.calls else None,
        "refusal": None,
        "annotations": [],
    }
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
    if reply.images:
        message["images"] = [image_part(image, stamp, index) for index, image in enumerate(reply.images)]
    if reply.calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in reply.calls
        ]
    return message


def image_part(image: GeneratedImage, stamp: Stamp, index: int) -> dict[str, Any]:
    """The picture as an entry of `message.images`, the field that several gateways share."""
    return {"type": "image_url", "image_url": {"url": image_link(image, stamp)}, "index": index}


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
        self._images: dict[int, int] = {}
        self._flows: dict[int, MarkdownFlow] = {}

    def event(self, index: int, event: Event) -> bytes:
        match event:
            case Began():
                if event.conversation_id:
                    self._base["conversation_id"] = event.conversation_id
                return self._chunk(index, {"role": "assistant", "content": ""})
            case TextDelta(text):
                return self._chunk(index, {"content": self._flow(index).text(text)})
            case ThoughtDelta(text):
                return self._chunk(index, {"reasoning_content": text})
            case ToolCalled(call):
                return self._call(index, call)
            case ImageGenerated(image):
                return self._image(index, image)
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

    def _flow(self, index: int) -> MarkdownFlow:
        return self._flows.setdefault(index, MarkdownFlow())

    def _image(self, index: int, image: GeneratedImage) -> bytes:
        number = self._images.get(index, 0)
        self._images[index] = number + 1
        content = self._flow(index).image(image, self._stamp)
        return self._chunk(index, {"content": content, "images": [image_part(image, self._stamp, number)]})

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


def model_object(model_id: str, created: int = 1_700_000_000) -> dict[str, Any]:
    """One entry of GET /v1/models."""
    return {"id": model_id, "object": "model", "created": created, "owned_by": "google"}
