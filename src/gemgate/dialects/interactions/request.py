"""Gemini interactions, the way in: what is asked and with what (docs/client-contracts.md 9); the input is in `steps`.

A stored interaction is somebody else's store: `previous` are the messages that it remembered. System instruction,
tools and configuration are of one interaction, not of those that go on from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import Field, StrictBool

from gemgate.catalog import kind_of_model
from gemgate.chat import ChatRequest, Message, ResponseFormat, Text, Tool, ToolChoice
from gemgate.dialects import research
from gemgate.dialects.effort import thinking_of, unknown_effort
from gemgate.dialects.gemini.declared import only_declared
from gemgate.dialects.gemini.schema import json_schema
from gemgate.dialects.image_options import options_of
from gemgate.dialects.interactions.steps import read_input
from gemgate.dialects.wire import MODEL_POLICY, Body, Limit, Wishes, declared_schema, header_safe, ignored, is_wish
from gemgate.errors import BadRequest
from gemgate.frozen import frozen
from gemgate.images import ImageOptions, ModelPolicy

PREFIX = "int_"
"""How ids of interactions begin, in the store that they share with OpenAI's responses."""


class FunctionTool(Body):
    """The only tool that a caller runs himself; all others are Google's own."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")
    description: str | None = None
    parameters: Any = None


class ImageConfig(Wishes):
    aspect_ratio: str | int | None = None
    image_size: str | int | None = None


class GenerationConfig(Wishes):
    stop_sequences: list[str] | None = None
    thinking_level: str | None = None
    thinking_summaries: str | None = None
    tool_choice: str | dict[str, Any] | None = None
    image_config: ImageConfig | None = None
    speech_config: Any = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = None
    max_output_tokens: Limit = None


class InteractionRequest(Wishes):
    """Body of POST /v1beta/interactions."""

    input: str | dict[str, Any] | list[Any] | None = None
    model: str | None = None
    previous_interaction_id: str | None = None
    system_instruction: str | None = None
    stream: StrictBool | None = None
    store: StrictBool | None = None
    background: StrictBool | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | list[dict[str, Any]] | None = None
    response_mime_type: str | None = None
    response_modalities: list[str] | None = None
    generation_config: GenerationConfig | None = None
    labels: dict[str, str] | None = None
    model_policy: ModelPolicy | None = Field(default=None, description=MODEL_POLICY)
    agent: Any = None
    agent_config: Any = None
    environment: Any = None
    cached_content: Any = None
    continuation_token: Any = None


_NOT_OFFERED = {
    "agent": ("name a model, or deep-research-...", "请指定 model，或 deep-research-..."),
    "agent_config": ("name a model", "请指定 model"),
    "environment": ("there are no environments here", "这里没有 environment"),
    "cached_content": ("send the input itself", "请直接发送 input"),
    "continuation_token": ("no interaction here hands one out", "这里的 interaction 不会给出它"),
}
_OF_AGENT = ("agent", "agent_config")
_FORMATS = ("text", "image", "audio", "video")


@frozen
class _Wanted:
    """What may come out: the form of the text, and images with their options or None; ignored names of wishes."""

    text: ResponseFormat
    images: ImageOptions | None
    only_images: bool
    ignored: tuple[str, ...]


_LEVEL = "generation_config.thinking_level"


def read_request(body: InteractionRequest, previous: Sequence[Message] = ()) -> ChatRequest:
    """The words of an interaction; BadRequest for what cannot be passed on."""
    researches = research.is_agent(body.agent)
    for name, (instead, instead_zh) in _NOT_OFFERED.items():
        if getattr(body, name) is not None and not (researches and name in _OF_AGENT):
            raise _unsupported(name, instead, instead_zh)
    if body.background and body.store is False:
        raise BadRequest(
            "A background interaction has to be stored: leave store out, or background",
            "background 模式的 interaction 必须保存：请去掉 store 或 background",
            param="store",
        )
    config = body.generation_config or GenerationConfig()
    if config.speech_config is not None:
        raise _unsupported("generation_config.speech_config", "ask for text or image", "请使用 text 或 image")
    mode = _mode(config.tool_choice)[0]
    tools, hosted = _tools(body.tools or (), strict=mode == "validated")
    wanted = _wanted(body, config)
    return ChatRequest(
        messages=(*_system(body.system_instruction), *read_input(body.input, previous)),
        model=str(body.agent) if researches else body.model,
        stream=bool(body.stream),
        tools=tools,
        tool_choice=_tool_choice(config.tool_choice, tools),
        response_format=wanted.text,
        thinking=thinking_of(config.thinking_level),
        thinking_field=_LEVEL,
        include_thoughts=(config.thinking_summaries or "none").lower() == "auto",
        stop=tuple(stop for stop in config.stop_sequences or () if stop),
        images=wanted.images,
        demands_image=wanted.only_images,
        search=("forbidden" if mode == "none" else "offered") if searches(body) else "own",
        cites=True,
        runs_code=mode != "none" and any(tool.get("type") == RUNS for tool in body.tools or ()),
        plays=True,
        model_policy=body.model_policy,
        ignored=(*ignored(body), *_ignored(config), *wanted.ignored, *hosted),
    )


def continuation(body: InteractionRequest, previous: Sequence[Message] = ()) -> tuple[Message, ...]:
    """What to remember of this interaction besides its answer. Its instruction is not carried over to the next one."""
    return read_input(body.input, previous)


def wants_links(body: InteractionRequest) -> bool:
    """Whether images, sound and films are to come as links instead of bytes."""
    return any(
        one.get("type") in ("image", "audio", "video") and one.get("delivery") == "uri" for one in _formats(body)
    )


SEARCH = ("google_search", "url_context")
"""Tools that the web app has by itself; their sources come back in the answer."""


RUNS = "code_execution"
"""The tool that runs code, which the web app has by itself as well."""


def searches(body: InteractionRequest) -> bool:
    """Whether a tool that searches the web is offered."""
    return any(tool.get("type") in SEARCH for tool in body.tools or ())


def _unsupported(param: str, instead: str, instead_zh: str) -> BadRequest:
    return BadRequest(f"{param} is not supported here; {instead}", f"不支持 {param}，{instead_zh}", param=param)


def _system(text: str | None) -> tuple[Message, ...]:
    return (Message("system", (Text(text),)),) if text else ()


def _ignored(config: GenerationConfig) -> tuple[str, ...]:
    level = unknown_effort(config.thinking_level, _LEVEL)
    return (
        *ignored(config, "temperature", "top_p", "seed", "max_output_tokens", prefix="generation_config."),
        *level,
    )


def _tools(tools: Sequence[Mapping[str, Any]], *, strict: bool) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """The declared functions, and the names of tools and wishes that are not served."""
    found: list[Tool] = []
    hosted: list[str] = []
    for at, tool in enumerate(tools):
        where, kind = f"tools[{at}]", tool.get("type", "function" if "name" in tool else None)
        if kind == "function":
            found.append(_function(tool, where, strict=strict))
        elif kind == RUNS:
            pass
        elif kind in SEARCH:
            wishes = (name for name, value in tool.items() if name != "type" and is_wish(name, value))
            hosted += [f"tools.{kind}.{header_safe(name)}" for name in wishes]
        elif isinstance(kind, str) and kind:
            hosted.append("tools." + header_safe(kind))
        else:
            raise BadRequest(f"Missing required parameter: {where}.type", f"缺少必需参数：{where}.type", param=where)
    return tuple(found), tuple(dict.fromkeys(hosted))


def _function(tool: Mapping[str, Any], where: str, *, strict: bool) -> Tool:
    """A function with its schema in JSON Schema's words, or as it is where it is none of Google's."""
    try:
        declared = FunctionTool.model_validate(dict(tool))
    except ValueError:
        raise BadRequest(
            f"{where}.name must begin with a letter or _ and have letters, digits, _ . : - and at most 128 characters",
            f"{where}.name 必须以字母或 _ 开头，只含字母、数字和 _ . : -，最多 128 个字符",
            param=f"{where}.name",
        ) from None
    parameters = declared_schema(declared.parameters, f"{where}.parameters")
    with suppress(BadRequest):
        parameters = json_schema(parameters, f"{where}.parameters")
    return Tool(declared.name, declared.description or "", parameters, strict=strict)


def _mode(choice: str | Mapping[str, Any] | None) -> tuple[str, tuple[str, ...]]:
    """The mode in lower case and the allowed names; "" for no choice that is understood."""
    match choice:
        case None:
            return "auto", ()
        case str():
            return choice.lower(), ()
        case {"allowed_tools": {**allowed}}:
            mode, names = allowed.get("mode") or "auto", allowed.get("tools") or []
            if isinstance(mode, str) and isinstance(names, list) and all(isinstance(name, str) for name in names):
                return mode.lower(), tuple(names)
    return "", ()


def _tool_choice(choice: str | Mapping[str, Any] | None, tools: Sequence[Tool]) -> ToolChoice:
    where = "generation_config.tool_choice"
    mode, allowed = _mode(choice)
    match mode:
        case "none":
            return ToolChoice("none")
        case "auto" | "validated":
            chosen = ToolChoice("auto", allowed)
        case "any":
            chosen = ToolChoice("required", allowed)
        case _:
            raise BadRequest(
                f"{where} must be auto, any, none, validated or {{allowed_tools: {{mode, tools}}}}",
                f"{where} 必须是 auto、any、none、validated 或 {{allowed_tools: {{mode, tools}}}}",
                param=where,
            )
    return only_declared(chosen, tools, where)


def _formats(body: InteractionRequest) -> list[dict[str, Any]]:
    """The wanted forms; a bare JSON schema, as earlier releases send it, is a text of that schema."""
    given = body.response_format
    listed = given if isinstance(given, list) else [given] if given else []
    return [
        one if one.get("type") in _FORMATS else {"type": "text", "mime_type": "application/json", "schema": one}
        for one in listed
    ]


def _wanted(body: InteractionRequest, config: GenerationConfig) -> _Wanted:
    formats = _formats(body)
    modalities = {modality.lower() for modality in body.response_modalities or ()}
    kinds = modalities | {str(one["type"]) for one in formats}
    makes = {"music": "audio", "video": "video"}.get(kind_of_model(body.model or ""), "")
    for kind in ("audio", "video", "document"):
        if kind in kinds and kind != makes:
            raise _unsupported(f"{kind} output", "ask for text or image", "请使用 text 或 image")
    text = [one for one in formats if one["type"] == "text"]
    image = next((one for one in formats if one["type"] == "image"), None)
    asked = image is not None or "image" in kinds or "image" in (body.model or "").lower()
    options, unheard = _images(image, config.image_config, asked=asked)
    names = unheard
    for at, one in enumerate(text[1:], 1):
        names = (*names, f"response_format[{at}].{one['type']}")
    return _Wanted(
        _text_format(text[0] if text else {}, body.response_mime_type),
        options if asked else None,
        only_images=("image" in kinds) and not text and "text" not in modalities,
        ignored=names,
    )


def _images(
    wanted: Mapping[str, Any] | None, config: ImageConfig | None, *, asked: bool
) -> tuple[ImageOptions, tuple[str, ...]]:
    """How images are wanted, by their format and else by the configuration, and the wishes that change nothing."""
    given = wanted or {}
    where = "response_format." if wanted else "generation_config.image_config."
    config = config or ImageConfig()
    aspect = given.get("aspect_ratio") or config.aspect_ratio
    size = given.get("image_size") or config.image_size
    options = options_of({"aspectRatio": aspect, "imageSize": size}, where=where)
    names = ["response_format." + header_safe(name) for name, value in given.items() if _unheard(name, value)]
    if not asked:
        known = {"aspect_ratio": config.aspect_ratio, "image_size": config.image_size}
        names += ["generation_config.image_config." + name for name, value in known.items() if is_wish(name, value)]
    return options, (*names, *ignored(config, prefix="generation_config.image_config."))


def _unheard(name: str, value: object) -> bool:
    """Whether a field of an image's format is a wish that changes nothing; an image comes in the type it was made."""
    if name == "delivery":
        return value not in (None, "inline", "uri")
    return name not in ("type", "aspect_ratio", "image_size") and is_wish(name, value)


def _text_format(wanted: Mapping[str, Any], mime_type: str | None) -> ResponseFormat:
    """JSON mode without a schema takes any JSON value, as Google's does."""
    mime = str(wanted.get("mime_type") or mime_type or ("application/json" if wanted.get("schema") else "")).lower()
    if mime in ("", "text/plain"):
        return ResponseFormat()
    if mime != "application/json":
        raise _unsupported(
            f"mime_type {mime[:80]}", "use text/plain or application/json", "请使用 text/plain 或 application/json"
        )
    schema = wanted.get("schema")
    if schema is None:
        return ResponseFormat("json_schema", {}, "answer")
    return ResponseFormat("json_schema", json_schema(schema, "response_format.schema"), "answer", strict=True)
