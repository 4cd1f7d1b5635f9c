"""The simple dialect: shapes to the letter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gemgate.chat import fold
from gemgate.dialects import simple, simple_batches
from gemgate.dialects.simple_batches import BatchView, TaskError, TaskResult
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, LocalText, NoImage, RateLimited
from gemgate.files import Inline
from gemgate.images import ImageOptions, ImageRequest
from tests.support.chat_events import ANSWERS, CREATED, image, meta, sent


def test_generate() -> None:
    chat = simple.read_generate(read(simple.GenerateRequest, {"prompt": "hi", "model": "m"}))
    assert chat.temporary
    assert chat.messages[0].text == "hi"
    assert simple.write_generate(fold(ANSWERS["text"]), "m") == {
        "text": "Hello, 世界 🚀\n",
        "model": "m",
        "served_model": "3.6 Flash",
    }


def test_images_are_asked_for() -> None:
    call = simple.read_images(read(simple.GenerateImagesRequest, {"prompt": "a fox"}))
    assert call == simple.SimpleImagesCall(ImageRequest("a fox"), as_url=False)
    body = {
        "prompt": "p",
        "count": 2,
        "response_type": "url",
        "image": "data:image/png;base64,YWJj",
        "remove_logo": False,
    }
    call = simple.read_images(read(simple.GenerateImagesRequest, body))
    options = ImageOptions(remove_logo=False)
    assert call == simple.SimpleImagesCall(
        ImageRequest("p", None, 2, (Inline(b"abc", "image/png"),), options), as_url=True
    )
    call = simple.read_images(read(simple.EditImageRequest, {"prompt": "p", "image": "YWJj"}))
    assert call.request.references == (Inline(b"abc"),)
    body = {"prompt": "p", "n": 3, "image": ["YWJj", "data:image/png;base64,YWJj"], "size": "4k", "aspect": "16:9"}
    call = simple.read_images(read(simple.GenerateImagesRequest, body))
    assert call.request.references == (Inline(b"abc"), Inline(b"abc", "image/png"))
    assert (call.request.n, call.request.options) == (3, ImageOptions("16:9", 4096))


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        (simple.GenerateRequest, {"prompt": ""}, "prompt"),
        (simple.GenerateImagesRequest, {"prompt": "  "}, "prompt"),
        (simple.GenerateImagesRequest, {"prompt": "x", "count": 0}, "count"),
        (simple.GenerateImagesRequest, {"prompt": "x", "count": 11}, "count"),
        (simple.GenerateImagesRequest, {"prompt": "x", "response_type": "b64_json"}, "response_type"),
        (simple.GenerateImagesRequest, {"prompt": "x", "size": "large"}, "size"),
        (simple.GenerateImagesRequest, {"prompt": "x", "aspect": "wide"}, "aspect"),
        (simple.EditImageRequest, {"prompt": "x"}, "image"),
        (simple.EditImageRequest, {"prompt": "x", "image": []}, "image"),
        (simple.EditImageRequest, {"prompt": "x", "image": ["YWJj"] * 17}, "image"),
        (simple.EditImageRequest, {"prompt": "x", "image": ""}, "image"),
        (simple.EditImageRequest, {"prompt": "x", "image": "data:text/plain;base64,YWJj"}, "image"),
        (simple.EditImageRequest, {"prompt": "x", "image": "../secret.png"}, "image"),
    ],
)
def test_what_is_wrong_is_named(model: Any, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        simple.read_images(read(model, body))
    assert caught.value.param == param


def test_images_are_answered_as_data_urls_or_links_with_their_facts() -> None:
    call = simple.read_images(read(simple.GenerateImagesRequest, {"prompt": "a fox"}))
    body = sent(simple.write_images([image()], call, meta(""), "m", failures=[NoImage("no")]))
    assert body["images"][0].startswith("data:image/png;base64,")
    assert body["model"] == "m"
    assert body["details"][0]["sha256"] == "ab" * 32
    assert body["errors"] == [{"error": "no", "code": "no_image"}]
    linked = simple.SimpleImagesCall(call.request, as_url=True)
    body = simple.write_images([image()], linked, meta(""), "m")
    assert body["images"] == ["http://gate.test/images/202611/20261121/x.png"]
    assert "errors" not in body
    assert simple.image_url_or_data(image(url=""), meta(""), as_url=True).startswith("data:")


def test_errors_are_a_detail() -> None:
    error = RateLimited("wait 3 s", "模型 X 调用过于频繁，请等待 3 秒后重试", retry_after=3)
    assert simple.envelope(error, "zh", "req_1") == (429, {"detail": error.zh, "request_id": "req_1"})


@pytest.mark.parametrize(
    "cookies",
    [
        {"__Secure-1PSID": "a", "__Secure-1PSIDTS": "b"},
        {"SECURE_1PSID": "a", "1PSIDTS": "b"},
        [{"name": "__Secure-1PSID", "value": "a", "domain": ".google.com"}, {"name": "__Secure-1PSIDTS", "value": "b"}],
        "__Secure-1PSID=a; __Secure-1PSIDTS=b",
    ],
)
def test_cookies_are_read_in_every_spelling_and_never_told(cookies: Any) -> None:
    read_cookies, account = simple.read_cookies(read(simple.CookiesRequest, {"cookies": cookies, "account": "work"}))
    assert (read_cookies.psid, read_cookies.psidts, account) == ("a", "b", "work")
    assert simple.write_cookies(success=True, message="ok", account="work") == {
        "success": True,
        "message": "ok",
        "account": "work",
    }
    assert simple.write_cookie_status(valid=False, message="dead") == {"valid": False, "message": "dead"}


def test_cookies_without_a_session_are_refused() -> None:
    for cookies in ({}, {"__Secure-1PSIDTS": "b"}, "nothing"):
        with pytest.raises(BadRequest):
            simple.read_cookies(read(simple.CookiesRequest, {"cookies": cookies}))


def test_uploads_and_conversations() -> None:
    assert simple.write_upload(["file-1", "file-2"]) == {"success": True, "files": ["file-1", "file-2"]}
    listing = simple.write_conversations([simple.ConversationEntry("conv_1", CREATED, 2048)], 7)
    assert listing == {
        "total": 7,
        "conversations": [{"conversation_id": "conv_1", "modified": "2026-11-21T10:00:00Z", "size_kb": 2.0}],
    }
    assert simple.write_conversation("conv_1", {"account": "a"}) == {
        "conversation_id": "conv_1",
        "metadata": {"account": "a"},
    }
    assert simple.write_conversation_deleted() == {"message": "Conversation deleted"}


def batch(**more: Any) -> BatchView:
    return BatchView("batch_60bfcf0a", 3, 2, 0, "processing", created_at=CREATED, **more)


def test_a_batch_is_ordered_and_created_with_the_printed_words() -> None:
    order = simple_batches.read_batch(read(simple_batches.BatchImagesRequest, {"prompts": ["a", "b"]}))
    assert (order.prompts, order.concurrency, order.as_base64) == (("a", "b"), 2, False)
    assert simple_batches.write_created(batch()) == {
        "batch_id": "batch_60bfcf0a",
        "total": 3,
        "status": "processing",
        "message": "批量任务已创建，2并发处理中",
        "concurrency": 2,
    }
    clamped = simple_batches.write_created(batch(asked=8), "en")
    assert clamped["message"] == "The batch is ordered; 2 at once"
    assert "8" in clamped["note"]
    assert simple_batches.write_created(batch(), "zh-CN")["message"] == "批量任务已创建，2并发处理中"
    for body in ({"prompts": []}, {}, {"prompts": "x"}, {"prompts": ["x"], "concurrency": 0}):
        with pytest.raises(BadRequest):
            read(simple_batches.BatchImagesRequest, body)


def test_the_status_of_a_batch_has_the_printed_shape() -> None:
    done = TaskResult("batch_60bfcf0a_task_0", image())
    failed = TaskError("batch_60bfcf0a_task_1", "refused", "no_image", False)
    state = BatchView("batch_60bfcf0a", 3, 1, 1, "processing", done=(done,), errors=(failed,))
    body = sent(simple_batches.write_status(state, meta("")))
    details = body["results"][0].pop("details")
    assert details["width"] == 2048
    assert body == {
        "batch_id": "batch_60bfcf0a",
        "total": 3,
        "completed": 1,
        "failed": 1,
        "pending": 1,
        "progress": "1/3",
        "status": "processing",
        "results": [{"task_id": "batch_60bfcf0a_task_0", "url": "http://gate.test/images/202611/20261121/x.png"}],
        "errors": [{"task_id": "batch_60bfcf0a_task_1", "error": "refused", "code": "no_image", "retryable": False}],
    }
    result = sent(simple_batches.write_result(done, meta(""), as_base64=True))
    assert result["image"].startswith("data:image/png;base64,")
    assert "url" not in result
    assert simple_batches.write_listing([state], 1)["batches"][0]["progress"] == "1/3"
    assert simple_batches.write_event("result", {"a": 1}) == b'event: result\ndata: {"a":1}\n\n'


def test_the_manifest_tells_of_a_task_its_file_or_its_error() -> None:
    done, failed = TaskResult("t0", image()), TaskError("t1", "refused", "no_image", False)
    entry = simple_batches.write_manifest_entry
    assert entry("t0", "狐狸", "done", "fox.png", done, "en")["file"] == "fox.png"
    noted = TaskResult("t0", replace(image(), note=LocalText("not in the gallery", "未列入图库")))
    assert entry("t0", "狐狸", "done", "fox.png", noted, "zh-CN")["note"] == "未列入图库"
    assert entry("t1", "b", "failed", "", failed, "en")["error"] == "refused"
    assert entry("t2", "c", "pending", "", None, "en") == {"task_id": "t2", "prompt": "c", "status": "pending"}


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"size": "4k"}, "gemini-3-pro-image-preview-4k"),
        ({"size": "2k"}, "gemini-3-pro-image-preview-2k"),
        ({"size": "4k", "model": "gemini-2.5-flash-image"}, "gemini-2.5-flash-image"),
        ({"size": "1k"}, None),
        ({"size": "16:9"}, None),
    ],
)
def test_a_size_chooses_its_model_unless_one_is_named(body: dict[str, Any], model: str | None) -> None:
    single = simple.read_images(read(simple.GenerateImagesRequest, {"prompt": "a fox", **body}))
    assert single.request.model == model
    many = simple_batches.read_batch(read(simple_batches.BatchImagesRequest, {"prompts": ["a fox"], **body}))
    assert many.model == model
    items = simple_batches.read_batch(read(simple_batches.BatchImagesRequest, {"items": [{"prompt": "a fox", **body}]}))
    assert items.items[0].model == model
