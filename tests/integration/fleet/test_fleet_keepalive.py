"""A fleet's gateway sends white space ahead for its nodes, and its nodes' first word still decides who answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import openai
import pytest

from tests.support.audio_files import wav
from tests.support.fleet_calls import record
from tests.support.fleets import ADMIN, MODEL, Process, RunningFleet, start
from tests.support.patience import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def front(fleet: RunningFleet) -> Iterator[Process]:
    """A gateway that sends its head ahead of everything that is not there at once."""
    place = fleet.folder / "ahead"
    place.mkdir(exist_ok=True)
    more = {"KEEPALIVE_SECONDS": "0.001", "DATA_DIR": str(place), "PORT": "0"}
    process = start(["gateway"], "ahead", {**fleet.edge, **more}, place)
    process.wait_listening()
    yield process
    process.end()


async def asked(front: Process, words: str, **more: Any) -> tuple[int, Any, bytes]:
    """Status, headers and every byte of a chat."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": words}], **more}
    headers = {"authorization": f"Bearer {ADMIN}"}
    url = front.url + "/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_slow_answer_of_a_node_comes_behind_white_space(fleet: RunningFleet, front: Process) -> None:
    fleet.sim.google.reply("slow", "late words", delay=1.0)
    status, headers, read = await asked(front, "slow")
    assert (status, headers["x-gemgate-keepalive"]) == (200, "1")
    assert read.startswith(b" ")
    assert json.loads(read)["choices"][0]["message"]["content"] == "late words"
    _, headers, read = await asked(front, "slow", stream=True)
    assert "x-gemgate-keepalive" not in headers
    assert b"[DONE]" in read
    assert record(fleet).generations == 2


async def test_recordings_go_through_to_a_node(fleet: RunningFleet, front: Process) -> None:
    fleet.sim.google.reply("attached recording", "late words", delay=0.5)
    async with openai.AsyncOpenAI(base_url=front.url + "/v1", api_key=ADMIN, max_retries=0) as client:
        send = client.audio.transcriptions.with_raw_response.create
        told = await send(file=("a.wav", wav()), model="whisper-1")
        plain = await send(file=("a.wav", wav()), model="whisper-1", response_format="text")
        stream = await client.audio.transcriptions.create(file=("a.wav", wav()), model=MODEL, stream=True)
        assert [event.type async for event in stream][-1] == "transcript.text.done"
    assert (told.text[:1], told.parse().text) == (" ", "late words")
    assert (plain.text, plain.headers.get("x-gemgate-keepalive")) == ("late words", None)
    assert record(fleet).generations == 3


async def test_another_node_takes_over_behind_the_white_space(fleet: RunningFleet, front: Process) -> None:
    """Each of three accounts refuses before it generates; the 200 that went ahead ends nothing."""
    for name in ("ann", "ben", "cem"):
        fleet.sim.google.fault("generate", "code", code=1037, account=name, times=-1)
    try:
        for number in range(4):
            status, headers, read = await asked(front, f"spent {number}")
            assert (status, headers["x-gemgate-keepalive"]) == (200, "1")
            assert "choices" in json.loads(read), read
        counted = record(fleet)
        assert counted.generations == counted.received_of("dan") == 4
        assert counted.received > 4, "another one was asked first"
    finally:
        fleet.sim.google.clear()
        for name in ("ann", "ben", "cem"):
            assert fleet.ask("POST", f"/api/accounts/{name}/reset", {})[0] == 200
    fleet.wait_healthy()


async def test_the_error_of_a_node_gets_its_status_inside(fleet: RunningFleet, front: Process) -> None:
    fleet.sim.google.fault("generate", "reset", match="lost", times=-1, after_frames=0)
    status, headers, read = await asked(front, "lost")
    assert (status, headers["x-gemgate-keepalive"]) == (200, "1")
    assert json.loads(read)["error"]["status"] == 502
    assert record(fleet).received_of(prompt="lost") == 1, "what may have been generated is not sent again"


async def test_who_leaves_the_front_stops_the_node(fleet: RunningFleet, front: Process) -> None:
    fleet.sim.google.reply("endless", "x", delay=20)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "endless"}]}
    headers = {"authorization": f"Bearer {ADMIN}"}

    def busy() -> int:
        return sum(int(row["lanes"]["busy"]) for row in fleet.ask("GET", "/api/accounts")[1]["accounts"])

    url = front.url + "/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as answer:
        assert await answer.content.readexactly(1) == b" "
        await until(lambda: busy() == 1)
    await until(lambda: busy() == 0)
