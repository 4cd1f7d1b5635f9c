"""The library logs through loguru, to stderr at DEBUG unless told otherwise. Here its lines become ours.

Only warnings and worse pass, and every long token-like word is masked: cookie values and ids never reach a log.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loguru import Message

_ours = False
"""Whether this process is a server or a command, not a program that embeds the gateway."""
_SECRET = re.compile(r"[A-Za-z0-9_\-.%/+=]{24,}")
_account: ContextVar[str] = ContextVar("account", default="")


@contextmanager
def about(account: str) -> Iterator[None]:
    """What the library says meanwhile, and in tasks that begin meanwhile, is told with the account's name."""
    before = _account.set(account)
    try:
        yield
    finally:
        _account.reset(before)


def bridge() -> None:
    """Take over loguru for this process: for servers and commands, not for programs that embed the gateway."""
    global _ours  # noqa: PLW0603 - loguru is one for the process as well
    _ours = True
    if "loguru" in sys.modules:
        loaded()


def loaded() -> None:
    """The library is there, with loguru."""
    if not _ours:
        return
    from loguru import logger  # noqa: PLC0415 - only the library needs it

    logger.remove()
    logger.add(_forward, level="WARNING", filter=lambda record: record["extra"].get("name") == "gemini_webapi")


def _forward(message: Message) -> None:
    record = message.record
    level = logging.ERROR if record["level"].no >= logging.ERROR else logging.WARNING
    extra = {"account": name} if (name := _account.get()) else None
    logging.getLogger("gemgate.library").log(level, _SECRET.sub("***", record["message"]), extra=extra)
