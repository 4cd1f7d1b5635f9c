"""What the door knows of one HTTP request while it is served, and the facts it reports about it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from gemgate.assembly import Service
from gemgate.dialects.wire import Stamp
from gemgate.errors import GatewayError
from gemgate.ports import Fact, Quota
from gemgate.web.access import Access
from gemgate.web.errors import limit_headers


@dataclass(slots=True)
class Call:
    """One request. `operation` is its route's name; `headers` are added to whatever is answered."""

    service: Service
    access: Access
    request_id: str
    began: float
    operation: str = "none"
    headers: dict[str, str] = field(default_factory=dict)

    def stamp(self, prefix: str, connection: HTTPConnection) -> Stamp:
        """A fresh id and the time, for a dialect's writer."""
        return Stamp(prefix + uuid.uuid4().hex, int(self.service.clock.now()), self.base_url(connection))

    def base_url(self, connection: HTTPConnection) -> str:
        """Our own address as links should name it: PUBLIC_BASE_URL, else what the client called."""
        public = self.service.settings.public_base_url
        return public.rstrip("/") if public else f"{connection.url.scheme}://{connection.url.netloc}"

    def admitted(self, quota: Quota) -> None:
        """Say in the headers what is left of the client's hour."""
        if quota.limit:
            self.headers |= limit_headers(quota.limit, quota.remaining, quota.reset)

    def note(self, name: str, **data: str | int | float | bool | None) -> None:
        self.service.observer.note(Fact(name, self.request_id, data))

    def failed(self, error: GatewayError, *, in_band: bool = False) -> None:
        """Note how it failed, without what the message quotes."""
        self.note(
            "request.failed",
            kind=error.kind,
            code=error.code,
            why=error.plain("en"),
            why_zh=error.plain("zh"),
            generated=error.generated,
            in_band=in_band,
        )

    def seconds(self) -> float:
        """Since the request came."""
        return self.service.clock.monotonic() - self.began


def call_of(connection: HTTPConnection) -> Call:
    call: Call = connection.scope["gemgate.call"]
    return call
