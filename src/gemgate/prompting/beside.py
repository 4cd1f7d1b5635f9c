"""What came beside an answer's words: what of it is written behind them, and what is left to the caller's dialect."""

from __future__ import annotations

from dataclasses import replace

from gemgate.findings import NOTHING_FOUND, Findings, markdown, moved
from gemgate.frozen import frozen


@frozen
class Beside:
    """appendix: Markdown that follows the text. native: for the dialect. whole: nothing but suggestions is left out."""

    appendix: str = ""
    native: Findings = NOTHING_FOUND
    whole: bool = True


def unfinished(found: Findings) -> Beside:
    """What is left of it where the answer has no end of its own: a call, or a stop."""
    return Beside(whole=not (found.sources or _has_appendix(found)))


def split(
    found: Findings, said: str, told: str, *, cites: bool, runs: bool, in_text: bool, free: bool, chinese: bool
) -> Beside:
    """Documents, images and media go behind the text; sources do where the dialect has no shape for them (`cites`), or
    no text that they could stand at (`in_text`: the answer ends in text).

    runs: code that was run is told by the dialect too; in the text it stands already.
    said: the text that the findings are of; told: what the caller got of it. free: nobody counts on the text's form.
    """
    native = found.sources if cites and (in_text or (free and _has_appendix(found))) else ()
    rest = replace(found, sources=() if native else found.sources)
    appendix = markdown(rest, chinese=chinese) if free else ""
    citations = moved(found, said, told).citations if native else ()
    return Beside(
        appendix,
        Findings(native, citations, runs=found.runs if runs else (), suggestions=found.suggestions),
        whole=free or not (rest.sources or _has_appendix(rest)),
    )


def _has_appendix(found: Findings) -> bool:
    return bool(found.documents or found.images or found.media)
