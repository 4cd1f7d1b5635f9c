"""Jobs of every kind, each with a number in its prompt: ordered at whichever node answers, and what was delivered.

Batches are ordered at once, single calls a few at a time, so that at any moment something of every kind is under way.
Single calls carry an idempotency key: who ordered them asks again, at another node, until there is an answer.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from PIL import Image

from gemgate_simulator import RemoteSimulator

LINES = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "edits": "/v1/images/edits"}
"""Kinds that are lines of an OpenAI batch, and its endpoint."""
SINGLE = ("response", "keyed chat", "image", "edit", "keyed image")
KINDS = ("images", *LINES, *SINGLE)
PICTURES = ("images", "edits", "image", "edit", "keyed image")
TEXT = "gemini-3-flash-preview"
AT_ONCE = 2
"""Single calls of each kind that are under way."""
PATIENCE = 240.0
"""Seconds for which somebody asks again before a job counts as lost."""


def _png() -> str:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


PNG = _png()


def told(number: int) -> str:
    """What a job in words is answered."""
    return f"This is the answer to number {number}, and to no other: " + "one word more, " * 5 + "the end."


async def scripted(sim: RemoteSimulator, numbers: Sequence[int], pace: float) -> None:
    """Have each of them answered in its own words, in about as long as an image takes."""
    for number in numbers:
        await sim.google.reply(f"tell number {number} of", told(number), chars=40, pace=pace)


@dataclass(slots=True)
class MixedJobs:
    """So many jobs of each kind on the nodes at `urls`."""

    urls: Sequence[str]
    each: int
    batches: dict[str, str] = field(default_factory=dict)
    delivered: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """What came of each job, as often as it was told."""
    responses: dict[int, str] = field(default_factory=dict)
    interrupted: set[int] = field(default_factory=set)
    """Background responses that kept what was told of them."""

    @property
    def kinds(self) -> dict[int, str]:
        return {at * self.each + n: kind for at, kind in enumerate(KINDS) for n in range(self.each)}

    def of(self, *kinds: str) -> list[int]:
        return [number for number, kind in self.kinds.items() if kind in kinds]

    @property
    def texts(self) -> list[int]:
        return [number for number, kind in self.kinds.items() if kind not in PICTURES]

    # Orders

    async def order_batches(self) -> None:
        """Before anything is killed: these orders have no key under which they could be repeated."""
        async with aiohttp.ClientSession(self.urls[0]) as http:
            body = {"prompts": [f"draw number {n} of many" for n in self.of("images")], "concurrency": 8}
            self.batches["images"] = (await _posted(http, "/v1/batch/images", json=body))["batch_id"]
            for kind, path in LINES.items():
                lines = [
                    {"custom_id": str(n), "method": "POST", "url": path, "body": _body(kind, n)} for n in self.of(kind)
                ]
                form = aiohttp.FormData({"purpose": "batch"})
                form.add_field("file", "\n".join(map(json.dumps, lines)).encode(), filename="lines.jsonl")
                file = await _posted(http, "/v1/files", data=form)
                order = {"input_file_id": file["id"], "endpoint": path, "completion_window": "24h"}
                self.batches[kind] = (await _posted(http, "/v1/batches", json=order))["id"]

    async def call_singly(self) -> None:
        """All single calls, each until it is answered."""

        async def caller(numbers: Iterator[int], kind: str) -> None:
            for number in numbers:
                async with asyncio.timeout(PATIENCE):
                    await self._single(kind, number)

        async with asyncio.TaskGroup() as group:
            for kind in SINGLE:
                numbers = iter(self.of(kind))
                for _ in range(AT_ONCE):
                    group.create_task(caller(numbers, kind))

    async def _single(self, kind: str, number: int) -> None:
        key = {"idempotency-key": f"job-{number}"}
        if kind == "response":
            order = await self.asked("POST", "/v1/responses", number, _body(kind, number), key)
            self.responses[number] = order["id"]
            while order["status"] in ("queued", "in_progress"):
                await asyncio.sleep(0.3)
                order = await self.asked("GET", f"/v1/responses/{order['id']}", number)
            self._response(number, order)
            return
        if kind == "keyed chat":
            answer = await self.asked("POST", LINES["chat"], number, _body("chat", number), key)
            if "error" in answer:  # cut off, and not sent again: that stays its answer
                self.interrupted.add(number)
                self.delivered[number].append("")
            else:
                self._line("chat", number, answer)
            return
        path = "/v1/images/edits" if kind == "edit" else "/v1/images/generations"
        answer = await self.asked("POST", path, number, _body(kind, number), key)
        if kind != "keyed image":
            task = {"status": "queued"}
            while task["status"] in ("queued", "in_progress"):
                task = await self.asked("GET", f"/v1/images/tasks/{answer['id']}?wait=3", number)
            assert task["status"] == "completed", task
            answer = task["result"]
        self._pictures(number, answer)

    async def asked(
        self, method: str, path: str, number: int, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """The answer of whichever node gives one; a node that is away, halted or about to stop is passed over."""
        turn = number
        while True:
            turn += 1
            url = self.urls[turn % len(self.urls)]
            limit = aiohttp.ClientTimeout(total=20, sock_connect=2)
            try:
                async with (
                    aiohttp.ClientSession(url, timeout=limit) as http,
                    http.request(method, path, json=body, headers=headers) as answer,
                ):
                    said = await answer.json()
                    if answer.status < 400 or "response_interrupted" in json.dumps(said):
                        return said
                    assert answer.status in (429, 500, 502, 503), (number, answer.status, said)
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(0.2)

    # What came of them

    def _response(self, number: int, response: Any) -> None:
        if response["status"] == "failed":
            assert response["error"]["type"] == "response_interrupted", response
            self.interrupted.add(number)
        said = "".join(
            part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
        )
        assert said == told(number) if number not in self.interrupted else told(number).startswith(said)
        self.delivered[number].append(said)

    def _pictures(self, number: int, answer: Any) -> None:
        (image,) = answer["data"]
        self.delivered[number].append(image["url"].partition("?")[0].rpartition("/")[2])

    async def collected(self) -> None:
        """Fetch the batches; then ask for every single call once more: it says the same, and nothing is made for it."""
        for kind in LINES:
            async with asyncio.timeout(PATIENCE):
                while (batch := await self.asked("GET", f"/v1/batches/{self.batches[kind]}", 0))[
                    "status"
                ] != "completed":
                    await asyncio.sleep(0.3)
            assert batch["error_file_id"] is None, batch
            for row in await self._rows(batch["output_file_id"]):
                self._line(kind, int(row["custom_id"]), row["response"]["body"])
        status = await self.asked("GET", f"/v1/batch/{self.batches['images']}/status", 0)
        assert (status["status"], status["failed"]) == ("completed", 0)
        first = self.of("images")[0]
        for result in status["results"]:
            number = first + int(result["task_id"].rpartition("_")[2])
            self.delivered[number].append(result["url"].partition("?")[0].rpartition("/")[2])
        for number in self.kinds:
            assert len(self.delivered[number]) == 1, (number, self.kinds[number], self.delivered[number])
        for kind in SINGLE:
            for number in self.of(kind):
                await self._single(kind, number)
                before, again = self.delivered[number]
                assert before == again
        names = [self.delivered[number][0] for number in self.of(*PICTURES)]
        assert len(set(names)) == len(names)
        assert all(f"number-{number}-" in self.delivered[number][0] for number in self.of(*PICTURES))
        for number, response_id in self.responses.items():
            await self._events(number, response_id)

    def _line(self, kind: str, number: int, body: Any) -> None:
        match kind:
            case "edits":
                self._pictures(number, body)
            case "responses":
                self._response(number, body)
            case _:
                (choice,) = body["choices"]
                assert choice["message"]["content"] == told(number)
                self.delivered[number].append(choice["message"]["content"])

    async def _rows(self, file_id: str) -> list[Any]:
        async with (
            aiohttp.ClientSession(self.urls[0]) as http,
            http.get(f"/v1/files/{file_id}/content") as answer,
        ):
            return [json.loads(line) for line in (await answer.text()).splitlines()]

    async def _events(self, number: int, response_id: str) -> None:
        """A response's events: each number once, and their texts together what it says."""
        async with (
            aiohttp.ClientSession(self.urls[0]) as http,
            http.get(f"/v1/responses/{response_id}?stream=true") as answer,
        ):
            lines = (await answer.text()).splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert deltas == self.delivered[number][0]


def _body(kind: str, number: int) -> dict[str, Any]:
    """The call of one job."""
    words, picture = f"tell number {number} of many", f"draw number {number} of many"
    match kind:
        case "chat":
            return {"model": TEXT, "messages": [{"role": "user", "content": words}]}
        case "responses":
            return {"model": TEXT, "input": words}
        case "response":
            return {"model": TEXT, "input": words, "background": True}
        case "edits":
            return {"prompt": picture, "images": [{"image_url": PNG}], "response_format": "url"}
        case "edit":
            return {"prompt": picture, "images": [{"image_url": PNG}], "response_format": "url", "async": True}
        case "image":
            return {"prompt": picture, "response_format": "url", "async": True}
        case _:
            return {"prompt": picture, "response_format": "url"}


async def _posted(http: aiohttp.ClientSession, path: str, **body: Any) -> Any:
    async with http.post(path, **body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


@asynccontextmanager
async def under_way(jobs: MixedJobs) -> AsyncIterator[None]:
    """All jobs ordered, the single ones while the block lasts; at its end all of them are answered."""
    await jobs.order_batches()
    async with asyncio.TaskGroup() as group:
        group.create_task(jobs.call_singly())
        yield
