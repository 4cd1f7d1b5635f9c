"""Cookies given once: from the environment, a request, or a test. They never change by themselves."""

from __future__ import annotations

from gemgate.accounts import Cookies
from gemgate.errors import LocalText


class FixedSource:
    """Always the same cookies. `name` tells an operator where they came from."""

    live = False
    watched = False
    missing = LocalText("no cookies are set", "未设置 Cookie")

    def __init__(self, cookies: Cookies | None, name: str = "env") -> None:
        self.name = name
        self._cookies = cookies

    async def read(self) -> Cookies | None:
        return self._cookies
