"""OpenAI responses: what is read, and that events and objects tell the same, judged by OpenAI's own client."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from gemgate.chat import (
    Event,
    File,
    Image,
    Message,
    ResponseFormat,
    Text,
    Thought,
    ToolCall,
    ToolChoice,
    ToolResult,
    fold,
)
from gemgate.dialects import responses
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, Broken, NotFound, RateLimited
from gemgate.files import Inline, Link, Stored
from tests.support.chat_events import ANSWERS, HEX, answers, meta, sent
from tests.support.offline_clients import openai_client

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def body_of(**body: Any) -> responses.ResponsesRequest:
    return read(responses.ResponsesRequest, {"input": "hi", "model": "m", **body})


def ask(**body: Any) -> Any:
    return responses.read_request(body_of(**body))


def streamed(events: list[Event], **body: Any) -> tuple[bytes, dict[str, Any]]:
    writer = responses.EventWriter(meta("resp_"), body_of(**body), "m")
    return b"".join(writer.event(0, event) for event in events) + writer.close(), writer.snapshot


def frames(body: bytes) -> list[dict[str, Any]]:
    """Each event as its data; its name must be the data's type."""
    found = []
    for frame in body.split(b"\n\n")[:-1]:
        name, data = frame.split(b"\n")
        value = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


def rebuilt(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The items that deltas alone make: (type, text or arguments)."""
    items: dict[int, list[str]] = {}
    for event in events:
        match event["type"]:
            case "response.output_item.added":
                assert event["output_index"] == len(items)
                items[event["output_index"]] = [event["item"]["type"], ""]
            case "response.output_text.delta" | "response.reasoning_summary_text.delta":
                items[event["output_index"]][1] += event["delta"]
            case "response.function_call_arguments.delta":
                items[event["output_index"]][1] += event["delta"]
            case "response.output_item.done" if event["item"]["type"] == "image_generation_call":
                items[event["output_index"]][1] = event["item"]["result"]
    return [(kind, text) for kind, text in items.values()]


def content(item: dict[str, Any]) -> tuple[str, str]:
    match item:
        case {"type": "message", "content": [{"text": text}]} | {"type": "reasoning", "summary": [{"text": text}]}:
            return item["type"], text
        case {"type": "function_call", "arguments": arguments}:
            return item["type"], arguments
        case _:
            return item["type"], item["result"]


@given(events=answers())
@settings(max_examples=200)
def test_events_tell_what_the_whole_response_tells(events: list[Event]) -> None:
    whole = sent(responses.write(fold(events), meta("resp_"), body_of(), "m"))
    Response.model_validate(whole)
    body, response = streamed(events)
    assert sent(response) == whole
    told = frames(body)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    for event in told:
        EVENT.validate_python(event)
    assert rebuilt(told) == [content(item) for item in whole["output"]]
    assert told[-1]["response"] == whole
    assert told[-1]["type"] == f"response.{whole['status']}"
    with openai_client(body).responses.stream(model="m", input="hi") as stream:
        kinds = [event.type for event in stream]
    assert len(kinds) == len(told)


def test_every_item_is_announced_and_closed_under_one_id() -> None:
    told = frames(streamed(ANSWERS["calls"])[0])
    kinds = [event["type"].removeprefix("response.") for event in told]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        *["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"] * 2,
        "completed",
    ]
    items = [event["item"]["id"] for event in told if "item" in event]
    assert items == [f"{p}_{HEX}_{n}" for p, n in (("msg", 0), ("fc", 1), ("fc", 2)) for _ in range(2)]
    assert {responses.owner_of(item) for item in items} == {meta("resp_").id}
    assert responses.owner_of("msg_67c9") is None
    assert b"[DONE]" not in streamed(ANSWERS["text"])[0]


def test_the_sdk_reads_a_stream_to_its_end() -> None:
    client = openai_client(streamed(ANSWERS["thoughts"], reasoning={"effort": "high", "summary": "auto"})[0])
    with client.responses.stream(model="m", input="hi") as stream:
        final = stream.get_final_response()
    assert final.output_text == "Done."
    assert final.reasoning.effort == "high"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.usage.output_tokens_details.reasoning_tokens == 5


def test_a_late_failure_is_a_failed_response_with_what_had_come() -> None:
    writer = responses.EventWriter(meta("resp_"), body_of(), "m")
    body = b"".join(writer.event(0, event) for event in ANSWERS["text"][:3])
    body += writer.fail(Broken("Google broke off"), "en", "req_1")
    last = frames(body)[-1]
    EVENT.validate_python(last)
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert last["response"]["error"]["message"] == "Google broke off"
    assert last["response"]["output"][0]["content"][0]["text"] == "Hello, 世界 🚀\n"
    spent = responses.EventWriter(meta("resp_"), body_of(), "m")
    spent.event(0, ANSWERS["text"][0])
    assert frames(spent.fail(RateLimited("slow"), "en", ""))[0]["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_request_is_echoed() -> None:
    body = {
        "instructions": "Be brief",
        "metadata": {"a": "b"},
        "tools": [FUNCTION, {"type": "image_generation", "size": "1024x1024", "moderation": "low"}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "schema": {"type": "object"}, "name": "out"}, "verbosity": "low"},
        "temperature": 0.5,
        "max_output_tokens": 9,
        "previous_response_id": "resp_0",
        "store": False,
        "user": "u",
    }
    whole = responses.write(fold(ANSWERS["text"]), meta("resp_"), body_of(**body), "m")
    Response.model_validate(whole)
    for key in ("instructions", "metadata", "tool_choice", "text", "temperature", "max_output_tokens", "store", "user"):
        assert whole[key] == body[key], key
    assert whole["previous_response_id"] == "resp_0"
    assert whole["tools"][0] == {**FUNCTION, "description": None}
    assert whole["tools"][1] == body["tools"][1]


def test_every_kind_of_item_is_read() -> None:
    body: dict[str, Any] = {
        "model": "m",
        "instructions": "Be kind.",
        "input": [
            {"role": "developer", "content": "More rules"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,YWJj", "detail": "auto"},
                    {"type": "input_image", "file_id": "file-1", "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,YWJj"},
                    {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Calling", "annotations": []}],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "42"},
            {"type": "function_call_output", "call_id": "c9", "output": [{"type": "input_text", "text": "?"}]},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "YWJj"},
            {"type": "item_reference", "id": "rs_unknown"},
        ],
    }
    TypeAdapter(ResponseCreateParamsNonStreaming).validate_python(body)
    chat = responses.read_request(read(responses.ResponsesRequest, body))
    assert chat.messages == (
        Message("system", (Text("Be kind."),)),
        Message("system", (Text("More rules"),)),
        Message(
            "user",
            (
                Text("Look"),
                Image(Inline(b"abc", "image/png")),
                Image(Stored("file-1")),
                File(Inline(b"abc", "application/pdf", "a.pdf")),
                File(Link("https://example.com/b.pdf")),
            ),
        ),
        Message("assistant", (Thought("hm"), Text("Calling"), ToolCall("c1", "f", '{"a":1}'))),
        Message("tool", (ToolResult("c1", "f", (Text("42"),)),)),
        Message("tool", (ToolResult("c9", "", (Text("?"),)),)),
        Message("assistant", (Image(Inline(b"abc", "image/png")),)),
    )


def test_a_conversation_goes_on_from_what_was_remembered_and_without_old_instructions() -> None:
    first = body_of(instructions="Old rules", input="What is f?")
    said = (*responses.continuation(first), Message("assistant", (ToolCall("c1", "f", "{}"),)))
    assert said[0] == Message("user", (Text("What is f?"),))
    second = body_of(
        instructions="New rules",
        previous_response_id="resp_1",
        input=[{"type": "function_call_output", "call_id": "c1", "output": "42"}],
    )
    chat = responses.read_request(second, said)
    assert chat.messages == (
        Message("system", (Text("New rules"),)),
        *said,
        Message("tool", (ToolResult("c1", "f", (Text("42"),)),)),
    )


def test_references_are_looked_up_by_the_door() -> None:
    item = responses.write(fold(ANSWERS["calls"]), meta("resp_"), body_of(), "m")["output"][1]
    body = body_of(
        input=[{"role": "user", "content": "go"}, {"type": "item_reference", "id": item["id"]}, {"id": "rs_1"}]
    )
    assert responses.referenced(body) == (item["id"],)
    assert responses.owner_of(item["id"]) == meta("resp_").id
    message = responses.message_of_item(item)
    assert message is not None
    chat = responses.read_request(body, references={item["id"]: message})
    assert chat.messages[1].parts == (ToolCall("call_1", "get_weather", '{"city":"北京","days":3}'),)
    with pytest.raises(NotFound):
        responses.read_request(body)


@pytest.mark.parametrize(
    ("more", "choice"),
    [
        ({"tools": [FUNCTION]}, ToolChoice()),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}}, ToolChoice("required", ("f",))),
        (
            {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
            ToolChoice("required", (), False),
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [FUNCTION]}},
            ToolChoice("required", ("f",)),
        ),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, ToolChoice()),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search_preview"}}, ToolChoice()),
        ({"tools": [{"type": "image_generation"}], "tool_choice": {"type": "image_generation"}}, ToolChoice("none")),
    ],
)
def test_tool_choices(more: dict[str, Any], choice: ToolChoice) -> None:
    assert ask(**more).tool_choice == choice


def test_switches_and_formats() -> None:
    chat = ask(
        reasoning={"effort": "high"},
        text={"format": {"type": "json_schema", "name": "out", "schema": {"a": 1}, "strict": True}},
        tools=[{"type": "image_generation", "size": "2048x1152", "quality": "high"}, {"type": "web_search"}],
        temperature=1,
        max_output_tokens=5,
        truncation="auto",
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        tool_choice={"type": "image_generation"},
    )
    assert chat.thinking is True
    assert chat.include_thoughts is False
    assert chat.response_format == ResponseFormat("json_schema", {"a": 1}, "out", True)
    assert chat.images is not None
    assert (chat.images.aspect, chat.images.long_side, chat.images.quality) == ("16:9", 2048, "high")
    assert chat.ignored == ("temperature", "max_output_tokens", "include")
    offered = ask(tools=[{"type": "image_generation", "size": "2048x1152"}])
    assert offered.images is None, "an offer is no order"
    assert offered.ignored == ()
    assert ask(reasoning={"summary": "auto"}).include_thoughts is True


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": [{"role": "user", "content": ""}]}, "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "message", "role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "message", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
        ({"input": [{"type": "input_text", "text": "hi"}]}, "input[0].type"),
        ({"input": [{"type": "reasoning", "summary": []}, {"type": "made_up"}]}, "input[1].type"),
        ({"input": {"type": "made_up"}}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "file:///x"}]}]},
            "input[0].content[0]",
        ),
        ({"background": True, "store": False}, "store"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": ""}}, "prompt.id"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        (
            {
                "tools": [{"type": "image_generation", "size": "huge"}],
                "tool_choice": {"type": "image_generation"},
            },
            "tools[0].size",
        ),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"tool_choice": {"type": "image_generation"}}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**body)
    assert caught.value.param == param


def test_an_input_of_nothing_but_unknown_items_is_refused_by_their_type_and_place() -> None:
    told = r"input\[0\] has type 'made_up', which cannot be passed on; use "
    for previous in ((), ask(input="before").messages):
        with pytest.raises(BadRequest, match=told) as caught:
            responses.read_request(body_of(input=[{"type": "made_up", "x": 1}]), previous)
        assert caught.value.code == "unsupported_content"
    known = [{"role": "user", "content": "hi"}, {"type": "made_up", "x": 1}]
    assert [message.role for message in ask(input=known).messages] == ["user", "assistant"]


@pytest.mark.parametrize("choice", ["bogus", {"type": "mcp"}, {"type": "function"}])
def test_a_choice_of_tools_that_nobody_knows_is_told_what_there_is(choice: Any) -> None:
    with pytest.raises(BadRequest, match=r"tool_choice must be auto, none, required, .*function.* or .*allowed_tools"):
        ask(tools=[FUNCTION], tool_choice=choice)


def test_counting_and_deleting() -> None:
    count = read(responses.TokenCountRequest, {"input": "hi", "model": "m", "instructions": "Be kind"})
    assert [message.role for message in responses.read_token_count(count).messages] == ["system", "user"]
    InputTokenCountResponse.model_validate(responses.write_token_count(7))
    assert responses.write_deleted("resp_1") == {"id": "resp_1", "object": "response", "deleted": True}


def test_a_long_wait_is_a_used_up_limit_that_says_when_it_ends() -> None:
    error = RateLimited("slow", "慢", retry_after=61.2)
    status, body = responses.envelope(error, "en", "r")
    assert (status, body["error"]["type"], body["error"]["resets_in_seconds"]) == (429, "usage_limit_reached", 62)
    _, short = responses.envelope(RateLimited("slow", "慢", retry_after=3), "en", "r")
    assert short["error"]["type"] == "rate_limit_error"
