"""Images that a gateway makes in the background: `--async` orders them and leaves, `--wait` follows them to the end."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import orjson
from typer import Exit

from gemgate.cli import jobs
from gemgate.cli.connection import Connection, through
from gemgate.cli.console import counted_progress, err, out
from gemgate.cli.terminal import say, write_json
from gemgate.files import Inline
from gemgate.images import ImageRequest


def order_images(
    wanted: ImageRequest,
    folder: Path,
    url: str,
    key: str,
    config: Path | None,
    *,
    wait: bool,
    patience: float,
    as_json: bool,
) -> None:
    """Order them at the gateway; with wait they are written to `folder`, and 1 is the end when one is missing.

    patience: seconds that a person has, where nothing goes on without one.
    """

    async def work(gateway: Connection) -> tuple[dict[str, Any], list[Path]]:
        path = "/v1/images/edits" if wanted.references else "/v1/images/generations"
        task = await gateway.ask("POST", path, _body(wanted))
        if not wait:
            if gateway.own and not as_json:
                en = "No gateway runs here: it is made as soon as one does, or while `gemgate jobs watch` runs."
                err.print(say(en, "这里没有正在运行的网关：网关启动后，或 `gemgate jobs watch` 运行期间才会生成。"))
            return task, []
        return await _waited(gateway, task["id"], wanted.n, folder, patience, quiet=as_json)

    task, files = through(work, url, key, config, resident=wait)
    if wait and task["status"] not in jobs.OVER:
        again = jobs.goes_on(task["id"], folder)
        jobs.stands_still(task["id"], task, again, {**task, "files": []} if as_json else None)
    if as_json:
        write_json({**task, "files": [str(file) for file in files]} if wait else task, indent=None)
    elif wait:
        for file in files:
            out.print(str(file), highlight=False, soft_wrap=True)
        jobs.errors_shown(task["id"], task["errors"])
    else:
        out.print(task["id"], highlight=False)
        err.print(_how_to_fetch(task["id"], folder), highlight=False, soft_wrap=True)
    if wait and jobs.is_short(task):
        raise Exit(1)


def _how_to_fetch(task_id: str, folder: Path) -> str:
    watch, fetch = f"gemgate jobs watch {task_id}", f"gemgate jobs fetch {task_id} -o {folder}"
    return say(f"Follow it: {watch}\nFetch it:  {fetch}", f"查看进度：{watch}\n取回图片：{fetch}")


async def _waited(
    gateway: Connection, task_id: str, count: int, folder: Path, patience: float, *, quiet: bool
) -> tuple[dict[str, Any], list[Path]]:
    """The job as it ended and its pictures' files; whoever leaves before is told how they are had."""
    try:
        with counted_progress(quiet=quiet) as shown:
            bar = shown.add_task(task_id, total=count)

            def changed(job: dict[str, Any]) -> None:
                shown.update(bar, completed=job["completed"] + job["failed"])

            job = await jobs.followed(gateway, task_id, changed, patience)
        if job["status"] not in jobs.OVER:
            return job, []
        return job, await jobs.fetched(gateway, task_id, folder)
    except asyncio.CancelledError:
        err.print(_how_to_fetch(task_id, folder), highlight=False, soft_wrap=True)
        raise


def _body(wanted: ImageRequest) -> bytes:
    """The call of /v1/images/generations, or with images to start from of /v1/images/edits."""
    options = wanted.options
    body = {
        "prompt": wanted.prompt,
        "model": wanted.model,
        "n": wanted.n,
        "size": f"{options.long_side // 1024}k" if options.long_side else None,
        "aspect": options.aspect,
        "size_policy": options.size_policy,
        "remove_logo": options.remove_logo,
        "images": [{"image_url": _data_url(one)} for one in wanted.references if isinstance(one, Inline)] or None,
        "response_format": "url",
        "async": True,
    }
    return orjson.dumps({name: value for name, value in body.items() if value is not None})


def _data_url(image: Inline) -> str:
    return f"data:{image.mime};base64,{base64.b64encode(image.data).decode()}"
