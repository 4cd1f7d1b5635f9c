"""Anthropic's files: metadata, listings and deletions of what was uploaded (docs/client-contracts.md 6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from gemgate.dialects.anthropic.listing import page_of
from gemgate.dialects.wire import file_of, rfc3339
from gemgate.digits import whole
from gemgate.errors import BadRequest, LocalText
from gemgate.files import Inline, StoredFile

if TYPE_CHECKING:
    from gemgate.dialects.shapes import anthropic as shapes

PURPOSE = "user_data"
"""What OpenAI's clients see as the purpose of a file that came in this dialect, which names none."""

EXPIRES = range(3_600, 7_776_001)
"""Seconds after which an upload may be told to expire."""

_PAGE = "page_"
"""How the cursors of SDK 2 begin; behind it stands the id that the next page comes after."""


def read_upload(fields: Mapping[str, str], files: Sequence[tuple[str, Inline]]) -> tuple[Inline, int]:
    """The file from the parts of the form, and the seconds until it expires, 0 = never."""
    seconds = fields.get("expires_in_seconds", "")
    if seconds and whole(seconds) not in EXPIRES:
        raise BadRequest(
            f"expires_in_seconds must be a whole number from {EXPIRES[0]} to {EXPIRES[-1]}",
            f"expires_in_seconds 必须是 {EXPIRES[0]} 到 {EXPIRES[-1]} 之间的整数",
            param="expires_in_seconds",
        )
    return file_of(files), whole(seconds) or 0


def write_file(file: StoredFile) -> shapes.AnthropicFile:
    """The metadata of one file. `downloadable` always: whoever may know of it sent it."""
    return {
        "type": "file",
        "id": file.id,
        "filename": file.name,
        "mime_type": file.mime,
        "size_bytes": file.bytes,
        "created_at": rfc3339(file.created_at),
        "expires_at": rfc3339(file.expires_at) if file.expires_at else None,
        "downloadable": True,
    }


def write_files(
    files: Sequence[StoredFile],
    *,
    limit: int = 20,
    page: str | None = None,
    after_id: str | None = None,
    before_id: str | None = None,
    ids: Collection[str] = (),
    scope_id: str | None = None,
) -> shapes.AnthropicFiles:
    """One page of GET files, newest first; BadRequest for an unknown cursor.

    page: as SDK 2 turns pages, after_id and before_id: as those before it. ids: these alone, all on one page.
    scope_id: the session that files belong to; none of ours does.
    """
    rows = sorted(files, key=lambda file: (file.created_at, file.id), reverse=True) if not scope_id else []
    if ids:
        rows, limit = [file for file in rows if file.id in ids], max(limit, len(rows))
    if page is not None:
        after_id = page.removeprefix(_PAGE)
        if after_id not in {file.id for file in rows}:
            raise BadRequest("page is not one of ours", "page 无效", param="page")
    shown, more = page_of(rows, LocalText("file", "文件"), limit=limit, after_id=after_id, before_id=before_id)
    last = shown[-1].id if shown else None
    return {
        "data": [write_file(file) for file in shown],
        "has_more": more,
        "first_id": shown[0].id if shown else None,
        "last_id": last,
        "next_page": f"{_PAGE}{last}" if more and before_id is None else None,
    }


def write_deleted(file_id: str) -> shapes.DeletedAnthropicFile:
    return {"type": "file_deleted", "id": file_id}
