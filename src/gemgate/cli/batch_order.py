"""What `gemgate batch run` orders: a file of prompts as the body of one order, the same bytes for the same command."""

from __future__ import annotations

import base64
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gemgate.cli.terminal import fail


@dataclass(frozen=True, slots=True)
class PromptFile:
    """The items of an order; `name` is shown."""

    name: str
    items: tuple[dict[str, Any], ...]


def read_prompts(path: str) -> PromptFile:
    """One prompt a line (blank lines and those that begin with # are left out); `.jsonl`: an object a line. `-`: stdin.

    Objects have `prompt` and may have `model`, `size`, `aspect`, `quality` and `references`: links, ids of uploads, or
    pictures beside the file.
    """
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        fail(f"{path}: {error.strerror or error}", 2)
    except UnicodeDecodeError as error:
        fail(f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8", 2)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if path.endswith(".jsonl"):
        items = tuple(_item(path, number, line) for number, line in lines)
    else:
        items = tuple({"prompt": line} for _, line in lines if not line.startswith("#"))
    if not items:
        fail(f"{path} has no prompts: write one a line", 2)
    return PromptFile(path, items)


def _item(path: str, number: int, line: str) -> dict[str, Any]:
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        fail(f"{path}, line {number}: no JSON: {error}", 2)
    if not isinstance(item, dict) or not isinstance(item.get("prompt"), str):
        fail(f'{path}, line {number}: needs an object with "prompt"', 2)
    folder = Path() if path == "-" else Path(path).parent
    if references := item.get("references"):
        if not isinstance(references, list):
            fail(f'{path}, line {number}: "references" is a list', 2)
        item["references"] = [_reference(folder, str(one), f"{path}, line {number}") for one in references]
    return item


def _reference(folder: Path, text: str, where: str) -> str:
    """A local picture goes along as base64; everything else as it stands."""
    if text.startswith(("http://", "https://", "data:", "file-")):
        return text
    try:
        return base64.b64encode((folder / text).read_bytes()).decode()
    except OSError as error:
        fail(f"{where}: {text}: {error.strerror or error}", 2)


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
