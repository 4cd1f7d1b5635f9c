"""Log lines: ours and the libraries', in one form, each with the id of the request that it belongs to.

The rule of the file: nothing leaves before `masked` has seen it, tracebacks and foreign lines included.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from gemgate.errors import TOKEN, TOKEN_BEGINS
from gemgate.lazy_import import absent
from gemgate.ports.runtime import EVERY, Listener, TelemetryEvent
from gemgate.telemetry.request_record import RequestRecord

with absent("rich"):  # else its painted tracebacks are loaded, which are not ours: 3 MB
    import structlog

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request in whose course a line is written, "" for none."""

_LEVELS = {
    "machine.short": logging.WARNING,
    "machine.enough": logging.INFO,
    "request.done": logging.INFO,
    "request.failed": logging.INFO,
    "request.crashed": logging.ERROR,
    "attempt.failed": logging.WARNING,
    "account.state": logging.INFO,
    "account.circuit": logging.WARNING,
    "address.circuit": logging.WARNING,
    "account.not_kept": logging.WARNING,
    "cookies.refused": logging.WARNING,
    "cookies.not_taken": logging.WARNING,
    "logo.moved": logging.WARNING,
    "settings.changed": logging.INFO,
    "settings.unread": logging.WARNING,
    "retention.later": logging.WARNING,
    "node.alive": logging.WARNING,
    "node.announced": logging.INFO,
    "node.unheard": logging.WARNING,
}
QUIET = frozenset({"health", "ready", "metrics", "images.stored"})
"""Operations that are asked for all the time and whose success tells nothing."""

_COOKIE = re.compile(
    r"((?:__Secure-|__Host-)?[13]?P?(?:SIDTS|SIDCC|PSIDTS|PSIDCC|PSID|SAPISID|APISID|HSID|SSID))([=:]\s?)[^\s;,\"']+"
)
_SCHEMES = "bearer", "basic"
_NAMES = "key", "token", "secret", "password", "sig"
_CREDENTIAL = re.compile(
    rf"((?:{'|'.join(_SCHEMES)})\s+|(?:{'|'.join(_NAMES)})[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;}}]{{6,}}", re.IGNORECASE
)
_CREDENTIAL_BEGINS = re.compile(
    "|".join([*(rf"{word}\s" for word in _SCHEMES), *(rf"{word}[\"']?\s*[=:]" for word in _NAMES)])
)
"""How `_CREDENTIAL` begins, in a folded line. Alternatives with plain first letters, cases apart: looked for ten times
as fast, and "output_tokens=40" has none.
"""
_USERINFO = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")
LONGEST = 65_536
"""Characters of a line; what is behind them is left out."""
LAST_MOMENT = 253_402_300_799.0
"""The end of the year 9999, in epoch seconds."""
LEAST_SECRET = 6
"""Shorter settings are not looked for: replacing them would garble every line."""


def masked(text: str, secrets: Collection[str] = ()) -> str:
    """The text without what looks like a cookie, a key or a password, and without any of `secrets`.

    No pattern may begin with a repetition, nor cross where it can begin again: the cost is linear. A line beyond
    `LONGEST` is cut between two words, so that no half of a secret is left to be seen.
    """
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition(" ")[0] + " ... (cut)"
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, "***")
    # Each pattern has a beginning it cannot do without: looking for that first makes an innocent line cheap.
    if "SID" in text:
        text = _COOKIE.sub(r"\1\2***", text)
    if any(begin in text for begin in TOKEN_BEGINS):
        text = TOKEN.sub("***", text)
    if "://" in text:
        text = _USERINFO.sub(r"\1***@", text)
    if _CREDENTIAL_BEGINS.search(text.casefold()):
        text = _CREDENTIAL.sub(r"\1***", text)
    return text


def get_logger() -> Any:
    """For what nobody foresaw; all else is a fact, which an observer writes."""
    return structlog.stdlib.get_logger("gemgate")


class LogObserver:
    """The facts an operator wants to read as they happen. A request is told with what is known of it at its end; who
    only looked at something (a page that polls, say) is told at debug. It listens for what the level that was set up
    before it lets through.
    """

    def __init__(self) -> None:
        self._log = get_logger().bind()
        self._least = logging.getLogger("gemgate").getEffectiveLevel()
        self._over: RequestRecord | None = None
        told = (name for name, level in _LEVELS.items() if level >= self._least)
        self.listeners: Mapping[str, Listener] = dict.fromkeys(
            (EVERY,) if self._least <= logging.DEBUG else told, self._tell
        )

    def ended(self, record: RequestRecord) -> None:
        """Hear of a request that is over, just before its `request.done`."""
        self._over = record

    def _tell(self, fact: TelemetryEvent) -> None:
        level = _LEVELS.get(fact.name, logging.DEBUG)
        over = self._over if fact.name == "request.done" and self._over and self._over.id == fact.request_id else None
        if fact.data.get("operation") in QUIET or (over and not over.is_call):
            level = logging.DEBUG
        if fact.name == "node.alive" and fact.data["alive"]:
            level = logging.INFO
        if level < self._least:
            return
        data = {**(_of(over) if over else {}), **fact.data, "request_id": fact.request_id}
        self._log.log(level, fact.name, **_readable(data))


def _of(record: RequestRecord) -> dict[str, Any]:
    """What a line says of a whole request: never a word of what was said in it."""
    account = record.last.account if record.last else ""
    tokens = (record.prompt_tokens, record.output_tokens)
    return {
        "method": record.method,
        "model": record.model,
        "account": account,
        "client": record.client,
        "prompt_tokens": tokens[0] or None,
        "output_tokens": tokens[1] or None,
        "images": len(record.images) or None,
    }


def _readable(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a line tells of it. Chinese sentences are the page's: a line says everything once."""
    return {
        name: _time(name, value) if isinstance(value, float) else value
        for name, value in data.items()
        if value not in (None, "") and not name.endswith("_zh")
    }


def _time(name: str, value: float) -> str | float:
    """Milliseconds are enough of a time, and a moment is the wall clock's, as at the line's beginning."""
    if name == "until" and value < LAST_MOMENT:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    return round(value, 3)


def _stamped(_logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """With its request, its level and its time, as `add_log_level` and `TimeStamper` of structlog write them."""
    if "request_id" not in event and (request_id := REQUEST_ID.get()):
        event["request_id"] = request_id
    event["level"] = _LEVEL_OF.get(method, method)
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


_LEVEL_OF = {"warn": "warning", "exception": "error"}
"""What structlog's methods are called, where that is not the level's name."""


_QUOTED = re.compile(r"[ \t=\r\n\"']")
"""What a line for people has only between quotes."""


def _pair(key: str, value: object) -> str:
    return f"{key}={value if isinstance(value, str) and not _QUOTED.search(value) else repr(value)}"


def _line(_logger: object, _method: str, event: dict[str, Any]) -> str:
    """A line for people as structlog's own renderer writes it without colours, at half its cost."""
    when, level, name = event.pop("timestamp"), event.pop("level"), event.pop("event")
    trace = event.pop("exception", "")
    pairs = [_pair(key, value) for key, value in sorted(event.items())]
    line = " ".join([f"{when} [{level:<9}] {name!s:<30}", *pairs]).rstrip(" ")
    return f"{line}\n{trace}" if trace else line


def _rendering(form: str) -> list[Any]:
    """The last processors of a line: JSON, or for people, with colours on a terminal."""
    if form != "json" and sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else _line
    return [structlog.processors.format_exc_info, renderer]


class _Masked(structlog.stdlib.ProcessorFormatter):
    """Masks the finished line of a library, whichever it is."""

    def __init__(self, secrets: Sequence[str], **more: Any) -> None:
        super().__init__(**more)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record), self._secrets)


class _Written:
    """Writes our own finished lines, without the detour by `logging`; one that cannot be written is lost."""

    def __init__(self, handler: logging.StreamHandler[TextIO]) -> None:
        self._handler = handler

    def info(self, line: str) -> None:
        stream, lock = self._handler.stream, self._handler.lock
        assert lock is not None
        with lock, contextlib.suppress(OSError, ValueError):
            stream.write(line + "\n")
            stream.flush()

    debug = warning = error = critical = info


def set_up_logging(level: str, form: str, secrets: Collection[str] = ()) -> None:
    """Send our lines, uvicorn's and the libraries' warnings to stderr, one form for all, without any of `secrets`.

    form: "json", or anything else for people.
    """
    hidden = tuple(sorted({one for one in secrets if len(one) >= LEAST_SECRET}, key=len, reverse=True))
    shared: list[Any] = [_stamped]
    ending = _rendering(form)
    handler = logging.StreamHandler(sys.stderr)
    written = _Written(handler)
    structlog.configure(
        processors=[*shared, *ending, lambda _logger, _method, line: masked(str(line), hidden)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: written,
        cache_logger_on_first_use=True,
    )
    handler.setFormatter(
        _Masked(
            hidden,
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=("account",))],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gemgate").setLevel(level.upper())
