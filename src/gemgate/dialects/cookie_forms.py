"""The forms in which people copy cookies, each read into rows: who copies how stands with each (docs/cookies.md).

A form gives None for a text that is not its own, and rows (of any site) for one that is. No form judges what is found:
`cookie_text` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import unquote, urlsplit

from gemgate.accounts import PSID, PSIDTS, known_name
from gemgate.frozen import frozen


@frozen
class CookieRow:
    """One cookie as a text tells it. domain: "" where the text tells none. jar: what keeps sessions of one text apart
    (a container, a cookie store), "" for none.
    """

    name: str = field(repr=False)
    value: str = field(repr=False)
    domain: str = ""
    path: str = "/"
    jar: str = ""


Rows = list[CookieRow]

_FIRST, _SECOND, _APART = r"(?P<psid>g\.a0[\w.-]{20,400})", r"(?P<psidts>sidts-[\w.-]{20,400})", r"[\s,;]{1,9}"
_BARE = (re.compile(_FIRST + _APART + _SECOND), re.compile(_SECOND + _APART + _FIRST))


def bare_values(text: str) -> Rows | None:
    """The two values alone, in either order: how they begin tells them apart."""
    found = next(filter(None, (order.fullmatch(text) for order in _BARE)), None)
    return [CookieRow(PSID, found["psid"]), CookieRow(PSIDTS, found["psidts"])] if found else None


# JSON: EditThisCookie, Cookie-Editor, Cookie Quick Manager, Playwright, Selenium, HAR, plain objects

_DEPTH = 6
"""How deep cookies lie in any export: tough-cookie's stores are the deepest."""
_STORES = ("storeid", "store raw", "store", "contextid")


def parse_json(text: str) -> Any:
    """What a text says in JSON, None for what is none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def har(value: Any) -> Rows | None:
    """An HTTP archive (HAR 1.2): cookies of the calls to Google, in the order of the calls, and what came back."""
    log = value.get("log") if isinstance(value, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        return None
    found: Rows = []
    for entry in entries:
        if isinstance(entry, dict) and isinstance(asked := entry.get("request"), dict) and _to_google(asked):
            found += _of_call(asked, "cookie")
            if isinstance(answered := entry.get("response"), dict):
                found += [row for row in _of_call(answered, "set-cookie") if row.value]
    return found


def _to_google(request: Mapping[str, Any]) -> bool:
    try:
        host = urlsplit(str(request.get("url", ""))).hostname or ""
    except ValueError:
        return False
    return not host or host == "google.com" or host.endswith(".google.com")


def _of_call(message: Mapping[str, Any], header: str) -> Iterator[CookieRow]:
    for one in _dicts(message.get("headers")):
        if str(one.get("name", "")).lower() == header and isinstance(one.get("value"), str):
            yield from _pairs(one["value"]) if header == "cookie" else _set_cookie(one["value"])
    for one in _dicts(message.get("cookies")):
        yield from _json_row(one, "")


def exported(value: Any) -> Rows | None:
    """Rows of a browser extension, of a test tool or of a program, however they are wrapped."""
    return list(_walk(value, "", 0)) if isinstance(value, dict | list) else None


def _walk(value: Any, key: str, depth: int) -> Iterator[CookieRow]:
    if depth > _DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _walk(one, key, depth + 1)
    elif isinstance(value, dict):
        row = list(_json_row(value, key))
        if row:
            yield from row
            return
        domain = key if "." in key else ""
        for name, inner in value.items():
            if isinstance(inner, str):
                yield CookieRow(name.strip(), _clean(inner), domain)
            else:
                yield from _walk(inner, name, depth + 1)


def _json_row(one: Mapping[str, Any], key: str) -> Iterator[CookieRow]:
    """A row of an export, in the spellings of the tools that make them. key: the name that the row stands under."""
    facts = {str(name).lower(): inner for name, inner in one.items()}
    value = next((facts[k] for k in ("value", "content raw") if isinstance(facts.get(k), str)), None)
    if value is None:
        return
    name = next((facts[k] for k in ("name", "name raw", "key") if isinstance(facts.get(k), str)), key)
    if facts.get("partitionkey") or facts.get("partition_key") or facts.get("first party domain"):
        return  # a cookie of another page that shows Google's: no session of its own
    domain, path = _text(facts, "domain", "host", "host raw"), _text(facts, "path", "path raw") or "/"
    if "://" in domain:  # Cookie Quick Manager writes the host as an address
        domain = domain.partition("://")[2].partition("/")[0]
    store = next((str(facts[k]) for k in _STORES if facts.get(k) not in (None, "")), "")
    yield CookieRow(name.strip(), _clean(value), domain, path, store)


def _text(facts: Mapping[str, Any], *names: str) -> str:
    return next((facts[name].strip() for name in names if isinstance(facts.get(name), str)), "")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


# Lines: Netscape's cookies.txt, DevTools' table


def netscape(text: str) -> Rows | None:
    """cookies.txt: seven columns by tabs, or by blanks where a chat or a terminal made blanks of them."""
    found = [row for line in text.splitlines() if (row := _netscape_row(line.strip("\r\n "))) is not None]
    return found or None


def _netscape_row(line: str) -> CookieRow | None:
    line = line.removeprefix("#HttpOnly_")
    columns = [one.strip() for one in line.split("\t")] if line.count("\t") >= 5 else line.split(None, 6)
    flags = ("TRUE", "FALSE")
    if line.startswith("#") or len(columns) < 6 or columns[1].upper() not in flags or columns[3].upper() not in flags:
        return None
    value = columns[6].strip() if len(columns) > 6 else ""
    return CookieRow(columns[5], value, columns[0], columns[2])


_PARTITION = 9
"""Which column of DevTools' table tells of which site's page a cookie is."""


def table(text: str) -> Rows | None:
    """Rows of the cookie table of a browser's tools: name, value, domain, path and more, by tabs."""
    found: Rows = []
    for line in text.splitlines():
        columns = [one.strip() for one in line.split("\t")]
        if len(columns) >= 4 and "." in columns[2] and columns[3].startswith("/"):
            if len(columns) > _PARTITION + 1 and "://" in columns[_PARTITION]:
                continue
            found.append(CookieRow(columns[0], _clean(columns[1]), columns[2], columns[3]))
    return found or None


# Commands: "Copy as cURL" for bash and cmd, as PowerShell, as fetch

_QUOTED = r"""(?:\$'((?:[^'\\]|\\.)*)'|'([^']*)'|"((?:[^"\\]|\\.)*)")"""
_CURL = re.compile(r"(?<!\S)(?:-b|--cookie|-H|--header)[ =]?" + _QUOTED, re.DOTALL)
_CARET = re.compile(r"\^(\r?\n|.)", re.DOTALL)
_ANSI_C = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NET_COOKIE = re.compile(
    r'Net\.Cookie\(\s?"((?:[^"`]|`.)*)"\s?,\s?"((?:[^"`]|`.)*)"(?:\s?,\s?"([^"]*)"\s?,\s?"([^"]*)")?', re.DOTALL
)
_TICK = re.compile(r"`(.)", re.DOTALL)
_COOKIE_HEADER = re.compile(r"""["']cookie["']\s?[:=]\s?"((?:[^"\\`]|[\\`].)*)\"""", re.IGNORECASE | re.DOTALL)


def curl(text: str) -> Rows | None:
    """What "Copy as cURL" gives, of Chrome and Firefox, for a POSIX shell and for cmd."""
    if not re.match(r"curl(?:\.exe)?\s", text, re.IGNORECASE):
        return None
    if '^"' in text:
        text = _CARET.sub(lambda found: found[1].strip("\r\n"), text)
    found: Rows = []
    for option in _CURL.finditer(text):
        ansi_c, plain, double = option.groups()
        value = _ANSI_C.sub(_ansi_c, ansi_c) if ansi_c is not None else plain if plain is not None else ""
        if double is not None:
            value = re.sub(r"\\(.)", r"\1", double, flags=re.DOTALL)
        is_cookie = option[0].startswith(("-b", "--cookie"))
        head, colon, rest = value.partition(":")
        if colon and not is_cookie and head.strip().lower() == "cookie":
            found += _pairs(rest)
        elif is_cookie:
            found += _pairs(value)
    return found


def _ansi_c(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else {"n": "\n", "r": "\r", "t": "\t"}.get(found[3], found[3])


def powershell(text: str) -> Rows | None:
    """What "Copy as PowerShell" gives: a cookie of .NET for each, with the domain, or with the host of the call."""
    found = [
        CookieRow(_TICK.sub(r"\1", name), _TICK.sub(r"\1", value), _site(domain), path or "/")
        for name, value, path, domain in _NET_COOKIE.findall(text)
    ]
    return found or None


def _site(domain: str) -> str:
    """A call's own host says nothing of where its cookies belong."""
    return "" if domain.lower().endswith(".google.com") and not domain.startswith(".") else domain


def fetch_call(text: str) -> Rows | None:
    """A `cookie` among the headers of a program: "Copy as fetch (Node.js)", a dictionary of Python or PowerShell."""
    found: Rows = []
    for value in _COOKIE_HEADER.findall(text):
        found += _pairs(re.sub(r"[\\`](.)", r"\1", value, flags=re.DOTALL))
    return found or None


# Headers, and pairs by themselves

_HEADER_LINE = re.compile(r"(?im)^[ \t]{0,9}cookie[ \t]{0,9}(?::[ \t]{0,9}|\r?\n)([^\r\n]*)")
_SET_COOKIE_LINE = re.compile(r"(?im)^[ \t]{0,9}set-cookie3?[ \t]{0,9}:([^\r\n]*)")


def header_lines(text: str) -> Rows | None:
    """`Cookie:` lines, in any case, alone or among other headers; `Set-Cookie:` and `Set-Cookie3:` (libwww-perl)."""
    found: Rows = []
    for line in _HEADER_LINE.findall(text):
        found += _pairs(line)
    for line in _SET_COOKIE_LINE.findall(text):
        found += _set_cookie(line)
    return found or None


def _set_cookie(line: str) -> Iterator[CookieRow]:
    first, *attributes = line.split(";")
    name, equals, value = first.partition("=")
    facts = {key.strip().lower(): _clean(said) for key, _, said in (one.partition("=") for one in attributes)}
    if equals:
        yield CookieRow(name.strip(), _clean(value), facts.get("domain", ""), facts.get("path") or "/")


_ASSIGNS = re.compile(r"(?:export|set|setx|\$env:|-)\s{0,9}", re.IGNORECASE)


def pairs(text: str) -> Rows | None:
    """A header's value, or `NAME=value` by lines as in a .env file."""
    found = list(_pairs(text.replace("\n", ";")))
    return found or None


def _pairs(text: str) -> Iterator[CookieRow]:
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if equals:
            name = name.strip()
            if begins := _ASSIGNS.match(name):
                name = name[begins.end() :]
            yield CookieRow(name, _clean(value))


# Whatever else names the cookies: a script, a table of a document, an encoded address

_FOLLOWED = re.compile(
    r"(?<![\w-])(__Secure-1PSID(?:TS|CC)?)(?![\w-])"
    r"[\"']?[\s,:：|=]{0,20}"
    r"(?:\{?\s{0,20}[\"']?(?:value|path raw[\"']\s?:\s?[\"'][^\"']{0,99}[\"']\s?,\s?[\"']content raw)[\"']?\s?[:=]\s?)?"
    r"[\"']?([^\s\"',;\\.{}^][^\s\"',;\\{}^]*)",
    re.IGNORECASE,
)


def anywhere(text: str) -> Rows | None:
    """The three by what follows their names."""
    found = _FOLLOWED.findall(unquote(text) if "%3D" in text else text)
    return [CookieRow(known_name(name), value) for name, value in found] or None


def _clean(value: str) -> str:
    return value.strip().strip("\"'").strip()


@frozen
class Form:
    """One way to copy cookies. en, zh: its name in a sentence. reads: rows, or None for another form's text."""

    en: str
    zh: str
    reads: Callable[[str], Rows | None]


ANYWHERE = Form("a text", "文本", anywhere)

FORMS: tuple[Form, ...] = (
    Form("the two values", "两个 Cookie 值", bare_values),
    Form("a curl command", "curl 命令", curl),
    Form("a PowerShell command", "PowerShell 命令", powershell),
    Form("a cookies.txt", "cookies.txt", netscape),
    Form("a table of cookies", "Cookie 表格", table),
    Form("a program's headers", "程序中的请求头", fetch_call),
    Form("headers", "请求头", header_lines),
    Form("pairs of names and values", "名称与值的列表", pairs),
    ANYWHERE,
)
"""In the order in which they are tried: the strictest first."""

HAR = Form("an HTTP archive (HAR)", "HTTP 归档（HAR）", lambda text: har(parse_json(text)))
EXPORT = Form("a JSON export", "JSON 导出", lambda text: exported(parse_json(text)))
