"""accounts.toml: several accounts by name, each with its cookie source, proxy, lanes and weight.

[[account]]
name = "alice"
source = "browser:firefox:alice"     # as COOKIE_SOURCE is spelled; none = cookies are handed over by hand
proxy = "http://127.0.0.1:3128"       # or several, ["http://…", "socks5://…"]: the first that is not blocked
lanes = 2
weight = 1.0
desktop = "https://desk.example:6901" # where its browser is reached, for the page's link
rotate = false                        # its cookies are not renewed by us; true, its default: COOKIE_REFRESH_SECONDS
number = 1                            # which account of its cookies, as in gemini.google.com/u/1; 0 = the first
language = "en"                       # what Google is asked to speak; none = the account's own
prompt_max_bytes = 120000             # how much of a prompt it reads; none = as measured, else PROMPT_MAX_BYTES
prompt_with_files_max_bytes = 150000

[[account]]                           # Google's official API, off unless it is named here
name = "paid"
kind = "official"
api_key = "env:GEMINI_API_KEY"        # or file:PATH; the key itself is never stored
fallback = true                       # its default: used only while no other account can take the call
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from gemgate.cookies.spec import parse_source
from gemgate.errors import BadRequest, LocalText, system_words
from gemgate.ports.accounts import AccountSetup
from gemgate.validation import toml_problem

_SIZES = ("prompt_max_bytes", "prompt_with_files_max_bytes")
_SEAT = ("number", "language")
_DESKTOP = re.compile(r"https?://[^\s/]\S{0,500}")
_SWITCHES = ("fallback", "rotate")
_KEYS = {"name", "kind", "source", "api_key", "proxy", "lanes", "weight", "desktop", *_SWITCHES, *_SIZES, *_SEAT}

MOST_NUMBER = 9
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


def read(path: Path) -> list[AccountSetup]:
    """The accounts in the file; BadRequest names the entry and what is wrong with it."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, system_words(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, toml_problem(error)) from None
    entries = document.get("account", [])
    if not isinstance(entries, list) or set(document) - {"account"}:
        raise _wrong(
            path,
            LocalText(
                "write one [[account]] table per account, and nothing else",
                "每个账号写一个 [[account]] 表，不能有其他内容",
            ),
        )
    setups = [_setup(path, place, entry) for place, entry in enumerate(entries, 1)]
    if len({setup.name for setup in setups}) < len(setups):
        raise _wrong(path, LocalText("two accounts have one name", "有两个账号使用了同一个名称"))
    return setups


def _setup(path: Path, place: int, entry: Any) -> AccountSetup:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise _wrong(path, LocalText(f"account {place} has no name", f"第 {place} 个账号没有名称"))

    def wrong(en: str, zh: str) -> BadRequest:
        name = entry["name"]
        return _wrong(path, LocalText(f"account {place} ({name}): {en}", f"第 {place} 个账号（{name}）：{zh}"))

    if unknown := sorted(set(entry) - _KEYS):
        raise wrong(f"there is no key {unknown[0]}", f"没有名为 {unknown[0]} 的项")
    kind, source = entry.get("kind", "web"), entry.get("source", "")
    fallback = entry.get("fallback", kind == "official")
    lanes, weight, proxy = entry.get("lanes"), entry.get("weight", 1.0), entry.get("proxy")
    if isinstance(proxy, list) and all(isinstance(way, str) for way in proxy):
        proxy = " ".join(proxy) or None
    if kind not in ("web", "official"):
        raise wrong("kind is web or official", "kind 为 web 或 official")
    if lanes is not None and (not isinstance(lanes, int) or lanes < 1):
        raise wrong("lanes is a number from 1 on", "lanes 为不小于 1 的整数")
    if not isinstance(weight, int | float) or weight < 0:
        raise wrong("weight is a number from 0 on", "weight 为不小于 0 的数字")
    if not isinstance(source, str) or not isinstance(proxy, str | None):
        raise wrong("source and proxy are texts", "source 和 proxy 为文本")
    for switch in _SWITCHES:
        if not isinstance(entry.get(switch, False), bool):
            raise wrong(f"{switch} is true or false", f"{switch} 为 true 或 false")
    for size in _SIZES:
        if (value := entry.get(size)) is not None and (type(value) is not int or value < 0):
            raise wrong(f"{size} is a number of bytes, 0 = any number", f"{size} 为字节数，0 表示不限")
    try:
        number, language = seat(entry.get("number", 0), entry.get("language", ""))
        desktop = desktop_of(entry.get("desktop", ""))
        source = _api_key_place(entry) if kind == "official" else _cookie_source(entry, source)
    except BadRequest as error:
        raise wrong(error.en, error.zh) from None
    return AccountSetup(
        entry["name"],
        kind,
        source,
        proxy,
        lanes,
        float(weight),
        "file",
        fallback,
        number,
        language,
        prompt_max_bytes=entry.get(_SIZES[0]),
        prompt_with_files_max_bytes=entry.get(_SIZES[1]),
        desktop=desktop,
        rotate=entry.get("rotate", True),
    )


def seat(number: Any, language: Any) -> tuple[int, str]:
    """Number and language of an account; BadRequest for what cannot be one."""
    if type(number) is not int or not 0 <= number <= MOST_NUMBER:
        raise BadRequest(
            f"number is a number from 0 to {MOST_NUMBER}: N of gemini.google.com/u/N",
            f"number 为 0 到 {MOST_NUMBER} 的整数：即 gemini.google.com/u/N 中的 N",
            param="number",
        )
    if not isinstance(language, str) or (language and not _LANGUAGE.fullmatch(language)):
        raise BadRequest(
            "language is a code such as en, de or zh-CN", "language 为语言代码，如 en、de、zh-CN", param="language"
        )
    return number, language


def desktop_of(address: Any) -> str:
    """Where a person reaches the browser of an account; BadRequest for what no browser opens."""
    if not isinstance(address, str) or (address and not _DESKTOP.fullmatch(address)):
        raise BadRequest("desktop is an http or https address", "desktop 为 http 或 https 地址", param="desktop")
    return address


def _cookie_source(entry: dict[str, Any], source: str) -> str:
    if "api_key" in entry:
        raise BadRequest('api_key belongs to kind = "official"', 'api_key 仅用于 kind = "official"')
    return str(parse_source(source)) if source else ""


def _api_key_place(entry: dict[str, Any]) -> str:
    """Where an official account's key stands; the key itself must not be written here."""
    place = entry.get("api_key")
    kind, _, rest = place.partition(":") if isinstance(place, str) else ("", "", "")
    if kind not in ("env", "file") or not rest.strip() or entry.get("source"):
        raise BadRequest(
            'an official account has api_key = "env:NAME" or "file:PATH" (never the key itself) and no source',
            '官方账号需要 api_key = "env:变量名" 或 "file:路径"（不能直接写密钥），且没有 source',
        )
    return f"{kind}:{rest.strip()}"


def _wrong(path: Path, why: LocalText) -> BadRequest:
    return BadRequest(f"{path}: {why.en}", f"{path}：{why.zh}", code="accounts_file")
