"""The words of accounts: cookies (never printed), the state an account is in, and how a call ended for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Literal, get_args

from gemgate.errors import BadRequest, GatewayError, LocalText, NotFound, said
from gemgate.frozen import frozen

PSID, PSIDTS, PSIDCC = "__Secure-1PSID", "__Secure-1PSIDTS", "__Secure-1PSIDCC"

_ALIASES = {
    alias: name
    for name in (PSID, PSIDTS, PSIDCC)
    for alias in (name.lower(), name.lower().removeprefix("__"), name[9:].lower(), "secure_" + name[9:].lower())
}
"""Spellings people use for the three cookies, in lower case: __Secure-1PSID, Secure-1PSID, 1PSID, SECURE_1PSID."""


def known_name(name: str) -> str:
    """Which of the three cookies a name means, in any of the spellings people use; "" for none."""
    return _ALIASES.get(name.strip().lower(), "")


MOST_OTHERS = 40
"""Cookies of google.com that are kept beside the three."""

COMPANIONS = frozenset(
    [
        "SID",
        "HSID",
        "SSID",
        "APISID",
        "SAPISID",
        "SIDCC",
        "NID",
        "AEC",
        "SOCS",
        "SEARCH_SAMESITE",
        "__Secure-1PAPISID",
        "__Secure-3PAPISID",
        "__Secure-3PSID",
        "__Secure-3PSIDTS",
        "__Secure-3PSIDCC",
    ]
)
"""Names that Google sets for the whole of google.com: what is kept of a text that tells no domains."""
JAR, BOUND = "jar", "bound"
"""Keys of `Cookies.as_dict` beside the names of cookies."""
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{1,4096}")


_BINDS = re.compile(
    r"Mozilla/5\.0 \(Windows NT[^)\"']{0,60}\)[^\"'\r\n]{0,80}?Chrome/(\d{2,4})\."
    r"(?![^\"'\r\n]{0,60}(?:Edg|OPR|Vivaldi)/)"
)
_BINDS_SINCE = 146


def binding_browser(text: str) -> str:
    """The browser that a text names and that binds its sessions to the device (docs/google-wire.md 5.5), or ""."""
    found = _BINDS.search(text)
    return f"Chrome {found[1]} (Windows)" if found and int(found[1]) >= _BINDS_SINCE else ""


@frozen
class Companion:
    """Another cookie of google.com that the source had. A later value of the same name, domain and path replaces it.

    Its name is not shown either: in a damaged copy a value may stand where the name does.
    """

    name: str = field(repr=False)
    domain: str
    path: str
    value: str = field(repr=False)

    @property
    def fits(self) -> bool:
        """Whether it is one to keep: of google.com itself, well formed, and none of the three."""
        own = self.domain.lstrip(".").lower() == "google.com" and self.path.startswith("/")
        named = _NAME.fullmatch(self.name) is not None and self.name not in (PSID, PSIDTS, PSIDCC)
        return own and named and _VALUE.fullmatch(self.value) is not None


def companions(found: Iterable[Companion]) -> tuple[Companion, ...]:
    """Those to keep, the last of each name, domain and path."""
    kept = {(one.name, one.domain, one.path): one for one in found if one.fits}
    return tuple(kept.values())[:MOST_OTHERS]


@frozen
class Cookies:
    """The three cookies that make a session. `repr` and `str` show no value.

    psid identifies the session, psidts is the part that Google rotates, psidcc is optional. others: what else the
    source had of google.com; Google wants more than the three for some accounts (docs/google-wire.md 5.2). bound: the
    browser that the source named, if it is one that binds its sessions to the device. Both do not count when cookies
    are compared.
    """

    psid: str = field(repr=False)
    psidts: str = field(default="", repr=False)
    psidcc: str = field(default="", repr=False)
    others: tuple[Companion, ...] = field(default=(), repr=False, compare=False)
    bound: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for value in (self.psid, self.psidts, self.psidcc):
            if any(char in value for char in ';,\r\n\t "') or not value.isascii():
                raise BadRequest(
                    "A cookie value contains a character that no cookie has; copy the value again, without quotes",
                    "Cookie 的值含有非法字符，请重新复制，不要带引号",
                    param="cookies",
                )
        if not self.psid:
            raise BadRequest(
                f"{PSID} is missing; copy it from the cookies of gemini.google.com",
                f"缺少 {PSID}，请从 gemini.google.com 的 Cookie 中复制",
                param="cookies",
            )

    def __str__(self) -> str:
        return f"Cookies({self.identity})"

    @property
    def identity(self) -> str:
        """Twelve hex digits that tell sessions apart without telling the cookie."""
        return hashlib.sha256(self.psid.encode()).hexdigest()[:12]

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with any of the values."""
        return hashlib.sha256("\n".join((self.psid, self.psidts, self.psidcc)).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, str]:
        """Name -> value of the ones that are set: for the wire and the encrypted row only."""
        pairs = {PSID: self.psid, PSIDTS: self.psidts, PSIDCC: self.psidcc}
        if self.others:
            pairs[JAR] = json.dumps([[one.name, one.domain, one.path, one.value] for one in self.others])
        if self.bound:
            pairs[BOUND] = self.bound
        return {name: value for name, value in pairs.items() if value}

    @classmethod
    def of(cls, pairs: Mapping[str, object]) -> Cookies:
        """From a mapping in any of the spellings people use; BadRequest without a 1PSID."""
        found: dict[str, str] = {}
        for key, value in pairs.items():
            name = known_name(str(key))
            if name and isinstance(value, str) and value.strip():
                found[name] = value.strip().strip('"')
        named = [Companion(n, ".google.com", "/", str(v).strip()) for n, v in pairs.items() if n in COMPANIONS]
        others = companions([*named, *_stored(pairs.get(JAR))])
        bound = str(pairs.get(BOUND) or "")[:40]
        return cls(found.get(PSID, ""), found.get(PSIDTS, ""), found.get(PSIDCC, ""), others, bound)


def _stored(text: object) -> Iterator[Companion]:
    """What `as_dict` wrote; nothing when it is something else."""
    try:
        rows = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) == 4 and all(isinstance(part, str) for part in row):
            yield Companion(*row)


def person(cookies: Cookies, number: int) -> str:
    """Tells the accounts apart that share a set of cookies: nothing of one is another's."""
    return f"{cookies.identity}/u/{number}" if number else cookies.identity


def number_of(seat: str) -> int:
    """The number in what `person` gave; 0 for none."""
    return int(seat.partition("/u/")[2] or 0)


State = Literal["starting", "ready", "busy", "cooling", "needs_login", "paused", "blocked", "error"]
"""The one word from which routing, /health, /ready, the page and every 503 text are derived."""

STATE_WORDS: Mapping[str, LocalText] = {
    "starting": LocalText("starting", "登录中"),
    "ready": LocalText("ready", "可用"),
    "busy": LocalText("busy", "繁忙"),
    "cooling": LocalText("cooling", "冷却中"),
    "needs_login": LocalText("needs_login", "需要登录"),
    "paused": LocalText("paused", "已暂停"),
    "blocked": LocalText("blocked", "地址被封锁"),
    "error": LocalText("error", "异常"),
}
"""What each is called in a sentence."""

Capability = Literal["text", "pro", "image", "video", "music", "research", "upload"]
CAPABILITY_WORDS: Mapping[str, LocalText] = {
    "text": LocalText("text", "文本"),
    "pro": LocalText("Pro text", "Pro 文本"),
    "image": LocalText("pictures", "图片"),
    "video": LocalText("videos", "视频"),
    "music": LocalText("music", "音乐"),
    "research": LocalText("deep research", "Deep Research"),
    "upload": LocalText("uploads", "上传"),
}
"""What each is called where people read of it."""
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


@frozen
class Standstill:
    """Why no account can take such calls. needs_person: until one is signed in, or one that was paused is resumed."""

    why: GatewayError
    needs_person: bool


Kind = Literal["web", "official"]


@frozen
class Walls:
    """How much of a prompt an account reads, in UTF-8 bytes; what stands beyond is lost without a word.

    plain: of the text field. with_files: of the text and the text of all files together. 0 = any number.
    temporary_share: of both in temporary chats. Source: docs/google-wire.md 1.1 to 1.4.
    """

    plain: int = 0
    with_files: int = 0
    temporary_share: float = 1.0

    def of(self, *, temporary: bool) -> Walls:
        """The walls of one prompt."""
        share = self.temporary_share
        return Walls(int(self.plain * share), int(self.with_files * share)) if temporary and share < 1 else self

    def hold_more_than(self, other: Walls) -> bool:
        """Whether a prompt that is too long for the other ones may fit these."""
        pairs = ((self.plain, other.plain), (self.with_files, other.with_files))
        return any(theirs and (not mine or mine > theirs) for mine, theirs in pairs)


@frozen
class MeasuredWalls:
    """What `gemgate accounts measure` found: the largest sizes that were read whole, in bytes.

    resolution: how much more it may be. at: epoch seconds. tier: what the account's model list says, or "unknown".
    """

    plain: int
    with_files: int
    resolution: int
    at: float
    tier: str = "unknown"


GEM = "gem:"
"""How the names of gems begin, as models."""


@frozen
class AccountModel:
    """A model that an account really has, as the web app reports it.

    id: hex id; name: `gemini-flash`; aliases: other spellings, lower case; number and capacity: what the wire needs.
    gem: the gem that this is, answered by the model whose id is `base`; "" for a model itself.
    """

    id: str
    name: str
    display: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    gem: str = ""
    base: str = ""


@frozen
class Gem:
    """A person's own instruction of the web app, under a name. id: "" for one that is still to be made."""

    id: str
    name: str
    prompt: str = field(repr=False)
    description: str = ""

    @property
    def model(self) -> str:
        """Its name as a model: `gem:NAME`, without what a path cannot hold."""
        return GEM + re.sub(r"[\s/]+", "-", self.name.strip())


def _called(text: str) -> str:
    return hashlib.sha256(text.strip().lower().encode()).hexdigest()


@frozen
class GoogleAccount:
    """Whose a session is, as Google's page says (docs/google-wire.md 5.6); nothing when it does not say.

    id: twelve hex digits that tell accounts apart. label: the address, cut short for people to recognise it.
    called: digests of what a person calls it, the address and the part before @. They are not stored.
    """

    id: str = ""
    label: str = ""
    called: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def of(cls, number: str, address: str) -> GoogleAccount:
        """number: Google's own for the account, which never changes."""
        if not number:
            return cls()
        name, at, host = address.partition("@")
        label = f"{name[:2]}…{name[-1]}@{host}" if at and len(name) > 3 else f"{name[:1]}…@{host}" if at else ""
        called = frozenset(_called(text) for text in (address, name) if text)
        return cls(hashlib.sha256(number.encode()).hexdigest()[:12], label, called)

    def is_called(self, text: str) -> bool:
        """Whether a person means this one: by its address, the part of it before @, or as it is shown here."""
        return _called(text) in self.called or bool(self.label and text.strip().lower() == self.label.lower())

    def __str__(self) -> str:
        return self.label or self.id


@frozen
class Known:
    """What Google has told of the account behind a name, and what outlasts its sessions.

    seat: the session and the number it was told for (`person`). chats_at: when chats of it were last seen, in epoch
    seconds, 0 = never: a session that shows none of them is a phantom (docs/google-wire.md 5.3).
    """

    google: GoogleAccount = field(default_factory=GoogleAccount)
    seat: str = ""
    chats_at: float = 0.0


@frozen
class SignInResult:
    """What signing in found out. has_chats: whether chats of the account were seen."""

    models: tuple[AccountModel, ...]
    status: str = "AVAILABLE"
    has_chats: bool = False


Renewal = Literal["renewed", "withheld", "refused"]
"""What came of asking for new cookies: a new 1PSIDTS; 200 without one; 401. Only the first says anything of the
session (docs/google-wire.md 5.4)."""


@frozen
class Rotated:
    """The end of a rotation. cookies: those of the session now, some of which may have changed.

    other_way: whether asking once more, when that is allowed again, is worth it: it is asked in another way then.
    """

    renewal: Renewal
    cookies: Cookies
    other_way: bool = False


ACTION = "action "
"""How the names of windows begin that count something Google numbers and does not name."""


@frozen
class UsageWindow:
    """One of Google's usage windows (docs/google-wire.md 6.1, 7.2): `used` in 0..1, `resets_at` in epoch seconds or
    None.

    name: `5h`, `weekly`, `credits`, or `action N`. left, total: in what Google counts, None where it does not say.
    model: hex id of the model whose calls it is of, "" for the whole account.
    """

    name: str
    used: float
    resets_at: float | None
    left: float | None = None
    total: float | None = None
    model: str = ""

    @property
    def share_left(self) -> float:
        """What is left of it, in 0..1."""
        return max(0.0, 1.0 - self.used)


Tier = Literal["free", "pro", "ultra", "plus", "unknown"]


@frozen
class UsageReport:
    """What Google says when it is asked how much of an account is used; nothing in it is nothing said.

    overage: whether credits go on where a window ends, None where that is not said.
    """

    windows: tuple[UsageWindow, ...] = ()
    tier: Tier = "unknown"
    overage: bool | None = None


def account_not_found(name: str) -> NotFound:
    """The error for an account that is not there, wherever it is looked for."""
    return NotFound(
        f"There is no account {said(name)}", f"账号 {said(name)} 不存在", param="account", code="account_not_found"
    )
