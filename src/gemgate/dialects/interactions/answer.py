"""Gemini interactions, the way out: the interaction and its steps, errors (docs/client-contracts.md 9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gemgate.chat import Ended, Found, ImageGenerated, Reply, TextDelta, ThoughtDelta, ToolCall, ToolCalled, Usage
from gemgate.dialects.gemini.answer import envelope as rpc_envelope
from gemgate.dialects.interactions.request import PREFIX, InteractionRequest, searches, wants_links
from gemgate.dialects.interactions.steps import RUN_ID, SEARCH_ID
from gemgate.dialects.wire import Base64, ResponseMeta, image_facts, image_link, rfc3339, served_by
from gemgate.errors import GatewayError
from gemgate.findings import Findings, Media, attributed
from gemgate.images import GeneratedImage

if TYPE_CHECKING:
    from gemgate.dialects.shapes import interactions as shapes

Step = dict[str, Any]
Content = dict[str, Any]

_ECHOED = (
    "previous_interaction_id",
    "system_instruction",
    "tools",
    "response_format",
    "response_mime_type",
    "response_modalities",
    "labels",
    "agent_config",
)


def write(reply: Reply, meta: ResponseMeta, body: InteractionRequest, model: str) -> dict[str, Any]:
    """The finished interaction."""
    steps = steps_of(reply, meta, links=wants_links(body), searches=searches(body))
    return finished(interaction_object(meta, body, model), steps, reply.ended)


def interaction_object(meta: ResponseMeta, body: InteractionRequest, model: str) -> dict[str, Any]:
    """An interaction that has begun: what it echoes of the request, and no steps yet."""
    given = body.model_dump(exclude_none=True, exclude_unset=True)
    return {
        **beginning(meta, model, agent=body.agent is not None),
        **{name: given[name] for name in _ECHOED if name in given},
        **({"generation_config": given["generation_config"]} if given.get("generation_config") else {}),
    }


def beginning(meta: ResponseMeta, model: str, *, agent: bool = False) -> dict[str, Any]:
    """What the first event of a stream says of it. agent: `model` is an agent's name."""
    at = rfc3339(meta.created)
    return {
        "id": meta.id,
        "object": "interaction",
        "status": "in_progress",
        "agent" if agent else "model": model,
        "created": at,
        "updated": at,
    }


def finished(interaction: dict[str, Any], steps: list[Step], ended: Ended) -> dict[str, Any]:
    """The interaction with its steps, usage and final status."""
    return {
        **interaction,
        "status": status_of_end(ended),
        "steps": steps,
        "usage": write_usage(ended.usage),
        "served_model": served_by([ended]),
    }


def status_of_end(ended: Ended) -> str:
    if ended.reason == "tool_calls":
        return "requires_action"
    return "incomplete" if ended.reason in ("length", "content_filter") else "completed"


def write_usage(usage: Usage) -> shapes.InteractionUsage:
    """The usage object; `estimated` says that the web app names no counts."""
    return {
        "total_input_tokens": usage.prompt_tokens,
        "total_output_tokens": usage.completion_tokens,
        "total_thought_tokens": usage.reasoning_tokens,
        "total_cached_tokens": 0,
        "total_tool_use_tokens": 0,
        "total_tokens": usage.total_tokens,
        "input_tokens_by_modality": [{"modality": "text", "tokens": usage.prompt_tokens}],
        "estimated": usage.estimated,
    }


def steps_of(reply: Reply, meta: ResponseMeta, *, links: bool, searches: bool) -> list[Step]:
    """The steps of an answer: what stands together of text and images is one. searches: a search tool was offered."""
    steps: list[Step] = []
    for part in reply.parts:
        match part:
            case ThoughtDelta(text):
                steps.append({"type": "thought", "summary": [text_content(text)]})
            case ToolCalled(call):
                steps.append(call_step(call))
            case Found(found) if found.media:
                if not steps or steps[-1]["type"] != "model_output":
                    steps.append({"type": "model_output", "content": []})
                steps[-1]["content"] += [media_content(one, link=links) for one in found.media]
            case Found(found):
                if found.sources:
                    newest = steps[-1]["content"][-1]
                    newest["annotations"] = citations_of(found, reply.text, newest["text"])
                steps += tool_steps(found, meta, searches=searches)
            case TextDelta() | ImageGenerated():
                content = text_content(part.text) if isinstance(part, TextDelta) else None
                if content is None:
                    assert isinstance(part, ImageGenerated)
                    content = image_content(part.image, meta, link=links)
                if not steps or steps[-1]["type"] != "model_output":
                    steps.append({"type": "model_output", "content": []})
                steps[-1]["content"].append(content)
    return steps


def citations_of(found: Findings, whole: str, text: str) -> list[dict[str, Any]]:
    """The annotations of `text`, the end of the answer's `whole` text; they count bytes, as Google does. What leans on
    words in front of it stands empty at its end.
    """
    gone = len(whole) - len(text)
    notes = []
    for source, start, end in attributed(found, len(whole)):
        first, last = (start - gone, end - gone) if start >= gone else (len(text), len(text))
        place = {"start_index": len(text[:first].encode()), "end_index": len(text[:last].encode())}
        notes.append({"type": "url_citation", "url": source.url, "title": source.title, **place})
    return notes


def tool_steps(found: Findings, meta: ResponseMeta, *, searches: bool) -> list[Step]:
    """What the app did with the tools that were offered: the code that it ran, and its search."""
    return [*run_steps(found, meta), *(search_steps(found, meta) if searches and found.sources else ())]


def run_steps(found: Findings, meta: ResponseMeta) -> Iterator[Step]:
    """Each program as a call and its result; in the text they stand as well."""
    for number, run in enumerate(found.runs):
        call_id = f"{RUN_ID}{meta.id.removeprefix(PREFIX)}_{number}"
        arguments = {"language": "python", "code": run.code} if run.language.lower() == "python" else {"code": run.code}
        yield {"type": "code_execution_call", "id": call_id, "arguments": arguments}
        yield {"type": "code_execution_result", "call_id": call_id, "result": run.output}


def search_steps(found: Findings, meta: ResponseMeta) -> list[Step]:
    """The search as a call of the client's tool, and its results. What the app searched for it does not tell."""
    call_id = SEARCH_ID + meta.id.removeprefix(PREFIX)
    results = [{"url": source.url, "title": source.title} for source in found.sources]
    return [
        {"type": "google_search_call", "id": call_id, "arguments": {"queries": []}},
        {"type": "google_search_result", "call_id": call_id, "result": results},
    ]


def text_content(text: str) -> Content:
    return {"type": "text", "text": text}


def call_step(call: ToolCall) -> Step:
    return {"type": "function_call", "id": call.id, "name": call.name, "arguments": json.loads(call.arguments)}


def image_content(image: GeneratedImage, meta: ResponseMeta, *, link: bool) -> Content:
    """An image as bytes, or as a link where that was asked for or is all there is, with its measured facts."""
    known: Content = {"type": "image", "mime_type": image.mime}
    if image.data is not None and not (link and image.url):
        known["data"] = Base64(image.data)
    else:
        known["uri"] = image_link(image, meta)
    return {**known, "facts": image_facts(image, meta.language)}


def media_content(media: Media, *, link: bool) -> Content:
    """Sound or a film as bytes, or as a link where that was asked for or is all there is."""
    known: Content = {"type": media.kind, "mime_type": media.mime}
    if media.data is not None and not link:
        return {**known, "data": Base64(media.data)}
    return {**known, "uri": media.url}


REPEATED = (408, 409, 429)
"""Statuses below 500 that Google's SDK answers with up to four more tries."""
NOT_REPEATED = 424
"""For what may have been generated: the SDK repeats every 5xx, and no header keeps it from that."""


def envelope(error: GatewayError, language: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an error: its code is a word, where Google's other dialect has a number."""
    status, body = rpc_envelope(error, language, request_id)
    inner = body["error"]
    if error.generated == "maybe" and (status >= 500 or status in REPEATED):
        status = NOT_REPEATED
    return status, {"error": error_fields(inner["status"], inner["message"]) | {"details": inner["details"]}}


def failure(error: GatewayError, language: str) -> dict[str, Any]:
    """One of the `errors` of an interaction that failed."""
    _, body = envelope(error, language, "")
    return {name: body["error"][name] for name in ("code", "message")}


def error_fields(status: str, message: str) -> dict[str, Any]:
    return {"code": status.lower(), "message": message}
