"""What the door knows of one HTTP request while it is served, and the facts it reports about it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from gemgate.accounts import AccountModel
from gemgate.assembly.live_settings import LiveSettings
from gemgate.assembly.service import Service
from gemgate.caller import Caller, Quota, told
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest, GatewayError
from gemgate.fleet.nodes import Fleet
from gemgate.machine import Machine
from gemgate.policy.model_rank import Policy
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.settings import Settings
from gemgate.web.auth.access import Access
from gemgate.web.errors import BUDGET, limit_headers
from gemgate.web.keepalive import KeepAlive
from gemgate.web.request import netloc_of


class AppState(Protocol):
    """What every route finds behind it, on a node as at the front of a fleet, where there are no accounts."""

    @property
    def settings(self) -> Settings: ...
    @property
    def live(self) -> LiveSettings: ...
    @property
    def origins(self) -> Mapping[str, str]: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def observer(self) -> Observer: ...
    @property
    def degraded(self) -> str: ...
    @property
    def machine(self) -> Machine: ...
    def troubles(self, language: str = "en") -> list[str]: ...
    def models(self) -> tuple[AccountModel, ...]: ...
    async def audit(self, caller: Caller, action: str, account: str, detail: str = "") -> None: ...


class FrontState(AppState, Protocol):
    """What routes of a fleet's front find behind them."""

    @property
    def fleet(self) -> Fleet: ...


@dataclass(slots=True)
class RequestContext:
    """One request, wherever it is served. `operation` is its route's name; `headers` are added to whatever is answered.

    policy_wanted: the header `x-gemgate-model-policy` as it came. added: seconds that we added until the answer began.
    request, keepalive: what came and the way of the answer, set by the door; below: the path that clients see us below.
    caller: set by the operation that serves it, before its endpoint is called with this context alone.
    """

    state: AppState
    access: Access
    request_id: str
    began: float
    operation: str = "none"
    headers: dict[str, str] = field(default_factory=dict)
    policy_wanted: str = ""
    added: float | None = None
    below: str = ""
    request: Request = field(init=False, repr=False)
    caller: Caller = field(init=False, repr=False)
    keepalive: KeepAlive = field(init=False, repr=False)

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

    def meta(self, prefix: str) -> ResponseMeta:
        """A fresh id and the time, for a dialect's writer."""
        return ResponseMeta(
            prefix + secrets.token_hex(16), int(self.state.clock.now()), self.base_url, self.caller.language
        )

    @property
    def base_url(self) -> str:
        """Our own address as links should name it: PUBLIC_BASE_URL, else what the client called, below the path that a
        trusted proxy names.
        """
        public, request = self.state.settings.public_base_url, self.request
        scheme = "https" if self.access.is_https(request) else "http"
        return public.rstrip("/") if public else f"{scheme}://{netloc_of(request)}{self.below}"

    def admitted(self, quota: Quota) -> None:
        """Say in the headers what is left of the client's hour and budgets."""
        if quota.left:
            self.headers[BUDGET] = told(quota.left)
        if quota.limit:
            self.headers |= limit_headers(quota.limit, quota.remaining, quota.reset)

    def note(self, name: str, **data: str | int | float | bool | None) -> None:
        self.state.observer.emit(TelemetryEvent(name, self.request_id, data))

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
        """The answer begins: say what we added to it, if that is known here."""

    def seconds(self) -> float:
        """Since the request came."""
        return self.state.clock.monotonic() - self.began


@dataclass(slots=True)
class NodeContext(RequestContext):
    """One request that a node answers, which has accounts, a store and jobs."""

    service: Service = field(kw_only=True)

    def begins(self) -> None:
        if (added := self.service.recent.overhead(self.request_id)) is not None:
            self.added = round(added, 5)
            self.headers["x-gemgate-overhead-ms"] = f"{added * 1e3:.2f}"


@dataclass(slots=True)
class FrontContext(RequestContext):
    """One request at the front of a fleet, which answers it or passes it on to a node."""

    fleet: Fleet = field(kw_only=True)


def node_request(service: Service, access: Access, request_id: str) -> NodeContext:
    """The context of a request that has just come to a node."""
    return NodeContext(service, access, request_id, service.clock.monotonic(), service=service)


def front_request(state: FrontState, access: Access, request_id: str) -> FrontContext:
    """The context of a request that has just come to a fleet's front; what nodes added to it they say themselves."""
    return FrontContext(state, access, request_id, state.clock.monotonic(), fleet=state.fleet)


def context_of(connection: HTTPConnection) -> RequestContext:
    """For whoever meets the request outside its endpoint."""
    return context_in(connection.scope)


def context_in(scope: Scope) -> RequestContext:
    """For whoever serves it as an ASGI application."""
    context: RequestContext = scope["gemgate.context"]
    return context
