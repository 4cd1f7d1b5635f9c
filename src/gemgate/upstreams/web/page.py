"""What every request says of the page that it comes from."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode


class Page:
    """Encoded once: it stays the same until a page is loaded anew. None: what the page did not tell."""

    def __init__(self, language: str | None, build: str | None, session: str | None, token: str | None) -> None:
        named: dict[str, Any] = {"bl": build, "f.sid": session}
        self._before = urlencode({"hl": language, "_reqid": ""})
        self._behind = urlencode({"rt": "c"} | {name: value for name, value in named.items() if value})
        self.form = urlencode({"at": token or "", "f.req": ""}).encode()
        """How the form of a request begins: what is asked for comes behind it, quoted."""

    def query(self, number: int) -> str:
        """The query of the request with this number."""
        return f"{self._before}{number}&{self._behind}"
