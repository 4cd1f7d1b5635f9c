"""OpenAI images: three bodies on one path, and answers that OpenAI's own types accept."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent, ImagesResponse
from pydantic import ValidationError

from gemgate.chat import Usage
from gemgate.dialects import image_options, openai_images
from gemgate.dialects.openai_images import ImagesCall
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, NoImage
from gemgate.files import Inline, Link, Stored
from gemgate.images import ImageOptions, ImageRequest
from tests.support.chat_events import image, meta, sent

PNG = Inline(b"abc", "image/png", "a.png")


def generate(**body: Any) -> ImagesCall:
    return openai_images.read_generations(read(openai_images.GenerationsRequest, {"prompt": "a fox", **body}))


def edit(**body: Any) -> ImagesCall:
    return openai_images.read_edits(read(openai_images.EditsRequest, {"prompt": "a fox", **body}))


def test_a_request_for_images() -> None:
    assert generate() == ImagesCall(ImageRequest("a fox"))
    call = generate(
        model="gemini-3-pro-image-preview",
        n=3,
        size="1536x1024",
        quality="hd",
        response_format="url",
        style="vivid",
        background="transparent",
        output_format="webp",
        user="u",
        size_policy="require",
        resample=True,
        remove_logo=False,
    )
    options = ImageOptions("3:2", None, "hd", "require", True, False)
    request = ImageRequest("a fox", "gemini-3-pro-image-preview", 3, (), options)
    assert call == ImagesCall(request, as_url=True, ignored=("style", "background", "output_format"))


@pytest.mark.parametrize(
    ("size", "aspect", "side"),
    [
        (None, None, None),
        ("auto", None, None),
        ("1024x1024", "1:1", None),
        ("1792x1024", "16:9", None),
        ("1024x1536", "2:3", None),
        ("4096x4096", "1:1", 4096),
        ("3840X2160", "16:9", 3840),
        ("800x100", "8:1", None),
    ],
)
def test_a_size_is_a_shape_and_from_2048_on_a_size(size: str | None, aspect: str | None, side: int | None) -> None:
    options = image_options.options_of({"size": size})
    assert (options.aspect, options.long_side) == (aspect, side)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": 11}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "0x10"}, "size"),
        ({"size": "1024"}, "size"),
        ({"response_format": "hex"}, "response_format"),
        ({"size_policy": "maybe"}, "size_policy"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        generate(**body)
    assert caught.value.param == param


def test_an_edit_as_the_sdk_sends_it() -> None:
    one = openai_images.read_edits_form([("prompt", "a fox"), ("n", "1")], [("image", PNG)])
    assert one.request == ImageRequest("a fox", None, 1, (PNG,))
    several = openai_images.read_edits_form(
        [("prompt", "a fox"), ("n", "2"), ("size", "1024x1024"), ("stream", "false"), ("response_format", "url")],
        [("image[]", PNG), ("image[]", PNG)],
    )
    assert several.request.references == (PNG, PNG)
    assert several.request.n == 2
    assert (several.as_url, several.stream) == (True, False)


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ([("prompt", "x")], [], "image"),
        ([], [("image", PNG)], "prompt"),
        ([("prompt", "x"), ("n", "many")], [("image", PNG)], "n"),
        ([("prompt", "x")], [("image", PNG), ("mask", PNG)], "mask"),
        ([("prompt", "x")], [("image", Inline(b""))], "image"),
        ([("prompt", "x"), ("image", "no picture!")], [], "image"),
        ([("prompt", "x")], [("image[]", PNG)] * 17, "image"),
    ],
)
def test_a_form_that_is_wrong(fields: Any, files: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        openai_images.read_edits_form(fields, files)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "simple"),
    [
        ({"prompt": "x", "image": "b"}, True),
        ({"prompt": "x", "image": "b", "response_type": "url"}, True),
        ({"prompt": "x", "image": "b", "response_format": "url", "response_type": "url"}, True),
        ({"prompt": "x", "image": "b", "response_format": "url"}, False),
        ({"prompt": "x", "images": []}, False),
        ({}, True),
    ],
)
def test_the_two_json_bodies_of_an_edit_are_told_apart(body: dict[str, Any], simple: bool) -> None:
    assert openai_images.is_simple_edit(body) is simple


def test_an_edit_in_openais_json() -> None:
    call = edit(
        images=[
            {"image_url": "data:image/png;base64,YWJj"},
            {"image_url": "https://example.com/a.png"},
            {"file_id": "file-1"},
        ]
    )
    assert call.request.references == (
        Inline(b"abc", "image/png"),
        Link("https://example.com/a.png"),
        Stored("file-1"),
    )
    assert edit(image="YWJj", response_format="b64_json").request.references == (Inline(b"abc"),)
    for body, param in (
        ({}, "image"),
        ({"images": [{}]}, "images[0]"),
        ({"image": {"detail": "high"}}, "image"),
        ({"image": "YWJj", "mask": {"file_id": "x"}}, "mask"),
    ):
        with pytest.raises(BadRequest) as caught:
            edit(**body)
        assert caught.value.param == param


USAGE = Usage(300, 258)


@given(across=st.integers(0, 99), down=st.integers(0, 99), mark=st.sampled_from([":", "：", "/", " x "]))
def test_a_shape_that_no_picture_has_is_refused(across: int, down: int, mark: str) -> None:
    """Before it costs a generation; in pixels as well."""
    can_be = 0 < max(across, down) <= 8 * min(across, down)
    for field, typed in (("aspect", f"{across}{mark}{down}"), ("size", f"{across * 10}x{down * 10}")):
        if can_be:
            named = image_options.named_options({field: typed})["aspect"].split(":")
            assert abs(int(named[0]) / int(named[1]) / (across / down) - 1) < 0.04
        else:
            with pytest.raises(BadRequest, match=field):
                image_options.named_options({field: typed})


def test_the_answer_has_openais_shape_and_the_facts_beside_it() -> None:
    body = openai_images.write([image(), image(None)], generate(), meta(""), USAGE, image_tokens=258)
    body = sent(body)
    ImagesResponse.model_validate(body)
    first, second = body["data"]
    assert base64.b64decode(first["b64_json"]) == image().data
    assert "url" not in first
    assert first["width"] == 2048
    assert first["delivered"] == 2048
    assert second["url"] == "http://gate.test/images/202611/20261121/x.png"
    assert body["usage"]["input_tokens_details"] == {"text_tokens": 42, "image_tokens": 258}
    assert body["usage"]["total_tokens"] == 558
    linked = openai_images.write([image()], generate(response_format="url"), meta(""), USAGE)
    assert linked["data"][0]["url"].startswith("http://gate.test/images/")
    assert "b64_json" not in linked["data"][0]


def test_what_failed_stands_beside_what_succeeded() -> None:
    body = openai_images.write(
        [image()], generate(n=2), meta(""), USAGE, failures=[NoImage("no", "没有")], language="zh"
    )
    body = sent(body)
    ImagesResponse.model_validate(body)
    assert body["errors"][0]["message"] == "没有"
    assert body["errors"][0]["code"] == "no_image"


@pytest.mark.parametrize(
    ("call", "model"),
    [
        (generate(stream=True), ImageGenCompletedEvent),
        (
            openai_images.read_edits_form([("prompt", "x"), ("stream", "true")], [("image", PNG)]),
            ImageEditCompletedEvent,
        ),
    ],
)
def test_streamed_images_are_completed_events(call: ImagesCall, model: Any) -> None:
    assert call.stream
    name, data = openai_images.write_event(image(), call, meta(""), USAGE)
    event = model.model_validate(sent(data))
    assert name == event.type
    assert base64.b64decode(event.b64_json) == image().data
    assert (event.width, event.sha256) == (2048, image().sha256)
    with pytest.raises(ValidationError):
        model.model_validate({})
