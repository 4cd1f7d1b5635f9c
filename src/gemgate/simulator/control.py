"""The control API: the verbs of Google over plain HTTP and JSON, on loopback only."""

from __future__ import annotations

from gemgate.simulator.exchange import Request, Response, page
from gemgate.simulator.google import Google


class Control:
    def __init__(self, google: Google) -> None:
        self._google = google

    def head(self, request: Request) -> Response | None:
        del request
        return None

    def handle(self, request: Request) -> Response:
        return page(404, request.path)

    def misbehaved(self, what: str) -> None:
        self._google.misbehaved(what)
