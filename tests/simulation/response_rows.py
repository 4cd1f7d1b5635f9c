"""A store of responses in memory, under the contract of the one on a database."""

from __future__ import annotations

from gemgate.ports.conversations import StoredResponse


class MemoryResponses:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], StoredResponse] = {}

    async def save(self, response: StoredResponse) -> None:
        self.rows[response.id, response.tenant] = response

    async def get(self, response_id: str, tenant: str) -> StoredResponse | None:
        return self.rows.get((response_id, tenant))

    async def delete(self, response_id: str, tenant: str) -> bool:
        return self.rows.pop((response_id, tenant), None) is not None

    async def forget_before(self, moment: float) -> int:
        old = [place for place, row in self.rows.items() if row.created_at < moment]
        for place in old:
            del self.rows[place]
        return len(old)
