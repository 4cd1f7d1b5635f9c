"""Videos and music: asked for by the tool of slot 49, made while the chat waits, fetched with the account's cookies
(docs/google-wire.md 6.6, 6.7).

The answer in words comes at once; the card with the file's links stands in the history once it has been looked for so
many times. Who asks again meanwhile has doubled it, which is a broken rule.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypedDict, Unpack

from gemgate_simulator.accounts import Caller
from gemgate_simulator.exchange import Request, Response, Step, page
from gemgate_simulator.mp3 import Recording
from gemgate_simulator.mp4 import Movie
from gemgate_simulator.script import Answer, Prompt

HOST: Final = "contribution.usercontent.google.com"
SECOND_HOST: Final = "contribution-rt.usercontent.google.com"
CARD: Final = 59
"""The rich field of a finished video."""
SONG_CARD: Final = 86
"""The same of music."""
STARTED: Final = (
    "I'm generating your video. This could take a few minutes, so check back to see when your video is ready."
)
COMPOSING: Final = "Your track is on its way. It takes a little while, and it will be here once it is ready."
NO_MUSIC: Final = "Music generation isn't available on your plan. To make music, upgrade to Google AI Pro."
NO_ACCESS: Final = "Video generation isn't available on your plan. To create videos, upgrade to Google AI Pro."
ASPECTS: Final = {1: "16:9", 2: "9:16"}
_SIZES: Final = {"16:9": (1280, 720), "9:16": (720, 1280)}
_OPI: Final = "103135050"
LENGTHS: Final = {4: "short", 5: "standard"}
VOICES: Final = {1: "instrumental", 2: "vocals"}
CardForm = Literal["rows", "nested", "bare"]
"""How the card of music lists its files, which nobody has seen (6.7): each in a row of its own, all in one, or with
nothing but their links.
"""


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


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a film."""

    name: str
    mime: str
    content: Movie | Recording


@dataclass(slots=True, eq=False)
class Film:
    """One video, or music: its sound and the film of it. looks: reads that it still takes. fetches: statuses of the
    requests for its files. form: of the card of music, None of a video.
    """

    owner: str
    cid: str
    prompt: str
    parts: tuple[Part, ...]
    studio: Studio
    looks: int
    form: CardForm | None = None
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
        items = [self._item(number, part) for number, part in enumerate(self.parts)]
        match self.form:
            case None:
                return {CARD: [items]}
            case "nested":
                return {SONG_CARD: [items]}
            case "rows" | "bare":
                return {SONG_CARD: [[None, item] for item in items]}

    def _item(self, number: int, part: Part) -> list[Any]:
        key = f"{self.key}-{number}" if number else self.key
        links = [f"https://{HOST}/download?{kind}={key}" for kind in ("t", "c")]
        item: list[Any] = [None, 2, part.name, None, None, f"${key}", None, links]
        item += [None] * (25 - len(item))
        if self.form == "bare":
            item[1:3], item[5] = [None, None], None
            return item
        item[11] = part.mime
        if isinstance(part.content, Movie):
            item[17] = [[int(part.content.seconds), 0], part.content.width, part.content.height]
        item[24] = part.content.size if self.studio.announced else None
        return item


def songs(**habits: Unpack[FilmHabits]) -> Studio:
    """How music is made: a short piece of 30 seconds, by anybody, unless it is said otherwise."""
    studio = Studio(**habits)
    return replace(studio, tiers=habits.get("tiers", ()), seconds=habits.get("seconds", 30.0))


class Films:
    """Every video and all music that was asked for."""

    def __init__(self) -> None:
        self.studio = Studio()
        self.music = songs()
        self.made: dict[str, Film] = {}

    def ordered(self, prompt: Prompt, aspect: str, tier: str) -> tuple[Answer, Film | None, str]:
        """The answer in words, the film that is being made now, and the rule that was broken, "" for none."""
        if tier in self.studio.tiers:
            return Answer(NO_ACCESS), None, ""
        rule = "a video was asked for once more while it was being made" if self._is_doubled(prompt) else ""
        width, height = _SIZES[aspect]
        movie = Movie(width, height, self.studio.seconds, self.studio.nbytes)
        parts = (Part("video.mp4", "video/mp4", movie),)
        film = Film(prompt.account, prompt.cid, prompt.text, parts, self.studio, self.studio.looks)
        self.made[film.key] = film
        return Answer(STARTED, chars=40), film, rule

    def composed(self, prompt: Prompt, song: str, tier: str, form: CardForm) -> tuple[Answer, Film | None, str]:
        """The same of music. song: its length and its voice."""
        studio = self.music
        if tier in studio.tiers:
            return Answer(NO_MUSIC), None, ""
        rule = "music was asked for once more while it was being made" if self._is_doubled(prompt) else ""
        seconds = studio.seconds * (1 if song.startswith("short") else 4)
        parts = (
            Part("track.mp3", "audio/mpeg", Recording(seconds)),
            Part("track.mp4", "video/mp4", Movie(720, 720, seconds, studio.nbytes)),
        )
        film = Film(prompt.account, prompt.cid, prompt.text, parts, studio, studio.looks, form)
        self.made[film.key] = film
        return Answer(COMPOSING, chars=40), film, rule

    def _is_doubled(self, prompt: Prompt) -> bool:
        running = [film for film in self.made.values() if film.owner == prompt.account and not film.is_ready]
        return any(film.cid == prompt.cid or film.prompt == prompt.text for film in running)

    def respond(self, request: Request, caller: Caller) -> tuple[Response, str]:
        """Answer a request for a file, and the rule it breaks, "" for none: the account's cookies at both hosts, its
        number, the file's name.
        """
        query = request.query
        key, _, number = query.get("c", "").partition("-")
        film = self.made.get(key)
        if request.method != "GET" or film is None or int(number or 0) >= len(film.parts):
            return page(404, "<h1>404</h1>"), ""
        part = film.parts[int(number or 0)]
        wrong = ""
        named = query.get("filename") == part.name or film.form == "bare"
        if not named or query.get("opi") != _OPI or "authuser" not in query:
            wrong = "a video or music was fetched without filename, opi and authuser"
        if wrong or not caller.alive or caller.name != film.owner:
            film.fetches.append(403)
            return page(403, "<title>Error 403 (Forbidden)!!1</title>"), wrong
        if request.host == HOST:
            film.fetches.append(302)
            further = f"https://{SECOND_HOST}{request.target}"
            return page(302, "", "text/html", ("location", further)), ""
        film.fetches.append(200)
        return _file(film, part), ""


def aspect_of(message: Any, mode: Any) -> str:
    """Which shape a prompt with the tool asks for; "" when its slots do not go together."""
    match message, mode:
        case [*_, None, None, [None, None, None, None, None, None, [[None, None, None, int(number)]]]], [[int(code)]]:
            return ASPECTS[number] if number in ASPECTS and code == 15 + number and len(message) == 10 else ""
    return ""


def song_of(message: Any) -> str:
    """Length and voice that a prompt with the tool for music asks for; "" when its slots are no such."""
    match message:
        case [*_, None, None, [None, None, None, None, None, None, [None, None, [int(length), int(voice)]]]]:
            fits = length in LENGTHS and voice in VOICES and len(message) == 10
            return f"{LENGTHS[length]} {VOICES[voice]}" if fits else ""
    return ""


def _file(film: Film, part: Part) -> Response:
    size = part.content.size
    head = b"\x08\x01\x12" + _varint(size) if film.studio.envelope else b""
    tail = b"\x1a\x04done" if film.studio.envelope else b""
    end = 0
    if film.studio.cuts > 0:
        film.studio.cuts -= 1
        end = film.studio.cut
    headers = (("content-type", part.mime), ("content-disposition", f'attachment; filename="{part.name}"'))
    length = None if end else len(head) + size + len(tail)
    return Response(200, headers, _steps(part.content, head, tail, end), length=length)


async def _steps(movie: Movie | Recording, head: bytes, tail: bytes, end: int) -> AsyncGenerator[Step, None]:
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
