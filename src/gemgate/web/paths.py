"""The many spellings of our addresses, brought to the one that routes know: before keys, scopes, dialects and the fleet
look at them, so that all judge what is really used.

Clients put our address, or half of it, where another service's stood: Google's path for OpenAI's clients
(`/v1beta/openai`), `/openai/v1`, `/api/v1`, `/anthropic`, no `/v1` at all or two of them, a slash too many.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.types import Scope

SEEN = "gemgate.path"
"""Where a scope keeps the path as the client spelled it."""

_SLASHES = re.compile(r"/{2,}")
_TWICE = re.compile(r"/v1(?:beta)?(?=/v1(?:beta)?(?:/|$))")
_ELSEWHERE = re.compile(r"(?:/gemini)?/v1(?:beta)?/openai|/openai(?:/v1)?|/api/v1|/anthropic(?:/v1)?")
_OURS = re.compile(
    r"/(?:(?:chat/completions|responses|messages|models|files|batches)(?:/|$)|images/(?:generations|edits?)$"
    r"|audio/(?:transcriptions|translations|speech)$|images/variations$"
    r"|(?:embeddings|moderations|completions|fine_tuning|assistants|threads|realtime|vector_stores)(?:/|$))"
)
"""What stands directly below `/v1` for the clients of OpenAI and Anthropic; the last rows are refused in their form."""


def canonical(path: str, below: str = "") -> str:
    """`path` as routes spell it; one that no rule fits comes back as it is, but for slashes too many.

    below: the path below which clients see us, for proxies that do not take it off. Doing it twice changes nothing.
    """
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if below and (path == below or path.startswith(below + "/")):
        path = path[len(below) :] or "/"
    path = path.rstrip("/") or "/"
    while found := _TWICE.match(path):
        path = path[found.end() :]
    if (found := _ELSEWHERE.match(path)) and _OURS.match(rest := path[found.end() :]):
        return "/v1" + rest
    return "/v1" + path if _OURS.match(path) else path


_ONLY_NULS = re.compile(r"(?<=/)\0+(?=/|$)")


def settle(scope: Scope, below: str) -> None:
    """Give the scope of a request its canonical path; the raw one follows, for what is passed on to a node.

    NULs go, as they do from bodies: they mean nothing, and PostgreSQL has no text with them. An id of nothing else is
    U+FFFD, so that it does not name the list above it.
    """
    seen: str = scope["path"]
    scope[SEEN] = seen
    path = canonical(_ONLY_NULS.sub("\ufffd", seen).replace("\0", "") if "\0" in seen else seen, below)
    if b"%00" in scope["query_string"]:
        scope["query_string"] = scope["query_string"].replace(b"%00", b"")
    if path != seen:
        scope["path"] = path
        scope["raw_path"] = quote(path, safe="/:@!$&'()*+,;=~").encode()
