"""Batches and tasks as their stores are given them."""

from __future__ import annotations

import time
from typing import Any

from gemgate.batches import (
    Batch,
    TaskDraft,
)


def order(batch_id: str = "batch_00000001", **more: Any) -> Batch:
    values = {
        "kind": "images",
        "tenant": "",
        "created_at": time.time(),
        "concurrency": 2,
        "requested_concurrency": 2,
        **more,
    }
    return Batch(batch_id, **values)


def drafts(count: int) -> list[TaskDraft]:
    return [TaskDraft(f"prompt {number}") for number in range(count)]
