"""The picture hosts: previews by size, and the way to the full size over texts that name the next address.

Who holds a link to googleusercontent.com may use it; under google.com the session of the picture's account must stand
behind it (protocol.md 3 and 7). Files are made in a worker thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gemgate.accounts import PSID, PSIDCC, PSIDTS
from gemgate.simulator.accounts import Caller
from gemgate.simulator.encode import Options, options
from gemgate.simulator.exchange import Break, Later, Request, Response, page
from gemgate.simulator.gallery import Picture
from gemgate.simulator.links import Link
from gemgate.simulator.mishap import spoil
from gemgate.simulator.record import Fetch
from gemgate.simulator.world import World

_SUFFIX = re.compile(r"(?P<token>[\w-]+)(?:=(?P<words>[\w-]*))?")
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request to a picture host, read. link: None where no such links live; options: None when they mean nothing."""

    link: Link | None
    picture: Picture | None
    options: Options | None
    words: str


def respond(world: World, request: Request, caller: Caller) -> Response:
    """Answer one request to a picture host, or let its fault happen; the record takes note of the picture's fetch."""
    visit = _read(world, request)
    drawn = visit.picture.drawn if visit.picture else None
    route = visit.link.route if visit.link else ""
    account = drawn.account if drawn else caller.name
    prompt = drawn.prompt if drawn else ""
    fault = world.script.strike(("image", route), account, prompt, reused=request.nth > 0)
    answer = partial(_answer, world, visit, request, caller)
    response = spoil(answer, fault) if fault else answer()
    if drawn is not None:
        status = 0 if isinstance(response.body, Break) else response.status
        fetch = Fetch(world.clock(), route, visit.words, status)
        drawn.note(fetch)
        response.on_end = fetch.ended
    return response


def _read(world: World, request: Request) -> _Visit:
    kind, _, rest = request.path.strip("/").partition("/")
    found = _SUFFIX.fullmatch(rest)
    link = world.gallery.links.read(request.host, kind, found["token"]) if found else None
    words = (found["words"] or "") if found else ""
    return _Visit(link, world.gallery.find(link.key) if link else None, options(words), words)


def _answer(world: World, visit: _Visit, request: Request, caller: Caller) -> Response:
    link, picture = visit.link, visit.picture
    public = not request.host.endswith(".google.com")
    if public and any(name in (PSID, PSIDTS, PSIDCC) for name, _ in request.cookies):
        world.record.violation(f"session cookies were sent to {request.host}")
    if link is None:
        return page(404, "<h1>404</h1>")
    if request.method != "GET":
        return page(405, "<h1>405</h1>")
    if link.expired:
        return _forbidden()
    if picture is None:
        if not link.key:
            world.record.violation(f"a {link.route} link that was never given out")
        return _forbidden()
    if visit.options is None:
        world.record.violation(f"unknown options ={visit.words} of a picture's link")
        return page(400, "<h1>400</h1>")
    if link.route == "hop2" and not _may(world, picture, caller):
        return _forbidden()
    if link.route == "preview":
        wanted = visit.options
        return _file(picture, lambda: picture.work.sized(wanted), "inline")
    return _towards_the_file(link, picture, visit.options, request)


def _may(world: World, picture: Picture, caller: Caller) -> bool:
    """Whether the session that stands behind a request is the one the picture was made for."""
    if caller.account and caller.account.flagged and caller.bare:
        return False  # its media want more cookies than the three (docs/google-wire.md 5.2)
    if picture.owner is None or picture.owner == caller.name:
        return picture.owner is None or caller.alive or not caller.name
    if caller.alive:
        world.record.violation(f"picture {picture.id!r} belongs to another account than {caller.name}")
    return False


def _towards_the_file(link: Link, picture: Picture, wanted: Options, request: Request) -> Response:
    """The next address as text; as a redirect to those who do not say `alr=yes`; the file at the end of the way."""
    if not wanted.attachment:
        return _forbidden()
    match link.route:
        case "hop1":
            further = picture.link("hop2")
        case "hop2":
            further = picture.link("original")
        case _:
            name = f'attachment;filename="Gemini_Generated_Image_{picture.key[:12]}"'
            return _file(picture, lambda: (picture.work.original(), picture.work.mime), name)
    further += "=s0-d-I?alr=yes"
    if not wanted.text or request.query.get("alr") != "yes":
        return page(302, "", "text/html", ("location", further))
    return page(200, further, _TEXT, ("cache-control", "private, no-cache"))


def _file(picture: Picture, draw: Callable[[], tuple[bytes, str]], disposition: str) -> Response:
    def make() -> Response:
        data, mime = draw()
        headers = (
            ("content-type", mime or "image/png"),
            ("content-disposition", disposition),
            ("cache-control", "private, max-age=86400"),
            ("x-content-type-options", "nosniff"),
        )
        return Response(200, headers, data)

    return Response(body=Later(make), delay=picture.delay)


def _forbidden() -> Response:
    return page(403, "<title>Error 403 (Forbidden)!!1</title><p>Your client does not have permission to get this URL.")
