"""`gemgate chat` and `gemgate models` at a gateway that was named: calls of its API, as any program makes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson

from gemgate.cli.connection import Connection, through
from gemgate.errors import GatewayError

Say = Callable[[str, bool], None]
"""Prints a piece of an answer; of its thoughts when the second is true."""


def chat_at(
    place: tuple[str, str, Path | None],
    said: Callable[[], str | None],
    model: str | None,
    system: str | None,
    show: Say,
) -> None:
    """Ask what `said` says until it says None. place: URL, key and settings file."""

    async def work(gateway: Connection) -> None:
        wished = {"model": model} if model else {}
        messages = [{"role": "system", "content": system}] if system else []
        while (prompt := await asyncio.to_thread(said)) is not None:
            messages.append({"role": "user", "content": prompt})
            answer = ""
            async with aclosing(_pieces(gateway, {"messages": messages, "stream": True, **wished})) as pieces:
                async for text, thought in pieces:
                    show(text, thought)
                    answer += "" if thought else text
            show("\n", False)
            messages.append({"role": "assistant", "content": answer})

    through(work, *place)


async def _pieces(gateway: Connection, body: dict[str, Any]) -> AsyncGenerator[tuple[str, bool], None]:
    """The texts of an answer, and whether they are thoughts; the error that ends its stream is raised."""
    headers = {"content-type": "application/json"}
    async with aclosing(gateway.lines("/v1/chat/completions", "POST", orjson.dumps(body), headers)) as lines:
        async for line in lines:
            if not line.startswith(b"data: {"):
                continue
            event = orjson.loads(line.removeprefix(b"data: "))
            if error := event.get("error"):
                raise GatewayError(error["message"], error["message"])
            for choice in event.get("choices", ()):
                delta = choice["delta"]
                for name in ("reasoning_content", "content"):
                    if text := delta.get(name):
                        yield text, name == "reasoning_content"


def models_at(place: tuple[str, str, Path | None]) -> list[dict[str, Any]]:
    """Its models, with what it says of each to the key."""

    async def work(gateway: Connection) -> list[dict[str, Any]]:
        listed = (await gateway.ask("GET", "/v1beta/models?pageSize=1000"))["models"]
        return [{"id": one["name"].removeprefix("models/"), "description": one["description"]} for one in listed]

    rows: list[dict[str, Any]] = through(work, *place)
    return rows
