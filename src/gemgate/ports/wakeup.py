"""Sleep, or be woken: one helper for every loop that waits for news and looks for itself now and then."""

from __future__ import annotations

import asyncio

from gemgate.ports.runtime import Clock


class Wakeup:
    """Stays awake from `wake` until `clear`, so that what happens between two waits is not missed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def wake(self) -> None:
        self._event.set()

    def clear(self) -> None:
        self._event.clear()

    @property
    def woken(self) -> bool:
        return self._event.is_set()

    async def wait(self, seconds: float) -> None:
        """Until somebody wakes us, or so long."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        waking = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
