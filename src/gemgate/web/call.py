"""What the door knows of one HTTP request while it is served, and the facts it reports about it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection

from gemgate.accounts import Offer
from gemgate.assembly import Service
from gemgate.dialects.wire import Stamp
from gemgate.errors import BadRequest, GatewayError
from gemgate.fleet.nodes import Fleet
from gemgate.machine import Machine
from gemgate.policy.served import Policy
from gemgate.ports import Caller, Clock, Fact, Observer, Quota
from gemgate.settings import Settings
from gemgate.web.access import Access
from gemgate.web.errors import limit_headers


class House(Protocol):
    """What doors find behind them, on a node (a `Service`) as at the edge of a fleet, where there are no accounts."""

    @property
    def settings(self) -> Settings: ...
    @property
    def origins(self) -> Mapping[str, str]: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def observer(self) -> Observer: ...
    @property
    def fleet(self) -> Fleet | None: ...
    @property
    def degraded(self) -> str: ...
    @property
    def machine(self) -> Machine: ...
    def troubles(self, language: str = "en") -> list[str]: ...
    def offers(self) -> tuple[Offer, ...]: ...
    async def audit(self, caller: Caller, action: str, account: str, detail: str = "") -> None: ...


@dataclass(slots=True)
class Call:
    """One request. `operation` is its route's name; `headers` are added to whatever is answered.

    policy_wanted: the header `x-gemgate-model-policy` as it came. added: seconds that we added until the answer began.
    """

    house: House
    access: Access
    request_id: str
    began: float
    operation: str = "none"
    headers: dict[str, str] = field(default_factory=dict)
    policy_wanted: str = ""
    added: float | None = None

    @property
    def service(self) -> Service:
        """The node that answers; routes that ask for it are never served at the edge."""
        assert isinstance(self.house, Service)
        return self.house

    @property
    def model_policy(self) -> Policy | None:
        """The caller's own rule for answers by another model, None for the service's; BadRequest for none we know."""
        match self.policy_wanted.strip().lower():
            case "":
                return None
            case "report":
                return "report"
            case "require":
                return "require"
        raise BadRequest(
            "x-gemgate-model-policy is report or require",
            "x-gemgate-model-policy 只能是 report 或 require",
            param="x-gemgate-model-policy",
        )

    def stamp(self, prefix: str, connection: HTTPConnection) -> Stamp:
        """A fresh id and the time, for a dialect's writer."""
        return Stamp(prefix + secrets.token_hex(16), int(self.house.clock.now()), self.base_url(connection))

    def base_url(self, connection: HTTPConnection) -> str:
        """Our own address as links should name it: PUBLIC_BASE_URL, else what the client called, below the path that a
        trusted proxy names.
        """
        public = self.house.settings.public_base_url
        scheme = "https" if self.access.is_https(connection) else "http"
        return public.rstrip("/") if public else f"{scheme}://{connection.url.netloc}{self.access.below(connection)}"

    def admitted(self, quota: Quota) -> None:
        """Say in the headers what is left of the client's hour."""
        if quota.limit:
            self.headers |= limit_headers(quota.limit, quota.remaining, quota.reset)

    def note(self, name: str, **data: str | int | float | bool | None) -> None:
        self.house.observer.note(Fact(name, self.request_id, data))

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

    def begins(self) -> None:
        """The answer begins: say what we added to it. At the edge of a fleet the node has said so."""
        if isinstance(self.house, Service) and (added := self.house.recent.overhead(self.request_id)) is not None:
            self.added = round(added, 5)
            self.headers["x-gemgate-overhead-ms"] = f"{added * 1e3:.2f}"

    def seconds(self) -> float:
        """Since the request came."""
        return self.house.clock.monotonic() - self.began


def call_of(connection: HTTPConnection) -> Call:
    call: Call = connection.scope["gemgate.call"]
    return call
