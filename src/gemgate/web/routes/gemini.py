"""Gemini's predict, for images. What answers in words is the table's: `web/completions.py` serves it.

What `/v1` shares with OpenAI is told apart in models.py and files.py.
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.dialects import gemini
from gemgate.errors import ModelNotFound
from gemgate.images import GeneratedImage
from gemgate.policy.model_rank import named
from gemgate.web.completions import began
from gemgate.web.context import node_context_of
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.json_response import large_json_response
from gemgate.web.operation import Router, serves
from gemgate.web.request_body import model_reader, read_with

router = Router()


@serves(router, "gemini.predict")
async def predict(request: Request, caller: Caller) -> Response:
    """Gemini predict, for images: what `generate_images` of Google's SDKs calls"""
    call = node_context_of(request)
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
    results = await cancel_on_disconnect(request.receive, gateway.generate_images(wanted, admission, began=starts))
    images = [result for result in results if isinstance(result, GeneratedImage)]
    call.headers["x-gemgate-served-model"] = ", ".join(dict.fromkeys(named(image.painter) for image in images))
    return large_json_response(gemini.write_prediction(images))
