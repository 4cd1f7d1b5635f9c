"""What `gemgate batch run` orders: a file of prompts as the body of one order, the same bytes for the same command."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path
from typing import Any

import orjson

from gemgate.cli.terminal import fail, language, reason
from gemgate.dialects import prompt_files
from gemgate.errors import BadRequest, system_words
from gemgate.frozen import frozen


@frozen
class PromptFile:
    """The items of an order; `name` is shown."""

    name: str
    items: tuple[dict[str, Any], ...]


def read_prompts(path: str) -> PromptFile:
    """Lines, a table or objects (`dialects.prompt_files`); `-`: stdin. References may be files beside it."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        fail(reason(error), 2, of=path)
    folder = Path() if path == "-" else Path(path).parent
    try:
        found = prompt_files.read(data, "" if path == "-" else Path(path).suffix, lambda text: _reference(folder, text))
        return PromptFile(path, tuple(found.orders()))
    except BadRequest as error:
        fail(error.text(language()), 2, of=path)


def _reference(folder: Path, text: str) -> str:
    """A local image goes along as base64; everything else as it stands."""
    if text.startswith(("http://", "https://", "data:", "file-")):
        return text
    try:
        return base64.b64encode((folder / text).read_bytes()).decode()
    except OSError as error:
        why = system_words(error)
        raise BadRequest(f"{text}: {why.en}", f"{text}：{why.zh}") from None


def body_of(prompts: PromptFile, wishes: dict[str, Any]) -> bytes:
    """The body of POST /v1/batch/images."""
    given = {name: value for name, value in wishes.items() if value is not None}
    if all(set(item) == {"prompt"} for item in prompts.items):
        given["prompts"] = [item["prompt"] for item in prompts.items]
    else:
        given["items"] = prompts.items
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


def key_of(body: bytes, folder: Path) -> str:
    """The idempotency key: the same order for the same folder is the same batch."""
    return "cli-" + hashlib.sha256(str(folder.absolute()).encode() + b"\0" + body).hexdigest()[:40]
