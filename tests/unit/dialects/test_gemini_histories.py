"""What Google's clients keep of earlier turns, and how it is told on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.chat import Image, Message, ResponseFormat, Text, ToolCall, ToolResult
from gemgate.dialects import gemini
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest
from gemgate.files import Inline, Link, Stored
from gemgate.images import ImageOptions

ASKED = {"role": "user", "parts": [{"text": "Which moth is it?"}]}
NEXT = {"role": "user", "parts": [{"text": "And now?"}]}


def ask(*contents: Any, **body: Any) -> Any:
    body = {"contents": list(contents), **body}
    return gemini.read_request(read(gemini.GenerateContentRequest, body), "m", stream=False)


def kept(*parts: Any) -> tuple[Any, ...]:
    """What becomes of parts of the model in an earlier turn."""
    messages = ask(ASKED, {"role": "model", "parts": list(parts)}, NEXT).messages
    return tuple(part for message in messages[1:-1] for part in message.parts)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"executableCode": {"language": "PYTHON", "code": "print(6 * 7)"}}, "```python\nprint(6 * 7)\n```"),
        ({"executable_code": {"code": "x"}}, "```\nx\n```"),
        ({"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "boom"}}, "(OUTCOME_FAILED)\nboom"),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, None),
        ({"toolCall": {"toolType": "MAPS", "args": {"near": "Bern"}, "id": "t"}}, "[toolCall]"),
        ({"toolResponse": {"id": "t", "response": {}}}, None),
        ({"thoughtSignature": "c2VhbA=="}, None),
        ({"thought": True, "thoughtSignature": "c2VhbA=="}, None),
        ({"hologram": {"title": "A moth"}, "thoughtSignature": "c2VhbA=="}, "[hologram]"),
        ({"inlineData": {"mimeType": "image/png"}}, "[inlineData]"),
        ({"fileData": {"fileUri": "gs://shelf/moth.png"}}, "gs://shelf/moth.png"),
        ({}, None),
        (7, "7"),
    ],
)
def test_a_part_of_an_earlier_turn_becomes_words_or_goes(part: Any, words: str | None) -> None:
    told = kept({"text": "See:"}, part)
    assert told[0] == Text("See:")
    if words is None:
        assert len(told) == 1
    else:
        assert words in told[1].text


@pytest.mark.parametrize("part", [{"hologram": {"title": "A moth"}}, {}, {"functionCall": {}}, 7])
def test_what_is_unknown_in_the_last_user_turn_is_refused(part: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(ASKED, {"role": "model", "parts": [{"text": "A hawk moth."}]}, {"role": "user", "parts": [part]})
    assert str(caught.value.param).startswith("contents[2].parts[0]")


@pytest.mark.parametrize("role", ["tool", "TOOL", "function", "user", "USER", None])
def test_a_result_is_read_under_every_role_that_clients_give_it(role: str | None) -> None:
    called = {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"wing": "brown"}}}]}
    found = {"role": role, "parts": [{"functionResponse": {"name": "find", "response": {"result": "a hawk moth"}}}]}
    messages = ask(ASKED, called, found).messages
    assert messages[1:] == (
        Message("assistant", (ToolCall("call_0", "find", '{"wing":"brown"}'),)),
        Message("tool", (ToolResult("call_0", "find", (Text("a hawk moth"),)),)),
    )


def test_roles_of_other_services_are_read_in_the_history_only() -> None:
    foreign = [{"role": role, "parts": [{"text": role}]} for role in ("system", "assistant", "narrator")]
    messages = ask(*foreign, {"role": "model", "parts": [{"text": "so"}]}, NEXT).messages
    assert [message.role for message in messages] == ["system", "assistant", "user", "assistant", "user"]
    with pytest.raises(BadRequest):
        ask(ASKED, {"role": "narrator", "parts": [{"text": "x"}]})


@pytest.mark.parametrize(
    ("response", "words", "failed"),
    [
        ("brown", "brown", False),
        (["brown", "grey"], "brown\ngrey", False),
        (None, "{}", False),
        ({"output": "brown"}, "brown", False),
        ({"name": "find", "content": "line 1\nline 2"}, "line 1\nline 2", False),
        ({"content": "brown"}, "brown", False),
        ({"content": "brown", "pages": 2}, '{"content":"brown","pages":2}', False),
        ({"error": "none"}, '{"error":"none"}', True),
    ],
)
def test_a_result_is_read_in_every_form(response: Any, words: str, failed: bool) -> None:
    called = {"role": "model", "parts": [{"functionCall": {"name": "find", "args": None, "id": 5}}]}
    found = {"parts": [{"functionResponse": {"name": "find", "response": response}}]}
    (result,) = ask(ASKED, called, found).messages[-1].parts
    assert result == ToolResult("5", "find", (Text(words),), failed)


@pytest.mark.parametrize(
    ("args", "text"), [(None, "{}"), ([], "{}"), ('{"wing":"b"}', '{"wing":"b"}'), ({"wing": "b"}, '{"wing":"b"}')]
)
def test_arguments_are_read_in_every_form(args: Any, text: str) -> None:
    assert kept({"functionCall": {"name": "find", "args": args}}) == (ToolCall("call_0", "find", text),)


def test_a_file_is_an_upload_or_a_link() -> None:
    link = {"fileData": {"fileUri": "https://moths.example/a.png", "mimeType": "image/png"}}
    ours = {"file_data": {"file_uri": "https://gate/v1beta/files/abc1", "mime_type": "image/png"}}
    data = {"inlineData": {"data": "data:image/gif;base64,R0lGODlh"}}
    assert ask({"parts": [link, ours, data]}).messages[0].parts == (
        Image(Link("https://moths.example/a.png", "image/png")),
        Image(Stored("file-abc1", "image/png")),
        Image(Inline(b"GIF89a", "image/gif")),
    )


def test_tools_of_google_s_own_are_named_and_odd_schemas_are_offered_as_they_are() -> None:
    odd = {"type": "OBJEKT", "properties": {"a": {"type": "any"}}}
    functions = [{"name": "f", "parameters": odd}, {"name": "g", "parameters": []}, {"name": "h", "parameters": None}]
    tools = [{"functionDeclarations": functions}, {"computerUse": {}}, {"google_maps": {}, "xRay": {"on": 1}}]
    chat = ask(ASKED, tools=tools)
    assert [tool.parameters for tool in chat.tools] == [odd, *[{"type": "object", "properties": {}}] * 2]
    assert chat.ignored == ("tools.computerUse", "tools.googleMaps", "tools.xRay")


def test_wishes_that_change_nothing_are_named() -> None:
    config = {
        "maxOutputTokens": 0,
        "imageConfig": {"aspectRatio": "auto", "imageSize": "auto", "glow": 2},
        "mood": "up",
    }
    chat = ask(ASKED, generationConfig=config, serviceTier="flex")
    assert chat.ignored == ("serviceTier", "generationConfig.mood", "generationConfig.imageConfig.glow")
    assert (chat.images, chat.demands_image) == (None, False)
    assert ask(ASKED, generationConfig={"maxOutputTokens": -1}).ignored == ()
    inner = {"thinkingConfig": {"hum": 1}}
    chat = ask(ASKED, generationConfig=inner, toolConfig={"retrievalConfig": {"latLng": {}}})
    assert chat.ignored == ("generationConfig.thinkingConfig.hum", "toolConfig.retrievalConfig")


def test_how_a_image_is_wanted_says_nothing_of_a_chat_in_words() -> None:
    image = {"aspectRatio": "square", "imageSize": "2K"}
    chat = ask(ASKED, generationConfig={"imageConfig": image})
    assert chat.images is None
    assert chat.ignored == ("generationConfig.imageConfig.aspectRatio", "generationConfig.imageConfig.imageSize")
    chat = ask(ASKED, generationConfig={"imageConfig": image, "responseModalities": ["TEXT", "IMAGE"]})
    assert (chat.images, chat.ignored) == (ImageOptions(aspect="1:1", long_side=2048), ())


def test_validated_calls_are_those_of_strict_tools() -> None:
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    for mode in (None, "AUTO", "ANY", "VALIDATED", "validated"):
        chat = ask(ASKED, tools=tools, toolConfig={"functionCallingConfig": {"mode": mode}})
        assert {tool.strict for tool in chat.tools} == {(mode or "").upper() == "VALIDATED"}


@pytest.mark.parametrize(("modalities", "demanded"), [(["IMAGE"], True), (["TEXT", "Image"], False), ([], False)])
def test_images_beside_words_are_an_offer(modalities: list[str], demanded: bool) -> None:
    assert ask(ASKED, generationConfig={"responseModalities": modalities}).demands_image is demanded


def test_an_enum_is_one_bare_word() -> None:
    schema = {"type": "STRING", "enum": ["hawk moth", "clothes moth"]}
    config = {"responseMimeType": "text/x.enum", "responseSchema": schema}
    plain = {"type": "string", "enum": ["hawk moth", "clothes moth"]}
    assert ask(ASKED, generationConfig=config).response_format == ResponseFormat(
        "json_schema", plain, "answer", strict=True, bare=True
    )


strange = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
blocks = st.dictionaries(
    st.sampled_from(["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "orb"]),
    strange,
    max_size=2,
)


@given(
    st.lists(st.tuples(st.sampled_from(["user", "model", "tool", "oracle"]), st.lists(blocks, max_size=3)), max_size=4)
)
def test_no_history_is_refused_for_what_it_holds(turns: list[tuple[str, list[Any]]]) -> None:
    contents = [{"role": role, "parts": parts} for role, parts in turns]
    chat = ask(*contents, {"role": "model", "parts": [{"text": "so"}]}, NEXT)
    assert chat.messages[-1] == Message("user", (Text("And now?"),))


def test_chunks_that_a_chat_of_the_sdk_kept_are_one_answer() -> None:
    pieces = [{"role": "model", "parts": [{"text": text}]} for text in ("A ha", "wk moth", "", ".\n")]
    call = {"role": "model", "parts": [{"functionCall": {"name": "find", "id": "c"}}]}
    messages = ask(ASKED, *pieces, call, NEXT).messages
    assert messages[1:-1] == (Message("assistant", (Text("A hawk moth.\n"), ToolCall("c", "find", "{}"))),)
