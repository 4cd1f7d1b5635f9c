"""`gemgate video`, `gemgate music`: made from the terminal, waited for and written to a file."""

from __future__ import annotations

import asyncio
import base64
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through
from gemgate.cli.console import err, out, progress
from gemgate.cli.jobs import OVER, PERSON_SECONDS, PatienceOption, awaited, goes_on, stands_still
from gemgate.cli.terminal import ConfigOption, JsonOption, amount, fail, language, reason, say, write_json
from gemgate.cli.words import span, word
from gemgate.errors import GatewayError
from gemgate.imaging import measure

EVERY = 2.0
"""Seconds between two looks."""
VIDEOS, MUSIC = "/v1/videos", "/v1/music"


class Length(StrEnum):
    SHORT = "short"
    STANDARD = "standard"


def video(
    prompt: Annotated[str, typer.Argument(help="What the video shows; with --of, what shall change.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to. (default: the video's id)", dir_okay=False)
    ] = None,
    portrait: Annotated[bool, typer.Option("--portrait", help="9:16 instead of 16:9.")] = False,
    image: Annotated[
        Path | None, typer.Option("--image", "-i", help="A picture to start from.", show_default=False, dir_okay=False)
    ] = None,
    of: Annotated[str, typer.Option("--of", help="Id of a video to change.", show_default=False)] = "",
    patience: PatienceOption = PERSON_SECONDS,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a video from a prompt: gemgate video "a red fox runs" -o fox.mp4

    It goes on at a gateway that runs, whatever becomes of this command; its id is told at once.
    """
    if not prompt.strip():
        fail(say("the prompt is empty", "提示词为空"), 2)
    body: dict[str, Any] = {"prompt": prompt}
    if not of:
        body["size"] = "720x1280" if portrait else "1280x720"
    if image is not None and not of:
        body["input_reference"] = {"image_url": _data_url(image)}
    path = f"{VIDEOS}/{quote(of, safe='')}/remix" if of else VIDEOS

    async def work(gateway: Connection) -> tuple[dict[str, Any], Path | None]:
        made = await _made(gateway, VIDEOS, path, body, patience, quiet=as_json)
        if made["status"] != "completed":
            return made, None
        target = output or Path(f"{made['id']}.mp4")
        await gateway.written(f"{VIDEOS}/{made['id']}/content", target, made["sha256"])
        return made, target

    made, written = through(work, url, key, config, resident=True)
    facts = ""
    if written is not None:
        facts = f"{made['size']}, {span(float(made['seconds']))}, {made['codec']}, {amount(made['bytes'])}"
    _told(made, written, facts, as_json=as_json)


def music(
    prompt: Annotated[str, typer.Argument(help="What it sounds like, and what is sung.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write to; with .mp4 the film of it. (default: the music's id)",
            dir_okay=False,
        ),
    ] = None,
    length: Annotated[Length, typer.Option("--length", help="short is about 30 seconds.")] = Length.STANDARD,
    instrumental: Annotated[bool, typer.Option("--instrumental", help="Nobody sings.")] = False,
    model: Annotated[str, typer.Option("--model", "-m", help="lyria-3 or lyria-3-pro.")] = "lyria-3",
    patience: PatienceOption = PERSON_SECONDS,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make music from a prompt: gemgate music "a slow waltz" -o waltz.mp3

    It goes on at a gateway that runs, whatever becomes of this command; its id is told at once.
    """
    if not prompt.strip():
        fail(say("the prompt is empty", "提示词为空"), 2)
    body = {"prompt": prompt, "length": length.value, "instrumental": instrumental, "model": model}

    async def work(gateway: Connection) -> tuple[dict[str, Any], Path | None]:
        made = await _made(gateway, MUSIC, MUSIC, body, patience, quiet=as_json)
        if made["status"] != "completed":
            return made, None
        film = output is not None and output.suffix.lower() == ".mp4"
        files: list[dict[str, Any]] = made["files"]
        file = next((one for one in files if one["mime_type"].startswith("video/") is film), files[0])
        ending = file["name"].rpartition(".")[2]
        target = output or Path(file["name"])
        await gateway.written(f"{MUSIC}/{made['id']}/content?format={ending}", target, file["sha256"])
        facts.update(file)
        return made, target

    facts: dict[str, Any] = {}
    made, written = through(work, url, key, config, resident=True)
    told = f"{span(float(facts['seconds']))}, {facts['codec']}, {amount(facts['bytes'])}" if facts else ""
    _told(made, written, told, as_json=as_json)


async def _made(
    gateway: Connection, route: str, path: str, body: dict[str, Any], patience: float, *, quiet: bool
) -> dict[str, Any]:
    """Ordered at `path`, and followed under `route` until it has ended, or waits for a person."""
    made = await gateway.ask("POST", path, json.dumps(body).encode())
    if not (quiet or err.is_terminal):
        err.print(f"{made['id']} {word(made['status'])}", highlight=False)

    async def look() -> dict[str, Any]:
        await asyncio.sleep(EVERY)
        state: dict[str, Any] = await gateway.ask("GET", f"{route}/{made['id']}")
        return state

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with progress(*columns, quiet=quiet) as shown:
        bar = shown.add_task("", total=None)
        return await awaited(made, look, lambda state: shown.update(bar, description=_stands(state)), patience)


def _stands(state: dict[str, Any]) -> str:
    waits = f": {state['waiting_for']}" if state.get("waiting_for") else ""
    return f"{state['id']} {word(state['status'])}{waits}"


def _told(made: dict[str, Any], written: Path | None, facts: str, *, as_json: bool) -> None:
    told = {"file": str(written) if written else None, **made}
    if made["status"] not in OVER:
        stands_still(made["id"], made, goes_on(made["id"]), told if as_json else None)
    if as_json:
        write_json(told)
    elif written is not None:
        out.print(f"{written}: {facts}", highlight=False, soft_wrap=True)
    if written is None:
        fail(f"{made['id']}: {(made.get('error') or {}).get('message') or word(made['status'])}")


def _data_url(path: Path) -> str:
    try:
        data = path.read_bytes()
        return f"data:{measure(data).mime};base64,{base64.b64encode(data).decode()}"
    except OSError as error:
        fail(reason(error), 2, of=path)
    except GatewayError as error:
        fail(error.text(language()), of=path)
