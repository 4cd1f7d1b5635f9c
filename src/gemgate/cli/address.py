"""Addresses of gateways as people type them, and what is said of one that does not answer."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp

from gemgate.errors import ClientError, Generated, LocalText, Unreachable, system_words


def address_of(url: str) -> str:
    """What was typed as a gateway's address, without `/v1`; ClientError for what is none."""
    url = url.rstrip("/").removesuffix("/v1")
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            url = "http://" + url
        if urlsplit(url).hostname and urlsplit(url).port != 0:
            return url
    except ValueError:
        pass
    raise ClientError(f"{url} is no address of a gateway", f"{url} 不是网关地址", param="url")


def unreachable(address: str, error: Exception, *, generated: Generated = "no") -> Unreachable:
    """That a gateway does not answer, and why."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        why = LocalText("no such host (DNS)", "找不到该主机（DNS）")
    elif isinstance(error, aiohttp.ClientConnectorError):
        why = system_words(error.os_error)
    else:
        why = system_words(error) if str(error) else LocalText("no answer in time", "未及时响应")
    return Unreachable(f"{address} does not answer: {why.en}", f"{address} 没有响应：{why.zh}", generated=generated)
