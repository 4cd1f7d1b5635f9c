"""`gemgate batch run --plan`: when an order would be done, how many of it by a time, and what bounds it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gemgate.cli.connection import Connection, through
from gemgate.cli.console import out
from gemgate.cli.terminal import say, write_json


def order_planned(
    count: int, by: str, concurrency: int, priority: int, where: tuple[str, str, Path | None], *, as_json: bool
) -> None:
    """Print the forecast. where: URL, key and configuration of the gateway that is asked."""
    query = urlencode({"images": count, "priority": priority, "concurrency": concurrency} | ({"by": by} if by else {}))

    async def work(gateway: Connection) -> Any:
        return await gateway.ask("GET", f"/v1/capacity?{query}")

    planned = through(work, *where)
    if as_json:
        write_json(planned)
        return
    for line in lines(planned):
        out.print(line, highlight=False, soft_wrap=True, markup=False)


def lines(planned: dict[str, Any]) -> list[str]:
    """The forecast in words."""
    count, ready, done = planned["images"], planned["ready_at"], planned["done_by"]
    if ready:
        told = [say(f"{count} pictures: ready by {local(ready)}", f"{count} 张图片：预计 {local(ready)} 前完成")]
    elif planned["beyond_two_weeks"]:
        told = [say(f"{count} pictures: not within two weeks", f"{count} 张图片：两周内无法完成")]
    else:
        told = [say(f"{count} pictures: when they are ready is not known", f"{count} 张图片：完成时间未知")]
    if planned["by"] and done is not None:
        at = local(planned["by"])
        told.append(say(f"by {at}: {done} of {count}", f"{at} 前：{done}/{count} 张"))
    if planned["limit"]:
        told.append(say(f"limited by: {planned['limit']}", f"受限于：{planned['limit']}"))
    told += [say(f"not known: {one}", f"未知：{one}") for one in planned["unknown"]]
    return told


def local(moment: str) -> str:
    """A moment on the clock of who reads it; with its day where that is another."""
    then, now = datetime.fromisoformat(moment).astimezone(), datetime.now().astimezone()
    return then.strftime("%H:%M" if then.date() == now.date() else "%Y-%m-%d %H:%M")
