"""OpenAI responses, the way in: a body, and what was said before it, as the words of a chat (docs/client-contracts.md
3).

A stored response is somebody else's store: `previous` are the messages it remembered, `references` the messages of
single items by id. Sampling fields are accepted, not honoured, and named in `x-gemgate-ignored`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, StrictBool, model_validator

from gemgate.chat import ChatRequest, Message, ResponseFormat, Text, ToolCall, ToolChoice
from gemgate.dialects.effort import thinking_of, unknown_effort
from gemgate.dialects.image_options import Painting, left_over, options_of
from gemgate.dialects.openai import read_format, unsupported
from gemgate.dialects.openai_content import Conversation, is_reference
from gemgate.dialects.openai_tools import INTERPRETER, Toolbox, choose, read_tools, wants_search
from gemgate.dialects.responses.stored_prompt import StoredPrompt, filled
from gemgate.dialects.wire import MODEL_POLICY, Echo, Limit, Wishes, ignored, read
from gemgate.errors import BadRequest
from gemgate.images import ImageOptions, ModelPolicy


class FormatBody(Echo):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextConfig(Wishes):
    format: FormatBody | None = None
    verbosity: str | None = None


class ReasoningConfig(Wishes):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TokenCountRequest(Wishes):
    """Body of POST /v1/responses/input_tokens; chat's `messages` and `response_format` are read as well."""

    input: str | dict[str, Any] | list[Any] | None = None
    model: str | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    previous_response_id: str | None = None
    conversation: Any = None

    @model_validator(mode="before")
    @classmethod
    def _from_chat(cls, value: Any) -> Any:
        """Some clients send the body of chat here."""
        if not isinstance(value, dict):
            return value
        if "messages" in value and "input" not in value:
            value = {**value, "input": value["messages"]}
            del value["messages"]
        wanted = value.get("response_format")
        if isinstance(wanted, dict) and "text" not in value:
            nested = wanted.get("json_schema")
            flat = {**nested, "type": wanted.get("type")} if isinstance(nested, dict) else wanted
            value = {**value, "text": {"format": flat}}
            del value["response_format"]
        return value


class ResponsesRequest(TokenCountRequest):
    """Body of POST /v1/responses."""

    input: str | dict[str, Any] | list[Any]
    stream: StrictBool | None = None
    store: StrictBool | None = None
    background: StrictBool | None = None
    prompt: StoredPrompt | None = None
    metadata: dict[str, str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_logprobs: int | None = None
    max_output_tokens: Limit = None
    max_tool_calls: int | None = None
    model_policy: ModelPolicy | None = Field(default=None, description=MODEL_POLICY)
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_values(cls, value: Any) -> Any:
        return filled(value)


_EFFORT = "reasoning.effort"
_NOT_HONOURED = ("temperature", "top_p", "top_logprobs", "max_output_tokens", "max_tool_calls")


def read_request(
    body: ResponsesRequest, previous: Sequence[Message] = (), references: Mapping[str, Message] | None = None
) -> ChatRequest:
    """The words of a response request; BadRequest for what cannot be passed on, NotFound for unknown references."""
    if body.background and body.store is False:
        raise BadRequest(
            "A background response has to be stored: leave store out, or background",
            "background 模式的 response 必须保存：请去掉 store 或 background",
            param="store",
            code="background_requires_store",
        )
    chat = read_token_count(body, previous, references)
    of_prompt: tuple[str, ...] = ()
    if body.prompt is not None:
        chat = replace(chat, model=body.prompt.model)
        of_prompt = (*(("model",) if body.model else ()), *ignored(body.prompt, "version", prefix="prompt."))
    return replace(
        chat,
        stream=bool(body.stream),
        model_policy=body.model_policy,
        ignored=(
            *(name for name in ignored(body, *_NOT_HONOURED) if name not in _given(body)),
            *of_prompt,
            *chat.ignored,
        ),
    )


def _given(body: ResponsesRequest) -> tuple[str, ...]:
    """`include` where it asks for nothing but what always comes: the sources, and what code printed."""
    wanted = (body.model_extra or {}).get("include")
    return ("include",) if isinstance(wanted, list) and wanted and all(one in _ALWAYS for one in wanted) else ()


_ALWAYS = ("web_search_call.action.sources", "code_interpreter_call.outputs")


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
    box = toolbox(body)
    choice, wants_image = _tool_choice(body, box)
    reasoning = body.reasoning or ReasoningConfig()
    given = continuation(body, previous, references)
    messages = (*_instructions(body), *given)
    if not any(message.parts for message in given):
        raise BadRequest("input is empty", "input 为空", param="input", code="invalid_input")
    return ChatRequest(
        messages=messages,
        model=body.model,
        tools=box.tools,
        tool_choice=choice,
        response_format=_format(body.text),
        thinking=thinking_of(reasoning.effort),
        thinking_field=_EFFORT,
        include_thoughts=bool(reasoning.summary or reasoning.generate_summary),
        images=_images(body.tools or ()) if wants_image else None,
        demands_image=wants_image,
        search=wants_search(box, body.tool_choice),
        cites=True,
        runs_code=INTERPRETER in box.hosted and body.tool_choice != "none",
        ignored=_ignored(body, box, wants_image=wants_image),
    )


def continuation(
    body: TokenCountRequest, previous: Sequence[Message] = (), references: Mapping[str, Message] | None = None
) -> tuple[Message, ...]:
    """What to remember of this turn besides its answer: all messages so far, without `instructions`.

    (OpenAI does not carry instructions over to the next response.)
    """
    items = _items(body)
    conversation = Conversation(
        toolbox(body),
        join=True,
        words="input_text, input_image or input_file",
        references=references or {},
        said=list(previous),
        names={p.id: p.name for message in previous for p in message.parts if isinstance(p, ToolCall)},
    )
    conversation.add_all(items, "input")
    return tuple(conversation.said)


def _items(body: TokenCountRequest) -> list[Any]:
    if isinstance(body.input, list):
        return body.input
    return (
        []
        if body.input is None
        else [{"role": "user", "content": body.input}]
        if isinstance(body.input, str)
        else [body.input]
    )


def referenced(body: TokenCountRequest) -> tuple[str, ...]:
    """Ids of items that the body only refers to, reasoning aside; the door looks them up for `references`."""
    ids = [item["id"] for item in _items(body) if is_reference(item) and isinstance(item.get("id"), str)]
    return tuple(item_id for item_id in ids if not item_id.startswith("rs_"))


def toolbox(body: TokenCountRequest) -> Toolbox:
    """The tools of the request and those that a search of the client has found since."""
    box = read_tools(body.tools or ())
    for at, item in enumerate(_items(body)):
        match item:
            case {"type": "tool_search_output" | "additional_tools", "tools": list(tools)}:
                found = read_tools(tools, f"input[{at}].tools")
                for offered in found.by_name.values():
                    box.add(offered)
            case _:
                pass
    return box


def _instructions(body: TokenCountRequest) -> tuple[Message, ...]:
    return (Message("system", (Text(body.instructions),)),) if body.instructions else ()


def _tool_choice(body: TokenCountRequest, box: Toolbox) -> tuple[ToolChoice, bool]:
    """The choice among functions, and whether the image tool itself was chosen."""
    parallel = body.parallel_tool_calls is not False
    match body.tool_choice:
        case {"type": "image_generation"}:
            if "image_generation" not in box.hosted:
                raise BadRequest(
                    "tool_choice asks for image_generation, which is not among the tools",
                    "tool_choice 指定了 image_generation，但 tools 中没有它",
                    param="tool_choice",
                )
            return ToolChoice("none", parallel=parallel), True
        case choice:
            return choose(box, choice, parallel=parallel), False


def _images(tools: Sequence[Mapping[str, Any]]) -> ImageOptions:
    """The options of the image tool, which was chosen."""
    at, tool = _painter(tools)
    return options_of(tool, where=f"tools[{at}].")


def _painter(tools: Sequence[Mapping[str, Any]]) -> tuple[int, Mapping[str, Any]]:
    """The image tool and its place."""
    return next((at, tool) for at, tool in enumerate(tools) if tool.get("type") == "image_generation")


def _format(text: TextConfig | None) -> ResponseFormat:
    if text is None or text.format is None:
        return ResponseFormat()
    wanted = text.format
    return read_format(wanted.type, wanted.schema_, wanted.name, wanted.strict, "text.format.schema")


def _ignored(body: TokenCountRequest, box: Toolbox, *, wants_image: bool) -> tuple[str, ...]:
    """What is not honoured inside of the fields; options of the image tool count where it was chosen."""
    names = ["text.verbosity"] if body.text is not None and body.text.verbosity else []
    names += ignored(body.text, prefix="text.") if body.text is not None else ()
    names += ignored(body.reasoning, prefix="reasoning.") if body.reasoning is not None else ()
    names += unknown_effort(body.reasoning.effort, _EFFORT) if body.reasoning is not None else ()
    if wants_image:
        tool = {name: value for name, value in _painter(body.tools or ())[1].items() if name != "type"}
        names += [f"tools.image_generation.{name}" for name in left_over(read(Painting, tool))]
    return (*names, *box.ignored)
