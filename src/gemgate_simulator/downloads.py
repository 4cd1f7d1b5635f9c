"""The image hosts: previews by size, and the way to the full size over texts that name the next address.

Who holds a link to googleusercontent.com may use it; under google.com the session of the picture's account must stand
behind it (docs/gemini-webapi.md 3 and 7). Files are made in a worker thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gemgate.accounts import PSID, PSIDCC, PSIDTS
from gemgate_simulator.accounts import Caller
from gemgate_simulator.encode import Options, options
from gemgate_simulator.exchange import Break, Later, Request, Response, page
from gemgate_simulator.faults import apply_fault
from gemgate_simulator.gallery import SimulatedImage
from gemgate_simulator.links import Link
from gemgate_simulator.record import Fetch
from gemgate_simulator.state import ServiceState

_SUFFIX = re.compile(r"(?P<token>[\w-]+)(?:=(?P<words>[\w-]*))?")
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request to an image host, read. link: None where no such links live; options: None when they mean nothing."""

    link: Link | None
    image: SimulatedImage | None
    options: Options | None
    words: str


def respond(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Answer one request to an image host, or let its fault happen; the record takes note of the picture's fetch."""
    visit = _read(world, request)
    drawn = visit.image.drawn if visit.image else None
    route = visit.link.route if visit.link else ""
    account = drawn.account if drawn else caller.name
    prompt = drawn.prompt if drawn else ""
    fault = world.script.next_fault(("image", route), account, prompt, reused=request.nth > 0)
    answer = partial(_answer, world, visit, request, caller)
    response = apply_fault(answer, fault) if fault else answer()
    if drawn is not None:
        status = 0 if isinstance(response.body, Break) else response.status
        fetch = Fetch(world.clock(), route, visit.words, status)
        drawn.note(fetch)
        response.on_end = fetch.ended
    return response


def _read(world: ServiceState, request: Request) -> _Visit:
    kind, _, rest = request.path.strip("/").partition("/")
    found = _SUFFIX.fullmatch(rest)
    link = world.gallery.links.read(request.host, kind, found["token"]) if found else None
    words = (found["words"] or "") if found else ""
    return _Visit(link, world.gallery.find(link.key) if link else None, options(words), words)


def _answer(world: ServiceState, visit: _Visit, request: Request, caller: Caller) -> Response:
    link, image = visit.link, visit.image
    public = not request.host.endswith(".google.com")
    if public and any(name in (PSID, PSIDTS, PSIDCC) for name, _ in request.cookies):
        world.record.violation(f"session cookies were sent to {request.host}")
    if link is None:
        return page(404, "<h1>404</h1>")
    if request.method != "GET":
        return page(405, "<h1>405</h1>")
    if link.expired:
        return _forbidden()
    if image is None:
        if not link.key:
            world.record.violation(f"a {link.route} link that was never given out")
        return _forbidden()
    if visit.options is None:
        world.record.violation(f"unknown options ={visit.words} of a picture's link")
        return page(400, "<h1>400</h1>")
    if link.route == "hop2" and not _may(world, image, caller):
        return _forbidden()
    if link.route == "preview":
        wanted = visit.options
        return _file(image, lambda: image.work.sized(wanted), "inline")
    return _towards_the_file(link, image, visit.options, request)


def _may(world: ServiceState, image: SimulatedImage, caller: Caller) -> bool:
    """Whether the session that stands behind a request is the one the image was made for."""
    if caller.account and caller.account.flagged and caller.bare:
        return False  # its media want more cookies than the three (docs/google-wire.md 5.2)
    if image.owner is None or image.owner == caller.name:
        return image.owner is None or caller.alive or not caller.name
    if caller.alive:
        world.record.violation(f"picture {image.id!r} belongs to another account than {caller.name}")
    return False


def _towards_the_file(link: Link, image: SimulatedImage, wanted: Options, request: Request) -> Response:
    """The next address as text; as a redirect to those who do not say `alr=yes`; the file at the end of the way."""
    if not wanted.attachment:
        return _forbidden()
    match link.route:
        case "hop1":
            further = image.link("hop2")
        case "hop2":
            further = image.link("original")
        case _:
            name = f'attachment;filename="Gemini_Generated_Image_{image.key[:12]}"'
            return _file(image, lambda: (image.work.original(), image.work.mime), name)
    further += "=s0-d-I?alr=yes"
    if not wanted.text or request.query.get("alr") != "yes":
        return page(302, "", "text/html", ("location", further))
    return page(200, further, _TEXT, ("cache-control", "private, no-cache"))


def _file(image: SimulatedImage, draw: Callable[[], tuple[bytes, str]], disposition: str) -> Response:
    def make() -> Response:
        data, mime = draw()
        headers = (
            ("content-type", mime or "image/png"),
            ("content-disposition", disposition),
            ("cache-control", "private, max-age=86400"),
            ("x-content-type-options", "nosniff"),
        )
        return Response(200, headers, data)

    return Response(body=Later(make), delay=image.delay)


def _forbidden() -> Response:
    return page(403, "<title>Error 403 (Forbidden)!!1</title><p>Your client does not have permission to get this URL.")
