"""What background responses have said so far, kept so that a stream can be gone on with after any process died."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gemgate.batches import Claim


class ResponseLog(Protocol):
    """Rows of events, numbered from 0 for each response and sealed like all that a job holds; they go with their
    response. StorageDown anywhere.
    """

    async def append(self, claim: Claim, number: int, said: str) -> bool:
        """Write the next row; the same one once more changes nothing. False, and nothing written, when the run lost its
        task or the response was given up.
        """
        ...

    async def read(self, response_id: str, after: int = -1) -> Sequence[tuple[int, str]]:
        """The rows behind number `after`, in their order, each with its number."""
        ...

    async def last(self, response_id: str) -> Sequence[tuple[int, str]]:
        """The last row, if there is any; it costs the same however much was said."""
        ...
