"""Videos: asked for by the tool of slot 49, made while the chat waits, fetched with the account's cookies
(docs/google-wire.md 6.6).

The answer in words comes at once; the card with the file's links stands in the history once it has been looked for so
many times. Who asks again meanwhile has doubled a video, which is a broken rule.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from gemgate_simulator.accounts import Caller
from gemgate_simulator.exchange import Request, Response, Step, page
from gemgate_simulator.mp4 import Movie
from gemgate_simulator.script import Answer, Prompt

HOST: Final = "contribution.usercontent.google.com"
SECOND_HOST: Final = "contribution-rt.usercontent.google.com"
CARD: Final = 59
"""The rich field of a finished video."""
STARTED: Final = (
    "I'm generating your video. This could take a few minutes, so check back to see when your video is ready."
)
NO_ACCESS: Final = "Video generation isn't available on your plan. To create videos, upgrade to Google AI Pro."
ASPECTS: Final = {1: "16:9", 2: "9:16"}
_SIZES: Final = {"16:9": (1280, 720), "9:16": (720, 1280)}
_OPI: Final = "103135050"


class FilmHabits(TypedDict, total=False):
    """Fields of `Studio`."""

    looks: int
    seconds: float
    nbytes: int
    envelope: bool
    announced: bool
    failing: str
    cut: int
    cuts: int
    tiers: tuple[str, ...]


@dataclass(slots=True)
class Studio:
    """How videos are made from now on.

    looks: reads of the chat before the card stands there. seconds: of the film. nbytes: of its file, 0 for a short one.
    envelope: whether the file comes inside a protobuf message. announced: whether the card says its bytes.
    failing: words instead of the card at the end. cut: bytes after which the file's next downloads end, as if whole;
    cuts: how many of them do. tiers: who has no access.
    """

    looks: int = 1
    seconds: float = 8.0
    nbytes: int = 0
    envelope: bool = False
    announced: bool = True
    failing: str = ""
    cut: int = 0
    cuts: int = 0
    tiers: tuple[str, ...] = ("free",)


@dataclass(slots=True, eq=False)
class Film:
    """One video. looks: reads that it still takes. fetches: statuses of the requests for its file."""

    owner: str
    cid: str
    prompt: str
    movie: Movie
    studio: Studio
    looks: int
    key: str = field(default_factory=lambda: secrets.token_hex(12))
    fetches: list[int] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return self.looks <= 0

    def looked(self) -> None:
        """Somebody reads the chat."""
        self.looks -= 1

    def card(self) -> dict[int, Any]:
        """The rich field with the file's links; nothing while it is being made."""
        if not self.is_ready or self.studio.failing:
            return {}
        links = [f"https://{HOST}/download?{kind}={self.key}" for kind in ("t", "c")]
        item: list[Any] = [None, 2, "video.mp4", None, None, f"${self.key}", None, links]
        item += [None] * (25 - len(item))
        item[11], item[17] = "video/mp4", [[int(self.movie.seconds), 0], self.movie.width, self.movie.height]
        item[24] = self.movie.size if self.studio.announced else None
        return {CARD: [[item]]}


class Films:
    """Every video that was asked for."""

    def __init__(self) -> None:
        self.studio = Studio()
        self.made: dict[str, Film] = {}

    def ordered(self, prompt: Prompt, aspect: str, tier: str) -> tuple[Answer, Film | None, str]:
        """The answer in words, the film that is being made now, and the rule that was broken, "" for none."""
        if tier in self.studio.tiers:
            return Answer(NO_ACCESS), None, ""
        running = [film for film in self.made.values() if film.owner == prompt.account and not film.is_ready]
        doubled = any(film.cid == prompt.cid or film.prompt == prompt.text for film in running)
        width, height = _SIZES[aspect]
        movie = Movie(width, height, self.studio.seconds, self.studio.nbytes)
        film = Film(prompt.account, prompt.cid, prompt.text, movie, self.studio, self.studio.looks)
        self.made[film.key] = film
        rule = "a video was asked for once more while it was being made" if doubled else ""
        return Answer(STARTED, chars=40), film, rule

    def respond(self, request: Request, caller: Caller) -> tuple[Response, str]:
        """Answer a request for a file, and the rule it breaks, "" for none: the account's cookies at both hosts, its
        number, the file's name.
        """
        query = request.query
        film = self.made.get(query.get("c", ""))
        if request.method != "GET" or film is None:
            return page(404, "<h1>404</h1>"), ""
        wrong = ""
        if query.get("filename") != "video.mp4" or query.get("opi") != _OPI or "authuser" not in query:
            wrong = "a video was fetched without filename, opi and authuser"
        if wrong or not caller.alive or caller.name != film.owner:
            film.fetches.append(403)
            return page(403, "<title>Error 403 (Forbidden)!!1</title>"), wrong
        if request.host == HOST:
            film.fetches.append(302)
            further = f"https://{SECOND_HOST}{request.target}"
            return page(302, "", "text/html", ("location", further)), ""
        film.fetches.append(200)
        return _file(film), ""


def aspect_of(message: Any, mode: Any) -> str:
    """Which shape a prompt with the tool asks for; "" when its slots do not go together."""
    match message, mode:
        case [*_, None, None, [None, None, None, None, None, None, [[None, None, None, int(number)]]]], [[int(code)]]:
            return ASPECTS[number] if number in ASPECTS and code == 15 + number and len(message) == 10 else ""
    return ""


def _file(film: Film) -> Response:
    size = film.movie.size
    head = b"\x08\x01\x12" + _varint(size) if film.studio.envelope else b""
    tail = b"\x1a\x04done" if film.studio.envelope else b""
    end = 0
    if film.studio.cuts > 0:
        film.studio.cuts -= 1
        end = film.studio.cut
    headers = (("content-type", "video/mp4"), ("content-disposition", 'attachment; filename="video.mp4"'))
    length = None if end else len(head) + size + len(tail)
    return Response(200, headers, _steps(film.movie, head, tail, end), length=length)


async def _steps(movie: Movie, head: bytes, tail: bytes, end: int) -> AsyncGenerator[Step, None]:
    sent = 0
    if head:
        yield head
    for piece in movie.pieces():
        if end and sent + len(piece) >= end:
            yield piece[: end - sent]
            return
        sent += len(piece)
        yield piece
    if tail:
        yield tail


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
