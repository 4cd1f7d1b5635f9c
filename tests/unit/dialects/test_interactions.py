"""Gemini interactions: what is read, and that whole answers, events and events told again say the same, judged by the
types of Google's own client.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.genai.interactions import Interaction
from hypothesis import given, settings

from gemgate.chat import (
    ChatRequest,
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
from gemgate.dialects import interactions
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, Broken, NotFound, RateLimited
from gemgate.files import Inline, Link, Stored
from gemgate.images import ImageOptions
from gemgate.web.relay import call_info
from gemgate.web.relay.call_info import Defaults
from gemgate.web.relay.routes import all_routes
from tests.support.chat_events import ANSWERS, HEX, answers, meta, sent

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
USER = Message("user", (Text("hi"),))


def body_of(**body: Any) -> interactions.InteractionRequest:
    return read(interactions.InteractionRequest, {"input": "hi", "model": "m", **body})


def ask(previous: tuple[Message, ...] = (), **body: Any) -> ChatRequest:
    return interactions.read_request(body_of(**body), previous)


def streamed(events: list[Event]) -> bytes:
    writer = interactions.EventWriter(meta("int_"), body_of(), "m")
    return b"".join(writer.event(0, event) for event in events) + writer.close()


def whole(events: list[Event]) -> dict[str, Any]:
    """An interaction as it is stored."""
    stored: dict[str, Any] = sent(interactions.write(fold(events), meta("int_"), body_of(), "m"))
    return stored


def frames(body: bytes) -> list[dict[str, Any]]:
    """Each event as its data; its name and id must be the data's own, and the end is told."""
    found = []
    *told, last = body.split(b"\n\n")[:-1]
    assert last == b"event: done\ndata: [DONE]"
    for frame in told:
        name, event_id, data = frame.split(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["event_type"].encode()
        assert event_id == b"id: " + value["event_id"].encode()
        found.append(value)
    return found


def rebuilt(events: list[dict[str, Any]]) -> list[Any]:
    """The steps that events make, as a client puts them together."""
    steps: list[dict[str, Any]] = []
    arguments = ""
    for event in events:
        match event:
            case {"event_type": "step.start", "index": index, "step": step}:
                assert index == len(steps)
                steps.append(dict(step))
                arguments = ""
            case {"event_type": "step.delta", "index": index, "delta": {"type": "arguments_delta", "arguments": text}}:
                arguments += text
                assert index == len(steps) - 1
            case {"event_type": "step.delta", "delta": {"type": "thought_summary", "content": content}}:
                _append(steps[-1].setdefault("summary", []), content)
            case {"event_type": "step.delta", "delta": {"type": "text_annotation_delta", "annotations": notes}}:
                steps[-1]["content"][-1]["annotations"] = notes
            case {"event_type": "step.delta", "delta": content}:
                _append(steps[-1].setdefault("content", []), content)
            case {"event_type": "step.stop"} if steps[-1]["type"] == "function_call":
                steps[-1]["arguments"] = json.loads(arguments)
    return steps


def _append(contents: list[dict[str, Any]], content: dict[str, Any]) -> None:
    if content["type"] == "text" and contents and contents[-1]["type"] == "text":
        contents[-1] = {"type": "text", "text": contents[-1]["text"] + content["text"]}
    else:
        contents.append(content)


@settings(max_examples=60)
@given(events=answers())
def test_events_and_objects_tell_the_same_and_again_from_every_place(events: list[Event]) -> None:
    stored = whole(events)
    told = frames(streamed(events))
    assert rebuilt(told) == stored["steps"]
    assert told[-1]["interaction"] == {name: value for name, value in stored.items() if name != "steps"}
    assert len({event["event_id"] for event in told}) == len(told)
    assert rebuilt(frames(b"".join(interactions.replay(stored)))) == stored["steps"]
    for at, event in enumerate(told):
        rest = frames(b"".join(interactions.replay(stored, event["event_id"])))
        assert rebuilt([*told[: at + 1], *rest]) == stored["steps"]
        assert [one["event_id"] for one in rest[-1:]] == [told[-1]["event_id"]] * (at + 1 < len(told))


@pytest.mark.parametrize("event_id", ["evt", "evt_1", "evt_1_", "evt_-1_0", "evt_1_x", "evt_1_²", "5", "evt_0_0\n"])
def test_an_event_id_that_was_never_given_is_refused(event_id: str) -> None:
    with pytest.raises(BadRequest, match="not one of ours"):
        interactions.replay(whole(ANSWERS["text"]), event_id)


@pytest.mark.parametrize("answer", ANSWERS)
def test_googles_types_read_it(answer: str) -> None:
    stored = whole(ANSWERS[answer])
    made = Interaction.model_validate(stored)
    assert made.id == "int_" + HEX
    assert [step.type for step in made.steps or []] == [step["type"] for step in stored["steps"]]
    assert not any(getattr(step, "is_unknown", False) for step in made.steps or [])
    assert made.usage is not None
    assert made.usage.total_tokens == (
        (made.usage.total_input_tokens or 0)
        + (made.usage.total_output_tokens or 0)
        + (made.usage.total_thought_tokens or 0)
    )


@pytest.mark.parametrize(
    ("answer", "status"),
    [("text", "completed"), ("calls", "requires_action"), ("cut", "incomplete"), ("refused", "incomplete")],
)
def test_the_end_has_a_status(answer: str, status: str) -> None:
    assert whole(ANSWERS[answer])["status"] == status


def test_an_image_comes_as_bytes_or_where_it_is_asked_for_as_a_link() -> None:
    reply = fold(ANSWERS["picture"])
    for delivery, key in ((None, "data"), ("inline", "data"), ("uri", "uri")):
        body = body_of(response_format={"type": "image", "delivery": delivery})
        (step,) = sent(interactions.write(reply, meta("int_"), body, "m"))["steps"]
        image = step["content"][1]
        assert {"data", "uri"} & image.keys() == {key}
    assert image["uri"].startswith("http://gate.test/images/")


INPUTS: list[tuple[Any, list[Message]]] = [
    ("hi", [USER]),
    ({"type": "text", "text": "hi"}, [USER]),
    ([{"type": "text", "text": "hi"}], [USER]),
    (["hi"], [USER]),
    ([{"type": "user_input", "content": [{"type": "text", "text": "hi"}]}], [USER]),
    ([{"type": "user_input", "content": "hi"}], [USER]),
    ([{"role": "user", "content": "hi"}], [USER]),
    (
        [{"type": "text", "text": "look"}, {"type": "image", "data": "aGk=", "mime_type": "image/webp"}],
        [Message("user", (Text("look"), Image(Inline(b"hi", "image/webp"))))],
    ),
    (
        [{"type": "document", "uri": "files/abc123"}, {"type": "image", "uri": "https://a.example/x.png"}],
        [Message("user", (File(Stored("file-abc123")), Image(Link("https://a.example/x.png"))))],
    ),
    (
        [
            {"type": "user_input", "content": [{"type": "text", "text": "hi"}]},
            {"type": "thought", "signature": "c2ln", "summary": [{"type": "text", "text": "hm"}]},
            {"type": "model_output", "content": [{"type": "text", "text": "I look."}]},
            {"type": "google_search_call", "id": "s", "arguments": {"queries": ["rain"]}},
            {"type": "function_call", "id": "c1", "name": "f", "arguments": {"n": 1}},
            {"type": "function_result", "call_id": "c1", "result": {"n": 2}},
        ],
        [
            USER,
            Message(
                "assistant",
                (
                    Thought("hm"),
                    Text("I look."),
                    Text('[google_search_call] {"arguments":{"queries":["rain"]}}'),
                    ToolCall("c1", "f", '{"n":1}'),
                ),
            ),
            Message("tool", (ToolResult("c1", "f", (Text('{"n":2}'),)),)),
        ],
    ),
    (
        [{"role": "user", "content": "hi"}, {"role": "model", "content": "Hello."}, {"role": "user", "content": "hi"}],
        [USER, Message("assistant", (Text("Hello."),)), USER],
    ),
]


@pytest.mark.parametrize(("given", "said"), INPUTS, ids=range(len(INPUTS)))
def test_every_form_of_input_is_read(given: Any, said: list[Message]) -> None:
    assert list(ask(input=given).messages) == said


def test_results_of_functions_are_paired_with_calls_that_are_stored() -> None:
    previous = (USER, Message("assistant", (ToolCall("c1", "f", "{}"),)))
    results = [
        {"type": "function_result", "call_id": "c1", "result": "25 °C"},
        {"type": "function_result", "call_id": "c2", "name": "g", "is_error": True, "result": ["a", "b"]},
        {"type": "function_result", "call_id": "c3", "name": "h", "result": [{"type": "text", "text": "t"}, {"x": 1}]},
    ]
    assert ask(previous, input=results).messages == (
        *previous,
        Message("tool", (ToolResult("c1", "f", (Text("25 °C"),)),)),
        Message("tool", (ToolResult("c2", "g", (Text("a\nb"),), is_error=True),)),
        Message("tool", (ToolResult("c3", "h", (Text("t"), Text('{"x":1}'))),)),
    )


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ([], "input"),
        ("", "input"),
        (None, "input"),
        ([{"type": "hologram"}], "input[0].type"),
        ([{}], "input[0].type"),
        ([7], "input[0]"),
        ([{"type": "user_input", "content": [{"type": "hologram"}]}], "input[0].content[0].type"),
        ([{"type": "image"}], "input[0]"),
        ({"type": "image", "data": "%%%"}, "input.data"),
        ({"type": "image", "uri": "gs://x/y"}, "input.uri"),
        ({"type": "video", "uri": "https://youtu.be/x"}, "input.uri"),
    ],
)
def test_what_is_unknown_in_the_last_turn_is_refused_by_its_place(given: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(input=given)
    assert caught.value.param == param


def test_the_rest_of_a_request_is_read() -> None:
    chat = ask(
        system_instruction="Be brief.",
        stream=True,
        tools=[FUNCTION, {"type": "google_search"}, {"type": "mcp_server", "url": "https://x"}],
        generation_config={
            "stop_sequences": ["END", ""],
            "thinking_level": "HIGH",
            "thinking_summaries": "auto",
            "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}},
            "temperature": 0.5,
            "seed": 3,
            "max_output_tokens": 0,
            "transcription_config": {"mode": "smart"},
        },
        safety_settings=[{"category": "x"}],
        service_tier="flex",
        labels={"team": "a"},
    )
    assert chat.messages[0] == Message("system", (Text("Be brief."),))
    assert (chat.stream, chat.thinking, chat.include_thoughts, chat.stop) == (True, True, True, ("END",))
    assert [tool.name for tool in chat.tools] == ["f"]
    assert chat.tool_choice == ToolChoice("required", ("f",))
    assert set(chat.ignored) == {
        "safety_settings",
        "service_tier",
        "generation_config.temperature",
        "generation_config.seed",
        "generation_config.transcription_config",
        "tools.mcp_server",
    }


@pytest.mark.parametrize(
    ("choice", "meant", "strict"),
    [
        (None, ToolChoice(), False),
        ("auto", ToolChoice(), False),
        ("any", ToolChoice("required"), False),
        ("none", ToolChoice("none"), False),
        ("validated", ToolChoice(), True),
        ({"allowed_tools": {"tools": ["f"]}}, ToolChoice("auto", ("f",)), False),
    ],
)
def test_the_choice_of_tools_is_kept(choice: Any, meant: ToolChoice, strict: bool) -> None:
    chat = ask(tools=[FUNCTION], generation_config={"tool_choice": choice})
    assert chat.tool_choice == meant
    assert chat.tools[0].strict is strict


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TEXT = {"type": "text", "mime_type": "application/json", "schema": SCHEMA}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ({}, ResponseFormat()),
        ({"response_format": {"type": "text"}}, ResponseFormat()),
        ({"response_format": TEXT}, ResponseFormat("json_schema", SCHEMA, "answer", strict=True)),
        ({"response_format": [TEXT]}, ResponseFormat("json_schema", SCHEMA, "answer", strict=True)),
        ({"response_format": SCHEMA}, ResponseFormat("json_schema", SCHEMA, "answer", strict=True)),
        ({"response_format": {"type": "OBJECT"}}, ResponseFormat("json_schema", {"type": "object"}, "answer", True)),
        ({"response_mime_type": "application/json"}, ResponseFormat("json_schema", {}, "answer")),
    ],
)
def test_the_form_of_the_answer_is_read(body: dict[str, Any], form: ResponseFormat) -> None:
    chat = ask(**body)
    assert (chat.response_format, chat.images) == (form, None)


def test_images_are_wanted_by_their_format_the_modality_or_the_model() -> None:
    wide = {"type": "image", "aspect_ratio": "16:9", "image_size": "2K", "mime_type": "image/jpeg"}
    chat = ask(response_format=wide)
    assert chat.images == ImageOptions(aspect="16:9", long_side=2048)
    assert chat.demands_image
    assert chat.ignored == ("response_format.mime_type",)
    assert not ask(response_format=[wide, {"type": "text"}]).demands_image
    assert ask(response_modalities=["IMAGE"]).demands_image
    assert not ask(response_modalities=["text", "image"]).demands_image
    by_model = ask(model="gemini-2.5-flash-image", generation_config={"image_config": {"aspect_ratio": "1:1"}})
    assert (by_model.images, by_model.demands_image) == (ImageOptions(aspect="1:1"), False)
    words = ask(generation_config={"image_config": {"aspect_ratio": "1:1"}})
    assert (words.images, words.ignored) == (None, ("generation_config.image_config.aspect_ratio",))


@pytest.mark.parametrize(
    "body",
    [
        {"background": True, "store": False},
        {"agent": "antigravity-preview-05-2026"},
        {"environment": "env"},
        {"cached_content": "cachedContents/x"},
        {"continuation_token": "x"},
        {"response_format": {"type": "audio"}},
        {"response_modalities": ["VIDEO"]},
        {"response_mime_type": "text/csv"},
        {"response_format": {"type": "nothing we know"}},
        {"generation_config": {"speech_config": {"voice": "x"}}},
        {"generation_config": {"tool_choice": "maybe"}},
        {"generation_config": {"tool_choice": "any"}},
        {"generation_config": {"tool_choice": {"allowed_tools": {"tools": ["g"]}}}, "tools": [FUNCTION]},
        {"tools": [{"type": "function", "name": "no spaces"}]},
        {"tools": [{}]},
    ],
    ids=repr,
)
def test_what_cannot_be_had_is_refused_in_both_languages(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**body)
    assert caught.value.param
    assert caught.value.zh != caught.value.en


def test_the_code_of_an_error_is_a_word() -> None:
    status, body = interactions.envelope(NotFound("gone", "没有", param="id"), "zh", "req_1")
    assert (status, body["error"]["code"], body["error"]["message"]) == (404, "not_found", "没有")
    status, body = interactions.envelope(RateLimited("slow", "慢", retry_after=3), "en", "req_1")
    assert (status, body["error"]["code"]) == (429, "resource_exhausted")
    assert any(detail.get("retryDelay") == "3s" for detail in body["error"]["details"])


def test_what_may_have_been_generated_has_a_status_that_the_sdk_does_not_repeat() -> None:
    assert interactions.envelope(Broken("broke", "断", generated="maybe"), "en", "")[0] == 424
    assert interactions.envelope(Broken("broke", "断", generated="no"), "en", "")[0] == 502


def test_bytes_of_an_image_are_base64() -> None:
    (step,) = [step for step in whole(ANSWERS["picture"])["steps"] if step["type"] == "model_output"]
    assert base64.b64decode(step["content"][1]["data"]) == b"\x89PNG picture"


@pytest.mark.parametrize("prefix", ["/v1", "/v1beta", "/gemini/v1", "/gemini/v1beta"])
def test_a_fleet_brings_what_goes_on_to_the_node_that_began_it(prefix: str) -> None:
    routes = all_routes()
    route = routes.find("POST", f"{prefix}/interactions")
    made = b'{"id":"int_0123456789abcdef","object":"interaction"'
    assert call_info.made_ids(route, made) == ["int_0123456789abcdef"]
    body = b'{"input":"hi","previous_interaction_id":"int_0123456789abcdef"}'
    known = call_info.read(route, body, "ann", Defaults("gemini-2.5-flash", "", ()))
    assert known.counted
    assert known.trace.ids == ("int_0123456789abcdef",)
    asked = routes.find("GET", f"{prefix}/interactions/int_1")
    assert (asked.name, asked.group) == ("interactions.get", "chat")
    assert call_info.read(asked, b"", "ann", Defaults("gemini-2.5-flash", "", ())).trace.ids == ("int_1",)
