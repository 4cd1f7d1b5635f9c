"""Gemini native: generateContent in its three forms (docs/client-contracts.md 5).

One tree under four prefixes, because every release of the official SDK calls another one. What `/v1` shares with OpenAI
is told apart in models.py and files.py.
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.chat import ChatRequest
from gemgate.dialects import gemini
from gemgate.errors import ModelNotFound, Refused
from gemgate.gateway.admission import Admission
from gemgate.images import GeneratedImage
from gemgate.policy.model_rank import named
from gemgate.web.completions import admit, began, collect, name_ignored, start_answers, stream_response
from gemgate.web.context import RequestContext, context_of
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import cancel_on_disconnect, model_reader, read_with

router = Router()

PREFIXES = ("/gemini/v1beta", "/gemini/v1", "/v1beta", "/v1")
SHOWN = "/gemini/v1beta"
"""The prefix that the OpenAPI document shows; the others are the same."""


async def generate_content(request: Request, caller: Caller) -> Response:
    """Gemini generateContent"""
    call = context_of(request)
    model = request.path_params["model"]
    chat, admission = await _read(request, call, model, caller, stream=False)
    meta = call.meta("", request)
    inline = _paints(chat, admission)
    try:
        replies = await collect(request, call, start_answers(call, chat, admission), caller)
    except Refused as error:
        return json_response(gemini.write_refusal(error, meta, model, caller.language, images=inline))
    return large_json_response(gemini.write(replies, meta, model, inline_images=inline))


async def stream_generate_content(request: Request, caller: Caller) -> Response:
    """Gemini streamGenerateContent: server-sent events with alt=sse, else one JSON array"""
    call = context_of(request)
    model = request.path_params["model"]
    chat, admission = await _read(request, call, model, caller, stream=True)
    events = request.query_params.get("alt") == "sse"
    form = gemini.ChunkWriter if events else gemini.ArrayWriter
    media_type = "text/event-stream; charset=utf-8" if events else "application/json"
    inline = _paints(chat, admission)
    writer = form(call.meta("", request), model, answers=chat.n, inline_images=inline)
    try:
        return await stream_response(
            request, call, start_answers(call, chat, admission), caller, writer, media_type=media_type
        )
    except Refused as error:
        return Response(writer.fail(error, caller.language, call.request_id), media_type=media_type)


async def count_tokens(request: Request, caller: Caller) -> Response:
    """Gemini countTokens"""
    call = context_of(request)
    model = request.path_params["model"]
    reader = model_reader(gemini.CountTokensRequest, lambda body: gemini.read_token_count(body, model))
    _, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    name_ignored(call, chat)
    return json_response(gemini.write_token_count(call.service.gateway.count_tokens(chat, caller.tenant)))


async def predict(request: Request, caller: Caller) -> Response:
    """Gemini predict, for images: what `generate_images` of Google's SDKs calls"""
    call = context_of(request)
    model = request.path_params["model"]
    gateway = call.service.gateway
    reader = model_reader(gemini.PredictRequest, lambda body: gemini.read_prediction(body, model))
    _, (wanted, ignored) = await read_with(request, call.service.settings.max_body_bytes, reader)
    try:
        admission = await gateway.admit_images(model, caller, call.model_policy)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"{error}; pictures also come from :generateContent of the image models",
            f"{error.zh}；也可以用图片模型的 :generateContent 生成图片",
            param="model",
            code=error.code,
        ) from None
    call.admitted(admission.quota)
    if ignored:
        call.headers["x-gemgate-ignored"] = ", ".join(ignored)
    starts = partial(began, call, caller)
    results = await cancel_on_disconnect(request, gateway.generate_images(wanted, admission, began=starts))
    images = [result for result in results if isinstance(result, GeneratedImage)]
    call.headers["x-gemgate-served-model"] = ", ".join(dict.fromkeys(named(image.painter) for image in images))
    return large_json_response(gemini.write_prediction(images))


async def _read(
    request: Request, call: RequestContext, model: str, caller: Caller, *, stream: bool
) -> tuple[ChatRequest, Admission]:
    reader = model_reader(gemini.GenerateContentRequest, lambda body: gemini.read_request(body, model, stream=stream))
    _, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    return chat, await admit(call, chat, caller)


def _paints(chat: ChatRequest, admission: Admission) -> bool:
    """Whether images go out as inlineData: image models, and whoever asks for images."""
    return admission.card.kind == "image" or chat.images is not None


for _prefix in PREFIXES:
    _shown = _prefix == SHOWN
    _model = _prefix + "/models/{model:path}"
    operation(
        router,
        "POST",
        _model + ":generateContent",
        "gemini.generate",
        body=gemini.GenerateContentRequest,
        documented=_shown,
    )(generate_content)
    operation(
        router,
        "POST",
        _model + ":streamGenerateContent",
        "gemini.stream",
        body=gemini.GenerateContentRequest,
        query={"alt": "string"},
        documented=_shown,
    )(stream_generate_content)
    operation(
        router,
        "POST",
        _model + ":countTokens",
        "gemini.count_tokens",
        body=gemini.CountTokensRequest,
        documented=_shown,
    )(count_tokens)
    operation(router, "POST", _model + ":predict", "gemini.predict", body=gemini.PredictRequest, documented=_shown)(
        predict
    )
