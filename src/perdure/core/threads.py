"""Threads for calls that block: a pool of its own for each who makes them.

What waits for a thread holds up nobody on the event loop, and nobody else's calls. Asyncio's own
pool is shared by all, and small: one who fills it stops every other, name look-ups included.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


class Threads:
    """A bounded pool of threads.

    Args:
        name: What the threads are called, for whoever looks at the process.
        at_once_max: How many calls may block at a time; further ones wait, in order.
    """

    def __init__(self, name: str, at_once_max: int) -> None:
        self._pool = ThreadPoolExecutor(at_once_max, thread_name_prefix=name)
        self._free = asyncio.Semaphore(at_once_max)

    async def run(self, call: Callable[[], Result], *, within_s: float | None = None) -> Result:
        """Have a thread make a call.

        A call whose waiter is cancelled goes on, and keeps its thread until it ends.

        Args:
            within_s: How long to wait for a thread, in seconds.

        Raises:
            TimeoutError: All threads were taken for longer than that; nothing was called. The call
                itself should raise none.
        """
        async with asyncio.timeout(within_s):
            await self._free.acquire()
        loop = asyncio.get_running_loop()

        def free(_: object) -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._free.release)

        made = self._pool.submit(copy_context().run, call)
        made.add_done_callback(free)
        return await asyncio.wrap_future(made)

    async def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
