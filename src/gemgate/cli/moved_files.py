"""What moving in writes to disk: settings into gemgate.toml, keys of the official API beside accounts.toml.

What is there stays: a setting that is set, and an account of that name, are left alone and told. Nothing is shown.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gemgate.cookies import accounts_file
from gemgate.dialects.gateways import OfficialKey, Taken
from gemgate.errors import BadRequest
from gemgate.stores.drafts import drafted

PRIVATE = 0o600
KEYS = "keys"
"""Folder beside accounts.toml that has one file for each key."""

Value = str | int | float


def settings_of(taken: Taken) -> dict[str, Value]:
    """Settings of ours by name, the keys of clients as API_KEY."""
    found: dict[str, Value] = {setting.name: setting.value for setting in taken.settings}
    if taken.clients:
        found["API_KEY"] = ",".join(f"{key.name}:{key.secret}" for key in taken.clients)
    return found


def already_set(file: Path) -> frozenset[str]:
    """Names of the settings in a file, none where there is no file. BadRequest for one that is no TOML."""
    return frozenset(name.upper() for name in _toml(file))


def write_settings(file: Path, settings: Mapping[str, Value]) -> list[str]:
    """Append those that are not set yet; their names. OSError."""
    there = already_set(file)
    new = {name: value for name, value in settings.items() if name not in there}
    if new:
        before = file.read_text("utf-8") if file.is_file() else ""
        lines = [f"{name.lower()} = {_toml_value(value)}" for name, value in new.items()]
        _write(file, _joined(before, lines))
    return list(new)


def write_official(file: Path, keys: Iterable[OfficialKey]) -> list[str]:
    """Append accounts of the official API to accounts.toml, each key in a file of its own; their names. OSError."""
    names = {str(one.get("name")) for one in _toml(file).get("account", ()) if isinstance(one, dict)}
    new = [key for key in keys if key.name not in names]
    lines: list[str] = []
    for key in new:
        place = f"env:{key.variable}"
        if not key.variable:
            _write(file.parent / KEYS / f"{key.name}.key", key.secret + "\n")
            place = f"file:{KEYS}/{key.name}.key"
        lines += [
            "[[account]]",
            f"name = {_toml_value(key.name)}",
            'kind = "official"',
            f"api_key = {_toml_value(place)}",
        ]
        lines += [f"proxy = {_toml_value(key.proxy)}"] if key.proxy else []
    if new:
        before = file.read_text("utf-8") if file.is_file() else ""
        _write(file, _joined(before, lines))
        accounts_file.read(file)
    return [key.name for key in new]


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise BadRequest(f"{file} is no TOML: repair it first", f"{file} 不是有效的 TOML，请先修复") from None


def _joined(before: str, lines: list[str]) -> str:
    gap = "" if not before or before.endswith("\n") else "\n"
    return before + gap + "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    """A file that only its owner reads: whole, or as it was."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with drafted(file, PRIVATE) as draft:
        draft.write(text.encode())


def _toml_value(value: Value) -> str:
    """Texts are of printable ASCII where they come from a file, which JSON and TOML write alike."""
    return json.dumps(value, ensure_ascii=False)
