"""A request as the door makes it, once: everybody behind it asks the same one for its headers and its address."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

from starlette.datastructures import URL, Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope


class RequestHeaders(Headers):
    """The framework's headers, found by name at once. Of a name that came twice the first counts; `getlist` has all."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._first = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self._list)}

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower()]

    def __contains__(self, key: Any) -> bool:
        return key.lower() in self._first

    def get(self, key: str, default: Any = None) -> Any:
        return self._first.get(key.lower(), default)


LONGEST_HOST = 260
"""Characters of a host with its port: longer ones are none, and are not kept."""


def netloc_of(connection: HTTPConnection) -> str:
    """What the client called us: `url.netloc`, for which the framework writes and reads the whole address."""
    scope, host, server = connection.scope, connection.headers.get("host"), connection.scope.get("server")
    if host is not None and len(host) > LONGEST_HOST:
        return connection.url.netloc
    return _netloc(scope.get("scheme", "http"), host, tuple(server) if server else None)


@lru_cache(maxsize=256)
def _netloc(scheme: str, host: str | None, server: tuple[str, int | None] | None) -> str:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    return URL(scope={"scheme": scheme, "server": server, "path": "/", "headers": headers}).netloc


class DoorRequest(Request):
    """One request; its headers are read when the first is asked for."""

    @cached_property
    def headers(self) -> Headers:
        return RequestHeaders(self.scope)
