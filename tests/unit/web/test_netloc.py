"""Where we were called is read once for each spelling, and as the framework reads it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from gemgate.web.request import LONGEST_HOST, netloc_of

HOSTS = (
    *(None, "", "gate.test", "GATE.test:8080", "127.0.0.1:80", "[::1]:8000", "[::1", "gate.test:99999", "a/b", "a?b"),
    *("gate.test:port", "user@gate.test", "a" * LONGEST_HOST, "a" * (LONGEST_HOST + 1), "caf\xe9.test"),
)
SERVERS: tuple[Any, ...] = (("127.0.0.1", 8000), ["testserver", 80], ("::1", 443), None)


@pytest.mark.parametrize("server", SERVERS, ids=str)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: str(host)[:20])
def test_it_is_the_address_s(host: str | None, scheme: str, server: Any) -> None:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": "http", "scheme": scheme, "path": "/v1/models", "query_string": b"a=b", "server": server}
    request = Request({**scope, "headers": headers})
    for _ in range(2):
        assert netloc_of(request) == request.url.netloc
