"""OpenAI's transcriptions and translations: a form with a recording in, its words out (docs/client-contracts.md 10).

Nothing here measures when a word was said or who said it: forms that consist of that are refused. How long the
recording lasts is read from the file itself (`gemgate.audio`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import Field

from gemgate.audio import KINDS, kind_of, seconds_of
from gemgate.chat import UNKNOWN, ChatRequest, Ended, Event, File, Message, Reply, TextDelta, Transcription, Usage
from gemgate.dialects.openai import envelope, unsupported
from gemgate.dialects.wire import EVENTS, MODEL_POLICY, Wishes, dumps, ignored, read, sse
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Inline
from gemgate.frozen import frozen
from gemgate.images import ModelPolicy

__all__ = [
    "EventWriter",
    "TranscriptionRequest",
    "TranslationRequest",
    "envelope",
    "is_plain",
    "read_form",
    "read_request",
    "write",
]


@frozen
class Recording:
    """seconds: as its own headers say, None where they do not or nobody asks."""

    source: Inline
    seconds: float | None = None


class TranslationRequest(Wishes):
    """Form of POST /v1/audio/translations: the words of a recording in English.

    response_format: `json`, `text` or `verbose_json`; the others are refused, with the reason.
    """

    file: Any = Field(json_schema_extra={"type": "string", "format": "binary"})
    model: str | None = None
    prompt: str | None = Field(default=None, max_length=32_000)
    response_format: Literal["json", "text", "verbose_json", "srt", "vtt", "diarized_json"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    model_policy: ModelPolicy | None = Field(default=None, description=MODEL_POLICY)


class TranscriptionRequest(TranslationRequest):
    """Form of POST /v1/audio/transcriptions: the words of a recording as they were said."""

    stream: bool | None = None
    language: str | None = Field(default=None, max_length=40)
    languages: list[str] | None = Field(default=None, max_length=40)
    keywords: list[str] | None = Field(default=None, max_length=1000)
    timestamp_granularities: list[str] | None = None


M = TypeVar("M", bound=TranslationRequest)


def read_form(model: type[M], fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, Inline]]) -> M:
    """The parts of a form as the SDK sends them: lists as `name[]`, inner fields as `name[key]`, the recording as
    `file`. BadRequest for what does not fit, and for bytes that are no recording.
    """
    values: dict[str, Any] = {}
    for name, text in fields:
        plain, bracket, _ = name.partition("[")
        if bracket or plain in _LISTS:
            values.setdefault(plain, []).append(text)
        else:
            values[plain] = text
    given = next((file for name, file in files if name == "file"), None)
    if given is None and "file" in values:
        raise BadRequest(
            "file must be a part of the form with a filename, not text",
            "file 必须是带文件名的表单部分，而不是文本",
            param="file",
        )
    if given is not None:
        values["file"] = _recording(given, measured=values.get("response_format") == "verbose_json")
    return read(model, {name: value for name, value in values.items() if value != ""})


_LISTS = ("languages", "keywords", "timestamp_granularities", "include")


def _recording(file: Inline, *, measured: bool) -> Recording:
    if not file.data:
        raise BadRequest("file is empty", "file 为空", param="file", code="invalid_audio")
    if kind_of(file.data) is None:
        names = ", ".join(kind.name for kind in KINDS)
        raise BadRequest(
            f"Invalid file format: its bytes are no recording that is known here; send one of {names}",
            f"文件格式无效：内容不是可识别的音频；请使用 {names} 之一",
            param="file",
            code="invalid_audio",
        )
    return Recording(file, seconds_of(file.data) if measured else None)


def read_request(body: TranslationRequest) -> ChatRequest:
    """The words of the request; BadRequest for a form of answer that would have to be made up."""
    _check_form(body)
    told = body if isinstance(body, TranscriptionRequest) else None
    languages = (told.language, *(told.languages or ())) if told else ()
    wanted = Transcription(
        translated=told is None,
        languages=tuple(one for one in languages if one),
        keywords=tuple(told.keywords or ()) if told else (),
        style=body.prompt or "",
    )
    stream = bool(told and told.stream)
    unmet = ("response_format",) if stream and body.response_format in ("text", "verbose_json") else ()
    return ChatRequest(
        (Message("user", (File(body.file.source),)),),
        model=body.model,
        stream=stream,
        include_thoughts=False,
        temporary=True,
        model_policy=body.model_policy,
        cites=True,
        transcription=wanted,
        ignored=(*ignored(body, "temperature"), *unmet),
    )


def _check_form(body: TranslationRequest) -> None:
    if body.response_format in ("srt", "vtt"):
        raise unsupported(
            "response_format",
            f"response_format {body.response_format} is not supported: nothing here measures when a word was said; "
            "use json, text or verbose_json",
            f"不支持 response_format {body.response_format}：无法测量每个词的时间；请使用 json、text 或 verbose_json",
        )
    if body.response_format == "diarized_json":
        raise unsupported(
            "response_format",
            "response_format diarized_json is not supported: nothing here tells speakers apart; "
            "use json, text or verbose_json",
            "不支持 response_format diarized_json：无法区分说话人；请使用 json、text 或 verbose_json",
        )
    if isinstance(body, TranscriptionRequest) and body.timestamp_granularities:
        raise unsupported(
            "timestamp_granularities",
            "timestamp_granularities is not supported: nothing here measures when a word was said; leave it out",
            "不支持 timestamp_granularities：无法测量每个词的时间；请去掉该参数",
        )


def is_plain(body: TranslationRequest) -> bool:
    """Whether the answer is plain text instead of JSON."""
    return body.response_format == "text"


def write(reply: Reply, body: TranslationRequest) -> str | dict[str, Any]:
    """The transcript in the form that was asked for; of what nobody measured nothing is said."""
    if is_plain(body):
        return reply.text
    if body.response_format == "verbose_json":
        return _verbose(reply, body)
    return {"text": reply.text, "usage": _usage(reply.ended.usage)}


def _verbose(reply: Reply, body: TranslationRequest) -> dict[str, Any]:
    """duration: null where the file does not say it. language: the caller's word for it."""
    told = body if isinstance(body, TranscriptionRequest) else None
    seconds = body.file.seconds
    answer: dict[str, Any] = {
        "task": "transcribe" if told else "translate",
        "language": (told.language or UNKNOWN) if told else "english",
        "duration": seconds,
        "text": reply.text,
        "segments": [],
    }
    if told:
        answer["words"] = []
    if seconds is not None:
        answer["usage"] = {"type": "duration", "seconds": seconds}
    return answer


def _usage(usage: Usage) -> dict[str, Any]:
    """Estimated, and without the tokens of the sound, which nobody knows."""
    written = usage.completion_tokens + usage.reasoning_tokens
    return {
        "type": "tokens",
        "input_tokens": usage.prompt_tokens,
        "output_tokens": written,
        "total_tokens": usage.total_tokens,
        "estimated": usage.estimated,
    }


class EventWriter:
    """Writes the events of one stream: pieces of the text, then all of it."""

    heartbeat: bytes | None = b": ping\n\n"
    media_type = EVENTS

    def __init__(self) -> None:
        self._text: list[str] = []

    def event(self, index: int, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                self._text.append(text)
                return sse({"type": "transcript.text.delta", "delta": text})
            case Ended():
                usage = _usage(event.usage)
                return sse({"type": "transcript.text.done", "text": "".join(self._text), "usage": usage})
            case _:
                return b""

    def close(self) -> bytes:
        return b"data: [DONE]\n\n"

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        return b"data: " + dumps(envelope(error, language, request_id)[1]) + b"\n\n"
