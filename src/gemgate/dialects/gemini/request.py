"""Gemini's generateContent, the way in (api_contract.md 5).

Google's SDKs mix camelCase and snake_case in one body and write whole numbers as floats: both are read everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import AliasChoices, AliasGenerator, ConfigDict, Field
from pydantic.alias_generators import to_camel

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
from gemgate.dialects.gemini.schema import json_schema
from gemgate.dialects.wire import Body, decode_base64, is_image
from gemgate.errors import BadRequest
from gemgate.files import Inline, Source, Stored
from gemgate.images import ImageOptions


class Wire(Body):
    """Every field under its camelCase and its snake_case name."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(to_camel(name), name)),
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )


class Blob(Wire):
    data: str
    mime_type: str = ""
    display_name: str | None = None


class FileData(Wire):
    file_uri: str
    mime_type: str = ""
    display_name: str | None = None


class FunctionCallBody(Wire):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class FunctionResponsePart(Wire):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponseBody(Wire):
    name: str = ""
    response: dict[str, Any] | None = None
    id: str | None = None
    parts: list[FunctionResponsePart] | None = None


class PartBody(Wire):
    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCallBody | None = None
    function_response: FunctionResponseBody | None = None
    thought: bool | None = None


class Content(Wire):
    role: str | None = None
    parts: list[PartBody] | PartBody | None = None


class FunctionDeclaration(Wire):
    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class ToolBody(Wire):
    function_declarations: list[FunctionDeclaration] | None = None
    google_search: Any = None
    google_search_retrieval: Any = None
    google_maps: Any = None
    url_context: Any = None
    code_execution: Any = None
    computer_use: Any = None
    file_search: Any = None
    mcp_servers: Any = None


class FunctionCallingConfig(Wire):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Wire):
    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(Wire):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class ImageConfig(Wire):
    aspect_ratio: str | None = Field(default=None, pattern=r"^\d{1,2}:\d{1,2}$")
    image_size: str | None = None


class GenerationConfig(Wire):
    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: Any = None
    response_modalities: list[str] | None = None
    image_config: ImageConfig | None = None
    thinking_config: ThinkingConfig | None = None
    candidate_count: int | None = Field(default=None, ge=1, le=8)
    speech_config: Any = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: float | None = Field(default=None, ge=0)
    max_output_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None


class GenerateContentRequest(Wire):
    """Body of models/{model}:generateContent and :streamGenerateContent."""

    contents: list[Content] | Content | None = None
    system_instruction: Content | list[PartBody] | str | None = None
    tools: list[ToolBody] | ToolBody | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None


class CountTokensRequest(Wire):
    """Body of models/{model}:countTokens: contents, or the whole request."""

    contents: list[Content] | Content | None = None
    generate_content_request: GenerateContentRequest | None = None


_NOT_HONOURED = (
    "temperature",
    "top_p",
    "top_k",
    "max_output_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "response_logprobs",
)
_HOSTED = ("google_search", "google_search_retrieval", "google_maps", "url_context", "code_execution")
_FOREIGN = ("computer_use", "file_search", "mcp_servers")
_SIDES = {"512": 512, "0.5K": 512, "1K": 1024, "2K": 2048, "4K": 4096}


def read_request(body: GenerateContentRequest, model: str, *, stream: bool) -> ChatRequest:
    """The words of a generateContent request; BadRequest for what cannot be passed on."""
    if body.cached_content:
        raise _unsupported("cachedContent", "send the contents themselves", "请直接发送内容")
    config = body.generation_config or GenerationConfig()
    if config.speech_config is not None or "AUDIO" in _modalities(config):
        raise _unsupported("speech output", "ask for TEXT or IMAGE", "请使用 TEXT 或 IMAGE")
    tools, hosted = _tools(body.tools)
    thinking = config.thinking_config or ThinkingConfig()
    ignored = tuple(to_camel(name) for name in _NOT_HONOURED if getattr(config, name) is not None)
    return ChatRequest(
        messages=(*_system(body.system_instruction), *_messages(body.contents)),
        model=model,
        stream=stream,
        tools=tools,
        tool_choice=_tool_choice(body.tool_config, tools),
        response_format=_format(config),
        thinking=_thinking(thinking),
        include_thoughts=bool(thinking.include_thoughts),
        stop=tuple(stop for stop in config.stop_sequences or () if stop),
        n=config.candidate_count or 1,
        images=_images(config),
        ignored=ignored + hosted,
    )


def read_token_count(body: CountTokensRequest, model: str) -> ChatRequest:
    """What would be asked, for counting."""
    whole = body.generate_content_request or GenerateContentRequest()
    if body.contents is not None:
        whole = whole.model_copy(update={"contents": body.contents})
    return read_request(whole, model, stream=False)


def _unsupported(param: str, instead: str, instead_zh: str) -> BadRequest:
    return BadRequest(f"{param} is not supported here; {instead}", f"不支持 {param}，{instead_zh}", param=param)


def _system(content: Content | list[PartBody] | str | None) -> tuple[Message, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        text = content
    else:
        parts = content if isinstance(content, list) else _parts_of(content)
        text = "\n\n".join(part.text for part in parts if part.text)
    return (Message("system", (Text(text),)),) if text else ()


def _parts_of(content: Content) -> list[PartBody]:
    if content.parts is None:
        return []
    return content.parts if isinstance(content.parts, list) else [content.parts]


@dataclass(slots=True)
class _Calls:
    """The calls made so far, to give ids to those without and to pair the answers with them."""

    made: int
    open: list[ToolCall]

    def add(self, body: FunctionCallBody) -> ToolCall:
        call = ToolCall(body.id or f"call_{self.made}", body.name, json.dumps(body.args or {}, ensure_ascii=False))
        self.made += 1
        self.open.append(call)
        return call

    def answered(self, body: FunctionResponseBody) -> ToolCall:
        """The call that this is the answer to: by id, else the first open one of the name."""
        for call in self.open:
            if call.id == body.id or (not body.id and call.name == body.name):
                self.open.remove(call)
                return call
        return ToolCall(body.id or body.name, body.name, "{}")


_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user"}


def _messages(contents: list[Content] | Content | None) -> list[Message]:
    listed = contents if isinstance(contents, list) else [contents] if contents is not None else []
    if not listed:
        raise BadRequest("contents is not specified", "未指定 contents", param="contents")
    calls = _Calls(0, [])
    messages: list[Message] = []
    for at, content in enumerate(listed):
        role = _ROLES.get(content.role or "user")
        if role is None:
            raise BadRequest(
                f"contents[{at}].role must be user or model",
                f"contents[{at}].role 必须是 user 或 model",
                param=f"contents[{at}].role",
            )
        messages.extend(_content(content, role, f"contents[{at}]", calls))
    if not any(message.parts for message in messages):
        raise BadRequest("contents has no parts", "contents 没有任何 parts", param="contents")
    return messages


def _content(content: Content, role: Role, where: str, calls: _Calls) -> list[Message]:
    """One content; function responses inside it become messages of their own, in their place."""
    messages: list[Message] = []
    parts: list[Part] = []
    for at, body in enumerate(_parts_of(content)):
        if body.function_response is not None:
            if parts:
                messages.append(Message(role, tuple(parts)))
                parts = []
            result = _result(body.function_response, f"{where}.parts[{at}].functionResponse", calls)
            messages.append(Message("tool", (result,)))
        elif (part := _part(body, f"{where}.parts[{at}]", calls)) is not None:
            parts.append(part)
    if parts:
        messages.append(Message(role, tuple(parts)))
    return messages


def _part(body: PartBody, where: str, calls: _Calls) -> Part | None:
    if body.text is not None:
        if body.thought:
            return Thought(body.text) if body.text else None
        return Text(body.text) if body.text else None
    if body.inline_data is not None:
        return _attachment(_inline(body.inline_data, f"{where}.inlineData"))
    if body.file_data is not None:
        return _attachment(_stored(body.file_data, f"{where}.fileData"))
    if body.function_call is not None:
        return calls.add(body.function_call)
    if body.thought:
        return None
    raise BadRequest(
        f"{where} needs text, inlineData, fileData, functionCall or functionResponse",
        f"{where} 需要 text、inlineData、fileData、functionCall 或 functionResponse",
        param=where,
    )


def _attachment(source: Source) -> Image | File:
    return Image(source) if is_image(source.mime) else File(source)


def _inline(blob: Blob, where: str) -> Inline:
    return Inline(decode_base64(blob.data, f"{where}.data"), blob.mime_type.lower(), blob.display_name or "")


_FILE_URI = re.compile(r"(?:https?://[^/\s]+(?:/[\w.-]+)*/v1(?:beta)?/)?files/([A-Za-z0-9_-]{1,64})", re.ASCII)


def _stored(file: FileData, where: str) -> Stored:
    match = _FILE_URI.fullmatch(file.file_uri)
    if match is None:
        raise BadRequest(
            f"{where}.fileUri must be the uri of an upload to this service, or files/<id>",
            f"{where}.fileUri 必须是本服务上传文件的 uri，或 files/<id>",
            param=f"{where}.fileUri",
        )
    return Stored(file_id(match.group(1)), file.mime_type.lower(), file.display_name or "")


def file_id(name: str) -> str:
    """The store's id (`file-x`) of a file that this dialect calls `files/x`.

    The SDK cuts a file's name out of its uri by `[a-z0-9]+`, so the dash of our ids must not stand there.
    """
    bare = name.removeprefix("files/")
    return bare if bare.startswith("file-") else f"file-{bare}"


def _result(body: FunctionResponseBody, where: str, calls: _Calls) -> ToolResult:
    call = calls.answered(body)
    response = body.response or {}
    parts: list[Text | Image | File] = []
    match response:
        case {"result": str(text), **rest} | {"output": str(text), **rest} if not rest:
            parts.append(Text(text))
        case _:
            parts.append(Text(json.dumps(response, ensure_ascii=False)))
    for at, part in enumerate(body.parts or ()):
        if part.inline_data is not None:
            parts.append(_attachment(_inline(part.inline_data, f"{where}.parts[{at}].inlineData")))
        elif part.file_data is not None:
            parts.append(_attachment(_stored(part.file_data, f"{where}.parts[{at}].fileData")))
    return ToolResult(call.id, call.name or body.name, tuple(parts), is_error=set(response) == {"error"})


def _tools(tools: list[ToolBody] | ToolBody | None) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """The declared functions, and the names of Google's own tools that are left to the web app."""
    listed = tools if isinstance(tools, list) else [tools] if tools is not None else []
    found: list[Tool] = []
    hosted: list[str] = []
    for at, tool in enumerate(listed):
        for name in _FOREIGN:
            if getattr(tool, name) is not None:
                raise _unsupported(
                    f"tools[{at}].{to_camel(name)}", "offer functionDeclarations", "请提供 functionDeclarations"
                )
        hosted += [f"tools.{to_camel(name)}" for name in _HOSTED if getattr(tool, name) is not None]
        for index, function in enumerate(tool.function_declarations or ()):
            found.append(_function(function, f"tools[{at}].functionDeclarations[{index}]"))
    return tuple(found), tuple(hosted)


def _function(function: FunctionDeclaration, where: str) -> Tool:
    if function.parameters_json_schema is not None:
        parameters = function.parameters_json_schema
    elif function.parameters is not None:
        parameters = json_schema(function.parameters, f"{where}.parameters")
    else:
        parameters = {"type": "object", "properties": {}}
    return Tool(function.name, function.description or "", parameters)


def _tool_choice(config: ToolConfig | None, tools: Sequence[Tool]) -> ToolChoice:
    calling = config.function_calling_config if config else None
    if calling is None:
        return ToolChoice()
    where = "toolConfig.functionCallingConfig"
    allowed = tuple(calling.allowed_function_names or ())
    match (calling.mode or "AUTO").upper():
        case "NONE":
            return ToolChoice("none")
        case "AUTO" | "VALIDATED" | "MODE_UNSPECIFIED":
            choice = ToolChoice("auto", allowed)
        case "ANY":
            choice = ToolChoice("required", allowed)
        case _:
            raise BadRequest(
                f"{where}.mode must be AUTO, ANY, NONE or VALIDATED",
                f"{where}.mode 必须是 AUTO、ANY、NONE 或 VALIDATED",
                param=f"{where}.mode",
            )
    missing = [name for name in allowed if name not in {tool.name for tool in tools}]
    if missing or (choice.mode == "required" and not tools):
        raise BadRequest(
            f"{where} asks for a function that is not declared: {', '.join(missing) or 'there are none'}",
            f"{where} 指定了未声明的函数：{', '.join(missing) or '没有任何函数'}",
            param=where,
        )
    return choice


def _format(config: GenerationConfig) -> ResponseFormat:
    """JSON mode without a schema takes any JSON value, as Google's does."""
    mime = (config.response_mime_type or "").lower()
    if mime not in ("", "text/plain", "application/json"):
        raise _unsupported(
            f"responseMimeType {mime}", "use text/plain or application/json", "请使用 text/plain 或 application/json"
        )
    if mime != "application/json":
        return ResponseFormat()
    if isinstance(config.response_json_schema, dict):
        return ResponseFormat("json_schema", config.response_json_schema, "answer", strict=True)
    if config.response_schema is not None:
        schema = json_schema(config.response_schema, "generationConfig.responseSchema")
        return ResponseFormat("json_schema", schema, "answer", strict=True)
    return ResponseFormat("json_schema", {}, "answer")


def _thinking(config: ThinkingConfig) -> bool | None:
    """The web app knows on and off only: a level or a budget is one of them, -1 leaves it to the model."""
    if config.thinking_level:
        return config.thinking_level.upper() in ("MEDIUM", "HIGH", "XHIGH")
    if config.thinking_budget is None or config.thinking_budget < 0:
        return None
    return config.thinking_budget > 0


def _modalities(config: GenerationConfig) -> set[str]:
    return {modality.upper() for modality in config.response_modalities or ()}


def _images(config: GenerationConfig) -> ImageOptions | None:
    image = config.image_config
    if image is None:
        return ImageOptions() if "IMAGE" in _modalities(config) else None
    side = _SIDES.get(image.image_size.upper()) if image.image_size else None
    if image.image_size and side is None:
        raise BadRequest(
            "imageConfig.imageSize must be 1K, 2K or 4K",
            "imageConfig.imageSize 必须是 1K、2K 或 4K",
            param="generationConfig.imageConfig.imageSize",
        )
    return replace(ImageOptions(), aspect=image.aspect_ratio, long_side=side)
