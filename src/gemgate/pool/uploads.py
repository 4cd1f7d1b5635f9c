"""Files that stand at Google for one account, so that each goes up once while its handle lives."""

from __future__ import annotations

from collections import OrderedDict

from gemgate.ports.runtime import Clock
from gemgate.ports.upstream import SentFile, Upload, Upstream

HANDLE_LIFETIME = 12 * 3600
"""Google keeps an upload for a day (`ttl_1d` in its handle); half of that is safe."""
MAX_HANDLES = 4096
"""Handles that are remembered of an account; beyond them the one used longest ago is forgotten."""


class UploadedFiles:
    """An account's uploads and their handles."""

    def __init__(self, upstream: Upstream, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._handles: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._handles)

    async def upload(self, upload: Upload) -> SentFile:
        """The file, sent up if it is not there yet."""
        now = self._clock.now()
        key = f"{upload.sha256}/{upload.name}"
        handles = self._handles
        known = handles.get(key)
        if known is not None and known[1] > now:
            handles.move_to_end(key)
            return SentFile(known[0], upload.name, upload.mime)
        handle = await self._upstream.upload(upload)
        handles[key] = (handle, now + HANDLE_LIFETIME)
        handles.move_to_end(key)
        while len(handles) > MAX_HANDLES:
            handles.popitem(last=False)
        return SentFile(handle, upload.name, upload.mime)

    def forget(self) -> None:
        """Nothing that was sent up, or is on its way, can be referred to any more."""
        self._handles = OrderedDict()
