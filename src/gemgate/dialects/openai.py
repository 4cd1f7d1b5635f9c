"""What OpenAI's operations share: errors, functions and their choice, answer formats, image sizes.

The only file of a dialect that others may import; it knows none of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field

from gemgate.chat import ResponseFormat, ToolChoice
from gemgate.dialects.wire import Base64, Body, ResponseMeta, image_facts, image_link, status_of
from gemgate.errors import BadRequest, GatewayError
from gemgate.images import GeneratedImage

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    "unauthorized": "invalid_api_key",
    "model_not_found": "model_not_found",
    "rate_limited": "rate_limit_exceeded",
    "spent": "rate_limit_exceeded",
    "too_large": "request_too_large",
    "refused": "content_policy_violation",
    "no_image": "no_image",
    "no_video": "no_video",
    "no_music": "no_music",
    "no_research": "no_research",
    "timeout": "timeout",
    "signed_out": "cookie_expired",
    "upstream": "upstream_error",
    "unreachable": "upstream_error",
    "output_invalid": "structured_output_failed",
}


def error_type(status: int) -> str:
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


def error_code(error: GatewayError) -> str | None:
    """The code an OpenAI client reads: the error's own, else the usual one of its kind."""
    if error.code:
        return error.code
    return "rate_limit_exceeded" if status_of(error) == 429 else _CODES.get(error.kind)


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error in OpenAI's shape."""
    status = status_of(error)
    body = {
        "error": {
            "message": error.text(language),
            "type": error.kind if error.kind == "insufficient_quota" else error_type(status),
            "param": error.param,
            "code": error_code(error),
            "request_id": request_id,
        }
    }
    return status, body


def unsupported(param: str, en: str, zh: str) -> BadRequest:
    """A parameter that is understood and cannot be served here; the texts say what to do instead."""
    return BadRequest(en, zh, param=param, code="unsupported_parameter")


class FunctionBody(Body):
    """A function as chat nests it and responses flattens it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    description: str | None = None
    strict: bool | None = None


_A_TOOL = '{"type": "function", "name": NAME}'
_TOOLS = '{"type": "allowed_tools", "mode": MODE, "tools": [...]}'
"""How single tools are chosen, as an error tells it."""


def read_tool_choice(choice: object, declared: Collection[str], *, parallel: bool) -> ToolChoice:
    """`tool_choice` in the spellings of chat and of responses; BadRequest for tools that were not declared."""
    match choice:
        case None | "auto":
            return ToolChoice("auto", parallel=parallel)
        case "none":
            return ToolChoice("none", parallel=parallel)
        case "required":
            chosen = ToolChoice("required", parallel=parallel)
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(tools), **rest}}:
            chosen = _allowed(tools, rest.get("mode"), parallel)
        case {"type": "allowed_tools", "tools": list(tools), **rest}:
            chosen = _allowed(tools, rest.get("mode"), parallel)
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}} | {"name": str(name)}:
            chosen = ToolChoice("required", (name,), parallel)
        case _:
            raise BadRequest(
                f"tool_choice must be auto, none, required, {_A_TOOL} or {_TOOLS}",
                f"tool_choice 必须是 auto、none、required、{_A_TOOL} 或 {_TOOLS}",
                param="tool_choice",
            )
    missing = [name for name in chosen.allowed if name not in declared]
    if missing or not declared:
        raise BadRequest(
            f"tool_choice asks for a tool that is not declared: {', '.join(missing) or 'there are none'}",
            f"tool_choice 指定了未声明的工具：{'、'.join(missing) or '没有任何工具'}",
            param="tool_choice",
        )
    return chosen


def _allowed(tools: list[object], mode: object, parallel: bool) -> ToolChoice:
    return ToolChoice("required" if mode == "required" else "auto", tuple(_named(tool) for tool in tools), parallel)


def _named(tool: object) -> str:
    match tool:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}} | {"name": str(name)}:
            return name
        case _:
            return ""


def read_format(
    kind: Literal["text", "json_object", "json_schema"],
    schema: dict[str, Any] | None,
    name: str | None,
    strict: bool | None,
    where: str,
) -> ResponseFormat:
    """The wanted form of an answer; `where` is the path of the schema in the body."""
    if kind != "json_schema":
        return ResponseFormat(kind)
    if schema is None:
        raise BadRequest(f"{where} is missing", f"缺少 {where}", param=where)
    return ResponseFormat("json_schema", schema, name or "answer", bool(strict))


def image_entry(image: GeneratedImage, meta: ResponseMeta, *, as_url: bool) -> dict[str, Any]:
    """One entry of an images answer: the image as base64 or link, then its measured facts."""
    if as_url or image.data is None:
        entry: dict[str, Any] = {"url": image_link(image, meta)}
    else:
        entry = {"b64_json": Base64(image.data)}
    if image.prompt:
        entry["revised_prompt"] = image.prompt
    return {**entry, **image_facts(image, meta.language)}
