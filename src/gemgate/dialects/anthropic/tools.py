"""Anthropic's tools, the way in: functions, tools that the client runs itself, tools that Anthropic would run.

The second kind comes without a schema, because Anthropic's models know it: it is offered here as a function with its
documented inputs, so that an agent finds its own calls in the answer. The third is left to Google's app.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, StrictBool

from gemgate.chat import Search, Tool, ToolChoice
from gemgate.dialects.wire import Body, Wishes, declared_schema, header_safe, is_wish
from gemgate.errors import BadRequest


class ToolBody(Wishes):
    type: str | None = None
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    description: str | None = None
    input_schema: Any = None
    strict: bool | None = None
    display_width_px: int | None = None
    display_height_px: int | None = None


class ToolChoiceBody(Body):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: StrictBool = False


def _object(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _text(what: str) -> dict[str, Any]:
    return {"type": "string", "description": what}


def _number(what: str) -> dict[str, Any]:
    return {"type": "integer", "description": what}


def _choice(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _numbers(what: str, count: int) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": count,
        "maxItems": count,
        "description": what,
    }


_FILES: dict[str, Any] = {
    "path": _text("absolute path of the file or folder"),
    "view_range": _numbers("view: first and last line, from 1; -1 is the end", 2),
    "file_text": _text("create: the whole content"),
    "old_str": _text("str_replace: the text to replace, exactly as it stands there and only once"),
    "new_str": _text("str_replace: what takes its place; insert in older releases: the new text"),
    "insert_line": _number("insert: the line behind which the text goes; 0 is the beginning"),
    "insert_text": _text("insert: the new text"),
}

_CLIENT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bash": (
        "bash",
        "Runs a command in a shell that stays open between calls.",
        _object(
            command=_text("what to run; needed unless restart is true"),
            restart={"type": "boolean", "description": "start the shell anew"},
        ),
    ),
    "text_editor": (
        "str_replace_based_edit_tool",
        "Looks at, creates and changes text files.",
        _object(
            ["command", "path"],
            command=_choice("view", "create", "str_replace", "insert", "undo_edit"),
            **_FILES,
        ),
    ),
    "memory": (
        "memory",
        "Keeps notes as files below /memories, from one conversation to the next. Look there first.",
        _object(
            ["command"],
            command=_choice("view", "create", "str_replace", "insert", "delete", "rename"),
            **_FILES,
            old_path=_text("rename: the present path"),
            new_path=_text("rename: the path to be"),
        ),
    ),
    "computer": (
        "computer",
        "Sees and uses a screen, a mouse and a keyboard.",
        _object(
            ["action"],
            action=_choice(
                "screenshot",
                "left_click",
                "right_click",
                "middle_click",
                "double_click",
                "triple_click",
                "left_click_drag",
                "left_mouse_down",
                "left_mouse_up",
                "mouse_move",
                "cursor_position",
                "scroll",
                "key",
                "hold_key",
                "type",
                "wait",
                "zoom",
            ),
            coordinate=_numbers("x and y in pixels from the upper left corner", 2),
            start_coordinate=_numbers("left_click_drag: where it begins", 2),
            text=_text("type: the text; key, hold_key: the keys, joined by +"),
            scroll_direction=_choice("up", "down", "left", "right"),
            scroll_amount=_number("scroll: how many notches"),
            duration={"type": "number", "description": "wait, hold_key: seconds"},
            region=_numbers("zoom: left, top, right, bottom", 4),
        ),
    ),
}
"""By the tool's type without its date: name, what it does, inputs."""

_DATED = re.compile(r"(\w+?)_\d{8}")
_SEARCH = "web_search"
_RUNS = "code_execution"


def read_tools(tools: Sequence[ToolBody]) -> tuple[tuple[Tool, ...], frozenset[str]]:
    """The functions to offer, and the names of tools that are left to Google's app. BadRequest for half a function."""
    found: list[Tool] = []
    left: list[str] = []
    for at, tool in enumerate(tools):
        dated = _DATED.fullmatch(tool.type or "")
        client = _CLIENT.get(dated.group(1)) if dated else None
        if tool.input_schema is None and client is not None:
            found.append(_client_tool(tool, *client))
        elif tool.type in (None, "custom", "function") or tool.input_schema is not None:
            found.append(_function(tool, f"tools[{at}]"))
        else:
            left.append(tool.name or tool.type or "")
    return tuple(found), frozenset(left)


def searches(tools: Sequence[ToolBody] | None) -> bool:
    """Whether a tool that searches the web is offered: Google's app does it by itself."""
    return any(_is_search(tool) for tool in tools or ())


def runs_code(tools: Sequence[ToolBody] | None, choice: ToolChoiceBody | None) -> bool:
    """Whether a tool that runs code is offered: Google's app does it by itself."""
    return any(map(_is_run, tools or ())) and (choice is None or choice.type != "none")


def _is_run(tool: ToolBody) -> bool:
    dated = _DATED.fullmatch(tool.type or "")
    return dated is not None and dated.group(1) == _RUNS and tool.input_schema is None


def _is_search(tool: ToolBody) -> bool:
    dated = _DATED.fullmatch(tool.type or "")
    return dated is not None and dated.group(1) == _SEARCH and tool.input_schema is None


def read_search(tools: Sequence[ToolBody] | None, choice: ToolChoiceBody | None) -> Search:
    """What the tools and their choice say of searching the web."""
    names = {tool.name or _SEARCH for tool in tools or () if _is_search(tool)}
    if not names:
        return "own"
    match choice.type if choice is not None else "auto":
        case "none":
            return "forbidden"
        case "any" if len(names) == len(tools or ()):
            return "demanded"
        case "tool" if choice is not None and choice.name in names:
            return "demanded"
        case _:
            return "offered"


def ignored_tools(
    tools: Sequence[ToolBody], left: frozenset[str], choice: ToolChoiceBody | None, read: ToolChoice
) -> tuple[str, ...]:
    """The tools that are left to Google's app and that it may not have, what is wished of a search, and a choice that
    demands one of them.
    """
    found = [tool for tool in tools if _is_search(tool)]
    given = [field for tool in found for field in (tool.model_extra or {}).items() if field[0] != "cache_control"]
    wishes = {f"{_SEARCH}.{name}" for name, value in given if is_wish(name, value)}
    unknown = left - {tool.name or tool.type for tool in (*found, *filter(_is_run, tools))}
    demanded = choice is not None and choice.type in ("any", "tool") and read.mode != "required"
    demanded = demanded and read_search(tools, choice) != "demanded"
    return (
        *(f"tools.{header_safe(name)}" for name in sorted(unknown | wishes)),
        *(("tool_choice",) if demanded else ()),
    )


def _client_tool(tool: ToolBody, name: str, description: str, schema: dict[str, Any]) -> Tool:
    if tool.display_width_px and tool.display_height_px:
        description += f" The screen has {tool.display_width_px} x {tool.display_height_px} pixels."
    return Tool(tool.name or name, tool.description or description, schema)


def _function(tool: ToolBody, where: str) -> Tool:
    if tool.name is None or tool.input_schema is None:
        lacking = f"{where}.{'name' if tool.name is None else 'input_schema'}"
        raise BadRequest(f"Missing required parameter: {lacking}", f"缺少必需参数：{lacking}", param=lacking)
    schema = declared_schema(tool.input_schema, f"{where}.input_schema")
    return Tool(tool.name, tool.description or "", schema, strict=bool(tool.strict))


def read_choice(choice: ToolChoiceBody | None, tools: tuple[Tool, ...], left: frozenset[str]) -> ToolChoice:
    """Which functions may or must be called; a tool that is left to Google's app cannot be demanded of it."""
    if choice is None:
        return ToolChoice()
    parallel = not choice.disable_parallel_tool_use
    if choice.type in ("auto", "none"):
        return ToolChoice("none" if choice.type == "none" else "auto", parallel=parallel)
    allowed = (choice.name or "",) if choice.type == "tool" else ()
    names = {tool.name for tool in tools}
    if left and (names.isdisjoint(allowed) and left.issuperset(allowed) if allowed else not tools):
        return ToolChoice(parallel=parallel)
    if not tools or not names.issuperset(allowed):
        raise BadRequest(
            f"tool_choice asks for a tool that is not declared: {''.join(allowed) or 'there are none'}",
            f"tool_choice 指定了未声明的工具：{''.join(allowed) or '没有任何工具'}",
            param="tool_choice",
        )
    return ToolChoice("required", allowed, parallel)
