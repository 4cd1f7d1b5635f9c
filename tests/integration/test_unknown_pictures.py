"""What is no image is a clear 400 in the turn that is asked now, in every dialect, and nothing is spent."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

MODEL = "gemini-3-flash-preview"
DRAWN = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1" height="1"/></svg>').decode()


def calls(mime: str) -> dict[str, tuple[str, dict[str, Any]]]:
    url = f"data:{mime};base64,{DRAWN}"
    chat = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    items = [{"type": "input_text", "text": "what is it?"}, {"type": "input_image", "image_url": url}]
    source = {"type": "base64", "media_type": mime, "data": DRAWN}
    blocks = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]
    parts = [{"text": "what is it?"}, {"inlineData": {"mimeType": mime, "data": DRAWN}}]
    return {
        "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": chat}]}),
        "responses": ("/v1/responses", {"store": False, "input": [{"role": "user", "content": items}]}),
        "messages": ("/v1/messages", {"max_tokens": 99, "messages": [{"role": "user", "content": blocks}]}),
        "gemini": (f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"role": "user", "parts": parts}]}),
    }


@pytest.mark.parametrize("mime", ["image/svg+xml", "image/x-unheard-of"])
async def test_what_is_no_image_is_refused_before_anything_is_sent(mime: str, tmp_path: Path) -> None:
    async with (
        Simulator(accounts=("alice",)) as sim,
        served(settings_for(sim, tmp_path)) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        for name, (path, body) in calls(mime).items():
            async with http.post(path, json={"model": MODEL, **body}) as answer:
                said = await answer.text()
            assert answer.status == 400, (name, said)
            assert "PNG, JPEG, WebP" in said, (name, said)
        assert sim.record.received == 0
