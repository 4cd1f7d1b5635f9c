"""`python -m benchmarks.bare PORT`: the gateway's HTTP server with nothing behind it but one answer that is there.

What no gateway on this server can go below: a connection, a request's head and body, JSON both ways.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import orjson
import uvicorn
import uvloop

from gemgate.web.interim import InterimProtocol

WORDS = "q" * 120


async def app(scope: Any, receive: Any, send: Any) -> None:
    """A whole chat completion to every POST, an empty 200 to the rest."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = orjson.dumps(_completion(orjson.loads(body))) if body else b""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 30, "total_tokens": 33}
    about = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": asked["model"]}
    return {**about, "choices": [choice], "usage": usage}


if __name__ == "__main__":
    config = uvicorn.Config(
        app,
        port=int(sys.argv[1]),
        http=InterimProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())
