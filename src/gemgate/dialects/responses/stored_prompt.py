"""OpenAI's stored prompts, `prompt: {id, variables}`: here the id is a gem, its name or its id.

A gem's own text stays at Google, so values go where the text that is sent has `{{name}}`; those that it does not have
are told in front of it, where the gem's text finds them by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from gemgate.accounts import GEM
from gemgate.dialects.wire import Wishes
from gemgate.errors import BadRequest, NotFound, said

MOST_VARIABLES = 100
MOST_FILLED = 2_000_000
"""Characters that filled texts have together: a value may stand many times."""

_PLACE = re.compile(r"\{\{[ \t]{0,9}([\w.-]{1,64})[ \t]{0,9}\}\}")
_TEXTS = ("input_text", "text")
_FILLED_ROLES = (None, "user", "system", "developer")


class StoredPrompt(Wishes):
    """variables: texts, or parts of an input (texts, images, files) by name. version: a gem has one only."""

    id: str = Field(min_length=1, max_length=300)
    version: str | None = None
    variables: dict[str, str | dict[str, Any]] | None = Field(default=None, max_length=MOST_VARIABLES)

    @property
    def model(self) -> str:
        """The gem as a model's name; as the web app's names are spelled, with `-` for blanks and slashes."""
        return self.id if self.id.lower().startswith(GEM) else GEM + self.id


def filled(body: Any) -> Any:
    """The body with the values in their places. What is no body of this kind stays as it is: validation says so."""
    prompt = body.get("prompt") if isinstance(body, dict) else None
    variables = prompt.get("variables") if isinstance(prompt, dict) else None
    if not isinstance(prompt, dict):
        return body
    values = dict(variables) if isinstance(variables, dict) and len(variables) <= MOST_VARIABLES else {}
    filling = _Filling({name: text for name, value in values.items() if (text := _text(value)) is not None})
    told = filling.input(body.get("input"))
    instructions = body.get("instructions")
    instructions = filling.text(instructions) if isinstance(instructions, str) else instructions
    rest = list(_in_front({name: value for name, value in values.items() if name not in filling.used}))
    if rest:
        front = {"role": "user", "content": rest}
        told = [front, *(told if isinstance(told, list) else _items(told))]
    return {**body, "input": "" if told is None else told, "instructions": instructions}


def not_found(prompt: StoredPrompt, known: str) -> NotFound:
    """No account has such a gem. known: the gems that there are."""
    asked = repr(said(prompt.id))
    return NotFound(
        f"There is no stored prompt {asked}: its id is the name or id of a gem. Gems here: {known or 'none'}",
        f"没有已存储的 prompt {asked}：其 id 应为 Gem 的名称或 id。现有 Gem：{known or '无'}",
        param="prompt.id",
        code="prompt_not_found",
    )


def _items(told: Any) -> list[Any]:
    return [] if told in (None, "") else [{"role": "user", "content": told} if isinstance(told, str) else told]


def _text(value: Any) -> str | None:
    """The text of a value; None for an image or a file."""
    if isinstance(value, Mapping) and value.get("type") in _TEXTS and isinstance(value.get("text"), str):
        return str(value["text"])
    return value if isinstance(value, str) else None


def _in_front(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parts that tell the values that have no place of their own."""
    texts = [f"{name}: {text}" for name, value in values.items() if (text := _text(value)) is not None]
    if texts:
        yield {"type": "input_text", "text": "\n".join(texts)}
    for name, value in values.items():
        if _text(value) is None:
            yield {"type": "input_text", "text": f"{name}:"}
            yield value


class _Filling:
    """Puts texts into their places, once over each text: a value that names a variable itself is not filled again."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._left = MOST_FILLED
        self.used: set[str] = set()

    def text(self, text: str) -> str:
        return _PLACE.sub(self._value, text) if self._values and "{{" in text else text

    def _value(self, found: re.Match[str]) -> str:
        value = self._values.get(found[1])
        if value is None:
            return found[0]
        self.used.add(found[1])
        self._left -= len(value)
        if self._left < 0:
            raise BadRequest(
                f"prompt.variables make the text longer than {MOST_FILLED} characters",
                f"prompt.variables 使文本超过 {MOST_FILLED} 个字符",
                param="prompt.variables",
            )
        return value

    def input(self, told: Any) -> Any:
        """What the caller says now; turns of the model and results of tools stay as they are."""
        match told:
            case str():
                return self.text(told)
            case list():
                return [self.input(one) if isinstance(one, str) else self._item(one) for one in told]
            case _:
                return self._item(told)

    def _item(self, item: Any) -> Any:
        if not isinstance(item, dict) or item.get("role") not in _FILLED_ROLES or "content" not in item:
            return item
        content = item["content"]
        if isinstance(content, str):
            return {**item, "content": self.text(content)}
        return {**item, "content": [self._part(part) for part in content]} if isinstance(content, list) else item

    def _part(self, part: Any) -> Any:
        if isinstance(part, str):
            return self.text(part)
        if isinstance(part, dict) and part.get("type") in _TEXTS and isinstance(part.get("text"), str):
            return {**part, "text": self.text(part["text"])}
        return part
