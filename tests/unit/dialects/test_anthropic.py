"""Anthropic messages: what is read, and that events and messages tell the same, judged by Anthropic's own client."""

from __future__ import annotations

from typing import Any

import anthropic as sdk
import orjson
import pytest
from anthropic.types import Message as SdkMessage
from anthropic.types import MessageTokensCount, ModelInfo
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given, settings
from pydantic import TypeAdapter

from gemgate.catalog import CARDS
from gemgate.chat import (
    Event,
    File,
    Image,
    Message,
    ResponseFormat,
    Text,
    Thought,
    ToolCall,
    ToolCalled,
    ToolChoice,
    ToolResult,
    fold,
)
from gemgate.dialects import anthropic
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, Busy, NoAccount, NotFound, RateLimited, Stalled, TooLarge, Unauthorized
from gemgate.files import Inline, Link, Stored
from tests.support.chat_events import ANSWERS, HEX, answers, meta
from tests.support.offline_clients import anthropic_client

TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}


def ask(**body: Any) -> Any:
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **body}
    return anthropic.read_request(read(anthropic.MessagesRequest, body))


def streamed(events: list[Event]) -> bytes:
    writer = anthropic.EventWriter(meta("msg_"), "m", prompt_tokens=3)
    return b"".join(writer.event(0, event) for event in events) + writer.close()


def frames(body: bytes) -> list[dict[str, Any]]:
    found = []
    for frame in body.split(b"\n\n")[:-1]:
        name, data = frame.split(b"\n")
        value = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


@given(events=answers())
@settings(max_examples=200)
def test_events_make_the_whole_message_in_anthropics_own_client(events: list[Event]) -> None:
    whole = anthropic.write(fold(events), meta("msg_"), "m")
    SdkMessage.model_validate(whole)
    client = anthropic_client(streamed(events))
    with client.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}]) as stream:
        final = stream.get_final_message().to_dict()
    for block in final["content"]:
        block.pop("parsed_output", None)
    usage = whole["usage"]
    assert final["content"] == whole["content"]
    assert (final["stop_reason"], final["stop_sequence"]) == (whole["stop_reason"], whole["stop_sequence"])
    for key in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
        assert final["usage"][key] == usage[key]


def test_blocks_are_opened_and_closed_in_the_order_of_the_contract() -> None:
    told = frames(streamed(ANSWERS["calls"]))
    assert [event["type"] for event in told] == [
        "message_start",
        *["content_block_start", "content_block_delta", "content_block_stop"] * 3,
        "message_delta",
        "message_stop",
    ]
    assert [event["index"] for event in told if "index" in event] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert told[0]["message"]["content"] == []
    assert told[0]["message"]["usage"]["input_tokens"] == 3
    assert told[4]["content_block"] == {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    assert told[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    thought = frames(streamed(ANSWERS["thoughts"]))
    assert [e["delta"]["type"] for e in thought if e["type"] == "content_block_delta"] == [
        "thinking_delta",
        "thinking_delta",
        "signature_delta",
        "text_delta",
    ]


def test_stops_have_anthropics_words() -> None:
    reasons = {name: anthropic.write(fold(events), meta("msg_"), "m") for name, events in ANSWERS.items()}
    assert reasons["text"]["stop_reason"] == "end_turn"
    assert (reasons["stopped"]["stop_reason"], reasons["stopped"]["stop_sequence"]) == ("stop_sequence", "three")
    assert reasons["cut"]["stop_reason"] == "max_tokens"
    assert reasons["refused"]["stop_reason"] == "refusal"
    assert reasons["refused"]["stop_details"]["type"] == "refusal"


def test_a_late_error_is_an_event_of_its_own_and_is_raised() -> None:
    writer = anthropic.EventWriter(meta("msg_"), "m")
    body = b"".join(writer.event(0, event) for event in ANSWERS["text"][:2])
    body += writer.fail(Stalled("Google went silent"), "en", "req_1")
    stream = anthropic_client(body).messages.create(
        model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}], stream=True
    )
    with pytest.raises(sdk.APIStatusError, match="Google went silent"):
        list(stream)
    assert b"message_stop" not in body


def test_the_heartbeat_is_a_ping_that_the_client_skips() -> None:
    beat = anthropic.EventWriter.heartbeat
    assert beat == b'event: ping\ndata: {"type":"ping"}\n\n'
    start, _, rest = streamed(ANSWERS["text"]).partition(b"event: content_block_start")
    body = start + beat + b"event: content_block_start" + rest
    stream = anthropic_client(body).messages.create(
        model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert [event.type for event in stream][-1] == "message_stop"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest("x"), 400, "invalid_request_error"),
        (Unauthorized("x"), 401, "authentication_error"),
        (NotFound("x"), 404, "not_found_error"),
        (TooLarge("x"), 413, "request_too_large"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (NoAccount("x"), 503, "api_error"),
        (Busy("x"), 503, "api_error"),
        (Stalled("x"), 504, "timeout_error"),
    ],
)
def test_errors_have_anthropics_envelope(error: Any, status: int, kind: str) -> None:
    found, body = anthropic.envelope(error, "en", "req_1")
    assert found == status
    assert body["type"] == "error"
    assert body["request_id"] == "req_1"
    assert body["error"]["type"] == kind


def test_every_kind_of_block_is_read() -> None:
    body: dict[str, Any] = {
        "model": "m",
        "max_tokens": 10,
        "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWJj"}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {"type": "image", "source": {"type": "file", "file_id": "file-1"}},
                    {
                        "type": "document",
                        "title": "A",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "YWJj"},
                    },
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
                    {
                        "type": "search_result",
                        "title": "T",
                        "source": "https://s",
                        "content": [{"type": "text", "text": "found"}],
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Calling"},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "ü"}},
                ],
            },
            {"role": "system", "content": "Mind the gap."},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "boom"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWJj"}},
                        ],
                    },
                    {"type": "tool_result", "tool_use_id": "foreign", "content": "42"},
                    {"type": "text", "text": "Go on"},
                ],
            },
        ],
    }
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(body)
    image = Image(Inline(b"abc", "image/png"))
    chat = anthropic.read_request(read(anthropic.MessagesRequest, body))
    assert chat.messages == (
        Message("system", (Text("Be kind."),)),
        Message(
            "user",
            (
                Text("Look"),
                image,
                Image(Link("https://example.com/a.png")),
                Image(Stored("file-1")),
                Text("A"),
                File(Inline(b"abc", "application/pdf", "A")),
                Text("plain"),
                Text("inner"),
                Text("T\nhttps://s\nfound"),
            ),
        ),
        Message("assistant", (Thought("hm"), Text("Calling"), ToolCall("call_1", "f", '{"a":"ü"}'))),
        Message("system", (Text("Mind the gap."),)),
        Message("tool", (ToolResult("call_1", "f", (Text("boom"), image), is_error=True),)),
        Message("tool", (ToolResult("foreign", "", (Text("42"),)),)),
        Message("user", (Text("Go on"),)),
    )


def test_call_ids_are_the_same_call_in_both_directions() -> None:
    reply = fold(ANSWERS["calls"])
    block = anthropic.write(reply, meta("msg_"), "m")["content"][1]
    assert block["id"] == "toolu_1"
    chat = ask(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": [block]}])
    (call,) = chat.messages[1].parts
    assert call.id == reply.calls[0].id
    assert orjson.loads(call.arguments) == orjson.loads(reply.calls[0].arguments)
    assert ToolCalled(reply.calls[0]) in ANSWERS["calls"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(parallel=False)),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "f"}, ToolChoice("required", ("f",))),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_tool_choices(choice: Any, expected: ToolChoice) -> None:
    assert ask(tools=[{**TOOL, "type": "custom"}], tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("body", "thinking", "shown"),
    [
        ({}, None, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}}, True, False),
        ({"thinking": {"type": "adaptive"}}, None, True),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, False, False),
        ({"output_config": {"effort": "high"}}, True, False),
    ],
)
def test_the_thinking_switch(body: dict[str, Any], thinking: bool | None, shown: bool) -> None:
    chat = ask(**body)
    assert (chat.thinking, chat.include_thoughts) == (thinking, shown)


def test_the_rest_of_the_request() -> None:
    chat = ask(
        stop_sequences=["END", ""],
        stream=True,
        temperature=0.3,
        output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
        metadata={"user_id": "u"},
        service_tier="auto",
        container=None,
    )
    assert chat.stop == ("END",)
    assert chat.stream is True
    assert chat.ignored == ("max_tokens", "temperature")
    assert chat.response_format == ResponseFormat("json_schema", {"type": "object"}, "answer", strict=True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "file:///x"}}]}
                ]
            },
            "messages[0].content[0].source.url",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages[0].content[0].tool_use_id"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "f"}], "tool_choice": {"type": "tool", "name": "g"}},
            "tool_choice",
        ),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "f", "input_schema": "s"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice"),
        ({"temperature": 2}, "temperature"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**body)
    assert caught.value.param == param


def test_counting_needs_no_max_tokens() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL]}
    chat = anthropic.read_token_count(read(anthropic.MessageTokensRequest, body))
    assert len(chat.tools) == 1
    MessageTokensCount.model_validate(anthropic.write_token_count(5))


def test_models_have_a_lifecycle_and_are_paged() -> None:
    cards = list(CARDS)
    ModelInfo.model_validate(anthropic.model_object(cards[0]))
    first = anthropic.model_listing(cards, limit=3)
    assert [model["id"] for model in first["data"]] == [card.id for card in cards[:3]]
    assert first["has_more"] is True
    rest = anthropic.model_listing(cards, limit=100, after_id=first["last_id"])
    assert rest["first_id"] == cards[3].id
    assert rest["has_more"] is False
    back = anthropic.model_listing(cards, limit=2, before_id=cards[3].id)
    assert [model["id"] for model in back["data"]] == [cards[1].id, cards[2].id]
    assert back["has_more"] is True
    with pytest.raises(BadRequest):
        anthropic.model_listing(cards, after_id="claude")
    assert HEX in meta("msg_").id
