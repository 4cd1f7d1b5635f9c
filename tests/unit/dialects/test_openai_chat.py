"""OpenAI chat: what is read, and that streams and whole answers tell the same, judged by OpenAI's own client."""

from __future__ import annotations

from typing import Any

import openai
import orjson
import pytest
from hypothesis import given, settings
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from gemgate.chat import Event, File, Image, Message, Text, TextDelta, ToolCall, ToolChoice, ToolResult, fold
from gemgate.dialects import openai_chat, openai_content
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, NoAccount, RateLimited, SignedOut
from gemgate.files import Inline, Link, Stored
from tests.support.chat_events import ANSWERS, answers, meta
from tests.support.offline_clients import openai_client

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def ask(**body: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "hi"}], "model": "m", **body}
    return openai_chat.read_request(read(openai_chat.ChatCompletionRequest, body))


def streamed(events: list[Event], *, include_usage: bool = True) -> bytes:
    writer = openai_chat.ChunkWriter(meta("chatcmpl-"), "m", include_usage=include_usage)
    return b"".join(writer.event(0, event) for event in events) + writer.close()


def rebuilt(body: bytes) -> dict[str, Any]:
    """The completion that OpenAI's client puts together from a stream, chunk by chunk."""
    made: dict[str, Any] = {"content": "", "reasoning": "", "calls": [], "images": [], "finish": None, "usage": None}
    for chunk in openai_client(body).chat.completions.create(model="m", messages=[], stream=True):
        if chunk.usage is not None:
            made["usage"] = chunk.usage.to_dict()
        for choice in chunk.choices:
            made["content"] += choice.delta.content or ""
            made["reasoning"] += getattr(choice.delta, "reasoning_content", None) or ""
            made["images"] += getattr(choice.delta, "images", None) or []
            made["finish"] = choice.finish_reason or made["finish"]
            for part in choice.delta.tool_calls or ():
                if part.id:
                    assert part.index == len(made["calls"])
                    made["calls"].append([part.id, part.function.name, ""])
                made["calls"][part.index][2] += part.function.arguments or ""
    return made


@given(events=answers())
@settings(max_examples=200)
def test_a_stream_tells_what_the_whole_completion_tells(events: list[Event]) -> None:
    whole = openai_chat.write([fold(events)], meta("chatcmpl-"), "m")
    ChatCompletion.model_validate(whole)
    message, made = whole["choices"][0]["message"], rebuilt(streamed(events))
    assert made["content"] == (message["content"] or "")
    assert made["reasoning"] == message.get("reasoning_content", "")
    assert made["images"] == message.get("images", [])
    assert made["calls"] == [
        [call["id"], call["function"]["name"], call["function"]["arguments"]] for call in message.get("tool_calls", [])
    ]
    assert made["finish"] == whole["choices"][0]["finish_reason"]
    assert made["usage"] == whole["usage"]


def test_the_sdks_accumulator_accepts_a_stream_with_calls() -> None:
    client = openai_client(streamed(ANSWERS["calls"]))
    with client.chat.completions.stream(model="m", messages=[], tools=[FUNCTION]) as stream:
        final = stream.get_final_completion()
    assert [call.function.name for call in final.choices[0].message.tool_calls] == ["get_weather", "list_files"]


def test_chunks_stand_in_the_order_of_the_contract() -> None:
    lines = [line for line in streamed(ANSWERS["text"]).split(b"\n\n") if line]
    assert lines[-1] == b"data: [DONE]"
    chunks = [orjson.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None, None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert {(c["id"], c["created"], c["model"], c["object"]) for c in chunks} == {
        (meta("chatcmpl-").id, meta("").created, "m", "chat.completion.chunk")
    }
    assert b'"usage"' not in streamed(ANSWERS["text"], include_usage=False)


def test_several_answers_share_a_stream_by_index_and_their_usage_is_one() -> None:
    writer = openai_chat.ChunkWriter(meta("chatcmpl-"), "m", include_usage=True)
    events = [(0, e) for e in ANSWERS["text"]] + [(1, e) for e in ANSWERS["calls"]]
    body = b"".join(writer.event(index, event) for index, event in events) + writer.close()
    chunks = list(openai_client(body).chat.completions.create(model="m", messages=[], stream=True))
    texts = ["", ""]
    for chunk in chunks[:-1]:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == ["Hello, 世界 🚀\n", "Looking."]
    assert chunks[-1].usage.prompt_tokens == 14


def test_a_late_error_is_raised_by_the_client_and_nothing_follows() -> None:
    writer = openai_chat.ChunkWriter(meta("chatcmpl-"), "m", include_usage=False)
    body = b"".join(writer.event(0, event) for event in ANSWERS["text"][:2])
    body += writer.fail(SignedOut("The cookies died", "Cookie 已失效"), "zh-CN", "req_1")
    stream = openai_client(body).chat.completions.create(model="m", messages=[], stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "Hello, "]
    with pytest.raises(openai.APIError, match="Cookie 已失效") as caught:
        next(stream)
    assert caught.value.code == "cookie_expired"
    assert b"[DONE]" not in body


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (BadRequest("no", param="messages"), 400, "invalid_request_error", None),
        (RateLimited("slow", retry_after=3), 429, "rate_limit_error", "rate_limit_exceeded"),
        (SignedOut("dead"), 503, "server_error", "cookie_expired"),
        (NoAccount("spent", quota=True), 429, "rate_limit_error", "rate_limit_exceeded"),
    ],
)
def test_errors_have_openais_envelope(error: Any, status: int, kind: str, code: str | None) -> None:
    found, body = openai_chat.envelope(error, "en", "req_1")
    assert found == status
    assert {"message", "type", "param", "code"} <= set(body["error"])
    assert (body["error"]["type"], body["error"]["code"]) == (kind, code)


def test_every_kind_of_content_is_read() -> None:
    body = {
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,YWJj"}},
                    {"type": "input_audio", "input_audio": {"data": "YWJj", "format": "mp3"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", **FUNCTION}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        "model": "m",
    }
    body["messages"][2]["tool_calls"][0]["function"] = {"name": "f", "arguments": "{}"}
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(body)
    chat = openai_chat.read_request(read(openai_chat.ChatCompletionRequest, body))
    assert chat.messages == (
        Message("system", (Text("Be kind."),)),
        Message(
            "user",
            (
                Text("Look"),
                Image(Inline(b"abc", "image/png")),
                Image(Link("https://example.com/a.png")),
                File(Stored("file-1")),
                File(Inline(b"abc", "application/pdf", "a.pdf")),
                File(Inline(b"abc", "audio/mp3", "audio.mp3")),
            ),
        ),
        Message("assistant", (ToolCall("c1", "f", "{}"),)),
        Message("tool", (ToolResult("c1", "f", (Text("42"),)),)),
    )


@pytest.mark.parametrize(
    ("more", "choice"),
    [
        ({}, ToolChoice()),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice("required", ("f",))),
        ({"parallel_tool_calls": False}, ToolChoice(parallel=False)),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}}},
            ToolChoice("auto", ("f",)),
        ),
    ],
)
def test_tool_choices(more: dict[str, Any], choice: ToolChoice) -> None:
    assert ask(tools=[FUNCTION], **more).tool_choice == choice


def test_what_cannot_be_honoured_is_named_and_what_can_is_read() -> None:
    chat = ask(
        temperature=0.2,
        max_tokens=5,
        top_k=3,
        verbosity="low",
        n=2,
        stop="END",
        reasoning_effort="high",
        modalities=["text", "image"],
        files=["file-9"],
        metadata={"a": "b"},
        store=True,
        logprobs=False,
        made_up={"x": 1},
    )
    assert chat.ignored == ("temperature", "max_tokens", "top_k", "verbosity", "made_up")
    assert (chat.n, chat.stop, chat.thinking) == (2, ("END",), True)
    assert not chat.demands_image, "a modality is an offer, no order"
    assert chat.messages[0].parts[0] == File(Stored("file-9"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"type": "made_up", "x": 1}]}, "messages[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "video", "video": 1}]}]}, "messages[0].content[0].type"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tools": [FUNCTION, {"type": "custom", "custom": {"name": "x y"}}]}, "tools[1].custom.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "x", "parameters": "p"}}]},
            "tools[0].function.parameters",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**body)
    assert caught.value.param == param
    assert caught.value.zh


def test_images_in_between_keep_their_place_in_the_markdown() -> None:
    message = openai_chat.write([fold(ANSWERS["picture"])], meta("x"), "m")["choices"][0]["message"]
    link = "![a red fox](http://gate.test/images/202611/20261121/x.png)"
    assert message["content"] == f"Here: \n\n{link}\n\nEnjoy."
    assert message["images"] == [{"type": "image_url", "image_url": {"url": link[13:-1]}, "index": 0}]


def test_a_conversation_id_is_told() -> None:
    assert openai_chat.write([fold(ANSWERS["thoughts"])], meta("x"), "m")["conversation_id"] == "conv_1"
    assert isinstance(ANSWERS["text"][1], TextDelta)


def test_the_last_turn_of_a_long_history_is_found_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[object] = []
    is_models = openai_content.is_models

    def counted(thing: object) -> bool:
        judged.append(thing)
        return is_models(thing)

    monkeypatch.setattr(openai_content, "is_models", counted)
    said = [{"role": role, "content": "x"} for role in ("user", "assistant") * 100]
    strange = {"role": "user", "content": [{"type": "hologram"}]}
    assert len(ask(messages=[strange, *said, {"role": "user", "content": "now"}]).messages) == 202
    assert len(judged) == 1
    for last in ([strange], [strange, {"role": "system", "content": "x"}]):
        with pytest.raises(BadRequest):
            ask(messages=[*said, *last])
    assert ask(messages=[strange, *said]).messages  # the model has spoken last: nothing is asked now
