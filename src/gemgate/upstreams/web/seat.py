"""Which of the accounts that share a set of cookies is meant, and what that means for an address of Google's.

The library knows the first account only. Source: docs/google-wire.md 5.6.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from curl_cffi.requests import AsyncSession, Response

from gemgate.frozen import frozen

_APP = "gemini.google.com"
_MEDIA = (".googleusercontent.com", ".usercontent.google.com")


@frozen
class Seat:
    """number: N of `/u/N`, 0 for the first account. language: what its page is asked for in, "" for the account's own.

    A seat is true when it is another than the first account in its own language.
    """

    number: int = 0
    language: str = ""

    def __bool__(self) -> bool:
        return bool(self.number or self.language)

    @property
    def root(self) -> str:
        """What stands before the paths of the app."""
        return f"/u/{self.number}" if self.number else ""

    def address(self, url: str) -> str:
        """The same address for this account: by path at the app, by `authuser` where media are."""
        if not self.number:
            return url
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host == _APP:
            return parts._replace(path=self.root + parts.path).geturl()
        if host.endswith(_MEDIA):
            named = f"authuser={self.number}"
            return parts._replace(query=f"{parts.query}&{named}" if parts.query else named).geturl()
        return url

    def headers(self, url: str) -> dict[str, str]:
        """What the app wants to be told beside the path."""
        if self.number and urlsplit(url).hostname == _APP:
            return {"X-Goog-AuthUser": str(self.number)}
        return {}

    def arrived(self, url: str) -> bool:
        """Whether a page that was asked for is this account's: an unknown number leads to another one's."""
        return urlsplit(url).path.startswith(f"{self.root}/")

    def take(self, session: AsyncSession[Response]) -> None:
        """From now on everything that the session asks for is this account's."""
        if not self.number:
            return
        plain = session.request

        async def request(method: Any, url: str, **options: Any) -> Response:
            headers = {**(options.pop("headers", None) or {}), **self.headers(url)}
            return await plain(method, self.address(url), headers=headers, **options)

        session.request = request  # type: ignore[assignment, method-assign]
