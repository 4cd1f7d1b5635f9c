"""The StreamGenerate request, built as the library builds it (docs/gemini-webapi.md 5), and nothing else.

A test holds it against what the library sends for the same prompt.
"""

from __future__ import annotations

import random
import re
import string
import uuid
from dataclasses import field
from functools import lru_cache
from typing import Any

import orjson
from gemini_webapi.constants import (
    DEFAULT_METADATA,
    GEM_FLAG_INDEX,
    MODEL_HEADER_KEY,
    STREAMING_FLAG_INDEX,
    TEMPORARY_CHAT_FLAG_INDEX,
    Headers,
)

from gemgate.frozen import frozen
from gemgate.media import MusicRequest, VideoRequest
from gemgate.ports.upstream import Prompt, SentFile
from gemgate.upstreams.web import research
from gemgate.upstreams.web.client import HardenedClient
from gemgate.upstreams.web.facts import MusicFacts, VideoFacts, WireFacts, shipped
from gemgate.upstreams.web.file_names import fitting

_SLOTS = 81
_LISTED = 8
"""Place of the list in the model header."""


@frozen
class Request:
    query: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


def build(client: HardenedClient, prompt: Prompt, facts: WireFacts | None = None) -> Request:
    """The request for one prompt; the model must be one of the client's own.

    facts: what slot 49 says when an image is wanted, 0 for nothing (docs/google-wire.md 3.3), and how videos (6.6),
    music (6.7) and research (6.8) are asked for; None for those that are shipped.
    """
    facts, making = facts or shipped(), prompt.making
    thinking = 2 if prompt.extended_thinking else 1
    model_headers = dict(client.resolve_model(prompt.offer.base or prompt.offer.id).model_header)
    listed = facts.videos.listed if isinstance(making, VideoRequest) else None
    model_headers[MODEL_HEADER_KEY], number = _selector(
        model_headers[MODEL_HEADER_KEY], thinking, client.session_uuid, listed
    )
    turn = str(uuid.UUID(int=random.getrandbits(128), version=4)).upper()  # a name and no secret: no system call

    inner: list[Any] = [None] * _SLOTS
    files = [reference(file) for file in prompt.files] or None
    inner[0] = [prompt.text, 0, None, files, None, None, 0]
    inner[1] = [client.language]
    inner[2] = list(prompt.thread.metadata) if prompt.thread else DEFAULT_METADATA
    inner[6] = [1]
    inner[STREAMING_FLAG_INDEX] = 1
    inner[10], inner[11] = 1, 0
    inner[17], inner[18] = [[prompt.thread.turns if prompt.thread else 0]], 0
    inner[27], inner[30], inner[41] = 1, [4], [1]
    if prompt.temporary:
        inner[TEMPORARY_CHAT_FLAG_INDEX] = 1
    if prompt.offer.gem:
        inner[GEM_FLAG_INDEX] = prompt.offer.gem
    if prompt.images and facts.pictures.tool:
        inner[49] = facts.pictures.tool
    match making:
        case VideoRequest():
            _ask_for_video(inner, facts.videos, tall=making.aspect == "9:16")
        case MusicRequest():
            _ask_for_music(inner, facts.music, making)
    inner[53], inner[59], inner[61], inner[68] = 0, turn, [], 1
    inner[79], inner[80] = number, thinking
    if prompt.research:
        inner = research.ask(inner, prompt.research, facts.research)

    headers = {
        **Headers.GEMINI.value,
        **model_headers,
        "x-goog-ext-525005358-jspb": f'["{turn}",1]',
        **Headers.SAME_DOMAIN.value,
    }
    return Request(client.page.query(client.request_id()), headers, _form(client, inner))


@lru_cache(maxsize=256)
def _selector(header: str, thinking: int, session: str, listed: tuple[int, ...] | None) -> tuple[str, Any]:
    """A model's header as a session sends it, and the model's number in it."""
    selector: list[Any] = orjson.loads(header)
    number = selector[-1]
    if listed is not None:
        selector[_LISTED] = listed
    return _json([*selector, thinking, session]), number


def _ask_for_video(inner: list[Any], videos: VideoFacts, *, tall: bool) -> None:
    shape = [None] * 6 + [[[None, None, None, 2 if tall else 1]]]
    inner[0] = [*inner[0], None, None, shape]
    inner[49], inner[55] = videos.tool, [[videos.tall if tall else videos.wide]]


def _ask_for_music(inner: list[Any], music: MusicFacts, asked: MusicRequest) -> None:
    length = music.short if asked.length == "short" else music.standard
    voice = music.instrumental if asked.instrumental else music.vocals
    inner[0] = [*inner[0], None, None, [None] * 6 + [[None, None, [length, voice]]]]
    inner[49] = music.tool


def processing(client: HardenedClient, file: SentFile) -> Request:
    """The call by which the page shows a file before a prompt refers to it (docs/google-wire.md 8.2)."""
    asked = [reference(file), None, 1, [client.language]]
    headers = {**Headers.GEMINI.value, **Headers.SAME_DOMAIN.value}
    return Request(client.page.query(client.request_id()), headers, _form(client, asked))


def _form(client: HardenedClient, asked: list[Any]) -> bytes:
    return client.page.form + quoted(orjson.dumps([None, _json(asked)]))


_MARKS = [
    *((b"%", b"%25"), (b"+", b"%2B"), (b" ", b"+")),  # before what these bytes then stand for
    *((mark.encode(), b"%%%02X" % ord(mark)) for mark in string.punctuation if mark not in "%+-_.~"),
]
_PLAIN = (string.ascii_letters + string.digits + "_.~-%+").encode()
_REST = re.compile(b"[^%s]+" % re.escape(_PLAIN))


def quoted(text: bytes) -> bytes:
    """`urllib.parse.quote_plus`, mark by mark and run by run instead of byte by byte: a third of its cost or less."""
    for mark, code in _MARKS:
        text = text.replace(mark, code)
    if text.isascii() and not text.translate(None, _PLAIN):  # a quick look: what is searched costs the most
        return text
    return _REST.sub(lambda run: b"%%%s" % run[0].hex("%").upper().encode(), text)


def reference(file: SentFile) -> list[Any]:
    """A file in the long shape; the library's short one is ignored or refused (docs/google-wire.md 8.1)."""
    name, mime = fitting(file.name, file.mime)
    kind = {"image": 1, "video": 2}.get(mime.partition("/")[0], 3)
    return [[file.handle, kind, None, mime], name, *[None] * 6, [0]]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
