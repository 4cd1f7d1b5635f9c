"""The control API: the verbs of Google over plain HTTP and JSON on the proxy's own port, for loopback only.

`POST /control/<verb>` with a JSON object; the answer is `{"result": ...}` or 400 with `{"error": "..."}`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import orjson

from gemgate_simulator.attached import FileHabits
from gemgate_simulator.control_json import brush_from_json, wishes_from_json
from gemgate_simulator.exchange import Later, Request, Response
from gemgate_simulator.google import Google
from gemgate_simulator.script import Upload
from gemgate_simulator.switches import Switches

_JSON = (("content-type", "application/json"),)
_OUR_NAMES = ("127.0.0.1", "localhost")

Verb: TypeAlias = Callable[[Google, dict[str, Any]], Any]


class Control:
    """The service behind plain requests to the simulator's port."""

    def __init__(self, google: Google) -> None:
        self._google = google

    def head(self, request: Request) -> Response | None:
        """Nothing is decided before the body is here."""
        del request
        return None

    def handle(self, request: Request) -> Response:
        """Do what the path says."""
        if not request.target.startswith("/"):
            self._google.refused(request.host)  # an http:// address through the proxy
            return _answer(403, error="this proxy only tunnels to Google's hosts")
        if request.host not in _OUR_NAMES:
            return _answer(403, error="the control API answers to 127.0.0.1 only")
        verb = _VERBS.get(request.path.removeprefix("/control/"))
        if verb is None or request.method != "POST":
            return _answer(404, error=f"POST one of /control/{{{','.join(_VERBS)}}}")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _answer(415, error="send application/json")
        answer = partial(self._obey, verb, request.body)
        return Response(body=Later(answer)) if verb is _image else answer()

    def _obey(self, verb: Verb, body: bytes) -> Response:
        try:
            return _answer(200, result=verb(self._google, orjson.loads(body or b"{}")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _answer(400, error=f"{type(error).__name__}: {error}")

    def misbehaved(self, what: str) -> None:
        """A client of the control API broke HTTP."""
        self._google.misbehaved(what)


def _answer(status: int, **body: Any) -> Response:
    return Response(status, _JSON, orjson.dumps(body, default=str))


def _pattern(arguments: dict[str, Any], name: str) -> Any:
    value = arguments.pop(name, None)
    return re.compile(value) if arguments.pop("regex", False) and value is not None else value


def _reply(google: Google, arguments: dict[str, Any]) -> None:
    pattern = _pattern(arguments, "pattern")
    if isinstance(arguments.get("candidates"), list):
        arguments["candidates"] = tuple(arguments["candidates"])
    if "codes" in arguments:
        arguments["codes"] = tuple(arguments["codes"])
    if "rich" in arguments:
        arguments["rich"] = {int(number): value for number, value in arguments["rich"].items()}
    arguments["image"] = tuple(map(brush_from_json, arguments.pop("image", ())))
    google.reply(pattern, **arguments)


def _refuse(google: Google, arguments: dict[str, Any]) -> None:
    google.refuse(_pattern(arguments, "pattern"), **arguments)


def _images(google: Google, arguments: dict[str, Any]) -> None:
    google.images(**wishes_from_json(arguments))


def _image(google: Google, arguments: dict[str, Any]) -> dict[str, str]:
    """An image's file, as it was served and as it would be without the logo."""
    work = google.image(arguments["id"]).work
    files = {"original": work.original(), "plain": work.plain()}
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def _fault(google: Google, arguments: dict[str, Any]) -> None:
    google.fault(**{"match": _pattern(arguments, "match"), **arguments})


def _account(google: Google, arguments: dict[str, Any]) -> dict[str, Any]:
    account = google.account(arguments.pop("account"))
    for name, value in arguments.items():
        if name not in _SETTABLE:
            raise ValueError(f"{name!r} cannot be set; one of {', '.join(_SETTABLE)}")
        setattr(account, name, tuple(value) if name in ("used", "spends") else value)
    return {name: getattr(account, name) for name in ("name", "tier", "email", "expired", *_SETTABLE)}


_SETTABLE = (
    *(
        "status",
        "language",
        "lifetime",
        "grace",
        "needs_stamp",
        "used",
        "spends",
        "stores",
        "page",
        "token_life",
        "consented",
        "age_asked",
    ),
    "rotation",
    *("wall", "file_wall", "temporary_share", "window"),
    *("spent_by", "guest", "downgraded", "unnamed", "renamed"),
)


def _world(google: Google, arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if name not in _HABITS and name not in Switches.__dataclass_fields__:
            raise ValueError(f"{name!r} cannot be set; one of {', '.join((*_HABITS, *Switches.__dataclass_fields__))}")
        known = FileHabits(**value) if name == "files" else value
        setattr(google.world if name in _HABITS else google.world.switches, name, known)


_HABITS = ("reads_temporary", "carries_on", "patience")


def _add_account(google: Google, arguments: dict[str, Any]) -> dict[str, str]:
    account = google.add_account(arguments.pop("account"), **arguments)
    return google.cookies(account.name)


def _record(google: Google, arguments: dict[str, Any]) -> dict[str, Any]:
    del arguments
    return google.record.as_dict()


def _forget(google: Google, arguments: dict[str, Any]) -> None:
    del arguments
    google.record.clear()


def _clear(google: Google, arguments: dict[str, Any]) -> None:
    del arguments
    google.clear()


def _upload(google: Google, arguments: dict[str, Any]) -> dict[str, str]:
    file: Upload = google.uploads[arguments["id"]]
    data = base64.b64encode(file.data).decode()
    return {"id": file.id, "name": file.name, "mime": file.mime, "owner": file.owner, "data": data}


_VERBS: dict[str, Verb] = {
    "reply": _reply,
    "refuse": _refuse,
    "fault": _fault,
    "pictures": _images,
    "picture": _image,
    "research": lambda google, arguments: google.research(**arguments),
    "videos": lambda google, arguments: google.videos(**arguments),
    "music": lambda google, arguments: google.music(**arguments),
    "clear": _clear,
    "record": _record,
    "forget": _forget,
    "expire": lambda google, arguments: google.expire(arguments["account"]),
    "revoke": lambda google, arguments: google.revoke(arguments["account"]),
    "revive": lambda google, arguments: google.revive(arguments["account"]),
    "rotate": lambda google, arguments: google.rotate(arguments["account"]),
    "cookies": lambda google, arguments: google.cookies(arguments["account"]),
    "sign_in": lambda google, arguments: google.sign_in(arguments["account"]),
    "advance": lambda google, arguments: google.advance(arguments["seconds"]),
    "tolerate": lambda google, arguments: google.tolerate(*arguments["hosts"]),
    "account": _account,
    "world": _world,
    "add_account": _add_account,
    "upload": _upload,
}
