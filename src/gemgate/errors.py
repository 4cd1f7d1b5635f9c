"""What can go wrong, and who is to blame: the type says it, never an HTTP status or a substring.

    GatewayError
    ├── SettingsError          a setting that stops the start
    ├── ClientError            the caller can mend it
    │   ├── BadRequest         a parameter, a body, an image
    │   ├── Unauthorized       no key, or a wrong one          Forbidden   a key that may not do this
    │   ├── NotFound           route, file, batch, image     ModelNotFound   with the list of what there is
    │   ├── MethodNotAllowed   UnsupportedMedia   Conflict
    │   ├── TooLarge           a body, a file, a prompt        NoRoom      its key has as much here as it may
    │   └── Unprocessable      understood, but it cannot be had (size_policy=require)
    ├── LimitError             our own rules
    │   ├── RateLimited        too often; carries the seconds
    │   │   └── OverBudget     a budget of a day or a month is used up
    │   └── Busy               every lane taken and the queue full, or waited too long
    ├── AccountError           one Google account
    │   ├── SignedOut          cookies dead, refused, or answered as an anonymous guest
    │   ├── Spent              usage limit; carries the reset when Google named it
    │   └── Rejected           Google wants a person: terms, age, country
    ├── Blocked                our address, whatever the account
    ├── GoogleError            the service
    │   ├── Refused            safety refusal                  NoImage     text instead of an image
    │   │                                                      NoVideo     there will be no video; NoMusic: nor music
    │   │                                                      NoResearch  there will be no research
    │   ├── Stalled            silent or too slow; names the deadline that ran out
    │   ├── Broken             5xx, 1013, reset, garbage       Unreachable no connection at all
    │   ├── Interrupted        cut off when part of it was told, and not to be gone on with
    │   ├── ModelGone          the model or the conversation is not what Google expects
    │   ├── ModelNotServed     another model answered than was asked for
    │   └── PromptTooLong      more text than the account takes at once
    ├── Drift                  Google's answer no longer has the shape the client library knows
    ├── NoAccount              none is usable: which, why, and until when
    ├── OutputInvalid          the model did not keep to the schema or the tools, even after one repair
    └── StorageDown            the image store is away

`generated` answers the one question that decides about a second try: is it certain ("no") that Google made
nothing for this prompt? Everything that is not certain is "maybe" (docs/decisions.md 1).
"""

from __future__ import annotations

import errno
import re
from copy import copy
from typing import Any, ClassVar, Literal, Self

from gemgate.frozen import frozen

Generated = Literal["no", "maybe"]
"""Whether a prompt can have been processed by Google: "no" is certain, "maybe" is everything else."""

Remedy = Literal["", "again", "fresh_chat", "reload", "upload"]
"""What makes one more try on the same account worth it, if nothing was generated: sending it as it is, telling
everything in a fresh chat, loading the account's page anew (the upstream does that itself), or uploading the files."""


MESSAGE_AT_MOST = 4000
"""Characters of a message; nothing a caller sends makes it longer."""


@frozen
class LocalText:
    """One text in both languages that people read."""

    en: str = ""
    zh: str = ""

    def for_(self, language: str) -> str:
        """The text in `language` ("zh…" or anything else for English)."""
        return self.zh if language.lower().startswith("zh") else self.en

    @classmethod
    def of(cls, text: str | LocalText) -> LocalText:
        """The text itself; a str (a name, a number) is the same in both languages."""
        return text if isinstance(text, LocalText) else cls(text, text)

    @classmethod
    def joined(cls, *texts: LocalText) -> LocalText:
        """Sentences in a row, those left out that say nothing."""
        told = [text for text in texts if text.en]
        return cls("; ".join(text.en for text in told), "；".join(text.zh for text in told))


NO_TEXT = LocalText()


class BadValue(ValueError):
    """A value that cannot be, in both languages; what reads one from a text raises it, pydantic's validators too."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.text = LocalText(en, zh)


_SYSTEM = {
    errno.ENOENT: LocalText("No such file or directory", "文件或目录不存在"),
    errno.EACCES: LocalText("Permission denied", "没有权限"),
    errno.EPERM: LocalText("Operation not permitted", "操作不被允许"),
    errno.EISDIR: LocalText("Is a directory", "是目录，不是文件"),
    errno.ENOTDIR: LocalText("Not a directory", "路径中有一段不是目录"),
    errno.EEXIST: LocalText("File exists", "文件已存在"),
    errno.ENOSPC: LocalText("No space left on device", "磁盘空间不足"),
    errno.EROFS: LocalText("Read-only file system", "文件系统只读"),
    errno.ENAMETOOLONG: LocalText("File name too long", "文件名过长"),
    errno.EMFILE: LocalText("Too many open files", "打开的文件过多"),
    errno.ETXTBSY: LocalText("Text file busy", "文件正在被执行"),
    errno.EIO: LocalText("Input/output error", "读写设备出错"),
    errno.EADDRINUSE: LocalText("Address already in use", "地址已被占用"),
    errno.EADDRNOTAVAIL: LocalText("Cannot assign requested address", "本机没有这个地址"),
    errno.ECONNREFUSED: LocalText("Connection refused", "连接被拒绝"),
    errno.ENETUNREACH: LocalText("Network is unreachable", "网络不可达"),
    errno.EHOSTUNREACH: LocalText("No route to host", "主机不可达"),
}


def system_words(error: BaseException) -> LocalText:
    """What the operating system says is wrong, without path and number; of other errors their text, or their kind."""
    if isinstance(error, UnicodeError):
        return LocalText("not a text file", "不是文本文件")
    if isinstance(error, BadValue):
        return error.text
    number = error.errno if isinstance(error, OSError) else None
    if number in _SYSTEM:  # not `strerror`: asyncio has words of its own there, with the address in them
        return _SYSTEM[number]
    return LocalText.of((error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__)


def said(text: str, most: int = 100) -> str:
    """What a caller said (a path, an id, a type), cut to what a message has room for."""
    return text if len(text) <= most else f"{text[:most]}..."


_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TOKEN_BEGINS = ("AIza", "AQ.", "ya29.", "g.a000", "sidts-", "AKEy")
TOKEN = re.compile(rf"\b(?:{'|'.join(map(re.escape, TOKEN_BEGINS))})[\w.\-/+=]{{8,}}")
"""Google's keys, tokens and cookies, by how they begin; nothing repeated in front, so that looking for it is linear."""
_MAIL = re.compile(r"\b([\w+-]{1,2})[\w.+-]{0,62}@(?=\w)")


def their_words(text: str, most: int = 300) -> str:
    """Google's or a model's own words as a message may have them: on one line, and no more than so many characters.

    Nothing that steers a terminal or turns a line around, no key or token (Google names the key that it has suspended),
    and of mail addresses the beginning: whose account it was is not the caller's to know.
    """
    line = _STEERING.sub(" ", text[: 4 * most]).strip()
    return _MAIL.sub(r"\1…@", TOKEN.sub("***", line))[:most]


def forget_frames(error: BaseException) -> None:
    """Let go of where an error, and whatever led to it, was raised; for whoever has dealt with it or keeps it.

    The frames hold all that the call held, bodies of megabytes too, and a frame that names its error is held by it:
    such a ring stays in memory until the garbage collector comes by, which is rare.
    """
    seen, waiting = set[int](), [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = None
        waiting += [more for more in (one.__cause__, one.__context__) if more is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


class GatewayError(Exception):
    """Base of all; `str(error)` is the English text, `zh` the Chinese one.

    retry_after: seconds until another try makes sense, or None.
    generated:   see the module; "no" unless the raiser knows otherwise.
    quoted:      words of the model or of the caller inside the message: for the caller alone, never for logs or facts.
    """

    kind: ClassVar[str] = "internal"

    def __init__(
        self,
        en: str,
        zh: str | None = None,
        *,
        retry_after: float | None = None,
        generated: Generated = "no",
        param: str | None = None,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        quoted: str = "",
    ) -> None:
        zh = zh or en
        if not quoted:
            en, zh = said(en, MESSAGE_AT_MOST), said(zh, MESSAGE_AT_MOST)
        super().__init__(en)
        self.en = en
        self.zh = zh
        self.retry_after = retry_after
        self.generated: Generated = generated
        self.param = param
        self.code = code
        self.details = details or {}
        self.quoted = quoted
        self.capability = ""
        """Which capability of an account is to blame, when it is not the one that the call was for."""
        self.remedy: Remedy = ""
        self.reason = ""
        """How a session or an address came to its end, finer than `code`: a word of `policy.session_end`."""

    def with_(
        self,
        *,
        en: str | None = None,
        zh: str | None = None,
        retry_after: float | None = None,
        generated: Generated | None = None,
        param: str | None = None,
        code: str | None = None,
        capability: str | None = None,
        remedy: Remedy | None = None,
        reason: str | None = None,
    ) -> Self:
        """A copy that differs in these; None leaves one as it is. An error that was made is never changed.

        The copy has no traceback and no context, so that keeping it keeps no frame alive.
        """
        changes = {
            "en": en, "zh": zh, "retry_after": retry_after, "generated": generated, "param": param, "code": code,
            "capability": capability, "remedy": remedy, "reason": reason,
        }  # fmt: skip
        copied = copy(self)
        vars(copied).update({name: value for name, value in changes.items() if value is not None})
        copied.args = (copied.en,)
        return copied

    def text(self, language: str = "en") -> str:
        """The message in `language` ("zh…" or anything else for English)."""
        return self.zh if language.lower().startswith("zh") else self.en

    def plain(self, language: str = "en") -> str:
        """The message without what it quotes: for whoever may not read along."""
        text = self.text(language)
        return text.replace(self.quoted, "…") if self.quoted else text


class SettingsError(GatewayError):
    """A setting that stops the start; the text is the one clear line."""


class ClientError(GatewayError):
    kind = "bad_request"


class BadRequest(ClientError):
    kind = "bad_request"


class Unauthorized(ClientError):
    kind = "unauthorized"


class Forbidden(ClientError):
    kind = "forbidden"


class NotFound(ClientError):
    kind = "not_found"


class ModelNotFound(NotFound):
    kind = "model_not_found"


class MethodNotAllowed(ClientError):
    kind = "method_not_allowed"


class Conflict(ClientError):
    kind = "conflict"


class TooLarge(ClientError):
    kind = "too_large"


class NoRoom(TooLarge):
    """What a key has here is as much as it may have. Nothing is wrong with the call: some of it can be deleted."""


class UnsupportedMedia(ClientError):
    kind = "unsupported_media"


class Unprocessable(ClientError):
    kind = "unprocessable"


class LimitError(GatewayError):
    kind = "rate_limited"


class RateLimited(LimitError):
    """Carries `details`: limit, remaining, reset (seconds) of the rule that refused."""

    kind = "rate_limited"


class OverBudget(RateLimited):
    """A budget is used up, for hours or weeks: nothing to try again soon. `details` as of its base."""

    kind = "insufficient_quota"


class Busy(LimitError):
    kind = "busy"


class AccountError(GatewayError):
    kind = "account"


class SignedOut(AccountError):
    kind = "signed_out"


class NotThisAccount(SignedOut):
    """The cookies may be good, but not for the account they were given to."""


class Spent(AccountError):
    """`resets_at` is Google's own reset time in epoch seconds when it named one."""

    kind = "spent"

    def __init__(self, en: str, zh: str | None = None, *, resets_at: float | None = None, **more: Any) -> None:
        super().__init__(en, zh, **more)
        self.resets_at = resets_at


class Rejected(AccountError):
    kind = "rejected"


class Blocked(GatewayError):
    kind = "blocked"


class GoogleError(GatewayError):
    kind = "upstream"


class Refused(GoogleError):
    """A safety refusal; `answer` is what the model said."""

    kind = "refused"

    def __init__(self, en: str, zh: str | None = None, *, answer: str = "", **more: Any) -> None:
        super().__init__(en, zh, **more)
        self.answer = answer


class NoImage(Refused):
    kind = "no_image"


class NoVideo(Refused):
    """There will be no video; the text says why: no access, or words in its place."""

    kind = "no_video"


class NoMusic(Refused):
    """The same of music."""

    kind = "no_music"


class NoResearch(Refused):
    """There will be no deep research; the text says why: nothing left of it, or words in its place."""

    kind = "no_research"


STAGES = {"first byte": "首字节", "between chunks": "分块之间", "total": "总时长", "sign-in": "登录"}
"""The deadlines of `Stalled`, in Chinese."""


class Stalled(GoogleError):
    """`stage` names the deadline: "first byte", "between chunks", "total" or "sign-in"."""

    kind = "timeout"

    def __init__(self, en: str, zh: str | None = None, *, stage: str = "total", **more: Any) -> None:
        super().__init__(en, zh, **more)
        self.stage = stage


class Broken(GoogleError):
    kind = "upstream"


class Interrupted(Broken):
    """An answer was cut off after part of it was told, and the rest that belongs to that part is not to be had."""


class Unreachable(GoogleError):
    kind = "unreachable"


class ModelGone(GoogleError):
    kind = "model_gone"


class ModelNotServed(GoogleError):
    """Another model answered than was asked for, and the caller would rather have none (MODEL_POLICY=require)."""

    kind = "model_not_served"


class PromptTooLong(GoogleError):
    kind = "prompt_too_long"


class Drift(GatewayError):
    kind = "drift"


class NoAccount(GatewayError):
    """None usable. `quota` is true when waiting alone helps (429), `needs_person` when only somebody who signs one in,
    resumes or adds one changes that.
    """

    kind = "no_account"

    def __init__(
        self, en: str, zh: str | None = None, *, quota: bool = False, needs_person: bool = False, **more: Any
    ) -> None:
        super().__init__(en, zh, **more)
        self.quota = quota
        self.needs_person = needs_person


class OutputInvalid(GatewayError):
    kind = "output_invalid"


class StorageDown(GatewayError):
    kind = "storage"
