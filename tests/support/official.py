"""A strict fake of the official Gemini API on loopback: what the real one refuses it refuses, and it counts.

`broken_rules` lists what a client did that the real one's clients never do; `received` every generation that arrived.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "AIzaSyA-0123456789abcdefghijklmnopqrstu"
MODELS: tuple[tuple[str, str, bool], ...] = (
    ("gemini-3-flash-preview", "Gemini 3 Flash", True),
    ("gemini-2.5-flash", "Gemini 2.5 Flash", True),
    ("gemini-2.0-flash", "Gemini 2.0 Flash", False),
    ("gemini-3-pro-preview", "Gemini 3 Pro", True),
    ("gemini-2.5-flash-image", "Nano Banana", False),
    ("gemini-3-pro-image-preview", "Nano Banana Pro", True),
)
_OTHERS = ("embedding-001", "imagen-4.0-generate-001", "gemini-embedding-001")
_CONFIG = {"temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "responseModalities", "thinkingConfig",
           "imageConfig", "responseMimeType", "responseSchema", "candidateCount", "seed"}  # fmt: skip

Speech = str | bytes | list[dict[str, Any]]
"""What is answered: text, an image's bytes, or the chunks themselves."""


@dataclass(slots=True)
class Failure:
    """status and body of a refusal, or `cut`: the connection ends there ("before", "within"), or "stall"."""

    status: int = 0
    body: Any = None
    cut: str = ""


def refusal(status: int, word: str, message: str, *details: dict[str, Any]) -> Failure:
    """google.rpc.Status as the API writes it."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details:
        error["details"] = list(details)
    return Failure(status, {"error": error})


def quota(seconds: str, quota_id: str = "GenerateRequestsPerMinutePerProjectPerModel") -> Failure:
    return refusal(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": seconds},
    )


def bad_key(key: str = "") -> Failure:
    said = f"Consumer 'api_key:{key}' has been suspended." if key else "API key not valid. Please pass a valid API key."
    return refusal(
        400,
        "INVALID_ARGUMENT",
        said,
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
    )


@dataclass(slots=True)
class OfficialApi:
    """url: its base address. answer: what is said to a prompt. failure: what goes wrong, for ever."""

    url: str = ""
    key: str = KEY
    answer: Callable[[str], Speech] = lambda prompt: f"You said: {prompt}"
    failure: Failure | None = None
    pace: float = 0.0
    broken_rules: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    under_way: int = 0

    @property
    def received(self) -> int:
        return len(self.bodies)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OfficialApi]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1beta/models", self._list)
        app.router.add_post("/v1beta/models/{call}", self._generate)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _admitted(self, request: web.Request) -> web.Response | None:
        if "key" in request.query:
            self.broken_rules.append("the key stands in the address")
        if request.headers.get("x-goog-api-key") != self.key:
            failure = bad_key()
            return web.json_response(failure.body, status=failure.status)
        return None

    async def _list(self, request: web.Request) -> web.Response:
        if refused := self._admitted(request):
            return refused
        rows = [
            {
                "name": f"models/{name}",
                "version": "001",
                "displayName": display,
                "description": f"{display} for tests",
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                **({"thinking": True} if thinking else {}),
            }
            for name, display, thinking in MODELS
        ]
        rows += [{"name": f"models/{name}", "supportedGenerationMethods": ["embedContent"]} for name in _OTHERS]
        at = int(request.query.get("pageToken", "0"))
        page: dict[str, Any] = {"models": rows[at : at + 4]}  # pages, however large a one was asked for
        if at + 4 < len(rows):
            page["nextPageToken"] = str(at + 4)
        return web.json_response(page)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        if refused := self._admitted(request):
            return refused
        model, _, verb = request.match_info["call"].partition(":")
        if verb != "streamGenerateContent" or request.query.get("alt") != "sse":
            self.broken_rules.append(f"{verb} with {dict(request.query)}")
        body = await request.json()
        self.bodies.append(body)
        self.models.append(model)
        if wrong := list(_wrong(model, body)):
            self.broken_rules += wrong
            failure = refusal(400, "INVALID_ARGUMENT", wrong[0])
            return web.json_response(failure.body, status=400)
        if model not in {name for name, _, _ in MODELS}:
            failure = refusal(404, "NOT_FOUND", f"models/{model} is not found for API version v1beta")
            return web.json_response(failure.body, status=404)
        self.under_way += 1
        try:
            return await self._answered(request, model, body)
        finally:
            self.under_way -= 1

    async def _answered(self, request: web.Request, model: str, body: dict[str, Any]) -> web.StreamResponse:
        failure = self.failure
        if failure is not None and failure.status:
            return web.json_response(failure.body, status=failure.status)
        if failure is not None and failure.cut == "before":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if failure is not None and failure.cut == "silence":
            await asyncio.sleep(60)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        prompt = "".join(part.get("text", "") for part in body["contents"][-1]["parts"])
        chunks = list(_chunks(self.answer(prompt), model))
        for number, chunk in enumerate(chunks):
            if failure is not None and number == 1:
                if failure.cut == "within":
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                if failure.cut == "stall":
                    await asyncio.sleep(60)
                if failure.cut == "end":
                    return response
                if failure.cut == "error":
                    await _event(response, failure.body)
                    return response
            await _event(response, chunk)
            await asyncio.sleep(self.pace)
        return response


async def _event(response: web.StreamResponse, chunk: Any) -> None:
    await response.write(f"data: {json.dumps(chunk)}\r\n\r\n".encode())


def _chunks(said: Speech, model: str) -> list[dict[str, Any]]:
    """The answer as the API streams it: a few words a chunk, the reason and the usage in the last one."""
    if isinstance(said, list):
        return said
    parts: list[list[dict[str, Any]]]
    if isinstance(said, bytes):
        data = base64.b64encode(said).decode()
        parts = [[{"text": "Here is your picture."}], [{"inlineData": {"mimeType": "image/png", "data": data}}]]
    else:
        half = max(1, len(said) // 2)
        parts = [[{"text": said[:half]}], [{"text": said[half:]}]]
    common = {"modelVersion": model, "responseId": "r1"}
    rows = [{"candidates": [{"content": {"role": "model", "parts": part}, "index": 0}], **common} for part in parts]
    rows[-1]["candidates"][0]["finishReason"] = "STOP"  # type: ignore[index]
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}
    return [{**row, "usageMetadata": usage} for row in rows]


def _wrong(model: str, body: Any) -> list[str]:
    """What the API would refuse in a request."""
    wrong: list[str] = []
    if set(body) - {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}:
        wrong.append(f"unknown name in {sorted(body)}")
    contents = body.get("contents") or []
    if not contents:
        wrong.append("contents is not specified")
    for content in contents:
        if content.get("role") not in ("user", "model") or not content.get("parts"):
            wrong.append("a content without role or parts")
        for part in content.get("parts", ()):
            wrong += _wrong_part(part)
    config = body.get("generationConfig") or {}
    if unknown := set(config) - _CONFIG:
        wrong.append(f"unknown name {sorted(unknown)} in generation_config")
    if "thinkingConfig" in config and not {name: thinks for name, _, thinks in MODELS}.get(model, True):
        wrong.append("Thinking is not enabled for this model")
    if "IMAGE" in config.get("responseModalities", ()) and "image" not in model:
        wrong.append("Multi-modal output is not supported by this model")
    if "imageSize" in config.get("imageConfig", {}) and "pro" not in model:
        wrong.append("imageSize is not supported by this model")
    return wrong


def _wrong_part(part: dict[str, Any]) -> list[str]:
    if set(part) == {"text"} and part["text"]:
        return []
    inline = part.get("inlineData")
    mime = (inline or {}).get("mimeType") or (inline or {}).get("mime_type", "")  # its own clients write both
    if set(part) != {"inlineData"} or len(inline) != 2 or "/" not in mime or not isinstance(inline.get("data"), str):
        return [f"a part that is neither text nor inlineData: {sorted(part)}"]
    try:
        base64.b64decode(inline["data"].replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return ["inlineData is not base64"]
    return []
