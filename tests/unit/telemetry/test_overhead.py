"""What the gateway added to a call: everything but the time in which Google was at work for it."""

from __future__ import annotations

import pytest

from gemgate.telemetry.request_record import AttemptRecord, ImageFacts, RequestRecord


def record(*attempts: AttemptRecord, images: tuple[ImageFacts, ...] = ()) -> RequestRecord:
    return RequestRecord("req_1", 1, began=100.0, attempts=list(attempts), images=list(images))


def answered(sent: float, upstream: float, ended: float) -> AttemptRecord:
    return AttemptRecord(1, 1, outcome="answered", sent_at=sent, upstream=upstream, ended_at=ended)


def test_a_whole_answer_costs_what_is_not_googles() -> None:
    assert record(answered(101.0, 4.0, 106.0)).overhead(107.0) == pytest.approx(3.0)


def test_prompts_at_the_same_time_count_once() -> None:
    together = record(answered(101.0, 4.0, 105.0), answered(102.0, 4.0, 106.0), answered(101.5, 1.0, 102.5))
    assert together.overhead(106.0) == pytest.approx(1.0)


def test_a_stream_counts_up_to_its_first_word() -> None:
    assert record(AttemptRecord(1, 1, outcome="sent", sent_at=101.0, first_byte=5.0)).overhead(106.5) == pytest.approx(
        1.5
    )


def test_while_google_is_silent_it_is_googles_time() -> None:
    assert record(AttemptRecord(1, 1, outcome="sent", sent_at=101.0)).overhead(109.0) == pytest.approx(1.0)


def test_a_failed_attempt_took_until_it_failed() -> None:
    failed = AttemptRecord(1, 1, outcome="failed", sent_at=101.0, upstream=0.0, ended_at=131.0)
    assert record(failed, answered(132.0, 2.0, 134.0)).overhead(134.0) == pytest.approx(2.0)


def test_a_image_is_fetched_by_google_and_finished_by_us() -> None:
    image = ImageFacts(download=3.0, work=1.0, store=0.5, at=115.0)
    assert record(answered(101.0, 9.0, 115.0), images=(image,)).overhead(115.0) == pytest.approx(15 - 9 - 3 + 0.0)


def test_what_never_went_to_google_is_all_ours() -> None:
    assert record().overhead(100.25) == pytest.approx(0.25)
