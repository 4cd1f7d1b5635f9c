"""Gemini's generateContent, the way in: what is asked and with what
(docs/client-contracts.md 5); contents are in `contents`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gemgate.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from gemgate.dialects import wire
from gemgate.dialects.effort import thinking_of, unknown_effort
from gemgate.dialects.gemini.contents import Content, Wire, read_contents, read_system
from gemgate.dialects.gemini.declared import only_declared
from gemgate.dialects.gemini.schema import json_schema
from gemgate.dialects.image_options import options_of
from gemgate.dialects.wire import declared_schema, is_wish
from gemgate.errors import BadRequest
from gemgate.images import ImageOptions


class Wishes(Wire):
    """What it does not know it keeps, so that it can be named as ignored."""

    model_config = ConfigDict(extra="allow")


class FunctionDeclaration(Wire):
    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")
    description: str | None = None
    parameters: Any = None
    parameters_json_schema: Any = None


class ToolBody(Wishes):
    """Functions; every other field is a tool of Google's own."""

    function_declarations: list[FunctionDeclaration] | None = None


class FunctionCallingConfig(Wishes):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Wishes):
    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(Wishes):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class ImageConfig(Wishes):
    """In whatever words `painting` reads."""

    aspect_ratio: str | int | None = None
    image_size: str | int | None = None


class GenerationConfig(Wishes):
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
    max_output_tokens: int | None = Field(default=None, ge=-1)
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None


class GenerateContentRequest(Wishes):
    """Body of models/{model}:generateContent and :streamGenerateContent."""

    contents: list[Content] | Content | None = None
    system_instruction: Content | list[Any] | str | None = None
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


_LEVEL = "generationConfig.thinkingConfig.thinkingLevel"


def read_request(body: GenerateContentRequest, model: str, *, stream: bool) -> ChatRequest:
    """The words of a generateContent request; BadRequest for what cannot be passed on."""
    if body.cached_content:
        raise _unsupported("cachedContent", "send the contents themselves", "请直接发送内容")
    config = body.generation_config or GenerationConfig()
    if config.speech_config is not None or "AUDIO" in _modalities(config):
        raise _unsupported("speech output", "ask for TEXT or IMAGE", "请使用 TEXT 或 IMAGE")
    mode = _calling_mode(body.tool_config)
    tools, hosted, searches = _tools(body.tools, strict=mode == "VALIDATED")
    thinking = config.thinking_config or ThinkingConfig()
    return ChatRequest(
        messages=(*read_system(body.system_instruction), *read_contents(body.contents)),
        model=model,
        stream=stream,
        tools=tools,
        tool_choice=_tool_choice(body.tool_config, tools),
        response_format=_format(config),
        thinking=_thinking(thinking),
        thinking_field=_LEVEL if thinking.thinking_level else "generationConfig.thinkingConfig.thinkingBudget",
        include_thoughts=bool(thinking.include_thoughts),
        stop=tuple(stop for stop in config.stop_sequences or () if stop),
        n=config.candidate_count or 1,
        images=_images(config, model),
        search=("forbidden" if mode == "NONE" else "offered") if searches else "own",
        cites=True,
        runs_code=mode != "NONE" and _runs_code(body.tools),
        plays=True,
        demands_image="IMAGE" in _modalities(config) and "TEXT" not in _modalities(config),
        ignored=_ignored(body, config, model) + hosted,
    )


def _ignored(body: GenerateContentRequest, config: GenerationConfig, model: str) -> tuple[str, ...]:
    unlimited = config.max_output_tokens is not None and config.max_output_tokens < 1
    names = [to_camel(name) for name in _NOT_HONOURED if getattr(config, name) is not None]
    if unlimited:
        names.remove("maxOutputTokens")
    unheard = () if _asks_for_images(config, model) else ("aspect_ratio", "image_size")
    inner: list[tuple[BaseModel | None, str]] = [
        (body, ""),
        (config, "generationConfig."),
        (config.image_config, "generationConfig.imageConfig."),
        (config.thinking_config, "generationConfig.thinkingConfig."),
        (body.tool_config, "toolConfig."),
        (body.tool_config.function_calling_config if body.tool_config else None, "toolConfig.functionCallingConfig."),
    ]
    for part, at in inner:
        known = [name for name in unheard if part is config.image_config and is_wish(name, getattr(part, name, None))]
        names += [at + to_camel(name) for name in (*known, *(wire.ignored(part) if part is not None else ()))]
    if (config.response_mime_type or "").lower() == "text/plain":
        names += ["generationConfig." + name for name in _schemas(config)]
    level = config.thinking_config.thinking_level if config.thinking_config else None
    return (*names, *unknown_effort(level, _LEVEL))


def read_token_count(body: CountTokensRequest, model: str) -> ChatRequest:
    """What would be asked, for counting."""
    whole = body.generate_content_request or GenerateContentRequest()
    if body.contents is not None:
        whole = whole.model_copy(update={"contents": body.contents})
    return read_request(whole, model, stream=False)


def _unsupported(param: str, instead: str, instead_zh: str) -> BadRequest:
    return BadRequest(f"{param} is not supported here; {instead}", f"不支持 {param}，{instead_zh}", param=param)


SEARCH = ("googleSearch", "googleSearchRetrieval", "urlContext")
"""Tools that the web app has by itself; what they found is the answer's grounding."""


RUNS = "codeExecution"
"""The tool that runs code, which the web app has by itself as well."""


def _runs_code(tools: list[ToolBody] | ToolBody | None) -> bool:
    listed = tools if isinstance(tools, list) else [tools] if tools is not None else []
    given = [field for tool in listed for field in (tool.model_extra or {}).items()]
    return any(to_camel(name) == RUNS and value is not None for name, value in given)


def _tools(tools: list[ToolBody] | ToolBody | None, *, strict: bool) -> tuple[tuple[Tool, ...], tuple[str, ...], bool]:
    """The declared functions, the names of tools and wishes that are not served, and whether a search is offered."""
    listed = tools if isinstance(tools, list) else [tools] if tools is not None else []
    found: list[Tool] = []
    hosted: list[str] = []
    searches = False
    for at, tool in enumerate(listed):
        for name, value in (tool.model_extra or {}).items():
            if value is None:
                continue
            if (kind := to_camel(name)) == RUNS:
                continue
            if kind not in SEARCH:
                hosted.append("tools." + wire.header_safe(kind))
                continue
            searches = True
            wishes = value.items() if isinstance(value, Mapping) else ()
            hosted += [
                f"tools.{kind}.{wire.header_safe(to_camel(wish))}" for wish, inner in wishes if is_wish(wish, inner)
            ]
        for index, function in enumerate(tool.function_declarations or ()):
            function_tool = _function(function, f"tools[{at}].functionDeclarations[{index}]")
            found.append(replace(function_tool, strict=strict))
    return tuple(found), tuple(dict.fromkeys(hosted)), searches


def _function(function: FunctionDeclaration, where: str) -> Tool:
    """A function with its schema in JSON Schema's words, or as it is where it is none of Google's."""
    parameters: Any = function.parameters_json_schema
    if parameters is None and function.parameters is not None:
        try:
            parameters = json_schema(function.parameters, f"{where}.parameters")
        except BadRequest:
            parameters = function.parameters
    parameters = declared_schema(parameters, f"{where}.parameters")
    return Tool(function.name, function.description or "", parameters)


def _calling_mode(config: ToolConfig | None) -> str:
    """VALIDATED is Google's word for strict tools: a call that does not fit its schema is never made."""
    calling = config.function_calling_config if config else None
    return (calling.mode if calling and calling.mode else "AUTO").upper()


def _tool_choice(config: ToolConfig | None, tools: Sequence[Tool]) -> ToolChoice:
    calling = config.function_calling_config if config else None
    if calling is None:
        return ToolChoice()
    where = "toolConfig.functionCallingConfig"
    allowed = tuple(calling.allowed_function_names or ())
    match _calling_mode(config):
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
    return only_declared(choice, tools, where)


def _format(config: GenerationConfig) -> ResponseFormat:
    """JSON mode without a schema takes any JSON value, as Google's does; text/x.enum is one word of a schema's. A
    schema without a type is a wish for JSON.
    """
    mime = (config.response_mime_type or ("application/json" if _schemas(config) else "")).lower()
    if mime not in ("", "text/plain", "application/json", "text/x.enum"):
        raise _unsupported(
            f"responseMimeType {mime}",
            "use text/plain, application/json or text/x.enum",
            "请使用 text/plain、application/json 或 text/x.enum",
        )
    if mime in ("", "text/plain"):
        return ResponseFormat()
    schema: Mapping[str, Any] = {}
    if isinstance(config.response_json_schema, dict):
        schema = config.response_json_schema
    elif config.response_schema is not None:
        schema = json_schema(config.response_schema, "generationConfig.responseSchema")
    if mime == "application/json":
        strict = isinstance(config.response_json_schema, dict) or config.response_schema is not None
        return ResponseFormat("json_schema", schema, "answer", strict=strict)
    words = schema.get("enum")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise BadRequest(
            "text/x.enum needs a responseSchema of type STRING with an enum",
            "text/x.enum 需要 type 为 STRING 且带 enum 的 responseSchema",
            param="generationConfig.responseSchema",
        )
    return ResponseFormat("json_schema", {"type": "string", "enum": words}, "answer", strict=True, bare=True)


def _thinking(config: ThinkingConfig) -> bool | None:
    """The web app knows on and off only: a level or a budget is one of them, -1 leaves it to the model."""
    if config.thinking_level:
        return thinking_of(config.thinking_level)
    if config.thinking_budget is None or config.thinking_budget < 0:
        return None
    return config.thinking_budget > 0


def _schemas(config: GenerationConfig) -> tuple[str, ...]:
    """The fields in which a schema of the answer was given."""
    given = {"responseSchema": config.response_schema, "responseJsonSchema": config.response_json_schema}
    return tuple(name for name, schema in given.items() if isinstance(schema, dict))


def _modalities(config: GenerationConfig) -> set[str]:
    return {modality.upper() for modality in config.response_modalities or ()}


def _asks_for_images(config: GenerationConfig, model: str) -> bool:
    """Whether images may come; how they are wanted says nothing of a chat in words."""
    return "IMAGE" in _modalities(config) or "image" in model.lower()


def _images(config: GenerationConfig, model: str) -> ImageOptions | None:
    wanted = config.image_config
    options = image_options(wanted, "generationConfig.imageConfig") if wanted is not None else ImageOptions()
    return options if _asks_for_images(config, model) else None


def image_options(image: ImageConfig, where: str) -> ImageOptions:
    """How images are wanted; "auto" and nothing are no wish. BadRequest for a size that there is not."""
    return options_of({"aspectRatio": image.aspect_ratio, "imageSize": image.image_size}, where=f"{where}.")
