"""Programs that run beside each other."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def run_together(count: int, *arguments: str) -> list[str]:
    """Start so many processes of one command and let them go at once when all said "ready"; what they print then."""
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(count)
    ]
    for one in processes:
        assert one.stdout is not None
        await one.stdout.readline()
    said = await asyncio.gather(*(one.communicate(b"go\n") for one in processes))
    assert [one.returncode for one in processes] == [0] * count, [err.decode()[-2000:] for _, err in said]
    return [out.decode() for out, _ in said]
