"""What all dialects share: bodies however broken, base64 however written, bytes that any client can read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects import anthropic, gemini, openai_batches, openai_chat, openai_images, responses, simple, wire
from gemgate.dialects.simple_batches import BatchImagesRequest
from gemgate.errors import BadRequest
from gemgate.files import Inline, Link
from tests.support.chat_events import image, meta


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a": ' + b'{"b":' * 300 + b"1" + b"}" * 301,
        b"[" * 100_000,
        b'{"a": NaN}',
    ],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        wire.parse_json(body)


def test_a_deep_but_honest_body_is_read() -> None:
    body = b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}"
    assert list(wire.parse_json(body)) == ["a"]


@pytest.mark.parametrize("text", ["YWJj+/8=", "YWJj-_8=", "YWJj-_8", " YWJj\r\n+/8= "])
def test_base64_is_read_however_it_is_written(text: str) -> None:
    assert wire.decode_base64(text, "x") == b"abc\xfb\xff"


@pytest.mark.parametrize("text", ["", "?", "YWJ", "北京", "http://example.com/a.png", "a.png"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    if text == "YWJ":
        assert wire.decode_base64(text, "x") == b"ab"
        return
    with pytest.raises(BadRequest):
        wire.decode_base64(text, "x")


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("data:image/png;base64,YWJj", Inline(b"abc", "image/png")),
        ("DATA:image/svg+xml;charset=utf-8;base64,YWJj", Inline(b"abc", "image/svg+xml")),
        ("data:;base64,YWJj", Inline(b"abc")),
        ("https://example.com/a.png", Link("https://example.com/a.png")),
    ],
)
def test_urls_are_bytes_or_links(url: str, source: Any) -> None:
    assert wire.source_of_url(url, "x") == source


@pytest.mark.parametrize("url", ["data:image/png,abc", "data:", "ftp://x/y", "file:///etc/passwd", "/tmp/a.png", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        wire.source_of_url(url, "x")


def test_the_fault_is_named_inside_the_form_that_was_meant() -> None:
    for body, at in (({"text": {"format": 5}}, "text.format"), ({"reasoning": {"effort": []}}, "reasoning.effort")):
        with pytest.raises(BadRequest) as caught:
            wire.read(responses.ResponsesRequest, {"model": "m", "input": "x", **body})
        assert caught.value.param == at
    for stop in (5, [5], {"a": 1}):
        with pytest.raises(BadRequest) as caught:
            wire.read(openai_chat.ChatCompletionRequest, {"messages": [{"role": "user", "content": ""}], "stop": stop})
        assert caught.value.param == ("stop[0]" if isinstance(stop, list) else "stop")


def test_what_is_asked_now_is_named_where_it_is_wrong() -> None:
    body = {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]}
    asked = wire.read(responses.ResponsesRequest, body)
    with pytest.raises(BadRequest) as caught:
        responses.read_request(asked)
    assert caught.value.param == "input[0].content[0].text"
    said = wire.read(openai_chat.ChatCompletionRequest, {"model": "m", "messages": [{"role": "user", "content": 5}]})
    with pytest.raises(BadRequest) as caught:
        openai_chat.read_request(said)
    assert caught.value.param == "messages[0].content"


@given(value=st.integers() | st.text(st.characters()) | st.lists(st.integers(-(2**80), 2**80)))
def test_anything_read_from_json_can_be_written(value: Any) -> None:
    assert json.loads(wire.dumps({"a": value})) == {"a": value}
    assert wire.sse({"a": value}).count(b"\n") == 2


def test_images_are_linked_absolutely_and_titles_cannot_break_the_markdown() -> None:
    assert wire.image_markdown(image(), meta("")) == "![a red fox](http://gate.test/images/202611/20261121/x.png)"
    assert wire.image_link(image(url="https://cdn/x.png"), meta("")) == "https://cdn/x.png"
    assert wire.image_link(image(url=""), meta("")).startswith("data:image/png;base64,")


def test_every_request_has_a_schema_and_a_name_of_its_own() -> None:
    models = [
        anthropic.MessagesRequest,
        anthropic.MessageTokensRequest,
        gemini.GenerateContentRequest,
        gemini.CountTokensRequest,
        gemini.UploadRequest,
        openai_batches.BatchCreateRequest,
        openai_chat.ChatCompletionRequest,
        openai_images.EditsRequest,
        openai_images.GenerationsRequest,
        responses.ResponsesRequest,
        responses.TokenCountRequest,
        simple.CookiesRequest,
        simple.EditImageRequest,
        simple.GenerateImagesRequest,
        simple.GenerateRequest,
        BatchImagesRequest,
    ]
    assert len({model.__name__ for model in models}) == len(models)
    for model in models:
        assert model.model_json_schema()["type"] == "object"
    assert "generationConfig" in gemini.GenerateContentRequest.model_json_schema()["properties"]
