"""The plain endpoints: which host and path is what, and one function for each.

generate.py, rpc.py and downloads.py hold the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qs

from gemgate.accounts import PSID, PSIDTS
from gemgate_simulator import films, pages
from gemgate_simulator.accounts import Caller
from gemgate_simulator.addresses import SORRY_HOST, SORRY_PATH, sorry
from gemgate_simulator.exchange import Request, Response, page
from gemgate_simulator.state import ServiceState
from gemgate_simulator.uploads import DEFAULT_PUSH_ID, read_multipart

STREAM_GENERATE = "/_/BardChatUi/data/assistant.lamda.BardFrontendService/StreamGenerate"
PROCESS_FILE = STREAM_GENERATE.replace("StreamGenerate", "ProcessFile")
BATCH_EXECUTE = "/_/BardChatUi/data/batchexecute"
ROTATED = '[["identity.hfcr",600],["di",22]]'
ROTATE_BODY = b'[000,"-0000000000000000000"]'

_ROUTES: dict[tuple[str, str, str], str] = {
    ("GET", "gemini.google.com", "/app"): "init",
    ("POST", "gemini.google.com", STREAM_GENERATE): "generate",
    ("POST", "gemini.google.com", PROCESS_FILE): "process_file",
    ("POST", "gemini.google.com", BATCH_EXECUTE): "rpc",
    ("GET", "www.google.com", "/"): "preflight",
    ("GET", SORRY_HOST, SORRY_PATH): "sorry",
    ("POST", "accounts.google.com", "/RotateCookies"): "rotate",
    ("GET", "accounts.google.com", "/RotateCookiesPage"): "rotate_page",
    ("GET", "accounts.google.com", "/ServiceLogin"): "login",
    ("POST", "accounts.google.com", "/ServiceLogin"): "login",
    ("GET", "accounts.google.com", pages.PASSWORD_PATH): "password",
    ("GET", "myaccount.google.com", pages.AGE_PATH): "age",
    ("POST", "content-push.googleapis.com", "/upload"): "upload",
}

SOCS = "SOCS"
"""The cookie that says the consent page was answered."""
_IMAGE_HOSTS = (".googleusercontent.com", ".usercontent.google.com")


def place(request: Request) -> str:
    """The word for what a request wants: a key of HANDLERS, "generate", "rpc" or "image"."""
    if known := _ROUTES.get((request.method, request.host, request.path)):
        return known
    if request.host in (films.HOST, films.SECOND_HOST):
        return "film"
    return "image" if request.host.endswith(_IMAGE_HOSTS) else "other"


def rpcids(request: Request) -> tuple[str, ...]:
    """The RPCs that the query of a batchexecute names."""
    if request.path != BATCH_EXECUTE:
        return ()
    return tuple(filter(None, request.query.get("rpcids", "").split(",")))


def init(world: ServiceState, request: Request, caller: Caller) -> Response:
    """The app's page; a guest's page for whoever is not signed in."""
    if caller.account and not caller.account.consented and SOCS not in dict(request.cookies):
        return pages.consent()
    if caller.session and caller.session.revoked:
        return pages.moved(pages.PASSWORD)
    if caller.alive and caller.account and caller.account.age_asked:
        return pages.moved(pages.AGE)
    if caller.alive and caller.account is None:
        return pages.elsewhere()
    opened = world.open_page(caller.session if caller.alive else None, request.user, request.query.get("hl", ""))
    return pages.app(opened, request.query.get("rotate", ""))


def preflight(world: ServiceState, request: Request, caller: Caller) -> Response:
    """www.google.com: what matters is the anonymous cookies it sets."""
    del request, caller
    common = "expires=Tue, 18-May-2038 00:00:00 GMT; path=/; domain=.google.com; Secure"
    dice = world.dice("preflight")
    return page(
        200,
        "<h1>Google</h1>",
        "text/html; charset=utf-8",
        ("set-cookie", f"NID=531={dice.getrandbits(160):x}; {common}; HttpOnly"),
        ("set-cookie", f"AEC=AaJma5{dice.getrandbits(160):x}; {common}; SameSite=lax"),
    )


def sorried(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Where a blocked address is sent to."""
    del world, request, caller
    return sorry()


def rotate(world: ServiceState, request: Request, caller: Caller) -> Response:
    """RotateCookies: a new `__Secure-1PSIDTS` for a living session, 401 for any other."""
    rule = ""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        rule = "Content-Type is not application/json"
    elif request.headers.get("origin") != "https://accounts.google.com":
        rule = "Origin is not https://accounts.google.com"
    elif request.body != ROTATE_BODY:
        rule = f"the body is not {ROTATE_BODY.decode()}"
    if rule:
        world.record.violation(f"RotateCookies: {rule}")
        return page(400, "", "text/plain")
    if not caller.alive or caller.session is None:
        return page(401, "", "text/plain")
    now, session = world.clock(), caller.session
    if 0 <= now - session.asked_at < session.account.rotate_gap:
        return page(429, "", "text/plain")
    session.asked_at = now
    names = {name for name, _ in request.cookies}
    kind = caller.session.account.rotation
    if kind == "bound" or (kind == "pair" and names != {PSID, PSIDTS}) or (kind == "jar" and names <= {PSID, PSIDTS}):
        return page(401, "", "text/plain")
    if kind == "withheld":
        caller.session.refresh()
        return page(200, ROTATED, "application/json; charset=utf-8", *pages.rotated_cookies(caller.session)[1:])
    world.accounts.rotate(caller.session)
    return page(200, ROTATED, "application/json; charset=utf-8", *pages.rotated_cookies(caller.session))


def asking(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Where somebody has to type a password, or a birthday."""
    del world, caller
    return pages.asking(request.path)


def rotate_page(world: ServiceState, request: Request, caller: Caller) -> Response:
    """The frame whose script rotates the cookies of a browser."""
    del world, caller
    return pages.rotate_page(request.query.get("every", ""))


def login(world: ServiceState, request: Request, caller: Caller) -> Response:
    """The sign-in form, and what its button does."""
    del caller
    if request.method == "GET":
        names = [account.name for account in world.accounts]
        return pages.sign_in_form(names, request.query.get("account", ""))
    name = parse_qs(request.body.decode("latin-1")).get("account", [""])[0]
    if name in world.accounts:
        return pages.signed_in(world.accounts.sign_in(name))
    return page(404, "<h1>No such account</h1>")


def upload(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Keep a file for a day; the Push-ID says whose it is (no cookie reaches this host)."""
    del caller
    sent, wrong = request.headers, []
    owners = {account.push_id: account.name for account in world.accounts} | {DEFAULT_PUSH_ID: ""}
    owner = owners.get(sent.get("push-id", ""))
    if owner is None:
        wrong.append("Push-ID is not one that a page gave out")
    if sent.get("x-tenant-id") != "bard-storage":
        wrong.append("X-Tenant-Id is not bard-storage")
    if sent.get("origin") != "https://gemini.google.com":
        wrong.append("Origin is not https://gemini.google.com")
    if not sent.get("referer", "").startswith("https://gemini.google.com/"):
        wrong.append("Referer is not on https://gemini.google.com/")
    file = read_multipart(request)
    if isinstance(file, str):
        wrong.append(file)
    if wrong or owner is None or isinstance(file, str):
        world.record.violation(f"upload: {'; '.join(wrong)}")
        return page(400, "", "text/plain")
    name, mime, data = file
    return page(200, world.uploads.add(name, mime, data, owner, world.clock()).id, "text/plain; charset=utf-8")


def film(world: ServiceState, request: Request, caller: Caller) -> Response:
    """The file of a video."""
    response, wrong = world.films.respond(request, caller)
    if wrong:
        world.record.violation(wrong)
    return response


def other(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Whatever a browser asks for besides; an unknown path of the app's own API is a broken rule."""
    del caller
    if request.path.startswith("/_/"):
        world.record.violation(f"unknown path {request.method} {request.path}")
    return page(404, "<h1>404</h1>")


Handler: TypeAlias = Callable[[ServiceState, Request, Caller], Response]

HANDLERS: dict[str, Handler] = {
    "init": init,
    "preflight": preflight,
    "sorry": sorried,
    "rotate": rotate,
    "rotate_page": rotate_page,
    "login": login,
    "password": asking,
    "age": asking,
    "upload": upload,
    "film": film,
    "other": other,
}
