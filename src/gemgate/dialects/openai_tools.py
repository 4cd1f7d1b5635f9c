"""The tools of OpenAI's two chat dialects, in all their spellings: what is offered, and under which name it comes back.

Functions nested (chat) or flat (responses); `custom` tools, which take one free text; namespaces; the tools that
Codex runs itself (shell, local_shell, apply_patch, a client's tool_search). Google knows functions only, so all of them
are told as functions and their calls are written in the form of the tool. What cannot be offered is left out and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from gemgate.chat import Search, Tool, ToolCall, ToolChoice
from gemgate.dialects.openai import FunctionBody, read_tool_choice
from gemgate.dialects.wire import declared_schema, dumps, header_safe, is_wish, read
from gemgate.errors import BadRequest
from gemgate.frozen import frozen

Form = Literal["function", "custom", "local_shell_call", "shell_call", "apply_patch_call", "tool_search_call"]

_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
_LOCAL_SHELL = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
    },
    "required": ["command"],
}
_SHELL = {
    "type": "object",
    "properties": {"commands": {"type": "array", "items": {"type": "string"}}, "timeout_ms": {"type": "integer"}},
    "required": ["commands"],
}
_PATCH = {
    "type": "object",
    "properties": {
        "type": {"enum": ["create_file", "update_file", "delete_file"]},
        "path": {"type": "string"},
        "diff": {"type": "string", "description": "V4A diff of the file; not for delete_file"},
    },
    "required": ["type", "path"],
}
_OWN: dict[str, tuple[Form, str, Mapping[str, Any]]] = {
    "local_shell": ("local_shell_call", "Run a command on the user's machine.", _LOCAL_SHELL),
    "shell": ("shell_call", "Run shell commands on the user's machine.", _SHELL),
    "apply_patch": ("apply_patch_call", "Create, update or delete a file.", _PATCH),
}
SEARCH = ("web_search", "google_search", "url_context")
INTERPRETER = "code_interpreter"
HOSTED = (*SEARCH, "image_generation", INTERPRETER)
"""What Google's app has itself: may be offered, and is its own business."""

NAMESPACE = "__"


@frozen
class Offered:
    """A tool as it is told, and what its calls look like to the client: `name` inside `namespace`, in which form."""

    tool: Tool
    form: Form
    name: str
    namespace: str = ""


@dataclass(slots=True)
class Toolbox:
    """The tools of a request; `ignored` names what is not offered, `hosted` are the types of Google's own."""

    by_name: dict[str, Offered] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    hosted: set[str] = field(default_factory=set)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(offered.tool for offered in self.by_name.values())

    def find(self, call: ToolCall) -> Offered:
        """How a call goes back; one of a tool that was never offered is a plain function's."""
        return self.by_name.get(call.name) or Offered(Tool(call.name, "", {}), "function", call.name)

    def name_of(self, name: str, namespace: str) -> str:
        """The name under which a tool was told to the model."""
        known = next((o.tool.name for o in self.by_name.values() if (o.name, o.namespace) == (name, namespace)), "")
        return known or joined(namespace, name)

    def add(self, offered: Offered) -> None:
        self.by_name.setdefault(offered.tool.name, offered)

    def leave(self, kind: str) -> None:
        if (name := f"tools.{header_safe(kind)}") not in self.ignored:
            self.ignored.append(name)


def joined(namespace: str, name: str) -> str:
    """`files__list` of a namespace and a name in it; namespaces of Codex end in underscores already."""
    return f"{namespace.rstrip('_')}{NAMESPACE}{name}" if namespace else name


def read_tools(tools: Iterable[object], where: str = "tools") -> Toolbox:
    """All tools in whatever spelling; BadRequest, with its place, for a function without a usable name."""
    box = Toolbox()
    for at, tool in enumerate(tools):
        _read_tool(box, tool, f"{where}[{at}]")
    return box


def _read_tool(box: Toolbox, tool: object, where: str, namespace: str = "") -> None:
    if not isinstance(tool, Mapping):
        raise BadRequest(f"{where} is not a tool", f"{where} 不是工具", param=where)
    kind = _kind(tool)
    match kind:
        case "function":
            box.add(_function(*_flat(tool, "function", where), namespace))
        case "custom":
            box.add(_custom(*_flat(tool, "custom", where), namespace))
        case "namespace":
            inner = tool.get("tools")
            for at, one in enumerate(inner if isinstance(inner, list) else ()):
                _read_tool(box, one, f"{where}.tools[{at}]", str(tool.get("name") or ""))
        case "local_shell" | "shell" | "apply_patch":
            form, description, schema = _OWN[kind]
            box.add(Offered(Tool(kind, description, schema), form, kind))
        case "tool_search" if tool.get("execution") == "client":
            wanted = tool.get("parameters")
            made = Tool(kind, str(tool.get("description") or ""), wanted if isinstance(wanted, dict) else {})
            box.add(Offered(made, "tool_search_call", kind))
        case _:
            hosted = next((name for name in HOSTED if kind.startswith(name)), "")
            box.hosted |= {hosted} if hosted else set()
            if not hosted:
                box.leave(kind)
            elif hosted in SEARCH:
                for wish in _search_wishes(tool):
                    box.leave(f"{hosted}.{wish}")
            elif hosted == INTERPRETER and tool.get("container") not in (None, {"type": "auto"}):
                box.leave(f"{hosted}.container")


def _search_wishes(tool: Mapping[str, Any]) -> Iterator[str]:
    """What is wished of a search besides that it may be done: the app searches as it sees fit."""
    inner = tool.get(_kind(tool))
    given = {**tool, **inner} if isinstance(inner, Mapping) else tool
    wishes = {name: value for name, value in given.items() if name != "type" and value is not inner}
    return (header_safe(name) for name, value in wishes.items() if is_wish(name, value))


def _kind(tool: Mapping[str, Any]) -> str:
    """The type of a tool, also where a client left it out."""
    kind = tool.get("type")
    if isinstance(kind, str) and kind:
        return kind
    if "function" in tool or "name" in tool:
        return "function"
    if "custom" in tool:
        return "custom"
    return next(iter(tool), "unknown")


def _flat(tool: Mapping[str, Any], key: str, where: str) -> tuple[dict[str, Any], str]:
    """A tool without the nesting of chat, and its place; Anthropic's name of the schema is read too."""
    inner = tool.get(key)
    flat, where = (dict(inner), f"{where}.{key}") if isinstance(inner, Mapping) else (dict(tool), where)
    if "parameters" not in flat and "input_schema" in flat:
        flat["parameters"] = flat["input_schema"]
    return flat, where


def _function(flat: dict[str, Any], where: str, namespace: str) -> Offered:
    schema = declared_schema(flat.pop("parameters", None), f"{where}.parameters")
    body = read(FunctionBody, flat, where)
    made = Tool(joined(namespace, body.name), body.description or "", schema, strict=bool(body.strict))
    return Offered(made, "function", body.name, namespace)


def _custom(flat: dict[str, Any], where: str, namespace: str) -> Offered:
    """A freeform tool: one argument `input`, which is its whole text; a grammar is told, not enforced."""
    told = {key: value for key, value in flat.items() if key in ("name", "description")}
    body = read(FunctionBody, told, where)
    lines = [body.description or "", "The argument `input` is the tool's whole input, as free text."]
    match flat.get("format"):
        case {"type": "grammar", "grammar": {"definition": str(grammar), **rest}} | {
            "type": "grammar",
            "definition": str(grammar),
            **rest,
        }:
            lines.append(f"It must fit this {rest.get('syntax', '')} grammar:\n{grammar}")
        case _:
            pass
    tool = Tool(joined(namespace, body.name), "\n\n".join(filter(None, lines)), _TEXT)
    return Offered(tool, "custom", body.name, namespace)


def text_input(arguments: str) -> str:
    """The raw text of a custom call; arguments that are no such object are the text themselves."""
    match _object(arguments):
        case {"input": str(text)}:
            return text
        case _:
            return arguments


def object_of(arguments: str) -> dict[str, Any]:
    """Arguments as an object; {} when they are none."""
    value = _object(arguments)
    return value if isinstance(value, dict) else {}


def _object(arguments: str) -> object:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return None


def custom_arguments(text: object) -> str:
    """The arguments that stand for the raw input of an earlier custom call."""
    return dumps({"input": text if isinstance(text, str) else dumps(text).decode()}).decode()


def own_arguments(item: Mapping[str, Any]) -> str:
    """The arguments that stand for an earlier call of a tool that the client runs, as the model once wrote them."""
    inner = item.get("operation") if item.get("type") == "apply_patch_call" else item.get("action")
    silent = ("type",) if item.get("type") == "local_shell_call" else ()
    if not isinstance(inner, Mapping):
        return "{}"
    return dumps({key: value for key, value in inner.items() if key not in silent and value not in (None, {})}).decode()


def choose(box: Toolbox, choice: object, *, parallel: bool) -> ToolChoice:
    """`tool_choice` by the names that the model was told. Google's own tools cannot be forced: they are left to it, and
    the choice is named as ignored.
    """
    match choice:
        case "required" if not box.by_name and box.hosted.intersection(SEARCH):
            return ToolChoice(parallel=parallel)
        case "required" if not box.by_name and (box.hosted or box.ignored):
            return _left(box, parallel=parallel)
        case {"type": str(kind)} if kind in box.by_name and box.by_name[kind].form.endswith("_call"):
            choice = {"name": kind}
        case {"type": str(kind)} if kind.startswith(SEARCH):
            return ToolChoice(parallel=parallel)
        case {"type": str(kind)} if kind.startswith(HOSTED) or f"tools.{header_safe(kind)}" in box.ignored:
            return _left(box, parallel=parallel)
        case {"namespace": str(namespace), "name": str(name)}:
            choice = {"name": box.name_of(name, namespace)}
        case {"type": "allowed_tools", **given}:
            own, hosted, mode = _allowed(given)
            if hosted and not own:
                return ToolChoice("none" if box.by_name else "auto", parallel=parallel)
            choice = {"type": "allowed_tools", "mode": mode, "tools": own}
        case _:
            pass
    return read_tool_choice(choice, box.by_name, parallel=parallel)


def wants_search(box: Toolbox, choice: object, *, offered: bool = False) -> Search:
    """What the tools and their choice say of searching the web. offered: otherwise than by a tool."""
    offered = offered or not box.hosted.isdisjoint(SEARCH)
    match choice:
        case "none" if offered:
            return "forbidden"
        case "required" if offered and not box.by_name:
            return "demanded"
        case {"type": str(kind)} if kind.startswith(SEARCH):
            return "demanded"
        case {"type": "allowed_tools", **given}:
            own, hosted, mode = _allowed(given)
            if any(kind.startswith(SEARCH) for kind in hosted):
                return "demanded" if mode == "required" and not own else "offered"
            return "forbidden" if offered else "own"
        case _:
            return "offered" if offered else "own"


def _allowed(given: Mapping[Any, Any]) -> tuple[list[object], list[str], object]:
    """The client's own tools among the allowed ones, the types of Google's, and the mode."""
    inner = given.get("allowed_tools")
    choice = inner if isinstance(inner, Mapping) else given
    tools = choice.get("tools")
    listed = tools if isinstance(tools, list) else []
    hosted = [tool for tool in listed if isinstance(tool, Mapping) and str(tool.get("type")).startswith(HOSTED)]
    return [tool for tool in listed if tool not in hosted], [str(tool["type"]) for tool in hosted], choice.get("mode")


def _left(box: Toolbox, *, parallel: bool) -> ToolChoice:
    if "tool_choice" not in box.ignored:
        box.ignored.append("tool_choice")
    return ToolChoice("auto", parallel=parallel)
