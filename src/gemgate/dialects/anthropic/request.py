"""Anthropic messages, the way in: what is asked and with what
(docs/client-contracts.md 6); the rest in `messages`, `tools`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, StrictBool

from gemgate.chat import ChatRequest, Message, ResponseFormat, Text
from gemgate.dialects import wire
from gemgate.dialects.anthropic.messages import MessageBody, ignored_blocks, read_messages, text_of
from gemgate.dialects.anthropic.tools import (
    ToolBody,
    ToolChoiceBody,
    ignored_tools,
    read_choice,
    read_search,
    read_tools,
    runs_code,
)
from gemgate.dialects.effort import thinking_of, unknown_effort
from gemgate.dialects.wire import Body, Wishes
from gemgate.errors import BadRequest


class ThinkingBody(Wishes):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


class FormatBody(Body):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Wishes):
    format: FormatBody | None = None
    effort: str | None = None


class MessageTokensRequest(Wishes):
    """Body of POST /v1/messages/count_tokens. output_format: how older releases of the SDK spell output_config."""

    model: str
    messages: list[MessageBody] = Field(min_length=1)
    system: str | list[Any] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: ToolChoiceBody | None = None
    thinking: ThinkingBody | None = None
    output_config: OutputConfig | None = None
    output_format: FormatBody | None = None


class MessagesRequest(MessageTokensRequest):
    """Body of POST /v1/messages. max_tokens: 0 generates nothing, -1 is no limit."""

    max_tokens: int = Field(ge=-1)
    stream: StrictBool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)


_EFFORT = "output_config.effort"
_NOT_HONOURED = ("temperature", "top_p", "top_k")


def read_request(body: MessagesRequest) -> ChatRequest:
    """The words of a messages request; BadRequest for what cannot be passed on."""
    chat = read_token_count(body)
    limit = ("max_tokens",) if body.max_tokens > 0 else ()
    return replace(
        chat,
        stream=bool(body.stream),
        stop=tuple(stop for stop in body.stop_sequences or () if stop),
        ignored=(*limit, *wire.ignored(body, *_NOT_HONOURED), *chat.ignored),
    )


def read_token_count(body: MessageTokensRequest) -> ChatRequest:
    """What would be asked, for counting."""
    messages = [*_system(body), *read_messages(body.messages)]
    if not any(message.role != "system" for message in messages):
        raise BadRequest("messages holds no user message", "messages 中没有用户消息", param="messages")
    tools, left = read_tools(body.tools or [])
    choice = read_choice(body.tool_choice, tools, left)
    config, thinking = body.output_config, body.thinking
    return ChatRequest(
        messages=tuple(messages),
        model=body.model,
        tools=tools,
        tool_choice=choice,
        response_format=_format(config.format if config and config.format else body.output_format),
        thinking=_thinking(body),
        thinking_field="thinking" if thinking is not None and thinking.type == "enabled" else _EFFORT,
        search=read_search(body.tools, body.tool_choice),
        cites=True,
        runs_code=runs_code(body.tools, body.tool_choice),
        include_thoughts=thinking is not None and thinking.type != "disabled" and thinking.display != "omitted",
        ignored=(
            *(wire.ignored(config, prefix="output_config.") if config else ()),
            *(unknown_effort(config.effort, _EFFORT) if config else ()),
            *(wire.ignored(thinking, prefix="thinking.") if thinking else ()),
            *ignored_tools(body.tools or [], left, body.tool_choice, choice),
            *ignored_blocks(body.messages),
        ),
    )


def _thinking(body: MessageTokensRequest) -> bool | None:
    """`enabled` asks for it, `disabled` forbids it; `adaptive` leaves it to the effort, else to the model."""
    kind = body.thinking.type if body.thinking else None
    if kind == "enabled":
        return True
    if kind == "disabled":
        return False
    return thinking_of(body.output_config.effort, least="high") if body.output_config else None


def _system(body: MessageTokensRequest) -> tuple[Message, ...]:
    text = text_of(body.system, "system") if body.system else ""
    return (Message("system", (Text(text),)),) if text else ()


def _format(wanted: FormatBody | None) -> ResponseFormat:
    if wanted is None:
        return ResponseFormat()
    return ResponseFormat("json_schema", wanted.schema_, "answer", strict=True)
