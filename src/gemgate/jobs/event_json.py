"""The events of answers as JSON, for the log of what is durable. Images are told by their facts alone: the bytes are in
the image store. Of what was found, what the dialect shows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gemgate.chat import (
    Began,
    Ended,
    Event,
    Found,
    ImageGenerated,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.findings import Citation, CodeRun, Findings, WebSource
from gemgate.jobs.payloads import dumps, image_of, image_value, loads


def dump(events: Sequence[tuple[int, Event]]) -> str:
    """Events, each with the number of its answer."""
    return dumps([_dumped(event) | ({"answer": answer} if answer else {}) for answer, event in events])


def load(text: str) -> list[tuple[int, Event]]:
    """The events that `dump` wrote; KeyError or ValueError for anything else."""
    return [(value.get("answer", 0), _loaded(value)) for value in loads(text)]


def _dumped(event: Event) -> dict[str, Any]:
    match event:
        case TextDelta(text):
            return {"text": text}
        case ThoughtDelta(text):
            return {"thought": text}
        case ToolCalled(call):
            return {"call": asdict(call)}
        case ImageGenerated(image):
            return {"image": image_value(image), "prompt": image.prompt}
        case Began():
            return {"began": asdict(event)}
        case Found(found):
            cited = [[one.start, one.end, list(one.sources)] for one in found.citations]
            sources = [asdict(source) for source in found.sources]
            runs = {"runs": [asdict(run) for run in found.runs]} if found.runs else {}
            return {"found": sources, "cited": cited, "suggestions": list(found.suggestions), **runs}
        case Ended(reason, usage, stop_sequence, served, unmet):
            more = {"stop_sequence": stop_sequence, "served": served, "unmet": list(unmet)}
            return {"ended": reason, "usage": asdict(usage), **more}


def _loaded(value: dict[str, Any]) -> Event:
    match value:
        case {"text": str(text)}:
            return TextDelta(text)
        case {"thought": str(text)}:
            return ThoughtDelta(text)
        case {"call": dict(call)}:
            return ToolCalled(ToolCall(**call))
        case {"image": dict(facts), "prompt": str(prompt)}:
            return ImageGenerated(image_of(facts, prompt))
        case {"began": dict(facts)}:
            return Began(**facts)
        case {"found": list(sources), "cited": list(cited), "suggestions": list(suggestions)}:
            citations = tuple(Citation(start, end, tuple(places)) for start, end, places in cited)
            runs = tuple(CodeRun(**run) for run in value.get("runs", ()))
            pages = tuple(WebSource(**source) for source in sources)
            return Found(Findings(pages, citations, runs=runs, suggestions=tuple(suggestions)))
        case {"ended": reason, "usage": dict(usage)}:
            unmet = tuple(value["unmet"])
            return Ended(reason, Usage(**usage), value["stop_sequence"], served=value["served"], unmet=unmet)
        case _:
            raise ValueError(f"not a stored event: {sorted(value)}")
