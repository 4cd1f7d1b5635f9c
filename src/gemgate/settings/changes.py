"""Settings with other values for some of them, checked as at the start; what is refused is said in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gemgate.errors import BadRequest, GatewayError, LocalText
from gemgate.settings import Settings, explicit
from gemgate.validation import problem

_NUMBER = LocalText("must be a number", "必须是数字")


def with_values(base: Settings, values: Mapping[str, Any]) -> Settings:
    """BadRequest for a value that the setting cannot have. Its fields must not depend on each other."""
    for name, value in values.items():
        wants_bool = Settings.model_fields[name].annotation is bool
        if isinstance(value, bool) and not wants_bool:
            raise _refused(name, _NUMBER)
        if isinstance(value, float | str) and not wants_bool and _endless(value):
            raise _refused(name, _NUMBER)
    try:
        checked = explicit(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _refused(str(first["loc"][0]), problem(first)) from None
    except GatewayError as error:
        raise BadRequest(error.en, error.zh) from None
    return base.model_copy(update={name: getattr(checked, name) for name in values})


def _endless(value: float | str) -> bool:
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False


def _refused(name: str, why: LocalText) -> BadRequest:
    shown = name.upper()
    return BadRequest(f"{shown} {why.en}", f"{shown} {why.zh}", param=shown, code="invalid_setting")
