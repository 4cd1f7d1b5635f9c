"""Gemini's predict, for images. What answers in words is the table's: `web/completions.py` serves it.

What `/v1` shares with OpenAI is told apart in models.py and files.py.
"""

from __future__ import annotations

from starlette.responses import Response

from gemgate.dialects import gemini
from gemgate.errors import ModelNotFound
from gemgate.images import GeneratedImage
from gemgate.policy.model_rank import named
from gemgate.web.context import NodeContext
from gemgate.web.image_calls import accepted, awaited, begin, durable_order
from gemgate.web.json_response import large_json_response
from gemgate.web.operation import Router, serves
from gemgate.web.request_body import model_reader, read_with

router = Router()


@serves(router, "gemini.predict", durable=True)
async def predict(context: NodeContext) -> Response:
    """Gemini predict, for images: what `generate_images` of Google's SDKs calls"""
    model = context.request.path_params["model"]
    reader = model_reader(gemini.PredictRequest, lambda body: gemini.read_prediction(body, model))
    _, (wanted, ignored) = await read_with(context.request, context.service.settings.max_body_bytes, reader)
    order = durable_order(context, wanted, "gemini", as_url=False, later=False)
    if ignored:
        context.headers["x-gemgate-ignored"] = ", ".join(ignored)
    try:
        if order is not None and not order.awaited:
            return await accepted(context, order)
        work, _, presence = await begin(context, wanted, order)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"{error}; pictures also come from :generateContent of the image models",
            f"{error.zh}；也可以用图片模型的 :generateContent 生成图片",
            param="model",
            code=error.code,
        ) from None
    results = await awaited(context, work, presence)
    images = [result for result in results if isinstance(result, GeneratedImage)]
    context.headers["x-gemgate-served-model"] = ", ".join(dict.fromkeys(named(image.painter) for image in images))
    return large_json_response(gemini.write_prediction(images))
