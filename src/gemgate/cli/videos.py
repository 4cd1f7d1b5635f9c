"""`gemgate video`: a video from the terminal, waited for and written to a file."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through
from gemgate.cli.jobs import PATIENCE
from gemgate.cli.terminal import ConfigOption, JsonOption, err, fail, out, say
from gemgate.errors import GatewayError, Unreachable
from gemgate.imaging import measure
from gemgate.stores.drafts import drafted

EVERY = 2.0
"""Seconds between two looks."""
_PIECE = 1 << 20


def video(
    prompt: Annotated[str, typer.Argument(help="What the video shows; with --of, what shall change.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to. [default: the video's id]", dir_okay=False)
    ] = None,
    portrait: Annotated[bool, typer.Option("--portrait", help="9:16 instead of 16:9.")] = False,
    image: Annotated[
        Path | None, typer.Option("--image", "-i", help="A picture to start from.", show_default=False, dir_okay=False)
    ] = None,
    of: Annotated[str, typer.Option("--of", help="Id of a video to change.", show_default=False)] = "",
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a video from a prompt: gemgate video "a red fox runs" -o fox.mp4

    It goes on at a gateway that runs, whatever becomes of this command; its id is told at once.
    """
    if not prompt.strip():
        fail("the prompt is empty", 2)
    body: dict[str, Any] = {"prompt": prompt}
    if not of:
        body["size"] = "720x1280" if portrait else "1280x720"
    if image is not None and not of:
        body["input_reference"] = {"image_url": _data_url(image)}
    path = f"/v1/videos/{quote(of, safe='')}/remix" if of else "/v1/videos"

    async def work(gateway: Connection) -> tuple[dict[str, Any], Path | None]:
        asked = await gateway.ask("POST", path, json.dumps(body).encode())
        made = await _ended(gateway, asked, quiet=as_json)
        if made["status"] != "completed":
            return made, None
        target = output or Path(f"{made['id']}.mp4")
        await _written(gateway, made, target)
        return made, target

    made, written = through(work, url, key, config, resident=True)
    if as_json:
        print(json.dumps({"file": str(written) if written else None, **made}, ensure_ascii=False, indent=2))
    elif written is not None:
        facts = f"{made['size']}, {made['seconds']} s, {made['codec']}, {made['bytes'] / 1e6:.1f} MB"
        out.print(f"{written}: {facts}", highlight=False, soft_wrap=True)
    if written is None:
        fail(f"{made['id']}: {(made.get('error') or {}).get('message', made['status'])}")


def _data_url(path: Path) -> str:
    try:
        data = path.read_bytes()
        return f"data:{measure(data).mime};base64,{base64.b64encode(data).decode()}"
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    except GatewayError as error:
        fail(f"{path}: {error}")


async def _ended(gateway: Connection, made: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The video as it ended; a gateway that goes away for a moment is waited for."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as progress:
        bar = progress.add_task("", total=None)
        away = 0.0
        while made["status"] in ("queued", "in_progress"):
            words = say(made["status"].replace("_", " "), "排队中" if made["status"] == "queued" else "生成中")
            progress.update(bar, description=f"{made['id']} {words}")
            await asyncio.sleep(EVERY)
            try:
                made, away = await gateway.ask("GET", f"/v1/videos/{made['id']}"), 0.0
            except Unreachable:
                away += EVERY
                if away > PATIENCE:
                    raise
    return made


async def _written(gateway: Connection, made: dict[str, Any], path: Path) -> None:
    """The file, piece by piece; there whole or not at all."""
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with drafted(path) as file:
        async with gateway.open("GET", f"/v1/videos/{made['id']}/content") as answer:
            async for piece in answer.content.iter_chunked(_PIECE):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != made["sha256"]:
            raise Unreachable("The video came damaged; fetch it again", "视频下载不完整，请重新获取")
