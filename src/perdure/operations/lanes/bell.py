"""Tells lanes that there is something to do, however often operations are accepted."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

RING_INTERVAL_S: Final = 20.0
"""A lane that was rung for stays awake for longer, and hears by itself of what is accepted."""


class LaneBell:
    """Rings for each lane at once, and then every 20 seconds at most; none that is due is left out.

    Args:
        tell: Tells one lane (kind, number); does not fail.
    """

    def __init__(self, tell: Callable[[str, int], Awaitable[None]]) -> None:
        self._tell = tell
        self._rung_at: dict[tuple[str, int], float] = {}
        self._due: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def ring(self, kind: str, lane: int) -> None:
        """See to it that a lane runs in which an operation was accepted."""
        key = (kind, lane)
        if key in self._due:
            return
        wait_s = self._rung_at.get(key, float("-inf")) + RING_INTERVAL_S - time.monotonic()
        if wait_s > 0:
            self._due[key] = asyncio.create_task(self._ring_later(key, wait_s))
        else:
            await self._ring(key)

    async def close(self) -> None:
        """Call off the rings that are due later."""
        due = list(self._due.values())
        for task in due:
            task.cancel()
        await asyncio.gather(*due, return_exceptions=True)

    async def _ring_later(self, key: tuple[str, int], wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        # What is accepted from here on needs a ring of its own.
        del self._due[key]
        await self._ring(key)

    async def _ring(self, key: tuple[str, int]) -> None:
        self._rung_at[key] = time.monotonic()
        await self._tell(*key)
