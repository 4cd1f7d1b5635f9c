"""Every dialect in one row: which paths are its own, how it tells errors, and its operations with who may call them.

Routes, scopes of keys, the relay, metrics and the OpenAPI document read this table. A dialect is its codec and one row;
the golden files are held by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from gemgate.dialects import (
    anthropic,
    gemini,
    interactions,
    openai_audio,
    openai_batches,
    openai_chat,
    openai_images,
    responses,
    simple,
)
from gemgate.dialects import simple_batches as batches
from gemgate.dialects.rows import JSON, SSE, Act, Dialect, ErrorBody, Operation
from gemgate.dialects.wire import dumps
from gemgate.dialects.writing import Answering, StreamWriter
from gemgate.errors import GatewayError, Refused


def _frame(body: ErrorBody, lead: bytes = b"data: ", end: bytes = b"\n\n") -> Callable[[GatewayError, str, str], bytes]:
    def write(error: GatewayError, language: str, request_id: str) -> bytes:
        return lead + dumps(body(error, language, request_id)[1]) + end

    return write


OPENAI = Dialect(
    name="openai_chat",
    family="openai",
    prefixes=re.compile(r"/v1(/|$)"),
    error_body=openai_chat.envelope,
    stream_error=_frame(openai_chat.envelope),
    errors="openai.OpenAIError",
    operations=(
        Operation(
            method="POST",
            path="/v1/chat/completions",
            name="chat.completions",
            group="chat",
            act=Act.CHAT,
            answers="openai.ChatCompletion",
            produces=(JSON, SSE),
            body=openai_chat.ChatCompletionRequest,
            summary="OpenAI chat completions",
            id_prefix="chatcmpl-",
            read=lambda body, _: openai_chat.read_request(body),
            write=lambda replies, body, call: openai_chat.write(
                replies, call.meta, call.model, openai_chat.toolbox(body)
            ),
            writer=lambda body, call: openai_chat.ChunkWriter(
                call.meta, call.model, include_usage=openai_chat.include_usage(body), box=openai_chat.toolbox(body)
            ),
        ),
        Operation(
            method="POST",
            path="/v1/images/generations",
            name="images.generations",
            group="images",
            act=Act.IMAGES,
            answers="openai.OpenAIPictures",
            produces=(JSON, SSE),
            body=openai_images.GenerationsRequest,
        ),
        *(
            Operation(
                method="POST",
                path=path,
                name="images.edits",
                group="images",
                act=Act.IMAGES,
                answers="openai.OpenAIPictures | simple.Pictures",
                produces=(JSON, SSE),
                errors=("simple.SimpleError",),
                body=openai_images.EditsRequest,
            )
            for path in ("/v1/images/edits", "/v1/images/edit")
        ),
        Operation(
            method="POST",
            path="/v1/batches",
            name="batches.create",
            group="batches",
            act=Act.CHAT_BATCH,
            answers="openai.OpenAIBatch",
            body=openai_batches.BatchCreateRequest,
        ),
    ),
)

RESPONSES = Dialect(
    name="responses",
    family="openai",
    prefixes=re.compile(r"/v1/responses(/|$)"),
    error_body=responses.envelope,
    stream_error=responses.last_event,
    errors="openai.OpenAIError",
    operations=(
        Operation(
            method="POST",
            path="/v1/responses",
            name="responses.create",
            group="chat",
            act=Act.CHAT,
            answers="responses.OpenAIResponse",
            produces=(JSON, SSE),
            body=responses.ResponsesRequest,
            id_prefix="resp_",
            read=lambda body, given: responses.read_request(body, given.previous, given.references),
            write=lambda replies, body, call: responses.write(replies[0], call.meta, body, call.model),
            writer=lambda body, call: responses.EventWriter(call.meta, body, call.model),
            continues=lambda body: body.previous_response_id,
            large=True,
        ),
        Operation(
            method="POST",
            path="/v1/responses/input_tokens",
            name="responses.input_tokens",
            group="chat",
            act=Act.TOKENS,
            answers="responses.InputTokens",
            body=responses.TokenCountRequest,
        ),
    ),
)

AUDIO = Dialect(
    name="openai_audio",
    family="openai",
    prefixes=re.compile(r"/v1/audio(/|$)"),
    error_body=openai_audio.envelope,
    stream_error=_frame(openai_audio.envelope),
    errors="openai.OpenAIError",
    operations=tuple(
        Operation(
            method="POST",
            path=f"/v1/audio/{name}",
            name=f"audio.{name}",
            group="chat",
            act=Act.CHAT,
            answers="openai.Transcript",
            produces=(JSON, "text/plain", SSE) if name == "transcriptions" else (JSON, "text/plain"),
            body=body,
            summary=summary,
            form=openai_audio.read_form,
            read=lambda body, _: openai_audio.read_request(body),
            write=lambda replies, body, _: openai_audio.write(replies[0], body),
            writer=lambda _, __: openai_audio.EventWriter(),
            is_plain=openai_audio.is_plain,
        )
        for name, body, summary in (
            ("transcriptions", openai_audio.TranscriptionRequest, "The words of a recording"),
            ("translations", openai_audio.TranslationRequest, "The words of a recording, in English"),
        )
    ),
)

ANTHROPIC = Dialect(
    name="anthropic",
    family="anthropic",
    prefixes=re.compile(r"/v1/(messages|complete)(/|$)"),
    shared=re.compile(r"/v1/"),
    client_marks=("anthropic-version",),
    error_body=anthropic.envelope,
    stream_error=_frame(anthropic.envelope, b"event: error\ndata: "),
    errors="anthropic.AnthropicError",
    operations=(
        Operation(
            method="POST",
            path="/v1/messages",
            name="messages",
            group="chat",
            act=Act.CHAT,
            answers="anthropic.AnthropicMessage",
            produces=(JSON, SSE),
            body=anthropic.MessagesRequest,
            summary="Anthropic messages",
            id_prefix="msg_",
            read=lambda body, _: anthropic.read_request(body),
            write=lambda replies, body, call: anthropic.write(
                replies[0], call.meta, call.model, searches=anthropic.searches(body.tools)
            ),
            writer=lambda body, call: anthropic.EventWriter(
                call.meta, call.model, prompt_tokens=call.prompt_tokens(), searches=anthropic.searches(body.tools)
            ),
            is_empty=lambda body: body.max_tokens == 0,
        ),
        Operation(
            method="POST",
            path="/v1/messages/count_tokens",
            name="messages.count_tokens",
            group="chat",
            act=Act.TOKENS,
            answers="anthropic.MessageTokens",
            body=anthropic.MessageTokensRequest,
            summary="Estimated tokens of an Anthropic messages request",
            read=lambda body, _: anthropic.read_token_count(body),
            write=anthropic.write_token_count,
        ),
    ),
)


def _is_array(query: Mapping[str, str]) -> bool:
    return query.get("alt") != "sse"


def _gemini_error_at(path: str, query: Mapping[str, str]) -> ErrorBody:
    whole_array = path.endswith(":streamGenerateContent") and _is_array(query)
    return gemini.array_envelope if whole_array else gemini.envelope


def _gemini_writer(_: Any, call: Answering) -> StreamWriter:
    form = gemini.ArrayWriter if _is_array(call.query()) else gemini.ChunkWriter
    return form(call.meta, call.model, answers=call.answers, inline_images=call.inline_images)


def _gemini_refused(error: Refused, call: Answering) -> Any:
    return gemini.write_refusal(error, call.meta, call.model, call.language, images=call.inline_images)


GEMINI_PREFIXES = ("/gemini/v1beta", "/gemini/v1", "/v1beta", "/v1")
"""One tree under four prefixes, because every release of the official SDK calls another one."""


def _gemini_operations(prefix: str) -> tuple[Operation, ...]:
    """Those of one prefix; the OpenAPI document shows the first one's only."""
    model = prefix + "/models/{model:path}"
    shown = prefix == GEMINI_PREFIXES[0]
    return (
        Operation(
            method="POST",
            path=model + ":generateContent",
            name="gemini.generate",
            group="chat",
            act=Act.CHAT,
            answers="gemini.GenerateContentResponse",
            body=gemini.GenerateContentRequest,
            summary="Gemini generateContent",
            documented=shown,
            read=lambda body, given: gemini.read_request(body, given.parameters["model"], stream=False),
            write=lambda replies, _, call: gemini.write(
                replies, call.meta, call.model, inline_images=call.inline_images
            ),
            refused=_gemini_refused,
            large=True,
        ),
        Operation(
            method="POST",
            path=model + ":streamGenerateContent",
            name="gemini.stream",
            group="chat",
            act=Act.CHAT,
            answers="gemini.GenerateContentResponses",
            produces=(JSON, SSE),
            errors=("gemini.GoogleErrors",),
            body=gemini.GenerateContentRequest,
            summary="Gemini streamGenerateContent: server-sent events with alt=sse, else one JSON array",
            query={"alt": "string"},
            documented=shown,
            read=lambda body, given: gemini.read_request(body, given.parameters["model"], stream=True),
            writer=_gemini_writer,
            refused=_gemini_refused,
        ),
        Operation(
            method="POST",
            path=model + ":countTokens",
            name="gemini.count_tokens",
            group="chat",
            act=Act.TOKENS,
            answers="gemini.TokenCount",
            body=gemini.CountTokensRequest,
            summary="Gemini countTokens",
            documented=shown,
            read=lambda body, given: gemini.read_token_count(body, given.parameters["model"]),
            write=gemini.write_token_count,
        ),
        Operation(
            method="POST",
            path=model + ":predict",
            name="gemini.predict",
            group="chat",
            act=Act.IMAGES,
            answers="gemini.Predictions",
            body=gemini.PredictRequest,
            documented=shown,
        ),
    )


GEMINI = Dialect(
    name="gemini",
    family="gemini",
    prefixes=re.compile(
        r"/(gemini|v1beta|upload/v1(beta)?)(/|$)|/v1/models/[^?]*:\w+$|/v1(/models/.+)?/operations(/|$)"
        r"|/v1/(cachedContents|tunedModels|corpora)(/|$)|/v1/files/.*:download$",
        re.DOTALL,  # paths come decoded
    ),
    shared=re.compile(r"/v1/(models|files|interactions)(/|$)"),
    client_marks=("x-goog-api-key", "x-goog-api-client"),
    error_body=gemini.envelope,
    error_at=_gemini_error_at,
    stream_error=_frame(gemini.envelope, end=b"\r\n\r\n"),
    errors="gemini.GoogleError",
    operations=tuple(row for prefix in GEMINI_PREFIXES for row in _gemini_operations(prefix)),
    gen_ai="generate_content",
)

INTERACTIONS = Dialect(
    name="interactions",
    family="gemini",
    prefixes=re.compile(r"(/gemini)?/v1(beta)?/interactions(/|$)"),
    error_body=interactions.envelope,
    stream_error=interactions.last_event,
    errors="interactions.InteractionError",
    operations=tuple(
        Operation(
            method="POST",
            path=prefix + "/interactions",
            name="interactions.create",
            group="chat",
            act=Act.CHAT,
            answers="interactions.Interaction",
            produces=(JSON, SSE),
            body=interactions.InteractionRequest,
            documented=prefix == GEMINI_PREFIXES[0],
            id_prefix=interactions.PREFIX,
            read=lambda body, given: interactions.read_request(body, given.previous),
            write=lambda replies, body, call: interactions.write(replies[0], call.meta, body, call.model),
            writer=lambda body, call: interactions.EventWriter(call.meta, body, call.model),
            continues=lambda body: body.previous_interaction_id,
            large=True,
        )
        for prefix in GEMINI_PREFIXES
    ),
    gen_ai="generate_content",
)

SIMPLE = Dialect(
    name="simple",
    family="simple",
    prefixes=re.compile(
        r"/v1/(generate|generate-images|batch)(/|$)|/(health|ready|metrics|upload|images|conversations|api)(/|$)"
    ),
    error_body=simple.envelope,
    stream_error=_frame(simple.envelope),
    errors="simple.SimpleError",
    operations=(
        Operation(
            method="POST",
            path="/v1/generate",
            name="generate",
            group="chat",
            act=Act.CHAT,
            answers="simple.Generated",
            body=simple.GenerateRequest,
            summary="One prompt, one text",
            read=lambda body, _: simple.read_generate(body),
            write=lambda replies, _, call: simple.write_generate(replies[0], call.model),
        ),
        Operation(
            method="POST",
            path="/v1/generate-images",
            name="generate-images",
            group="images",
            act=Act.IMAGES,
            answers="simple.Pictures",
            body=simple.GenerateImagesRequest,
        ),
        Operation(
            method="POST",
            path="/v1/batch/images",
            name="batch.create",
            group="batches",
            act=Act.IMAGE_BATCH,
            answers="simple.BatchOrdered",
            body=batches.BatchImagesRequest,
        ),
    ),
)

ALL: tuple[Dialect, ...] = (INTERACTIONS, GEMINI, SIMPLE, ANTHROPIC, RESPONSES, AUDIO, OPENAI)
"""The first that takes a request has it; what none takes is answered in SIMPLE."""


LONGEST_PATH = 200
"""Characters of a path: who may take longer ones is not kept."""


def dialect_at(path: str, headers: Mapping[str, str]) -> Dialect:
    """The dialect that a request belongs to."""
    for one in _concerned(path) if len(path) <= LONGEST_PATH else ALL:
        if one.takes(path, headers):
            return one
    return SIMPLE


@lru_cache(maxsize=256)
def _concerned(path: str) -> tuple[Dialect, ...]:
    """Those that take a path from some client, found when it is first asked for."""
    return tuple(one for one in ALL if one.prefixes.match(path) or (one.shared and one.shared.match(path)))


def operations() -> Iterator[Operation]:
    """All operations of all dialects."""
    return (row for dialect in ALL for row in dialect.operations)


def operation(name: str) -> Operation:
    """The first operation with this name: those that share one differ in their paths alone. KeyError for none."""
    for row in operations():
        if row.name == name:
            return row
    raise KeyError(name)


def family_of(name: str) -> str:
    """The family of the dialect that has the operation with this name; "" for none."""
    return next((one.family for one in ALL for row in one.operations if row.name == name), "")


def gen_ai_operation(name: str) -> str:
    """`gen_ai.operation.name` (OpenTelemetry) of the operation with this name; "chat" where the table has none."""
    return _GEN_AI.get(name, "chat")


_GEN_AI = {
    row.name: "generate_content" if row.act is Act.IMAGES else dialect.gen_ai
    for dialect in reversed(ALL)  # the first of a name is the one
    for row in reversed(dialect.operations)
}
