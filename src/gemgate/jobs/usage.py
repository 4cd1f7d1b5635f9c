"""What the ledger of usage is told of a run of a task when it begins."""

from __future__ import annotations

from gemgate.batches import BatchKind, Claim
from gemgate.jobs.payloads import loads

_KINDS: dict[BatchKind, str] = {
    "images": "batch_image",
    "generations": "batch_image",
    "edits": "batch_image",
    "chat": "batch_chat",
    "responses": "batch_chat",
    "image_call": "image",
    "response": "chat",
    "interaction": "chat",
    "answer": "chat",
    "video": "video",
    "music": "music",
    "research": "research",
}
_DIALECTS: dict[BatchKind, str] = {"images": "simple", "interaction": "gemini"}
_OF_LINES = frozenset({"chat", "generations", "edits", "responses"})
"""Their lines name their models: known when the first prompt leaves."""

Data = dict[str, str | int | float | bool | None]


def begun(claim: Claim) -> Data:
    """The fact's data: whose task it is, what it makes and how it was ordered; no text of its caller."""
    batch = claim.batch
    about = loads(batch.metadata) if batch.metadata else {}
    kind = _KINDS.get(batch.kind, batch.kind)
    if about.get("awaited") is False and batch.kind not in ("video", "music", "research"):
        kind = f"background_{kind}"
    return {
        "task": claim.task.id,
        "tenant": batch.tenant,
        "dialect": about.get("dialect") or about.get("shape") or _DIALECTS.get(batch.kind, "openai"),
        "usage": kind,
        "model": "" if batch.kind in _OF_LINES else batch.model,
    }
