"""Finds out how much of a prompt an account really reads: a code word at its end, at most six prompts.

The service drops the end of a longer prompt without a word (docs/google-wire.md 1.1, 1.2), so the only proof is an
answer that knows what stood there. Each probe is a chat of its own, deleted afterwards. Not a temporary one: those may
read less.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence

from gemgate.accounts import MeasuredWalls
from gemgate.chat import TextDelta
from gemgate.errors import Broken, GatewayError, PromptTooLong
from gemgate.pool.pool import Lease
from gemgate.ports.upstream import Accepted, Completed, Prompt, SentFile, Upload

SIZES = tuple(size * 1000 for size in (80, 100, 110, 120, 130, 150, 170))
"""Bytes of text that are tried, close where others met the wall; three prompts find the place among them."""
LOWER = tuple(size * 1000 for size in (10, 20, 30, 40, 50, 60, 70))
"""What is tried when not even the smallest of these was read."""
MORE = tuple(size * 1000 for size in (10, 20, 30, 40, 50, 70, 90))
"""What is tried with a file, in bytes beyond what was read of the text alone."""

_ASK = (
    "At the very end of {} stands a line with a code word. Answer with that one word and nothing else; if there is no "
    "such line, answer NONE.\n"
)
_END = "\nThe code word is {}."


async def measure(lease: Lease, *, word: Callable[[], str], now: float, tier: str = "") -> MeasuredWalls:
    """The walls of the account behind `lease`, with at most six generations. word: makes a fresh code word.

    Every error of Google's ends it, and so does a model that names no word at all (Broken): nothing is known then.
    """

    async def text(size: int) -> bool:
        return await _reads(lease, size, word(), in_file=False)

    async def file(size: int) -> bool:
        return await _reads(lease, size, word(), in_file=True)

    plain, above = await _largest(SIZES, text)
    if not plain:
        plain, above = await _largest(LOWER, text)
        if not plain:
            raise Broken(
                f"The model did not name the word at the end of a prompt of {LOWER[0]:,} bytes: nothing was measured",
                f"模型没有说出 {LOWER[0]:,} 字节提示末尾的词，未得到测量结果",
                generated="maybe",
                code="not_measured",
            )
        return MeasuredWalls(plain, plain, above - plain, now, tier or "unknown")
    both, above_both = await _largest([plain + more for more in MORE], file)
    resolution = max(above - plain, above_both - (both or plain))
    return MeasuredWalls(plain, both or plain, resolution, now, tier or "unknown")


async def _largest(sizes: Sequence[int], reads: Callable[[int], Awaitable[bool]]) -> tuple[int, int]:
    """The largest size that is read, 0 for none, and the smallest that is not (the largest of all when each is)."""
    low, high = -1, len(sizes)
    while high - low > 1:
        middle = (low + high) // 2
        if await reads(sizes[middle]):
            low = middle
        else:
            high = middle
    return sizes[low] if low >= 0 else 0, sizes[min(high, len(sizes) - 1)]


async def _reads(lease: Lease, size: int, word: str, *, in_file: bool) -> bool:
    """Whether the model knows the word at the end of a prompt of so many bytes."""
    ask = _ASK.format("the attached file" if in_file else "this message")
    end = _END.format(word)
    body = filler(size - len(ask) - len(end)) + end
    files: tuple[SentFile, ...] = ()
    if in_file:
        data = body.encode()
        upload = Upload("message.md", "text/markdown", data, hashlib.sha256(data).hexdigest())
        files = (SentFile(await lease.upstream.upload(upload), upload.name, upload.mime),)
    cid, answer = "", ""
    try:
        stream = lease.upstream.stream(Prompt(ask if in_file else ask + body, lease.model, files, exact=True))
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                match piece:
                    case Accepted():
                        cid = piece.cid
                    case TextDelta(text):
                        answer += text
                    case Completed():
                        answer, cid = answer + piece.text, piece.thread.cid or cid
                    case _:
                        pass
    except PromptTooLong:
        return False
    finally:
        if cid:
            with contextlib.suppress(GatewayError):
                await lease.upstream.delete_chat(cid)
    return word.lower() in answer.lower()


def filler(size: int) -> str:
    """So many bytes of numbered lines that say nothing."""
    lines: list[str] = []
    left = size
    number = 0
    while left > 0:
        number += 1
        line = f"Line {number}: nothing to see here, please read on to the end.\n"[:left]
        lines.append(line)
        left -= len(line)
    return "".join(lines)
