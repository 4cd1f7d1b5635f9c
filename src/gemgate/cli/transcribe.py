"""`gemgate transcribe`: what is said in a recording, by the API's own transcriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through, written_whole
from gemgate.cli.console import out
from gemgate.cli.terminal import ConfigOption, JsonOption, fail, reason, say, write, write_json


def transcribe(
    file: Annotated[Path, typer.Argument(help="The recording: MP3, WAV, M4A, OGG, FLAC, WebM, ...", dir_okay=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Text file to write. (default: the terminal)", dir_okay=False),
    ] = None,
    spoken: Annotated[str, typer.Option("--language", help="What is spoken: de, zh, ...", show_default=False)] = "",
    prompt: Annotated[
        str, typer.Option("--prompt", help="How it shall be written; names that come up.", show_default=False)
    ] = "",
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model. (default: the gateway's)", show_default=False)
    ] = "",
    to_english: Annotated[bool, typer.Option("--translate", help="Write it down in English.")] = False,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write down what is said in a recording: gemgate transcribe talk.mp3 -o talk.txt

    With --json as verbose_json has it. When each word was said is not measured, and not made up.
    """
    if to_english and spoken:
        fail(say("--language does not go with --translate", "--language 不能与 --translate 一起使用"), 2)
    try:
        data = file.read_bytes()
    except OSError as error:
        fail(reason(error), 2, of=file)
    fields = {"response_format": "verbose_json", "language": spoken, "prompt": prompt, "model": model}
    path = f"/v1/audio/{'translations' if to_english else 'transcriptions'}"

    async def work(gateway: Connection) -> Any:
        form = aiohttp.FormData({name: value for name, value in fields.items() if value})
        form.add_field("file", data, filename=file.name, content_type="application/octet-stream")
        return await gateway.ask("POST", path, form)

    told = through(work, url, key, config, resident=True)
    if "text" not in told:  # an error that came behind the head of an answer that took long
        fail(told["error"]["message"])
    text = told["text"]
    if output is not None:
        written_whole(output, f"{text}\n".encode())
    if as_json:
        write_json({"file": str(output) if output else None, **told})
    elif output is not None:
        out.print(
            say(f"{len(text)} characters written to {output}", f"已写入 {len(text)} 个字符到 {output}"), highlight=False
        )
    else:
        write(text)
