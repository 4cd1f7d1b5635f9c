"""Gets what a user's link points at and tells what a user's webhook asks for, and nothing that is not public
(docs/threats.md).

The guard against SSRF. Every address is checked where it cannot change any more, at the socket that is about to connect
to it: neither another spelling of a host nor another answer of the DNS gets past that. Every redirect starts again from
the beginning.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlsplit

from gemgate.errors import BadRequest, Unreachable
from gemgate.files import LONGEST_LINK, Inline
from gemgate.lazy_import import later, load
from gemgate.ports.outbound import Posted

if TYPE_CHECKING:
    import aiohttp
    import yarl
else:
    aiohttp = later("aiohttp")
    yarl = later("yarl")

MAX_REDIRECTS = 5
REQUEST_TIMEOUT = 20.0
LONGEST_HOST = 300
"""Characters of a host with its port. The DNS has 253; to read one by IDNA costs up to 60 µs a character."""
CHUNK = 65_536

IsPublic = Callable[[str], bool]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open Internet; addresses inside other addresses are looked at as well.

    Of IPv6 only what is given out for that (RFC 4291, 2.4): what stands outside of it today may lead anywhere. One with
    a zone (`%eth0`) is of that link, and the event loop would ask for it once more.
    """
    if "%" in address:
        return False
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return _is_global(ip)
    if ip.ipv4_mapped is not None:
        return _is_global(ip.ipv4_mapped)
    if ip in _NAT64:
        return _is_global(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _UNICAST and _is_global(ip)


def _is_global(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_GLOBAL)


_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_GLOBAL = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    ipaddress.ip_network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526), deprecated
    ipaddress.ip_network("2002::/16"),  # 6to4 itself: an address of IPv4 in another form
    ipaddress.ip_network("3fff::/20"),  # documentation (RFC 9637)
)
"""Ranges that the standard library of some Python takes for global."""


class _GuardedResolver:
    """Resolves a name once and hands out only public addresses; none is an error."""

    def __init__(self, allowed: IsPublic) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        if any(not self._allowed(str(entry[4][0])) for entry in found):
            raise _NotPublicError(host)
        if not found:
            raise OSError(f"{host} has no address")
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=str(entry[4][0]),
                port=port,
                family=entry[0],
                proto=entry[2],
                flags=socket.AI_NUMERICHOST,
            )
            for entry in found
        ]

    async def close(self) -> None:
        return None


class _NotPublicError(OSError):
    pass


class _Guard:
    """What fetching and telling share. `allowed` decides about addresses; only tests put another one in.

    timeout: seconds for everything.
    """

    def __init__(self, *, allowed: IsPublic = is_public, timeout: float = REQUEST_TIMEOUT) -> None:
        self._allowed = allowed
        self._timeout = timeout

    def _session(self) -> aiohttp.ClientSession:
        """A session that connects to public addresses only, brings nothing along and keeps nothing."""
        connector = aiohttp.TCPConnector(
            resolver=cast("aiohttp.abc.AbstractResolver", _GuardedResolver(self._allowed)),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._socket,
        )
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        return aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that may be connected to; the resolver is not asked for a literal one."""
        family, kind, protocol, _, place = address
        if not self._allowed(str(place[0])):
            raise _NotPublicError(str(place[0]))
        return socket.socket(family, kind, protocol)

    def check(self, url: str) -> None:
        """What is known before resolving: scheme, credentials, and addresses written as numbers.

        Judged is the host that the client will use: the URL is read by its own reader, after IDNA.
        """
        try:
            if _is_too_long(url):
                raise self._refused(url, "it is too long", "过长")
            parts = yarl.URL(url)
            host, _ = parts.raw_host or "", parts.port
        except ValueError:
            raise self._refused(url, "it is not a URL", "不是有效的 URL") from None
        if parts.scheme not in ("http", "https") or not host:
            raise self._refused(url, "only http and https links are fetched", "仅支持 http 和 https 链接")
        if parts.user or parts.password:
            raise self._refused(url, "it carries a user name or password", "链接中不得包含用户名或密码")
        if _looks_numeric(host) and not self._allowed(host):
            raise self._refused(url, "it does not point to a public address", "未指向公网地址")

    def _named(self, url: str) -> str:
        """The link as it may be told: without user, query and fragment, which are where secrets stand."""
        bare = url.partition("#")[0].partition("?")[0]
        scheme, sep, rest = bare.partition("://")
        host, slash, path = rest.partition("/")
        shown = f"{scheme}{sep}{host.rpartition('@')[2]}{slash}{path}" if sep else bare
        return shown if len(shown) <= 120 else shown[:117] + "..."

    def _refused(self, url: str, why: str, zh: str) -> BadRequest:
        shown = self._named(url)
        return BadRequest(
            f"The link {shown} is not used: {why}", f"无法使用链接 {shown}：{zh}", code="invalid_image_url", param="url"
        )


class GuardedFetcher(_Guard):
    """The port `Fetcher`."""

    async def fetch(self, url: str, max_bytes: int) -> Inline:
        """The bytes behind a public http(s) link; BadRequest says what is wrong with it."""
        await load(aiohttp)
        try:
            async with self._session() as session:
                return await self._follow(session, url, max_bytes)
        except _NotPublicError:
            raise self._refused(url, "it does not point to a public address", "未指向公网地址") from None
        except TimeoutError:
            raise self._refused(url, f"no answer within {self._timeout:g} s", f"{self._timeout:g} 秒内无响应") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if _is_not_public(error):
                raise self._refused(url, "it does not point to a public address", "未指向公网地址") from None
            raise self._refused(url, "it cannot be fetched", "无法获取") from None

    async def _follow(self, session: aiohttp.ClientSession, url: str, max_bytes: int) -> Inline:
        for _ in range(MAX_REDIRECTS + 1):
            self.check(url)
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.headers.get("location", ""))
                    continue
                if answer.status != 200:
                    raise self._refused(url, f"it answers HTTP {answer.status}", f"返回 HTTP {answer.status}")
                data = await self._bounded(answer, url, max_bytes)
                mime = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                return Inline(data, mime, urlsplit(url).path.rpartition("/")[2])
        raise self._refused(url, "too many redirects", "重定向次数过多")

    async def _bounded(self, answer: aiohttp.ClientResponse, url: str, max_bytes: int) -> bytes:
        if (answer.content_length or 0) > max_bytes:
            raise self._too_large(url, max_bytes)
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.content.iter_chunked(CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise self._too_large(url, max_bytes)
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self, url: str, max_bytes: int) -> BadRequest:
        size = f"{max_bytes / 1e6:g} MB"
        return self._refused(url, f"it is larger than {size}", f"超过 {size}")


class GuardedSender(_Guard):
    """The port `Sender`: one POST to a public address; redirects are not followed."""

    def _named(self, url: str) -> str:
        """The host alone."""
        try:
            if _is_too_long(url):
                return "?"
            parts = yarl.URL(url)
            return str(parts.origin()) if parts.host else "?"
        except ValueError:
            return "?"

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, read: int = 0) -> Posted:
        await load(aiohttp)
        self.check(url)
        try:
            async with (
                self._session() as session,
                session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer,
            ):
                return Posted(answer.status, await _beginning(answer, read))
        except _NotPublicError:
            raise self._refused(url, "it does not point to a public address", "未指向公网地址") from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            if _is_not_public(error):
                raise self._refused(url, "it does not point to a public address", "未指向公网地址") from None
            named = self._named(url)
            raise Unreachable(f"{named} cannot be reached", f"无法访问 {named}") from None


async def _beginning(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """So many bytes of the body at most; nothing is waited for when none are wanted."""
    found = bytearray()
    while len(found) < most and (more := await answer.content.read(most - len(found))):
        found += more
    return bytes(found)


def _is_not_public(error: BaseException) -> bool:
    """Whether the resolver refused: the client wraps its errors, one way or the other."""
    reason = error.__cause__ or error
    return isinstance(reason, _NotPublicError) or isinstance(getattr(error, "os_error", None), _NotPublicError)


def _is_too_long(url: str) -> bool:
    """Whether a link, or the host in it, is longer than any that leads somewhere. ValueError where it has no host."""
    return len(url) > LONGEST_LINK or len(urlsplit(url).netloc) > LONGEST_HOST


def _looks_numeric(host: str) -> bool:
    """IP literals, also in the short, hex and octal spellings that some resolvers take."""
    if ":" in host:
        return True
    labels = host.rstrip(".").split(".")
    return labels[-1].isdigit() or labels[-1].lower().startswith("0x")
