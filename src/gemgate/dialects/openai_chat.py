"""OpenAI chat completions: read the request, write the completion or its chunks (docs/client-contracts.md 2).

Sampling fields are checked and accepted but cannot be honoured; the answer names them in `x-gemgate-ignored`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, StrictBool, model_validator

from gemgate.chat import (
    Began,
    ChatRequest,
    Ended,
    Event,
    File,
    Found,
    ImageGenerated,
    Message,
    Reply,
    ResponseFormat,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.dialects.effort import thinking_of, unknown_effort
from gemgate.dialects.image_options import of_a_chat
from gemgate.dialects.openai import envelope, read_format, unsupported
from gemgate.dialects.openai_content import Conversation
from gemgate.dialects.openai_tools import Toolbox, choose, read_tools, text_input, wants_search
from gemgate.dialects.wire import (
    EVENTS,
    MODEL_POLICY,
    Body,
    Limit,
    MarkdownJoiner,
    ResponseMeta,
    Wishes,
    dumps,
    header_safe,
    ignored,
    image_link,
    is_wish,
    pieces,
    served_by,
    sse,
)
from gemgate.errors import BadRequest, GatewayError
from gemgate.files import Stored
from gemgate.findings import NOTHING_FOUND, Findings, attributed
from gemgate.images import GeneratedImage, ModelPolicy

if TYPE_CHECKING:
    from gemgate.dialects.shapes import openai as shapes

__all__ = [
    "ChatCompletionRequest",
    "ChunkWriter",
    "envelope",
    "include_usage",
    "model_object",
    "read_request",
    "toolbox",
    "usage",
    "write",
]


class JsonSchemaBody(Body):
    name: str = "answer"
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormatBody(JsonSchemaBody):
    """The wanted form; the schema nested as chat has it, or beside the type as responses have it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaBody | None = None


class StreamOptions(Body):
    include_usage: StrictBool = False


class ReasoningBody(Wishes):
    """The field that routers and front ends send in place of `reasoning_effort`."""

    effort: str | None = None
    enabled: StrictBool | None = None


class ChatCompletionRequest(Wishes):
    """Body of POST /v1/chat/completions; a body of responses (`instructions`, `input`) is read as well."""

    messages: list[Any] = Field(min_length=1)
    model: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: ResponseFormatBody | None = None
    stop: str | list[str] | None = None
    n: int | None = Field(default=None, ge=1, le=8)
    reasoning_effort: str | None = None
    reasoning: ReasoningBody | None = None
    logprobs: StrictBool | None = None
    modalities: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    top_k: float | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    prediction: dict[str, Any] | None = None
    verbosity: str | None = None
    web_search_options: dict[str, Any] | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    conversation_id: str | None = Field(default=None, max_length=200)
    files: list[str] | None = None
    model_policy: ModelPolicy | None = Field(default=None, description=MODEL_POLICY)

    @model_validator(mode="before")
    @classmethod
    def _from_responses(cls, value: Any) -> Any:
        """Some editors send the body of responses here."""
        if not isinstance(value, dict) or "messages" in value or not value.get("input"):
            return value
        rest = {key: inner for key, inner in value.items() if key not in ("input", "instructions", "text", "include")}
        said = value["input"] if isinstance(value["input"], list) else [value["input"]]
        first = [{"role": "system", "content": value["instructions"]}] if value.get("instructions") else []
        text = value.get("text")
        if isinstance(text, dict) and isinstance(text.get("format"), dict):
            rest.setdefault("response_format", text["format"])
        return {**rest, "messages": first + said}


_NOT_HONOURED = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "top_k",
    "top_logprobs",
    "logit_bias",
    "prediction",
    "verbosity",
)


def read_request(body: ChatCompletionRequest) -> ChatRequest:
    """The words of a chat completion request; BadRequest for what cannot be passed on."""
    if body.logprobs:
        raise _no_such_output("logprobs")
    if body.modalities and "audio" in body.modalities:
        raise _no_such_output("modalities")
    box = toolbox(body)
    conversation = Conversation(box)
    conversation.add_all(body.messages, "messages")
    messages = tuple(conversation.said)
    if not any(message.parts for message in messages):
        raise BadRequest("messages is empty", "messages 为空", param="messages", code="invalid_messages")
    if body.files:
        messages = _attach(messages, [Stored(handle, place=f"files[{at}]") for at, handle in enumerate(body.files)])
    asked = "image" in (body.modalities or ()) or "image" in (body.model or "")
    options, honoured = of_a_chat(body, asked=asked)
    choice = body.tool_choice if body.tool_choice is not None else body.function_call
    parallel = body.parallel_tool_calls is not False
    return ChatRequest(
        messages=messages,
        model=body.model,
        stream=bool(body.stream),
        tools=box.tools,
        tool_choice=choose(box, choice, parallel=parallel),
        response_format=_response_format(body.response_format),
        thinking=_thinking(body),
        thinking_field=_thinking_field(body),
        stop=_stop(body.stop),
        n=body.n or 1,
        conversation_id=body.conversation_id,
        images=options,
        demands_image="image" in (body.modalities or ()) and "text" not in (body.modalities or ()),
        model_policy=body.model_policy,
        search=wants_search(box, choice, offered=body.web_search_options is not None),
        cites=True,
        ignored=(
            *(name for name in ignored(body, *_NOT_HONOURED) if name not in honoured),
            *(ignored(body.reasoning, prefix="reasoning.") if body.reasoning else ()),
            *(
                f"web_search_options.{header_safe(name)}"
                for name, v in (body.web_search_options or {}).items()
                if is_wish(name, v)
            ),
            *_unknown_effort(body),
            *box.ignored,
        ),
    )


def toolbox(body: ChatCompletionRequest) -> Toolbox:
    """The tools of the request, by which its answer writes calls."""
    functions = [{"type": "function", "function": function} for function in body.functions or ()]
    return read_tools([*functions, *(body.tools or ())])


def _thinking(body: ChatCompletionRequest) -> bool | None:
    if body.reasoning is None or body.reasoning_effort is not None:
        return thinking_of(body.reasoning_effort)
    return body.reasoning.enabled if body.reasoning.effort is None else thinking_of(body.reasoning.effort)


def _thinking_field(body: ChatCompletionRequest) -> str:
    """Which of the fields says how hard to think."""
    if body.reasoning is None or body.reasoning_effort is not None:
        return "reasoning_effort"
    return "reasoning.enabled" if body.reasoning.effort is None else "reasoning.effort"


def _unknown_effort(body: ChatCompletionRequest) -> tuple[str, ...]:
    if body.reasoning is None or body.reasoning_effort is not None:
        return unknown_effort(body.reasoning_effort, _thinking_field(body))
    return unknown_effort(body.reasoning.effort, _thinking_field(body))


def include_usage(body: ChatCompletionRequest) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _no_such_output(param: str) -> BadRequest:
    return unsupported(
        param, f"{param} is not supported: the web app has no such output", f"不支持 {param}：网页版没有这种输出"
    )


def _attach(messages: tuple[Message, ...], files: list[Stored]) -> tuple[Message, ...]:
    """Our extension `files`: uploaded ids that belong to the last user message."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    if last < 0:
        return messages
    message = messages[last]
    parts = tuple(File(file) for file in files) + message.parts
    return (*messages[:last], Message(message.role, parts, message.name), *messages[last + 1 :])


def _response_format(body: ResponseFormatBody | None) -> ResponseFormat:
    if body is None:
        return ResponseFormat()
    schema = body.json_schema or body
    return read_format(body.type, schema.schema_, schema.name, schema.strict, "response_format.json_schema.schema")


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(text for text in stop if text)


def _finish(ended: Ended) -> shapes.FinishReason:
    return "stop" if ended.reason == "stop_sequence" else ended.reason


def write(replies: list[Reply], meta: ResponseMeta, model: str, box: Toolbox | None = None) -> shapes.ChatCompletion:
    """The completion object of one or several answers; `box` are the request's tools."""
    choices: list[shapes.CompletionChoice] = [
        {
            "index": index,
            "message": _message_out(reply, meta, box or Toolbox()),
            "logprobs": None,
            "finish_reason": _finish(reply.ended),
        }
        for index, reply in enumerate(replies)
    ]
    completion: shapes.ChatCompletion = {
        "id": meta.id,
        "object": "chat.completion",
        "created": meta.created,
        "model": model,
        "choices": choices,
        "usage": usage(sum((reply.ended.usage for reply in replies[1:]), replies[0].ended.usage)),
        "system_fingerprint": None,
        "served_model": served_by([reply.ended for reply in replies]),
    }
    if conversation := replies[0].began.conversation_id:
        completion["conversation_id"] = conversation
    if suggestions := replies[0].found.suggestions:  # questions to ask next, a field of ours beside the answer
        completion["suggestions"] = list(suggestions)
    return completion


def _annotations(found: Findings, length: int) -> list[shapes.Annotation]:
    """The sources of a text of `length` characters, which is what the indexes count."""
    return [
        {
            "type": "url_citation",
            "url_citation": {"start_index": start, "end_index": end, "title": source.title, "url": source.url},
        }
        for source, start, end in attributed(found, length)
    ]


def _message_out(reply: Reply, meta: ResponseMeta, box: Toolbox) -> shapes.CompletionMessage:
    flow = MarkdownJoiner()
    content = "".join(
        flow.image(part.image, meta) if isinstance(part, ImageGenerated) else flow.text(part.text)
        for part in reply.parts
        if isinstance(part, TextDelta | ImageGenerated)
    )
    message: shapes.CompletionMessage = {
        "role": "assistant",
        "content": content if content or not reply.calls else None,
        "refusal": None,
        "annotations": _annotations(reply.found, len(reply.text)),
    }
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
    if reply.images:
        message["images"] = [image_part(image, meta, index) for index, image in enumerate(reply.images)]
    if reply.calls:
        message["tool_calls"] = [_call_out(call, box) for call in reply.calls]
    return message


def _call_out(call: ToolCall, box: Toolbox) -> shapes.MessageToolCall:
    """A call of a function or of a custom tool."""
    if box.find(call).form == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text_input(call.arguments)}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def image_part(image: GeneratedImage, meta: ResponseMeta, index: int) -> shapes.MessageImage:
    """The image as an entry of `message.images`, the field that several gateways share."""
    return {"type": "image_url", "image_url": {"url": image_link(image, meta)}, "index": index}


def usage(usage: Usage) -> shapes.CompletionUsage:
    """The usage object; `estimated` says that Google names no counts."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "estimated": usage.estimated,
    }


class ChunkWriter:
    """Writes the chunks of one stream; with n > 1 the answers share it and are told apart by their index."""

    heartbeat: bytes | None = b": ping\n\n"
    media_type = EVENTS

    def __init__(self, meta: ResponseMeta, model: str, *, include_usage: bool, box: Toolbox | None = None) -> None:
        self._meta = meta
        self._box = box or Toolbox()
        self._include_usage = include_usage
        self._base: dict[str, Any] = {
            "id": meta.id,
            "object": "chat.completion.chunk",
            "created": meta.created,
            "model": model,
            "system_fingerprint": None,
        }
        if include_usage:
            self._base["usage"] = None
        self._usage: Usage | None = None
        self._calls: dict[int, int] = {}
        self._images: dict[int, int] = {}
        self._flows: dict[int, MarkdownJoiner] = {}
        self._lengths: dict[int, int] = {}
        self._found: dict[int, Findings] = {}

    def event(self, index: int, event: Event) -> bytes:
        match event:
            case Began():
                if event.conversation_id:
                    self._base["conversation_id"] = event.conversation_id
                return self._chunk(index, {"role": "assistant", "content": ""})
            case TextDelta(text):
                self._lengths[index] = self._lengths.get(index, 0) + len(text)
                return self._chunk(index, {"content": self._flow(index).text(text)})
            case ThoughtDelta(text):
                return self._chunk(index, {"reasoning_content": text})
            case ToolCalled(call):
                return self._call(index, call)
            case ImageGenerated(image):
                return self._image(index, image)
            case Found(found):
                self._found[index] = found
                return b""
            case Ended():
                self._usage = event.usage if self._usage is None else self._usage + event.usage
                found = self._found.get(index, NOTHING_FOUND)
                last: dict[str, Any] = {"served_model": served_by([event])}
                if found.suggestions:
                    last["suggestions"] = list(found.suggestions)
                annotations = _annotations(found, self._lengths.get(index, 0))
                delta = {"annotations": annotations} if annotations else {}
                return self._chunk(index, delta, _finish(event), **last)

    def close(self) -> bytes:
        """What follows the last answer."""
        last = b"data: [DONE]\n\n"
        if self._include_usage and self._usage is not None:
            return sse({**self._base, "choices": [], "usage": usage(self._usage)}) + last
        return last

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes:
        """An error after the stream began: in-band, and no [DONE]."""
        return sse(envelope(error, language, request_id)[1])

    def _flow(self, index: int) -> MarkdownJoiner:
        return self._flows.setdefault(index, MarkdownJoiner())

    def _image(self, index: int, image: GeneratedImage) -> bytes:
        number = self._images.get(index, 0)
        self._images[index] = number + 1
        content = self._flow(index).image(image, self._meta)
        return self._chunk(index, {"content": content, "images": [image_part(image, self._meta, number)]})

    def _call(self, index: int, call: ToolCall) -> bytes:
        number = self._calls.get(index, 0)
        self._calls[index] = number + 1
        whole: dict[str, Any] = {**_call_out(call, self._box)}
        kind, field = whole["type"], "input" if whole["type"] == "custom" else "arguments"
        head = {"index": number, "id": call.id, "type": kind, kind: {"name": call.name, field: ""}}
        chunks = [self._chunk(index, {"tool_calls": [head]})]
        chunks += [
            self._chunk(index, {"tool_calls": [{"index": number, kind: {field: piece}}]})
            for piece in pieces(whole[kind][field])
        ]
        return b"".join(chunks)

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + dumps({**self._base, "choices": [choice], **more}) + b"\n\n"


def model_object(model_id: str, created: int = 1_700_000_000) -> shapes.OpenAIModel:
    """One entry of GET /v1/models."""
    return {"id": model_id, "object": "model", "created": created, "owned_by": "google"}
