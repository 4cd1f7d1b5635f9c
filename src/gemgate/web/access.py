"""Who asks, and whether they may: keys, the Host and Origin of browsers, trusted proxies (spec 6, decisions.md 11).

Keys are compared in constant time and never kept anywhere else. Without keys a loopback service is open to this
machine only, and Host and Origin are checked so that no web page can reach it by DNS rebinding.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from gemgate.errors import Forbidden, Unauthorized
from gemgate.ports import Caller
from gemgate.settings import ApiKey, Settings, is_loopback

Level = Literal["open", "client", "admin"]

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


class Access:
    """Turns a connection into a `Caller`, or refuses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = settings.api_keys
        self._admin = settings.admin_key.get_secret_value() if settings.admin_key else ""
        self._proxies = [ipaddress.ip_network(network, strict=False) for network in settings.trusted_proxies]
        self._origins = set(settings.cors_origins)
        self._guard_host = settings.on_loopback and not self._keys and settings.auth != "none"

    def caller(self, connection: HTTPConnection, level: Level, request_id: str) -> Caller:
        """Who asks; Unauthorized or Forbidden when they may not."""
        self.check_browser(connection.headers)
        address = self.address(connection)
        language = connection.headers.get("accept-language", "en")[:20]
        presented = presented_key(connection)
        is_admin = self._is_admin(connection, presented)
        if level == "admin" and not is_admin:
            raise self._not_admin(presented)
        key = self._client_key(presented)
        if level == "client" and self._keys and key is None and not is_admin:
            raise Unauthorized(
                "The API key is missing or wrong; send it as `Authorization: Bearer KEY`"
                if not presented
                else "The API key is wrong",
                "缺少 API 密钥或密钥错误，请使用 `Authorization: Bearer KEY`" if not presented else "API 密钥错误",
                code="invalid_api_key",
            )
        return Caller(
            tenant=key.name if key else "",
            client=f"key:{key.name}" if key else network_of(address),
            address=address,
            per_hour=key.per_hour if key else None,
            admin=is_admin,
            language=language,
            request_id=request_id,
        )

    def check_browser(self, headers: Headers) -> None:
        """Forbidden when a foreign web page asks: by its Host (DNS rebinding) or by its Origin."""
        host = headers.get("host", "")
        if self._guard_host and _name_of(host) not in (*_LOCAL_NAMES, self._settings.host):
            raise Forbidden(
                f"The Host {host!r} is not this machine. Set API_KEY (or AUTH=none) to serve it under other names",
                f"Host {host!r} 不是本机。如需使用其他名称访问，请设置 API_KEY（或 AUTH=none）",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is None or self._keys or self._settings.auth == "none":
            return
        if "*" in self._origins or origin in self._origins or origin.partition("://")[2] == host:
            return
        raise Forbidden(
            f"Web pages of {origin!r} may not call this service; name the origin in CORS_ORIGINS",
            f"来源 {origin!r} 的网页不允许调用本服务，请在 CORS_ORIGINS 中添加",
            code="origin_not_allowed",
        )

    def address(self, connection: HTTPConnection) -> str:
        """The client's address: the peer's, or what trusted proxies say in X-Forwarded-For."""
        peer = connection.client.host if connection.client else ""
        forwarded = connection.headers.get("x-forwarded-for")
        if not forwarded or not self._trusted(peer):
            return peer
        for hop in reversed([part.strip() for part in forwarded.split(",")]):
            if not self._trusted(hop):
                return hop or peer
        return peer

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Headers that let the named web pages read our answers; none for all others."""
        if origin is None or not ("*" in self._origins or origin in self._origins):
            return {}
        return {
            "access-control-allow-origin": "*" if "*" in self._origins else origin,
            "access-control-expose-headers": "*",
            "vary": "origin",
        }

    def _client_key(self, presented: str) -> ApiKey | None:
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.secret.encode(), presented.encode()):
                found = key
        return found

    def _is_admin(self, connection: HTTPConnection, presented: str) -> bool:
        if self._admin:
            return hmac.compare_digest(self._admin.encode(), presented.encode())
        peer = connection.client.host if connection.client else ""
        return is_loopback(peer) and "x-forwarded-for" not in connection.headers

    def _not_admin(self, presented: str) -> Unauthorized | Forbidden:
        if self._admin and not presented:
            return Unauthorized("This needs the admin key", "此操作需要管理密钥", code="admin_key_required")
        if self._admin:
            return Unauthorized("The admin key is wrong", "管理密钥错误", code="invalid_admin_key")
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


def presented_key(connection: HTTPConnection) -> str:
    """The key in any of the places the official clients put it (api_contract.md 1); empty when there is none."""
    headers = connection.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or connection.query_params.get("key") or ""


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
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host
