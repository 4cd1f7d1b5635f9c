"""Settings with other values for some of them, checked as at the start; what is refused is said in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.settings import Settings, explicit

_TYPES = {
    "int": LocalText("must be a whole number", "必须是整数"),
    "float": LocalText("must be a number", "必须是数字"),
    "finite": LocalText("must be a number", "必须是数字"),
    "bool": LocalText("must be true or false", "必须是 true 或 false"),
    "string": LocalText("must be text", "必须是文本"),
}
"""By the first word of pydantic's error type."""


def with_values(base: Settings, values: Mapping[str, Any]) -> Settings:
    """BadRequest for a value that the setting cannot have. Its fields must not depend on each other."""
    for name, value in values.items():
        wants_bool = Settings.model_fields[name].annotation is bool
        if isinstance(value, bool) and not wants_bool:
            raise _refused(name, _TYPES["float"])
        if isinstance(value, float | str) and not wants_bool and _endless(value):
            raise _refused(name, _TYPES["float"])
    try:
        checked = explicit(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _refused(str(first["loc"][0]), _why(first["type"], first.get("ctx", {}), first["msg"])) from None
    except GatewayError as error:
        raise BadRequest(error.en, error.zh) from None
    return base.model_copy(update={name: getattr(checked, name) for name in values})


def _endless(value: float | str) -> bool:
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False


def _why(kind: str, context: Mapping[str, Any], message: str) -> LocalText:
    match kind:
        case "greater_than_equal":
            return LocalText(f"must be at least {context['ge']:g}", f"不得小于 {context['ge']:g}")
        case "greater_than":
            return LocalText(f"must be more than {context['gt']:g}", f"必须大于 {context['gt']:g}")
        case "less_than":
            return LocalText(f"must be less than {context['lt']:g}", f"必须小于 {context['lt']:g}")
        case "less_than_equal":
            return LocalText(f"must be at most {context['le']:g}", f"不得大于 {context['le']:g}")
        case "literal_error":
            return LocalText(f"must be one of {context['expected']}", f"必须是 {context['expected']} 之一")
        case "string_too_short":
            return LocalText("must not be empty", "不得为空")
    if (known := _TYPES.get(kind.partition("_")[0])) is not None:
        return known
    said = message.removeprefix("Value error, ")
    return LocalText(said, f"取值无效（{said}）")


def _refused(name: str, why: LocalText) -> BadRequest:
    shown = name.upper()
    return BadRequest(f"{shown} {why.en}", f"{shown} {why.zh}", param=shown, code="invalid_setting")
