"""`gemgate research`: a deep research from the terminal, its plan shown, waited for and written to a file."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through, written_whole
from gemgate.cli.console import err, out, progress
from gemgate.cli.jobs import OVER, PERSON_SECONDS, PatienceOption, awaited, goes_on, stands_still
from gemgate.cli.terminal import ConfigOption, JsonOption, asked, fail, say, write_json
from gemgate.cli.words import word
from gemgate.errors import GatewayError

AGENT = "deep-research-gemgate"
"""Any date would do: which research there is the account decides."""
PATH = "/v1beta/interactions"
EVERY = 3.0
"""Seconds between two looks."""


def research(
    prompt: Annotated[str, typer.Argument(help="What is to be looked into.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the report. (default: the terminal)", dir_okay=False)
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan first, and ask whether to start it.")] = False,
    patience: PatienceOption = PERSON_SECONDS,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look into something thoroughly: gemgate research "why foxes turn white" -o foxes.markdown

    It takes minutes and goes on at a gateway that runs, whatever becomes of this command; its id is told at once.
    """
    if not prompt.strip():
        fail(say("the prompt is empty", "提示词为空"), 2)

    async def work(gateway: Connection) -> dict[str, Any]:
        text, previous = prompt, ""
        while plan:
            planned = await _ended(gateway, await _asked(gateway, text, previous, plans=True), patience, quiet=as_json)
            if planned["status"] != "completed":
                return planned
            err.print(_text(planned), highlight=False, markup=False, soft_wrap=True)
            previous = planned["id"]
            change = await asked(_wanted)
            if change is None:
                return planned | {"left": True}
            if not change:
                break
            text = change
        begun = await _asked(gateway, text if not previous else "Start", previous)
        return await _ended(gateway, begun, patience, quiet=as_json)

    done = through(work, url, key, config, resident=True)
    text = _text(done)
    if done["status"] not in OVER:
        stands_still(done["id"], done, goes_on(done["id"]), {"file": None, **done} if as_json else None)
    if done["status"] != "completed":
        if as_json:
            write_json({"file": None, **done})
        errors: list[dict[str, Any]] = done.get("errors") or [{}]
        fail(errors[0].get("message") or word(done["status"]), of=done["id"])
    if done.pop("left", False):  # the plan was shown, and is no report
        output = None
        if not as_json:
            return
    if output is not None:
        written_whole(output, _with_sources(done).encode())
    if as_json:
        write_json({"file": str(output) if output else None, **done})
    elif output is None:
        out.print(_with_sources(done), highlight=False, markup=False, soft_wrap=True)
    else:
        count, pages = len(text), len(_sources(done))
        words = say(f"{count} characters, {pages} sources", f"{count} 字，{pages} 个来源")
        out.print(f"{output}: {words}", highlight=False, soft_wrap=True)


def _wanted() -> str | None:
    """What shall change in the plan; "" to start it as it is, None to leave it."""
    question = say(
        "Start it? Enter starts, words change the plan, q leaves it", "是否开始？回车开始，输入文字修改计划，q 放弃"
    )
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return None if answer.strip().lower() == "q" else answer.strip()


async def _asked(gateway: Connection, text: str, previous: str, *, plans: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "agent": AGENT,
        "input": text,
        "background": True,
        "agent_config": {"type": "deep-research", "collaborative_planning": plans},
    }
    if previous:
        body["previous_interaction_id"] = previous
    made: dict[str, Any] = await gateway.ask("POST", PATH, json.dumps(body).encode())
    return made


async def _ended(gateway: Connection, made: dict[str, Any], patience: float, *, quiet: bool) -> dict[str, Any]:
    """The interaction as it ended, its steps told as they come; or as it stands when it waits for a person."""
    path, words = f"{PATH}/{quote(made['id'], safe='')}", say("researching", "研究中")
    if not (quiet or err.is_terminal):
        err.print(f"{made['id']} {words}", highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with progress(*columns, quiet=quiet) as shown:
        bar = shown.add_task("", total=None)
        steps = _Steps(gateway, path, shown)
        telling: asyncio.Task[None] | None = None

        def changed(state: dict[str, Any]) -> None:
            shown.update(bar, description=f"{made['id']} {state.get('waiting_for') or words}")

        async def look() -> dict[str, Any]:
            nonlocal telling
            if telling is None or telling.done():
                telling = asyncio.create_task(asyncio.sleep(EVERY) if quiet else steps.tell())
            await asyncio.wait({telling}, timeout=EVERY)
            state: dict[str, Any] = await gateway.ask("GET", path)
            return state

        try:
            ended = await awaited(made, look, changed, patience)
            if telling is not None and ended["status"] in OVER:
                await telling
        finally:
            if telling is not None:
                telling.cancel()
    return ended


class _Steps:
    """Tells the steps of an interaction, each once."""

    def __init__(self, gateway: Connection, path: str, shown: Progress) -> None:
        self._gateway = gateway
        self._path = path
        self._shown = shown
        self._seen = ""

    async def tell(self) -> None:
        """Those that were not told, as they come, until it has ended or the gateway is away."""
        after = f"&last_event_id={quote(self._seen, safe='')}" if self._seen else ""
        try:
            async with aclosing(self._gateway.lines(f"{self._path}?stream=true{after}")) as lines:
                async for line in lines:
                    if line.startswith(b"data: {"):
                        self._tell(json.loads(line[6:]))
        except GatewayError:  # whoever asks how it stands hears of it as well
            await asyncio.sleep(EVERY)

    def _tell(self, event: dict[str, Any]) -> None:
        self._seen = event.get("event_id") or self._seen
        delta = event.get("delta") or {}
        if delta.get("type") == "thought_summary":
            words = delta["content"]["text"].strip("\n")
            self._shown.console.print(words, highlight=False, markup=False, soft_wrap=True)


def _contents(done: dict[str, Any]) -> list[dict[str, Any]]:
    steps = [step for step in done.get("steps") or () if step["type"] == "model_output"]
    return [content for step in steps for content in step["content"] if content["type"] == "text"]


def _text(done: dict[str, Any]) -> str:
    return "".join(content["text"] for content in _contents(done))


def _sources(done: dict[str, Any]) -> dict[str, str]:
    """Address and title of each page, once."""
    notes = [note for content in _contents(done) for note in content.get("annotations") or ()]
    return {note["url"]: note.get("title") or note["url"] for note in notes}


def _with_sources(done: dict[str, Any]) -> str:
    """The report with its sources behind it."""
    rows = [f"{n}. [{title}]({url})" for n, (url, title) in enumerate(_sources(done).items(), 1)]
    heading = say("Sources", "来源")
    return _text(done).rstrip("\n") + ("\n\n" + "\n".join([f"## {heading}", "", *rows]) if rows else "") + "\n"
