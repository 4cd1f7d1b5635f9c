"""The keys that API_KEY holds, and how each is spelled."""

from __future__ import annotations

from gemgate.catalog import parse_aliases
from gemgate.errors import BadValue
from gemgate.frozen import frozen


@frozen
class ApiKey:
    """One entry of API_KEY: `[name:]secret[;rph=100][;alias=gpt-*=gemini-3.0-pro]`."""

    name: str
    secret: str
    per_hour: int | None = None
    aliases: tuple[tuple[str, str], ...] = ()


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Entries of API_KEY; BadValue for an empty secret, two keys of one name, or an unknown option."""
    keys: list[ApiKey] = []
    for number, entry in enumerate((part.strip() for part in text.split(",")), 1):
        if not entry:
            continue
        body, *options = entry.split(";")
        name, sep, secret = body.partition(":")
        if not sep:
            name, secret = f"key{number}", body
        per_hour: int | None = None
        aliases: tuple[tuple[str, str], ...] = ()
        for option in options:
            word, _, value = option.partition("=")
            if word.strip() == "alias":
                aliases += parse_aliases(value)
                continue
            if word.strip() != "rph" or not value.strip().isdigit():
                raise BadValue(
                    f"entry {number}: the options are rph=NUMBER and alias=PATTERN=MODEL",
                    f"第 {number} 项：可用的选项为 rph=数字 和 alias=模式=模型",
                )
            per_hour = int(value)
        if not secret.strip() or not name.strip():
            raise BadValue(f"entry {number} has no secret", f"第 {number} 项没有密钥")
        keys.append(ApiKey(name.strip(), secret.strip(), per_hour, aliases))
    if len({key.name for key in keys}) < len(keys):
        raise BadValue("two entries have one name", "有两项使用了同一个名称")
    return tuple(keys)
