"""Scenes for the page: many accounts, a gallery of thousands, a day of calls; put into the stores, not generated."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Sequence
from typing import Any

import aiohttp
from PIL import Image
from sqlalchemy import insert
from tests.support.page_views import MODEL
from tests.support.serving import Served

from gemgate.gateway.beside_images import thumb_key
from gemgate.images import handle_of
from gemgate.ports.runtime import TelemetryEvent
from gemgate.stores.sql.schema import image as table
from gemgate.telemetry import Observers
from gemgate.telemetry.request_record import RequestRecord
from gemgate.telemetry.series import CallSeries

WORDS = ("fox", "owl", "boat", "lighthouse", "fog", "watercolour", "night", "city", "neon", "river", "snow", "cat")
DAY = 86_400


async def images(gate: Served, count: int, *, previews: Sequence[range] = (range(120),)) -> list[dict[str, Any]]:
    """`count` images a minute apart, the newest first, of WORDS; those in `previews` have one that can be shown."""
    dice = random.Random(4711)
    now = gate.service.clock.now()
    rows = [_row(dice, number, now) for number in range(count)]
    async with gate.service.gallery._database.writing() as connection:  # type: ignore[attr-defined]
        if rows:
            await connection.execute(insert(table), rows)
    small = [_preview(dice) for _ in range(12)]
    for span in previews:
        for number in span:
            if number < count:
                await gate.service.blobs.put(thumb_key(rows[number]["name"]), small[number % 12], "image/webp")
    return rows


def _row(dice: random.Random, number: int, now: float) -> dict[str, Any]:
    name = f"202611/20261128/{number:05}.png"
    width, height = dice.choice(((1024, 1024), (2048, 1152), (4096, 4096)))
    return {
        "name": name,
        "handle": handle_of(name),
        "created_at": now - 60.0 * (number + 1),
        "tenant": "",
        "prompt": f"A {dice.choice(WORDS)} and a {dice.choice(WORDS)} in the {dice.choice(WORDS)}, number {number}",
        "model": dice.choice(("gemini-2.5-flash-image", "gemini-3-pro-image-preview")),
        "width": width,
        "height": height,
        "bytes": 1_400_000,
        "mime": "image/png",
        "sha256": f"{number:064x}",
        "source": "full_size",
        "logo": "removed",
    }


def _preview(dice: random.Random) -> bytes:
    top, bottom = (tuple(dice.randrange(40, 230) for _ in range(3)) for _ in range(2))
    picture = Image.new("RGB", (1, 2))
    picture.putpixel((0, 0), top)
    picture.putpixel((0, 1), bottom)
    kept = io.BytesIO()
    picture.resize((160, 160), Image.Resampling.BILINEAR).save(kept, "WEBP")
    return kept.getvalue()


def a_day_of_calls(series: CallSeries, now: float, count: int = 5000) -> None:
    """Calls of the last day as the series would have counted them, most of them by day."""
    dice = random.Random(42)
    real, moments = series._now, sorted(now - dice.betavariate(1, 1.6) * DAY for _ in range(count))
    for at in moments:
        series._now = lambda at=at: at  # type: ignore[misc]
        record = RequestRecord("scene", 1, at)
        record.model, record.status = "scene", 502 if dice.random() < 0.03 else 200
        record.seconds = dice.lognormvariate(0.7, 0.7)
        record.prompt_tokens, record.output_tokens = dice.randrange(50, 2000), dice.randrange(20, 900)
        series.ended(record)
        if dice.random() < 0.08:
            Observers([series]).emit(TelemetryEvent("image.delivered"))
    series._now = real


async def some_calls(gate: Served, count: int = 12) -> None:
    """Real calls, for the list of requests."""
    async with aiohttp.ClientSession(gate.url) as http:

        async def one(number: int) -> None:
            body = {"model": MODEL, "messages": [{"role": "user", "content": f"count to {number}"}]}
            async with http.post("/v1/chat/completions", json=body) as answer:
                assert answer.status == 200

        await asyncio.gather(*(one(number) for number in range(count)))
