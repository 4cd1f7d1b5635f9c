"""Leaving an answer that is still being made: told to stop, or read to its end, never just closed.

The service stores a turn when its generation finishes and throws it away when the connection is closed before
(docs/google-wire.md 9.2). So the connection outlives its caller for a while, in the background and bounded: the stop
call ends the stream within a second, with what was said until then stored.
"""

from __future__ import annotations

import time

from curl_cffi.requests.exceptions import RequestException

from gemgate.errors import GatewayError
from gemgate.upstreams.web.answer import Answer
from gemgate.upstreams.web.client import HardenedClient
from gemgate.upstreams.web.exchange import Exchange, SilentUpstreamError
from gemgate.upstreams.web.frames import FrameReader


async def leave(
    client: HardenedClient, exchange: Exchange, frames: FrameReader, answer: Answer, *, stop: str, seconds: float
) -> None:
    """Read on for so many seconds at most, what comes is not kept; `stop`: the RPC that asks for an early end, called
    as soon as the turn has ids, "" to let it come to its own. Never raises.
    """
    over = time.monotonic() + seconds
    try:
        while True:
            if stop and answer.cid and answer.rid:
                await client.stop_answer(stop, answer.cid, answer.rid)
                stop = ""
            data = await exchange.read(max(0.0, over - time.monotonic()))
            if data is None or time.monotonic() > over:
                return
            if stop:
                answer.feed(frames.feed(data))
    except (SilentUpstreamError, RequestException, GatewayError):
        return
    finally:
        exchange.drop()
