"""The library logs through loguru, to stderr at DEBUG unless told otherwise. Here its lines become ours.

Only warnings and worse pass, and every long token-like word is masked: cookie values and ids never reach a log.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message

_SECRET = re.compile(r"[A-Za-z0-9_\-.%/+=]{24,}")


def bridge() -> None:
    """Take over loguru for this process: for servers and commands, not for programs that embed the gateway."""
    logger.remove()
    logger.add(_forward, level="WARNING", filter=lambda record: record["extra"].get("name") == "gemini_webapi")


def silence() -> None:
    """Say nothing of the library's: what an embedding program gets."""
    logger.disable("gemini_webapi")


def _forward(message: Message) -> None:
    record = message.record
    level = logging.ERROR if record["level"].no >= logging.ERROR else logging.WARNING
    logging.getLogger("gemgate.library").log(level, _SECRET.sub("***", record["message"]))
