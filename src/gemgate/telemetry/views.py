"""A record as JSON values: what `GET /api/requests` and `/api/requests/{id}` answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemgate.telemetry.explain import explain, without_names
from gemgate.telemetry.request_record import AttemptRecord, Failure, RequestRecord, shown

if TYPE_CHECKING:
    from gemgate.dialects.shapes import figures as shapes


def to_json(record: RequestRecord) -> shapes.RequestRow:
    """A row of the list, for those who may know everything."""
    return {
        **_facts(record),
        "attempts": len(record.attempts),
        "repairs": len(record.repairs),
        "pictures": sum(not image.failed for image in record.images),
    }


def _facts(record: RequestRecord) -> shapes.RequestFacts:
    last = record.last
    return {
        "id": record.id,
        "time": round(record.began, 3),
        "state": "open" if record.seconds is None else "done",
        "operation": record.operation,
        "dialect": record.dialect,
        "key": record.tenant or None,
        "status": record.status,
        "streamed": record.streamed,
        "model": {"asked": record.model_asked or None, "id": record.model or None, "served": _served(record)},
        "account": (last.account or None) if last else None,
        "reuse": (last.reuse or None) if last else None,
        "generations": record.generations,
        "timings": record.timings(),
        "error": _trouble(record.trouble),
    }


def to_json_detailed(record: RequestRecord, *, names: bool) -> shapes.RequestExplained:
    """Everything about a request, and its story. names: whether the asker may know what the accounts are called."""
    visible = record if names else without_names(record)
    prompts = list(dict.fromkeys(attempt.prompt_request for attempt in visible.attempts))
    return {
        **_facts(visible),
        "path": record.path or None,
        "task": record.task or None,
        "abandoned": record.abandoned or None,
        "messages": {"all": record.messages, "new": record.new_messages} if record.messages else None,
        "ignored": list(record.ignored),
        "filed_bytes": record.filed,
        "attempts": [
            _attempt(attempt, prompts.index(attempt.prompt_request) + 1, record.began) for attempt in visible.attempts
        ],
        "repairs": record.repairs,
        "pictures": [
            {
                "id": image.id or None,
                "source": image.source,
                "size": image.size,
                "logo": image.logo,
                "bytes": image.nbytes,
                "download": image.download,
                "work": image.work,
                "store": image.store,
                "failed": image.failed or None,
                "done_after": _after(image.at, record.began),
            }
            for image in record.images
        ],
        "tokens": {"prompt": record.prompt_tokens, "output": record.output_tokens, "estimated": True},
        "beside": dict(record.beside),
        "in_band": record.in_band,
        "kept_alive": record.kept_alive,
        "left_out": record.left_out,
        "story": [{"en": sentence.en, "zh": sentence.zh} for sentence in explain(record, names=names)],
    }


def _after(moment: float, began: float) -> float | None:
    """Seconds from the request's beginning; None while it has not come to that."""
    return round(max(0.0, moment - began), 4) if moment else None


def _attempt(attempt: AttemptRecord, prompt: int, began: float) -> shapes.Attempt:
    return {
        "prompt": prompt,
        "number": attempt.number,
        "repair": attempt.repair or None,
        "account": attempt.account or None,
        "why": attempt.why or None,
        "reuse": attempt.reuse or None,
        "offer": attempt.offer or None,
        "served": attempt.served or None,
        "painter": attempt.painter or None,
        "lowered": attempt.lowered or None,
        "outcome": attempt.outcome,
        "generated": attempt.generated,
        "error": _trouble(attempt.trouble),
        "then": attempt.then or None,
        "unknown": attempt.unknown,
        "stored": attempt.stored,
        "queue": round(attempt.queue, 4),
        "pace": round(attempt.pace, 4),
        "first_byte": shown(attempt.first_byte),
        "upstream": shown(attempt.upstream),
        "sent_after": _after(attempt.sent_at, began),
        "ended_after": _after(attempt.ended_at, began),
        "skipped": [
            {
                "account": one.account,
                "state": one.state,
                "why": one.why.en or None,
                "why_zh": one.why.zh or None,
                "until": one.until or None,
            }
            for one in attempt.skipped
        ],
    }


def _served(record: RequestRecord) -> str | None:
    return next((attempt.served for attempt in reversed(record.attempts) if attempt.served), None)


def _trouble(trouble: Failure | None) -> shapes.Trouble | None:
    return (
        {"kind": trouble.kind, "code": trouble.code, "en": trouble.text.en, "zh": trouble.text.zh} if trouble else None
    )
