"""What the soak asks: requests of every dialect from one number each, and what goes wrong with one in twenty."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from gemgate.simulator import RemoteSimulator

MODEL = "gemini-3-flash-preview"
FAULTS = 0.05
LARGE = 0.01
"""Share of the requests for words whose body has 4 MB."""
PICTURES = 0.01
BODY = 4 << 20
"""Bytes of the largest bodies: words, which are more than an account reads, or a picture in Base64."""
NUMBER = re.compile(r"No (\d+)\.")
TURNS = 4
"""Turns after which a conversation begins anew."""

PATIENCE = 8.0
"""Seconds that the gateway waits for a silent Google: short, so that callers do not stand still for long, and longer
than a busy machine takes to answer.
"""

Client = Literal["leaves", "half a body", "no JSON"]
CLIENTS: tuple[Client, ...] = ("leaves", "leaves", "leaves", "half a body", "no JSON")
"""What goes wrong on the caller's side; he leaves more often than he writes nonsense."""

GOOGLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "503": ("generate", "status", {"status": 503}),
    "500": ("generate", "status", {"status": 500}),
    "reset": ("generate", "reset", {}),
    "reset late": ("generate", "reset", {"after_frames": 1}),
    "stream reset": ("generate", "reset_stream", {"after_frames": 1}),
    "hang-up": ("generate", "hangup", {}),
    "closed": ("generate", "close", {"after_frames": 1}),
    "torn": ("generate", "close", {"after_frames": 1, "torn": True}),
    "silent": ("generate", "stall", {"after_frames": 1, "seconds": 2.5 * PATIENCE}),
    "late": ("generate", "slow_headers", {"seconds": 2.5 * PATIENCE}),
    "garbage": ("generate", "garbage", {}),
    "code": ("generate", "code", {"code": 1013}),
}
AT_PICTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "file gone": ("image", "status", {"status": 404}),
    "file cut": ("image", "truncated", {}),
    "file a page": ("image", "html", {}),
    "link over": ("image", "expired", {}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. kind: its row in the table; fault: what goes wrong with it, "" for nothing.

    prompt: its last words, which carry its number; answer: how to read a whole answer's text, where another turn
    follows. expects: the status that it has without a fault.
    """

    number: int
    kind: str
    path: str
    body: dict[str, Any] | None
    fault: str = ""
    prompt: str = ""
    expects: int = 200
    answer: Callable[[Any], str] | None = field(default=None, compare=False)


async def prepare(sim: RemoteSimulator) -> None:
    """Have Google err over every prompt that names an error."""
    await sim.google.pictures(cheap=True)
    for name, (where, kind, more) in (GOOGLE | AT_PICTURES).items():
        await sim.google.fault(where, kind, match=f"«{name}»", times=-1, **more)  # type: ignore[arg-type]


def _chat(words: list[tuple[str, Any]], *, stream: bool) -> dict[str, Any]:
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return {"model": MODEL, "messages": [{"role": role, "content": said} for role, said in words], **more}


def _responses(words: list[tuple[str, Any]], *, stream: bool) -> dict[str, Any]:
    return {"model": MODEL, "input": [{"role": r, "content": s} for r, s in words], "stream": stream, "store": False}


def _anthropic(words: list[tuple[str, Any]], *, stream: bool) -> dict[str, Any]:
    turns = [{"role": role, "content": said} for role, said in words]
    return {"model": MODEL, "max_tokens": 4096, "messages": turns, "stream": stream}


def _gemini(words: list[tuple[str, Any]], *, stream: bool) -> dict[str, Any]:
    del stream
    roles = {"assistant": "model", "user": "user"}
    return {
        "contents": [
            {"role": roles[role], "parts": said if isinstance(said, list) else [{"text": said}]} for role, said in words
        ]
    }


def _simple(words: list[tuple[str, Any]], *, stream: bool) -> dict[str, Any]:
    del stream
    return {"model": MODEL, "prompt": words[-1][1]}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How often it is spoken, and how. picture: what stands in a message for a picture that is sent in Base64."""

    weight: int
    path: str
    body: Callable[..., dict[str, Any]]
    words: Callable[[str], dict[str, Any]] = lambda words: {"type": "text", "text": words}
    picture: Callable[[str], dict[str, Any]] | None = None
    answer: Callable[[Any], str] | None = None
    streamed: str = ""


DIALECTS = {
    "openai chat": Dialect(
        40,
        "/v1/chat/completions",
        _chat,
        picture=lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        answer=lambda told: str(told["choices"][0]["message"]["content"]),
        streamed="/v1/chat/completions",
    ),
    "openai responses": Dialect(
        14,
        "/v1/responses",
        _responses,
        words=lambda words: {"type": "input_text", "text": words},
        picture=lambda data: {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
        answer=lambda told: str(told["output"][-1]["content"][0]["text"]),
        streamed="/v1/responses",
    ),
    "anthropic": Dialect(
        18,
        "/v1/messages",
        _anthropic,
        picture=lambda data: {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": data},
        },
        answer=lambda told: str(told["content"][0]["text"]),
        streamed="/v1/messages",
    ),
    "gemini": Dialect(
        14,
        f"/v1beta/models/{MODEL}:generateContent",
        _gemini,
        words=lambda words: {"text": words},
        picture=lambda data: {"inlineData": {"mimeType": "image/png", "data": data}},
        answer=lambda told: str(told["candidates"][0]["content"]["parts"][0]["text"]),
        streamed=f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
    ),
    "simple": Dialect(8, "/v1/generate", _simple),
}
GETS = ("/v1/models", "/health", "/v1beta/models", "/metrics")


def _picture(number: int, dice: Random, prompt: str, fault: str) -> Asked:
    match dice.randrange(4):
        case 0:
            return Asked(
                number,
                "simple images",
                "/v1/generate-images",
                {"prompt": prompt, "response_type": dice.choice(("base64", "url"))},
                fault,
                prompt,
            )
        case 1:
            body = {"prompt": prompt, "stream": True}
            return Asked(number, "openai images, streamed", "/v1/images/generations", body, fault, prompt)
        case 2:
            path = "/v1beta/models/gemini-2.5-flash-image:generateContent"
            return Asked(number, "gemini images", path, _gemini([("user", prompt)], stream=False), fault, prompt)
        case _:
            body = {"prompt": prompt, "response_format": dice.choice(("b64_json", "url"))}
            return Asked(number, "openai images", "/v1/images/generations", body, fault, prompt)


_SIDE = 1000
_PIXELS = zlib.compress(b"".join(b"\0" + Random(row).randbytes(3 * _SIDE) for row in range(_SIDE)), 0)


def noise(number: int) -> bytes:
    """A picture of 3 MB that is like no other, at little cost."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)),
        (b"tEXt", b"number\0%d" % number),
        (b"IDAT", _PIXELS),
        (b"IEND", b""),
    )
    parts = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Conversation:
    """What one caller has said and heard in one dialect; each of its answers is followed by another turn."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, str]] = []

    def heard(self, prompt: str, answer: str) -> None:
        if len(self.turns) >= 2 * (TURNS - 1):
            self.turns.clear()
        else:
            self.turns += [("user", prompt), ("assistant", answer)]


def asked(number: int, seed: int, conversation: Conversation) -> Asked:
    """The request of this number: its kind, and what goes wrong with it, follow from the seed alone."""
    dice = Random(f"{seed} {number}")
    wrong = dice.random() < FAULTS
    picture = dice.random() < PICTURES
    here = {**GOOGLE, **AT_PICTURES} if picture else GOOGLE
    fault = (dice.choice(CLIENTS) if dice.random() < 0.3 else dice.choice(sorted(here))) if wrong else ""
    mark = f" «{fault}»" if fault in here else ""
    if picture:
        return _picture(number, dice, f"Draw a small lamp, No {number}.{mark}", fault)
    if not wrong and dice.random() < 0.06:
        return Asked(number, "looks", dice.choice(GETS), None)
    name = dice.choices([*DIALECTS], [one.weight for one in DIALECTS.values()])[0]
    dialect = DIALECTS[name]
    stream = bool(dialect.streamed) and dice.random() < 0.45
    large = dice.random() < LARGE
    prompt = f"{dice.choice(('Say hello', 'Count to 30', 'Write a poem', '写一首关于大海的诗'))}, No {number}.{mark}"
    said: Any = prompt
    expects, turns = 200, list[tuple[str, Any]]()
    if large and dialect.picture and dice.random() < 0.5:
        name += ", picture of 3 MB"
        said = [dialect.words(prompt), dialect.picture(base64.b64encode(noise(number)).decode())]
    elif large:
        name += ", words of 4 MB"
        said = f"Notes of {number}: " + "the gate is small and the road is long; " * (BODY // 40) + prompt
        expects = 400
    elif not wrong and dialect.answer:
        turns = list(conversation.turns)
    kind = name + (", streamed" if stream else "")
    return Asked(
        number,
        kind,
        dialect.streamed if stream else dialect.path,
        dialect.body([*turns, ("user", said)], stream=stream),
        fault,
        prompt,
        expects,
        None if stream or large or wrong else dialect.answer,
    )
