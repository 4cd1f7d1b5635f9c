"""A data folder in which something has happened, and all that stands in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.patience import PATIENCE
from tests.support.serving import served, settings_for

from gemgate.stores.sql import dump
from gemgate.stores.sql.database import open_database
from gemgate_simulator import Simulator

Tables = dict[str, list[dict[str, Any]]]


async def everything(url: str | Path) -> Tables:
    database = await open_database(url)
    try:
        found: Tables = {}
        async for name, page in dump.pages(database):
            found.setdefault(name, []).extend(page)
        return {name: sorted(page, key=str) for name, page in found.items()}
    finally:
        await database.close()


async def lived_in(sim: Simulator, folder: Path) -> None:
    """A gateway that has been used: chats, a response in the background, an upload, an image, a batch."""
    async with served(settings_for(sim, folder)) as gate, aiohttp.ClientSession(gate.url) as http:
        for said in ("hello", "你好"):
            body = {"messages": [{"role": "user", "content": said}]}
            async with http.post("/v1/chat/completions", json=body) as answer:
                assert answer.status == 200
        async with http.post("/v1/responses", json={"input": "hello"}) as answer:
            assert answer.status == 200
        async with http.post("/v1/responses", json={"input": "hello", "background": True}) as answer:
            response = (await answer.json())["id"]
        async with http.get(f"/v1/responses/{response}?stream=true") as answer:
            assert "response.completed" in await answer.text()
        async with http.post("/v1/images/generations", json={"prompt": "a boat"}) as answer:
            assert answer.status == 200
        form = aiohttp.FormData()
        form.add_field("files", b"some words", filename="notes.txt", content_type="text/plain")
        async with http.post("/upload", data=form) as answer:
            assert answer.status == 200
        async with http.post("/v1/batch/images", json={"prompts": ["one", "two"]}) as answer:
            batch = (await answer.json())["batch_id"]
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(f"/v1/batch/{batch}/status") as answer:
                    if (await answer.json())["status"] == "completed":
                        break
                await asyncio.sleep(0.05)
