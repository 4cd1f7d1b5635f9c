"""What was taken of another gateway's configuration, and what was left.

Files of this kind are full of secrets, and a broken one has them in odd places. So nothing of a file is ever shown but
words that we know: names of settings come from the tables of the readers, values are checked against a narrow form
before they may be seen, and a name of an account that could be a secret is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any

from gemgate.accounts import Cookies
from gemgate.errors import BadRequest, LocalText
from gemgate.frozen import frozen

MOST = 1000
"""Accounts, and keys, of one file."""
_LONGEST = 40
_RUN = re.compile(r"[^\W_]{14,}")
_LONG = 20
"""Characters from which a text of small and capital letters and digits is taken for a secret."""
_TOKEN_START = re.compile(r"(?:g\.a0|sidts|sk-|aiza|ya29|bearer)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(?:your|change|replace|example|placeholder|xxx|<|\.\.\.|\*\*\*)", re.IGNORECASE)
_KEY = re.compile(r"[!-~]{4,512}")
_SEPARATORS = re.compile(r"[,;:]")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,30}(?:_[A-Z0-9]{1,30}){1,6}")
_HOST = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|localhost|::1?")
_PROXY = re.compile(r"(?:https?|socks5h?|socks4)://[!-~]{1,500}")
_ORIGIN = re.compile(r"\*|https?://[\w.-]{1,200}(?::\d{1,5})?")
_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}


@frozen
class WebAccount:
    """An account of the web app. cookie_file: where its cookies stand, beside the file that was read, "" = they are
    `cookies`.
    """

    name: str
    cookies: Cookies | None = field(default=None, repr=False)
    cookie_file: str = field(default="", repr=False)
    proxy: str | None = field(default=None, repr=False)
    number: int = 0


@frozen
class OfficialKey:
    """A key of Google's official API. variable: the variable of the environment that holds it, "" = `secret`."""

    name: str
    secret: str = field(default="", repr=False)
    variable: str = ""
    proxy: str | None = field(default=None, repr=False)


@frozen
class ClientKey:
    """A key that clients of the other gateway have."""

    name: str
    secret: str = field(repr=False)


@frozen
class Setting:
    """A setting of ours. place: the other gateway's name of it; shown: its value where everybody may see it."""

    name: str
    place: str
    value: str | int | float = field(repr=False)
    shown: str = ""


@frozen
class Remark:
    """Something that has no counterpart. place: a name of the other gateway's, known to its reader."""

    place: str
    text: LocalText


@frozen
class Taken:
    """All that a file had. Nothing of it is a secret in `repr`."""

    format: str
    accounts: tuple[WebAccount, ...] = ()
    official: tuple[OfficialKey, ...] = ()
    clients: tuple[ClientKey, ...] = ()
    settings: tuple[Setting, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.accounts or self.official or self.clients or self.settings)


class Taking:
    """Collects while a file is read. Every method takes a value as it stands there and judges it."""

    def __init__(self, form: str) -> None:
        self._format = form
        self._accounts: list[WebAccount] = []
        self._official: list[OfficialKey] = []
        self._clients: list[ClientKey] = []
        self._settings: dict[str, Setting] = {}
        self._remarks: list[Remark] = []
        self._secrets: set[str] = set()

    def account(
        self, place: str, name: Any, psid: Any, psidts: Any = "", *, proxy: Any = None, number: Any = None
    ) -> None:
        """An account by its two values."""
        one, two = _value(psid), _value(psidts)
        if self._is_empty(place, one):
            return
        try:
            cookies = Cookies(one, "" if _PLACEHOLDER.match(two) else two)
        except BadRequest as error:
            self.leave(place, error.en, error.zh)
        else:
            self.account_of(place, name, cookies, proxy=proxy, number=number)

    def account_of(
        self, place: str, name: Any, cookies: Cookies | None, *, file: str = "", proxy: Any = None, number: Any = None
    ) -> None:
        """An account by its cookies, or by the `file` that holds them."""
        if cookies is not None:
            self._secrets.update((cookies.psid, cookies.psidts, *(one.value for one in cookies.others)))
            if not cookies.psidts:
                self.leave(
                    place,
                    "has no __Secure-1PSIDTS: many accounts do not sign in, or live for minutes only, without it",
                    "没有 __Secure-1PSIDTS：许多账号没有它就无法登录，或只能维持几分钟",
                )
        self._room(self._accounts)
        seat = str(number).strip() if number not in (None, "") else "0"
        if not (seat.isascii() and seat.isdigit() and int(seat[:3]) <= 9 and len(seat) == 1):
            self.leave(
                place, "its number (/u/N) is none from 0 to 9; 0 is taken", "其编号（/u/N）不在 0 到 9 之间，已取 0"
            )
            seat = "0"
        self._accounts.append(WebAccount(str(name or ""), cookies, file, self.way_out(place, proxy), int(seat)))

    def official(self, place: str, name: Any, key: Any, *, proxy: Any = None, base: Any = None) -> None:
        """A key of the official API, or `os.environ/NAME`. base: the address it is used at, where one is named."""
        text = _value(key)
        if self._is_empty(place, text):
            return
        variable = text.removeprefix("os.environ/") if text.startswith("os.environ/") else ""
        if variable and not _VARIABLE.fullmatch(variable):
            self.leave(place, "names no variable of the environment", "没有指明有效的环境变量")
            return
        if not variable and not _KEY.fullmatch(text):
            self.leave(place, "is no API key: one word of ASCII", "不是有效的 API 密钥（应为一个 ASCII 单词）")
            return
        if base and "generativelanguage.googleapis.com" not in str(base):
            self.leave(
                place,
                "goes to another address than Google's; OFFICIAL_API_URL is one for all keys",
                "指向的地址不是 Google 官方地址；OFFICIAL_API_URL 对所有密钥统一生效",
            )
            return
        self._room(self._official)
        known = {(one.secret, one.variable) for one in self._official}
        if (("" if variable else text), variable) in known:
            return
        self._secrets.add("" if variable else text)
        secret = "" if variable else text
        self._official.append(OfficialKey(str(name or ""), secret, variable, self.way_out(place, proxy)))

    def client(self, place: str, name: Any, secret: Any) -> None:
        """A key of clients, which goes on working."""
        text = _value(secret)
        if self._is_empty(place, text):
            return
        if text.startswith("os.environ/"):
            self.leave(place, "stands in the environment: put it into API_KEY", "保存在环境变量中：请写入 API_KEY")
            return
        if not _KEY.fullmatch(text) or _SEPARATORS.search(text):
            self.leave(
                place,
                "cannot be a key here: 4 to 512 characters of ASCII without , ; and :",
                "不能用作密钥：需为 4 到 512 个 ASCII 字符，且不含 , ; :",
            )
            return
        if any(one.secret == text for one in self._clients):
            return
        self._room(self._clients)
        self._secrets.add(text)
        self._clients.append(ClientKey(str(name or ""), text))

    def whole(self, name: str, place: str, value: Any, *, least: int = 0, most: int = 10_000_000) -> None:
        """A setting that is a number."""
        text = str(value).strip()
        if text in ("", "None"):
            return
        if text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most:
            self._settings[name] = Setting(name, place, int(text), text)
        else:
            self.leave(place, f"is no number from {least} to {most}", f"不是 {least} 到 {most} 之间的整数")

    def level(self, place: str, value: Any) -> None:
        """How much is logged."""
        known = _LEVELS.get(str(value).strip().lower())
        if known:
            self._settings["LOG_LEVEL"] = Setting("LOG_LEVEL", place, known, known)

    def host(self, place: str, value: Any) -> None:
        """Where it listens."""
        text = _value(value)
        if _HOST.fullmatch(text):
            self._settings["HOST"] = Setting("HOST", place, text, text)

    def way_out(self, place: str, value: Any) -> str | None:
        """A proxy, None where there is none. Its value is a secret: it may have a password."""
        text = _value(value)
        if not text:
            return None
        if not _PROXY.fullmatch(text):
            self.leave(
                place,
                "its proxy is no http://, https:// or socks5:// address",
                "其代理不是 http://、https:// 或 socks5:// 地址",
            )
            return None
        self._secrets.add(text)
        return text

    def proxy(self, place: str, value: Any) -> None:
        """The proxy of all accounts."""
        if text := self.way_out(place, value):
            self._settings["PROXY_URL"] = Setting("PROXY_URL", place, text)

    def origins(self, place: str, value: Any) -> None:
        """Pages that may call."""
        parts = value if isinstance(value, list) else str(value or "").split(",")
        good = [text for text in (str(part).strip().rstrip("/") for part in parts) if _ORIGIN.fullmatch(text)]
        if good:
            self._settings["CORS_ORIGINS"] = Setting("CORS_ORIGINS", place, ",".join(good[:100]))

    def admin(self, place: str, value: Any) -> None:
        """The key of the page."""
        text = _value(value)
        if text and not _PLACEHOLDER.match(text) and _KEY.fullmatch(text):
            self._secrets.add(text)
            self._settings["ADMIN_KEY"] = Setting("ADMIN_KEY", place, text)

    def fixed(self, name: str, place: str, value: str | int) -> None:
        """A setting whose value is ours."""
        self._settings[name] = Setting(name, place, value, str(value))

    def leave(self, place: str, en: str, zh: str) -> None:
        """Say what stays behind, and what to do about it."""
        if len(self._remarks) < MOST:
            self._remarks.append(Remark(place, LocalText(en, zh)))

    def leave_all(
        self, prefix: str, given: Mapping[str, Any], why: Mapping[str, tuple[str, str]], read: Collection[str]
    ) -> None:
        """The fields of a table that were not `read`: those in `why` with their sentence, the others as a number."""
        unknown = 0
        for name in given:
            if name in why:
                self.leave(f"{prefix}{name}", *why[name])
            elif name not in read:
                unknown += 1
        if unknown:
            place = prefix.rstrip(".") or self._format
            self.leave(place, f"has {unknown} more that this version does not know", f"另有 {unknown} 项本版本不认识")

    def done(self) -> Taken:
        """Everything, with names that are ours to show, each once."""
        if any(one.name == "HOST" for one in self._settings.values()) and not self._clients:
            host = self._settings["HOST"]
            if host.value not in ("127.0.0.1", "localhost", "::1"):
                del self._settings["HOST"]
                self.leave(
                    host.place,
                    "is open to other machines and has no key of clients: set HOST together with API_KEY",
                    "对其他机器开放但没有客户端密钥：请同时设置 HOST 与 API_KEY",
                )
        names: set[str] = set()
        tenants: set[str] = set()
        return Taken(
            self._format,
            tuple(
                WebAccount(
                    self._name(one.name, f"account-{at}", names), one.cookies, one.cookie_file, one.proxy, one.number
                )
                for at, one in enumerate(self._accounts, 1)
            ),
            tuple(
                OfficialKey(self._name(one.name, f"official-{at}", names), one.secret, one.variable, one.proxy)
                for at, one in enumerate(self._official, 1)
            ),
            tuple(
                ClientKey(self._name(one.name, f"client-{at}", tenants), one.secret)
                for at, one in enumerate(self._clients, 1)
            ),
            tuple(self._settings.values()),
            tuple(dict.fromkeys(self._remarks)),
        )

    def _name(self, text: str, instead: str, taken: set[str]) -> str:
        """A name as accounts and keys have them: the given one, where it can be no secret; none twice."""
        name = "".join(char if char.isalnum() or char in "-_.@" else "-" for char in text.strip()[:200]).strip("-")
        if not name or len(name) > _LONGEST or self._could_be_secret(name) or self._could_be_secret(text.strip()):
            name = instead
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}-{number}", number + 1
        taken.add(unique)
        return unique

    def _could_be_secret(self, name: str) -> bool:
        if _TOKEN_START.search(name) or any(_is_mixed(run) for run in _RUN.findall(name)):
            return True
        if len(name) >= _LONG and _is_mixed(name) and name not in (name.lower(), name.upper()):
            return True
        return any(secret and (secret in name or (len(name) > 3 and name in secret)) for secret in self._secrets)

    def _is_empty(self, place: str, text: str) -> bool:
        if text and _PLACEHOLDER.match(text):
            self.leave(place, "is still the example's", "仍是示例中的占位内容")
            return True
        return not text

    def _room(self, kept: list[Any]) -> None:
        if len(kept) >= MOST:
            raise BadRequest(f"More than {MOST} accounts or keys in one file", f"一个文件中的账号或密钥超过 {MOST} 个")


def _is_mixed(text: str) -> bool:
    """Whether it has both letters and digits."""
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)


def _value(value: Any) -> str:
    """A text as a configuration has it: without blanks, quotes and a semicolon around it."""
    return value.strip().rstrip(";").strip("\"'").rstrip(";").strip() if isinstance(value, str) else ""
