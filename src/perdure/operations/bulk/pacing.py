"""An even pace: one turn after the other, at a rate that may change meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_MADE_UP_FOR_S: Final = 0.05
"""How much of what was not used is made up for, as timers come a little late."""


class Pacer:
    """Gives turns at a rate, the first after one interval.

    Args:
        rate_per_s: Turns a second; set it anew while turns are waited for.
        clock: Returns the time, in seconds.
    """

    def __init__(self, rate_per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._last_s = clock()
        self._changed = asyncio.Event()

    @property
    def rate_per_s(self) -> float:
        """Turns a second."""
        return self._rate_per_s

    @rate_per_s.setter
    def rate_per_s(self, value: float) -> None:
        if value != self._rate_per_s:
            self._rate_per_s = value
            self._changed.set()

    @property
    def due_s(self) -> float:
        """When the next turn is."""
        return self._last_s + 1 / self._rate_per_s

    async def turn(self) -> None:
        """Wait for the next turn."""
        while (wait_s := self.due_s - self._clock()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                break
        self._last_s = max(self.due_s, self._clock() - _MADE_UP_FOR_S)
