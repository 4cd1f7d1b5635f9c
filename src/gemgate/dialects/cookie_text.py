"""Any text with cookies, as people copy them, to `Cookies`: the one reader of pasted, uploaded, watched and piped text.

The forms are tried from the strictest on; the first that holds a session counts. Only cookies of google.com are kept.
An error says which form was seen and what it lacks, in words of ours alone: nothing of the text is ever quoted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gemgate.accounts import (
    BOUND,
    COMPANIONS,
    JAR,
    PSID,
    PSIDCC,
    PSIDTS,
    Companion,
    Cookies,
    binding_browser,
    companions,
    known_name,
)
from gemgate.dialects.cookie_forms import ANYWHERE, EXPORT, FORMS, HAR, CookieRow, Form, Rows, parse_json
from gemgate.errors import BadRequest, LocalText
from gemgate.frozen import frozen

_SITE = "google.com"
_THREE = (PSID, PSIDTS, PSIDCC)


def read(text: str) -> Cookies:
    """The session in a text; BadRequest says what is missing, or that there are several."""
    text = text.strip("\ufeff \t\r\n")
    if not text:
        raise BadRequest(
            f"{PSID} is missing: the text is empty; {_HOW}", f"缺少 {PSID}：文本为空，{_HOW_ZH}", param="cookies"
        )
    value = parse_json(text)
    if isinstance(value, dict) and (JAR in value or BOUND in value):
        return Cookies.of(value)  # our own, as a command hands them to a gateway
    seen: list[_Found] = []
    for form, rows in _readings(text, is_json=value is not None):
        found = _Found(form, rows)
        if found.sessions:
            return replace(found.cookies(), bound=binding_browser(text))
        seen.append(found)
    raise _missing(seen, broken_json=value is None and text[:1] in ("{", "["))


def lacks(cookies: Cookies) -> LocalText | None:
    """What a person should know of cookies that are fewer than they could be; None when nothing is missing."""
    if cookies.psidts:
        return None
    return LocalText(
        f"{PSIDTS} is missing: many accounts do not sign in, or live for minutes only, without it. Copy it as well",
        f"缺少 {PSIDTS}：许多账号没有它就无法登录，或只能维持几分钟。请一并复制",
    )


def _readings(text: str, *, is_json: bool) -> Iterator[tuple[Form, Rows]]:
    """What each form that takes the text for its own finds in it."""
    for form in (HAR, EXPORT, ANYWHERE) if is_json else FORMS:
        if (rows := form.reads(text)) is not None:
            yield form, rows
            if form is HAR or any(row.domain and row.name == PSID for row in rows):
                return  # whose cookies these are is told: no looser form may take another site's for Google's


@frozen
class _Found:
    """What one form found."""

    form: Form
    rows: Rows

    @property
    def own(self) -> Rows:
        """Those of google.com, or of no domain that the text tells."""
        return [row for row in self.rows if row.domain.lstrip(".").lower() in ("", _SITE)]

    @property
    def sessions(self) -> dict[tuple[str, str], CookieRow]:
        """The identity cookies that differ, each with the jar it lies in."""
        return {(row.jar, row.value): row for row in self.own if _name(row) == PSID and row.value}

    def cookies(self) -> Cookies:
        """The one session; BadRequest when there are several."""
        if len({value for _, value in self.sessions}) > 1:
            raise _several(self.form)
        jar = next(iter(self.sessions))[0]
        mine = [row for row in self.own if row.jar == jar and row.value]
        three = {_name(row): row.value for row in mine if _name(row)}
        return Cookies(
            three.get(PSID, ""),
            three.get(PSIDTS, ""),
            three.get(PSIDCC, ""),
            companions(
                Companion(row.name, row.domain or f".{_SITE}", row.path, row.value)
                for row in mine
                if row.domain or row.name in COMPANIONS
            ),
        )


def _name(row: CookieRow) -> str:
    """Which of the three a row is. Where a domain is told, a program wrote it, and only the exact name counts."""
    return known_name(row.name) if not row.domain or row.name in _THREE else ""


def _several(form: Form) -> BadRequest:
    return BadRequest(
        f"In {form.en} there are several Google sessions ({PSID} has more than one value), and nobody can tell which "
        "one is meant: copy again from one container, profile or window only",
        f"{form.zh}中包含多个 Google 会话（{PSID} 有多个不同的值），无法判断应使用哪一个："
        "请只从一个容器、配置或窗口重新复制",
        param="cookies",
        code="several_sessions",
    )


_HOW = "sign in at gemini.google.com and copy the cookies of .google.com from there"
_HOW_ZH = "请在 gemini.google.com 登录后，复制 .google.com 的 Cookie"


def _spaced(chinese: str) -> str:
    """Words that begin with Latin letters stand apart from the Chinese in front of them."""
    return f" {chinese}" if chinese[:1].isascii() else chinese


def _missing(seen: list[_Found], *, broken_json: bool) -> BadRequest:
    """Why there is no session: told by the form that got furthest."""
    best = max((one for one in seen if one.form is not ANYWHERE), key=_nearness, default=None)
    if broken_json:
        en = f"{PSID} is missing: the text looks like JSON and breaks off or is damaged. Export the cookies again"
        zh = f"缺少 {PSID}：文本看起来是 JSON，但不完整或已损坏，请重新导出 Cookie"
    elif best is None:
        en = f"{PSID} is missing: this text holds no cookies at all; {_HOW}"
        zh = f"缺少 {PSID}：文本中没有 Cookie，{_HOW_ZH}"
    elif not best.rows and best.form is not HAR:
        en = f"{PSID} is missing: read as {best.form.en}, the text holds no cookies; {_HOW}"
        zh = f"缺少 {PSID}：已读取{_spaced(best.form.zh)}，其中没有 Cookie；{_HOW_ZH}"
    elif best.form is HAR and not best.own:
        en = (
            f"{PSID} is missing: this HTTP archive (HAR) holds no cookies of {_SITE}. Browsers leave them out unless "
            "they are told to export it with sensitive data, and the call must be one to gemini.google.com"
        )
        zh = f"缺少 {PSID}：该 HTTP 归档（HAR）中没有 {_SITE} 的 Cookie。"
        zh += "请选择“包含敏感数据”导出，且需包含对 gemini.google.com 的请求"
    elif not best.own:
        number = len(best.rows)
        en = (
            f"{PSID} is missing: read as {best.form.en}, the text has {number} cookies, none of them of {_SITE}; {_HOW}"
        )
        zh = f"缺少 {PSID}：已读取{_spaced(best.form.zh)}，共 {number} 个 Cookie，但没有 {_SITE} 的；{_HOW_ZH}"
    else:
        en, zh = _incomplete(best)
    return BadRequest(en, zh, param="cookies")


def _incomplete(best: _Found) -> tuple[str, str]:
    """Google's cookies are there, and the one that says who it is is not."""
    if any(_name(row) == PSID for row in best.own):
        return (
            f"{PSID} is there without a value (read as {best.form.en}). Copy it again, with the values",
            f"{PSID} 没有值：已读取{_spaced(best.form.zh)}，请连同值重新复制",
        )
    names = {_name(row) or row.name for row in best.own}
    there = sorted(names & {*_THREE, *COMPANIONS})
    en, zh = (f" and has {', '.join(there)}", f"，其中有 {'、'.join(there)}") if there else ("", "")
    hint, hint_zh = "", ""
    if there:
        hint = ". It is an HttpOnly cookie: scripts and `document.cookie` do not see it"
        hint_zh = "。它是 HttpOnly Cookie，脚本和 document.cookie 无法读取"
    return (
        f"{PSID} is missing: the text was read as {best.form.en}{en}; {_HOW}{hint}",
        f"缺少 {PSID}：已读取{_spaced(best.form.zh)}{zh}；{_HOW_ZH}{hint_zh}",
    )


def _nearness(found: _Found) -> tuple[bool, int, int]:
    known = sum(1 for row in found.own if _name(row) or row.name in COMPANIONS)
    return found.form is HAR, known, len(found.own)
