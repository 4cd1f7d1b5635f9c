"""Every code of an error that the source raises, with its HTTP status and its words, read from the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gemgate import errors
from gemgate.dialects.wire import STATUS
from gemgate.errors import LocalText

SOURCE = Path(errors.__file__).parent
HOLE = "…"
"""Stands for what a message fills in."""
MEDIA = ("video", "music")
"""What a code can begin with that is made for either."""
FIRST, LAST = {"pool", "upstreams"}, {"cli", "official"}
"""Folders whose words are told, and those whose words are second choice, where a code has several."""
OLD = {"migrations"}
"""Folders whose errors stop a start only; they name themselves."""
CHOSEN: dict[str, type[errors.GatewayError]] = {"none": errors.NoVideo}
"""Names under which a kind is chosen at run time; all that it can be have one status."""
ELSEWHERE = {
    "no_page_token": LocalText(
        "Google's answer broke off or failed (its page came without a token, and it takes nothing without one; …)",
        "Google 的回答中断或失败（页面没有令牌，而没有令牌就不接受请求；…）",
    ),
    "rotated_too_often": LocalText(
        "Google's answer broke off or failed (asked for new cookies too often, HTTP 429)",
        "Google 的回答中断或失败（请求新 Cookie 过于频繁，HTTP 429）",
    ),
    "which_account": LocalText(
        "Several accounts are meant: …. Say which, by its address", "符合的账号不止一个：…。请用邮箱地址指定"
    ),
    "invalid_prompt_file": LocalText("Line …: …", "第 … 行：…"),
    "out_of_memory": LocalText(
        "Memory is short: the limit of … MB is nearly reached. Try again in a moment, or raise the limit",
        "内存不足：已接近 … MB 的上限，请稍后重试或提高上限",
    ),
    "too_many_connections": LocalText(
        "All … connections that there are file descriptors for are in use; raise the limit (ulimit -n)",
        "文件描述符所允许的 … 个连接已全部占用，请提高上限（ulimit -n）",
    ),
}
"""Words that are put together where the source cannot be read for them."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """status: of HTTP, "" where the error ends a start, a command or a line of a file and is no answer."""

    code: str
    status: str
    text: LocalText


def error_codes() -> list[ErrorCode]:
    """All of them, by name; the words are those of the web app's side where there are several."""
    found: dict[str, list[ErrorCode]] = {}
    for path in sorted(SOURCE.rglob("*.py"), key=_second_choice):
        if OLD & set(path.relative_to(SOURCE).parts):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        alias = _aliases(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            for one in _of_call(call, alias, "web" in path.relative_to(SOURCE).parts):
                found.setdefault(one.code, []).append(one)
    return [_together(found[code]) for code in sorted(found)]


def _second_choice(path: Path) -> tuple[bool, bool, Path]:
    return bool(LAST & set(path.relative_to(SOURCE).parts)), not FIRST & set(path.relative_to(SOURCE).parts), path


def _together(ones: list[ErrorCode]) -> ErrorCode:
    statuses = sorted({status for one in ones for status in one.status.split(", ") if status})
    text = next((one.text for one in ones if one.text.en), ELSEWHERE.get(ones[0].code, LocalText()))
    return ErrorCode(ones[0].code, ", ".join(statuses), text)


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Errors by the name that a module imports them under."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "gemgate.errors")
    return {name.asname or name.name: name.name for node in imports for name in node.names}


def _of_call(call: ast.Call, alias: dict[str, str], web: bool) -> Iterator[ErrorCode]:
    """The codes of a call, if it is one that makes an error. web: it is of an HTTP door."""
    said = next((one.value for one in call.keywords if one.arg == "code"), None)
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            kind = CHOSEN.get(name) or getattr(errors, alias.get(name, name), None)
        case _:
            return
    if said is None:
        return
    if name == "with_":
        yield from (ErrorCode(code, "502", LocalText()) for code in _codes(said) if code in ELSEWHERE)
    elif isinstance(kind, type) and issubclass(kind, errors.GatewayError):
        texts = [_text(one) for one in call.args[:2]]
        quota = kind is errors.NoAccount and any(one.arg == "quota" for one in call.keywords)
        text = LocalText(*texts) if len(texts) == 2 and all(set(one) - {HOLE} for one in texts) else LocalText()
        for code in _codes(said):
            status = _status(kind, web)
            yield ErrorCode(code, "429" if quota and code == "rate_limit_exceeded" else status, text)


def _status(kind: type[errors.GatewayError], web: bool) -> str:
    if kind is errors.GatewayError:
        return str(STATUS[kind.kind]) if web else ""
    if kind is errors.NoAccount:
        return "429, 503"
    return "409" if kind is errors.NotThisAccount else str(STATUS[kind.kind])  # as the registry of accounts tells it


def _codes(said: ast.expr) -> list[str]:
    match said:
        case ast.Constant(value=str(code)):
            return [code] if code else []
        case ast.JoinedStr():
            parts = _text(said)
            kinds = ("response", "interaction") if parts.startswith("previous_") else MEDIA
            return [parts.replace(HOLE, kind) for kind in kinds]
        case ast.IfExp(body=body, orelse=other):
            return _codes(body) + _codes(other)
    return []


def _text(said: ast.expr) -> str:
    """The words of an expression, a hole where they are filled in; "" where it has none of its own."""
    match said:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(part) if isinstance(part, ast.Constant) else HOLE for part in values)
        case ast.IfExp(body=body):
            return _text(body)
        case ast.BinOp(left=left, right=right):
            return (_text(left) or HOLE) + (_text(right) or HOLE)
    return ""
