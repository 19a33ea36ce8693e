"""Group commit: what is in flight at the same time is written together.

Alone, an item is written at once; under load, groups grow by themselves while an earlier one is
being written, so that the cost of a round trip and of a commit is shared.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

_Waiting = tuple[Item, asyncio.Future[Result]]


class GroupCommit(Generic[Item, Result]):
    """Writes items in groups.

    Args:
        write: Writes a group in one transaction; returns a result for each item, in their order.
            What it raises is raised to all of the group.
        size_max: The most items of a group.
        at_once: How many groups may be under way at a time.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        size_max: int = 250,
        at_once: int = 2,
    ) -> None:
        self._write = write
        self._size_max = size_max
        self._at_once = at_once
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._writers: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Write an item, with whatever else is waiting; returns once it is committed."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, written))
        if len(self._writers) < self._at_once:
            # It begins with the loop's next turn, so what is submitted in this turn goes along.
            writer = loop.create_task(self._write_waiting())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await written

    async def _write_waiting(self) -> None:
        try:
            while group := self._next_group():
                await self._write_group(group)
        except BaseException as error:
            # It was stopped, and with it what it would have written next.
            _fail(self._waiting, error)
            self._waiting.clear()
            raise
        finally:
            # At once: whoever submits before the loop's next turn needs a new writer.
            self._writers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _write_group(self, group: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._write([item for item, _ in group])
            written_results = list(zip(group, results, strict=True))
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, written), result in written_results:
            if not written.done():
                written.set_result(result)

    def _next_group(self) -> list[_Waiting[Item, Result]]:
        group: list[_Waiting[Item, Result]] = []
        while self._waiting and len(group) < self._size_max:
            waiting = self._waiting.popleft()
            # Whoever submitted it may have been cancelled meanwhile.
            if not waiting[1].done():
                group.append(waiting)
        return group


def _fail(group: Iterable[_Waiting[Item, Result]], error: BaseException) -> None:
    if not isinstance(error, Exception):
        error = TimeoutError("The group's writer was stopped.")
    for _, written in group:
        if not written.done():
            written.set_exception(error)
