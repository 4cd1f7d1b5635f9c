"""Asking for a task, and what a task says of itself."""

from __future__ import annotations

import pytest

from gemgate.dialects import image_tasks
from gemgate.dialects.image_tasks import ImageTask
from gemgate.errors import BadRequest


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        (["respond-async"], True),
        (["Respond-Async; priority=5"], True),
        (["return=minimal, respond-async, wait=10"], True),
        (["return=minimal", "respond-async"], True),
        (["respond-asynchronously"], False),
        (["wait=10"], False),
        ([], False),
    ],
)
def test_the_preference_is_found_among_others(headers: list[str], asked: bool) -> None:
    assert image_tasks.prefers_async(headers) is asked


def test_an_idempotency_key_is_bounded_and_goes_without_its_quotes() -> None:
    assert image_tasks.read_idempotency_key(None) == ""
    assert image_tasks.read_idempotency_key(' "order 7" ') == "order 7"
    assert image_tasks.read_idempotency_key("k" * 200) == "k" * 200
    for wrong in ("", "  ", '""', "k" * 201):
        with pytest.raises(BadRequest) as refused:
            image_tasks.read_idempotency_key(wrong)
        assert refused.value.param == "Idempotency-Key"
        assert refused.value.zh != refused.value.en


def test_a_task_shows_its_result_or_error_only_where_there_is_one() -> None:
    running = ImageTask("imgtask_1", "in_progress", 10.9, "http://x", 2, 1)
    shown = image_tasks.write_task(running, "en")
    assert shown["poll"] == "http://x/v1/images/tasks/imgtask_1"
    assert shown["created_at"] == 10
    assert not {"result", "error", "completed_at"} & shown.keys()
    failed = ImageTask("imgtask_1", "failed", 10, "", 1, 0, 1, 12.0)
    assert image_tasks.write_task(failed, "en", error={"error": {"code": "x"}})["error"] == {"code": "x"}
    assert image_tasks.write_task(failed, "en", error={"detail": "x"})["error"] == {"detail": "x"}
    assert image_tasks.write_task(failed, "en")["completed_at"] == 12
