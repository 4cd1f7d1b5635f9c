"""Gemini's contents, the way in: roles, parts, calls and their answers (docs/client-contracts.md 5).

Google's SDKs mix camelCase and snake_case in one body and write whole numbers as floats: both are read everywhere.
Each part is read by itself, so that what one of an earlier turn holds never refuses the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import AliasChoices, AliasGenerator, ConfigDict
from pydantic.alias_generators import to_camel

from gemgate.chat import File, Image, Message, Part, Role, Text, Thought, ToolCall, ToolResult
from gemgate.dialects import history, wire
from gemgate.dialects.wire import Body, inline_file, is_image, source_of_url
from gemgate.errors import BadRequest
from gemgate.files import Source, Stored


class Wire(Body):
    """Every field under its camelCase and its snake_case name."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(to_camel(name), name)),
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        defer_build=True,
    )


class Blob(Wire):
    data: str
    mime_type: str = ""
    display_name: str | None = None


class FileData(Wire):
    file_uri: str
    mime_type: str = ""
    display_name: str | None = None


class FunctionCallBody(Wire):
    name: str
    args: Any = None
    id: Any = None


class FunctionResponsePart(Wire):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponseBody(Wire):
    name: str = ""
    response: Any = None
    id: Any = None
    parts: list[FunctionResponsePart] | None = None


class CodeBody(Wire):
    id: Any = None
    language: str = ""
    code: str = ""


class CodeResultBody(Wire):
    id: Any = None
    outcome: str = ""
    output: str = ""


class PartBody(Wire):
    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCallBody | None = None
    function_response: FunctionResponseBody | None = None
    executable_code: CodeBody | None = None
    code_execution_result: CodeResultBody | None = None
    thought: bool | None = None


class Content(Wire):
    """One turn; `parts` are PartBody, alone or in a list, each read by itself."""

    role: str | None = None
    parts: Any = None


_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_FOREIGN_ROLES: dict[str, Role] = {"assistant": "assistant", "system": "system"}
"""Roles of other dialects, in earlier turns."""


def read_system(content: Content | list[Any] | str | None) -> tuple[Message, ...]:
    """The system instruction; BadRequest for parts that are none."""
    if content is None:
        return ()
    if isinstance(content, str):
        text = content
    else:
        listed = content if isinstance(content, list) else _parts_of(content)
        parts = [_part_body(part, f"systemInstruction.parts[{at}]") for at, part in enumerate(listed)]
        text = "\n\n".join(part.text for part in parts if part.text)
    return (Message("system", (Text(text),)),) if text else ()


def read_contents(contents: list[Content] | Content | None) -> list[Message]:
    """The messages; BadRequest when there are none, or for what is unknown in the last turn."""
    listed = contents if isinstance(contents, list) else [contents] if contents is not None else []
    if not listed:
        raise BadRequest("contents is not specified", "未指定 contents", param="contents")
    roles = [(content.role or "user").lower() for content in listed]
    last = history.last_turn(roles)
    reading = _Reading()
    messages: list[Message] = []
    for at, (content, spelled) in enumerate(zip(listed, roles, strict=True)):
        role = _ROLES.get(spelled) or (_FOREIGN_ROLES.get(spelled, "user") if at < last else None)
        if role is None:
            raise BadRequest(
                f"contents[{at}].role must be user or model",
                f"contents[{at}].role 必须是 user 或 model",
                param=f"contents[{at}].role",
            )
        messages.extend(reading.content(content, role, f"contents[{at}]", earlier=at < last))
    messages = _whole(messages)
    if not any(message.parts for message in messages):
        raise BadRequest("contents has no parts", "contents 没有任何 parts", param="contents")
    return messages


def _whole(messages: list[Message]) -> list[Message]:
    """Neighbouring answers as one: chats of Google's SDKs keep every chunk of a stream as a turn of its own."""
    whole: list[Message] = []
    for message in messages:
        if not whole or message.role != "assistant" or whole[-1].role != "assistant":
            whole.append(message)
            continue
        before, after = whole[-1].parts, message.parts
        if before and after and isinstance(before[-1], Text) and isinstance(after[0], Text):
            before, after = (*before[:-1], Text(before[-1].text + after[0].text)), after[1:]
        whole[-1] = replace(whole[-1], parts=(*before, *after))
    return whole


def _parts_of(content: Content) -> list[Any]:
    if content.parts is None:
        return []
    return content.parts if isinstance(content.parts, list) else [content.parts]


def _part_body(part: Any, where: str) -> PartBody:
    if isinstance(part, str):
        return PartBody(text=part)
    return wire.read_inner(PartBody, part, where)


@dataclass(slots=True)
class _Reading:
    """The calls made so far, to give ids to those without and to pair the answers with them."""

    made: int = 0
    open: list[ToolCall] = field(default_factory=list)

    def content(self, content: Content, role: Role, where: str, *, earlier: bool) -> list[Message]:
        """One content; function responses inside it become messages of their own, in their place.

        earlier: before the last user turn, where what cannot be read becomes text or goes.
        """
        messages: list[Message] = []
        parts: list[Part] = []
        for at, raw in enumerate(_parts_of(content)):
            try:
                part = self._part(_part_body(raw, f"{where}.parts[{at}]"), f"{where}.parts[{at}]", raw)
            except BadRequest:
                if not earlier:
                    raise
                part = _told(raw)
            if isinstance(part, ToolResult):
                if parts:
                    messages.append(Message(role, tuple(parts)))
                    parts = []
                messages.append(Message("tool", (part,)))
            elif part is not None:
                parts.append(part)
        if parts:
            messages.append(Message(role, tuple(parts)))
        return messages

    def _part(self, body: PartBody, where: str, raw: Any) -> Part | None:
        if body.text is not None:
            if body.thought:
                return Thought(body.text) if body.text else None
            return Text(body.text) if body.text else None
        if body.inline_data is not None:
            return _attachment(_inline(body.inline_data, f"{where}.inlineData"))
        if body.file_data is not None:
            return _attachment(_referred(body.file_data, f"{where}.fileData"))
        if body.function_call is not None:
            return self._call(body.function_call)
        if body.function_response is not None:
            return self._result(body.function_response, f"{where}.functionResponse")
        runs = (body.executable_code, body.code_execution_result)
        if any(run is not None and history.id_of(run.id).startswith(RUN_ID) for run in runs):
            return None
        if body.executable_code is not None:
            code = body.executable_code
            return Text(f"```{code.language.lower()}\n{code.code}\n```") if code.code else None
        if body.code_execution_result is not None:
            result = body.code_execution_result
            return Text(f"({result.outcome or 'output'})\n{result.output}") if result.output else None
        if body.thought or (raw and not raw.keys() - _SEALS):
            return None
        raise BadRequest(
            f"{where} needs text, inlineData, fileData, functionCall or functionResponse",
            f"{where} 需要 text、inlineData、fileData、functionCall 或 functionResponse",
            param=where,
        )

    def _call(self, body: FunctionCallBody) -> ToolCall:
        call_id = history.id_of(body.id) or f"call_{self.made}"
        call = ToolCall(call_id, body.name, history.arguments_of(body.args))
        self.made += 1
        self.open.append(call)
        return call

    def _answered(self, body: FunctionResponseBody) -> ToolCall:
        """The call that this is the answer to: by id, else the first open one of the name."""
        call_id = history.id_of(body.id)
        for call in self.open:
            if call.id == call_id or (not call_id and call.name == body.name):
                self.open.remove(call)
                return call
        return ToolCall(call_id or body.name, body.name, "{}")

    def _result(self, body: FunctionResponseBody, where: str) -> ToolResult:
        call = self._answered(body)
        failed = isinstance(body.response, Mapping) and set(body.response) == {"error"}
        parts: list[Text | Image | File] = [Text(_words_of(body.response))]
        for at, part in enumerate(body.parts or ()):
            if part.inline_data is not None:
                parts.append(_attachment(_inline(part.inline_data, f"{where}.parts[{at}].inlineData")))
            elif part.file_data is not None:
                parts.append(_attachment(_referred(part.file_data, f"{where}.parts[{at}].fileData")))
        return ToolResult(call.id, call.name or body.name, tuple(parts), is_error=failed)


RUN_ID = "run_gemgate_"
"""How the ids of runs of code begin that we told: the chat has them in its text."""
_SEALS = {"thoughtSignature", "thought_signature", "thought", "partMetadata", "part_metadata"}
"""Fields that, alone in a part, say nothing."""


def _told(part: Any) -> Text | None:
    """A part of an earlier turn that is none of ours, as words under its own name."""
    if isinstance(part, Mapping):
        said = {key: value for key, value in part.items() if key not in _SEALS}
        if len(said) == 1:
            kind, value = next(iter(said.items()))
            return history.text_of(value, str(kind))
        return history.text_of(said)
    return history.text_of(part)


def _words_of(response: Any) -> str:
    """What a function gave back; the envelopes that SDKs put round a text are taken off."""
    match response:
        case {"result": str(text), **rest} | {"output": str(text), **rest} if not rest:
            return text
        case {"content": str(text), **rest} if rest.keys() <= {"name"}:
            return text
        case None:
            return "{}"
        case _:
            return history.words_of(response)


def _attachment(source: Source) -> Image | File:
    return Image(source) if is_image(source.mime) else File(source)


def _inline(blob: Blob, where: str) -> Source:
    mime, name = blob.mime_type.lower(), blob.display_name or ""
    if blob.data[:5].lower() == "data:":
        source = source_of_url(blob.data, f"{where}.data", name=name)
        return replace(source, mime=mime or source.mime)
    return inline_file(blob.data, f"{where}.data", mime, name)


_FILE_URI = re.compile(r"(?:https?://[^/\s]+(?:/[\w.-]+)*/v1(?:beta)?/)?files/([A-Za-z0-9_-]{1,64})", re.ASCII)

_VIDEO = re.compile(r"https?://(?:[\w-]+\.)*(?:youtube\.com|youtu\.be)(?:[/:?#]|$)", re.IGNORECASE)


def _referred(file: FileData, where: str) -> Source:
    """An upload to this service, or a link that the fetcher may follow."""
    return source_of_uri(file.file_uri, f"{where}.fileUri", file.mime_type, file.display_name or "")


def source_of_uri(uri: str, where: str, mime: str = "", name: str = "") -> Source:
    """What a uri of Google's dialects names: an upload to this service, or a link; BadRequest for anything else."""
    mime = mime.lower()
    if match := _FILE_URI.fullmatch(uri):
        return Stored(file_id(match.group(1)), mime, name, place=where, asked=written_name(match.group(1)))
    if _VIDEO.match(uri):
        raise BadRequest(
            f"{where} is a video's page and no file; put the link into the text",
            f"{where} 是视频页面而不是文件，请把链接写进文本",
            param=where,
        )
    try:
        source = source_of_url(uri, where, name=name)
    except BadRequest:
        raise BadRequest(
            f"{where} must be the uri of an upload to this service, files/<id>, or a public https link",
            f"{where} 必须是本服务上传文件的 uri、files/<id> 或公开的 https 链接",
            param=where,
        ) from None
    return replace(source, mime=mime or source.mime)


def file_id(name: str) -> str:
    """The store's id (`file-x`) of a file that this dialect calls `files/x`.

    The SDK cuts a file's name out of its uri by `[a-z0-9]+`, so the dash of our ids must not stand there.
    """
    bare = name.removeprefix("files/")
    return bare if bare.startswith("file-") else f"file-{bare}"


def written_name(name: str) -> str:
    """What this dialect calls a file, with the folder that its routes have in front."""
    return f"files/{name.removeprefix('files/')}"
