"""Keeping what a caller uploads, and finding it again; whichever dialect it came in."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
import uuid

from gemgate.files import Inline, StoredFile, file_not_found
from gemgate.web.context import NodeContext

MAX_NAME = 200


async def keep(
    context: NodeContext, upload: Inline, purpose: str, owner: str, prefix: str, seconds: float = 0.0
) -> StoredFile:
    """Store an upload of `owner`; its name is data, never a path. `seconds` until it expires, 0 = never."""
    now = context.service.clock.now()
    name = upload.name.replace("\\", "/").rpartition("/")[2][:MAX_NAME] or "file"
    mime = media_type(upload.mime) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = await asyncio.to_thread(lambda: hashlib.sha256(upload.data).hexdigest())
    expires = now + seconds if seconds else 0.0
    file = StoredFile(prefix + uuid.uuid4().hex, owner, name, mime, len(upload.data), digest, purpose, now, expires)
    await context.service.files.add(file, upload.data)
    return file


_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}", re.ASCII)


def media_type(declared: str) -> str:
    """The type and subtype of a declaration (RFC 9110, 8.3), which goes into headers again; "" for what is none."""
    found = declared.partition(";")[0].strip().lower()
    return found if _TYPE.fullmatch(found) else ""


async def owned(context: NodeContext, file_id: str, owner: str, asked: str = "") -> StoredFile:
    """The file of `owner`; NotFound. asked: what the caller calls it, where that is not its id."""
    file = await context.service.files.get(file_id, owner)
    if file is None:
        raise file_not_found(asked or file_id)
    return file
