"""OpenAI files and batches: objects that OpenAI's own types accept, and the lines of batch files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from openai.types import Batch, FileDeleted, FileObject

from gemgate.chat import Usage
from gemgate.dialects import openai_batches, openai_files
from gemgate.dialects.openai_batches import BatchRecord
from gemgate.dialects.wire import read
from gemgate.errors import BadRequest, LocalText, NoAccount
from gemgate.files import Inline, StoredFile
from tests.support.chat_events import CREATED

FILE = StoredFile("file-1", "", "../../etc/passwd", "image/png", 5, "00", "vision", CREATED + 0.5)


def test_a_file_is_shown_as_openai_shows_it() -> None:
    shown = openai_files.file_object(FILE)
    FileObject.model_validate(shown)
    assert shown["filename"] == "../../etc/passwd"
    assert shown["created_at"] == CREATED
    assert shown["expires_at"] is None
    FileDeleted.model_validate(openai_files.write_deleted("file-1"))


def test_files_are_listed_in_pages() -> None:
    files = [replace(FILE, id=f"file-{n}", created_at=CREATED + n) for n in range(5)]
    page = openai_files.file_listing(files, limit=2)
    assert ([f["id"] for f in page["data"]], page["has_more"]) == (["file-4", "file-3"], True)
    assert (page["first_id"], page["last_id"]) == ("file-4", "file-3")
    rest = openai_files.file_listing(files, after="file-3")
    assert ([f["id"] for f in rest["data"]], rest["has_more"]) == (["file-2", "file-1", "file-0"], False)
    assert openai_files.file_listing(files, order="asc", limit=1)["data"][0]["id"] == "file-0"
    assert openai_files.file_listing(files, purpose="batch")["data"] == []
    for wrong in ({"after": "file-9"}, {"order": "up"}, {"limit": 0}):
        with pytest.raises(BadRequest):
            openai_files.file_listing(files, **wrong)  # type: ignore[arg-type]


def test_an_upload_needs_a_file_and_a_known_purpose() -> None:
    file = Inline(b"x", "text/plain", "a.txt")
    assert openai_files.read_upload({"purpose": "batch"}, [("file", file)]) == (file, "batch")
    for fields, files, param in (
        ({}, [("file", file)], "purpose"),
        ({"purpose": "world"}, [("file", file)], "purpose"),
        ({"purpose": "batch"}, [("image", file)], "file"),
        ({"purpose": "batch"}, [("file", Inline(b""))], "file"),
    ):
        with pytest.raises(BadRequest) as caught:
            openai_files.read_upload(fields, files)
        assert caught.value.param == param


BATCH = BatchRecord("batch_1", "/v1/chat/completions", "file-1", "validating", CREATED, CREATED + 86_400)


def test_a_batch_is_shown_as_openai_shows_it() -> None:
    Batch.model_validate(openai_batches.batch_object(BATCH))
    full = replace(
        BATCH,
        status="completed",
        metadata={"a": "b"},
        total=2,
        completed=1,
        failed=1,
        times={"in_progress": CREATED + 1, "completed": CREATED + 9},
        output_file_id="file-2",
        error_file_id="file-3",
        errors=(openai_batches.LineError("invalid_json_line", LocalText("x", "叉"), 3),),
        model="m",
        usage=Usage(1, 2, 3),
    )
    assert [one["message"] for one in openai_batches.batch_object(full, "zh-CN")["errors"]["data"]] == ["叉"]
    shown = openai_batches.batch_object(full)
    Batch.model_validate(shown)
    assert (shown["in_progress_at"], shown["finalizing_at"], shown["completed_at"]) == (CREATED + 1, None, CREATED + 9)
    assert shown["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert shown["errors"]["data"][0]["line"] == 3
    listing = openai_batches.batch_listing([BATCH, replace(BATCH, id="batch_2", created_at=CREATED + 5)], limit=1)
    assert ([b["id"] for b in listing["data"]], listing["has_more"]) == (["batch_2"], True)
    assert openai_batches.batch_listing([BATCH], after="batch_1")["data"] == []
    with pytest.raises(BadRequest):
        openai_batches.batch_listing([BATCH], after="batch_9")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": None}, "input_file_id"),
    ],
)
def test_what_a_batch_cannot_do_is_named(body: dict[str, Any], param: str) -> None:
    whole = {"input_file_id": "file-1", "endpoint": "/v1/images/generations", "completion_window": "24h"}
    assert openai_batches.read_create(read(openai_batches.BatchCreateRequest, whole)) == "/v1/images/generations"
    with pytest.raises(BadRequest) as caught:
        openai_batches.read_create(read(openai_batches.BatchCreateRequest, {**whole, **body}))
    assert caught.value.param == param


def line(**more: Any) -> bytes:
    row = {"custom_id": "a", "method": "POST", "url": "/v1/images/generations", "body": {"input": "hi"}, **more}
    return json.dumps(row, ensure_ascii=False).encode()


def read_lines(data: bytes, endpoint: str) -> tuple[list[openai_batches.BatchLine], list[openai_batches.LineError]]:
    """Read in one piece; and in pieces of three bytes, which has to be the same."""
    whole, crumbs = openai_batches.LineReader(endpoint), openai_batches.LineReader(endpoint)
    lines = whole.feed(data) + whole.close()
    again = [line for at in range(0, len(data), 3) for line in crumbs.feed(data[at : at + 3])] + crumbs.close()
    assert (again, crumbs.errors, crumbs.count) == (lines, whole.errors, whole.count)
    return lines, whole.errors


def test_lines_are_read_with_their_numbers_and_everything_wrong_is_named() -> None:
    good, errors = read_lines(
        b"\xef\xbb\xbf" + line() + b"\r\n\n" + line(custom_id="b", body={"input": "北京"}), "/v1/images/generations"
    )
    assert [(row.line, row.custom_id, row.body) for row in good] == [
        (1, "a", {"input": "hi"}),
        (3, "b", {"input": "北京"}),
    ]
    assert errors == []
    rows = [
        line(),
        b"{",
        line(),
        line(custom_id="c", url="/v1/x"),
        line(custom_id="d", body={"stream": True}),
        line(custom_id=""),
    ]
    good, errors = read_lines(b"\n".join(rows), "/v1/images/generations")
    assert len(good) == 1
    assert [(error.line, error.code) for error in errors] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (4, "mismatched_endpoint"),
        (5, "invalid_json_line"),
        (6, "invalid_json_line"),
    ]
    assert errors[0].message.en.startswith("Line 2 is not valid JSON")
    assert read_lines(b"\n \n", "/v1/images/generations")[1][0].code == "empty_file"


def test_a_file_has_as_many_lines_as_openai_allows_and_its_errors_end() -> None:
    many = b"\n".join(line(custom_id=str(number)) for number in range(openai_batches.MAX_LINES))
    good, errors = read_lines_whole(many)
    assert (len(good), errors) == (openai_batches.MAX_LINES, [])
    good, errors = read_lines_whole(many + b"\n" + line(custom_id="one more") + b"\n" + line(custom_id="and more"))
    assert (len(good), [error.code for error in errors]) == (openai_batches.MAX_LINES, ["too_many_tasks"])
    good, errors = read_lines_whole(b"{\n" * 5000)
    assert (good, len(errors)) == ([], openai_batches.MAX_ERRORS)


def test_a_wrong_line_is_stored_in_both_languages_and_one_of_before_is_read() -> None:
    rows = [line(), b"{", b"[]", line(), line(custom_id="c", url="/v1/x"), line(custom_id="d", body={"stream": True})]
    for wrong in (*read_lines(b"\n".join(rows), "/v1/images/generations")[1], *read_lines_whole(b"")[1]):
        assert openai_batches.LineError.of(wrong.stored()) == wrong
        assert re.search("[\u4e00-\u9fff]", wrong.told("zh-CN")["message"]), wrong
    before = openai_batches.LineError.of({"code": "x", "message": "odd", "line": 1, "param": None})
    assert before.told("zh")["message"] == "odd"


def read_lines_whole(data: bytes) -> tuple[list[openai_batches.BatchLine], list[openai_batches.LineError]]:
    reader = openai_batches.LineReader("/v1/images/generations")
    return reader.feed(data) + reader.close(), reader.errors


def test_lines_are_written_as_openai_writes_them() -> None:
    answer = json.loads(openai_batches.write_answer("batch_req_1", "a", "req_1", 200, {"id": "x"}))
    assert answer == {
        "id": "batch_req_1",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "req_1", "body": {"id": "x"}},
        "error": None,
    }
    failure = openai_batches.write_failure("batch_req_2", "b", NoAccount("all cooling", quota=True))
    assert failure.endswith(b"\n")
    assert json.loads(failure)["error"] == {"code": "rate_limit_exceeded", "message": "all cooling"}
