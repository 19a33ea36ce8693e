"""Group commit: what is in flight at the same time is written together.

Alone, an item is written at once; under load, groups grow by themselves while an earlier one is
being written, so that the cost of a round trip and of a commit is shared. What cannot be written
does not keep the others of its group from being written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar, cast

import structlog

from perdure.core.claim import claiming
from perdure.core.request_id import answering
from perdure.core.telemetry import telemetry
from perdure.storage.outages import Outage, is_away, outage_of

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIES: Final = 3
"""How often a group is written that another transaction had to go before."""

_Waiting = tuple[Item, asyncio.Future[Result]]


class GroupCommit(Generic[Item, Result]):
    """Writes items in groups.

    Args:
        write: Writes a group in one transaction; returns a result for each item, in their order.
            What it raises is raised to who submitted an item that fails by itself; a database that
            is away fails the whole group, and one that another transaction had to go before is
            written again.
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
        # What is written is of many callers: none of it is in the name of who came first.
        structlog.contextvars.clear_contextvars()
        with answering(None), claiming(None), telemetry().following(None):
            await self._write_groups()

    async def _write_groups(self) -> None:
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
            results = await self._written([item for item, _ in group])
        except BaseException as error:
            if isinstance(error, Exception) and len(group) > 1 and not is_away(error):
                log.info("group_split", items=len(group), error=repr(error))
                await self._write_halves(group)
                return
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
            return
        if len(results) != len(group):
            _fail(group, ValueError(f"{len(results)} results for {len(group)} items."))
            return
        for (_, written), result in zip(group, results, strict=True):
            if not written.done():
                written.set_result(result)

    async def _written(self, items: list[Item]) -> Sequence[Result]:
        for _ in range(_TRIES - 1):
            try:
                return await self._write(items)
            except Exception as error:
                if outage_of(error) != Outage.GAVE_WAY:
                    raise
        return await self._write(items)

    async def _write_halves(self, group: list[_Waiting[Item, Result]]) -> None:
        # Nothing of it was written, and in halves one that is wrong is found in a few tries.
        middle = len(group) // 2
        try:
            for half in (group[:middle], group[middle:]):
                if still_there := [waiting for waiting in half if not waiting[1].done()]:
                    await self._write_group(still_there)
        except BaseException as error:
            _fail(group, error)
            raise

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
