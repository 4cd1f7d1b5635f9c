"""OpenAI files: the objects and listings of /v1/files (docs/client-contracts.md 4). A filename is data, never a
path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemgate.dialects.openai import envelope
from gemgate.dialects.wire import file_of
from gemgate.errors import BadRequest
from gemgate.files import Inline, StoredFile

if TYPE_CHECKING:
    from gemgate.dialects.shapes import openai as shapes

__all__ = ["FILE_PURPOSES", "envelope", "file_listing", "file_object", "read_upload", "write_deleted"]

FILE_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
PRODUCED = ("batch_output", "assistants_output", "fine-tune-results")
"""Purposes of files that the service itself makes."""


def read_upload(fields: dict[str, str], files: Sequence[tuple[str, Inline]]) -> tuple[Inline, str]:
    """The file and its purpose from the parts of the form; BadRequest when one is missing or unknown."""
    purpose = fields.get("purpose", "")
    if purpose not in FILE_PURPOSES:
        raise BadRequest(
            f"purpose must be one of {', '.join(FILE_PURPOSES)}",
            f"purpose 必须是 {'、'.join(FILE_PURPOSES)} 之一",
            param="purpose",
        )
    return file_of(files), purpose


def file_object(file: StoredFile) -> shapes.OpenAIFile:
    """One file."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "expires_at": int(file.expires_at) or None,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def file_listing(
    files: Sequence[StoredFile],
    *,
    after: str | None = None,
    limit: int = 10_000,
    order: str = "desc",
    purpose: str = "",
) -> shapes.OpenAIFiles:
    """One page of all `files`; BadRequest for an unknown order or cursor."""
    if order not in ("asc", "desc"):
        raise BadRequest("order must be asc or desc", "order 必须是 asc 或 desc", param="order")
    if not 1 <= limit <= 10_000:
        raise BadRequest("limit must be from 1 to 10000", "limit 必须在 1 到 10000 之间", param="limit")
    rows = [file for file in files if not purpose or file.purpose == purpose]
    rows.sort(key=lambda file: (file.created_at, file.id), reverse=order == "desc")
    if after is not None:
        at = next((at for at, file in enumerate(rows) if file.id == after), None)
        if at is None:
            raise BadRequest("after names no file", "after 不是已有的文件", param="after")
        rows = rows[at + 1 :]
    page = rows[:limit]
    return {
        "object": "list",
        "data": [file_object(file) for file in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(rows) > len(page),
    }


def write_deleted(file_id: str) -> shapes.DeletedFile:
    return {"id": file_id, "object": "file", "deleted": True}
