"""Freeform tools, namespaces and the tools that Codex runs itself: offered as functions, answered in their own form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gemgate.chat import (
    Began,
    ChatRequest,
    Ended,
    Event,
    File,
    Image,
    Message,
    Text,
    ToolCall,
    ToolCalled,
    ToolChoice,
    ToolResult,
    Usage,
    fold,
)
from gemgate.dialects import openai_chat, responses
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Inline, Link
from tests.support.chat_events import meta, sent

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MAIL = {
    "type": "namespace",
    "name": "mcp__post__",
    "description": "Post",
    "tools": [{"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}],
}
TOOLS = [
    {"type": "custom", "name": "edit", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}},
    MAIL,
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "apply_patch"},
    {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
]
PNG = "iVBORw0KGgoAAAAN"

CALLS: list[tuple[ToolCall, dict[str, Any]]] = [
    (
        ToolCall("c1", "edit", '{"input":"*** a\\nb"}'),
        {"type": "custom_tool_call", "name": "edit", "input": "*** a\nb"},
    ),
    (
        ToolCall("c2", "mcp__post__read", '{"box":1}'),
        {"type": "function_call", "name": "read", "namespace": "mcp__post__", "arguments": '{"box":1}'},
    ),
    (
        ToolCall("c3", "local_shell", '{"command":["date"]}'),
        {"type": "local_shell_call", "action": {"type": "exec", "command": ["date"], "env": {}}},
    ),
    (
        ToolCall("c4", "shell", '{"commands":["date"]}'),
        {
            "type": "shell_call",
            "action": {"commands": ["date"], "timeout_ms": None, "max_output_length": None},
        },
    ),
    (
        ToolCall("c5", "apply_patch", '{"type":"delete_file","path":"a"}'),
        {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
    ),
    (
        ToolCall("c6", "tool_search", '{"query":"mail"}'),
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "mail"}},
    ),
]


def respond(*items: Any, **more: Any) -> ChatRequest:
    return responses.read_request(read(responses.ResponsesRequest, {"input": list(items), "model": "m", **more}))


def complete(*messages: Any, **more: Any) -> ChatRequest:
    body = {"messages": list(messages), "model": "m", **more}
    return openai_chat.read_request(read(openai_chat.ChatCompletionRequest, body))


def events(*calls: ToolCall) -> list[Event]:
    return [Began("m"), *(ToolCalled(call) for call in calls), Ended("tool_calls", Usage(1, 1))]


@pytest.mark.parametrize(("call", "item"), CALLS)
def test_a_call_goes_out_in_the_form_of_its_tool_and_comes_back_as_the_same_call(
    call: ToolCall, item: dict[str, Any]
) -> None:
    body = read(responses.ResponsesRequest, {"input": "x", "model": "m", "tools": TOOLS})
    whole = sent(responses.write(fold(events(call)), meta("resp_"), body, "m"))
    Response.model_validate(whole)
    (out,) = whole["output"]
    assert item.items() <= out.items()
    assert out["call_id"] == call.id
    told = [name for name in (tool.name for tool in responses.read_request(body).tools) if name == call.name]
    assert told == [call.name]

    writer = responses.EventWriter(meta("resp_"), body, "m")
    stream = b"".join(writer.event(0, event) for event in events(call)).decode()
    lines = [orjson.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    for line in lines:
        EVENT.validate_python(line)
    assert lines[-1]["response"]["output"] == [out]
    deltas = "".join(line["delta"] for line in lines if line["type"].endswith(".delta"))
    assert deltas == (item.get("input") or item.get("arguments") if call.id in ("c1", "c2") else "")

    chat = respond({"role": "user", "content": "go"}, out, tools=TOOLS)
    assert chat.messages[1].parts == (call,)
    assert responses.message_of_item(out) is not None
    assert responses.owner_of(out["id"]) == whole["id"]


def test_custom_tools_of_chat() -> None:
    tools = [{"type": "custom", "custom": {"name": "edit", "description": "Edits."}}]
    body = read(
        openai_chat.ChatCompletionRequest,
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "tools": tools,
            "tool_choice": {"type": "custom", "custom": {"name": "edit"}},
        },
    )
    assert openai_chat.read_request(body).tool_choice == ToolChoice("required", ("edit",))
    box = openai_chat.toolbox(body)
    call = ToolCall("c1", "edit", '{"input":"raw"}')
    whole = openai_chat.write([fold(events(call))], meta("chatcmpl-"), "m", box)
    ChatCompletion.model_validate(whole)
    out = whole["choices"][0]["message"]["tool_calls"]
    assert out == [{"id": "c1", "type": "custom", "custom": {"name": "edit", "input": "raw"}}]
    writer = openai_chat.ChunkWriter(meta("chatcmpl-"), "m", include_usage=False, box=box)
    assert b'"custom":{"input":"raw"}' in b"".join(writer.event(0, event) for event in events(call))
    history = complete({"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": out})
    assert history.messages[1].parts == (call,)


def test_tools_in_every_spelling_and_what_cannot_be_offered_is_named() -> None:
    for ask in (complete, respond):
        chat = ask(
            {"role": "user", "content": "x"},
            tools=[
                {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}, "strict": True}},
                {"type": "function", "name": "b", "parameters": []},
                {"name": "c", "input_schema": {"type": "object", "properties": {"x": {}}}},
                {"google_search": {}},
                {"type": "web_search_2099", "filters": {"allowed_domains": ["example.org"]}},
                {"type": "radar", "range": 3},
                {"type": "image_generation"},
            ],
        )
        assert [tool.name for tool in chat.tools] == ["a", "b", "c"]
        assert [tool.strict for tool in chat.tools] == [True, False, False]
        assert chat.tools[2].parameters == {"type": "object", "properties": {"x": {}}}
        assert chat.ignored == ("tools.web_search.filters", "tools.radar")
        assert chat.images is None


@pytest.mark.parametrize(
    ("tool", "place"),
    [
        ({"type": "function", "name": "a b"}, "tools[1].name"),
        ({"type": "function", "function": {"name": "a b"}}, "tools[1].function.name"),
        ({"type": "function", "function": {}}, "tools[1].function.name"),
        ({"type": "custom"}, "tools[1].name"),
        ({"type": "custom", "custom": {"name": 1}}, "tools[1].custom.name"),
        ({"type": "function", "function": {"name": "f", "parameters": "x"}}, "tools[1].function.parameters"),
        ({"type": "namespace", "name": "n", "tools": [{"type": "function"}]}, "tools[1].tools[0].name"),
    ],
)
def test_a_wrong_tool_is_found_by_its_place(tool: Any, place: str) -> None:
    """In the text, which people read, and in `param`."""
    for ask in (complete, respond):
        with pytest.raises(BadRequest) as caught:
            ask({"role": "user", "content": "x"}, tools=[{"type": "function", "name": "read"}, tool])
        assert caught.value.param == place
        assert place in caught.value.en


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (
            {"type": "function", "name": "read", "namespace": "mcp__post__"},
            ToolChoice("required", ("mcp__post__read",)),
        ),
        ({"type": "custom", "name": "edit"}, ToolChoice("required", ("edit",))),
        ({"type": "shell"}, ToolChoice("required", ("shell",))),
        ({"type": "web_search"}, ToolChoice()),
        ("required", ToolChoice("required")),
    ],
)
def test_choices(choice: Any, wanted: ToolChoice) -> None:
    assert respond({"role": "user", "content": "x"}, tools=TOOLS, tool_choice=choice).tool_choice == wanted


@pytest.mark.parametrize(
    ("choice", "search"),
    [
        (None, "offered"),
        ("auto", "offered"),
        ("none", "forbidden"),
        ("required", "offered"),
        ({"type": "web_search_preview"}, "demanded"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}, "forbidden"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}, "demanded"),
        ({"type": "allowed_tools", "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}]}, "offered"),
    ],
)
def test_a_choice_of_tools_says_whether_to_search(choice: Any, search: str) -> None:
    offered = [{"type": "function", "name": "f"}, {"type": "web_search"}]
    chat = respond({"role": "user", "content": "x"}, tools=offered, tool_choice=choice)
    assert (chat.search, chat.ignored) == (search, ())
    alone = respond({"role": "user", "content": "x"}, tools=offered[:1], tool_choice="none")
    assert alone.search == "own", "a tool that was not offered is not refused"


def test_two_servers_with_one_function_are_told_apart_also_without_their_tools() -> None:
    chat = respond(
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "1", "namespace": "mcp__a__", "name": "get", "arguments": None},
        {"type": "function_call", "call_id": "2", "namespace": "mcp__b__", "name": "get"},
        {"type": "function_call_output", "call_id": "2", "output": {"ok": 1}},
    )
    assert chat.messages[1].parts == (ToolCall("1", "mcp__a__get", "{}"), ToolCall("2", "mcp__b__get", "{}"))
    assert chat.messages[2].parts == (ToolResult("2", "mcp__b__get", (Text('{"ok":1}'),)),)


def test_tools_that_a_search_found_are_offered() -> None:
    chat = respond(
        {"role": "user", "content": "x"},
        {"type": "tool_search_call", "call_id": "1", "arguments": {"query": "post"}},
        {"type": "tool_search_output", "call_id": "1", "tools": [MAIL]},
        tools=TOOLS[5:],
    )
    assert [tool.name for tool in chat.tools] == ["tool_search", "mcp__post__read"]
    assert chat.messages[2].parts == (ToolResult("1", "tool_search", (Text('[["mcp__post__read"]]'),)),)


@pytest.mark.parametrize("ask", [complete, respond])
def test_a_part_is_read_in_every_spelling(ask: Any) -> None:
    png = Image(Inline(b"\x89PNG\r\n\x1a\n\x00\x00\x00\r", "image/png"))
    spellings: list[tuple[Any, Any]] = [
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"text": "a"}, Text("a")),
        ("a", Text("a")),
        ({"type": "image_url", "image_url": {"url": PNG}}, png),
        ({"type": "image_url", "image_url": PNG}, png),
        ({"image_url": {"url": f"data:image/png;base64,{PNG}"}}, png),
        ({"type": "input_image", "image_url": {"url": f"DATA:image/png;base64,{PNG}"}}, png),
        ({"type": "image", "image": f"data:image/png;base64,{PNG}"}, png),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}, png),
        ({"type": "image", "source": {"type": "url", "url": "https://e.org/a"}}, Image(Link("https://e.org/a"))),
        (
            {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,YQ=="}},
            File(Inline(b"a", "text/plain", "a.txt")),
        ),
        (
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,YQ=="},
            File(Inline(b"a", "text/plain", "a.txt")),
        ),
    ]
    for part, meant in spellings:
        assert ask({"role": "user", "content": [part]}).messages[0].parts == (meant,), part


@pytest.mark.parametrize("ask", [complete, respond])
def test_unknown_things_of_earlier_turns_are_told_or_left_out(ask: Any) -> None:
    chat = ask(
        {"role": "critic", "content": "meh"},
        {"role": "user", "content": [{"type": "hologram", "of": "cat"}, {"type": "text", "text": "look"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "seal", "signature": "s"},
                "ok",
            ],
            "tool_calls": [{"type": "dance", "steps": 2}],
        },
        {"role": "tool", "tool_call_id": 3, "content": {"type": "resource", "resource": {"uri": "u"}}},
        {"role": "user", "content": "next"},
    )
    said = [[part.text for part in m.parts if isinstance(part, Text)] for m in chat.messages]
    assert said == [
        ["[critic]", "meh"],
        ['[hologram] {"of":"cat"}', "look"],
        ["ok", '[tool call] {"steps":2}'],
        [],
        ["next"],
    ]
    assert chat.messages[3].parts == (ToolResult("3", "", (Text('[resource] {"resource":{"uri":"u"}}'),)),)


@pytest.mark.parametrize("ask", [complete, respond])
@pytest.mark.parametrize(
    "last", [{"role": "critic", "content": "meh"}, {"role": "user", "content": [{"type": "hologram", "of": "cat"}]}]
)
def test_an_unknown_thing_in_the_last_turn_is_refused(ask: Any, last: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        ask({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, last)


def test_items_of_other_services_become_words_in_their_place() -> None:
    chat = respond(
        {"role": "user", "content": "go"},
        {"type": "compaction", "encrypted_content": "zz"},
        {"type": "reasoning", "encrypted_content": "zz", "summary": []},
        {"type": "radar_call", "call_id": "r", "range": 3},
        {"type": "radar_call_output", "call_id": "r", "output": [{"ship": 1}]},
        {"type": "web_search_call", "action": {"query": "q"}},
        {"role": "user", "content": "next"},
    )
    assert chat.messages == (
        Message("user", (Text("go"),)),
        Message("assistant", (Text('[radar_call] {"range":3}'),)),
        Message("tool", (ToolResult("r", "radar_call", (Text('[{"ship":1}]'),)),)),
        Message("user", (Text("next"),)),
    )


def test_a_body_of_the_other_route_is_read() -> None:
    body = {
        "model": "m",
        "instructions": "Be kind.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "text": {"format": {"type": "json_object"}},
        "max_output_tokens": 9,
    }
    chat = openai_chat.read_request(read(openai_chat.ChatCompletionRequest, body))
    assert chat.messages == (Message("system", (Text("Be kind."),)), Message("user", (Text("hi"),)))
    assert chat.response_format.kind == "json_object"
    assert chat.ignored == ("max_output_tokens",)
    nested = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    back = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "response_format": nested}
    other = responses.read_request(read(responses.ResponsesRequest, back))
    assert other.messages == (Message("user", (Text("hi"),)),)
    assert (other.response_format.kind, other.response_format.name) == ("json_schema", "n")


@pytest.mark.parametrize("none", [0, -1])
def test_no_limit(none: int) -> None:
    assert complete({"role": "user", "content": "a"}, max_tokens=none, max_completion_tokens=none).ignored == ()
    assert respond({"role": "user", "content": "a"}, max_output_tokens=none).ignored == ()
    with pytest.raises(BadRequest):
        complete({"role": "user", "content": "a"}, max_tokens=-2)


_KEYS = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "text",
        "id",
        "name",
        "arguments",
        "input",
        "output",
        "tools",
        "function",
        "custom",
        "call_id",
        "image_url",
        "file",
        "source",
        "url",
        "data",
        "summary",
        "action",
        "operation",
        "format",
        "namespace",
        "parameters",
        "tool_calls",
        "result",
        "image_generation",
        "allowed_tools",
    ]
)
_WORDS = st.sampled_from(
    [
        "text",
        "user",
        "assistant",
        "tool",
        "message",
        "function",
        "custom",
        "namespace",
        "function_call",
        "custom_tool_call",
        "shell_call",
        "reasoning",
        "image_url",
        "input_image",
        "file",
        "input_file",
        "input_audio",
        "tool_search_output",
        "image_generation_call",
        "item_reference",
        "local_shell",
        "apply_patch",
        "tool_search",
        "image_generation",
        "allowed_tools",
        "grammar",
        "refusal",
    ]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(things=st.lists(_ANY, max_size=4), tools=st.lists(_ANY, max_size=3), choice=_ANY)
@settings(max_examples=400)
def test_whatever_comes_is_read_or_refused(things: list[Any], tools: list[Any], choice: Any) -> None:
    for ask in (complete, respond):
        try:
            chat = ask(*things, tools=tools, tool_choice=choice)
        except GatewayError:
            continue
        assert chat.messages
