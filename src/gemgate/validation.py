"""What is wrong with a value or a file, in both languages: whatever pydantic and tomllib find, in words of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gemgate.errors import BadValue, LocalText

_KINDS = {
    "missing": LocalText("is missing", "缺少必填项"),
    "extra_forbidden": LocalText("is not known", "不是已知的名称"),
    "none_required": LocalText("must be null", "必须是 null"),
    "finite_number": LocalText("must be a number", "必须是数字"),
    "int_parsing_size": LocalText("is too large", "数值过大"),
    "recursion_loop": LocalText("contains itself", "包含自身"),
    "string": LocalText("must be text", "必须是文本"),
    "bytes": LocalText("must be text", "必须是文本"),
    "bool": LocalText("must be true or false", "必须是 true 或 false"),
    "int": LocalText("must be a whole number", "必须是整数"),
    "float": LocalText("must be a number", "必须是数字"),
    "decimal": LocalText("must be a number", "必须是数字"),
    "list": LocalText("must be a list", "必须是列表"),
    "tuple": LocalText("must be a list", "必须是列表"),
    "set": LocalText("must be a list", "必须是列表"),
    "iterable": LocalText("must be a list", "必须是列表"),
    "dict": LocalText("must be an object", "必须是对象"),
    "mapping": LocalText("must be an object", "必须是对象"),
    "model": LocalText("must be an object", "必须是对象"),
    "dataclass": LocalText("must be an object", "必须是对象"),
    "path": LocalText("must be a path", "必须是路径"),
    "url": LocalText("must be an address", "必须是网址"),
    "date": LocalText("must be a date", "必须是日期"),
    "time": LocalText("must be a time", "必须是时间"),
    "datetime": LocalText("must be a date and time", "必须是日期和时间"),
    "json": LocalText("must be JSON", "必须是 JSON"),
}
"""By pydantic's type of error, or by the first word of it."""
_OTHER = LocalText("is not valid", "取值无效")
_NOT_BLANK = r"\S"
"""The pattern of a text that must say something."""


def problem(found: Mapping[str, Any]) -> LocalText:
    """One entry of pydantic's `ValidationError.errors()`, as the end of a sentence: "must be text"."""
    kind, context = str(found["type"]), found.get("ctx") or {}
    match kind, context:
        case (("greater_than_equal" | "greater_than" | "less_than_equal" | "less_than" | "multiple_of"), _):
            return _bound(kind, context)
        case (("literal_error" | "enum"), {"expected": expected}):
            expected = str(expected).replace(" or ", ", ")
            return LocalText(f"must be one of {expected}", f"必须是 {expected} 之一")
        case "union_tag_invalid", {"tag": tag, "expected_tags": expected}:
            return LocalText(f"{tag!r} is none of {expected}", f"{tag!r} 不在 {expected} 之中")
        case "union_tag_not_found", {"discriminator": name}:
            return LocalText(f"lacks {name}", f"缺少 {name}")
        case "string_too_short", {"min_length": 1}:
            return LocalText("must not be empty", "不能为空")
        case "string_pattern_mismatch", {"pattern": pattern}:
            if pattern == _NOT_BLANK:
                return LocalText("must not be empty", "不能为空")
            return LocalText(f"must match the pattern {pattern}", f"必须匹配模式 {pattern}")
        case (("string_too_short" | "bytes_too_short" | "too_short"), {"min_length": least}):
            return _length(kind, least, "at least", "至少")
        case (("string_too_long" | "bytes_too_long" | "too_long" | "url_too_long"), {"max_length": most}):
            return _length(kind, most, "at most", "最多")
        case (("value_error" | "assertion_error"), {"error": error}):
            return error.text if isinstance(error, BadValue) else LocalText.of(str(error)) if str(error) else _OTHER
    return _KINDS.get(kind) or _KINDS.get(kind.partition("_")[0], _OTHER)


def _bound(kind: str, context: Mapping[str, Any]) -> LocalText:
    name, en, zh = {
        "greater_than_equal": ("ge", "at least", "不得小于"),
        "greater_than": ("gt", "more than", "必须大于"),
        "less_than_equal": ("le", "at most", "不得大于"),
        "less_than": ("lt", "less than", "必须小于"),
        "multiple_of": ("multiple_of", "a multiple of", "必须整除以"),
    }[kind]
    bound = context[name]
    shown = f"{bound:g}" if isinstance(bound, float) else str(bound)
    return LocalText(f"must be {en} {shown}", f"{zh} {shown}")


def _length(kind: str, count: int, en: str, zh: str) -> LocalText:
    if kind in ("too_short", "too_long"):
        return LocalText(f"must have {en} {count} item(s)", f"{zh} {count} 项")
    return LocalText(f"must have {en} {count} character(s)", f"{zh} {count} 个字符")


def toml_problem(error: Exception) -> LocalText:
    """What tomllib finds in a file: its place, in Chinese without its English words."""
    said = str(error)
    place = re.search(r"\(at line (\d+), column (\d+)\)", said)
    where = f"（第 {place[1]} 行第 {place[2]} 列）" if place else "（文件末尾）" if "end of document" in said else ""
    return LocalText(f"it is not TOML: {said}", f"不是有效的 TOML{where}")
