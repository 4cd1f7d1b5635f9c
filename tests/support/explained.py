"""Asks for a chat, and for the story of a request."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

MODEL = "gemini-3-flash-preview"


async def ask(http: aiohttp.ClientSession, said: list[str], key: str = "", **more: Any) -> tuple[int, str, dict]:
    """One chat: its status, its request id, its body. `said` alternates between user and assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"model": MODEL, "messages": messages, **more}
    async with http.post("/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, answer.headers["x-request-id"], await answer.json()


async def explained(http: aiohttp.ClientSession, request_id: str, key: str = "", status: int = 200) -> dict[str, Any]:
    """What the record of a request says; of one that is answered, once its end has been noted."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    while True:
        async with http.get(f"/api/requests/{request_id}", headers=headers) as answer:
            assert answer.status == status, await answer.text()
            told: dict[str, Any] = await answer.json()
        if status != 200 or told["status"] is not None:
            return told
        await asyncio.sleep(0.01)


JSON = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False,
}}}  # fmt: skip
