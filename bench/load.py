"""Pushes sagas at a peer: so many at once, each next one when one is done; or so many a second."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from bench.saga import Saga

POLL_S: Final = 0.01
"""How often the client looks which sagas are done; latency is the database's time of the end."""
POLL_S_PER_OPEN: Final = 0.0001
"""With more than 100 open it looks less often, as a look costs by what is open."""
BATCHES: Final = 4
"""What a flood may have open is handed over in so many batches."""
BATCH_MAX: Final = 2_000
"""No batch is larger."""
TICK_S: Final = 0.25
"""How often what has become due is handed over where work is offered at a rate."""
STALL_S: Final = 60.0
"""A peer that ends nothing for so long is taken to hang."""


class Workplace(Protocol):
    """Where sagas are submitted, and their ends seen."""

    async def submit(self, saga: Saga) -> str:
        """Accept a saga, durably, and have it begin; returns the operation's id."""
        ...

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which of these have ended, and when, in seconds since the epoch."""
        ...


@runtime_checkable
class BulkWorkplace(Workplace, Protocol):
    """A workplace that takes a file of sagas at a time; it gets its work so."""

    async def submit_many(self, sagas: list[Saga]) -> list[str]:
        """Accept sagas, durably, and have them begin; returns the operations' ids, in order."""
        ...


@runtime_checkable
class SeededWorkplace(Workplace, Protocol):
    """A workplace with a faster way to what sagas leave behind than being driven."""

    async def seed(self, sagas: list[Saga]) -> None:
        """Leave behind in the stores, and at the provider, what carrying these out leaves."""
        ...


@runtime_checkable
class FloodedWorkplace(Workplace, Protocol):
    """A workplace that has another for floods."""

    def for_floods(self) -> BulkWorkplace:
        """Return it."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it.

    Args:
        ends_s: When each saga ended, from the first submission on; in the order it was seen.
        latencies_ms: From before the submission of each saga (at a rate: from when it was due) to
            its end; in the same order.
        offered_s: How long work was offered, at a rate.
        queue: How many sagas were due and had not ended, second by second, at a rate.
    """

    ends_s: list[float]
    latencies_ms: list[float]
    offered_s: float = 0.0
    queue: list[int] = field(default_factory=list)

    @property
    def operations_per_s(self) -> float:
        """How many ended a second.

        At a rate, without the first tenth of the time, in which nothing can have ended yet, and
        without what ended after the last was offered.
        """
        if not self.offered_s:
            return len(self.ends_s) / max(self.ends_s)
        first_s = self.offered_s / 10
        ended = sum(first_s <= end_s <= self.offered_s for end_s in self.ends_s)
        return ended / (self.offered_s - first_s)


async def drive(
    place: Workplace, work: Sequence[Saga], *, concurrency: int, stall_s: float = STALL_S
) -> Load:
    """Carry out all of the work, `concurrency` at a time.

    Raises:
        ExceptionGroup: A submission failed, or (`TimeoutError`) nothing ended for `stall_s`.
    """
    began_s = time.time()
    async with _watching(place, stall_s) as watch:
        if isinstance(place, BulkWorkplace):
            await _flood(place, watch, work, concurrency)
        else:
            await _one_by_one(place, watch, work, concurrency)
        await watch.until_open(0)
    return Load([end_s - began_s for end_s in watch.ends_s], watch.latencies_ms)


async def _one_by_one(
    place: Workplace, watch: "_Watch", work: Sequence[Saga], concurrency: int
) -> None:
    queue = list(reversed(work))

    async def one_after_another() -> None:
        while queue:
            saga, submitted_s = queue.pop(), time.time()
            operation_id = await place.submit(saga)
            await watch.end_of(operation_id, submitted_s)

    async with asyncio.TaskGroup() as clients:
        for _ in range(min(concurrency, len(work))):
            clients.create_task(one_after_another())


async def _flood(
    place: BulkWorkplace, watch: "_Watch", work: Sequence[Saga], concurrency: int
) -> None:
    size = min(max(concurrency // BATCHES, 1), BATCH_MAX)
    for first in range(0, len(work), size):
        batch = list(work[first : first + size])
        await watch.until_open(concurrency - len(batch))
        submitted_s = time.time()
        for operation_id in await place.submit_many(batch):
            watch.add(operation_id, submitted_s)


async def offer(
    place: BulkWorkplace, work: Sequence[Saga], *, rate_per_s: float, stall_s: float = STALL_S
) -> Load:
    """Offer the work at a fixed rate, whether the peer keeps up or not, and wait for its end.

    Raises:
        ExceptionGroup: A submission failed, or (`TimeoutError`) nothing ended for `stall_s`.
    """
    offered_s = len(work) / rate_per_s
    queue: list[int] = []
    async with _watching(place, stall_s) as watch:
        began_s = time.time()
        handed_over = 0
        while handed_over < len(work):
            due = min(int((time.time() - began_s) * rate_per_s) + 1, len(work))
            batch = list(work[handed_over:due])
            ids = await place.submit_many(batch) if batch else []
            for number, operation_id in enumerate(ids, handed_over):
                watch.add(operation_id, began_s + number / rate_per_s)
            handed_over = due
            passed_s = time.time() - began_s
            if passed_s >= len(queue) + 1:
                due = min(int(passed_s * rate_per_s) + 1, len(work))
                queue.append(due - len(watch.ends_s))
            await asyncio.sleep(max(TICK_S - (time.time() - began_s) % TICK_S, 0.001))
        await watch.until_open(0)
    ends_s = [end_s - began_s for end_s in watch.ends_s]
    return Load(ends_s, watch.latencies_ms, offered_s, queue)


async def arrive(
    place: Workplace, work: Sequence[Saga], *, rate_per_s: float, stall_s: float = STALL_S
) -> Load:
    """Submit sagas one by one at a fixed rate, whether others are open or not.

    Raises:
        ExceptionGroup: A submission failed, or (`TimeoutError`) nothing ended for `stall_s`.
    """
    async with _watching(place, stall_s) as watch:
        began_s = time.time()

        async def submit(saga: Saga, due_s: float) -> None:
            watch.add(await place.submit(saga), due_s)

        async with asyncio.TaskGroup() as clients:
            for number, saga in enumerate(work):
                due_s = began_s + number / rate_per_s
                await asyncio.sleep(max(due_s - time.time(), 0))
                clients.create_task(submit(saga, due_s))
        await watch.until_open(0)
    ends_s = [end_s - began_s for end_s in watch.ends_s]
    return Load(ends_s, watch.latencies_ms, len(work) / rate_per_s)


class _Watch:
    """Asks which of the open sagas are done, and keeps when they were."""

    def __init__(self, place: Workplace) -> None:
        self.ends_s: list[float] = []
        self.latencies_ms: list[float] = []
        self._place = place
        self._open: dict[str, tuple[float, asyncio.Future[None]]] = {}
        self._some_ended = asyncio.Event()

    def add(self, operation_id: str, since_s: float) -> asyncio.Future[None]:
        """Watch one more; returns what is done at its end."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[operation_id] = since_s, end
        return end

    async def end_of(self, operation_id: str, since_s: float) -> None:
        """Watch one more, and wait for its end."""
        await self.add(operation_id, since_s)

    async def until_open(self, most: int) -> None:
        """Wait until no more than so many are open."""
        while len(self._open) > most:
            self._some_ended.clear()
            await self._some_ended.wait()

    async def run(self, stall_s: float) -> None:
        """Look until cancelled.

        Raises:
            TimeoutError: Nothing ended for `stall_s`, though something is open.
        """
        progress_s = time.monotonic()
        while True:
            looked_for = list(self._open)
            ended = await self._place.finished(looked_for) if looked_for else {}
            for operation_id, ended_s in ended.items():
                since_s, end = self._open.pop(operation_id)
                self.ends_s.append(ended_s)
                self.latencies_ms.append((ended_s - since_s) * 1000)
                end.set_result(None)
            if ended or not looked_for:
                progress_s = time.monotonic()
                self._some_ended.set()
            elif time.monotonic() - progress_s > stall_s:
                raise TimeoutError(f"{len(looked_for)} are open, and none ended for {stall_s} s")
            await asyncio.sleep(max(POLL_S, len(looked_for) * POLL_S_PER_OPEN))


@asynccontextmanager
async def _watching(place: Workplace, stall_s: float) -> AsyncIterator[_Watch]:
    watch = _Watch(place)
    async with asyncio.TaskGroup() as together:
        watching = together.create_task(watch.run(stall_s))
        yield watch
        watching.cancel()
