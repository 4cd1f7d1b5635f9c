"""Whatever comes in at the readers of foreign text and bytes: an answer or our own refusal, at once, and nothing stays.

Texts are pieces that mean something to the reader, put together and spoiled by hypothesis. A reader is a generator that
yields wherever the event loop gets its turn: what lies between two turns is what others wait for. `FUZZ_SECONDS` is how
long the soak gives to each reader (600 by default); the ordinary run looks for a second.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import random
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.requests import Request

from gemgate.chat import Tool
from gemgate.dialects import cookie_text
from gemgate.errors import ClientError
from gemgate.imaging import UnsupportedImage, measure, tag_provenance
from gemgate.imaging.truncation import is_truncated
from gemgate.prompting import loose_json
from gemgate.prompting.tool_parser import ToolParser
from gemgate.upstreams.web.frames import FrameReader
from gemgate.web.request_body import read_form
from tests.support.processes import ROOT

SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
STALL = 0.05
"""Seconds of the processor that may pass between two turns of the event loop."""
SEED = int(os.environ.get("FUZZ_SEED", "4"))
GROWTH = 10e6
"""Bytes of memory that may be more after `REPLAYS` of the last inputs: hypothesis keeps things of its own."""
KEPT, REPLAYS = 200, 40


def pieces(*known: str) -> st.SearchStrategy[str]:
    """Known pieces and any text, repeated and joined."""
    one = st.one_of(st.sampled_from(known), st.sampled_from(known), st.text(max_size=20))
    many = st.tuples(one, st.integers(1, 400)).map(lambda pair: pair[0] * pair[1])
    return st.lists(st.one_of(one, one, one, many), max_size=40).map("".join)


def _frames(text: str) -> Iterator[None]:
    reader = FrameReader()
    data = text.encode("utf-8", "surrogatepass")
    step = 1 + len(data) % 97
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        yield


TOOLS = (Tool("get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}}),)


def _tools(text: str) -> Iterator[None]:
    parser = ToolParser(TOOLS, "w7fk")
    step = 1 + len(text) % 61 if len(text) % 2 else 4_096
    for at in range(0, len(text), step):
        parser.feed(text[at : at + step])
        yield
    parser.finish()


def _json(text: str) -> Iterator[None]:
    for complete in (True, False):
        yield
        try:
            loose_json.dump(loose_json.read_value(text, complete=complete)[0])
        except loose_json.Unreadable:
            continue


def _cookies(text: str) -> Iterator[None]:
    yield
    with suppress(ClientError):
        cookie_text.read(text)


def _image(data: bytes) -> Iterator[None]:
    with suppress(ClientError, UnsupportedImage):
        measure(data)
    yield
    is_truncated(data)
    for changed in (True, False):
        yield
        tag_provenance(data, changed)


def _form(data: bytes) -> Iterator[None]:
    yield
    parts = [data[at : at + 4096] for at in range(0, len(data), 4096)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def whole() -> None:
        headers = [(b"content-type", b"multipart/form-data; boundary=X")]
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
        try:
            await read_form(request, 10_000_000)
        except ClientError:
            return

    LOOP.run_until_complete(whole())


LOOP = asyncio.new_event_loop()
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # pytest keeps every warning, which is no leak of ours


def _images() -> list[bytes]:
    pixels = Image.fromarray(np.random.default_rng(1).integers(0, 255, (24, 32, 3), "uint8"))
    found = []
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        file = io.BytesIO()
        pixels.save(file, kind)
        found += [file.getvalue(), tag_provenance(file.getvalue(), True).data]
    return found


@st.composite
def spoiled(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """One of them with bytes changed, cut out, put in or repeated."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case 1:
                del data[at : at + draw(st.integers(0, 60))]
            case 2:
                data[at:at] = draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff\xd9", b"IEND", b"iTXt", b"VP8X"]))
            case _:
                data[at:at] = data[at : at + 200] * draw(st.integers(1, 40))
    return bytes(data)


FRAMES = [")]}'\n\n", "12\n", '[["wrb.fr",null,"[]"]]', "\n", "9" * 30, "0\n", "\ud83d", "é", "1\nx"]
CALLS = [
    *("w7fk", " toolcall ", "get_weather", "\n", "```", "~~~json\n", '{"city": "', "}", "\\", "`", "<", "function "),
    *("w7fk toolcall get_weather\n{", '"', "“", "[", "]", ":", "w7fk end"),
]
VALUES = [
    *('{"', '":', "[", "]", "}", "{", ",", "'", "//", "/*", "*/", "#", "\\u00", "\\", "&quot;", "```json\n"),
    *("1e9", "-", "True", "NaN", "9" * 400),
]
PASTED = [
    *(
        "__Secure-1PSID",
        "__Secure-1PSIDTS",
        "SID",
        "=",
        ": ",
        "\t",
        "; ",
        "\n",
        '"',
        "g.a000abc",
        "sidts-xyz",
        "{",
        "}",
    ),
    *(".google.com\tTRUE\t/\tTRUE\t0\t", '[{"name":"', '"value":"', "curl 'https://a.b' -H 'cookie: "),
]
FORMS = [
    (
        b'--X\r\nContent-Disposition: form-data; name="model"\r\n\r\ngemini\r\n--X\r\nContent-Disposition: form-data'
        b'; name="i"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--X--\r\n'
    ),
    b"--X\r\ncontent-disposition: form-data; name=a; filename*=UTF-8''%e4\r\n\r\n" + b"x" * 5000 + b"\r\n--X--",
]
READERS: dict[str, tuple[Callable[[Any], Iterator[None]], Callable[[], st.SearchStrategy[Any]]]] = {
    "frames": (_frames, lambda: pieces(*FRAMES)),
    "tool calls": (_tools, lambda: pieces(*CALLS)),
    "loose JSON": (_json, lambda: pieces(*VALUES)),
    "cookies": (_cookies, lambda: pieces(*PASTED)),
    "pictures": (_image, lambda: spoiled(_images())),
    "forms": (_form, lambda: spoiled(FORMS)),
}


def longest_turn(work: Callable[[Any], Iterator[None]], text: Any) -> float:
    """Seconds of the processor between two turns of the event loop, at most."""
    longest, steps = 0.0, work(text)
    while True:
        start = time.thread_time()
        done = next(steps, steps) is steps
        longest = max(longest, time.thread_time() - start)
        if done:
            return longest


def hunt(name: str, seconds: float) -> tuple[int, float, Sequence[Any]]:
    """How many inputs were read, the longest turn that one took, and the last of them."""
    work, inputs = READERS[name]
    strategy, count, slowest = inputs(), 0, 0.0
    dice, kept = random.Random(SEED), deque[Any](maxlen=KEPT)
    over = time.monotonic() + seconds

    def one(text: Any) -> None:
        nonlocal count, slowest
        took = 1e9
        for _ in range(4):  # a busy machine takes the processor's caches away: what is slow is slow again
            took = min(took, longest_turn(work, text))
            if took < STALL:
                break
        assert took < STALL, f"{took:.3f} s for {len(text)}"
        count, slowest = count + 1, max(slowest, took)
        kept.append(text)

    while time.monotonic() < over:
        options = settings(
            max_examples=100, database=None, phases=[Phase.generate], report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        seed(dice.getrandbits(64))(options(given(strategy)(one)))()
    return count, slowest, kept


def growth_of(work: Callable[[Any], Iterator[None]], texts: Iterable[Any]) -> float:
    """Bytes by which memory grows when the same is read again and again; a quarter of it is there to warm up."""
    process, sizes = psutil.Process(), []
    for _ in range(REPLAYS):
        for text in texts:
            longest_turn(work, text)
        gc.collect()
        sizes.append(process.memory_info().rss)
    return sizes[-1] - sizes[REPLAYS // 4]


def what_stays_behind_is_noticed() -> None:
    held: list[bytearray] = []

    def keeps(text: bytes) -> Iterator[None]:
        held.append(bytearray(text))
        yield

    assert growth_of(keeps, [b"x" * 20_000] * 20) > 10e6
    assert growth_of(lambda text: iter(()), [b"x" * 20_000] * 20) < 1e6


def test_what_stays_behind_is_noticed() -> None:
    """In a process of its own: one that has run other tests has memory to spare, and grows no more."""
    program = f"from {__name__} import what_stays_behind_is_noticed as test; test()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100, cwd=ROOT)


@pytest.mark.parametrize("name", READERS)
def test_what_comes_in_is_read_or_refused(name: str) -> None:
    count, _, _ = hunt(name, 1.0)
    assert count >= 50


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", READERS)
def test_what_comes_in_is_read_or_refused_for_long(name: str) -> None:
    count, slowest, last = hunt(name, SECONDS)
    growth = growth_of(READERS[name][0], last)
    print(f"\n{name}: {count} inputs, longest turn {slowest * 1000:.1f} ms, memory {growth / 1e6:+.1f} MB")
    assert growth < GROWTH
