"""A file of an earlier turn that cannot be had any more does not end the conversation; one of the newest turn does."""

from pathlib import Path

import httpx2
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

GONE = [
    {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/gone.png"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,bm90IGEgcGljdHVyZQ=="}},
    {"type": "file", "file": {"file_id": "file-that-never-was"}},
]


def chat(part: dict, *, last: bool) -> dict:
    asked = {"role": "user", "content": [{"type": "text", "text": "what is it?"}, part]}
    more = [] if last else [{"role": "assistant", "content": "a fox"}, {"role": "user", "content": "and its colour?"}]
    return {"model": "gemini-3-flash-preview", "messages": [asked, *more]}


@pytest.mark.parametrize("part", GONE)
async def test_only_the_newest_turns_files_have_to_be_there(part: dict, tmp_path: Path) -> None:
    async with (
        Simulator(accounts=("alice",)) as simulator,
        served(settings_for(simulator, tmp_path)) as gate,
        httpx2.AsyncClient(base_url=gate.url) as http,
    ):
        earlier = await http.post("/v1/chat/completions", json=chat(part, last=False))
        assert earlier.status_code == 200, earlier.text
        assert simulator.record.generations == 1
        assert b"cannot be loaded any more" in simulator.record.calls[-1].files[0].data
        newest = await http.post("/v1/chat/completions", json=chat(part, last=True))
        assert 400 <= newest.status_code < 500
        assert simulator.record.generations == 1
