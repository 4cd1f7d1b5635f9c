"""gemini-web-to-api: .env with a whole cookie header."""

from __future__ import annotations

from gemgate.dialects import cookie_text
from gemgate.dialects.gateways.document import Document, Format
from gemgate.dialects.gateways.taken import Taken, Taking
from gemgate.errors import BadRequest

_LIMIT = ("counts otherwise; see RATE_LIMIT_PER_HOUR", "计数方式不同；请参见 RATE_LIMIT_PER_HOUR")
_NAMES = {
    "RATE_LIMIT_ENABLED": _LIMIT,
    "RATE_LIMIT_WINDOW_MS": _LIMIT,
    "RATE_LIMIT_MAX_REQUESTS": _LIMIT,
    "APP_ENV": ("gemgate has no such modes", "gemgate 没有此类运行模式"),
    "GEMINI_MAX_RETRIES": (
        "gemgate repeats by itself what is certain not to run twice",
        "gemgate 会自行重试，且保证不会重复执行",
    ),
}
_READ = ("GEMINI_COOKIES", "GEMINI_AUTH_USER", "GEMINI_REFRESH_INTERVAL", "GEMINI_TEMPORARY", "PORT", "LOG_LEVEL")
_MOST_MINUTES = 1440


def _is_it(document: Document) -> bool:
    return document.is_env and "GEMINI_COOKIES" in document.table


def _read(document: Document) -> Taken:
    taking = Taking("gemini-web-to-api")
    given = document.table
    if text := str(given.get("GEMINI_COOKIES") or "").strip():
        try:
            cookies = cookie_text.read(text)
        except BadRequest as error:
            taking.leave("GEMINI_COOKIES", error.en, error.zh)
        else:
            taking.account_of("GEMINI_COOKIES", "gemini-web-to-api", cookies, number=given.get("GEMINI_AUTH_USER"))
    taking.whole("PORT", "PORT", given.get("PORT", ""), least=1, most=65535)
    taking.level("LOG_LEVEL", given.get("LOG_LEVEL"))
    minutes = str(given.get("GEMINI_REFRESH_INTERVAL") or "")
    if minutes.isascii() and minutes.isdigit() and len(minutes) < 6 and int(minutes) < _MOST_MINUTES:
        taking.fixed("COOKIE_REFRESH_SECONDS", "GEMINI_REFRESH_INTERVAL", int(minutes) * 60)
    elif minutes:
        taking.leave(
            "GEMINI_REFRESH_INTERVAL",
            "a day or more lets a session die; the default of ten minutes is kept",
            "间隔一天或更长会让会话失效；保留默认的十分钟",
        )
    if str(given.get("GEMINI_TEMPORARY")).lower() in ("1", "t", "true"):
        taking.fixed("HISTORY", "GEMINI_TEMPORARY", "temporary")
    taking.leave_all("", given, _NAMES, _READ)
    return taking.done()


FORMAT = Format("gemini-web-to-api", "gemini-web-to-api", _is_it, _read)
