"""What Anthropic's clients keep of earlier turns, offer beside functions, and wish for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.chat import Image, Message, ResponseFormat, Text, ToolCall, ToolChoice, ToolResult, fold
from gemgate.dialects import anthropic
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, OutputInvalid
from gemgate.files import Inline
from tests.support.chat_events import ANSWERS, meta, sent

FUNCTION = {"name": "plant", "description": "d", "input_schema": {"type": "object", "properties": {}}}
NEXT = {"role": "user", "content": "And the tulips?"}
GIF = "R0lGODlh"


def ask(*messages: Any, **body: Any) -> Any:
    body = {"model": "m", "max_tokens": 9, "messages": list(messages) or [NEXT], **body}
    return anthropic.read_request(read(anthropic.MessagesRequest, body))


def kept(*blocks: Any) -> tuple[Any, ...]:
    """What becomes of blocks of the assistant in an earlier turn."""
    messages = ask({"role": "user", "content": "Roses?"}, {"role": "assistant", "content": list(blocks)}, NEXT).messages
    return tuple(part for message in messages[1:-1] for part in message.parts)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "server_tool_use", "id": "srvtoolu_4", "name": "web_search", "input": {"query": "soil"}}, "soil"),
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_4",
                "content": [{"type": "web_search_result", "title": "Loam", "url": "https://soil.example"}],
            },
            "Loam",
        ),
        (
            {
                "type": "web_search_tool_result",
                "content": {"type": "web_search_tool_result_error", "error_code": "gone"},
            },
            "gone",
        ),
        ({"type": "mcp_tool_use", "id": "m1", "name": "weather", "server_name": "sky", "input": {}}, "weather"),
        ({"type": "mcp_tool_result", "content": [{"type": "text", "text": "It rains."}]}, "It rains."),
        ({"type": "bash_code_execution_tool_result", "content": {"stdout": "42"}}, "42"),
        ({"type": "container_upload", "file_id": "file_1"}, "container_upload"),
        ({"type": "compaction", "content": "So far: roses."}, "So far: roses."),
        ({"type": "seed_packet", "kind": "cress"}, "cress"),
        ({"type": "tool_use", "id": "t", "name": "", "input": {"bed": 3}}, "3"),
        ({"type": "image", "source": {"type": "base64", "data": "?"}}, "image"),
        ({"kind": "untyped"}, "untyped"),
        ({"type": "redacted_thinking", "data": "x"}, None),
        ({"type": "text"}, None),
        ({}, None),
    ],
)
def test_a_block_of_an_earlier_turn_becomes_words_or_goes(block: Any, words: str | None) -> None:
    told = kept({"type": "text", "text": "Roses it is."}, block)
    assert told[0] == Text("Roses it is.")
    if words is None:
        assert len(told) == 1
    else:
        assert words in told[1].text


@pytest.mark.parametrize("block", [{"type": "seed_packet"}, {"type": "text"}, {}, 3])
def test_what_is_unknown_in_the_last_user_turn_is_refused(block: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(NEXT, {"role": "assistant", "content": "Soon."}, {"role": "user", "content": [block]})
    assert str(caught.value.param).startswith("messages[2].content[0]")


@pytest.mark.parametrize(
    ("given_input", "text"),
    [("dig -d 3", "dig -d 3"), ([], "{}"), (None, "{}"), ({"bed": 3}, '{"bed":3}'), ('{"bed":3}', '{"bed":3}')],
)
def test_inputs_are_read_in_every_form(given_input: Any, text: str) -> None:
    call = {"type": "tool_use", "id": "toolu_7", "name": "plant", "input": given_input}
    assert kept(call) == (ToolCall("call_7", "plant", text),)
    del call["input"]
    assert kept(call) == (ToolCall("call_7", "plant", "{}"),)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([{"type": "tool_reference", "tool_name": "Water"}], (Text("tool available: Water"),)),
        (["dry", "wet"], (Text("dry"), Text("wet"))),
        ([{"type": "text", "text": None}], ()),
        ({"type": "text", "text": "dry"}, (Text("dry"),)),
        ({"dry": True}, (Text('{"dry":true}'),)),
        (7, (Text("7"),)),
        (None, ()),
        ([{"type": "image", "data": GIF, "mimeType": "image/gif"}], (Image(Inline(b"GIF89a", "image/gif")),)),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/gif;base64," + GIF}}],
            (Image(Inline(b"GIF89a", "image/gif")),),
        ),
        ([{"type": "birdsong", "of": "wren"}], (Text('[birdsong] {"of":"wren"}'),)),
    ],
)
def test_results_are_read_in_every_form(content: Any, parts: tuple[Any, ...]) -> None:
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_7", "name": "look", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_7", "content": content}]}
    assert ask(NEXT, call, result).messages[-1] == Message("tool", (ToolResult("call_7", "look", parts),))


@pytest.mark.parametrize(
    ("kind", "name", "inputs"),
    [
        ("bash_20250124", "bash", {"command", "restart"}),
        ("text_editor_20250728", "str_replace_based_edit_tool", {"command", "path", "old_str", "insert_line"}),
        ("memory_20250818", "memory", {"command", "old_path", "insert_text"}),
        ("computer_20251124", "computer", {"action", "coordinate", "scroll_direction"}),
    ],
)
def test_tools_that_the_client_runs_are_functions(kind: str, name: str, inputs: set[str]) -> None:
    for offered in ({"type": kind}, {"type": kind, "name": name, "display_width_px": 640, "display_height_px": 480}):
        chat = ask(tools=[FUNCTION, offered], tool_choice={"type": "tool", "name": name})
        assert [tool.name for tool in chat.tools] == ["plant", name]
        assert inputs <= set(chat.tools[1].parameters["properties"])
        assert chat.tool_choice == ToolChoice("required", (name,))
        assert chat.ignored == ("max_tokens",)
    assert "640 x 480" in chat.tools[1].description


@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_a_tool_that_runs_code_is_an_offer_unless_the_choice_forbids_it(choice: Any) -> None:
    chat = ask(tools=[{"type": "code_execution_20250825", "name": "code_execution"}], tool_choice=choice)
    assert (chat.tools, chat.ignored) == ((), ("max_tokens",))
    assert chat.runs_code == (choice is None or choice["type"] != "none")
    assert not ask(tools=[FUNCTION]).runs_code


@pytest.mark.parametrize(
    "kind",
    ["web_fetch_20260318", "advisor_20260301", "tool_search_tool_regex_20251119"],
)
@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "served"}])
def test_tools_that_anthropic_runs_are_left_to_google(kind: str, choice: Any) -> None:
    chat = ask(tools=[{"type": kind, "name": "served", "max_uses": 3}], tool_choice=choice)
    assert (chat.tools, chat.tool_choice) == ((), ToolChoice())
    demanded = choice is not None and choice["type"] in ("any", "tool")
    assert chat.ignored == ("max_tokens", "tools.served", *(("tool_choice",) if demanded else ()))
    beside = ask(tools=[FUNCTION, {"type": kind, "name": "served"}], tool_choice=choice)
    theirs = choice is not None and choice["type"] == "any"
    assert beside.tool_choice.mode == ("required" if theirs else "auto")
    assert ("tool_choice" in beside.ignored) == (demanded and not theirs)
    assert [tool.name for tool in beside.tools] == ["plant"]


@pytest.mark.parametrize(
    ("choice", "search"),
    [
        (None, "offered"),
        ({"type": "auto"}, "offered"),
        ({"type": "none"}, "forbidden"),
        ({"type": "any"}, "demanded"),
        ({"type": "tool", "name": "web_search"}, "demanded"),
    ],
)
def test_a_search_is_google_s_own_and_only_its_bounds_are_named(choice: Any, search: str) -> None:
    offered = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "cache_control": {"type": "x"}}
    chat = ask(tools=[offered], tool_choice=choice)
    assert (chat.tools, chat.search) == ((), search)
    assert chat.ignored == ("max_tokens", "tools.web_search.max_uses")


def test_what_came_of_our_search_says_nothing_when_it_comes_back() -> None:
    content = sent(anthropic.write(fold(ANSWERS["sources"]), meta("msg_"), "m", searches=True))["content"]
    assert [block["type"] for block in content[:3]] == ["text", "server_tool_use", "web_search_tool_result"]
    assert kept(*content) == tuple(Text(block["text"]) for block in content if block["type"] == "text")


def test_strict_tools_are_strict() -> None:
    chat = ask(tools=[{**FUNCTION, "strict": True}, {**FUNCTION, "name": "water"}])
    assert [tool.strict for tool in chat.tools] == [True, False]


def test_a_set_of_tools_and_wishes_that_change_nothing_are_named() -> None:
    tools = [{"type": "mcp_toolset", "mcp_server_name": "sky"}, {**FUNCTION, "defer_loading": True}]
    chat = ask(tools=tools, mcp_servers=[{"name": "sky"}], speed="fast", output_config={"effort": "low", "tone": "dry"})
    assert chat.ignored == ("max_tokens", "mcp_servers", "speed", "output_config.tone", "tools.mcp_toolset")
    assert [tool.name for tool in chat.tools] == ["plant"]
    assert ask(max_tokens=-1).ignored == ask(max_tokens=0).ignored == ()


@pytest.mark.parametrize("spelling", ["output_format", "output_config"])
def test_a_form_of_the_answer_is_read_in_both_spellings(spelling: str) -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    chat = ask(**{spelling: wanted if spelling == "output_format" else {"format": wanted}})
    assert chat.response_format == ResponseFormat("json_schema", {"type": "object"}, "answer", strict=True)


def test_an_answer_that_is_wrong_for_good_is_not_asked_for_again() -> None:
    status, body = anthropic.envelope(OutputInvalid("x"), "en", "")
    assert (status, body["error"]["type"]) == (422, "invalid_request_error")


strange = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(
    ["text", "image", "document", "tool_use", "tool_result", "thinking", "search_result", "server_tool_use", "orb"]
)
fields = st.sampled_from(["text", "source", "id", "name", "input", "content", "tool_use_id", "is_error", "glow"])
blocks = st.builds(
    lambda kind, rest: {**rest, "type": kind}, kinds | strange, st.dictionaries(fields, strange, max_size=4)
)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(blocks | strange, max_size=3)), max_size=4))
def test_no_history_is_refused_for_what_it_holds(turns: list[tuple[str, list[Any]]]) -> None:
    chat = ask(*({"role": role, "content": c} for role, c in turns), {"role": "assistant", "content": "so"}, NEXT)
    assert chat.messages[-1] == Message("user", (Text("And the tulips?"),))
