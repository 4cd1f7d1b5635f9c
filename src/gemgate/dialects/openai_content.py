"""What was said, in the words of both OpenAI chat dialects: parts, messages and items become parts and messages.

Chat messages and Responses items are read by one reader, because clients send either to either route. `strict` is set
for the last user turn: there an unknown thing is a BadRequest, anywhere before it becomes text (`history.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemgate.chat import File, Image, Message, Part, Role, Text, Thought, ToolCall, ToolResult
from gemgate.dialects import history
from gemgate.dialects.openai_tools import Toolbox, custom_arguments, joined, own_arguments
from gemgate.dialects.wire import dumps, inline_file, is_image, source_of_url
from gemgate.errors import BadRequest, NotFound
from gemgate.files import Link, Source, Stored

_TEXTS = ("text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal")
_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
_IMAGES = ("image_url", "input_image", "image")
_FILES = ("file", "input_file")
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_UNTYPED = ("text", "image_url", "input_image", "image", "file", "input_file", "input_audio", "refusal")

Names = dict[str, str]
"""Names of calls by their ids."""


CONTAINER = "cntr_gemgate_"
"""How the containers are called in which code was run that we told: the chat has it in its text."""


@dataclass(slots=True)
class Conversation:
    """Reads one thing after the other into `said`.

    box: the tools of the request, for the names under which earlier calls were told. join: neighbouring things of the
    assistant are one message, as chat writes them. words: the types that an error recommends. references: items that
    are only referred to, by id. unknown: types and places of the items that nobody knows.
    """

    box: Toolbox = field(default_factory=Toolbox)
    join: bool = False
    words: str = "text, image_url, file or input_audio"
    references: Mapping[str, Message] = field(default_factory=dict)
    said: list[Message] = field(default_factory=list)
    names: Names = field(default_factory=dict)
    unknown: list[tuple[str, str]] = field(default_factory=list)

    def add_all(self, things: Sequence[object], where: str) -> None:
        """All `things`; the last user turn is what somebody else says behind the last words of the model.

        BadRequest where nothing but items of unknown types would be told: nobody can answer those.
        """
        last, known = _last_turn(things), False
        for at, thing in enumerate(things):
            before = len(self.unknown)
            is_told = self.add(thing, f"{where}[{at}]", strict=at == last)
            known = known or (is_told and len(self.unknown) == before)
        if self.unknown and not known:
            kind, place = self.unknown[0]
            raise _no_part(kind, place, "a message (role, content) or function_call_output", f"{place}.type")

    def add(self, thing: object, where: str, *, strict: bool) -> bool:
        """Whether it says anything."""
        if isinstance(thing, str):
            thing = {"role": "user", "content": thing}
        if not isinstance(thing, Mapping):
            raise BadRequest(f"Invalid value for {where}: it is no object", f"参数 {where} 无效：不是对象", param=where)
        message = self._message(thing, where, strict=strict)
        if message is None:
            return False
        if self.join and self.said and message.role == "assistant" and self.said[-1].role == "assistant":
            self.said[-1] = replace(self.said[-1], parts=self.said[-1].parts + message.parts)
        else:
            self.said.append(message)
        return bool(message.parts)

    def _message(self, thing: Mapping[str, Any], where: str, *, strict: bool) -> Message | None:
        kind, role = thing.get("type"), thing.get("role")
        if is_reference(thing):
            return self._referred(thing, where)
        if kind in (None, "message") or (isinstance(role, str) and "content" in thing):
            return self._spoken(thing, where, strict=strict)
        return self._item(thing, where)

    def _spoken(self, thing: Mapping[str, Any], where: str, *, strict: bool) -> Message:
        role = thing.get("role")
        known = _ROLES.get(role) if isinstance(role, str) else None
        if known is None and (strict or not isinstance(role, str)):
            raise _no_role(role, where)
        content = thing.get("content")
        if known == "tool":
            call_id = history.id_of(thing.get("tool_call_id") or thing.get("call_id") or thing.get("name"))
            name = self.names.get(call_id) or history.id_of(thing.get("name"))
            return Message("tool", (ToolResult(call_id, name, self.result(content, f"{where}.content")),))
        calls = self._calls(thing) if known == "assistant" else []
        if content is None and strict and known in ("user", "system"):
            raise BadRequest(f"{where}.content is missing", f"缺少 {where}.content", param=f"{where}.content")
        parts = self.parts(content, f"{where}.content", strict=strict and known == "user")
        if known is None:
            return Message("user", (Text(f"[{str(role)[:80]}]"), *parts))
        return Message(known, (*parts, *calls), history.id_of(thing.get("name")))

    def parts(self, content: object, where: str, *, strict: bool) -> list[Part]:
        """The parts of a content: a text, one part or a list of them."""
        if content is None or content == "":
            return []
        if not isinstance(content, list):
            return list(self._part(content, where, strict=strict))
        return [part for at, one in enumerate(content) for part in self._part(one, f"{where}[{at}]", strict=strict)]

    def _part(self, part: object, where: str, *, strict: bool) -> tuple[Part, ...]:
        if isinstance(part, str):
            return (Text(part),)
        if isinstance(part, Mapping):
            kind = part.get("type")
            kind = kind if isinstance(kind, str) else next((key for key in _UNTYPED if part.get(key) is not None), "")
            try:
                read = _known(part, kind, where, strict=strict)
            except BadRequest:
                if strict:
                    raise
                read = None  # one of an earlier turn is told as what it is
            if read is not None:
                return read
        else:
            kind = type(part).__name__
        if strict:
            raise _no_part(kind, where, self.words, f"{where}.type" if isinstance(part, Mapping) else where)
        said = history.text_of(part)
        return (said,) if said else ()

    def result(self, output: object, where: str) -> tuple[Text | Image | File, ...]:
        """What a tool gave back; a list or an object that holds no parts is told as JSON."""
        if isinstance(output, Mapping) and "type" in output:
            output = [output]
        if not (isinstance(output, list) and all(isinstance(one, Mapping) and _is_part(one) for one in output)):
            said = history.words_of(output)
            return (Text(said),) if said else ()
        parts = self.parts(output, where, strict=False)
        return tuple(part for part in parts if isinstance(part, Text | Image | File))

    def _calls(self, thing: Mapping[str, Any]) -> list[Part]:
        """The calls of an assistant's chat message, and what it holds of unknown ones."""
        calls = thing.get("tool_calls")
        found = [self._call(call) for call in calls] if isinstance(calls, list) else []
        old = thing.get("function_call")
        if isinstance(old, Mapping):
            found.append(self._call({"id": old.get("name"), "function": old}))
        return [part for part in found if part is not None]

    def _call(self, call: Any) -> Part | None:
        match call:
            case {"custom": {"name": str(name), **inner}} if name:
                return self._called(call, name, custom_arguments(inner.get("input", "")))
            case {"function": {"name": str(name), **inner}} | {"name": str(name), **inner} if name:
                return self._called(call, name, history.arguments_of(inner.get("arguments")))
            case _:
                return history.text_of(call, "tool call")

    def _called(self, call: Mapping[str, Any], name: str, arguments: str) -> ToolCall:
        namespace = call.get("namespace")
        qualified = self.box.name_of(name, namespace) if isinstance(namespace, str) and namespace else name
        call_id = history.id_of(call.get("call_id") or call.get("id"))
        self.names[call_id] = qualified
        return ToolCall(call_id, qualified, arguments)

    def _item(self, item: Mapping[str, Any], where: str) -> Message | None:
        """An item of Responses that is no message."""
        kind, name = str(item.get("type")), item.get("name")
        name = name if isinstance(name, str) else ""
        match kind:
            case "function_call" if name:
                return _own(self._called(item, name, history.arguments_of(item.get("arguments"))))
            case "custom_tool_call" if name:
                return _own(self._called(item, name, custom_arguments(item.get("input", ""))))
            case "local_shell_call" | "shell_call" | "apply_patch_call":
                return _own(self._called(item, kind.removesuffix("_call"), own_arguments(item)))
            case "tool_search_call" if item.get("call_id"):
                return _own(self._called(item, "tool_search", history.arguments_of(item.get("arguments"))))
            case "reasoning":
                return _own(_thought(item))
            case "image_generation_call":
                return _own(_painted(item, where))
            case "web_search_call" | "additional_tools":
                return None
            case "code_interpreter_call" if str(item.get("container_id")).startswith(CONTAINER):
                return None
            case "tool_search_output":
                return self._given(item, _found_tools(item.get("tools")), where)
            case _ if kind.endswith("_output"):
                return self._given(item, item.get("output"), where)
            case _:
                self.unknown.append((kind, where))
                return _own(history.text_of(item))

    def _given(self, item: Mapping[str, Any], output: object, where: str) -> Message:
        """A tool's result; it belongs to a call, or at least has a name."""
        call_id = history.id_of(item.get("call_id") or item.get("id"))
        name = self.names.get(call_id, "")
        if not name and item.get("type") != "function_call_output":
            name = str(item.get("type")).removesuffix("_output")
        parts = self.result(output, f"{where}.output")
        return Message("tool", (ToolResult(call_id, name, parts),))

    def _referred(self, item: Mapping[str, Any], where: str) -> Message | None:
        item_id = history.id_of(item.get("id"))
        if item_id in self.references:
            return self.references[item_id]
        if item_id.startswith("rs_"):
            return None
        raise NotFound(
            f"Item {item_id[:100]!r} is not stored here; send the item itself or use previous_response_id",
            f"未找到条目 {item_id[:100]!r}，请直接发送该条目或使用 previous_response_id",
            param=f"{where}.id",
            code="item_not_found",
        )


def is_reference(thing: Any) -> bool:
    """Whether it only refers to an item by its id."""
    match thing:
        case {"type": "item_reference"}:
            return True
        case {"id": str()}:
            return thing.get("type") is None and thing.get("role") is None
        case _:
            return False


def is_models(thing: object) -> bool:
    """Whether the model said it: an assistant's message, or an item that is a call, a thought or an image of its."""
    match thing:
        case {"role": str(role)}:
            return role in ("assistant", "model")
        case {"type": str(kind)}:
            return kind == "reasoning" or kind.endswith("_call")
        case _:
            return False


def _last_turn(things: Sequence[object]) -> int:
    """Where the last message of the user is, unless the model has said something behind it; -1 for nowhere."""
    for at in range(len(things) - 1, -1, -1):
        if is_models(things[at]):
            break
        if _is_turn(things[at]):
            return at
    return -1


def _is_turn(thing: object) -> bool:
    """Whether it is a message of the user, or of a role that nobody knows."""
    return isinstance(thing, Mapping) and _ROLES.get(str(thing.get("role", "user")), "user") == "user"


def _own(part: Part | None) -> Message | None:
    return None if part is None else Message("assistant", (part,))


def _is_part(thing: Mapping[str, Any]) -> bool:
    return isinstance(thing.get("type"), str) or any(thing.get(key) is not None for key in _UNTYPED)


def _known(part: Mapping[str, Any], kind: str, where: str, *, strict: bool) -> tuple[Part, ...] | None:
    """A part of a kind that can be passed on; None for the others, and for one that lacks what it is about."""
    if kind in _TEXTS:
        text = part.get("text") if part.get("text") is not None else part.get("refusal")
        if isinstance(text, str):
            return (Text(text),)
        _check_lenient(where, "refusal" if kind == "refusal" else "text", strict=strict)
    if kind in _IMAGES:
        if source := _image(part, kind, where):
            return (Image(source),)
        _check_lenient(where, "image_url", strict=strict)
    if kind in _FILES:
        inner, at = (part["file"], f"{where}.file") if isinstance(part.get("file"), Mapping) else (part, where)
        if source := _file(inner, at):
            return (Image(source) if kind == "input_file" and is_image(source.mime) else File(source),)
        _check_lenient(at, "file_id, file_data or a public file_url", strict=strict, param=at)
    if kind == "input_audio":
        return _audio(part.get("input_audio"), where, strict=strict)
    if kind in _THOUGHTS and not strict:
        thought = _thought(part)
        return (thought,) if thought else ()
    return None


def _check_lenient(where: str, what: str, *, strict: bool, param: str = "") -> None:
    """BadRequest where something is asked now that lacks what it is about."""
    if strict:
        raise BadRequest(f"{where} lacks its {what}", f"{where} 缺少 {what}", param=param or f"{where}.{what}")


def _image(part: Mapping[str, Any], kind: str, where: str) -> Source | None:
    """An image in all spellings: a URL or an object with one, base64 with its type, or an uploaded file."""
    given = next((part[key] for key in ("image_url", "image", "source", "url") if part.get(key)), None)
    match given:
        case str(url) | {"url": str(url)}:
            return source_of_url(url, f"{where}.image_url.url" if kind == "image_url" else f"{where}.image_url")
        case {"data": str(data), **rest}:
            mime = rest.get("media_type") or rest.get("mime_type") or ""
            return inline_file(data, f"{where}.source.data", str(mime))
        case None if isinstance(part.get("file_id"), str) and part["file_id"]:
            return Stored(part["file_id"], place=f"{where}.file_id")
        case _:
            return None


def _file(file: Mapping[str, Any], where: str) -> Source | None:
    name = file.get("filename")
    name = name if isinstance(name, str) else ""
    match file:
        case {"file_id": str(file_id)} if file_id:
            return Stored(file_id, name=name, place=f"{where}.file_id")
        case {"file_data": str(data)} if data[:5].lower() == "data:":
            return source_of_url(data, f"{where}.file_data", name=name)
        case {"file_data": str(data)} if data:
            return inline_file(data, f"{where}.file_data", name=name)
        case {"file_url": str(url)} if url[:8].lower().startswith(("http://", "https://")):
            return Link(url, name=name, place=f"{where}.file_url")
        case _:
            return None


def _audio(audio: object, where: str, *, strict: bool) -> tuple[Part, ...] | None:
    match audio:
        case {"data": str(data), **rest}:
            form = rest.get("format", "wav")
            if not (isinstance(form, str) and form.isascii() and form.isalnum() and 2 <= len(form) <= 5):
                place = f"{where}.input_audio.format"
                raise BadRequest(f"Invalid value for {place}", f"参数 {place} 无效", param=place)
            return (File(inline_file(data, f"{where}.input_audio.data", f"audio/{form}", f"audio.{form}")),)
        case _:
            _check_lenient(where, "input_audio", strict=strict)
            return None


def _thought(thing: Mapping[str, Any]) -> Thought | None:
    """What the model thought, as far as it can be read; seals are left out."""
    found: list[str] = []
    for key in ("summary", "content", "thinking", "reasoning", "text"):
        value = thing.get(key)
        for one in value if isinstance(value, list) else [value]:
            text = one.get("text") if isinstance(one, Mapping) else one
            if isinstance(text, str) and text:
                found.append(text)
        if found:
            break
    return Thought("\n\n".join(found)) if found else None


def _painted(item: Mapping[str, Any], where: str) -> Image | None:
    result = item.get("result")
    if not (isinstance(result, str) and result):
        return None
    return Image(inline_file(result, f"{where}.result", "image/png"))


def _found_tools(tools: object) -> str:
    """The names of the tools that a search found; the tools themselves are offered."""
    if not isinstance(tools, list) or not tools:
        return "no tools were found"
    return dumps([_names_in(tool) for tool in tools]).decode()


def _names_in(tool: object) -> object:
    match tool:
        case {"type": "namespace", "name": str(name), "tools": list(inner)}:
            return [joined(name, str(one.get("name"))) for one in inner if isinstance(one, Mapping)]
        case {"name": str(name)}:
            return name
        case _:
            return None


def _no_role(role: object, where: str) -> BadRequest:
    place = f"{where}.role"
    if role is None:
        return BadRequest(f"Missing required parameter: {place}", f"缺少必需参数：{place}", param=place)
    return BadRequest(
        f"Invalid value for {place}: it must be system, developer, user, assistant or tool",
        f"参数 {place} 无效：应为 system、developer、user、assistant 或 tool",
        param=place,
    )


def _no_part(kind: str, where: str, words: str, param: str) -> BadRequest:
    return BadRequest(
        f"{where} has type {kind[:80]!r}, which cannot be passed on; use {words}",
        f"{where} 的类型 {kind[:80]!r} 不受支持，请使用 {words}",
        param=param,
        code="unsupported_content",
    )
