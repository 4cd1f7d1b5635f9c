"""Who asks, and whether they may: keys, sessions of the page, the Host and Origin of browsers, trusted proxies
(docs/threats.md, docs/decisions.md 11).

Keys are compared in constant time and never kept anywhere else. Without keys a loopback service is open to this
machine only, and Host and Origin are checked so that no web page can reach it by DNS rebinding. A session's cookie
changes something only beside its token, from our own page.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import replace
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from gemgate.caller import NO_BUDGET, Caller
from gemgate.dialects.rows import Group
from gemgate.errors import Forbidden, Unauthorized, said
from gemgate.ports.keys import ClientKey, KeyStore, PageSession
from gemgate.ports.runtime import Clock
from gemgate.settings import TOKEN_LENGTH, Settings, is_loopback
from gemgate.settings.api_keys import ApiKey
from gemgate.web.auth import forwarded_caller
from gemgate.web.auth.key_cache import PREFIX, KeyCache, csrf_token
from gemgate.web.auth.login_throttle import LoginThrottle
from gemgate.web.errors import takes_key_in_query
from gemgate.web.request import netloc_of

Level = forwarded_caller.Level

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[\w.~-]{1,100}){1,8}", re.ASCII)
_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?")
_FORWARDING = re.compile(
    r"^(?:forwarded|via|cdn-loop|max-forwards|x[-_]forward.*|x-real-.*|x-original-.*|x-proxy.*|x-envoy-.*|x-amzn?-.*"
    r"|x-azure-.*|x-arr-.*|x-appengine-.*|x-cloud-trace-context|x-google-.*|cf[-_].*|fly-.*|x-vercel-.*|x-akamai-.*"
    r"|x-sucuri-.*|x-varnish|x-haproxy.*|x-nginx.*|x-traefik.*|ngrok-.*|tailscale-.*|x-remote-.*|remote-addr|x-ssl-.*"
    r"|x-rewrite-url|x-host|.*client-?ip|.*user-ip|.*real-ip|.*connecting-ip|x-scheme|x-request-start)$",
    re.MULTILINE,
)
"""Headers that only a proxy writes, among names of one a line: any of them says that somebody else's request came
through this machine.
"""

REMEMBERED = 4096
"""Addresses that are known without reading them again."""
_EXTENSIONS = ("moz-extension://", "chrome-extension://")
_ADMIN_PATHS = ("/api/", "/metrics")


class Access:
    """Turns a connection into a `Caller`, or refuses it."""

    def __init__(self, settings: Settings, store: KeyStore, clock: Clock) -> None:
        self._settings = settings
        self._keys = settings.api_keys
        self._admin = settings.admin_key.get_secret_value() if settings.admin_key else ""
        self._strong = len(self._admin) >= TOKEN_LENGTH
        """Then nobody guesses it, and whoever has it is let in however many wrong keys came from where they are."""
        self.keybook = KeyCache(store, clock, self._admin)
        self._attempts = LoginThrottle(clock)
        self._token_attempts = LoginThrottle(clock)
        self.pairing_attempts = LoginThrottle(clock)
        """Pairing codes that were wrong."""
        self._proxies = [ipaddress.ip_network(network, strict=False) for network in settings.trusted_proxies]
        self._origins = set(settings.cors_origins)
        self._public = urlsplit(settings.public_base_url or "")
        self._own_names = {*_LOCAL_NAMES, settings.host}
        self._fleet_only = settings.fleet_only
        self._guard_host = settings.on_loopback and not self._keys and settings.auth != "none"

    async def caller(self, connection: HTTPConnection, level: Level, request_id: str, group: Group) -> Caller:
        """Who asks; Unauthorized, Forbidden or RateLimited when they may not."""
        if (stated := forwarded_caller.forwarded_of(connection)) is not None:
            return replace(forwarded_caller.believed_caller(stated, level), host=netloc_of(connection))
        if self._fleet_only and level != "open":
            raise _not_the_gateway()
        self.check_browser(connection.headers, extensions=group == "pairing")
        address = self.address(connection)
        network = network_of(address)
        presented = presented_key(connection)
        key = await self._client_key(presented)
        session = None if presented else await self._session(connection)
        made_here = isinstance(key, ClientKey)
        if isinstance(key, ClientKey) and key.account and group != "pairing" and level != "open":
            raise _only_pushes()
        is_admin = session is not None or (not made_here and self._is_admin(connection, presented, network))
        if presented and key is None and not is_admin and (self._keys or self._admin or level == "admin"):
            self._wrong(network, presented, refuse=bool(self._keys) or level == "admin")
        if level == "admin" and not is_admin:
            raise self._not_admin(presented)
        if level == "client" and key is None and (self._keys or presented.startswith(PREFIX)):
            known = session is not None or (is_admin and (self._admin or self._in_browser(connection, presented)))
            if not known:
                raise _no_key(presented)
        if isinstance(key, ClientKey) and key.operations and group not in ("any", *key.operations):
            raise _not_allowed(key.name, key.operations, group)
        if session is not None and level != "open":
            self._check_csrf(connection)
        return Caller(
            tenant=key.name if key else "",
            client=f"key:{key.name}" if key else network,
            address=address,
            per_hour=key.per_hour if key else None,
            admin=is_admin,
            host=netloc_of(connection),
            language=connection.headers.get("accept-language", "en")[:20],
            request_id=request_id,
            models=key.models if isinstance(key, ClientKey) else frozenset(),
            operations=key.operations if isinstance(key, ClientKey) else frozenset(),
            account=key.account if isinstance(key, ClientKey) else "",
            budget=key.budget if isinstance(key, ClientKey) else NO_BUDGET,
        )

    def accept_forwarded(self, connection: HTTPConnection) -> forwarded_caller.ForwardedCaller | None:
        """What a gateway of our fleet stated about the caller of this request.

        Unauthorized with a foreign token; RateLimited after too many of them from one network.
        """
        token = self._settings.internal_token
        if token is None or forwarded_caller.TOKEN_HEADER not in connection.headers:
            return None
        network = network_of(_peer(connection))
        self._token_attempts.check(network)
        try:
            return forwarded_caller.accept(connection, token.get_secret_value())
        except Unauthorized:
            self._token_attempts.failed(network)
            raise

    async def sign_in(self, connection: HTTPConnection, key: str) -> tuple[PageSession, str]:
        """A session for who knows the admin key, and its token. Unauthorized, Forbidden, RateLimited."""
        if not self._admin:
            raise self._not_admin("")
        if not self._from_our_page(connection.headers):
            raise _foreign_page()
        address = self.address(connection)
        network = network_of(address)
        known = hmac.compare_digest(self._admin.encode(), key.encode())
        if not (known and self._strong):
            self._attempts.check(network)
        if not known:
            self._attempts.failed(network)
            raise self._not_admin(key)
        return await self.keybook.begin_session(address, connection.headers.get("user-agent", ""))

    async def session_of(self, connection: HTTPConnection) -> tuple[PageSession, str] | None:
        """The session whose cookie came, and its token."""
        session = await self._session(connection)
        return (session, session_token(connection)) if session else None

    @property
    def asks_key(self) -> bool:
        """Whether calls for an answer need a key: API_KEY is set."""
        return bool(self._keys)

    def page_access(self, connection: HTTPConnection) -> Literal["open", "key", "closed"]:
        """How the page can be had from here without a session: freely, with the admin key, or not at all."""
        if self._admin:
            return "key"
        return "open" if self._from_this_machine(connection) else "closed"

    def is_https(self, connection: HTTPConnection) -> bool:
        """Whether the browser's connection is encrypted, as far as we or a trusted proxy know."""
        if connection.scope.get("scheme") == "https":
            return True
        public, headers = self._public, connection.headers
        if public.scheme == "https" and headers.get("host", "") == public.netloc:
            return True
        # A proxy may keep the name to itself; the browser says where its page is with all that changes something.
        if public.scheme == "https" and headers.get("origin", "") == f"https://{public.netloc}":
            return True
        said = headers.get("x-forwarded-proto", "").partition(",")[0]  # of a list the client's own is first
        return said.strip().lower() == "https" and self._trusted(_peer(connection))

    def below(self, connection: HTTPConnection) -> str:
        """The path below which clients see us, without a slash at its end: that of PUBLIC_BASE_URL, else what a trusted
        proxy says (`X-Forwarded-Prefix`); "" for none.
        """
        if self._settings.public_base_url:
            return self._public.path.rstrip("/")
        said = connection.headers.get("x-forwarded-prefix", "").partition(",")[0].strip().rstrip("/")
        if not said:
            return ""
        return said if _PREFIX.fullmatch(said) and ".." not in said and self._trusted(_peer(connection)) else ""

    def check_browser(self, headers: Headers, *, extensions: bool = False) -> None:
        """Forbidden when a foreign web page asks: by its Host (DNS rebinding) or by its Origin. extensions: whether
        those of a browser may, which are no web pages.
        """
        host = headers.get("host", "")
        if self._guard_host and _name_of(host) not in self._own_names:
            raise Forbidden(
                f"The Host {said(host)!r} is not this machine. "
                "Set API_KEY (or AUTH=none) to serve it under other names",
                f"Host {said(host)!r} 不是本机。如需使用其他名称访问，请设置 API_KEY（或 AUTH=none）",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is None or self._keys or self._settings.auth == "none":
            return
        if extensions and origin.startswith(_EXTENSIONS):
            return
        if "*" in self._origins or origin in self._origins or origin.partition("://")[2] == host:
            return
        raise Forbidden(
            f"Web pages of {said(origin)!r} may not call this service; name the origin in CORS_ORIGINS",
            f"来源 {said(origin)!r} 的网页不允许调用本服务，请在 CORS_ORIGINS 中添加",
            code="origin_not_allowed",
        )

    def address(self, connection: HTTPConnection) -> str:
        """The client's address: the peer's, or what trusted proxies say in X-Forwarded-For."""
        peer = _peer(connection)
        lines = connection.headers.getlist("x-forwarded-for")
        if not lines or not self._trusted(peer):
            return peer
        nearest = peer
        # Every proxy adds behind what came, on a line of its own or on the last one: from the end, the first that is
        # not ours is whom ours saw. What is no address was not written by a proxy of ours.
        for hop in reversed(",".join(lines).split(",")):
            address = _address(hop)
            if not address:
                return nearest
            nearest = address
            if not self._trusted(address):
                break
        return nearest

    def cors_headers(self, origin: str | None, path: str) -> dict[str, str]:
        """Headers that let the named web pages read our answers; none for others, none on routes of an admin."""
        if origin is None or not ("*" in self._origins or origin in self._origins) or path.startswith(_ADMIN_PATHS):
            return {}
        return {
            "access-control-allow-origin": "*" if "*" in self._origins else origin,
            "access-control-expose-headers": "*",
            "vary": "origin",
        }

    def _wrong(self, network: str, presented: str, *, refuse: bool) -> None:
        """A wrong key came, on whatever route. RateLimited after too many of them, where keys are asked for.

        Where none is, programs send any: then only a different one counts, and it may be a guess of the admin key.
        """
        if refuse:
            self._attempts.check(network)
            self._attempts.failed(network)
        elif self._attempts.differs(network, presented):
            self._attempts.failed(network)

    async def _client_key(self, presented: str) -> ApiKey | ClientKey | None:
        found: ApiKey | ClientKey | None = None
        for key in self._keys:
            if hmac.compare_digest(key.secret.encode(), presented.encode()):
                found = key
        if found is None and presented.startswith(PREFIX):
            found = self.keybook.client_key(presented)
            if found is None:
                await self.keybook.refresh_if_stale()
                found = self.keybook.client_key(presented)
        return found

    async def _session(self, connection: HTTPConnection) -> PageSession | None:
        token = session_token(connection) if self._admin else ""
        if not token:
            return None
        session = self.keybook.session(token)
        if session is None:
            await self.keybook.refresh_if_stale()
            session = self.keybook.session(token)
        return session

    def _check_csrf(self, connection: HTTPConnection) -> None:
        """Forbidden when a session's cookie came along with something that our own page did not send."""
        if connection.scope["method"] in _SAFE:
            return
        token = connection.headers.get("x-csrf-token", "")
        if not hmac.compare_digest(csrf_token(session_token(connection)).encode(), token.encode()):
            raise Forbidden(
                "The page's token is missing or wrong; reload the page and try again",
                "页面令牌缺失或错误，请刷新页面后重试",
                code="csrf",
            )
        if not self._from_our_page(connection.headers):
            raise _foreign_page()

    def _from_our_page(self, headers: Headers) -> bool:
        """Whether a browser says that this comes from a page of ours, or no browser does."""
        if (site := headers.get("sec-fetch-site")) is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        return origin is None or origin.partition("://")[2] in {headers.get("host", ""), self._public.netloc} - {""}

    def _is_admin(self, connection: HTTPConnection, presented: str, network: str) -> bool:
        if self._admin:
            known = hmac.compare_digest(self._admin.encode(), presented.encode())
            return known and (self._strong or not self._attempts.wait(network))
        return self._from_this_machine(connection)

    def _from_this_machine(self, connection: HTTPConnection) -> bool:
        """Whether a person or program on this machine asks, and no foreign web page in their browser.

        Never where API_KEY is set: such a service is meant for others, and a proxy on this machine need not say that
        they come through it.
        """
        headers = connection.headers
        if self._keys or not _is_here(_peer(connection)) or _FORWARDING.search("\n".join(headers).lower()):
            return False
        if _name_of(headers.get("host", "")) not in self._own_names:
            return False
        return self._from_our_page(headers)

    @staticmethod
    def _in_browser(connection: HTTPConnection, presented: str) -> bool:
        """Whether our own page asks, which has no key where this machine's pages are an admin's.

        Programs bring a key wherever one is set: through a proxy on this machine everybody seems to be here.
        """
        return not presented and connection.headers.get("sec-fetch-site") in ("same-origin", "none")

    def _not_admin(self, presented: str) -> Unauthorized | Forbidden:
        if self._admin and not presented:
            return Unauthorized("This needs the admin key", "此操作需要管理密钥", code="admin_key_required")
        if self._admin:
            return Unauthorized("The admin key is wrong", "管理密钥错误", code="invalid_admin_key")
        if self._keys:
            return Forbidden(
                "API_KEY is set, so this service is for others too: set ADMIN_KEY to manage it",
                "已设置 API_KEY，本服务面向他人开放：请设置 ADMIN_KEY 以进行管理",
                code="admin_only",
            )
        return Forbidden(
            "Without ADMIN_KEY this can only be done from the machine itself",
            "未设置 ADMIN_KEY 时，此操作只能在本机进行",
            code="admin_only",
        )

    def _trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._proxies)


def _not_the_gateway() -> Unauthorized:
    return Unauthorized(
        "This node takes calls from its gateway only (INTERNAL_TOKEN); call the gateway, or set API_KEY here",
        "本节点仅接受网关的请求（INTERNAL_TOKEN），请调用网关，或在此设置 API_KEY",
        code="gateway_only",
    )


def _no_key(presented: str) -> Unauthorized:
    if presented:
        return Unauthorized(
            "The API key is wrong: it is none of API_KEY, and none that was made on the page",
            "API 密钥错误：既不在 API_KEY 中，也不是在页面上创建的",
            code="invalid_api_key",
        )
    return Unauthorized(
        "The API key is missing or wrong; send it as `Authorization: Bearer KEY`",
        "缺少 API 密钥或密钥错误，请使用 `Authorization: Bearer KEY`",
        code="invalid_api_key",
    )


def check_group(caller: Caller, group: str) -> None:
    """Forbidden when the caller's key is not for a group of operations, for what is done in its name later."""
    if caller.operations and group not in caller.operations:
        raise _not_allowed(caller.tenant, caller.operations, group)


def _only_pushes() -> Forbidden:
    return Forbidden(
        "This is the key of a paired browser: it pushes one account's cookies and does nothing else",
        "这是已配对浏览器的密钥：只能推送一个账号的 Cookie，不能用于其他操作",
        code="pairing_key",
    )


def _not_allowed(name: str, operations: frozenset[str], group: str) -> Forbidden:
    allowed = ", ".join(sorted(operations))
    return Forbidden(
        f"The key {name} is not for {group}; it is for: {allowed}",
        f"密钥 {name} 不能用于 {group}，仅可用于：{allowed}",
        code="operation_not_allowed",
    )


def _foreign_page() -> Forbidden:
    return Forbidden(
        "This did not come from the page itself. Behind a proxy, let it pass the Host header on or set PUBLIC_BASE_URL",
        "请求并非来自本页面。如使用反向代理，请让其传递 Host 请求头，或设置 PUBLIC_BASE_URL",
        code="foreign_page",
    )


def cookie_name(connection: HTTPConnection) -> str:
    """The session cookie's name. Cookies know no ports, so the port is in it: several services on one machine."""
    return f"gemgate_{connection.url.port or 0}"


def session_token(connection: HTTPConnection) -> str:
    """Our cookie's value, "" for none. Read as we write it: without quotes, which Python 3.11.9 and 3.12.5 and those
    before them take off at the square of their length (CVE-2024-7592).
    """
    cookies = connection.headers.get("cookie")
    if not cookies:
        return ""
    ours = cookie_name(connection) + "="
    found = (part for part in map(str.strip, cookies.split(";")) if part.startswith(ours))
    return next(found, "").removeprefix(ours)


def presented_key(connection: HTTPConnection) -> str:
    """The key in any of the places the official clients put it (docs/client-contracts.md 1); empty when there is none.

    In the query only on Google's routes: elsewhere `key` is a word like others, a filter of the page's lists say.
    """
    headers = connection.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if key := headers.get("x-api-key") or headers.get("x-goog-api-key"):
        return key
    return connection.query_params.get("key", "") if takes_key_in_query(connection.scope["path"]) else ""


def _address(hop: str) -> str:
    """The address of an entry of X-Forwarded-For, without port and brackets; "" for what is none."""
    match = _PORT.fullmatch(hop.strip())
    text = (match[1] or match[2]) if match else hop.strip()
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return ""


def _peer(connection: HTTPConnection) -> str:
    """The address of who is connected to us; "" for a socket that has none."""
    client = connection.scope.get("client")
    return client[0] if client else ""


_is_here = lru_cache(REMEMBERED)(is_loopback)
"""Whether an address is this machine's own."""


@lru_cache(REMEMBERED)
def network_of(address: str) -> str:
    """What limits count by: an IPv4 address, or an IPv6 one's /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address or "local"
    if ip.version == 6:
        mapped = ip.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def _name_of(host: str) -> str:
    """The name in a Host header; "" for what is none, so that nothing can be hidden in front of or behind it."""
    match = _HOST.fullmatch(host)
    return match[1] if match else ""
