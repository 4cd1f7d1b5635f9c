"""Only functions that are declared can be demanded, in each of Google's dialects."""

from __future__ import annotations

from collections.abc import Sequence

from gemgate.chat import Tool, ToolChoice
from gemgate.errors import BadRequest


def only_declared(choice: ToolChoice, tools: Sequence[Tool], where: str) -> ToolChoice:
    """The choice; BadRequest for one that nothing among the tools can keep. where: it stands in the body."""
    missing = [name for name in choice.allowed if name not in {tool.name for tool in tools}]
    if missing or (choice.mode == "required" and not tools):
        raise BadRequest(
            f"{where} asks for a function that is not declared: {', '.join(missing) or 'there are none'}",
            f"{where} 指定了未声明的函数：{'、'.join(missing) or '没有任何函数'}",
            param=where,
        )
    return choice
